//! Opt-outs: nobody on an account's list is messaged, and nothing is charged for trying.

use std::sync::Arc;

use pombo_domain::id::AccountId;
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::money::Money;
use pombo_domain::opt_out::{Address, Channel, REFUSED, Source};
use pombo_domain::route::UncertainPolicy;
use pombo_store::operation::accept::Campaign;
use pombo_store::operation::campaign::{self, Which};
use pombo_store::operation::claim::Claim;
use pombo_store::operation::opt_out::{
    Add, Among, COUNT_MAX, Entry, Find, List, ListEnded, Refuse, Remove, unpriced,
};
use pombo_store::operation::settle::{Fate, Item};
use pombo_store::operation::stage::{Begin, Stage};
use pombo_store::operation::text::Texts;

use super::world::{CREDIT, HOUR, PRICE, World, cause, of_parts, on_every_store, parts_of, phone};

fn address(i: usize) -> Address {
    Address::Phone(phone(i))
}

pub(crate) fn opt_out(w: &World, i: usize) -> usize {
    let (account, now) = (w.account, w.now());
    let addresses = vec![address(i)];
    w.run(Add { account, addresses, source: Source::Recipient, reason: "STOP".into(), now })
}

fn entries(w: &World, account: AccountId) -> Vec<Entry> {
    w.ask(List { account, channel: None, skip: 0, limit: 100 }).entries
}

#[test]
fn a_list_keeps_who_since_when_and_why_and_each_address_once() {
    on_every_store(|w| {
        let (account, email) = (w.account, Address::Email("ana@example.com".into()));
        let add = |addresses: Vec<Address>, reason: &str| {
            let now = w.now();
            w.run(Add { account, addresses, source: Source::Api, reason: reason.into(), now })
        };
        assert_eq!(add(vec![address(1), email.clone(), address(1)], "by phone"), 2);
        w.pass(HOUR);
        assert_eq!(add(vec![address(1), address(2)], "again"), 1);
        let listed = entries(&w, account);
        let who: Vec<&Address> = listed.iter().map(|entry| &entry.address).collect();
        assert_eq!(who, [&address(2), &email, &address(1)]);
        assert_eq!((listed[2].reason.as_str(), listed[0].reason.as_str()), ("by phone", "again"));
        assert!(listed[2].at < listed[0].at);
        let page = |channel, skip| w.ask(List { account, channel, skip, limit: 1 });
        assert_eq!((page(None, 1).entries[0].address.clone(), page(None, 1).total), (email, 3));
        assert_eq!(page(Some(Channel::Sms), 5).total, 2);
        assert!(i64::from(u16::MAX) < COUNT_MAX);
        let find = |account| w.ask(Find { account, addresses: vec![address(1), address(7)] });
        assert_eq!(find(account), [listed[2].clone()]);
        assert_eq!((find(w.other_account), entries(&w, w.other_account)), (vec![], vec![]));
    });
}

#[test]
fn who_is_taken_off_a_list_stays_known_as_having_been_on_it() {
    on_every_store(|w| {
        opt_out(&w, 1);
        let before = entries(&w, w.account);
        let remove = |account, now| Remove {
            account,
            addresses: vec![address(1), address(2)],
            source: Source::Operator,
            reason: "asked by letter".into(),
            now,
        };
        assert_eq!(w.run(remove(w.other_account, w.now())), 0);
        w.pass(HOUR);
        assert_eq!(w.run(remove(w.account, w.now())), 1);
        assert_eq!(entries(&w, w.account), []);
        let ended = w.ask(ListEnded { account: w.account, limit: 10 });
        assert_eq!(ended.len(), 1);
        assert_eq!(ended[0].entry.address, before[0].address);
        assert_eq!((ended[0].entry.at, ended[0].entry.source), (before[0].at, Source::Recipient));
        assert_eq!((ended[0].at, ended[0].source), (w.now(), Source::Operator));
        assert_eq!(ended[0].reason, "asked by letter");
    });
}

#[test]
fn a_message_to_who_opted_out_has_an_id_and_ends_at_once_uncharged() {
    on_every_store(|w| {
        opt_out(&w, 1);
        let name = "Spring".to_owned();
        let campaign = Campaign::Named { name, tags: vec![] };
        let request = of_parts(2, w.request(3));
        let first = w.accept(pombo_store::operation::accept::Accept { campaign, ..request });
        let refused = w.view(first.plus(1));
        assert_eq!(w.states(first.plus(1)), [PartState::Rejected; 2]);
        assert_eq!(w.kinds(first.plus(1)), [EventKind::Refused; 2]);
        assert_eq!(
            (refused.events[0].detail.as_str(), &*refused.events[0].word),
            (REFUSED, "REJECTD")
        );
        let two = PRICE.times(4).unwrap();
        assert_eq!(w.spent(), two);
        let which = Which::Campaign(refused.request.campaign);
        let found = w.ask(campaign::Find { account: Some(w.account), which }).unwrap();
        let totals = found.row.totals;
        assert_eq!((totals.messages, totals.waiting, totals.rejected), (3, 2, 1));
        assert_eq!(totals.cost, two);
        let claimed = w.claim(100);
        assert_eq!(
            claimed.work.iter().map(|m| m.message).collect::<Vec<_>>(),
            [first, first.plus(2)]
        );
        assert_eq!(w.spent(), two);
    });
}

