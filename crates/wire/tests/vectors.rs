//! Reads the PDUs in `vectors/`, one file per case: octets in hexadecimal, `#` lines tell the origin.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use pombo_wire::smpp::receipt::{self, State};
use pombo_wire::smpp::{self, BindKind, Frames, Pdu, tlv};
use pombo_wire::sms::udh;

fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/vectors/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let digits: String = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::chars)
        .filter(char::is_ascii_hexdigit)
        .collect();
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn decoded(bytes: &[u8]) -> Pdu<'_> {
    let frame = Frames::new(bytes).next().expect("whole").expect("a length that can be");
    smpp::decode(&frame).expect("a body that can be read")
}

#[test]
fn the_standards_own_bind_is_read() {
    let bytes = vector("bind_transmitter");
    let Pdu::Bind(BindKind::Transmitter, bind) = decoded(&bytes) else { panic!("not a bind") };
    assert_eq!((bind.system_id, bind.password), (&b"SMPP3TEST"[..], &b"secret08"[..]));
    assert_eq!((bind.system_type, bind.address_range.ton), (&b"SUBMIT1"[..], 1));
    let mut again = Vec::new();
    smpp::encode(&mut again, 0, 1, &decoded(&bytes)).unwrap();
    assert_eq!(again, bytes);
}

#[test]
fn an_error_without_a_body_is_read() {
    let bytes = vector("submit_sm_resp_error_without_body");
    let frame = Frames::new(&bytes).next().unwrap().unwrap();
    assert_eq!((frame.header.command_status, frame.header.sequence), (0x58, 77));
    let Pdu::SubmitSmResp(resp) = decoded(&bytes) else { panic!("not a response") };
    assert_eq!(resp.message_id, b"");
}

#[test]
fn an_id_without_its_nul_is_read() {
    let bytes = vector("submit_sm_resp_id_without_nul");
    let Pdu::SubmitSmResp(resp) = decoded(&bytes) else { panic!("not a response") };
    assert_eq!(resp.message_id, b"7a3f");
}

#[test]
fn a_receipt_with_parameters_cut_short_is_read_as_far_as_it_goes() {
    let bytes = vector("deliver_sm_receipt_tlvs_cut");
    let Pdu::DeliverSm(sm) = decoded(&bytes) else { panic!("not a deliver_sm") };
    let read = receipt::parse(&sm).unwrap();
    assert_eq!(read.id, b"7a3f");
    assert_eq!(read.state, Some(State::Delivered));
    assert!(!sm.tlvs.is_whole());
}

#[test]
fn a_receipt_in_a_payload_is_read() {
    let bytes = vector("deliver_sm_receipt_in_payload");
    let Pdu::DeliverSm(sm) = decoded(&bytes) else { panic!("not a deliver_sm") };
    let read = receipt::parse(&sm).unwrap();
    assert_eq!((read.id, read.error), (&b"0004096"[..], &b"027"[..]));
    assert_eq!(read.state, Some(State::Undeliverable));
}

#[test]
fn a_nul_after_the_text_is_no_parameter() {
    let bytes = vector("deliver_sm_nul_after_text");
    let Pdu::DeliverSm(sm) = decoded(&bytes) else { panic!("not a deliver_sm") };
    assert_eq!(sm.short_message, b"STOP");
    assert!(sm.tlvs.octets().is_empty());
}

#[test]
fn a_piece_of_a_long_message_is_read() {
    let bytes = vector("submit_sm_udh_part");
    let Pdu::SubmitSm(sm) = decoded(&bytes) else { panic!("not a submit_sm") };
    let (header, text) = udh::split(sm.short_message).unwrap();
    let concat = header.concat().unwrap();
    assert_eq!((concat.reference, concat.total, concat.number), (0x2A, 2, 2));
    assert_eq!(text, b"end");
    assert_eq!(sm.tlvs.get(tlv::MESSAGE_PAYLOAD), None);
}
