//! Certified messages: a chain over what happened, which a later change breaks; an extra price.

use std::sync::Arc;
use std::time::Duration;

use pombo_domain::certificate::{Broken, Hash};
use pombo_domain::id::{EventId, MessageId};
use pombo_domain::message::PartState;
use pombo_domain::money::Money;
use pombo_domain::route::UncertainPolicy;
use pombo_store::operation::accept::{Accept, Accepted, Recipient, cost};
use pombo_store::operation::audit;
use pombo_store::operation::callback_due::Settle;
use pombo_store::operation::certificate::{Certificate, Certified, Evidence};
use pombo_store::operation::hurry::Hurry;
use pombo_store::operation::retention::{Forget, Forgotten};
use pombo_store::operation::settle::{Fate, Item};
use pombo_store::operation::stage::{Begin, Stage};
use pombo_store::operation::status::MessageView;
use pombo_store::operation::text::{OwnText, Texts};

use crate::opt_out::opt_out;
use crate::place::Place;
use crate::world::{
    CREDIT, DAY, HOUR, NOON, PRICE, World, cause, of_parts, on_every_store, phone, recipient,
};

/// What a certified message costs beside its parts.
const EXTRA: Money = Money::from_micros(200_000);

/// A certified request, to be changed as the test likes.
fn certified(w: &World, n: usize) -> Accept {
    let with_extra = |of: &Recipient| Recipient { extra: EXTRA, ..*of };
    let request = w.request(n);
    let recipients = request.recipients.iter().map(with_extra).collect();
    Accept { certified: true, recipients, ..request }
}

fn look(w: &World, message: MessageId) -> Certified {
    w.ask(Certificate { message, account: Some(w.account) })
}

fn whole(w: &World, message: MessageId) -> Evidence {
    match look(w, message) {
        Certified::Whole(evidence) => *evidence,
        other => panic!("not whole: {other:?}"),
    }
}

/// A certified message of two parts, both delivered, and one of which was first put back.
fn delivered(w: &World) -> MessageId {
    let message = w.accept(of_parts(2, certified(w, 1)));
    let claimed = w.claim(2);
    let again = Fate::Again { due: w.now(), route: w.route, tries: 1, cause: Some(cause("busy")) };
    w.settle(vec![
        w.settled(message.part(0), again),
        w.sent(message.part(1), "B"),
        Item::IntentDone(claimed.work[0].intent),
    ]);
    let claimed = w.claim(2);
    w.settle(vec![w.sent(message.part(0), "A"), Item::IntentDone(claimed.work[0].intent)]);
    w.pass(Duration::from_secs(60));
    w.settle(vec![w.receipt("A", PartState::Delivered, 0)]);
    w.settle(vec![w.receipt("B", PartState::Delivered, 0)]);
    message
}

/// Checks that a message has a certificate where it is certified, once it is over.
pub(crate) fn agrees(w: &World, of: &MessageView) {
    let found = w.ask(Certificate { message: of.id, account: None });
    let is_over = of.parts.iter().all(|part| part.state.is_final());
    let agrees = match (of.request.certified, is_over) {
        (true, true) => matches!(found, Certified::Whole(_)),
        (true, false) => matches!(found, Certified::Open),
        (false, _) => matches!(found, Certified::Unknown),
    };
    assert!(agrees, "{:?}: {found:?}", of.id);
}

/// Runs a statement that no operation has, as somebody would who changes what is stored.
fn tamper(w: &World, sql: &str) {
    match &w.place {
        Place::Sqlite(folder) => {
            let file = rusqlite::Connection::open(folder.file()).unwrap();
            file.busy_timeout(HOUR).unwrap();
            assert!(file.execute(sql, []).unwrap() > 0, "{sql}");
        }
        Place::Postgres(database) => {
            database.run(sql);
        }
    }
}

