//! What accepting promises: whole or not at all, once per key, within the day's limit.

use std::sync::Arc;
use std::time::Duration;

use pombo_domain::id::MessageId;
use pombo_domain::message::PartState;
use pombo_domain::money::Money;
use pombo_domain::route::UncertainPolicy;
use pombo_store::operation::accept::{Accept, Accepted, Campaign, Key};
use pombo_store::operation::account;
use pombo_store::operation::queue::Heads;
use pombo_store::operation::retention::Days;
use pombo_store::operation::stage::{Begin, Stage};

use crate::world::{
    CREDIT, HOUR, PRICE, World, first, of_parts, on_every_store, parts_of, phone, recipient,
};
use pombo_store::operation::text::Texts;

fn stage(w: &World, request: &Accept) -> MessageId {
    let (account, campaign) = (request.account, request.campaign.clone());
    let n_messages = request.recipients.len();
    let (first, sending) = w.run(Begin { account, campaign, n_messages, now: w.now() });
    for start in (0..request.recipients.len()).step_by(500) {
        w.run(Stage {
            certified: false,
            first,
            texts: Texts::Same,
            recipients: Arc::clone(&request.recipients),
            sending,
            callbacks: request.callbacks.clone(),
            range: start..(start + 500).min(request.recipients.len()),
        });
    }
    first
}

fn with_key(request: Accept, key: &str, body: u8) -> Accept {
    Accept { key: Some(Key { key: key.to_owned(), body: [body; 32] }), ..request }
}

fn campaign_of(accepted: Accepted) -> (i64, i64) {
    match accepted {
        Accepted::Done { campaign, sending, .. } => (campaign.0, sending.0),
        refused => panic!("refused: {refused:?}"),
    }
}

#[test]
fn a_requests_messages_have_ids_without_a_gap() {
    on_every_store(|w| {
        let one = w.accept(w.request(3));
        let two = w.accept(w.request(2));
        assert!(two.0 >= one.0 + 3);
        let ids = vec![one, one.plus(1), one.plus(2), two, two.plus(1)];
        let to: Vec<_> = w.views(ids).iter().map(|view| view.to).collect();
        assert_eq!(to, [phone(0), phone(1), phone(2), phone(0), phone(1)]);
        assert!(w.views(vec![two.plus(2)]).is_empty());
    });
}

#[test]
fn a_large_request_is_invisible_until_it_is_accepted() {
    on_every_store(|w| {
        let before = w.message();
        let request = w.request(1_200);
        let staged = stage(&w, &request);
        assert!(w.views(vec![staged, staged.plus(1_199)]).is_empty());
        assert_eq!(parts_of(&w.claim(5_000)), [before.part(0)]);
        let between = w.message();
        let answer = w.run(Accept { staged: Some(staged), ..request });
        assert_eq!(first(answer), staged);
        assert_eq!(w.views(vec![staged, staged.plus(1_199), between]).len(), 3);
        assert_eq!(parts_of(&w.claim(5_000)).len(), 1_201);
        assert_eq!(w.spent(), PRICE.times(1_202).unwrap());
        w.sweep();
        assert_eq!(w.state(staged.plus(600)), PartState::Queued);
    });
}

#[test]
fn staged_rows_vanish_on_recover() {
    on_every_store(|w| {
        let request = w.request(1_200);
        stage(&w, &request);
        let w = w.reopened();
        assert_eq!(w.recover(UncertainPolicy::Hold).n_unstaged, 1);
        assert_eq!(w.recover(UncertainPolicy::Hold).n_unstaged, 0);
        assert_eq!(w.balance(), CREDIT);
        assert!(w.is_queue_empty());
    });
}

#[test]
fn what_was_staged_and_never_accepted_is_swept_and_cannot_be_accepted_later() {
    on_every_store(|w| {
        let request = w.request(1_200);
        let staged = stage(&w, &request);
        assert!(!w.sweep().more);
        w.pass(2 * HOUR);
        while w.sweep().more {}
        let late = Accept { staged: Some(staged), ..request };
        assert!(w.store.run_blocking(late).is_err());
        assert!(w.views(vec![staged]).is_empty());
        assert_eq!(w.balance(), CREDIT);
    });
}

#[test]
fn what_is_being_swept_is_neither_accepted_nor_continued() {
    on_every_store(|w| {
        let request = w.request(1_200);
        let staged = stage(&w, &request);
        w.pass(2 * HOUR);
        assert!(w.sweep().more, "it has begun");
        let recipients = Arc::clone(&request.recipients);
        let callbacks = request.callbacks.clone();
        let more = Stage {
            certified: false,
            first: staged,
            recipients,
            sending: None,
            callbacks,
            texts: Texts::Same,
            range: 0..500,
        };
        assert!(w.store.run_blocking(more).is_err());
        let late = Accept { staged: Some(staged), ..request };
        assert!(w.store.run_blocking(late).is_err());
        while w.sweep().more {}
        assert_eq!(w.balance(), CREDIT);
        let days = w.ask(Days { before: w.now().day() + 1, quiet_since: w.now().day() });
        assert!(days.iter().all(|day| day.n_open == 0), "nothing is left of it");
    });
}

