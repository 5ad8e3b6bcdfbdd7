//! The simulated handsets show what real ones would.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use pombo_channels::sandbox::{MessageView, Phones, Piece};
use pombo_domain::address::{Phone, Sender};
use pombo_domain::channel::SmsBody;
use pombo_domain::sms::{Cut, Encoding, TableChoice, segment};
use pombo_domain::time::Instant;

const AT: Instant = Instant::from_micros(5);
const TO: Phone = Phone::from_stored(34_600_000_000);

fn body(from: &str, text: &str, cut: Cut, flash: bool) -> Arc<SmsBody> {
    let segmented = segment(text, cut).unwrap();
    Arc::new(SmsBody { from: Sender::parse(from).unwrap(), segmented, flash })
}

const GSM: Cut = Cut { encoding: Encoding::Gsm, tables: TableChoice::Auto, split: false };

fn long(from: &str, letter: &str) -> Arc<SmsBody> {
    body(from, &letter.repeat(400), GSM, false)
}

fn piece(body: &Arc<SmsBody>, part_idx: u8, concat_ref: u16) -> Piece {
    Piece { to: TO, body: Arc::clone(body), part_idx, concat_ref }
}

fn messages(phones: &Phones) -> Vec<MessageView> {
    phones.snapshot().remove(0).messages
}

#[test]
fn parts_that_come_in_any_order_are_joined() {
    let phones = Phones::default();
    let text: String = ('a'..='z').cycle().take(400).collect();
    let body = body("pombo", &text, GSM, false);
    phones.show(&[piece(&body, 2, 9), piece(&body, 0, 9)], AT);
    let pending = &messages(&phones)[0];
    assert_eq!((pending.n_parts, pending.n_arrived, pending.is_pending()), (3, 2, true));
    assert_eq!(pending.text, format!("{}[…]{}", &text[..153], &text[306..]));
    phones.show(&[piece(&body, 1, 9)], AT);
    let whole = &messages(&phones)[0];
    assert_eq!((whole.text.as_str(), whole.is_pending()), (text.as_str(), false));
}

#[test]
fn parts_of_one_message_join_even_when_they_come_with_another_copy_of_it() {
    let phones = Phones::default();
    phones.show(&[piece(&long("pombo", "a"), 0, 9)], AT);
    phones.show(&[piece(&long("pombo", "a"), 1, 9), piece(&long("pombo", "a"), 2, 9)], AT);
    assert_eq!(messages(&phones).len(), 1);
}

#[test]
fn another_reference_or_sender_is_another_message() {
    let phones = Phones::default();
    phones.show(&[piece(&long("pombo", "a"), 0, 9), piece(&long("pombo", "b"), 1, 8)], AT);
    phones.show(&[piece(&long("paloma", "c"), 2, 9)], AT);
    assert_eq!(messages(&phones).len(), 3);
}

#[test]
fn the_same_part_twice_is_a_second_message_as_on_a_real_handset() {
    let phones = Phones::default();
    let body = long("pombo", "a");
    phones.show(&[piece(&body, 0, 9), piece(&body, 0, 9)], AT);
    assert_eq!(messages(&phones).len(), 2);
}

#[test]
fn split_parts_are_messages_of_their_own() {
    let phones = Phones::default();
    let text = format!("{}{}", "a".repeat(160), "b".repeat(10));
    let body = body("pombo", &text, Cut { split: true, ..GSM }, false);
    phones.show(&[piece(&body, 1, 9), piece(&body, 0, 9)], AT);
    let shown = messages(&phones);
    assert!(shown.iter().all(|message| message.n_parts == 1 && !message.is_pending()));
    assert_eq!(shown[0].text, "b".repeat(10));
    assert_eq!(shown[1].text, "a".repeat(160));
}

#[test]
fn flash_sender_time_and_every_alphabet_are_shown() {
    let phones = Phones::default();
    let table = [
        (Encoding::Gsm, "¿Qué? {10 €}"),
        (Encoding::GsmPt, "ação é não"),
        (Encoding::Utf16, "привет 🕊"),
    ];
    for (encoding, text) in table {
        let body = body("pombo", text, Cut { encoding, ..GSM }, true);
        phones.show(&[piece(&body, 0, 9)], AT);
        let shown = messages(&phones).pop().unwrap();
        let whole = (shown.from.as_str(), shown.text.as_str(), shown.flash, shown.at);
        assert_eq!(whole, ("pombo", text, true, AT));
    }
}

#[test]
fn the_memory_is_bounded_and_the_oldest_give_way() {
    let phones = Phones::new(4, 2);
    let body = body("pombo", "hola", GSM, false);
    for n in 0..1_000 {
        let to = Phone::from_stored(34_600_000_000 + n);
        let piece = Piece { to, ..piece(&body, 0, 9) };
        phones.show(&[piece.clone(), piece.clone(), piece], AT);
    }
    let snapshot = phones.snapshot();
    let last: Vec<u64> = snapshot.iter().map(|view| view.phone.digits() - 34_600_000_000).collect();
    assert_eq!(last, [999, 998, 997, 996]);
    assert!(snapshot.iter().all(|view| view.messages.len() == 2));
}

#[test]
fn whoever_watches_is_told_of_every_change() {
    let phones = Phones::default();
    let mut version = phones.subscribe();
    assert!(!version.has_changed().unwrap());
    phones.show(&[], AT);
    assert!(!version.has_changed().unwrap());
    phones.show(&[piece(&long("pombo", "a"), 0, 9)], AT);
    assert!(version.has_changed().unwrap());
    version.mark_unchanged();
    assert!(!version.has_changed().unwrap());
}

#[test]
fn a_part_that_its_message_does_not_have_shows_nothing_and_breaks_nothing() {
    let phones = Phones::default();
    phones.show(&[piece(&long("pombo", "a"), 14, 9)], AT);
    assert_eq!(messages(&phones)[0].n_arrived, 0);
}