#[test]
fn a_certificate_has_everything_that_happened_in_a_chain() {
    on_every_store(|w| {
        let message = delivered(&w);
        let evidence = whole(&w, message);
        assert_eq!(evidence.message.id, message);
        assert_eq!(evidence.message.events.len(), 5);
        let links = &evidence.links;
        assert_eq!(links.len(), 1 + 5);
        let mut before = None;
        for link in links {
            assert_eq!(link.hash, Hash::of(before, &link.texts));
            assert_eq!(link.texts.len(), link.names.len());
            before = Some(link.hash);
        }
        assert_eq!(links[0].texts[7], "Hello, this is a text of some length");
        assert_eq!(links[0].texts[12], "250000 50000", "the first part bears the extra price");
        let told: Vec<_> = links[1..]
            .iter()
            .map(|link| (link.texts[0].as_str(), link.texts[2].as_str(), link.texts[8].as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("1", "deferred", "busy"),
                ("2", "sent", "B"),
                ("1", "sent", "A"),
                ("1", "delivered", "A"),
                ("2", "delivered", "B"),
            ]
        );
        // What comes later makes it longer, and changes nothing of what was.
        let w = w.reopened();
        let again = whole(&w, message);
        assert_eq!(again.links.last().unwrap().hash, links.last().unwrap().hash);
    });
}

#[test]
fn only_an_owner_sees_it_only_of_certified_messages_and_only_when_they_are_over() {
    on_every_store(|w| {
        let plain = w.sent_message("P");
        w.settle(vec![w.receipt("P", PartState::Delivered, 0)]);
        assert!(matches!(look(&w, plain), Certified::Unknown));
        assert!(matches!(look(&w, MessageId(1)), Certified::Unknown));
        let message = w.accept(certified(&w, 1));
        assert!(matches!(look(&w, message), Certified::Open));
        let intent = w.claim(1).work[0].intent;
        w.settle(vec![w.sent(message.part(0), "A"), Item::IntentDone(intent)]);
        assert!(matches!(look(&w, message), Certified::Open));
        w.settle(vec![w.receipt("A", PartState::Undelivered, 0)]);
        let other = Certificate { message, account: Some(w.other_account) };
        assert!(matches!(w.ask(other), Certified::Unknown));
        let operator = Certificate { message, account: None };
        assert!(matches!(w.ask(operator), Certified::Whole(_)));
        assert_eq!(whole(&w, message).links.len(), 3);
    });
}

#[test]
fn whatever_is_changed_afterwards_is_noticed() {
    // Each change is of one message's rows.
    let (request, part, event, chain) =
        ("request_{day}", "part_{day}", "event_{day}", "chain_{day}");
    let changes = [
        (request, "update", "text = 'Another'", "", Broken::Link(0)),
        (request, "update", "sender = 'OTHER'", "", Broken::Link(0)),
        (request, "update", "created = created - 1", "", Broken::Link(0)),
        (request, "update", "due = due - 1", "", Broken::Link(0)),
        (part, "update", "recipient = recipient + 1", "", Broken::Link(0)),
        (part, "update", "price = 1", "", Broken::Link(0)),
        (event, "update", "at = at + 1", "kind = 2", Broken::Link(4)),
        (event, "update", "detail = 'X'", "kind = 1", Broken::Link(2)),
        (event, "update", "kind = 3", "kind = 2", Broken::Link(4)),
        (event, "update", "code = '1'", "kind = 9", Broken::Link(1)),
        (event, "update", "route = 2", "kind = 2", Broken::Link(4)),
        (event, "update", "prev = 0", "kind = 2", Broken::Link(4)),
        (event, "delete", "", "kind = 9", Broken::Link(1)),
        (part, "update", "state = 3", "", Broken::Part(1)),
        (part, "update", "event = event - 1", "", Broken::Part(1)),
        (chain, "update", "state = 3", "n = 5", Broken::Link(5)),
        (
            chain,
            "update",
            "hash = (select hash from chain_{day} limit 1)",
            "n = 3",
            Broken::Link(3),
        ),
        (chain, "delete", "", "n = 2", Broken::Link(2)),
        (chain, "delete", "", "n = 5", Broken::Part(2)),
        (chain, "delete", "", "", Broken::Part(1)),
    ];
    on_every_store(|w| {
        for (table, verb, what, which, broken) in &changes {
            let message = delivered(&w);
            whole(&w, message);
            let own = match *table {
                "request_{day}" => format!("id = {message}"),
                "part_{day}" => format!("id >> 4 = {message}"),
                "event_{day}" => format!("part >> 4 = {message}"),
                _ => format!("message = {message}"),
            };
            let own = if which.is_empty() { own } else { format!("{own} and {which}") };
            let sql = match *verb {
                "update" => format!("update {table} set {what} where {own}"),
                _ => format!("delete from {table} where {own}"),
            };
            tamper(&w, &sql.replace("{day}", &NOON.day().to_string()));
            match look(&w, message) {
                Certified::Broken(found) => assert_eq!(found, *broken, "{sql}"),
                other => panic!("{sql}: {other:?}"),
            }
        }
    });
}

