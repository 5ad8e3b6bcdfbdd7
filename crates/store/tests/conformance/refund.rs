//! What was promised to be given back is given back once, when a carrier says that it did not deliver.

use std::sync::Arc;

use pombo_domain::channel::Receipt;
use pombo_domain::id::{MessageId, PartId};
use pombo_domain::message::PartState;
use pombo_domain::money::Money;
use pombo_domain::route::{self, Failure, ReceiptId, UncertainPolicy};
use pombo_store::operation::accept::{Accept, Accepted, Campaign, Recipient};
use pombo_store::operation::account::{self, Change};
use pombo_store::operation::campaign::{Find, Which};
use pombo_store::operation::cdr;
use pombo_store::operation::failover::Failover;
use pombo_store::operation::settle::{Fate, Item};
use pombo_store::operation::uncertain::{Decide, Selection};
use proptest::prelude::*;

use crate::money::ledger;
use crate::world::{CREDIT, HOUR, PRICE, World, cause, of_parts, on_every_store, parts_of};
use PartState::{Delivered, Expired, Queued, Rejected, Sent, Undelivered};

/// The request, whose price list gives back what is not delivered.
fn refunded(request: Accept) -> Accept {
    let promised = |recipient: &Recipient| Recipient { refunds: true, ..*recipient };
    Accept { recipients: request.recipients.iter().map(promised).collect(), ..request }
}

/// A message of one part in a campaign that the first carrier took as `a1`.
fn sent(w: &World) -> MessageId {
    let campaign = Campaign::Named { name: "sale".into(), tags: vec![] };
    let message = w.accept(Accept { campaign, ..refunded(w.request(1)) });
    let claimed = w.claim(1);
    w.settle(vec![w.sent(message.part(0), "a1"), Item::IntentDone(claimed.work[0].intent)]);
    message
}

fn told(w: &World, id: &str, state: PartState) {
    w.settle(vec![w.receipt(id, state, 0)]);
}

/// What `UNDELIV` ends goes by whichever of the two routes has not had it.
fn allow_failover(w: &World) {
    let (one, two) = (w.route, w.other_route);
    let on = Failure::parse("UNDELIV").into_iter().collect();
    let rule = route::Failover { on, ..route::Failover::default() };
    let choose = Arc::new(move |_: &_, _, tried: &[_]| {
        [one, two].into_iter().find(|route| !tried.contains(route))
    });
    *w.failover.borrow_mut() = Some(Failover { rule, choose });
}

/// Everything that tells of money agrees; what the account has spent.
fn spent(w: &World, message: MessageId) -> Money {
    let spent = w.spent();
    let (records, _) = w.ask(cdr::Page { day: w.now().day(), after: PartId(0), limit: 100 });
    assert_eq!(records.iter().map(|r| r.charged).sum::<Money>(), spent, "the records");
    let refunded = records.iter().map(|r| r.refunded).sum::<Money>();
    assert_eq!(ledger(w)[2], refunded, "the ledger's refunds");
    let view = w.view(message);
    let which = Which::Sending(view.request.sending);
    if view.request.campaign_named {
        let found = w.ask(Find { account: None, which }).unwrap();
        assert_eq!(found.row.totals.cost, spent, "the campaign's cost");
    }
    spent
}

#[test]
fn each_word_of_a_carrier_that_did_not_deliver_gives_it_back_and_no_other_does() {
    on_every_store(|w| {
        for (state, word, cost) in [
            (Undelivered, "UNDELIV", Money::ZERO),
            (Undelivered, "DELETED", Money::ZERO),
            (Expired, "EXPIRED", Money::ZERO),
            (Rejected, "REJECTD", Money::ZERO),
            (Undelivered, "UNKNOWN", PRICE),
            (Delivered, "DELIVRD", PRICE),
        ] {
            let before = w.spent();
            let message = w.accept(refunded(w.request(1)));
            let claimed = w.claim(1);
            let (part, intent) = (message.part(0), claimed.work[0].intent);
            w.settle(vec![w.sent(part, word), Item::IntentDone(intent)]);
            assert_eq!(w.spent() - before, PRICE, "a carrier took it");
            w.settle(vec![Item::Receipt(Receipt { word, ..w.bare_receipt(word, state, 0) })]);
            assert_eq!((w.state(message), w.spent() - before), (state, cost), "{word}");
            spent(&w, message);
        }
    });
}

