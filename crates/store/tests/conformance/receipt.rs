//! Receipts: early, late, twice, in another spelling, of nobody. None is lost, none is guessed.

use pombo_domain::channel::Receipt;
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::route::ReceiptId;
use pombo_store::operation::accept::Accept;
use pombo_store::operation::settle::{Item, Settlement};
use pombo_store::operation::unmatched::{CountUnmatched, Unmatched};

use crate::world::{DAY, World, of_parts, on_every_store, on_files, phone};

use PartState::{Delivered, Expired, Rejected, Sent, Undelivered};

fn counts(done: &Settlement) -> (usize, usize, usize) {
    (done.n_matched, done.n_repeated, done.n_unmatched)
}

/// A message to recipient `to` that the carrier took under `carrier_id`.
fn sent_to(w: &World, to: usize, carrier_id: &str) -> pombo_domain::id::MessageId {
    let mut request = w.request(1);
    let mut recipient = request.recipients[0];
    recipient.to = phone(to);
    request.recipients = [recipient].into();
    let message = w.accept(request);
    let intent = w.claim(1).work[0].intent;
    w.settle(vec![w.sent(message.part(0), carrier_id), Item::IntentDone(intent)]);
    message
}

#[test]
fn a_receipt_before_the_answer_waits_for_it() {
    on_every_store(|w| {
        let (message, intent) = w.flying();
        let done = w.settle(vec![w.receipt("77", Delivered, 0)]);
        assert_eq!(counts(&done), (0, 0, 1));
        let w = w.reopened();
        let done = w.settle(vec![w.sent(message.part(0), "77"), Item::IntentDone(intent)]);
        assert_eq!(counts(&done), (1, 0, 0));
        assert_eq!(w.state(message), Delivered);
        assert_eq!(w.kinds(message), [EventKind::Sent, EventKind::Delivered]);
        assert_eq!(w.ask(CountUnmatched), 0);
    });
}

#[test]
fn early_receipts_are_taken_in_their_order() {
    on_every_store(|w| {
        let (message, _) = w.flying();
        w.settle(vec![w.receipt("77", Sent, 0), w.receipt("77", Delivered, 0)]);
        w.settle(vec![w.sent(message.part(0), "77")]);
        let kinds = [EventKind::Sent, EventKind::Buffered, EventKind::Delivered];
        assert_eq!(w.kinds(message), kinds);
    });
}

#[test]
fn an_early_receipt_is_found_in_another_spelling() {
    on_every_store(|w| {
        let (message, _) = w.flying();
        let auto = |items| w.settle_on(w.route, ReceiptId::Auto, items);
        assert_eq!(counts(&auto(vec![w.receipt("2571", Delivered, 0)])), (0, 0, 1));
        let done = auto(vec![w.sent(message.part(0), "A0B")]);
        assert_eq!(counts(&done), (1, 0, 0));
        assert_eq!(done.spellings_seen, [(ReceiptId::HexToDec, phone(0))]);
        assert_eq!(w.state(message), Delivered);
    });
}

#[test]
fn a_receipt_days_later_and_after_a_restart_is_matched() {
    on_every_store(|w| {
        let message = w.sent_message("abc-1");
        let w = w.reopened();
        w.pass(5 * DAY);
        let done = w.settle(vec![w.receipt("ABC-1", Undelivered, 0)]);
        assert_eq!(counts(&done), (1, 0, 0));
        assert_eq!(w.state(message), Undelivered);
    });
}

#[test]
fn the_same_receipt_twice_changes_nothing() {
    on_every_store(|w| {
        let message = w.sent_message("5");
        let twice = vec![w.receipt("5", Delivered, 0), w.receipt("5", Delivered, 0)];
        assert_eq!(counts(&w.settle(twice)), (1, 1, 0));
        assert_eq!(counts(&w.settle(vec![w.receipt("5", Rejected, 0)])), (0, 1, 0));
        assert_eq!(w.state(message), Delivered);
        assert_eq!(w.view(message).events.len(), 2);
    });
}

#[test]
fn expired_and_then_delivered_is_delivered() {
    on_every_store(|w| {
        for (id, doubt) in [("1", Expired), ("2", Undelivered)] {
            let message = w.sent_message(id);
            let word = if doubt == Expired { "EXPIRED" } else { "UNKNOWN" };
            w.settle(vec![Item::Receipt(Receipt { word, ..w.bare_receipt(id, doubt, 0) })]);
            w.settle(vec![w.receipt(id, Delivered, 0)]);
            assert_eq!(w.state(message), Delivered);
            assert_eq!(w.view(message).events.len(), 3);
        }
    });
}

