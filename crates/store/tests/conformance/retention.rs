//! History goes by whole days, once all of it is over, and takes nothing else with it.

use pombo_domain::id::EventId;
use pombo_domain::message::PartState;
use pombo_store::operation::callback_due::Settle;
use pombo_store::operation::claim::Claim;
use pombo_store::operation::retention::{Days, Forget, Forgotten};
use pombo_store::operation::settle::Item;

use crate::world::{CREDIT, DAY, HOUR, PRICE, World, on_every_store};

/// Forgets a day in small pieces; answers how many rows went, or `None` where it stays.
fn forget(w: &World, day: i64) -> Option<usize> {
    let mut n_rows = 0;
    if w.ask(Days { before: day + 1 }).iter().any(|found| found.day == day && found.n_open > 0) {
        return None;
    }
    loop {
        match w.run(Forget { day, limit: 3 }) {
            Forgotten::Some(n) => n_rows += n,
            Forgotten::All => return Some(n_rows),
            Forgotten::Kept => return None,
        }
    }
}

/// Everything that reads the log has read it.
fn all_read(w: &World) {
    while w.sweep().more {}
    w.run(Settle { cursor: Some(EventId(i64::MAX >> 1)), ..Settle::default() });
}

#[test]
fn a_day_that_is_over_goes_and_the_next_stays() {
    on_every_store(|w| {
        let old = w.now().day();
        let gone: Vec<_> = (0..5).map(|i| w.sent_message(&format!("A{i}"))).collect();
        w.settle((0..5).map(|i| w.receipt(&format!("A{i}"), PartState::Delivered, 0)).collect());
        w.pass(4 * DAY);
        let kept = w.sent_message("B");
        w.settle(vec![w.receipt("B", PartState::Delivered, 0)]);
        assert_eq!(forget(&w, old), None, "its events were not all read");
        w.sweep();
        all_read(&w);
        let days = w.ask(Days { before: w.now().day() });
        assert_eq!((days.len(), days[0].day, days[0].n_messages, days[0].n_open), (1, old, 5, 0));
        assert!(forget(&w, old).unwrap() >= 20);
        assert_eq!(w.ask(Days { before: w.now().day() }), []);
        assert!(w.views(gone).is_empty());
        assert_eq!(w.state(kept), PartState::Delivered);
        assert_eq!(w.balance(), CREDIT - PRICE.times(6).unwrap(), "the ledger stays");
        assert_eq!(forget(&w, old), Some(0), "and once more");
        let w = w.reopened();
        assert_eq!(w.state(kept), PartState::Delivered);
    });
}

#[test]
fn a_day_stays_while_one_of_its_messages_is_not_over() {
    on_every_store(|w| {
        let old = w.now().day();
        let message = w.sent_message("A");
        let later =
            pombo_store::operation::accept::Accept { due: w.now().plus(30 * DAY), ..w.request(1) };
        let scheduled = w.accept(later);
        w.settle(vec![w.receipt("A", PartState::Delivered, 0)]);
        w.pass(10 * DAY);
        w.sweep();
        all_read(&w);
        assert_eq!(w.ask(Days { before: w.now().day() })[0].n_open, 1);
        assert_eq!(forget(&w, old), None);
        assert_eq!(w.state(message), PartState::Delivered);
        w.pass(20 * DAY + HOUR);
        let (account, now) = (w.account, w.now());
        let lane = pombo_domain::message::Lane::Transactional;
        let claimed = w.run(Claim { route: w.route, lane, account, room: 1, now });
        assert_eq!(claimed.work[0].message, scheduled);
        let done = Item::IntentDone(claimed.work[0].intent);
        w.settle(vec![w.sent(scheduled.part(0), "S"), done]);
        w.settle(vec![w.receipt("S", PartState::Delivered, 0)]);
        w.sweep();
        all_read(&w);
        assert!(forget(&w, old).is_some());
        assert!(w.views(vec![message, scheduled]).is_empty());
    });
}