#[test]
fn what_was_not_promised_is_not_given_back() {
    on_every_store(|w| {
        let plain = w.request(2);
        let [one, two] = [plain.recipients[0], plain.recipients[1]];
        let recipients = [one, Recipient { refunds: true, ..two }].into();
        let first = w.accept(of_parts(2, Accept { recipients, ..plain }));
        let claimed = w.claim(4);
        let mut items: Vec<Item> =
            parts_of(&claimed).iter().map(|part| w.sent(*part, &part.to_string())).collect();
        items.extend(claimed.work.iter().map(|work| Item::IntentDone(work.intent)));
        w.settle(items);
        for (to, message) in [first, first.plus(1)].into_iter().enumerate() {
            let id = message.part(1).to_string();
            w.settle(vec![w.receipt(&id, Undelivered, to)]);
        }
        assert_eq!(spent(&w, first), PRICE.times(3).unwrap(), "one part of the second's two");
    });
}

#[test]
fn a_receipt_that_comes_twice_gives_back_once_also_after_a_restart() {
    on_every_store(|w| {
        let message = sent(&w);
        w.settle(vec![w.receipt("a1", Undelivered, 0), w.receipt("a1", Undelivered, 0)]);
        told(&w, "a1", Rejected);
        assert_eq!(spent(&w, message), Money::ZERO);
        let w = w.reopened();
        told(&w, "a1", Undelivered);
        assert_eq!(spent(&w, message), Money::ZERO);
    });
}

#[test]
fn a_receipt_that_overtakes_the_answer_gives_back_once() {
    on_every_store(|w| {
        let message = w.accept(refunded(w.request(1)));
        let claimed = w.claim(1);
        told(&w, "a1", Undelivered);
        assert_eq!(w.spent(), PRICE, "nothing is known of it yet");
        w.settle(vec![w.sent(message.part(0), "a1"), Item::IntentDone(claimed.work[0].intent)]);
        assert_eq!((w.state(message), spent(&w, message)), (Undelivered, Money::ZERO));
    });
}

#[test]
fn what_is_delivered_after_all_is_paid_after_all() {
    on_every_store(|w| {
        let message = sent(&w);
        told(&w, "a1", Expired);
        assert_eq!(spent(&w, message), Money::ZERO);
        told(&w, "a1", Delivered);
        assert_eq!((w.state(message), spent(&w, message)), (Delivered, PRICE));
        told(&w, "a1", Delivered);
        told(&w, "a1", Expired);
        assert_eq!((w.state(message), spent(&w, message)), (Delivered, PRICE));
    });
}

#[test]
fn what_no_carrier_told_of_is_not_given_back() {
    on_every_store(|w| {
        let message = sent(&w);
        w.pass(73 * HOUR);
        w.sweep();
        assert_eq!((w.state(message), w.spent()), (Undelivered, PRICE), "no receipt came");
        let doubtful = w.accept(refunded(w.request(1)));
        let claimed = w.claim(1);
        let doubt = w.doubt(doubtful.part(0), UncertainPolicy::Hold);
        w.settle(vec![doubt, Item::IntentDone(claimed.work[0].intent)]);
        w.run(Decide { selection: Selection::All, resend: false, now: w.now() });
        assert_eq!(w.state(doubtful), Undelivered, "given up by the operator");
        assert_eq!(w.spent(), PRICE.times(2).unwrap());
    });
}

#[test]
fn what_no_carrier_took_is_released_and_not_given_back_besides() {
    on_every_store(|w| {
        let message = w.accept(refunded(w.request(1)));
        let claimed = w.claim(1);
        let refused = Fate::Ended { state: Rejected, cause: cause("no") };
        let refused = w.settled(message.part(0), refused);
        w.settle(vec![refused.clone(), Item::IntentDone(claimed.work[0].intent), refused]);
        assert_eq!((w.state(message), spent(&w, message)), (Rejected, Money::ZERO));
    });
}

#[test]
fn what_goes_by_another_route_is_paid_until_the_last_carrier_has_told() {
    on_every_store(|w| {
        allow_failover(&w);
        let message = sent(&w);
        told(&w, "a1", Undelivered);
        assert_eq!((w.state(message), spent(&w, message)), (Queued, PRICE), "it goes on");
        let claimed = w.claim_on(w.other_route, 10);
        let taken = vec![w.sent(message.part(0), "b1"), Item::IntentDone(claimed.work[0].intent)];
        w.settle_on(w.other_route, ReceiptId::Same, taken);
        assert_eq!((w.state(message), spent(&w, message)), (Sent, PRICE));
        let second = |state| {
            w.settle_on(w.other_route, ReceiptId::Same, vec![w.receipt("b1", state, 0)]);
            (w.state(message), spent(&w, message))
        };
        assert_eq!(second(Undelivered), (Undelivered, Money::ZERO));
        told(&w, "a1", Undelivered);
        assert_eq!(second(Undelivered), (Undelivered, Money::ZERO));
        // The first carrier delivers it after all.
        told(&w, "a1", Delivered);
        assert_eq!((w.state(message), spent(&w, message)), (Delivered, PRICE));
    });
}

