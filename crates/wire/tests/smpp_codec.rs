//! The SMPP codec against itself, against a foreign codec, and against noise.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use bytes::BytesMut;
use pombo_wire::smpp::{
    self, Address, Bind, BindKind, BindResp, DataSm, Frames, Pdu, Sm, SmResp, Tlvs, command,
    receipt,
};
use proptest::collection::vec;
use proptest::prelude::*;
use rusmpp::decode::DecodeWithLength;
use rusmpp::encode::{Encode, Length};

/// What one PDU of any kind is made of, owned, so that a strategy can build it.
#[derive(Debug, Clone)]
struct Seed {
    kind: u8,
    strings: [Vec<u8>; 6],
    octets: [u8; 12],
    has_times: [bool; 2],
    text: Vec<u8>,
    tlvs: Vec<u8>,
    status: u32,
    sequence: u32,
}

fn string(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(0x20_u8..0x7F, 0..=max)
}

/// Parameters with values that the foreign codec's types can hold: it knows their fields.
fn tlvs() -> impl Strategy<Value = Vec<u8>> {
    let one = prop_oneof![
        (0x1400_u16..0x1500, vec(any::<u8>(), 0..20)),
        (Just(0x0424_u16), vec(any::<u8>(), 0..600)),
        (Just(0x020C_u16), vec(any::<u8>(), 2..=2)),
        (Just(0x020E_u16), vec(any::<u8>(), 1..=1)),
        (Just(0x0204_u16), vec(any::<u8>(), 2..=2)),
    ];
    vec(one, 0..4).prop_map(|tlvs| {
        let mut buffer = smpp::TlvBuffer::default();
        for (tag, value) in &tlvs {
            buffer.push(*tag, value).unwrap();
        }
        buffer.tlvs().octets().to_vec()
    })
}

fn seed() -> impl Strategy<Value = Seed> {
    let strings = [string(5), string(20), string(20), string(15), string(8), string(12)];
    (
        (0_u8..14, strings, any::<[u8; 12]>(), any::<[bool; 2]>()),
        (vec(any::<u8>(), 0..=254), tlvs(), 0_u32..0x120, 1_u32..=smpp::SEQUENCE_MAX),
    )
        .prop_map(|((kind, strings, octets, has_times), (text, tlvs, status, sequence))| {
            Seed { kind, strings, octets, has_times, text, tlvs, status, sequence }
        })
}

fn sm(seed: &Seed) -> Sm<'_> {
    let [service_type, source, destination, ..] = seed.strings.each_ref().map(Vec::as_slice);
    let o = seed.octets;
    let time = |has| if has { &b"000000010000000R"[..] } else { b"" };
    let address = |ton, npi, value| Address { ton, npi, value };
    Sm {
        service_type,
        source: address(o[0] % 7, o[1] % 2, source),
        destination: address(o[2] % 7, o[3] % 2, destination),
        esm_class: o[4],
        protocol_id: o[5],
        priority_flag: o[6] % 4,
        schedule_delivery_time: time(seed.has_times[0]),
        validity_period: time(seed.has_times[1]),
        registered_delivery: o[7],
        replace_if_present: o[8] % 2,
        data_coding: o[9],
        sm_default_msg_id: o[10],
        short_message: &seed.text,
        tlvs: Tlvs::new(&seed.tlvs),
    }
}

fn bind(seed: &Seed) -> Bind<'_> {
    let [_, value, _, system_id, password, system_type] =
        seed.strings.each_ref().map(Vec::as_slice);
    let address_range = Address { ton: 0, npi: 0, value };
    Bind { system_id, password, system_type, interface_version: 0x34, address_range }
}

