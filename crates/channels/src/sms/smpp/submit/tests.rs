//! What stands in a submit_sm, by the route's settings.

use std::sync::Arc;
use std::time::Duration;

use pombo_domain::address::{Phone, Sender};
use pombo_domain::channel::SmsBody;
use pombo_domain::id::MessageId;
use pombo_domain::sms::{Cut, TableChoice, segment};
use pombo_wire::smpp::Frames;

use super::super::trace::Trace;
use super::*;

const NOW: Instant = Instant::from_micros(1_700_000_000_000_000);

fn config() -> Config {
    Config::new("test", "127.0.0.1:1", "pombo", "secret")
}

fn attempt(text: &str, encoding: Encoding, flash: bool) -> Attempt {
    let tables = match encoding {
        Encoding::GsmPt => TableChoice::Only(ShiftTables::Lock),
        _ => TableChoice::Auto,
    };
    let segmented = segment(text, Cut { encoding, tables, split: false }).unwrap();
    let parts = (1_u16 << segmented.n_parts()) - 1;
    let from = Sender::parse("TEST").unwrap();
    Attempt {
        message: MessageId(1),
        to: Phone::from_stored(34_600_000_001),
        body: Arc::new(SmsBody { from, segmented, flash }),
        concat_ref: 0x1234,
        parts,
        try_number: 1,
        expires: None,
    }
}

/// The PDUs of an attempt, each as its body.
fn written(config: &Config, attempt: &Attempt) -> Vec<u8> {
    let mut composer = Composer::new(config);
    composer.check(attempt, NOW).unwrap();
    let (mut out, mut rest) = (Vec::new(), attempt.clone());
    let pen = Trace::new(1).pen(String::new());
    while rest.parts != 0 {
        let parts = composer.next_parts(&rest);
        let mut page = pen.open(NOW);
        let mut target = Target { out: &mut out, sequence: 1, page: &mut page };
        composer.write(&rest, parts, NOW, &mut target).unwrap();
        rest.parts &= !parts;
    }
    out
}

fn bodies(bytes: &[u8]) -> Vec<Sm<'_>> {
    let frames = Frames::new(bytes);
    let body = |frame| match smpp::decode(&frame) {
        Ok(Pdu::SubmitSm(sm)) => sm,
        other => panic!("{other:?}"),
    };
    frames.map(|frame| body(frame.unwrap())).collect()
}

#[test]
fn a_short_text_is_plain() {
    let bytes = written(&config(), &attempt("hello @", Encoding::Gsm, false));
    let sms = bodies(&bytes);
    assert_eq!(sms.len(), 1);
    assert_eq!(sms[0].short_message, b"hello \0");
    assert_eq!((sms[0].esm_class, sms[0].data_coding, sms[0].registered_delivery), (0, 0, 1));
    assert_eq!(sms[0].destination, Address { ton: 1, npi: 1, value: b"34600000001" });
    assert_eq!(sms[0].source.value, b"TEST");
    assert_eq!(sms[0].validity_period, b"");
}

#[test]
fn a_long_text_has_a_header_with_eight_bits_of_the_reference() {
    let text = "a".repeat(160) + "b";
    let bytes = written(&config(), &attempt(&text, Encoding::Gsm, false));
    let sms = bodies(&bytes);
    assert_eq!(sms.len(), 2);
    assert_eq!(sms[0].esm_class, 0x40);
    assert_eq!(sms[0].short_message[..6], [5, 0, 3, 0x34, 2, 1]);
    assert_eq!(sms[0].short_message.len(), 159);
    assert_eq!(sms[1].short_message[..6], [5, 0, 3, 0x34, 2, 2]);
    assert_eq!(&sms[1].short_message[6..], b"aaaaaaab");
}

#[test]
fn sar_has_the_same_cuts_without_header() {
    let config = Config { long: Long::Sar, ..config() };
    let bytes = written(&config, &attempt(&"a".repeat(161), Encoding::Gsm, false));
    let sms = bodies(&bytes);
    assert_eq!((sms[0].esm_class, sms[0].short_message.len()), (0, 153));
    assert_eq!(sms[1].tlvs.word(tlv::SAR_MSG_REF_NUM), Some(0x1234));
    assert_eq!(sms[1].tlvs.octet(tlv::SAR_TOTAL_SEGMENTS), Some(2));
    assert_eq!(sms[1].tlvs.octet(tlv::SAR_SEGMENT_SEQNUM), Some(2));
}

