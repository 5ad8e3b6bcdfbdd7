//! Parts in doubt: counted, listed, adopted by the one receipt that fits, decided by an operator.

use pombo_domain::channel::Receipt;
use pombo_domain::id::MessageId;
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::route::{ReceiptId, UncertainPolicy};
use pombo_store::operation::accept::Accept;
use pombo_store::operation::settle::{Fate, Item};
use pombo_store::operation::uncertain::{CountOpen, Decide, List, Resolution, Selection};

use crate::world::{DAY, HOUR, PRICE, World, on_every_store, parts_of, phone};

fn in_doubt(w: &World, policy: UncertainPolicy) -> MessageId {
    let (message, intent) = w.flying();
    w.settle(vec![w.doubt(message.part(0), policy), Item::IntentDone(intent)]);
    message
}

fn resolution(w: &World, message: MessageId) -> Resolution {
    let rows = w.ask(List { limit: 100 });
    rows.iter().find(|row| row.part == message.part(0)).unwrap().resolution
}

#[test]
fn resend_sends_again_and_says_so() {
    on_every_store(|w| {
        let message = in_doubt(&w, UncertainPolicy::Resend);
        assert_eq!(w.state(message), PartState::Queued);
        assert_eq!((resolution(&w, message), w.ask(CountOpen)), (Resolution::Resent, 0));
        let claimed = w.claim(10);
        assert_eq!((parts_of(&claimed), claimed.work[0].tries), (vec![message.part(0)], 2));
        assert_eq!(claimed.work[0].request.concat_ref_of(message), 7);
        assert_eq!(w.kinds(message), [EventKind::Uncertain]);
        assert_eq!(w.spent(), PRICE);
    });
}

#[test]
fn what_is_refused_after_a_doubt_is_charged_and_nobody_knows() {
    on_every_store(|w| {
        let message = in_doubt(&w, UncertainPolicy::Resend);
        let intent = w.claim(1).work[0].intent;
        let cause = crate::world::cause("seen already");
        let refused = Fate::Ended { state: PartState::Rejected, cause };
        w.settle(vec![w.settled(message.part(0), refused), Item::IntentDone(intent)]);
        assert_eq!(w.state(message), PartState::Undelivered);
        assert_eq!(w.kinds(message), [EventKind::Uncertain, EventKind::Undelivered]);
        assert_eq!(w.spent(), PRICE);
    });
}

#[test]
fn wait_and_hold_do_not_send_again() {
    on_every_store(|w| {
        let waiting = in_doubt(&w, UncertainPolicy::Wait);
        let held = in_doubt(&w, UncertainPolicy::Hold);
        assert!(w.is_queue_empty());
        let w = w.reopened();
        assert_eq!(w.recover(UncertainPolicy::Resend).n_uncertain, 0);
        assert!(w.is_queue_empty());
        for message in [waiting, held] {
            assert_eq!(w.state(message), PartState::Uncertain);
        }
        assert_eq!(resolution(&w, waiting), Resolution::Waiting);
        assert_eq!(resolution(&w, held), Resolution::Open);
        let rows = w.ask(List { limit: 10 });
        let shown = (rows[0].account.as_str(), rows[0].route.as_str(), rows[0].reason.as_str());
        assert_eq!(shown, ("alpha", "one", "link lost"));
        assert_eq!(rows[0].to, phone(0).to_string());
        assert_eq!(w.ask(CountOpen), 2);
    });
}

#[test]
fn a_receipt_that_fits_exactly_one_part_in_doubt_is_adopted() {
    on_every_store(|w| {
        let message = in_doubt(&w, UncertainPolicy::Wait);
        let text = "Hello, this is a tex".to_owned();
        let receipt = Receipt { text, ..w.bare_receipt("X", PartState::Delivered, 0) };
        let done = w.settle(vec![Item::Receipt(receipt)]);
        assert_eq!(done.n_matched, 1);
        assert_eq!(w.state(message), PartState::Delivered);
        assert_eq!((resolution(&w, message), w.ask(CountOpen)), (Resolution::Matched, 0));
        assert_eq!(w.spent(), PRICE);
    });
}

