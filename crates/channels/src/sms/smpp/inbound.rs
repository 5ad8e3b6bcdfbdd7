//! Turns what the carrier hands over (deliver_sm, data_sm) into arrivals.

use pombo_domain::channel::{Arrival, Inbound, Receipt};
use pombo_domain::message::PartState;
use pombo_domain::sms::ShiftTables;
use pombo_domain::sms::received::{Alphabet, Coded, Naming, Place};
use pombo_domain::time::Instant;
use pombo_wire::smpp::{Sm, esm, receipt, tlv};
use pombo_wire::sms::{septet, udh};

use super::config::DefaultEncoding;
use super::status;

/// The language number of Spanish, which has a single shift table only.
const SPANISH: u8 = 2;
/// The language number of Portuguese in a shift table's element.
const PORTUGUESE: u8 = 3;

/// A receipt where the PDU is one, else a message from a handset.
pub(super) fn arrival(sm: &Sm<'_>, encoding: DefaultEncoding, at: Instant) -> Arrival {
    match receipt::parse(sm) {
        Some(receipt) => Arrival::Receipt(domain_receipt(sm, &receipt, at)),
        None => Arrival::Inbound(message(sm, encoding, at)),
    }
}

fn domain_receipt(sm: &Sm<'_>, receipt: &receipt::Receipt<'_>, at: Instant) -> Receipt {
    let is_intermediate = sm.esm_class & esm::TYPE_MASK == esm::INTERMEDIATE;
    let (state, word) = match receipt.state {
        // An intermediate notification is never final, whatever failed on the way.
        Some(state) if !is_intermediate || state == receipt::State::Delivered => {
            status::receipt(state)
        }
        // A word that nobody knows proves nothing final: the route's timer will tell.
        _ => (PartState::Sent, "ACCEPTD"),
    };
    Receipt {
        carrier_id: lossy(receipt.id),
        state,
        word,
        error: error(receipt),
        addresses: [digits(sm.source.value), digits(sm.destination.value)],
        text: lossy(receipt.text),
        at,
    }
}

