//! History goes by whole days, once all of it is over, and takes nothing else with it.

use pombo_domain::id::{EventId, MessageId};
use pombo_domain::message::PartState;
use pombo_domain::money::Money;
use pombo_store::operation::audit;
use pombo_store::operation::callback_due::Settle;
use pombo_store::operation::claim::Claim;
use pombo_store::operation::retention::{DayOfHistory, Days, Forget, Forgotten};
use pombo_store::operation::settle::Item;
use std::sync::Arc;

use crate::place::Place;
use crate::world::{CREDIT, DAY, HOUR, PRICE, World, on_every_store};

/// The days before that one.
fn days_before(w: &World, before: i64) -> Vec<DayOfHistory> {
    w.ask(Days { before, quiet_since: w.now().day() - 2 })
}

/// Forgets a day in small pieces; answers how many rows went, or `None` where it stays.
fn forget(w: &World, day: i64) -> Option<usize> {
    let mut n_rows = 0;
    let found = days_before(w, day + 1).into_iter().find(|found| found.day == day);
    if found.is_some_and(|found| found.n_open > 0 || found.n_lively > 0 || found.is_needed) {
        return None;
    }
    let is_over = found.is_none_or(|found| found.is_over());
    loop {
        match w.run(Forget { day, limit: 3 }) {
            Forgotten::Some(n) => n_rows += n,
            Forgotten::All => {
                assert!(is_over, "what goes was over");
                return Some(n_rows);
            }
            Forgotten::Kept => {
                assert!(!is_over, "what is over can go");
                return None;
            }
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
        let days = days_before(&w, w.now().day());
        assert_eq!((days.len(), days[0].day, days[0].n_messages, days[0].n_open), (1, old, 5, 0));
        let n_rows = forget(&w, old).expect("all is over and read");
        match &w.place {
            Place::Sqlite(_) => assert!(n_rows >= 20, "row by row, so that nobody waits: {n_rows}"),
            _ => assert_eq!(n_rows, 0, "whole tables"),
        }
        assert_eq!(days_before(&w, w.now().day()), []);
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
        assert_eq!(days_before(&w, w.now().day())[0].n_open, 1);
        assert_eq!(forget(&w, old), None);
        assert_eq!(w.state(message), PartState::Delivered);
        w.pass(20 * DAY + HOUR);
        let (account, now) = (w.account, w.now());
        let lane = pombo_domain::message::Lane::Transactional;
        let claimed =
            w.run(Claim { route: w.route, lane, account, room: 1, rules: Arc::default(), now });
        assert_eq!(claimed.work[0].message, scheduled);
        let done = Item::IntentDone(claimed.work[0].intent);
        w.settle(vec![w.sent(scheduled.part(0), "S"), done]);
        w.settle(vec![w.receipt("S", PartState::Delivered, 0)]);
        w.sweep();
        all_read(&w);
        assert_eq!(days_before(&w, w.now().day())[0].n_lively, 1);
        assert_eq!(forget(&w, old), None, "its links and late receipts are awaited");
        w.pass(4 * DAY);
        assert!(forget(&w, old).is_some());
        assert!(w.views(vec![message, scheduled]).is_empty());
    });
}

#[test]
fn a_day_stays_with_an_earlier_one_of_whose_messages_it_tells() {
    on_every_store(|w| {
        let old = w.now().day();
        let stays = w.now().plus(30 * DAY);
        w.accept(pombo_store::operation::accept::Accept { due: stays, ..w.request(1) });
        let message = w.sent_message("A");
        w.pass(DAY);
        w.sent_message("B");
        w.settle(vec![w.receipt("A", PartState::Delivered, 0)]);
        w.pass(DAY);
        w.settle(vec![w.receipt("B", PartState::Delivered, 0)]);
        w.pass(DAY);
        w.sent_message("C");
        w.settle(vec![w.receipt("C", PartState::Delivered, 0)]);
        w.pass(4 * DAY);
        w.sweep();
        all_read(&w);
        let days = days_before(&w, w.now().day());
        let found: Vec<_> = days.iter().map(|d| (d.day - old, d.n_open, d.is_needed)).collect();
        assert_eq!(found, [(0, 1, false), (1, 0, true), (2, 0, true), (3, 0, false)]);
        assert_eq!(forget(&w, old + 1), None);
        let last = w.kinds(message).pop();
        assert!(forget(&w, old + 3).is_some());
        assert_eq!((w.kinds(message).pop(), w.state(message)), (last, PartState::Delivered));
    });
}

/// What an account's requests set aside, by the ledger and by the history of those days.
fn by_ledger_and_by_history(w: &World) -> (Money, Money) {
    let head = w.ask(audit::Head);
    let days = head.days.clone();
    let (sums, _) = w.ask(audit::Slice { after: 0, to: head.newest, days });
    let of_day = |day| w.ask(audit::Requests { day, after: MessageId(0), limit: 100 });
    let history = head.days.into_iter().flat_map(of_day).map(|request| request.reserved).sum();
    (sums[&w.account].reserved_of_days, history)
}

#[test]
fn an_audit_looks_at_whole_days_only_whichever_are_gone() {
    on_every_store(|w| {
        let stays = w.now().plus(30 * DAY);
        w.accept(pombo_store::operation::accept::Accept { due: stays, ..w.request(2) });
        for i in 0..2 {
            w.pass(DAY);
            w.sent_message(&format!("A{i}"));
            w.settle(vec![w.receipt(&format!("A{i}"), PartState::Delivered, 0)]);
        }
        let (second, third) = (w.now().day() - 1, w.now().day());
        w.pass(4 * DAY);
        w.sweep();
        all_read(&w);
        let all = PRICE.times(4).unwrap();
        assert_eq!(by_ledger_and_by_history(&w), (all, all));
        assert!(forget(&w, second).is_some(), "a day between two that stay");
        let left = PRICE.times(3).unwrap();
        assert_eq!(by_ledger_and_by_history(&w), (left, left));
        assert_ne!(w.run(Forget { day: third, limit: 1 }), Forgotten::Kept);
        let left = PRICE.times(2).unwrap();
        assert_eq!(by_ledger_and_by_history(&w), (left, left), "one that has begun to go");
    });
}