#[test]
fn after_an_adoption_the_receipts_that_follow_are_matched() {
    on_every_store(|w| {
        for (spelling, id) in [(ReceiptId::Same, "X"), (ReceiptId::HexToDec, "2571")] {
            let message = in_doubt(&w, UncertainPolicy::Wait);
            let settle =
                |state| w.settle_on(w.route, spelling, vec![w.receipt(id, state, 0)]).n_matched;
            assert_eq!(settle(PartState::Sent), 1);
            assert_eq!(w.state(message), PartState::Sent);
            assert_eq!(settle(PartState::Expired), 1);
            assert_eq!(settle(PartState::Delivered), 1);
            assert_eq!(w.state(message), PartState::Delivered);
        }
    });
}

#[test]
fn a_receipt_that_fits_two_parts_in_doubt_or_none_is_kept() {
    on_every_store(|w| {
        let one = in_doubt(&w, UncertainPolicy::Wait);
        let kept = |receipt: Receipt| w.settle(vec![Item::Receipt(receipt)]).n_unmatched == 1;
        let fits = w.bare_receipt("X", PartState::Delivered, 0);
        assert!(kept(w.bare_receipt("X", PartState::Delivered, 5)), "another recipient");
        assert!(kept(Receipt { text: "Bye".to_owned(), ..fits.clone() }), "another text");
        let addresses = [phone(0).to_string(), "OTHER".to_owned()];
        assert!(kept(Receipt { addresses, ..fits.clone() }), "another sender");
        let addresses = [String::new(), String::new()];
        assert!(kept(Receipt { addresses, ..fits.clone() }), "it does not say whom");
        let two = in_doubt(&w, UncertainPolicy::Hold);
        assert!(kept(fits), "two fit");
        for message in [one, two] {
            assert_eq!(w.state(message), PartState::Uncertain);
        }
    });
}

#[test]
fn a_receipt_that_may_have_overtaken_an_answer_is_not_adopted() {
    on_every_store(|w| {
        let doubtful = in_doubt(&w, UncertainPolicy::Wait);
        let (flying, intent) = w.flying();
        let done = w.settle(vec![w.receipt("X", PartState::Delivered, 0)]);
        assert_eq!((done.n_matched, done.n_unmatched), (0, 1));
        w.settle(vec![w.sent(flying.part(0), "X"), Item::IntentDone(intent)]);
        assert_eq!(w.state(flying), PartState::Delivered);
        assert_eq!(w.state(doubtful), PartState::Uncertain);
    });
}

#[test]
fn a_receipt_on_another_route_is_not_adopted() {
    on_every_store(|w| {
        let message = in_doubt(&w, UncertainPolicy::Wait);
        let items = vec![w.receipt("X", PartState::Delivered, 0)];
        assert_eq!(w.settle_on(w.other_route, ReceiptId::Same, items).n_unmatched, 1);
        assert_eq!(w.state(message), PartState::Uncertain);
    });
}

#[test]
fn a_late_answer_ends_the_doubt() {
    on_every_store(|w| {
        let message = in_doubt(&w, UncertainPolicy::Wait);
        w.settle(vec![w.sent(message.part(0), "1")]);
        assert_eq!((w.state(message), w.ask(CountOpen)), (PartState::Sent, 0));
        w.settle(vec![w.receipt("1", PartState::Delivered, 0)]);
        assert_eq!(w.state(message), PartState::Delivered);
    });
}

#[test]
fn a_late_answer_with_the_id_of_an_adopted_receipt_changes_nothing() {
    on_every_store(|w| {
        let message = in_doubt(&w, UncertainPolicy::Wait);
        w.settle(vec![w.receipt("X", PartState::Sent, 0)]);
        w.settle(vec![w.sent(message.part(0), "X")]);
        assert_eq!(w.settle(vec![w.receipt("X", PartState::Delivered, 0)]).n_matched, 1);
        // And one after the end.
        w.settle(vec![w.sent(message.part(0), "X")]);
        assert_eq!(w.state(message), PartState::Delivered);
        assert_eq!(w.spent(), PRICE);
    });
}

