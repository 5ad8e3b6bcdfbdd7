//! What waits for a route that cannot send goes by another, once, and a message's parts together.

use std::sync::Arc;

use pombo_domain::campaign::Order;
use pombo_domain::id::RouteId;
use pombo_domain::message::{EventKind, Lane, PartState};
use pombo_domain::route::ReceiptId;
use pombo_store::operation::accept::{Accept, Campaign};
use pombo_store::operation::campaign::{GiveBack, SetStop};
use pombo_store::operation::divert::{Choose, Divert, Diverted, Place};
use pombo_store::operation::settle::{Fate, Item};

use crate::world::{PRICE, World, cause, of_parts, on_every_store, parts_of, phone, recipient};

fn divert(w: &World, at: Place, choose: &Choose) -> Diverted {
    w.run(Divert {
        from: w.route,
        lane: Lane::Transactional,
        account: w.account,
        at,
        choose: Arc::clone(choose),
        now: w.now(),
    })
}

fn always(route: RouteId) -> Choose {
    Arc::new(move |_, _| Some(route))
}

#[test]
fn everything_that_is_due_moves_and_goes_once() {
    on_every_store(|w| {
        let first = w.accept(of_parts(2, w.request(3)));
        let later = w.now().plus(crate::world::HOUR);
        w.accept(Accept { due: later, ..w.request(1) });
        let diverted = divert(&w, Place::default(), &always(w.other_route));
        assert_eq!((diverted.n_moved, diverted.next), (6, None));
        assert_eq!(diverted.to, [w.other_route]);
        assert!(w.claim(100).work.is_empty(), "nothing is left");
        let mut claimed = Vec::new();
        while claimed.len() < 6 {
            let parts = parts_of(&w.claim_on(w.other_route, 100));
            assert!(!parts.is_empty());
            claimed.extend(parts);
        }
        let expected: Vec<_> =
            (0..3).flat_map(|i| [0, 1].map(|part| first.plus(i).part(part))).collect();
        assert_eq!(claimed, expected);
        assert!(w.claim_on(w.other_route, 100).work.is_empty());
        assert_eq!(w.kinds(first), [EventKind::Deferred, EventKind::Deferred]);
        assert_eq!(w.view(first).parts[0].route, "two");
    });
}

#[test]
fn what_no_other_route_takes_stays_and_hides_nothing_behind_it() {
    on_every_store(|w| {
        let to = |i: usize| recipient(phone(i), w.route, PRICE);
        // More than one look sees: only the last hundred can move.
        let stuck = 1_950;
        for from in [0, 1_000] {
            let recipients = (from..from + 1_000).map(to).collect();
            w.accept(Accept { recipients, ..w.request(1) });
        }
        w.accept(Accept { recipients: (2_000..2_050).map(to).collect(), ..w.request(1) });
        let other = w.other_route;
        let choose: Choose = Arc::new(move |_, to| (to >= phone(stuck)).then_some(other));
        let mut at = Place::default();
        let mut n_moved = 0;
        let mut n_looks = 0;
        loop {
            let diverted = divert(&w, at, &choose);
            n_moved += diverted.n_moved;
            n_looks += 1;
            match diverted.next {
                Some(next) => at = next,
                None => break,
            }
        }
        assert_eq!((n_moved, n_looks), (100, 3));
        assert_eq!(divert(&w, Place::default(), &choose).n_moved, 0);
        let mut n_left = 0;
        loop {
            let n = parts_of(&w.claim(1_000)).len();
            n_left += n;
            if n == 0 {
                break;
            }
        }
        assert_eq!(n_left, stuck);
    });
}

#[test]
fn a_message_of_which_a_part_has_left_stays_with_its_carrier() {
    on_every_store(|w| {
        let message = w.accept(of_parts(2, w.request(1)));
        let intent = w.claim(2).work[0].intent;
        let again =
            Fate::Again { due: w.now(), route: w.route, tries: 1, cause: Some(cause("busy")) };
        w.settle(vec![
            w.sent(message.part(0), "A"),
            w.settled(message.part(1), again),
            Item::IntentDone(intent),
        ]);
        assert_eq!(divert(&w, Place::default(), &always(w.other_route)).n_moved, 0);
        assert_eq!(parts_of(&w.claim(2)), [message.part(1)]);
    });
}

#[test]
fn a_long_message_that_was_given_back_unsent_moves() {
    on_every_store(|w| {
        let message = w.accept(of_parts(2, w.request(1)));
        let intent = w.claim(2).work[0].intent;
        let unsent = |part| {
            w.settled(part, Fate::Again { due: w.now(), route: w.route, tries: 0, cause: None })
        };
        let back = vec![unsent(message.part(0)), unsent(message.part(1)), Item::IntentDone(intent)];
        w.settle(back);
        assert_eq!(divert(&w, Place::default(), &always(w.other_route)).n_moved, 2);
        assert_eq!(parts_of(&w.claim_on(w.other_route, 2)).len(), 2);
    });
}

