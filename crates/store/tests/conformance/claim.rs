//! Claims: what is due goes once, in order, with its intent; what is not sent comes back.

use std::sync::Arc;
use std::time::Duration;

use pombo_domain::id::{AccountId, MessageId, PartId};
use pombo_domain::message::{EventKind, Lane, PartState};
use pombo_domain::route::{ReceiptId, UncertainPolicy};
use pombo_domain::window::{AvailableTimes, Window};
use pombo_store::operation::accept::{Accept, Accepted};
use pombo_store::operation::claim::{Claim, ClaimAll};
use pombo_store::operation::expire::{Expire, ExpiredOf};
use pombo_store::operation::queue::Heads;
use pombo_store::operation::settle::{Fate, Item};

use crate::world::{CREDIT, HOUR, PRICE, World, cause, of_parts, on_every_store, parts_of};

fn again(w: &World, part: PartId, fate: (u64, bool)) -> Item {
    let (wait_s, elsewhere) = fate;
    let due = w.now().plus(Duration::from_secs(wait_s));
    let route = if elsewhere { w.other_route } else { w.route };
    w.settled(part, Fate::Again { due, route, tries: 1, cause: Some(cause("busy")) })
}

#[test]
fn a_message_lives_from_acceptance_to_delivery() {
    on_every_store(|w| {
        let message = w.message();
        assert_eq!(w.state(message), PartState::Queued);
        let claimed = w.claim(10);
        let work = &claimed.work[0];
        assert_eq!((work.message, work.parts, work.tries), (message, 1, 1));
        assert_eq!(work.request.text, "Hello, this is a text of some length");
        assert_eq!(claimed.next_due, None);
        assert!(w.claim(10).work.is_empty(), "what is away is not claimed again");
        w.settle(vec![w.sent(message.part(0), "A1"), Item::IntentDone(work.intent)]);
        assert_eq!(w.state(message), PartState::Sent);
        let done = w.settle(vec![w.receipt("a1", PartState::Delivered, 0)]);
        assert_eq!((done.n_matched, done.n_repeated, done.n_unmatched), (1, 0, 0));
        assert_eq!(w.state(message), PartState::Delivered);
        assert_eq!(w.kinds(message), [EventKind::Sent, EventKind::Delivered]);
        assert_eq!(w.spent(), PRICE);
    });
}

#[test]
fn a_messages_parts_stay_together_at_the_edge_of_a_claim() {
    on_every_store(|w| {
        let first = w.accept(of_parts(3, w.request(4)));
        let mut seen = Vec::new();
        for room in [1, 4, 2, 9] {
            let claimed = w.claim(room);
            assert!(claimed.work.iter().all(|work| work.parts == 0b111));
            seen.extend(claimed.work.iter().map(|work| work.message));
        }
        assert_eq!(seen, [0, 1, 2, 3].map(|i| first.plus(i)));
    });
}

#[test]
fn a_messages_parts_stay_together_also_when_they_came_back_one_by_one() {
    on_every_store(|w| {
        let first = w.accept(of_parts(3, w.request(2)));
        let claimed = w.claim(9);
        let parts = parts_of(&claimed);
        let unsent = |part: &PartId| {
            let fate = Fate::Again { due: w.now(), route: w.route, tries: 0, cause: None };
            w.settled(*part, fate)
        };
        let mut items: Vec<_> = parts.iter().map(unsent).collect();
        items.push(Item::IntentDone(claimed.work[0].intent));
        w.settle(items);
        for message in [first, first.plus(1)] {
            let claimed = w.claim(1);
            let found: Vec<_> = claimed.work.iter().map(|m| (m.message, m.parts)).collect();
            assert_eq!(found, [(message, 0b111)]);
        }
        assert!(w.is_queue_empty());
    });
}

#[test]
fn a_retry_waits_for_no_whole_campaign() {
    on_every_store(|w| {
        let first = w.accept(w.request(10));
        w.pass(Duration::from_secs(1));
        let failed = parts_of(&w.claim(3))[0];
        w.settle(vec![again(&w, failed, (30, false))]);
        w.pass(Duration::from_secs(60));
        let next = parts_of(&w.claim(3));
        assert_eq!(next, [3, 4, 5].map(|i| first.plus(i).part(0)), "its turn came first");
        assert_eq!(parts_of(&w.claim(3)), [failed]);
        assert_eq!(parts_of(&w.claim(9)).len(), 4);
    });
}

