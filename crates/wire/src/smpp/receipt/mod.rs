//! Reads delivery receipts, in every dialect seen so far.
//!
//! SMPP 3.4 leaves the text to the carrier and prints one example (appendix B). So each field is
//! looked for on its own, in any order and any case; what is missing stays empty; and the optional
//! parameters, which have a fixed meaning, win over the text.

use super::tlv::{self, trim_end};
use super::{Sm, esm};
use crate::sms::udh;

/// What a receipt says has become of the message (SMPP 3.4, section 5.2.28, and practice).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Not tried yet (SMPP 5.0).
    Scheduled,
    /// On its way.
    Enroute,
    /// On the handset.
    Delivered,
    /// Its validity has ended.
    Expired,
    /// Deleted at the carrier.
    Deleted,
    /// Cannot be delivered.
    Undeliverable,
    /// Accepted on behalf of the subscriber; carriers use it as an intermediate word.
    Accepted,
    /// The carrier does not know.
    Unknown,
    /// Refused by the network.
    Rejected,
    /// Skipped (SMPP 5.0).
    Skipped,
    /// Received by the carrier; an intermediate word.
    Received,
}

impl State {
    /// Reads a `message_state` octet.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Option<Self> {
        Some(match octet {
            0 => Self::Scheduled,
            1 => Self::Enroute,
            2 => Self::Delivered,
            3 => Self::Expired,
            4 => Self::Deleted,
            5 => Self::Undeliverable,
            6 => Self::Accepted,
            7 => Self::Unknown,
            8 => Self::Rejected,
            9 => Self::Skipped,
            _ => return None,
        })
    }

    /// Reads the word of a `stat` field: the standard's seven characters, full words, and the
    /// words of known dialects.
    #[must_use]
    pub fn from_word(word: &[u8]) -> Option<Self> {
        const WORDS: [(&str, State); 24] = [
            ("DELIVRD", State::Delivered),
            ("DELIVERED", State::Delivered),
            ("EXPIRED", State::Expired),
            ("DELETED", State::Deleted),
            ("UNDELIV", State::Undeliverable),
            ("UNDELIVERABLE", State::Undeliverable),
            ("UNDELIVERED", State::Undeliverable),
            ("FAILED", State::Undeliverable),
            ("ACCEPTD", State::Accepted),
            ("ACCEPTED", State::Accepted),
            ("ACKED", State::Accepted),
            ("UNKNOWN", State::Unknown),
            ("REJECTD", State::Rejected),
            ("REJECTED", State::Rejected),
            ("ENROUTE", State::Enroute),
            ("BUFFRED", State::Enroute),
            ("BUFFERD", State::Enroute),
            ("BUFFERED", State::Enroute),
            ("RECEIVED", State::Received),
            ("RECEIVD", State::Received),
            ("SCHEDULED", State::Scheduled),
            ("SCHEDULD", State::Scheduled),
            ("SKIPPED", State::Skipped),
            ("REJECT", State::Rejected),
        ];
        WORDS
            .iter()
            .find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(word))
            .map(|&(_, state)| state)
    }
}

/// A receipt's fields as the carrier wrote them; empty where it wrote none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipt<'a> {
    /// The carrier's id of the message.
    pub id: &'a [u8],
    /// What has become of it; `None` where neither the parameter nor the word is known.
    pub state: Option<State>,
    /// The `stat` word.
    pub stat: &'a [u8],
    /// The `err` field: digits, or letters in dialects.
    pub error: &'a [u8],
    /// `network_error_code`: network type, code.
    pub network_error: Option<(u8, u16)>,
    /// `sub`: messages submitted.
    pub submitted: &'a [u8],
    /// `dlvrd`: messages delivered.
    pub delivered: &'a [u8],
    /// `submit date`: 10 to 14 digits, in the carrier's local time.
    pub submit_date: &'a [u8],
    /// `done date`: 10 to 14 digits, in the carrier's local time.
    pub done_date: &'a [u8],
    /// The first characters of the message.
    pub text: &'a [u8],
}