fn pdu(seed: &Seed) -> Pdu<'_> {
    let (sm, bind) = (sm(seed), bind(seed));
    let (system_id, password) = (bind.system_id, bind.password);
    let resp = SmResp { message_id: system_id, tlvs: Tlvs::default() };
    let bind_resp = BindResp { system_id, tlvs: Tlvs::default() };
    let data = DataSm {
        service_type: sm.service_type,
        source: sm.source,
        destination: sm.destination,
        esm_class: sm.esm_class,
        registered_delivery: sm.registered_delivery,
        data_coding: sm.data_coding,
        tlvs: sm.tlvs,
    };
    match seed.kind {
        0 => Pdu::SubmitSm(sm),
        1 => Pdu::DeliverSm(sm),
        2 => Pdu::DataSm(data),
        3 => Pdu::SubmitSmResp(resp),
        4 => Pdu::DeliverSmResp(resp),
        5 => Pdu::Bind(BindKind::Transceiver, bind),
        6 => Pdu::Bind(BindKind::Transmitter, bind),
        7 => Pdu::Bind(BindKind::Receiver, bind),
        8 => Pdu::BindResp(BindKind::Transceiver, bind_resp),
        9 => Pdu::EnquireLink,
        10 => Pdu::EnquireLinkResp,
        11 => Pdu::Unbind,
        12 => Pdu::GenericNack,
        _ => Pdu::Outbind { system_id, password },
    }
}

fn encoded(seed: &Seed) -> Vec<u8> {
    let mut out = Vec::new();
    smpp::encode(&mut out, seed.status, seed.sequence, &pdu(seed)).unwrap();
    out
}

/// The foreign codec's reading of one PDU, and what it writes for it.
fn foreign(pdu: &[u8]) -> Option<(rusmpp::Command, Vec<u8>)> {
    let mut body = BytesMut::from(&pdu[4..]);
    let (command, _) =
        <rusmpp::Command as DecodeWithLength>::decode(&mut body, pdu.len() - 4).ok()?;
    let mut out = vec![0; command.length() + 4];
    let length = command.encode(&mut out[4..]) + 4;
    out.truncate(length);
    out[..4].copy_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
    Some((command, out))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_written_reads_back_the_same(seed in seed()) {
        let bytes = encoded(&seed);
        let frame = Frames::new(&bytes).next().unwrap().unwrap();
        prop_assert_eq!(frame.header.command_status, seed.status);
        prop_assert_eq!(frame.header.sequence, seed.sequence);
        prop_assert_eq!(smpp::decode(&frame).unwrap(), pdu(&seed));
    }

    #[test]
    fn a_foreign_codec_reads_what_is_written_and_writes_the_same(seed in seed()) {
        let bytes = encoded(&seed);
        let (command, rewritten) = foreign(&bytes).expect("the foreign codec reads it");
        prop_assert_eq!(command.sequence_number(), seed.sequence);
        prop_assert_eq!(rewritten, bytes);
    }

    #[test]
    fn what_a_foreign_codec_reads_is_read_here_too(
        seed in seed(),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encoded(&seed);
        for (at, to) in flips {
            // The length stays: a changed one only makes another frame.
            let at = 4 + at.index(bytes.len() - 4);
            bytes[at] = to;
        }
        if let Some((command, rewritten)) = foreign(&bytes) {
            let theirs = Frames::new(&rewritten).next().unwrap().unwrap();
            let ours = Frames::new(&bytes).next().unwrap().unwrap();
            prop_assert_eq!(ours.header.command_id, theirs.header.command_id);
            let is_known = !matches!(smpp::decode(&ours), Ok(Pdu::Other { .. }));
            // It takes a header alone for any command, also one whose fields are mandatory.
            if is_known && bytes == rewritten && command.pdu().is_some() {
                let ours = smpp::decode(&ours);
                prop_assert!(ours.is_ok(), "{ours:?}");
                // The foreign codec lets through what the strict side here refuses to write.
                let mut again = Vec::new();
                let (status, sequence) = (theirs.header.command_status, theirs.header.sequence);
                if smpp::encode(&mut again, status, sequence, &ours.unwrap()).is_ok() {
                    prop_assert_eq!(again, rewritten);
                }
            }
        }
    }

    #[test]
    fn noise_is_refused_or_read_but_never_panics(bytes in vec(any::<u8>(), 0..300), id in 0_u32..0x110) {
        read_all(&bytes);
        let length = u32::try_from(bytes.len() + 16).unwrap();
        for id in [id, id | smpp::RESPONSE] {
            let mut framed = length.to_be_bytes().to_vec();
            framed.extend(id.to_be_bytes());
            framed.extend([0; 8]);
            framed.extend(&bytes);
            read_all(&framed);
        }
        let _ = receipt::parse_text(&bytes);
        let _ = pombo_wire::smpp::time::parse(&bytes);
        if let Some((header, _)) = pombo_wire::sms::udh::split(&bytes) {
            let _ = header.concat();
        }
    }

    #[test]
    fn every_field_of_a_receipt_is_found_whatever_the_order(
        id in "[0-9A-Fa-f-]{1,64}",
        stat in prop::sample::select(vec!["DELIVRD", "expired", "Undeliverable", "REJECTD"]),
        err in "[0-9A-F]{1,4}",
        order in Just(vec![0, 1, 2, 3, 4]).prop_shuffle(),
        separator in prop::sample::select(vec![" ", "\n", "\r\n", "  "]),
    ) {
        let fields = [
            format!("id:{id}"),
            format!("stat:{stat}"),
            format!("ERR:{err}"),
            "done date: 2603011421".to_owned(),
            "sub:001".to_owned(),
        ];
        let text: Vec<&str> = order.iter().map(|&i: &usize| fields[i].as_str()).collect();
        let text = text.join(separator);
        let receipt = receipt::parse_text(text.as_bytes());
        prop_assert_eq!(receipt.id, id.as_bytes());
        prop_assert_eq!(receipt.state, receipt::State::from_word(stat.as_bytes()));
        prop_assert_eq!(receipt.error, err.as_bytes());
        prop_assert_eq!(receipt.done_date, b"2603011421");
    }
}