#[test]
fn two_that_want_one_place_in_a_queue_both_get_one() {
    on_every_store(|w| {
        let first = w.accept(w.request(3));
        // The first part comes back from another route, to where its own range stands.
        let moves = w.settled(
            first.part(0),
            Fate::Again { due: w.now(), route: w.route, tries: 0, cause: Some(cause("busy")) },
        );
        w.settle_on(w.other_route, ReceiptId::Same, vec![moves]);
        w.pass(Duration::from_secs(1));
        let mut claimed = parts_of(&w.claim(9));
        claimed.extend(parts_of(&w.claim(9)));
        claimed.sort_unstable();
        assert_eq!(claimed, [0, 1, 2].map(|i| first.plus(i).part(0)));
    });
}

#[test]
fn what_is_not_due_waits() {
    on_every_store(|w| {
        let due = w.now().plus(HOUR);
        w.accept(Accept { due, ..w.request(1) });
        let soon = w.message();
        let claimed = w.claim(10);
        assert_eq!(parts_of(&claimed), [soon.part(0)]);
        assert_eq!(claimed.next_due, Some(due));
        w.set_clock(due);
        assert_eq!(w.claim(10).work.len(), 1);
    });
}

#[test]
fn lanes_accounts_and_routes_have_queues_of_their_own() {
    on_every_store(|w| {
        w.message();
        w.accept(Accept { lane: Lane::Bulk, ..w.request(1) });
        w.run(Accept { account: w.other_account, ..w.request(1) });
        let heads = w.ask(Heads { route: w.route });
        let seen: Vec<_> = heads.iter().map(|head| (head.lane, head.account)).collect();
        let (a, b) = (w.account, w.other_account);
        let expected = [(Lane::Transactional, a), (Lane::Transactional, b), (Lane::Bulk, a)];
        assert_eq!(seen, expected);
        assert!(w.ask(Heads { route: w.other_route }).is_empty());
        for (lane, account) in seen {
            let claim = Claim {
                route: w.route,
                lane,
                account,
                room: 10,
                rules: Arc::default(),
                now: w.now(),
            };
            assert_eq!(w.run(claim).work.len(), 1);
        }
        assert!(w.is_queue_empty());
    });
}

#[test]
fn a_part_is_tried_again_when_due() {
    on_every_store(|w| {
        let (message, intent) = w.flying();
        let done =
            w.settle(vec![again(&w, message.part(0), (30, false)), Item::IntentDone(intent)]);
        assert_eq!(done.requeued.len(), 1);
        assert!(w.claim(10).work.is_empty());
        w.pass(Duration::from_secs(30));
        let claimed = w.claim(10);
        assert_eq!((parts_of(&claimed), claimed.work[0].tries), (vec![message.part(0)], 2));
        assert_eq!(w.kinds(message), [EventKind::Deferred]);
        assert_eq!(w.spent(), PRICE);
    });
}

#[test]
fn a_part_that_moves_to_another_route_is_sent_there_once() {
    on_every_store(|w| {
        // The other route's range spans the middle recipient.
        let mut recipients: Vec<_> = w.request(3).recipients.to_vec();
        recipients[0].route = w.other_route;
        recipients[2].route = w.other_route;
        let first = w.accept(Accept { recipients: recipients.into(), ..w.request(1) });
        let moved = first.plus(1).part(0);
        let claimed = w.claim(10);
        assert_eq!(parts_of(&claimed), [moved]);
        let intent = claimed.work[0].intent;
        w.settle(vec![again(&w, moved, (0, true)), Item::IntentDone(intent)]);
        let mut parts = Vec::new();
        for _ in 0..5 {
            parts.extend(parts_of(&w.claim_on(w.other_route, 10)));
        }
        parts.sort_unstable();
        assert_eq!(parts, [0, 1, 2].map(|i| first.plus(i).part(0)));
        w.settle_on(w.other_route, ReceiptId::Same, vec![w.sent(moved, "M")]);
        let events = w.view(first.plus(1)).events;
        assert_eq!(events.last().unwrap().route, "two");
    });
}

