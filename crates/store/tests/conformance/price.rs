//! Imported prices, the daily spend cap, the books and the parts' records.

use pombo_domain::address::Country;
use pombo_domain::id::{MessageId, PartId};
use pombo_domain::message::PartState;
use pombo_domain::money::Money;
use pombo_domain::price::{Network, Prefix, Row, Scope};
use pombo_store::operation::accept::{Accept, Accepted};
use pombo_store::operation::account::{self, Change};
use pombo_store::operation::price::{
    AddPrices, AddRanges, Begin, Finish, Imports, Kind, Prices, Ranges, Stamp,
};
use pombo_store::operation::settle::{Fate, Item};
use pombo_store::operation::{audit, cdr};

use crate::world::{CREDIT, DAY, HOUR, PRICE, World, cause, of_parts, on_every_store};

fn row(w: &World, mnc: Option<u16>, price: Option<i64>) -> Row {
    let network = mnc.and_then(|mnc| Network::parse("214", &format!("{mnc:02}")));
    Row {
        scope: Scope { country: Country::parse("ES").unwrap(), network },
        name: "name".to_owned(),
        price: price.map(Money::from_micros),
        refunds: mnc == Some(5),
        since: w.now(),
    }
}

#[test]
fn a_price_list_is_in_force_as_a_whole_or_not_at_all() {
    on_every_store(|w| {
        let kind = Kind::Sell { currency: "EUR".to_owned() };
        let import = w.run(Begin { kind: kind.clone(), since: w.now(), now: w.now() });
        let rows: Vec<Row> =
            (0..25).map(|i| row(&w, (i > 0).then_some(i), (i != 3).then_some(9))).collect();
        w.run(AddPrices { import, rows: rows[..10].to_vec() });
        assert_eq!((w.ask(Stamp), w.ask(Imports)), (0, vec![]));
        w.run(AddPrices { import, rows: rows[10..].to_vec() });
        w.run(Finish { import, n_rows: 25 });
        let imports = w.ask(Imports);
        assert_eq!((w.ask(Stamp), imports.len()), (1, 1));
        assert_eq!((&imports[0].kind, imports[0].n_rows), (&kind, 25));
        let (mut read, mut after) = (Vec::new(), None);
        loop {
            let page = w.ask(Prices { import, after, limit: 7 });
            let Some(last) = page.last() else { break };
            after = Some((last.scope, last.since));
            read.extend(page);
        }
        assert_eq!(read, rows, "every row once, the default first");
    });
}

#[test]
fn prefixes_come_in_by_pages_in_order() {
    on_every_store(|w| {
        let import = w.run(Begin { kind: Kind::Ranges, since: w.now(), now: w.now() });
        let network = Network::parse("214", "07").unwrap();
        let rows: Vec<_> =
            (34..60).map(|i| (Prefix::from_stored(i), (i % 2 == 0).then_some(network))).collect();
        w.run(AddRanges { import, rows: rows.clone() });
        w.run(Finish { import, n_rows: rows.len() });
        let first = w.ask(Ranges { import, after: 0, limit: 20 });
        let rest = w.ask(Ranges { import, after: 53, limit: 20 });
        assert_eq!([first, rest].concat(), rows);
    });
}

#[test]
fn no_day_costs_more_than_the_spend_cap() {
    on_every_store(|w| {
        let cap = PRICE.times(5).unwrap();
        let changes = vec![Change::SpendCap(Some(cap), w.now())];
        w.run(account::Set { name: "alpha".to_owned(), changes });
        w.accept(w.request(3));
        assert_eq!(w.run(w.request(3)), Accepted::SpendCap);
        w.accept(w.request(2));
        assert_eq!(w.run(w.request(1)), Accepted::SpendCap);
        let spent = account::Spent { account: w.account, day: w.now().day() };
        assert_eq!((w.ask(spent), w.spent()), (cap, cap));
        w.pass(DAY);
        w.accept(w.request(5));
        let other = Accept { account: w.other_account, ..w.request(50) };
        w.accept(other);
    });
}

#[test]
fn a_cap_counts_what_its_day_has_cost_before_and_not_what_is_given_back() {
    on_every_store(|w| {
        w.accept(w.request(7));
        w.pass(DAY);
        w.accept(w.request(3));
        let (message, intent) = w.flying();
        let refused = |message: MessageId| {
            w.settled(
                message.part(0),
                Fate::Ended { state: PartState::Rejected, cause: cause("no") },
            )
        };
        w.settle(vec![refused(message), Item::IntentDone(intent)]);
        let cap = PRICE.times(5).unwrap();
        let changes = vec![Change::SpendCap(Some(cap), w.now())];
        w.run(account::Set { name: "alpha".to_owned(), changes });
        let spent = || w.ask(account::Spent { account: w.account, day: w.now().day() });
        assert_eq!(spent(), PRICE.times(3).unwrap(), "four, one given back, none of yesterday's");
        w.accept(w.request(2));
        assert_eq!(w.run(w.request(1)), Accepted::SpendCap);
        let claimed = w.claim(1);
        let message = claimed.work[0].message;
        w.settle(vec![refused(message), Item::IntentDone(claimed.work[0].intent)]);
        w.accept(w.request(1));
        assert_eq!((w.run(w.request(1)), spent()), (Accepted::SpendCap, cap));
    });
}

