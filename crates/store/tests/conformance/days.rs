//! History is kept in tables per UTC day; no promise ends at midnight.

use std::time::Duration;

use pombo_domain::id::EventId;
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::time::Instant;
use pombo_store::operation::accept::{Accept, CallbackUrls};
use pombo_store::operation::callback::After;

use crate::world::{DAY, HOUR, NOON, on_every_store, parts_of};

/// One millisecond before midnight.
const LATE: Instant = Instant::from_micros(NOON.micros() + 43_200_000_000 - 1_000);

#[test]
fn a_message_of_the_last_millisecond_lives_on_the_day_after() {
    on_every_store(|w| {
        w.set_clock(LATE);
        let callbacks = CallbackUrls::One("https://example.com/".to_owned());
        let message = w.accept(Accept { callbacks, ..w.request(1) });
        w.claim(1);
        w.settle(vec![w.sent(message.part(0), "1")]);
        w.pass(Duration::from_millis(2));
        w.settle(vec![w.receipt("1", PartState::Sent, 0)]);
        w.pass(2 * DAY);
        w.settle(vec![w.receipt("1", PartState::Delivered, 0)]);
        let kinds = [EventKind::Sent, EventKind::Buffered, EventKind::Delivered];
        assert_eq!(w.kinds(message), kinds);
        let mut cursor = 0;
        for expected in [EventKind::Buffered, EventKind::Delivered] {
            let owed = w.ask(After {
                cursor: EventId(cursor),
                limit: 2,
                submitted: false,
                audience: Default::default(),
            });
            assert_eq!(owed.callbacks[0].kind, expected);
            cursor = owed.callbacks[0].event.0;
        }
        let w = w.reopened();
        assert_eq!(w.kinds(message), kinds);
    });
}

#[test]
fn a_block_that_does_not_fit_before_midnight_belongs_to_the_new_day() {
    on_every_store(|w| {
        w.set_clock(LATE);
        let first = w.accept(w.request(40_000));
        let ids = vec![first, first.plus(39_999)];
        assert_eq!(w.views(ids).len(), 2);
        let next = w.message();
        assert!(next.0 >= first.0 + 40_000);
        w.pass(HOUR);
        let mut n = 0;
        while !w.is_queue_empty() {
            n += parts_of(&w.claim(10_000)).len();
        }
        assert_eq!(n, 40_001);
    });
}

#[test]
fn a_clock_that_goes_back_gives_no_id_twice() {
    on_every_store(|w| {
        let one = w.message();
        w.set_clock(NOON.minus(3 * DAY));
        let two = w.message();
        assert!(two > one);
        let w = w.reopened();
        let three = w.message();
        assert!(three > two);
        assert_eq!(w.views(vec![one, two, three]).len(), 3);
    });
}

#[test]
fn questions_see_a_day_that_began_after_the_store_was_opened() {
    on_every_store(|w| {
        for _ in 0..4 {
            w.pass(DAY);
            let message = w.message();
            // Every reader must learn of it.
            for _ in 0..4 {
                assert_eq!(w.state(message), PartState::Queued);
            }
        }
    });
}
