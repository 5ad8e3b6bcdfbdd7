//! What is scheduled can be listed, moved and withdrawn, one by one or all, until it leaves.

use std::time::Duration;

use pombo_domain::id::MessageId;
use pombo_domain::message::{EventKind, Lane, PartState};
use pombo_domain::route::UncertainPolicy;
use pombo_domain::time::Instant;
use pombo_store::operation::accept::Accept;
use pombo_store::operation::schedule::{
    Change, ChangeAll, ChangeThese, Changed, List, Listed, One, Place, Scheduled,
};
use pombo_store::operation::settle::{Fate, Item};
use pombo_store::operation::uncertain::{Decide, Selection};

use crate::world::{
    CREDIT, HOUR, PRICE, World, of_parts, on_every_store, parts_of, phone, recipient,
};

fn list(w: &World) -> Listed {
    list_page(w, 0, 1_000)
}

fn list_page(w: &World, skip: u64, limit: usize) -> Listed {
    let (account, now) = (w.account, w.now());
    w.ask(List { account, now, skip, limit, count_max: 1_000_000 })
}

fn one(w: &World, id: MessageId) -> Option<Scheduled> {
    w.ask(One { account: w.account, id, now: w.now() })
}

fn change(w: &World, ids: &[MessageId], change: Change) -> Changed {
    w.run(ChangeThese { account: w.account, ids: ids.to_vec(), change, now: w.now() })
}

fn change_all(w: &World, change: Change) -> u64 {
    let (mut at, mut n) = (Some(Place::default()), 0);
    while let Some(from) = at {
        let changed = w.run(ChangeAll { account: w.account, at: from, change, now: w.now() });
        n += changed.n;
        at = changed.next;
    }
    n
}

/// `n` messages of `n_parts` parts on both routes in turn, due in an hour.
fn schedule(w: &World, n: usize, n_parts: u8) -> MessageId {
    let route = |i: usize| if i.is_multiple_of(2) { w.route } else { w.other_route };
    let to = |i: usize| recipient(phone(i), route(i), PRICE);
    let recipients = (0..n).map(to).collect();
    w.accept(of_parts(n_parts, Accept { recipients, due: in_hours(w, 1), ..w.request(1) }))
}

fn in_hours(w: &World, n: u32) -> Instant {
    w.now().plus(HOUR * n)
}

/// Everything that can be claimed on both routes.
fn claim_all(w: &World) -> Vec<MessageId> {
    let mut messages = Vec::new();
    for route in [w.route, w.other_route] {
        loop {
            let claimed = w.claim_on(route, 100);
            if claimed.work.is_empty() {
                break;
            }
            messages.extend(parts_of(&claimed).iter().map(|part| part.message()));
        }
    }
    messages.sort_unstable();
    messages
}

#[test]
fn what_waits_for_its_time_is_listed_and_nothing_else() {
    on_every_store(|w| {
        let first = schedule(&w, 5, 2);
        w.message();
        let listed = list(&w);
        assert_eq!((listed.total, listed.messages.len()), (5, 5));
        let mut ids: Vec<_> = listed.messages.iter().map(|message| message.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, [0, 1, 2, 3, 4].map(|i| first.plus(i)));
        assert!(listed.messages.iter().all(|message| message.due == in_hours(&w, 1)));
        assert_eq!(list_page(&w, 2, 2).messages.len(), 2);
        assert_eq!(list_page(&w, 4, 9).messages.len(), 1);
        let shown = one(&w, first.plus(3)).unwrap();
        assert_eq!((shown.to, shown.due), (phone(3), in_hours(&w, 1)));
        assert_eq!(shown.request.text, "Hello, this is a text of some length");
        let stranger = One { account: w.other_account, id: first, now: w.now() };
        assert!(w.ask(stranger).is_none());
        w.pass(HOUR);
        assert_eq!(list(&w).total, 0);
        assert!(one(&w, first).is_none());
    });
}

#[test]
fn some_are_moved_and_go_once_at_their_new_time() {
    on_every_store(|w| {
        let first = schedule(&w, 6, 3);
        let ids = [first.plus(1), first.plus(4)];
        let changed = change(&w, &ids, Change::MoveTo(in_hours(&w, 3)));
        assert_eq!((changed.n, changed.queues.len()), (2, 2));
        assert_eq!(one(&w, ids[0]).unwrap().due, in_hours(&w, 3));
        assert_eq!(list(&w).total, 6);
        // And once more, to be sure that the first move left nothing behind.
        let changed = change(&w, &ids[..1], Change::MoveTo(in_hours(&w, 2)));
        assert_eq!(changed.n, 1);
        w.pass(HOUR);
        let others = [0, 2, 3, 5].map(|i| [first.plus(i); 3]).concat();
        assert_eq!(claim_all(&w), others);
        w.pass(HOUR);
        assert_eq!(claim_all(&w), [ids[0]; 3]);
        w.pass(HOUR);
        assert_eq!(claim_all(&w), [ids[1]; 3]);
        assert!(w.is_queue_empty());
    });
}