#[test]
fn payload_carries_the_whole_text_in_one_pdu() {
    let config = Config { long: Long::Payload, ..config() };
    let attempt = attempt(&"a".repeat(400), Encoding::Gsm, false);
    assert_eq!(Composer::new(&config).next_parts(&attempt), 0b111);
    let bytes = written(&config, &attempt);
    let sms = bodies(&bytes);
    assert_eq!((sms.len(), sms[0].short_message), (1, &b""[..]));
    assert_eq!(sms[0].payload(), [b'a'; 400]);
}

#[test]
fn packed_septets_start_on_a_septet_border() {
    let config = Config { encoding: DefaultEncoding::GsmPacked, ..config() };
    let bytes = written(&config, &attempt(&"a".repeat(161), Encoding::Gsm, false));
    let sms = bodies(&bytes);
    assert_eq!(sms[0].short_message.len(), 140);
    assert_eq!(septet::unpack(&sms[0].short_message[6..], 1), [b'a'; 153]);
}

#[test]
fn utf_16_and_flash_are_marked() {
    let bytes = written(&config(), &attempt("✓", Encoding::Utf16, true));
    let sm = bodies(&bytes)[0];
    assert_eq!((sm.data_coding, sm.short_message), (0x18, &[0x27, 0x13][..]));
    let config = Config { flash: Flash::Tlv, ..config() };
    let bytes = written(&config, &attempt("hi", Encoding::Gsm, true));
    let sm = bodies(&bytes)[0];
    assert_eq!((sm.data_coding, sm.tlvs.octet(tlv::DEST_ADDR_SUBUNIT)), (0, Some(1)));
}

#[test]
fn shift_tables_travel_in_the_header_or_not_at_all() {
    let long_text = attempt(&"ã".repeat(200), Encoding::GsmPt, false);
    let bytes = written(&config(), &long_text);
    let sms = bodies(&bytes);
    assert_eq!(sms[0].short_message[..9], [8, 0, 3, 0x34, 2, 1, 0x25, 1, 3]);
    assert_eq!(sms[0].short_message.len(), 9 + 149);
    for config in [
        Config { shift_tables: false, ..config() },
        Config { encoding: DefaultEncoding::Latin1, ..config() },
        Config { long: Long::Sar, ..config() },
    ] {
        let Err(Outcome::Refused { state, cause }) = Composer::new(&config).check(&long_text, NOW)
        else {
            panic!("a text is never changed silently")
        };
        assert_eq!((state, cause.code.as_str()), (PartState::Rejected, ""));
        assert!(cause.text.contains("shift tables"), "{}", cause.text);
    }
}

#[test]
fn other_encodings_recode_or_refuse() {
    let latin = Config { encoding: DefaultEncoding::Latin1, ..config() };
    let bytes = written(&latin, &attempt("ñ@[", Encoding::Gsm, false));
    assert_eq!(bodies(&bytes)[0].short_message, [0xF1, b'@', b'[']);
    let ascii = Config { encoding: DefaultEncoding::Ascii, ..config() };
    let bytes = written(&ascii, &attempt("a_b", Encoding::Gsm, false));
    assert_eq!(bodies(&bytes)[0].short_message, b"a_b");
    for (config, text) in [(&latin, "10 €"), (&ascii, "ñ")] {
        let refusal = Composer::new(config).check(&attempt(text, Encoding::Gsm, false), NOW);
        assert!(matches!(refusal, Err(Outcome::Refused { .. })), "{text}");
    }
}

#[test]
fn validity_ends_with_the_message_and_never_after_the_carriers_maximum() {
    let until = |seconds| {
        let expires = Some(NOW.plus(Duration::from_secs(seconds)));
        Attempt { expires, ..attempt("hi", Encoding::Gsm, false) }
    };
    let validity = |attempt: &Attempt| {
        let bytes = written(&config(), attempt);
        bodies(&bytes)[0].validity_period.to_vec()
    };
    assert_eq!(validity(&until(3_600)), b"000000010000000R");
    assert_eq!(validity(&until(900_000)), b"000002000000000R");
    let late = Attempt { expires: Some(NOW), ..attempt("hi", Encoding::Gsm, false) };
    let refusal = Composer::new(&config()).check(&late, NOW);
    assert_eq!(refusal, Err(Outcome::Unsent), "its queue knows why it is late");
}