/// The carrier's error code; empty when there is none or it is zero.
fn error(receipt: &receipt::Receipt<'_>) -> String {
    if receipt.error.iter().any(|&octet| octet != b'0') {
        return lossy(receipt.error);
    }
    match receipt.network_error {
        Some((_, code)) if code != 0 => code.to_string(),
        _ => String::new(),
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn digits(address: &[u8]) -> String {
    lossy(address.strip_prefix(b"+").unwrap_or(address))
}

/// The digits of a number, without what says that the country code follows.
fn international(address: &[u8]) -> String {
    let digits = digits(address);
    digits.strip_prefix("00").map_or(digits.clone(), str::to_owned)
}

fn message(sm: &Sm<'_>, encoding: DefaultEncoding, at: Instant) -> Inbound {
    let payload = sm.payload();
    let has_header = sm.esm_class & esm::UDHI != 0;
    let (header, text) = match udh::split(payload) {
        Some(split) if has_header => split,
        _ => (udh::Header::default(), payload),
    };
    Inbound {
        from: international(sm.source.value),
        to: international(sm.destination.value),
        text: coded(text, &header, coding(sm.data_coding, encoding)),
        piece: place(sm, &header),
        at,
    }
}

/// Which piece of a long message it is, by its header or its parameters. Of one piece in all
/// nothing is missing.
fn place(sm: &Sm<'_>, header: &udh::Header<'_>) -> Option<Place> {
    let of_header = header.concat().map(|udh::Concat { reference, is_wide, total, number }| {
        let naming = if is_wide { Naming::Header16 } else { Naming::Header8 };
        Place { naming, reference, total, number }
    });
    let of_parameters = || {
        Some(Place {
            naming: Naming::Sar,
            reference: sm.tlvs.word(tlv::SAR_MSG_REF_NUM)?,
            total: sm.tlvs.octet(tlv::SAR_TOTAL_SEGMENTS)?,
            number: sm.tlvs.octet(tlv::SAR_SEGMENT_SEQNUM)?,
        })
    };
    let place = of_header.or_else(of_parameters)?;
    (place.total > 1 && (1..=place.total).contains(&place.number)).then_some(place)
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    GsmUnpacked,
    GsmPacked,
    Other(Alphabet),
}

/// Reads data_coding (SMPP 3.4, section 5.2.19, and the groups of 3GPP TS 23.038, section 4).
const fn coding(data_coding: u8, encoding: DefaultEncoding) -> Coding {
    let default = match encoding {
        DefaultEncoding::GsmUnpacked => Coding::GsmUnpacked,
        DefaultEncoding::GsmPacked => Coding::GsmPacked,
        DefaultEncoding::Latin1 | DefaultEncoding::Ascii => Coding::Other(Alphabet::Latin1),
    };
    match data_coding {
        6 => Coding::Other(Alphabet::Cyrillic),
        7 => Coding::Other(Alphabet::Hebrew),
        8 => Coding::Other(Alphabet::Utf16),
        // Texts in ASCII, Latin-1, or an alphabet of which at least the ASCII half is right; and
        // binary contents, whose octets are kept.
        1..=14 => Coding::Other(Alphabet::Latin1),
        // General groups with a message class: bits 3 and 2 name the alphabet.
        0x10..=0x3F => match data_coding & 0x0C {
            0x08 => Coding::Other(Alphabet::Utf16),
            0x04 => Coding::Other(Alphabet::Latin1),
            _ => default,
        },
        0xE0..=0xEF => Coding::Other(Alphabet::Utf16),
        0xF0..=0xFF if data_coding & 0x04 != 0 => Coding::Other(Alphabet::Latin1),
        _ => default,
    }
}

fn coded(octets: &[u8], header: &udh::Header<'_>, coding: Coding) -> Coded {
    let has = |table| header.language(table) == Some(PORTUGUESE);
    let is_spanish = header.language(udh::SINGLE_SHIFT) == Some(SPANISH);
    let tables = match (has(udh::LOCKING_SHIFT), has(udh::SINGLE_SHIFT)) {
        (false, false) => ShiftTables::None,
        (true, false) => ShiftTables::Lock,
        (false, true) => ShiftTables::Single,
        (true, true) => ShiftTables::Both,
    };
    let gsm = if is_spanish { Alphabet::GsmSpanish } else { Alphabet::gsm(tables) };
    let (alphabet, octets) = match coding {
        // Some carriers send Latin-1 under data_coding 0: no septet has an eighth bit.
        Coding::GsmUnpacked if !octets.is_ascii() => (Alphabet::Latin1, octets.to_vec()),
        Coding::GsmUnpacked => (gsm, octets.to_vec()),
        Coding::GsmPacked => {
            let mut septets = septet::unpack(octets, septet::fill_bits(header.octets));
            // What fills the last octet is no text.
            if septets.len().is_multiple_of(8) && matches!(septets.last(), Some(0 | b'\r')) {
                septets.pop();
            }
            (gsm, septets)
        }
        Coding::Other(alphabet) => (alphabet, octets.to_vec()),
    };
    Coded { alphabet, octets }
}

#[cfg(test)]
mod tests {
    use pombo_wire::smpp::{Address, TlvBuffer};

    use super::*;

    const AT: Instant = Instant::from_micros(1);

    fn inbound(sm: &Sm<'_>) -> Inbound {
        match arrival(sm, DefaultEncoding::GsmUnpacked, AT) {
            Arrival::Inbound(inbound) => inbound,
            Arrival::Receipt(receipt) => panic!("{receipt:?}"),
        }
    }

    fn receipt(sm: &Sm<'_>) -> Receipt {
        match arrival(sm, DefaultEncoding::GsmUnpacked, AT) {
            Arrival::Receipt(receipt) => receipt,
            Arrival::Inbound(inbound) => panic!("{inbound:?}"),
        }
    }

    #[test]
    fn texts_are_decoded_by_their_coding() {
        let text = |data_coding, short_message| {
            inbound(&Sm { data_coding, short_message, ..Sm::default() }).text.text()
        };
        assert_eq!(text(0, b"a\x00\x1b\x65"), "a@€");
        assert_eq!(text(0, b"\xF1"), "ñ");
        assert_eq!(text(3, b"\xF1"), "ñ");
        assert_eq!(text(8, b"\x27\x13"), "✓");
        assert_eq!(text(0x18, b"\x27\x13"), "✓");
        assert_eq!(text(0xF0, b"\x00"), "@");
        assert_eq!(text(6, b"\xB0"), "А");
        assert_eq!(text(7, b"\xE0"), "א");
    }

    #[test]
    fn numbers_have_one_spelling() {
        let address = |value| Address { ton: 1, npi: 1, value };
        let sm = Sm {
            source: address(b"+34600000001"),
            destination: address(b"0034911222333"),
            ..Sm::default()
        };
        assert_eq!(
            (inbound(&sm).from, inbound(&sm).to),
            ("34600000001".into(), "34911222333".into())
        );
        let short = Sm { destination: address(b"3000"), ..sm };
        assert_eq!(inbound(&short).to, "3000");
    }

    #[test]
    fn pieces_of_long_messages_are_recognised() {
        let text = b"\x05\x00\x03\x2a\x02\x01hi";
        let sm = Sm { esm_class: esm::UDHI, short_message: text, ..Sm::default() };
        let header = |naming, reference| Place { naming, reference, total: 2, number: 1 };
        assert_eq!(inbound(&sm).piece, Some(header(Naming::Header8, 42)));
        assert_eq!(inbound(&sm).text.text(), "hi");
        let text = b"\x06\x08\x04\x00\x2a\x02\x01hi";
        let sm = Sm { esm_class: esm::UDHI, short_message: text, ..Sm::default() };
        assert_eq!(inbound(&sm).piece, Some(header(Naming::Header16, 42)));
        let mut tlvs = TlvBuffer::default();
        tlvs.push(tlv::SAR_MSG_REF_NUM, &[1, 0]).expect("short");
        tlvs.push(tlv::SAR_TOTAL_SEGMENTS, &[3]).expect("short");
        tlvs.push(tlv::SAR_SEGMENT_SEQNUM, &[3]).expect("short");
        let sm = Sm { short_message: b"hi", tlvs: tlvs.tlvs(), ..Sm::default() };
        let place = Place { naming: Naming::Sar, reference: 256, total: 3, number: 3 };
        assert_eq!(inbound(&sm).piece, Some(place));
        let alone = b"\x05\x00\x03\x2a\x01\x01hi";
        let sm = Sm { esm_class: esm::UDHI, short_message: alone, ..Sm::default() };
        assert_eq!((inbound(&sm).piece, inbound(&sm).text.text()), (None, "hi".to_owned()));
    }

    #[test]
    fn a_header_decides_how_septets_read() {
        let text = b"\x03\x25\x01\x03\x04";
        let sm = Sm { esm_class: esm::UDHI, short_message: text, ..Sm::default() };
        assert_eq!(inbound(&sm).text.text(), "ê");
        let text = b"\x03\x24\x01\x02\x1b\x61\x04";
        let sm = Sm { esm_class: esm::UDHI, short_message: text, ..Sm::default() };
        assert_eq!(inbound(&sm).text.text(), "áè");
    }

    #[test]
    fn receipts_keep_the_carriers_words() {
        let text = b"id:7F sub:001 dlvrd:000 stat:UNDELIV err:027 text:hello";
        let source = Address { ton: 1, npi: 1, value: b"+34600000001" };
        let sm = Sm { source, esm_class: esm::RECEIPT, short_message: text, ..Sm::default() };
        let read = receipt(&sm);
        assert_eq!((read.state, read.word), (PartState::Undelivered, "UNDELIV"));
        assert_eq!((read.carrier_id.as_str(), read.error.as_str()), ("7F", "027"));
        assert_eq!((read.addresses[0].as_str(), read.text.as_str()), ("34600000001", "hello"));
        let intermediate = Sm { esm_class: esm::INTERMEDIATE, ..sm };
        assert_eq!(receipt(&intermediate).state, PartState::Sent);
    }

    #[test]
    fn a_zero_error_is_none_and_the_network_may_tell_it() {
        let mut tlvs = TlvBuffer::default();
        tlvs.push(tlv::NETWORK_ERROR_CODE, &[3, 0, 6]).expect("short");
        let text = b"id:1 stat:UNDELIV err:000";
        let sm = Sm { esm_class: esm::RECEIPT, short_message: text, ..Sm::default() };
        assert_eq!(receipt(&sm).error, "");
        assert_eq!(receipt(&Sm { tlvs: tlvs.tlvs(), ..sm }).error, "6");
    }
}