#[test]
fn another_accounts_list_holds_nobody_back() {
    on_every_store(|w| {
        let (account, now) = (w.other_account, w.now());
        let addresses = vec![address(0), Address::Email("ana@example.com".into())];
        w.run(Add { account, addresses, source: Source::Api, reason: String::new(), now });
        let message = w.message();
        assert_eq!(w.claim(1).work.len(), 1);
        assert_eq!(w.state(message), PartState::Queued);
    });
}

#[test]
fn credit_that_covers_all_but_who_opted_out_is_enough() {
    on_every_store(|w| {
        opt_out(&w, 1);
        let mut request = w.request(2);
        let mut dear = request.recipients.to_vec();
        dear[0].price = CREDIT;
        request.recipients = dear.into();
        w.accept(request);
        assert_eq!(w.balance(), Money::ZERO);
    });
}

#[test]
fn who_opts_out_while_a_message_waits_is_not_messaged() {
    on_every_store(|w| {
        let scheduled = w.accept({
            let mut request = of_parts(2, w.request(3));
            request.due = w.now().plus(HOUR);
            request
        });
        opt_out(&w, 1);
        w.pass(2 * HOUR);
        let claimed = w.claim(100);
        assert_eq!((parts_of(&claimed).len(), claimed.n_refused), (4, 2));
        assert_eq!(w.states(scheduled.plus(1)), [PartState::Rejected; 2]);
        assert_eq!(w.spent(), PRICE.times(4).unwrap());
        // One that waits for another try.
        let part = parts_of(&claimed)[0];
        let due = w.now().plus(HOUR);
        let cause = Some(cause("busy"));
        let again = Fate::Again { due, route: w.route, tries: 1, cause };
        w.settle(vec![w.settled(part, again)]);
        opt_out(&w, 0);
        w.pass(HOUR);
        assert_eq!((w.claim(100).work.len(), w.states(scheduled)[0]), (0, PartState::Rejected));
        assert_eq!(w.spent(), PRICE.times(3).unwrap());
        assert!(w.is_queue_empty());
    });
}

#[test]
fn an_earlier_try_in_doubt_stays_told_and_charged() {
    on_every_store(|w| {
        let (message, intent) = w.flying();
        let doubt = w.doubt(message.part(0), UncertainPolicy::Resend);
        w.settle(vec![doubt, Item::IntentDone(intent)]);
        opt_out(&w, 0);
        assert_eq!(w.claim(1).n_refused, 1);
        assert_eq!(w.state(message), PartState::Undelivered);
        assert_eq!(w.spent(), PRICE);
    });
}

#[test]
fn a_large_request_prices_and_ends_those_who_opted_out() {
    on_every_store(|w| {
        opt_out(&w, 3);
        let request = w.request(5);
        let (account, now, n_messages) = (w.account, w.now(), 5);
        let recipients: Vec<_> = request.recipients.iter().map(|r| r.to).collect();
        let listed = w.ask(Among { account, recipients });
        assert_eq!(listed, [3]);
        assert_eq!(w.ask(Among { account: w.other_account, recipients: vec![phone(3)] }), []);
        let recipients = unpriced(&request.recipients, &listed);
        let campaign = request.campaign.clone();
        let (first, sending) = w.run(Begin { account, campaign, n_messages, now });
        w.run(Stage {
            first,
            recipients: Arc::clone(&recipients),
            sending,
            certified: false,
            callbacks: request.callbacks.clone(),
            texts: Texts::Same,
            range: 0..5,
        });
        let staged = Some(first);
        w.accept(pombo_store::operation::accept::Accept { recipients, staged, ..request });
        // One opts out in between.
        opt_out(&w, 4);
        let messages = vec![(first.plus(3), w.request(4).recipients[3])];
        w.run(Refuse { account, messages, now });
        assert_eq!(w.state(first.plus(3)), PartState::Rejected);
        let room = 100;
        let lane = pombo_domain::message::Lane::Transactional;
        let claimed =
            w.run(Claim { route: w.route, lane, account, room, rules: Arc::default(), now });
        assert_eq!((claimed.work.len(), claimed.n_refused), (3, 1));
        assert_eq!(w.spent(), PRICE.times(3).unwrap());
    });
}