#[test]
fn a_part_moved_without_a_try_is_sent_there_once_too() {
    on_every_store(|w| {
        let mut recipients: Vec<_> = w.request(3).recipients.to_vec();
        recipients[1].route = w.other_route;
        let first = w.accept(Accept { recipients: recipients.into(), ..w.request(1) });
        let moved = first.plus(1).part(0);
        let claimed = w.claim_on(w.other_route, 10);
        let due = w.now();
        let back = Fate::Again { due, route: w.route, tries: 0, cause: None };
        let items = vec![w.settled(moved, back), Item::IntentDone(claimed.work[0].intent)];
        w.settle_on(w.other_route, ReceiptId::Same, items);
        let mut parts = Vec::new();
        for _ in 0..5 {
            parts.extend(parts_of(&w.claim(10)));
        }
        parts.sort_unstable();
        assert_eq!(parts, [0, 1, 2].map(|i| first.plus(i).part(0)));
    });
}

#[test]
fn what_is_given_back_unsent_is_as_if_never_taken() {
    on_every_store(|w| {
        let first = w.accept(w.request(3));
        let claimed = w.claim(3);
        let intent = claimed.work[0].intent;
        let back = Fate::Again { due: w.now(), route: w.route, tries: 0, cause: None };
        let kept = vec![first.part(0), first.plus(2).part(0)];
        w.settle(vec![w.settled(first.plus(1).part(0), back), Item::IntentShrunk(intent, kept)]);
        assert!(w.kinds(first.plus(1)).is_empty());
        let w = w.reopened();
        assert_eq!(w.recover(UncertainPolicy::Hold).n_uncertain, 2);
        let claimed = w.claim(10);
        assert_eq!((parts_of(&claimed), claimed.work[0].tries), (vec![first.plus(1).part(0)], 1));
    });
}

#[test]
fn parts_with_another_number_of_tries_get_an_intent_of_their_own() {
    on_every_store(|w| {
        let (tried, intent) = w.flying();
        w.settle(vec![again(&w, tried.part(0), (0, false)), Item::IntentDone(intent)]);
        let fresh = w.accept(w.request(2));
        let (one, two) = (w.claim(10), w.claim(10));
        assert_eq!(parts_of(&one), [tried.part(0)]);
        assert_eq!(one.work[0].tries, 2);
        assert_eq!(two.work.len(), 2);
        assert!(two.work.iter().all(|work| work.tries == 1 && work.message.0 >= fresh.0));
    });
}

#[test]
fn what_expires_in_the_queue_ends_with_an_event() {
    on_every_store(|w| {
        let end = w.now().plus(HOUR);
        let message = w.accept(Accept { expires: Some(end), ..w.request(1) });
        w.set_clock(end);
        let fresh = w.message();
        let claimed = w.claim(10);
        assert_eq!((parts_of(&claimed), claimed.n_expired), (vec![fresh.part(0)], 1));
        assert_eq!(w.state(message), PartState::Expired);
        assert_eq!(w.kinds(message), [EventKind::Expired]);
        assert_eq!(w.spent(), PRICE);
    });
}

#[test]
fn a_huge_expired_request_ends_in_pieces_and_none_of_it_is_lost() {
    on_every_store(|w| {
        let end = w.now().plus(HOUR);
        let n = 2_600;
        let request = Accept { expires: Some(end), ..of_parts(3, w.request(n)) };
        let first = w.accept(request);
        w.set_clock(end);
        let mut n_expired = 0;
        for _ in 0..20 {
            let claimed = w.claim(100);
            assert!(claimed.work.is_empty());
            assert!(claimed.n_expired <= 1_015, "one operation stays small");
            n_expired += claimed.n_expired;
            match claimed.next_due {
                Some(due) => assert!(due <= w.now()),
                None => break,
            }
        }
        assert_eq!(n_expired, 3 * n);
        assert_eq!(w.balance(), CREDIT);
        for i in [0, 999, 1_000, 2_599] {
            assert_eq!(w.states(first.plus(i)), [PartState::Expired; 3]);
        }
    });
}

