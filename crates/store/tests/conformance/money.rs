//! Balances: exact under concurrency, equal to the ledger, never below zero by sending.

use pombo_domain::message::PartState;
use pombo_domain::money::Money;
use pombo_store::operation::Operation;
use pombo_store::operation::accept::{Accept, Accepted};
use pombo_store::operation::account;
use pombo_store::operation::audit;
use pombo_store::operation::settle::{Fate, Item};

use crate::outlet::together;
use crate::world::{CREDIT, PRICE, World, cause, of_parts, on_every_store};

/// What the account's ledger says was set aside, released and refunded; it adds up to the balance.
pub(crate) fn ledger(w: &World) -> [Money; 3] {
    let head = w.ask(audit::Head);
    let (sums, stray) = w.ask(audit::Slice { after: 0, to: head.newest, days: head.days });
    let sums = sums[&w.account];
    assert_eq!((stray, sums.balance()), (0, w.balance()));
    [sums.reserved, sums.released, sums.refunded]
}

#[test]
fn each_part_is_reserved_when_accepted_and_kept_when_a_carrier_takes_it() {
    on_every_store(|w| {
        let message = w.accept(of_parts(3, w.request(1)));
        assert_eq!(w.spent(), PRICE.times(3).unwrap());
        let claimed = w.claim(3);
        let intent = claimed.work[0].intent;
        w.settle(vec![
            w.sent(message.part(0), "1"),
            w.sent(message.part(1), "2"),
            w.sent(message.part(2), "3"),
            Item::IntentDone(intent),
        ]);
        w.settle(vec![w.receipt("2", PartState::Undelivered, 0)]);
        assert_eq!(w.spent(), PRICE.times(3).unwrap());
    });
}

#[test]
fn what_no_carrier_took_is_given_back_once() {
    on_every_store(|w| {
        let (message, intent) = w.flying();
        let refused = Fate::Ended { state: PartState::Rejected, cause: cause("no") };
        let refused = w.settled(message.part(0), refused);
        w.settle(vec![refused.clone(), refused.clone(), Item::IntentDone(intent)]);
        assert_eq!(w.balance(), CREDIT);
        w.settle(vec![refused]);
        assert_eq!(w.balance(), CREDIT);
        assert_eq!(w.state(message), PartState::Rejected);
    });
}

#[test]
fn what_a_carrier_took_is_not_given_back_by_a_late_refusal() {
    on_every_store(|w| {
        let message = w.sent_message("1");
        let refused = Fate::Ended { state: PartState::Rejected, cause: cause("no") };
        w.settle(vec![w.settled(message.part(0), refused)]);
        assert_eq!((w.spent(), w.state(message)), (PRICE, PartState::Sent));
    });
}

#[test]
fn expiry_in_the_queue_gives_back_what_was_reserved() {
    on_every_store(|w| {
        let end = w.now().plus(std::time::Duration::from_secs(60));
        w.accept(Accept { expires: Some(end), ..of_parts(2, w.request(4)) });
        w.set_clock(end);
        let claimed = w.claim(100);
        assert_eq!((claimed.work.len(), claimed.n_expired), (0, 8));
        assert_eq!(w.balance(), CREDIT);
    });
}

#[test]
fn fifty_at_once_spend_what_there_is_and_not_a_micro_more() {
    on_every_store(|w| {
        let amount = PRICE.times(30).unwrap() - CREDIT;
        let credit = |amount| account::Credit { name: "alpha".to_owned(), amount, now: w.now() };
        w.run(credit(amount));
        let answers: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..50)
                .map(|_| {
                    let (store, request) = (w.store.clone(), w.request(1));
                    scope.spawn(move || store.run_blocking(request).unwrap())
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let refused = answers.iter().filter(|a| **a == Accepted::NotEnoughCredits).count();
        assert_eq!(refused, 20);
        assert_eq!(w.balance(), Money::ZERO);
        assert_eq!(w.claim(100).work.len(), 30);
    });
}

#[test]
fn credit_is_given_and_taken_by_name() {
    on_every_store(|w| {
        let amount = Money::from_micros(-400_000_000);
        let credit = |name: &str| account::Credit { name: name.to_owned(), amount, now: w.now() };
        assert_eq!(w.run(credit("alpha")), Some(CREDIT + amount));
        assert_eq!(w.run(credit("nobody")), None);
        assert_eq!(w.balance(), CREDIT + amount);
        assert_eq!(w.balance_of(w.other_account), CREDIT);
    });
}

/// Runs commands in one transaction, in this order.
fn in_one<O: Operation + 'static>(w: &World, operations: Vec<O>) -> Vec<O::Answer> {
    let waiting = together(w, |come| {
        let mut rows = 0;
        let come_one_by_one = operations.into_iter().map(|operation| {
            rows += operation.rows();
            let store = w.store.clone();
            let waiting = std::thread::spawn(move || store.run_blocking(operation).unwrap());
            come(rows);
            waiting
        });
        come_one_by_one.collect::<Vec<_>>()
    });
    waiting.into_iter().map(|one| one.join().unwrap()).collect()
}

#[test]
fn what_is_accepted_together_is_set_aside_by_one_row_of_the_ledger() {
    on_every_store(|w| {
        let newest = || w.ask(audit::Head).newest;
        w.message();
        let before = newest();
        in_one(&w, (1..=9).map(|n| w.request(n)).collect());
        assert_eq!(newest() - before, 2, "of who held up the others, and of these");
        let all = PRICE.times(1 + 1 + 45).unwrap();
        assert_eq!(ledger(&w)[0], all);
        let sums = w.ask(audit::Slice { after: 0, to: newest(), days: vec![w.now().day()] }).0;
        assert_eq!(sums[&w.account].reserved_of_days, all);
    });
}

#[test]
fn a_limit_that_is_set_counts_what_was_accepted_just_before() {
    on_every_store(|w| {
        w.message();
        let set = account::Set {
            name: "alpha".to_owned(),
            changes: vec![account::Change::SpendCap(Some(CREDIT), w.now())],
        };
        let (store, request) = (w.store.clone(), w.request(3));
        let waiting = together(&w, |come| {
            let (others, rows) = (store.clone(), request.rows());
            let one = std::thread::spawn(move || {
                crate::world::first(others.run_blocking(request).unwrap());
            });
            come(rows);
            let rows = rows + set.rows();
            let two = std::thread::spawn(move || assert!(store.run_blocking(set).unwrap()));
            come(rows);
            [one, two]
        });
        waiting.into_iter().for_each(|one| one.join().unwrap());
        let today = account::Spent { account: w.account, day: w.now().day() };
        assert_eq!(w.ask(today), PRICE.times(1 + 1 + 3).unwrap());
    });
}

#[test]
fn an_audit_knows_the_newest_request_however_many_accounts_sent_at_once() {
    on_every_store(|w| {
        let add = |n: usize| account::Add {
            name: format!("account {n}"),
            password_hash: "hash".to_owned(),
            credit: CREDIT,
            currency: "EUR".to_owned(),
            now: w.now(),
        };
        let accounts: Vec<_> = (0..120).map(|n| w.run(add(n)).unwrap()).collect();
        let requests = accounts.into_iter().rev();
        let requests = requests.map(|account| Accept { account, ..w.request(1) }).collect();
        let accepted = in_one(&w, requests);
        let newest = accepted.into_iter().map(crate::world::first).max();
        assert_eq!(Some(w.ask(audit::Head).newest_request), newest);
    });
}