#[test]
fn what_matches_nothing_is_kept_and_shown() {
    on_every_store(|w| {
        w.sent_message("1");
        let receipt = Receipt { text: "Hello".to_owned(), ..w.bare_receipt("X9", Delivered, 3) };
        assert_eq!(counts(&w.settle(vec![Item::Receipt(receipt)])), (0, 0, 1));
        // The right id for somebody else is not a match.
        assert_eq!(counts(&w.settle(vec![w.receipt("1", Delivered, 8)])), (0, 0, 1));
        // Nor is the right id on another route.
        let elsewhere = vec![w.receipt("1", Delivered, 0)];
        let done = w.settle_on(w.other_route, ReceiptId::Same, elsewhere);
        assert_eq!(counts(&done), (0, 0, 1));
        let w = w.reopened();
        let kept = w.ask(Unmatched { limit: 10 });
        assert_eq!(kept.len(), 3);
        let oldest = &kept[2];
        let shown = (oldest.carrier_id.as_str(), oldest.route.as_str(), oldest.word.as_str());
        assert_eq!(shown, ("X9", "one", "DELIVRD"));
        assert_eq!((oldest.text_start.as_str(), oldest.at), ("Hello", w.now()));
        assert_eq!(oldest.addresses[0], phone(3).to_string());
        assert_eq!(w.ask(CountUnmatched), 3);
    });
}

#[test]
fn a_locked_spelling_finds_every_id_also_those_spelled_alike() {
    on_every_store(|w| {
        let rules = [
            (ReceiptId::HexToDec, [("a", "10"), ("7", "7"), ("FF", "255")]),
            (ReceiptId::DecToHex, [("10", "0000A"), ("8", "8"), ("255", "ff")]),
        ];
        for (spelling, ids) in rules {
            for (to, (answer, receipt)) in ids.into_iter().enumerate() {
                let message = sent_to(&w, to, answer);
                let items = vec![w.receipt(receipt, Delivered, to)];
                assert_eq!(counts(&w.settle_on(w.route, spelling, items)), (1, 0, 0));
                assert_eq!(w.state(message), Delivered, "{answer} {receipt}");
            }
        }
    });
}

#[test]
fn auto_finds_another_spelling_only_where_the_recipient_agrees() {
    on_every_store(|w| {
        let message = sent_to(&w, 1, "A0B");
        let auto = |receipt| w.settle_on(w.route, ReceiptId::Auto, vec![Item::Receipt(receipt)]);
        assert_eq!(counts(&auto(w.bare_receipt("2571", Delivered, 2))), (0, 0, 1));
        let nobody = [String::new(), String::new()];
        let silent = Receipt { addresses: nobody, ..w.bare_receipt("2571", Delivered, 1) };
        assert_eq!(counts(&auto(silent)), (0, 0, 1), "nobody confirms the guess");
        let done = auto(w.bare_receipt("2571", Delivered, 1));
        assert_eq!((counts(&done), w.state(message)), ((1, 0, 0), Delivered));
        assert_eq!(done.spellings_seen, [(ReceiptId::HexToDec, phone(1))]);
    });
}

#[test]
fn a_silent_receipt_in_the_answers_own_spelling_matches_and_teaches_nothing() {
    on_every_store(|w| {
        let message = w.sent_message("31");
        let nobody = [String::new(), String::new()];
        let silent = Receipt { addresses: nobody, ..w.bare_receipt("31", Delivered, 0) };
        let done = w.settle_on(w.route, ReceiptId::Auto, vec![Item::Receipt(silent)]);
        assert_eq!((counts(&done), w.state(message)), ((1, 0, 0), Delivered));
        assert!(done.spellings_seen.is_empty());
    });
}

#[test]
fn auto_never_guesses_between_two_parts() {
    on_every_store(|w| {
        // The receipt's "16" may mean the answer "16", or the answer "10" in hexadecimal.
        let (same, hex) = (sent_to(&w, 1, "16"), sent_to(&w, 1, "10"));
        let items = vec![w.receipt("16", Delivered, 1)];
        let done = w.settle_on(w.route, ReceiptId::Auto, items);
        assert_eq!((counts(&done), done.spellings_seen.len()), ((0, 0, 1), 0));
        assert_eq!((w.state(same), w.state(hex)), (Sent, Sent));
    });
}

#[test]
fn a_reused_id_means_the_newest_part_to_that_recipient() {
    on_every_store(|w| {
        let old = sent_to(&w, 1, "9");
        w.pass(DAY);
        let (new, other) = (sent_to(&w, 1, "9"), sent_to(&w, 2, "9"));
        w.settle(vec![w.receipt("9", Delivered, 1)]);
        assert_eq!((w.state(old), w.state(new), w.state(other)), (Sent, Delivered, Sent));
        w.settle(vec![w.receipt("9", Delivered, 2)]);
        assert_eq!((w.state(old), w.state(other)), (Sent, Delivered));
    });
}

#[test]
fn a_carrier_that_always_gives_the_same_id_costs_no_more_than_it_must() {
    // Elsewhere it costs the same, and a round trip each.
    on_files(|w| {
        let first = w.accept(w.request(400));
        let claimed = w.claim(400);
        let parts: Vec<_> = claimed.work.iter().map(|work| work.message.part(0)).collect();
        w.settle((0..400).map(|i| w.receipt("0", Delivered, 1_000 + i)).collect());
        w.settle(parts.iter().map(|&part| w.sent(part, "0")).collect());
        w.settle(vec![w.receipt("0", Delivered, 399)]);
        assert_eq!(w.state(first.plus(399)), Delivered);
        assert_eq!(w.ask(CountUnmatched), 400);
    });
}

