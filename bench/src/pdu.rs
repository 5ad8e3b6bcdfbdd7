//! What it costs to write and read SMPP PDUs.

use std::hint::black_box;

use anyhow::{Context, Result};
use pombo_wire::smpp::{Address, Frames, Pdu, Sm, SmResp, decode, encode, receipt, status::ROK};

use crate::micro::{Effort, nanos};
use crate::table::Table;

const TEXT: &[u8] = b"Your parcel 1Z 999 will be with you today between 10 and 12. \
    Somebody must sign for it. Thank you.";

const RECEIPT: &[u8] = b"id:0123456789 sub:001 dlvrd:001 submit date:2611240301 \
    done date:2611240302 stat:DELIVRD err:000 text:Your parcel 1Z 999 w";

pub(crate) fn run(effort: Effort) -> Result<()> {
    let source = Address { ton: 5, npi: 0, value: b"pombo" };
    let destination = Address { ton: 1, npi: 1, value: b"34600000000" };
    let submit = Sm {
        source,
        destination,
        validity_period: b"000002000000000R",
        registered_delivery: 1,
        short_message: TEXT,
        ..Sm::default()
    };
    let deliver = Sm {
        source: destination,
        destination: source,
        esm_class: 4,
        short_message: RECEIPT,
        ..Sm::default()
    };
    let response = SmResp { message_id: b"0123456789", ..SmResp::default() };
    let mut table = Table::new(&["PDU", "octets", "write, ns", "read, ns"]);
    for (name, pdu) in [
        ("submit_sm, 97 characters", Pdu::SubmitSm(submit)),
        ("submit_sm_resp", Pdu::SubmitSmResp(response)),
        ("deliver_sm, receipt", Pdu::DeliverSm(deliver)),
        ("enquire_link", Pdu::EnquireLink),
    ] {
        let mut out = Vec::new();
        encode(&mut out, ROK, 1, &pdu)?;
        let bytes = out.clone();
        let write = nanos(effort, || {
            out.clear();
            encode(&mut out, ROK, 1, black_box(&pdu))
        });
        let read = nanos(effort, || read(black_box(&bytes)));
        table.row(vec![name.to_owned(), bytes.len().to_string(), write.show(0), read.show(0)]);
    }
    let parse = nanos(effort, || black_box(receipt::parse(black_box(&deliver))).is_some());
    receipt::parse(&deliver).context("the receipt is not recognised")?;
    let len = RECEIPT.len().to_string();
    table.row(vec!["the receipt's text".to_owned(), len, "-".to_owned(), parse.show(0)]);
    table.print();
    Ok(())
}

/// Cuts the bytes into frames and reads the body of each; how many were understood.
fn read(bytes: &[u8]) -> usize {
    Frames::new(bytes)
        .filter(|frame| frame.as_ref().is_ok_and(|frame| black_box(decode(frame)).is_ok()))
        .count()
}
