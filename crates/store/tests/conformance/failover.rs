//! What a carrier did not deliver goes by another route: charged once, and one end is told.

use std::sync::Arc;
use std::time::Duration;

use pombo_domain::campaign::Totals;
use pombo_domain::channel::Receipt;
use pombo_domain::id::{MessageId, PartId, SendingId};
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::money::Money;
use pombo_domain::route::{self, Failure, ReceiptId, UncertainPolicy};
use pombo_store::operation::accept::{Accept, Campaign};
use pombo_store::operation::campaign::{Find, SetStop, Which};
use pombo_store::operation::cdr::Page;
use pombo_store::operation::failover::Failover;
use pombo_store::operation::settle::{Fate, Item, Settlement};

use crate::world::{CREDIT, HOUR, PRICE, World, cause, of_parts, on_every_store, parts_of};
use EventKind as Kind;
use PartState::{Delivered, Queued, Sent, Undelivered};

/// A rule for `UNDELIV` that offers the other route to whoever has not had it.
pub(crate) fn allow(w: &World) {
    let (one, two) = (w.route, w.other_route);
    let on = Failure::parse("UNDELIV").into_iter().collect();
    let rule = route::Failover { on, ..route::Failover::default() };
    let choose = Arc::new(move |_: &_, _, tried: &[_]| {
        [one, two].into_iter().find(|route| !tried.contains(route))
    });
    *w.failover.borrow_mut() = Some(Failover { rule, choose });
}

/// A message that the first carrier took as `a1` and did not deliver.
fn undelivered(w: &World) -> MessageId {
    allow(w);
    let message = w.sent_message("a1");
    told(w, "a1", Undelivered);
    message
}

fn told(w: &World, id: &str, state: PartState) -> Settlement {
    w.settle(vec![w.receipt(id, state, 0)])
}

/// The second carrier takes what waits for it.
fn second_takes(w: &World, id: &str) -> PartId {
    let claimed = w.claim_on(w.other_route, 10);
    let part = parts_of(&claimed)[0];
    let items = vec![w.sent(part, id), Item::IntentDone(claimed.work[0].intent)];
    w.settle_on(w.other_route, ReceiptId::Same, items);
    part
}

fn second_tells(w: &World, id: &str, state: PartState) {
    w.settle_on(w.other_route, ReceiptId::Same, vec![w.receipt(id, state, 0)]);
}

#[test]
fn it_goes_by_the_next_route_and_is_charged_once() {
    on_every_store(|w| {
        allow(&w);
        let message = w.sent_message("a1");
        let done = told(&w, "a1", Undelivered);
        assert_eq!(done.n_gone_on, 1);
        assert_eq!(done.requeued.len(), 1);
        assert_eq!(done.requeued[0].0, w.other_route);
        assert_eq!(w.state(message), Queued);
        assert!(w.claim(10).work.is_empty(), "not by the first again");
        assert_eq!(second_takes(&w, "b1"), message.part(0));
        second_tells(&w, "b1", Delivered);
        assert_eq!(w.kinds(message), [Kind::Sent, Kind::Deferred, Kind::Sent, Kind::Delivered]);
        let view = w.view(message);
        let routes: Vec<&str> = view.events.iter().map(|event| event.route.as_str()).collect();
        assert_eq!(routes, ["one", "one", "two", "two"]);
        assert_eq!(view.events[1].word, "UNDELIV");
        assert_eq!((w.state(message), w.spent()), (Delivered, PRICE));
        assert!(w.is_queue_empty());
    });
}

#[test]
fn each_try_is_a_line_for_its_carrier_and_the_last_is_charged() {
    on_every_store(|w| {
        undelivered(&w);
        second_takes(&w, "b1");
        second_tells(&w, "b1", Delivered);
        let page = Page { day: w.now().day(), after: PartId(0), limit: 10 };
        let (records, _) = w.ask(page);
        let lines: Vec<_> = records
            .iter()
            .map(|r| (r.try_number, &*r.route_name, &*r.carrier_id, r.state, &*r.word, r.charged))
            .collect();
        assert_eq!(
            lines,
            [
                (1, "one", "a1", Undelivered, "UNDELIV", Money::ZERO),
                (2, "two", "b1", Delivered, "DELIVRD", PRICE),
            ]
        );
    });
}

#[test]
fn when_the_last_route_does_not_deliver_either_that_is_the_end() {
    on_every_store(|w| {
        let message = undelivered(&w);
        second_takes(&w, "b1");
        second_tells(&w, "b1", Undelivered);
        assert_eq!((w.state(message), w.spent()), (Undelivered, PRICE));
        assert!(w.is_queue_empty());
    });
}

#[test]
fn a_second_refusal_of_the_first_carrier_changes_nothing() {
    on_every_store(|w| {
        let message = undelivered(&w);
        told(&w, "a1", Undelivered);
        assert_eq!(w.state(message), Queued);
        second_takes(&w, "b1");
        let done = told(&w, "a1", Undelivered);
        assert_eq!((done.n_repeated, w.state(message)), (1, Sent));
    });
}