#[test]
fn some_are_withdrawn_and_paid_back() {
    on_every_store(|w| {
        let first = schedule(&w, 4, 2);
        assert_eq!(change(&w, &[first, first.plus(3)], Change::Cancel).n, 2);
        assert_eq!(change(&w, &[first], Change::Cancel).n, 0, "once");
        assert_eq!(w.states(first), [PartState::Cancelled; 2]);
        assert_eq!(w.kinds(first), [EventKind::Cancelled; 2]);
        assert_eq!(w.spent(), PRICE.times(4).unwrap());
        assert_eq!(list(&w).total, 2);
        w.pass(HOUR);
        assert_eq!(claim_all(&w), [1, 2].map(|i| [first.plus(i); 2]).concat());
        assert_eq!(change(&w, &[first.plus(1)], Change::Cancel).n, 0, "it has left");
    });
}

#[test]
fn another_accounts_messages_are_out_of_reach() {
    on_every_store(|w| {
        let first = schedule(&w, 2, 1);
        for what in [Change::Cancel, Change::MoveTo(in_hours(&w, 9))] {
            let (account, now) = (w.other_account, w.now());
            let ids = vec![first, first.plus(1)];
            assert_eq!(w.run(ChangeThese { account, ids, change: what, now }).n, 0);
            let all = ChangeAll { account, at: Place::default(), change: what, now };
            assert_eq!(w.run(all).n, 0);
        }
        assert_eq!(list(&w).total, 2);
    });
}

#[test]
fn all_are_moved_and_all_are_withdrawn() {
    on_every_store(|w| {
        let first = schedule(&w, 1_500, 1);
        let later = schedule(&w, 3, 2);
        let expiring = Accept {
            due: in_hours(&w, 1),
            expires: Some(in_hours(&w, 2)),
            lane: Lane::Bulk,
            ..w.request(1)
        };
        let expiring = w.accept(expiring);
        let now = w.message();
        change(&w, &[first], Change::MoveTo(in_hours(&w, 5)));
        assert_eq!(change_all(&w, Change::MoveTo(in_hours(&w, 4))), 1_503);
        let due = |id| one(&w, id).unwrap().due.millis();
        assert_eq!([due(first), due(later)], [in_hours(&w, 4).millis(); 2]);
        assert_eq!(one(&w, expiring).unwrap().due, in_hours(&w, 1), "it would have expired");
        assert_eq!(change_all(&w, Change::MoveTo(in_hours(&w, 4))), 0, "they are there already");
        assert_eq!(list(&w).total, 1_504);
        assert_eq!(change_all(&w, Change::Cancel), 1_504);
        assert_eq!(list(&w).total, 0);
        assert_eq!(w.balance(), CREDIT - PRICE, "the one that is due now");
        w.pass(Duration::from_secs(5 * 3_600));
        assert_eq!(claim_all(&w), [now]);
    });
}

#[test]
fn what_waits_for_another_try_is_not_scheduled() {
    on_every_store(|w| {
        // A throttled one has no try that counts; one that is scheduled may be throttled too.
        for tries in [0, 1] {
            let message = schedule(&w, 1, 1);
            w.pass(HOUR);
            let again = Fate::Again {
                due: in_hours(&w, 1),
                route: w.route,
                tries,
                cause: Some(crate::world::cause("busy")),
            };
            let done = Item::IntentDone(w.claim(1).work[0].intent);
            w.settle(vec![w.settled(message.part(0), again), done]);
            is_not_scheduled(&w, message);
        }
    });
}

#[test]
fn what_is_sent_again_after_a_doubt_is_not_scheduled() {
    on_every_store(|w| {
        let message = schedule(&w, 1, 1);
        w.pass(HOUR);
        let intent = w.claim(1).work[0].intent;
        w.settle(vec![w.doubt(message.part(0), UncertainPolicy::Hold), Item::IntentDone(intent)]);
        w.run(Decide { selection: Selection::All, resend: true, now: in_hours(&w, 1) });
        is_not_scheduled(&w, message);
    });
}

fn is_not_scheduled(w: &World, message: MessageId) {
    assert_eq!(list(w).total, 0);
    assert!(one(w, message).is_none());
    assert_eq!(change(w, &[message], Change::Cancel).n, 0);
    assert_eq!(change_all(w, Change::Cancel), 0);
    assert_eq!(w.state(message), PartState::Queued);
}