#[test]
fn what_happens_to_a_message_that_was_changed_mends_nothing() {
    on_every_store(|w| {
        let message = w.accept(certified(&w, 1));
        let intent = w.claim(1).work[0].intent;
        w.settle(vec![w.sent(message.part(0), "A"), Item::IntentDone(intent)]);
        tamper(&w, &format!("update request_{} set text = 'Another'", NOON.day()));
        w.settle(vec![w.receipt("A", PartState::Delivered, 0)]);
        assert!(matches!(look(&w, message), Certified::Broken(Broken::Link(0))));
    });
}

#[test]
fn the_extra_price_is_reserved_charged_and_given_back_with_the_first_part() {
    on_every_store(|w| {
        let parts = PRICE.times(2).unwrap();
        let request = of_parts(2, certified(&w, 2));
        assert_eq!(cost(&request.recipients), Some((parts + EXTRA).times(2).unwrap()));
        let first = w.accept(request);
        assert_eq!(w.spent(), (parts + EXTRA).times(2).unwrap());
        let claimed = w.claim(4);
        let refused = || Fate::Ended { state: PartState::Rejected, cause: cause("no") };
        w.settle(vec![
            w.sent(first.part(0), "A"),
            w.settled(first.part(1), refused()),
            w.settled(first.plus(1).part(0), refused()),
            w.sent(first.plus(1).part(1), "D"),
            Item::IntentDone(claimed.work[0].intent),
        ]);
        // One pays the extra price and a part, the other a part alone.
        assert_eq!(w.spent(), EXTRA + parts);
        w.settle(vec![w.receipt("A", PartState::Delivered, 0)]);
        assert_eq!(whole(&w, first).message.parts[0].price, PRICE + EXTRA);
        let day = w.now().day();
        let requests = w.ask(audit::Requests { day, after: MessageId(0), limit: 10 });
        assert_eq!(requests[0].reserved, requests[0].parts, "an audit finds the same");
    });
}

#[test]
fn where_a_price_is_given_back_the_extra_price_is_too() {
    on_every_store(|w| {
        let request = of_parts(2, certified(&w, 1));
        let refunds = |of: &Recipient| Recipient { refunds: true, ..*of };
        let recipients = request.recipients.iter().map(refunds).collect();
        let message = w.accept(Accept { recipients, ..request });
        let intent = w.claim(2).work[0].intent;
        let sent = [w.sent(message.part(0), "A"), w.sent(message.part(1), "B")];
        w.settle(sent.into_iter().chain([Item::IntentDone(intent)]).collect());
        w.settle(vec![w.receipt("A", PartState::Undelivered, 0)]);
        assert_eq!(w.spent(), PRICE);
        w.settle(vec![w.receipt("B", PartState::Delivered, 0)]);
        assert_eq!(w.spent(), PRICE);
        assert_eq!(whole(&w, message).links.len(), 5);
    });
}

#[test]
fn credit_is_judged_with_the_extra_price() {
    on_every_store(|w| {
        let price = CREDIT - EXTRA;
        let one = |extra| {
            let recipient = Recipient { extra, ..recipient(phone(0), w.route, price) };
            Accept { recipients: [recipient].into(), ..certified(&w, 1) }
        };
        let more = EXTRA + Money::from_micros(1);
        assert_eq!(w.run(one(more)), Accepted::NotEnoughCredits);
        assert_eq!(w.balance(), CREDIT);
        assert!(matches!(w.run(one(EXTRA)), Accepted::Done { .. }));
        assert_eq!(w.balance(), Money::ZERO);
    });
}

#[test]
fn who_opted_out_costs_nothing_and_has_a_certificate_of_it() {
    on_every_store(|w| {
        opt_out(&w, 0);
        let message = w.accept(certified(&w, 1));
        assert_eq!(w.spent(), Money::ZERO);
        let evidence = whole(&w, message);
        assert_eq!(evidence.message.parts[0].state, PartState::Rejected);
        assert_eq!(evidence.links.len(), 2);
    });
}