#[test]
fn a_refused_request_writes_nothing() {
    on_every_store(|w| {
        let mut dear = w.request(2);
        let price = Money::from_micros(CREDIT.micros() / 2 + 1);
        let route = w.route;
        dear.recipients = (0..2).map(|i| recipient(phone(i), route, price)).collect();
        let named = Campaign::Named { name: "spring".to_owned(), tags: vec![] };
        let dear = with_key(Accept { campaign: named, ..dear }, "key", 1);
        assert_eq!(w.run(dear), Accepted::NotEnoughCredits);
        assert_eq!(w.balance(), CREDIT);
        assert!(w.is_queue_empty());
        // Refusals are not stored: the key is still free, for any body.
        let again = with_key(w.request(1), "key", 2);
        assert!(matches!(w.run(again), Accepted::Done { replayed: false, .. }));
    });
}

#[test]
fn a_cost_beyond_counting_is_refused() {
    on_every_store(|w| {
        let price = Money::from_micros(i64::MAX / 2);
        let recipients = (0..3).map(|i| recipient(phone(i), w.route, price)).collect();
        let answer = w.run(Accept { recipients, ..w.request(1) });
        assert_eq!(answer, Accepted::NotEnoughCredits);
    });
}

#[test]
fn the_same_key_and_body_give_the_same_ids_and_no_second_charge() {
    on_every_store(|w| {
        let one = w.run(with_key(w.request(2), "key", 1));
        let w = w.reopened();
        let two = w.run(with_key(w.request(2), "key", 1));
        assert_eq!(first(one), first(two));
        assert_eq!(campaign_of(one), campaign_of(two));
        assert!(matches!(two, Accepted::Done { replayed: true, .. }));
        assert_eq!(w.spent(), PRICE.times(2).unwrap());
        assert_eq!(parts_of(&w.claim(10)).len(), 2);
    });
}

#[test]
fn the_same_key_with_another_body_is_refused() {
    on_every_store(|w| {
        w.run(with_key(w.request(1), "key", 1));
        assert_eq!(w.run(with_key(w.request(1), "key", 2)), Accepted::KeyReused);
        assert_eq!(w.spent(), PRICE);
        // A key is its account's own.
        let theirs = Accept { account: w.other_account, ..w.request(1) };
        let theirs = w.run(with_key(theirs, "key", 2));
        assert!(matches!(theirs, Accepted::Done { replayed: false, .. }));
    });
}

#[test]
fn a_key_is_free_again_after_two_days() {
    on_every_store(|w| {
        let one = first(w.run(with_key(w.request(1), "key", 1)));
        w.pass(48 * HOUR - Duration::from_secs(1));
        w.sweep();
        assert_eq!(w.run(with_key(w.request(1), "key", 2)), Accepted::KeyReused);
        w.pass(Duration::from_secs(2));
        // Whether or not the sweep came by.
        let two = first(w.run(with_key(w.request(1), "key", 2)));
        assert_ne!(one, two);
        w.pass(49 * HOUR);
        w.sweep();
        assert_ne!(first(w.run(with_key(w.request(1), "key", 2))), two);
    });
}

#[test]
fn the_daily_limit_counts_messages_of_a_utc_day() {
    on_every_store(|w| {
        let changes = vec![account::Change::PerDay(Some(5))];
        assert!(w.run(account::Set { name: "alpha".to_owned(), changes }));
        w.accept(w.request(3));
        assert_eq!(w.run(w.request(3)), Accepted::DailyLimit);
        w.accept(w.request(2));
        assert_eq!(w.run(w.request(1)), Accepted::DailyLimit);
        w.run(Accept { account: w.other_account, ..w.request(9) });
        w.pass(12 * HOUR);
        w.accept(w.request(5));
        assert_eq!(w.spent(), PRICE.times(10).unwrap());
    });
}

#[test]
fn a_campaign_is_found_by_its_name_or_made() {
    on_every_store(|w| {
        let named = |name: &str, tags: &[&str]| Campaign::Named {
            name: name.to_owned(),
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        };
        let send = |campaign| campaign_of(w.run(Accept { campaign, ..w.request(1) }));
        let spring = send(named("spring", &["a", "b"]));
        assert_eq!(send(named("spring", &["b", "c"])), spring);
        let autumn = send(named("autumn", &[]));
        let (own, other_own) = (send(Campaign::Own), send(Campaign::Own));
        let account = w.other_account;
        let theirs = Accept { account, campaign: named("spring", &[]), ..w.request(1) };
        let theirs = campaign_of(w.run(theirs));
        let mut numbers = vec![spring, autumn, own, other_own, theirs];
        numbers.dedup();
        assert_eq!(numbers.len(), 5);
        assert!(numbers.iter().all(|(campaign, sending)| campaign != sending));
    });
}

#[test]
fn one_range_per_route_covers_exactly_the_requests_parts() {
    on_every_store(|w| {
        let mut recipients: Vec<_> = w.request(2_500).recipients.to_vec();
        for i in [0, 1, 1_700, 2_499] {
            recipients[i].route = w.other_route;
        }
        let request = of_parts(2, Accept { recipients: recipients.into(), ..w.request(1) });
        let first = w.accept(request);
        let mut theirs = Vec::new();
        while !w.ask(Heads { route: w.other_route }).is_empty() {
            theirs.extend(parts_of(&w.claim_on(w.other_route, 3)));
        }
        let expected: Vec<_> = [0, 1, 1_700, 2_499]
            .into_iter()
            .flat_map(|i| [first.plus(i).part(0), first.plus(i).part(1)])
            .collect();
        assert_eq!(theirs, expected);
        let mut ours = 0;
        while !w.ask(Heads { route: w.route }).is_empty() {
            ours += parts_of(&w.claim(700)).len();
        }
        assert_eq!(ours, 2 * 2_496);
    });
}