#[test]
fn a_route_that_cannot_send_still_lets_things_expire() {
    on_every_store(|w| {
        let end = w.now().plus(HOUR);
        let message = w.accept(Accept { expires: Some(end), ..w.request(2) });
        let lasting = w.message();
        w.set_clock(end);
        let (route, lane, account) = (w.route, Lane::Transactional, w.account);
        let expire = Expire { route, lane, account, after: Default::default(), now: w.now() };
        assert_eq!(w.run(expire), ExpiredOf { n: 2, next: None });
        assert_eq!(w.state(message.plus(1)), PartState::Expired);
        assert_eq!(parts_of(&w.claim(10)), [lasting.part(0)]);
    });
}

#[test]
fn what_expires_behind_much_that_does_not_ends_too() {
    on_every_store(|w| {
        for _ in 0..1_005 {
            w.message();
        }
        let end = w.now().plus(HOUR);
        let message = w.accept(Accept { expires: Some(end), ..w.request(1) });
        w.set_clock(end);
        let (route, lane, account) = (w.route, Lane::Transactional, w.account);
        let mut expire = Expire { route, lane, account, after: Default::default(), now: w.now() };
        let first = w.run(expire);
        assert_eq!(first.n, 0);
        expire.after = first.next.expect("there is more");
        assert_eq!(w.run(expire), ExpiredOf { n: 1, next: None });
        assert_eq!(w.state(message), PartState::Expired);
    });
}

#[test]
fn outside_its_times_of_the_week_a_request_waits_for_them() {
    on_every_store(|w| {
        let evening = Window::parse(None, "20:00", "21:00").unwrap();
        let windows = AvailableTimes::new(vec![evening]).unwrap().to_stored();
        let message = w.accept(Accept { windows: windows.clone(), ..w.request(2) });
        let claimed = w.claim(10);
        assert!(claimed.work.is_empty());
        assert_eq!(claimed.next_due, Some(w.now().plus(8 * HOUR)));
        w.pass(8 * HOUR);
        let parts = [message.part(0), message.plus(1).part(0)];
        assert_eq!(parts_of(&w.claim(10)), parts);

        // One that expires before they open ends when it expires.
        w.pass(2 * HOUR);
        let end = w.now().plus(HOUR);
        let message = w.accept(Accept { windows, expires: Some(end), ..w.request(1) });
        assert_eq!(w.claim(10).next_due, Some(end));
        w.set_clock(end);
        assert_eq!(w.claim(10).n_expired, 1);
        assert_eq!(w.state(message), PartState::Expired);
    });
}

#[test]
fn requests_of_many_sizes_are_claimed_once_each() {
    on_every_store(|w| {
        let mut expected = Vec::new();
        for (n, n_parts) in [(1, 15), (7, 2), (3, 1), (40, 3)] {
            let Accepted::Done { first, .. } = w.run(of_parts(n_parts, w.request(n))) else {
                panic!("there is credit");
            };
            expected.extend((0..n).flat_map(|i| (0..n_parts).map(move |p| first.plus(i).part(p))));
        }
        let mut seen = Vec::new();
        while !w.is_queue_empty() {
            seen.extend(parts_of(&w.claim(11)));
        }
        assert_eq!(seen, expected);
    });
}

#[test]
fn claims_of_several_queues_take_from_each_what_one_alone_would() {
    on_every_store(|w| {
        let other = w.other_account;
        let mine: Vec<_> = (0..3).map(|_| w.message()).collect();
        let later = Accept { due: w.now().plus(HOUR), ..w.request(1) };
        w.accept(later);
        let theirs = w.accept(Accept { account: other, ..w.request(2) });
        let claim = |account, room| Claim { account, ..w.to_claim(room) };
        let nobody = AccountId(999);
        let claims = [claim(w.account, 2), claim(nobody, 5), claim(other, 5), claim(w.account, 5)];
        let claimed = w.run(ClaimAll { claims: claims.into() });
        let parts: Vec<_> = claimed.iter().map(parts_of).collect();
        let of = |messages: &[MessageId]| messages.iter().map(|m| m.part(0)).collect::<Vec<_>>();
        assert_eq!(parts[..3], [of(&mine[..2]), vec![], of(&[theirs, theirs.plus(1)])]);
        assert_eq!(claimed[0].next_due, Some(w.now()));
        assert_eq!((claimed[1].next_due, claimed[2].next_due), (None, None));
        // The same queue once more: what is left of it.
        assert_eq!(parts[3], of(&mine[2..]));
        assert_eq!(claimed[3].next_due, Some(w.now().plus(HOUR)));
    });
}