#[test]
fn a_large_request_and_personal_texts_are_certified_as_well() {
    on_every_store(|w| {
        let own = |i: usize| OwnText { text: format!("text\0{i}"), links: Vec::new() };
        let texts: Arc<[OwnText]> = (0..3).map(own).collect();
        let request = certified(&w, 3);
        let (account, campaign, now) = (request.account, request.campaign.clone(), w.now());
        let (first, sending) = w.run(Begin { account, campaign, n_messages: 3, now });
        w.run(Stage {
            first,
            recipients: Arc::clone(&request.recipients),
            sending,
            certified: true,
            callbacks: request.callbacks.clone(),
            texts: Texts::Each(texts),
            range: 0..3,
        });
        let texts = Texts::Each(Arc::default());
        w.accept(Accept { staged: Some(first), texts, ..request });
        let intents: Vec<_> = w.claim(3).work.iter().map(|work| work.intent).collect();
        let sent = |i: usize| w.sent(first.plus(i).part(0), &format!("C\0{i}"));
        let done = intents.iter().map(|intent| Item::IntentDone(*intent));
        w.settle((0..3).map(sent).chain(done).collect());
        w.pass(DAY);
        w.settle((0..3).map(|i| w.receipt(&format!("C\0{i}"), PartState::Delivered, i)).collect());
        for i in 0..3 {
            let evidence = whole(&w, first.plus(i));
            assert_eq!(evidence.message.text, format!("text\u{fffd}{i}"));
            assert_eq!(evidence.links[0].texts[7], evidence.message.text);
        }
    });
}

#[test]
fn a_resend_after_doubt_and_its_late_receipt_are_in_the_chain() {
    on_every_store(|w| {
        let message = w.accept(certified(&w, 1));
        w.claim(1);
        let w = w.reopened();
        w.recover(UncertainPolicy::Resend);
        let intent = w.claim(1).work[0].intent;
        w.settle(vec![w.sent(message.part(0), "A"), Item::IntentDone(intent)]);
        w.settle(vec![w.receipt("A", PartState::Expired, 0)]);
        let before = whole(&w, message);
        w.settle(vec![w.receipt("A", PartState::Delivered, 0)]);
        let after = whole(&w, message);
        let kinds = |of: &Evidence| -> Vec<String> {
            of.links[1..].iter().map(|link| link.texts[2].clone()).collect()
        };
        assert_eq!(kinds(&before), ["uncertain", "sent", "expired"]);
        assert_eq!(kinds(&after), ["uncertain", "sent", "expired", "delivered"]);
        assert_eq!(before.links[3].hash, after.links[3].hash);
    });
}

#[test]
fn the_evidence_goes_with_the_history_of_its_day() {
    on_every_store(|w| {
        let message = delivered(&w);
        w.pass(20 * DAY);
        while w.sweep().more {}
        w.run(Settle { cursor: Some(EventId(i64::MAX >> 1)), ..Settle::default() });
        assert!(matches!(look(&w, message), Certified::Whole(_)));
        while w.run(Forget { day: NOON.day(), limit: 1 }) != Forgotten::All {}
        assert!(matches!(look(&w, message), Certified::Unknown));
    });
}

#[test]
fn a_clock_that_is_set_back_over_midnight_takes_no_event_from_a_message() {
    on_every_store(|w| {
        w.pass(12 * HOUR + HOUR / 6);
        let message = w.accept(certified(&w, 1));
        w.set_clock(w.now().minus(HOUR));
        w.run(Hurry { now: w.now(), limit: 1_000 });
        let claimed = w.claim(1);
        w.settle(vec![w.sent(message.part(0), "A"), Item::IntentDone(claimed.work[0].intent)]);
        w.settle(vec![w.receipt("A", PartState::Delivered, 0)]);
        let day = w.now().day();
        w.pass(2 * DAY);
        while w.sweep().more {}
        let cursor = Some(EventId(i64::MAX >> 1));
        w.run(Settle { cursor, ..Settle::default() });
        while let Forgotten::Some(_) = w.run(Forget { day, limit: 100 }) {}
        whole(&w, message);
    });
}
