//! Receipts of every dialect, one test each.

use super::*;

const STANDARD: &[u8] = b"id:0123456789 sub:001 dlvrd:001 submit date:2603011420 \
    done date:2603011421 stat:DELIVRD err:000 text:hello there";

#[test]
fn the_standards_example_is_read_whole() {
    let receipt = parse_text(STANDARD);
    assert_eq!(receipt.id, b"0123456789");
    assert_eq!(receipt.state, Some(State::Delivered));
    assert_eq!((receipt.submitted, receipt.delivered), (&b"001"[..], &b"001"[..]));
    assert_eq!(receipt.submit_date, b"2603011420");
    assert_eq!(receipt.done_date, b"2603011421");
    assert_eq!((receipt.error, receipt.text), (&b"000"[..], &b"hello there"[..]));
}

#[test]
fn fields_come_in_any_order_and_case_and_with_line_breaks() {
    let receipt =
        parse_text(b"STAT:Undeliverable\r\nErr: 1B\r\nDone Date: 20260301142100\nID:\t0f-a9");
    assert_eq!(receipt.state, Some(State::Undeliverable));
    assert_eq!(receipt.id, b"0f-a9");
    assert_eq!(receipt.error, b"1B");
    assert_eq!(receipt.done_date, b"20260301142100");
}

#[test]
fn an_empty_field_does_not_swallow_the_next() {
    let receipt = parse_text(b"id: sub: dlvrd: stat:EXPIRED err: text:");
    assert_eq!((receipt.id, receipt.error), (&b""[..], &b""[..]));
    assert_eq!(receipt.state, Some(State::Expired));
}

#[test]
fn the_customers_own_words_are_no_fields() {
    let receipt = parse_text(b"id:7 stat:UNDELIV err:034 text:id:9 stat:DELIVRD err:0");
    assert_eq!(receipt.id, b"7");
    assert_eq!(receipt.state, Some(State::Undeliverable));
    assert_eq!(receipt.text, b"id:9 stat:DELIVRD err:0");
}

#[test]
fn fields_after_the_quoted_text_are_found() {
    let receipt = parse_text(b"text:see you soon id:77 stat:DELIVRD");
    assert_eq!((receipt.id, receipt.text), (&b"77"[..], &b"see you soon"[..]));
    assert_eq!(receipt.state, Some(State::Delivered));
}

#[test]
fn the_comma_format_is_read() {
    let receipt = parse_text(b"00,0210021543,0210021500,,447700900456,10110200000000,4fe1-22");
    assert_eq!((receipt.id, receipt.state), (&b"4fe1-22"[..], Some(State::Delivered)));
    assert_eq!(receipt.done_date, b"0210021543");
    assert_eq!(parse_text(b"hello, my, friend, how, are, you, today"), Receipt::default());
}

#[test]
fn parameters_win_over_the_text() {
    let mut tlvs = super::super::TlvBuffer::default();
    tlvs.push(tlv::RECEIPTED_MESSAGE_ID, b"ABC\0").expect("short");
    tlvs.push(tlv::MESSAGE_STATE, &[5]).expect("short");
    tlvs.push(tlv::NETWORK_ERROR_CODE, &[3, 0, 27]).expect("short");
    let tlvs = tlvs.tlvs();
    let sm = Sm { esm_class: esm::RECEIPT, short_message: STANDARD, tlvs, ..Sm::default() };
    let receipt = parse(&sm).expect("a receipt");
    assert_eq!((receipt.id, receipt.state), (&b"ABC"[..], Some(State::Undeliverable)));
    assert_eq!(receipt.network_error, Some((3, 27)));
    let unmarked = Sm { esm_class: 0, short_message: b"", ..sm };
    assert_eq!(parse(&unmarked).map(|r| r.id), Some(&b"ABC"[..]));
}

#[test]
fn the_text_may_be_in_a_payload_and_the_class_be_missing() {
    let mut tlvs = super::super::TlvBuffer::default();
    tlvs.push(tlv::MESSAGE_PAYLOAD, STANDARD).expect("short");
    let sm = Sm { tlvs: tlvs.tlvs(), ..Sm::default() };
    assert_eq!(parse(&sm).map(|r| r.id), Some(&b"0123456789"[..]));
}

#[test]
fn a_persons_message_is_no_receipt() {
    for text in [&b"STOP"[..], b"id: please send it", b"my id:7 stat:DELIVRD err:0", b""] {
        let sm = Sm { short_message: text, ..Sm::default() };
        assert_eq!(parse(&sm), None, "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn a_marked_receipt_without_any_field_is_still_one() {
    let sm = Sm { esm_class: esm::INTERMEDIATE, short_message: b"??", ..Sm::default() };
    assert_eq!(parse(&sm), Some(Receipt::default()));
}