/// Reads a receipt out of a deliver_sm (or a data_sm); `None` when it is none.
///
/// A message is a receipt when `esm_class` says so, or, with `esm_class` 0, when it has a
/// receipt's parameters or a text that begins with a receipt's fields.
#[must_use]
pub fn parse<'a>(sm: &Sm<'a>) -> Option<Receipt<'a>> {
    let kind = sm.esm_class & esm::TYPE_MASK;
    let is_marked = kind & (esm::RECEIPT | esm::INTERMEDIATE) != 0;
    let has_header = sm.esm_class & esm::UDHI != 0;
    let payload = sm.payload();
    let text = match udh::split(payload) {
        Some((_, text)) if has_header => text,
        _ => payload,
    };
    let mut receipt = parse_text(text);
    let looks_like_one = kind == 0 && (has_parameters(sm) || begins_like_one(text, &receipt));
    if !is_marked && !looks_like_one {
        return None;
    }
    if let Some(id) = sm.tlvs.text(tlv::RECEIPTED_MESSAGE_ID).filter(|id| !id.is_empty()) {
        receipt.id = id;
    }
    let state = sm.tlvs.octet(tlv::MESSAGE_STATE).and_then(State::from_octet);
    receipt.state = state.or(receipt.state);
    if let Some(&[network, high, low]) = sm.tlvs.get(tlv::NETWORK_ERROR_CODE) {
        receipt.network_error = Some((network, u16::from_be_bytes([high, low])));
    }
    Some(receipt)
}

fn has_parameters(sm: &Sm<'_>) -> bool {
    sm.tlvs.get(tlv::RECEIPTED_MESSAGE_ID).is_some() && sm.tlvs.get(tlv::MESSAGE_STATE).is_some()
}

/// Strict, because a person may write anything: `id:` first, a known state, and one field more.
fn begins_like_one(text: &[u8], receipt: &Receipt<'_>) -> bool {
    let has_more = [receipt.submit_date, receipt.done_date, receipt.error, receipt.submitted]
        .iter()
        .any(|field| !field.is_empty());
    let starts_with_id = text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"id:"));
    receipt.state.is_some() && !receipt.id.is_empty() && has_more && starts_with_id
}

/// Reads the text of a receipt: fields by name, or else the comma format.
///
/// Never fails: what is not found stays empty.
#[must_use]
pub fn parse_text(text: &[u8]) -> Receipt<'_> {
    let text = trim_end(text);
    let mut receipt = Receipt::default();
    let mut at = 0;
    let mut quote = None;
    while at < text.len() {
        let is_word_start = at == 0 || !text[at - 1].is_ascii_alphanumeric();
        let found = if is_word_start { key_at(&text[at..]) } else { None };
        let Some((key, length)) = found else {
            at += 1;
            continue;
        };
        let field = receipt.field(key);
        if !field.is_empty() {
            at += length;
            continue;
        }
        if quote.is_some() && !matches!(key, Key::Id | Key::Stat) {
            // The customer's own words inside the quoted text are no fields.
            at += length;
            continue;
        }
        let start = at + length + blanks(&text[at + length..]);
        if key == Key::Text {
            receipt.text = &text[start.min(text.len())..];
            quote = Some(start);
            if !receipt.id.is_empty() && !receipt.stat.is_empty() {
                break;
            }
            at = start;
            continue;
        }
        if let Some(quote_start) = quote.take() {
            // A field after the quoted text: the quote ends before it.
            receipt.text = trim_end(&text[quote_start.min(at)..at]);
        }
        let value = value_at(&text[start..], key);
        *receipt.field(key) = value;
        at = start + value.len();
    }
    if receipt.id.is_empty() && receipt.stat.is_empty() {
        receipt = parse_commas(text).unwrap_or(receipt);
    }
    receipt.state = receipt.state.or_else(|| State::from_word(receipt.stat));
    receipt
}