fn read_all(bytes: &[u8]) {
    for frame in Frames::new(bytes).flatten() {
        if let Ok(Pdu::DeliverSm(sm) | Pdu::SubmitSm(sm)) = smpp::decode(&frame) {
            let _ = receipt::parse(&sm);
            sm.tlvs.iter().for_each(drop);
        }
    }
}

#[test]
fn a_header_alone_is_no_bind() {
    let mut header = 16_u32.to_be_bytes().to_vec();
    header.extend(command::BIND_RECEIVER.to_be_bytes());
    header.extend([0, 0, 0, 0, 0, 0, 0, 1]);
    let frame = Frames::new(&header).next().unwrap().unwrap();
    assert_eq!(smpp::decode(&frame).unwrap_err().field, "system_id");
}

#[test]
fn a_field_that_does_not_fit_is_refused_and_leaves_no_trace() {
    let mut out = b"before".to_vec();
    let too_long = [b'1'; 21];
    let sm = Sm { destination: Address { ton: 1, npi: 1, value: &too_long }, ..Sm::default() };
    let cases = [
        Pdu::SubmitSm(sm),
        Pdu::SubmitSm(Sm { short_message: &[0; 255], ..Sm::default() }),
        Pdu::SubmitSm(Sm { service_type: b"a\0b", ..Sm::default() }),
        Pdu::SubmitSm(Sm { validity_period: b"1", ..Sm::default() }),
        Pdu::SubmitSm(Sm { tlvs: Tlvs::new(&[4, 0x24, 0, 9, 1]), ..Sm::default() }),
        Pdu::Bind(BindKind::Receiver, Bind { system_id: &[b'x'; 16], ..Bind::default() }),
        Pdu::Other { command_id: command::QUERY_SM, body: &[0; 70_000] },
    ];
    for case in cases {
        smpp::encode(&mut out, 0, 1, &case).unwrap_err();
        assert_eq!(out, b"before");
    }
}