#[test]
fn an_import_that_was_broken_off_is_swept_away() {
    on_every_store(|w| {
        let begin = |w: &World| w.run(Begin { kind: Kind::Ranges, since: w.now(), now: w.now() });
        let broken = begin(&w);
        let rows: Vec<_> =
            (1..=1_500).map(|n| (Prefix::from_stored(n), Network::parse("214", "07"))).collect();
        w.run(AddRanges { import: broken, rows });
        w.pass(DAY);
        let running = begin(&w);
        w.run(AddRanges { import: running, rows: vec![(Prefix::from_stored(1), None)] });
        w.pass(HOUR);
        while w.sweep().more {}
        let rows = |import| w.ask(Ranges { import, after: 0, limit: 2_000 }).len();
        assert_eq!((rows(broken), rows(running)), (0, 1));
        let late = w.store.run_blocking(Finish { import: broken, n_rows: 1_500 });
        assert!(late.is_err(), "what is gone does not come into force");
        w.run(Finish { import: running, n_rows: 1 });
        w.pass(DAY + DAY);
        while w.sweep().more {}
        assert_eq!(rows(running), 1);
    });
}

#[test]
fn the_books_tell_what_was_given_set_aside_and_given_back() {
    on_every_store(|w| {
        let amount = Money::from_micros(1_000_000);
        w.pass(DAY);
        w.run(account::Credit { name: "alpha".to_owned(), amount, now: w.now() });
        let (message, intent) = w.flying();
        let refused = Fate::Ended { state: PartState::Rejected, cause: cause("no") };
        w.settle(vec![w.settled(message.part(0), refused), Item::IntentDone(intent)]);
        w.accept(of_parts(3, w.request(2)));
        let head = w.ask(audit::Head);
        let days = head.days.clone();
        let (sums, stray) = w.ask(audit::Slice { after: 0, to: head.newest, days });
        assert_eq!(stray, 0);
        let alpha = &sums[&w.account];
        let reserved = PRICE.times(7).unwrap();
        let wanted = audit::Sums {
            opening: CREDIT,
            credits: amount,
            reserved,
            released: PRICE,
            refunded: Money::ZERO,
            reserved_of_days: reserved,
        };
        assert_eq!(*alpha, wanted);
        assert_eq!(alpha.balance(), w.balance());
        assert_eq!(head.balances[&w.account], w.balance());
        let standing = w.ask(audit::Standing(w.account));
        assert_eq!(standing, Some((w.balance(), w.balance())));
        let day = *head.days.last().unwrap();
        let requests = w.ask(audit::Requests { day, after: MessageId(0), limit: 10 });
        assert!(requests.iter().all(|r| r.parts == r.reserved && r.is_whole), "{requests:?}");
        assert_eq!(requests.iter().map(|r| r.reserved).sum::<Money>(), reserved);
    });
}

#[test]
fn every_part_has_a_record_and_what_they_are_charged_is_what_was_spent() {
    on_every_store(|w| {
        let sent = w.sent_message("abc");
        w.settle(vec![w.receipt("abc", PartState::Undelivered, 0)]);
        let (refused, intent) = w.flying();
        let no = Fate::Ended { state: PartState::Rejected, cause: cause("no") };
        w.settle(vec![w.settled(refused.part(0), no), Item::IntentDone(intent)]);
        let waiting = w.accept(of_parts(2, w.request(1)));
        let (mut records, mut after) = (Vec::new(), PartId(0));
        loop {
            let (page, last) = w.ask(cdr::Page { day: w.now().day(), after, limit: 3 });
            let Some(last) = last else { break };
            after = last;
            records.extend(page);
        }
        let told: Vec<_> =
            records.iter().map(|r| (r.part, r.state, r.charged, r.carrier_id.as_str())).collect();
        let wanted = [
            (sent.part(0), PartState::Undelivered, PRICE, "abc"),
            (refused.part(0), PartState::Rejected, Money::ZERO, ""),
            (waiting.part(0), PartState::Queued, PRICE, ""),
            (waiting.part(1), PartState::Queued, PRICE, ""),
        ];
        assert_eq!(told, wanted);
        assert_eq!(records.iter().map(|r| r.charged).sum::<Money>(), w.spent());
        assert_eq!(
            (records[0].word.as_str(), records[0].account_name.as_str()),
            ("UNDELIV", "alpha")
        );
        assert_eq!((records[0].sent, records[0].done), (Some(w.now()), Some(w.now())));
    });
}