#[test]
fn an_empty_carrier_id_matches_nobody() {
    on_every_store(|w| {
        let message = w.sent_message("");
        assert_eq!(w.state(message), Sent);
        assert_eq!(counts(&w.settle(vec![w.receipt("", Delivered, 0)])), (0, 0, 1));
        assert_eq!(w.state(message), Sent);
        let w = w.reopened();
        w.settle(vec![w.sent(w.flying().0.part(0), "")]);
        assert_eq!(w.ask(CountUnmatched), 1);
    });
}

#[test]
fn a_recipient_in_national_spelling_agrees() {
    on_every_store(|w| {
        let message = w.sent_message("1");
        let national = phone(0).to_string()[2..].to_owned();
        let addresses = [String::new(), format!("0{national}")];
        let receipt = Receipt { addresses, ..w.bare_receipt("1", Delivered, 0) };
        w.settle(vec![Item::Receipt(receipt)]);
        assert_eq!(w.state(message), Delivered);
    });
}

#[test]
fn without_a_receipt_a_part_ends_as_undelivered_after_the_wait() {
    on_every_store(|w| {
        let message = w.sent_message("1");
        w.pass(2 * DAY);
        let fresh = w.sent_message("2");
        assert_eq!(w.sweep().n_silent, 0);
        w.pass(2 * DAY);
        assert_eq!(w.sweep().n_silent, 1);
        assert_eq!((w.state(message), w.state(fresh)), (Undelivered, Sent));
        assert_eq!(w.sweep().n_silent, 0);
        // The late receipt moves it all the same.
        w.settle(vec![w.receipt("1", Delivered, 0)]);
        assert_eq!(w.state(message), Delivered);
    });
}

#[test]
fn the_sweep_skips_no_event_that_was_stored_out_of_order() {
    on_every_store(|w| {
        let (one, _) = w.flying();
        let (two, _) = w.flying();
        // The later outcome is stored first: another link's batch was quicker.
        let late = w.now().plus(std::time::Duration::from_secs(5));
        let Item::Settled(mut first) = w.sent(one.part(0), "1") else { panic!("it is settled") };
        first.at = late;
        w.settle(vec![Item::Settled(first), w.sent(two.part(0), "2")]);
        w.pass(3 * DAY + std::time::Duration::from_secs(2));
        w.sweep();
        w.pass(DAY);
        w.sweep();
        assert_eq!((w.state(one), w.state(two)), (Undelivered, Undelivered));
    });
}

#[test]
fn one_id_for_all_parts_of_a_message_speaks_of_them_all() {
    on_every_store(|w| {
        let before = w.sent_message("P1");
        let message = w.accept(of_parts(3, w.request(1)));
        w.claim(3);
        w.settle((0..3).map(|part| w.sent(message.part(part), "P1")).collect());
        let done = w.settle(vec![w.receipt("P1", PartState::Delivered, 0)]);
        assert_eq!(done.n_matched, 1);
        assert_eq!(w.states(message), [PartState::Delivered; 3]);
        assert_eq!(w.state(before), PartState::Sent, "an older message with a reused id");
    });
}

#[test]
fn only_an_end_that_nobody_knows_is_followed_by_delivered() {
    on_every_store(|w| {
        for (word, then) in [("UNDELIV", PartState::Undelivered), ("UNKNOWN", PartState::Delivered)]
        {
            let message = w.sent_message(word);
            let told = Receipt { word, ..w.bare_receipt(word, PartState::Undelivered, 0) };
            w.settle(vec![Item::Receipt(told)]);
            w.settle(vec![w.receipt(word, PartState::Delivered, 0)]);
            assert_eq!(w.state(message), then, "{word}");
        }
    });
}

#[test]
fn a_text_with_u_0000_is_kept_as_a_text_on_every_engine() {
    on_every_store(|w| {
        let message = w.sent_message("a\0b");
        let mut receipt = w.bare_receipt("nobody's", PartState::Delivered, 0);
        receipt.text = "\u{5}\0\u{3}part".to_owned();
        receipt.error = "\0".to_owned();
        w.settle(vec![Item::Receipt(receipt), w.receipt("a\0b", PartState::Delivered, 0)]);
        assert_eq!(w.state(message), PartState::Delivered);
        assert_eq!(w.view(message).events[0].detail, "a\u{FFFD}b");
        let kept = w.ask(Unmatched { limit: 10 });
        assert_eq!(kept[0].text_start, "\u{5}\u{FFFD}\u{3}part");
        let sender = "S\0".to_owned();
        let first = w.accept(Accept { sender, ..w.request(1) });
        assert_eq!(w.view(first).request.sender, "S\u{FFFD}");
    });
}