#[test]
fn what_the_second_route_refuses_is_given_back_since_the_first_did_not_deliver_it() {
    on_every_store(|w| {
        allow_failover(&w);
        let message = sent(&w);
        told(&w, "a1", Undelivered);
        let claimed = w.claim_on(w.other_route, 10);
        let refused = Fate::Ended { state: Rejected, cause: cause("no") };
        let items =
            vec![w.settled(message.part(0), refused), Item::IntentDone(claimed.work[0].intent)];
        w.settle_on(w.other_route, ReceiptId::Same, items);
        assert_eq!((w.state(message), spent(&w, message)), (Undelivered, Money::ZERO));
        told(&w, "a1", Delivered);
        assert_eq!((w.state(message), spent(&w, message)), (Delivered, PRICE));
    });
}

#[test]
fn a_days_limit_counts_what_carriers_took_whatever_became_of_it() {
    on_every_store(|w| {
        let changes = vec![Change::SpendCap(Some(PRICE), w.now())];
        w.run(account::Set { name: "alpha".to_owned(), changes });
        let message = sent(&w);
        told(&w, "a1", Undelivered);
        assert_eq!(spent(&w, message), Money::ZERO);
        assert_eq!(w.run(w.request(1)), Accepted::SpendCap);
    });
}

/// One thing that happens to a message.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A carrier takes it, or does not.
    Take { first: bool, taken: bool },
    /// A carrier tells.
    Tell { first: bool, state: PartState, word: &'static str },
}

fn steps() -> impl Strategy<Value = Step> {
    let told = prop_oneof![
        Just((Undelivered, "UNDELIV")),
        Just((Undelivered, "UNKNOWN")),
        Just((Expired, "EXPIRED")),
        Just((Rejected, "REJECTD")),
        Just((Delivered, "DELIVRD")),
        Just((Sent, "ACCEPTD")),
    ];
    prop_oneof![
        1 => (any::<bool>(), any::<bool>()).prop_map(|(first, taken)| Step::Take { first, taken }),
        2 => (any::<bool>(), told)
            .prop_map(|(first, (state, word))| Step::Tell { first, state, word }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_carriers_do_and_tell_a_message_costs_its_price_once_or_nothing(
        refunds: bool, fails_over: bool, steps in proptest::collection::vec(steps(), 1..12)
    ) {
        on_every_store(|w| {
            if fails_over {
                allow_failover(&w);
            }
            let request = if refunds { refunded(w.request(1)) } else { w.request(1) };
            let campaign = Campaign::Named { name: "sale".into(), tags: vec![] };
            let message = w.accept(Accept { campaign, ..request });
            for step in &steps {
                match *step {
                    Step::Take { first, taken } => {
                        let (route, id) = if first { (w.route, "a1") } else { (w.other_route, "b1") };
                        let claimed = w.claim_on(route, 1);
                        let Some(work) = claimed.work.first() else { continue };
                        let refused = Fate::Ended { state: Rejected, cause: cause("no") };
                        let what = match taken {
                            true => w.sent(message.part(0), id),
                            false => w.settled(message.part(0), refused),
                        };
                        let items = vec![what, Item::IntentDone(work.intent)];
                        w.settle_on(route, ReceiptId::Same, items);
                    }
                    Step::Tell { first, state, word } => {
                        let (route, id) = if first { (w.route, "a1") } else { (w.other_route, "b1") };
                        let receipt = Receipt { word, ..w.bare_receipt(id, state, 0) };
                        w.settle_on(route, ReceiptId::Same, vec![Item::Receipt(receipt)]);
                    }
                }
                let spent = spent(&w, message);
                let view = w.view(message);
                let was_sent =
                    view.events.iter().any(|event| event.kind == pombo_domain::message::EventKind::Sent);
                match view.parts[0].state {
                    Queued | Sent | Delivered => assert_eq!(spent, PRICE),
                    _ if !was_sent => assert_eq!(spent, Money::ZERO, "released"),
                    _ if !refunds => assert_eq!(spent, PRICE),
                    _ => {
                        let last = view.events.last().map(|event| event.word.as_str());
                        let is_known = last != Some("UNKNOWN");
                        assert_eq!(spent, if is_known { Money::ZERO } else { PRICE }, "{last:?}");
                    }
                }
                assert_eq!(w.balance(), CREDIT - spent);
            }
        });
    }
}