#[test]
fn what_the_first_carrier_delivers_after_all_is_not_sent_again() {
    on_every_store(|w| {
        let message = undelivered(&w);
        let done = told(&w, "a1", Delivered);
        assert_eq!((done.n_earlier, w.state(message)), (1, Delivered));
        assert!(w.claim_on(w.other_route, 10).work.is_empty());
        assert!(w.is_queue_empty());
        assert_eq!(w.spent(), PRICE);
    });
}

#[test]
fn what_the_first_carrier_delivers_after_the_second_took_it_is_delivered() {
    on_every_store(|w| {
        let message = undelivered(&w);
        second_takes(&w, "b1");
        told(&w, "a1", Delivered);
        assert_eq!(w.state(message), Delivered);
        second_tells(&w, "b1", Undelivered);
        assert_eq!((w.state(message), w.spent()), (Delivered, PRICE));
    });
}

#[test]
fn a_delivery_told_while_the_second_submission_is_away_stands() {
    on_every_store(|w| {
        let message = undelivered(&w);
        let claimed = w.claim_on(w.other_route, 10);
        told(&w, "a1", Delivered);
        let taken = vec![w.sent(message.part(0), "b1"), Item::IntentDone(claimed.work[0].intent)];
        w.settle_on(w.other_route, ReceiptId::Same, taken);
        second_tells(&w, "b1", Undelivered);
        assert_eq!((w.state(message), w.spent()), (Delivered, PRICE));
    });
}

#[test]
fn what_the_second_route_refuses_is_undelivered_and_charged() {
    on_every_store(|w| {
        let message = undelivered(&w);
        let claimed = w.claim_on(w.other_route, 10);
        let refused = Fate::Ended { state: PartState::Rejected, cause: cause("no") };
        let items =
            vec![w.settled(message.part(0), refused), Item::IntentDone(claimed.work[0].intent)];
        w.settle_on(w.other_route, ReceiptId::Same, items);
        assert_eq!((w.state(message), w.spent()), (Undelivered, PRICE));
        // Known to be late, and true all the same.
        told(&w, "a1", Delivered);
        assert_eq!((w.state(message), w.spent()), (Delivered, PRICE));
    });
}

#[test]
fn what_has_expired_or_is_old_or_is_one_part_of_a_joined_message_ends() {
    on_every_store(|w| {
        allow(&w);
        let expires = Some(w.now().plus(Duration::from_secs(60)));
        let message = w.accept(Accept { expires, ..w.request(1) });
        let claimed = w.claim(1);
        let items = vec![w.sent(message.part(0), "e1"), Item::IntentDone(claimed.work[0].intent)];
        w.settle(items);
        w.pass(Duration::from_secs(60));
        told(&w, "e1", Undelivered);
        assert_eq!(w.state(message), Undelivered, "expired");

        let message = w.sent_message("o1");
        w.pass(HOUR + Duration::from_secs(1));
        told(&w, "o1", Undelivered);
        assert_eq!(w.state(message), Undelivered, "old");

        let message = w.accept(of_parts(2, w.request(1)));
        let claimed = w.claim(2);
        let sent = [0, 1].map(|idx| w.sent(message.part(idx), &format!("p{idx}")));
        w.settle(sent.into_iter().chain([Item::IntentDone(claimed.work[0].intent)]).collect());
        told(&w, "p1", Undelivered);
        assert_eq!(w.states(message), [Sent, Undelivered], "a part of a joined message");
        assert!(w.is_queue_empty());
    });
}

#[test]
fn a_long_message_under_one_id_goes_on_as_a_whole() {
    on_every_store(|w| {
        allow(&w);
        let message = w.accept(of_parts(3, w.request(1)));
        let claimed = w.claim(3);
        let sent = [0, 1, 2].map(|idx| w.sent(message.part(idx), "whole"));
        w.settle(sent.into_iter().chain([Item::IntentDone(claimed.work[0].intent)]).collect());
        told(&w, "whole", Undelivered);
        let again = w.claim_on(w.other_route, 10);
        assert_eq!((again.work.len(), again.work[0].parts), (1, 0b111));
    });
}

#[test]
fn what_waits_for_the_second_route_is_cancelled_and_stays_charged() {
    on_every_store(|w| {
        allow(&w);
        let (message, sending) = of_campaign(&w);
        let claimed = w.claim(1);
        w.settle(vec![w.sent(message.part(0), "a1"), Item::IntentDone(claimed.work[0].intent)]);
        told(&w, "a1", Undelivered);
        let order = pombo_domain::campaign::Order::Cancel;
        w.run(SetStop { account: w.account, sending, order, now: w.now() });
        let claimed = w.claim_on(w.other_route, 10);
        assert_eq!((claimed.work.len(), claimed.n_withdrawn), (0, 1));
        assert_eq!((w.state(message), w.spent()), (Undelivered, PRICE));
    });
}