#[test]
fn rows_that_stand_side_by_side_move_nothing_but_their_own() {
    on_every_store(|w| {
        let later = w.now().plus(crate::world::HOUR);
        let scheduled = w.accept(Accept { due: later, ..w.request(3) });
        let message = w.accept(of_parts(3, w.request(1)));
        let intent = w.claim(3).work[0].intent;
        let unsent = |idx| {
            let fate = Fate::Again { due: w.now(), route: w.route, tries: 0, cause: None };
            w.settled(message.part(idx), fate)
        };
        w.settle(vec![unsent(0), unsent(1), unsent(2), Item::IntentDone(intent)]);
        let diverted = divert(&w, Place::default(), &always(w.other_route));
        assert_eq!((diverted.n_moved, diverted.next), (3, None));
        assert_eq!(w.view(scheduled).parts[0].route, "one");
        assert!(w.kinds(scheduled).is_empty());
        assert_eq!(parts_of(&w.claim_on(w.other_route, 100)), [0, 1, 2].map(|i| message.part(i)));
    });
}

#[test]
fn a_message_that_was_tried_before_moves_with_its_tries() {
    on_every_store(|w| {
        let (message, intent) = w.flying();
        let again =
            Fate::Again { due: w.now(), route: w.route, tries: 3, cause: Some(cause("busy")) };
        w.settle(vec![w.settled(message.part(0), again), Item::IntentDone(intent)]);
        assert_eq!(divert(&w, Place::default(), &always(w.other_route)).n_moved, 1);
        assert_eq!(w.claim_on(w.other_route, 1).work[0].tries, 4);
        assert_eq!(w.state(message), PartState::Queued);
    });
}

#[test]
fn what_went_and_came_back_while_its_sending_is_paused_is_held_beside_the_rest() {
    on_every_store(|w| {
        let campaign = Campaign::Named { name: "Spring".to_owned(), tags: vec![] };
        let first = w.accept(Accept { campaign, ..w.request(2) });
        let (account, sending) = (w.account, w.view(first).request.sending);
        let stop = |order| w.run(SetStop { account, sending, order, now: w.now() });
        stop(Order::Pause);
        let other = w.other_route;
        let choose: Choose = Arc::new(move |_, to| (to == phone(0)).then_some(other));
        assert_eq!(divert(&w, Place::default(), &choose).n_moved, 1);
        // The range of both is held, and then the one that comes back.
        assert!(w.claim(10).work.is_empty());
        let (from, lane, choose, at) =
            (other, Lane::Transactional, always(w.route), Place::default());
        assert_eq!(w.run(Divert { from, lane, account, at, choose, now: w.now() }).n_moved, 1);
        assert!(w.claim(10).work.is_empty());
        stop(Order::Resume);
        w.run(GiveBack { now: w.now() });
        w.pass(crate::world::HOUR);
        let mut claimed = [parts_of(&w.claim(10)), parts_of(&w.claim(10))].concat();
        claimed.sort();
        assert_eq!(claimed, [first.part(0), first.plus(1).part(0)]);
        assert!(w.is_queue_empty());
    });
}

#[test]
fn what_comes_back_together_has_a_place_each_beside_the_range_it_left() {
    on_every_store(|w| {
        let first = w.accept(w.request(4));
        let other = w.other_route;
        // The range stays, as its last cannot go.
        let choose: Choose = Arc::new(move |_, to| (to != phone(3)).then_some(other));
        assert_eq!(divert(&w, Place::default(), &choose).n_moved, 3);
        let claimed = w.claim_on(other, 10);
        assert_eq!(parts_of(&claimed).len(), 3);
        let (due, intents) = (w.now(), claimed.work.iter().map(|work| work.intent));
        let back = |n| {
            let fate = Fate::Again { due, route: w.route, tries: 0, cause: None };
            w.settled(first.plus(n).part(0), fate)
        };
        let mut items: Vec<Item> = (0..3).map(back).collect();
        items.extend(intents.map(Item::IntentDone));
        w.settle_on(other, ReceiptId::Same, items);
        w.pass(crate::world::HOUR);
        let mut claimed: Vec<_> = (0..4).flat_map(|_| parts_of(&w.claim(10))).collect();
        claimed.sort();
        assert_eq!(claimed, [0, 1, 2, 3].map(|n| first.plus(n).part(0)));
        assert!(w.is_queue_empty());
    });
}