#[test]
fn what_waits_for_a_receipt_ends_with_the_wait_and_what_is_held_stays() {
    on_every_store(|w| {
        let waiting = in_doubt(&w, UncertainPolicy::Wait);
        let held = in_doubt(&w, UncertainPolicy::Hold);
        w.pass(4 * DAY);
        assert_eq!(w.sweep().n_silent, 1);
        assert_eq!(w.state(waiting), PartState::Undelivered);
        assert_eq!(w.state(held), PartState::Uncertain);
        assert_eq!((resolution(&w, waiting), w.ask(CountOpen)), (Resolution::Dropped, 1));
    });
}

#[test]
fn the_wait_for_a_receipt_counts_from_the_last_sending() {
    on_every_store(|w| {
        let message = in_doubt(&w, UncertainPolicy::Resend);
        w.pass(2 * DAY);
        w.claim(1);
        w.settle(vec![w.sent(message.part(0), "1")]);
        w.pass(2 * DAY);
        assert_eq!(w.sweep().n_silent, 0);
        assert_eq!(w.state(message), PartState::Sent);
        w.pass(2 * DAY);
        assert_eq!(w.sweep().n_silent, 1);
    });
}

#[test]
fn an_operator_sends_again_or_gives_up() {
    on_every_store(|w| {
        let [one, two, three] = [(); 3].map(|()| in_doubt(&w, UncertainPolicy::Hold));
        let decide = |selection, resend| w.run(Decide { selection, resend, now: w.now() });
        assert_eq!(decide(Selection::Parts(vec![one.part(0)]), true), 1);
        assert_eq!(decide(Selection::Parts(vec![one.part(0)]), true), 0);
        assert_eq!(parts_of(&w.claim(10)), [one.part(0)]);
        assert_eq!(decide(Selection::Route(w.other_route), false), 0);
        assert_eq!(decide(Selection::Parts(vec![two.part(0)]), false), 1);
        assert_eq!(w.state(two), PartState::Undelivered);
        assert_eq!(decide(Selection::All, false), 1);
        assert_eq!(w.state(three), PartState::Undelivered);
        assert_eq!(w.ask(CountOpen), 0);
        assert_eq!(resolution(&w, one), Resolution::Resent);
        assert_eq!(resolution(&w, two), Resolution::Dropped);
        assert_eq!(w.spent(), PRICE.times(3).unwrap(), "the carrier may have delivered them");
    });
}

#[test]
fn what_expires_after_a_try_in_doubt_is_charged_and_nobody_knows() {
    on_every_store(|w| {
        let expires = Some(w.now().plus(HOUR));
        let message = w.accept(Accept { expires, ..w.request(1) });
        let intent = w.claim(1).work[0].intent;
        let doubt = w.doubt(message.part(0), UncertainPolicy::Resend);
        w.settle(vec![doubt, Item::IntentDone(intent)]);
        w.pass(2 * HOUR);
        assert!(w.claim(1).work.is_empty());
        assert_eq!(w.state(message), PartState::Undelivered);
        assert_eq!(w.view(message).events.last().unwrap().word, "UNKNOWN");
        assert_eq!(w.spent(), PRICE);
    });
}

#[test]
fn what_is_in_doubt_once_more_is_waited_for_from_then_on() {
    on_every_store(|w| {
        let message = in_doubt(&w, UncertainPolicy::Wait);
        w.pass(71 * HOUR);
        w.run(Decide { selection: Selection::All, resend: true, now: w.now() });
        let intent = w.claim(1).work[0].intent;
        let doubt = w.doubt(message.part(0), UncertainPolicy::Wait);
        w.settle(vec![doubt, Item::IntentDone(intent)]);
        w.pass(2 * HOUR);
        assert_eq!((w.sweep().n_silent, w.state(message)), (0, PartState::Uncertain));
        w.pass(71 * HOUR);
        assert_eq!((w.sweep().n_silent, w.state(message)), (1, PartState::Undelivered));
    });
}