/// The names a receipt's fields go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Id,
    Submitted,
    Delivered,
    SubmitDate,
    DoneDate,
    Stat,
    Error,
    Text,
}

/// Of the longest key.
const KEY_OCTETS_MAX: usize = 11;

const KEYS: [(&str, Key); 13] = [
    ("id", Key::Id),
    ("sub", Key::Submitted),
    ("dlvrd", Key::Delivered),
    ("submit date", Key::SubmitDate),
    ("submit_date", Key::SubmitDate),
    ("submitdate", Key::SubmitDate),
    ("done date", Key::DoneDate),
    ("done_date", Key::DoneDate),
    ("donedate", Key::DoneDate),
    ("stat", Key::Stat),
    ("status", Key::Stat),
    ("err", Key::Error),
    ("text", Key::Text),
];

impl<'a> Receipt<'a> {
    fn field(&mut self, key: Key) -> &mut &'a [u8] {
        match key {
            Key::Id => &mut self.id,
            Key::Submitted => &mut self.submitted,
            Key::Delivered => &mut self.delivered,
            Key::SubmitDate => &mut self.submit_date,
            Key::DoneDate => &mut self.done_date,
            Key::Stat => &mut self.stat,
            Key::Error => &mut self.error,
            Key::Text => &mut self.text,
        }
    }
}

/// The key that begins here with its colon, and the octets of both.
fn key_at(text: &[u8]) -> Option<(Key, usize)> {
    // Nearly every octet of a receipt begins no key: look at the first letter before all names.
    if !matches!(text.first()? | 0x20, b'i' | b's' | b'd' | b'e' | b't') {
        return None;
    }
    // No key has a colon in it.
    let length = text.iter().take(KEY_OCTETS_MAX + 1).position(|octet| *octet == b':')?;
    let word = &text[..length];
    let is_it = |name: &str| name.len() == length && name.as_bytes().eq_ignore_ascii_case(word);
    KEYS.iter().find(|(name, _)| is_it(name)).map(|&(_, key)| (key, length + 1))
}

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|octet| octet.is_ascii_whitespace()).count()
}

/// The value that begins here; empty where the next field begins at once.
fn value_at(text: &[u8], key: Key) -> &[u8] {
    if key_at(text).is_some() {
        return &[];
    }
    let is_part = |octet: u8| match key {
        Key::SubmitDate | Key::DoneDate => octet.is_ascii_digit(),
        // Ids are any word: decimal, hexadecimal, with dashes or dots.
        Key::Id => octet.is_ascii_graphic() && !matches!(octet, b',' | b';' | b'|'),
        _ => octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-'),
    };
    let length = text.iter().take_while(|&&octet| is_part(octet)).count();
    &text[..length]
}

/// `00,0210021543,0210021500,,447700900456,10110200000000,id`: status, status time, accepted
/// time, error, destination, origin, id. Status 00 is delivered; the others are not documented.
fn parse_commas(text: &[u8]) -> Option<Receipt<'_>> {
    let mut fields = text.split(|&octet| octet == b',');
    let mut next = || fields.next().map(<[u8]>::trim_ascii);
    let (stat, done_date, submit_date) = (next()?, next()?, next()?);
    let (error, _destination, _origin, id) = (next()?, next()?, next()?, next()?);
    let is_date = |date: &[u8]| {
        date.is_empty() || (10..=14).contains(&date.len()) && date.iter().all(u8::is_ascii_digit)
    };
    let is_status = (1..=3).contains(&stat.len()) && stat.iter().all(u8::is_ascii_digit);
    if !is_status || !is_date(done_date) || !is_date(submit_date) || id.is_empty() {
        return None;
    }
    let state = stat.iter().all(|&digit| digit == b'0').then_some(State::Delivered);
    Some(Receipt { id, state, stat, error, submit_date, done_date, ..Receipt::default() })
}

#[cfg(test)]
mod tests;
