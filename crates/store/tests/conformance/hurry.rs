//! A clock that was ahead and is set back.

use std::sync::Arc;
use std::time::Duration;

use pombo_domain::message::Lane;
use pombo_store::operation::divert::{Choose, Divert, Place};
use pombo_store::operation::hurry::{Hurried, Hurry};
use pombo_store::operation::settle::{Fate, Item};

use crate::world::{HOUR, NOON, World, cause, on_every_store, parts_of, phone};

fn hurry(w: &World, limit: i64) -> Hurried {
    w.run(Hurry { now: w.now(), limit })
}

#[test]
fn what_was_accepted_while_the_clock_was_ahead_goes_when_it_is_set_back() {
    on_every_store(|w| {
        w.set_clock(NOON.plus(2 * HOUR));
        for _ in 0..3 {
            w.accept(w.request(2));
        }
        w.set_clock(NOON);
        assert!(w.claim(10).work.is_empty(), "it waits for two hours");
        assert_eq!(hurry(&w, 2), Hurried { n: 2, more: true });
        assert_eq!(hurry(&w, 2), Hurried { n: 1, more: false });
        assert_eq!(parts_of(&w.claim(10)).len(), 6);
    });
}

#[test]
fn what_is_scheduled_and_what_waits_for_its_next_try_is_not_hurried() {
    on_every_store(|w| {
        let mut scheduled = w.request(1);
        scheduled.due = NOON.plus(3 * HOUR);
        w.accept(scheduled);
        let in_ten_minutes = || {
            let (message, intent) = w.flying();
            let due = w.now().plus(Duration::from_secs(600));
            let again = Fate::Again { due, route: w.route, tries: 1, cause: Some(cause("busy")) };
            w.settle(vec![w.settled(message.part(0), again), Item::IntentDone(intent)]);
            message
        };
        w.set_clock(NOON.plus(HOUR));
        let late = in_ten_minutes();
        w.set_clock(NOON);
        in_ten_minutes();
        assert_eq!(hurry(&w, 10).n, 1, "no wait is longer than half an hour");
        assert_eq!(parts_of(&w.claim(10)), [late.part(0)]);
    });
}

#[test]
fn what_went_to_another_route_and_came_back_is_hurried_beside_the_range_it_left() {
    on_every_store(|w| {
        w.set_clock(NOON.plus(2 * HOUR));
        let first = w.accept(w.request(2));
        for (from, to) in [(w.route, w.other_route), (w.other_route, w.route)] {
            let choose: Choose = Arc::new(move |_, it| (it == phone(0)).then_some(to));
            let (lane, account, now) = (Lane::Transactional, w.account, w.now());
            let at = Place::default();
            assert_eq!(w.run(Divert { from, lane, account, at, choose, now }).n_moved, 1);
        }
        w.set_clock(NOON);
        assert_eq!(hurry(&w, 10), Hurried { n: 2, more: false });
        w.pass(Duration::from_millis(1));
        let mut claimed = parts_of(&w.claim(10));
        claimed.extend(parts_of(&w.claim(10)));
        claimed.sort();
        assert_eq!(claimed, [first.part(0), first.plus(1).part(0)]);
        assert!(w.is_queue_empty());
    });
}

#[test]
fn nothing_is_hurried_where_the_clock_was_never_ahead() {
    on_every_store(|w| {
        w.message();
        assert_eq!(hurry(&w, 10), Hurried { n: 0, more: false });
    });
}