/// A message of a campaign.
fn of_campaign(w: &World) -> (MessageId, SendingId) {
    let campaign = Campaign::Named { name: "sale".into(), tags: vec![] };
    let message = w.accept(Accept { campaign, ..w.request(1) });
    (message, w.view(message).request.sending)
}

/// A campaign's totals, which are what its events come to.
fn totals(w: &World, sending: SendingId, what: &str) -> Totals {
    let found = w.ask(Find { account: None, which: Which::Sending(sending) }).unwrap();
    let totals = found.row.totals;
    assert_eq!(Totals { cost: Money::ZERO, ..totals }, w.recounted(sending), "{what}");
    totals
}

#[test]
fn a_campaign_counts_it_once() {
    on_every_store(|w| {
        allow(&w);
        let (message, sending) = of_campaign(&w);
        let equal = |what: &str| totals(&w, sending, what);
        let claimed = w.claim(1);
        w.settle(vec![w.sent(message.part(0), "a1"), Item::IntentDone(claimed.work[0].intent)]);
        equal("sent");
        told(&w, "a1", Undelivered);
        assert_eq!(equal("waits again").waiting, 1);
        second_takes(&w, "b1");
        equal("sent again");
        second_tells(&w, "b1", Delivered);
        let totals = equal("delivered");
        assert_eq!((totals.sent, totals.parts_sent, totals.delivered), (1, 1, 1));
        assert_eq!((totals.cost, w.balance()), (PRICE, CREDIT - PRICE));
    });
}

#[test]
fn the_second_carrier_has_its_own_time_to_tell() {
    on_every_store(|w| {
        allow(&w);
        let message = w.sent_message("a1");
        w.pass(HOUR);
        told(&w, "a1", Undelivered);
        second_takes(&w, "b1");
        w.pass(71 * HOUR + Duration::from_secs(1));
        w.sweep();
        assert_eq!(w.state(message), Sent);
        w.pass(HOUR);
        w.sweep();
        assert_eq!(w.state(message), Undelivered);
    });
}

#[test]
fn a_receipt_with_another_word_ends_it() {
    on_every_store(|w| {
        allow(&w);
        let message = w.sent_message("a1");
        let rejected = Receipt { word: "REJECTD", ..w.bare_receipt("a1", PartState::Rejected, 0) };
        w.settle(vec![Item::Receipt(rejected)]);
        assert_eq!(w.state(message), PartState::Rejected);
    });
}

#[test]
fn after_a_crash_what_has_gone_on_is_not_in_doubt_on_the_route_that_answered() {
    on_every_store(|w| {
        allow(&w);
        let first = w.accept(w.request(2));
        let (gone_on, unanswered) = (first.part(0), first.plus(1).part(0));
        // Both were handed over together, and the second has no answer yet.
        assert_eq!(parts_of(&w.claim(2)), [gone_on, unanswered]);
        w.settle(vec![w.sent(gone_on, "a1")]);
        assert_eq!(told(&w, "a1", Undelivered).n_gone_on, 1);
        let w = w.reopened();
        assert_eq!(w.recover(UncertainPolicy::Resend).n_uncertain, 1);
        assert_eq!(parts_of(&w.claim(10)), [unanswered]);
        assert_eq!(parts_of(&w.claim_on(w.other_route, 10)), [gone_on]);
        assert!(!w.kinds(first).contains(&Kind::Uncertain));
    });
}

#[test]
fn what_was_in_doubt_and_is_told_undelivered_goes_by_another_route_and_counts_once() {
    on_every_store(|w| {
        allow(&w);
        let (message, sending) = of_campaign(&w);
        let intent = w.claim(1).work[0].intent;
        let doubt = w.doubt(message.part(0), UncertainPolicy::Wait);
        w.settle(vec![doubt, Item::IntentDone(intent)]);
        // A receipt tells whose it is, and that the carrier has it.
        told(&w, "a1", Sent);
        w.pass(Duration::from_secs(60));
        assert_eq!(told(&w, "a1", Undelivered).n_gone_on, 1);
        assert!(w.claim(10).work.is_empty(), "not by the first again");
        assert_eq!(second_takes(&w, "b1"), message.part(0));
        assert_eq!(totals(&w, sending, "sent again").sent, 1);
    });
}

#[test]
fn what_goes_by_another_route_and_is_in_doubt_there_counts_once() {
    on_every_store(|w| {
        allow(&w);
        let (message, sending) = of_campaign(&w);
        let intent = w.claim(1).work[0].intent;
        w.settle(vec![w.sent(message.part(0), "a1"), Item::IntentDone(intent)]);
        assert_eq!(told(&w, "a1", Undelivered).n_gone_on, 1);
        let intent = w.claim_on(w.other_route, 1).work[0].intent;
        let doubt = w.doubt(message.part(0), UncertainPolicy::Wait);
        w.settle_on(w.other_route, ReceiptId::Same, vec![doubt, Item::IntentDone(intent)]);
        second_tells(&w, "b1", Sent);
        assert_eq!(w.state(message), Sent);
        let totals = totals(&w, sending, "told to be on its way");
        assert_eq!((totals.sent, totals.parts_sent), (1, 1));
    });
}
