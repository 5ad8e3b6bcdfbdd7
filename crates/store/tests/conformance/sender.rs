//! Senders: what accounts ask for, what is decided, and what may then be shown.

use pombo_domain::address::{Approvals, Country, Sender, Standing};
use pombo_domain::id::AccountId;
use pombo_domain::limits::SENDERS_MAX;
use pombo_store::operation::account::{Change, Find, Set};
use pombo_store::operation::sender::{
    Approved, Ask, Asked, Decide, Entry, List, OfAccount, Remove,
};

use super::world::{HOUR, World, on_every_store};

fn sender(text: &str) -> Sender {
    Sender::parse(text).unwrap()
}

fn country(letters: &str) -> Option<Country> {
    Country::parse(letters)
}

fn ask(w: &World, account: AccountId, name: &str, country: Option<Country>) -> Asked {
    w.run(Ask { account, sender: sender(name), country, now: w.now() })
}

fn new(asked: Asked) -> Entry {
    let Asked::New(entry) = asked else { panic!("not new: {asked:?}") };
    entry
}

fn decide(w: &World, id: i64, standing: Standing, reason: &str) -> Option<Entry> {
    w.run(Decide { id, standing, reason: reason.into(), now: w.now() })
}

fn approved(w: &World, account: AccountId, name: &str) -> Approvals {
    w.ask(Approved { account, sender: sender(name) })
}

#[test]
fn a_sender_waits_until_it_is_decided_and_is_asked_for_once() {
    on_every_store(|w| {
        let entry = new(ask(&w, w.account, "ACME", country("FR")));
        assert_eq!((entry.standing, entry.decided), (Standing::Pending, None));
        assert_eq!(approved(&w, w.account, "ACME"), Approvals::default());
        w.pass(HOUR);
        assert_eq!(ask(&w, w.account, "ACME", country("FR")), Asked::Known(entry.clone()));
        let decided = decide(&w, entry.id, Standing::Approved, "").unwrap();
        assert_eq!((decided.standing, decided.decided), (Standing::Approved, Some(w.now())));
        assert_eq!(approved(&w, w.account, "ACME"), Approvals(vec![country("FR")]));
        assert_eq!(approved(&w, w.account, "Acme"), Approvals::default(), "another spelling");
        let rejected = decide(&w, entry.id, Standing::Rejected, "not yours").unwrap();
        assert_eq!(rejected.reason, "not yours");
        assert_eq!(approved(&w, w.account, "ACME"), Approvals::default());
        assert_eq!(ask(&w, w.account, "ACME", country("FR")), Asked::Known(rejected));
        assert_eq!(decide(&w, entry.id + 1, Standing::Approved, ""), None);
    });
}

#[test]
fn a_sender_for_all_countries_stands_beside_one_for_a_single_country() {
    on_every_store(|w| {
        let all = new(ask(&w, w.account, "34600", None));
        let one = new(ask(&w, w.account, "34600", country("US")));
        decide(&w, all.id, Standing::Approved, "");
        decide(&w, one.id, Standing::Rejected, "");
        assert_eq!(approved(&w, w.account, "34600"), Approvals(vec![None]));
        let listed = w.ask(OfAccount(w.account));
        assert_eq!(listed.iter().map(|e| e.country).collect::<Vec<_>>(), [None, country("US")]);
    });
}

#[test]
fn no_account_sees_withdraws_or_shows_what_another_asked_for() {
    on_every_store(|w| {
        let entry = new(ask(&w, w.account, "ACME", None));
        decide(&w, entry.id, Standing::Approved, "");
        assert_eq!(w.ask(OfAccount(w.other_account)), []);
        assert_eq!(approved(&w, w.other_account, "ACME"), Approvals::default());
        assert!(!w.run(Remove { account: w.other_account, id: entry.id }));
        assert_eq!(w.ask(OfAccount(w.account)).len(), 1);
        let theirs = new(ask(&w, w.other_account, "ACME", None));
        assert_eq!(theirs.standing, Standing::Pending);
        assert!(w.run(Remove { account: w.account, id: entry.id }));
        assert!(!w.run(Remove { account: w.account, id: entry.id }));
        assert_eq!(approved(&w, w.account, "ACME"), Approvals::default());
        assert_eq!(w.ask(OfAccount(w.other_account)), [theirs]);
    });
}

#[test]
fn a_number_is_never_given_again() {
    on_every_store(|w| {
        let entry = new(ask(&w, w.account, "ACME", None));
        assert!(w.run(Remove { account: w.account, id: entry.id }));
        let theirs = new(ask(&w, w.other_account, "BANK", None));
        assert!(theirs.id > entry.id);
        assert_eq!(decide(&w, entry.id, Standing::Approved, ""), None);
        assert_eq!(approved(&w, w.other_account, "BANK"), Approvals::default());
    });
}

#[test]
fn a_list_is_of_one_account_or_all_and_of_one_standing_or_all_by_pages() {
    on_every_store(|w| {
        let first = new(ask(&w, w.account, "A", None));
        let second = new(ask(&w, w.other_account, "B", None));
        let third = new(ask(&w, w.account, "C", None));
        decide(&w, third.id, Standing::Approved, "");
        let ids = |account, standing, after, limit| {
            let list = w.ask(List { account, standing, after, limit });
            list.iter().map(|entry| entry.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(None, None, 0, 10), [first.id, second.id, third.id]);
        assert_eq!(ids(None, None, first.id, 1), [second.id]);
        assert_eq!(ids(Some(w.account), None, 0, 10), [first.id, third.id]);
        assert_eq!(ids(None, Some(Standing::Pending), 0, 10), [first.id, second.id]);
        assert_eq!(ids(Some(w.account), Some(Standing::Approved), 0, 10), [third.id]);
    });
}

#[test]
fn an_account_asks_for_so_many_and_no_more() {
    on_every_store(|w| {
        for i in 0..SENDERS_MAX {
            new(ask(&w, w.account, &format!("S{i}"), None));
        }
        assert_eq!(ask(&w, w.account, "ONEMORE", None), Asked::TooMany);
        assert!(matches!(ask(&w, w.account, "S7", None), Asked::Known(_)));
        new(ask(&w, w.other_account, "ONEMORE", None));
    });
}

#[test]
fn an_account_shows_any_sender_until_it_is_set_otherwise() {
    on_every_store(|w| {
        let name = w.ask(Find::Id(w.account)).unwrap().name;
        let is_bound = || w.ask(Find::Id(w.account)).unwrap().approved_senders;
        assert!(!is_bound());
        for only in [true, false] {
            let changes = vec![Change::ApprovedSenders(only)];
            assert!(w.run(Set { name: name.clone(), changes }));
            assert_eq!(is_bound(), only);
        }
    });
}
