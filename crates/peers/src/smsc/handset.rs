//! Messages that handsets send through the SMSC.

use std::sync::atomic::{AtomicU32, Ordering};

use pombo_wire::smpp::{Address, Pdu, Sm, TlvBuffer, encode, esm, tlv};

use super::Smsc;

/// A message from a handset, as the SMSC hands it over.
#[derive(Debug, Clone, Copy, Default)]
pub struct Handset<'a> {
    /// Who writes: digits.
    pub from: &'a str,
    /// The number or short code written to.
    pub to: &'a str,
    /// Its data_coding.
    pub data_coding: u8,
    /// Its text, header included.
    pub text: &'a [u8],
    /// Whether the text begins with a header.
    pub has_header: bool,
    /// Reference, total and number as parameters.
    pub sar: Option<(u16, u8, u8)>,
}

/// Far from the numbers of receipts.
static SEQUENCE: AtomicU32 = AtomicU32::new(5_000_001);

impl Smsc {
    /// Hands a message from a handset over, on a connection that receives; `false` where a field
    /// is too long for its place.
    #[must_use]
    pub fn hand_over(&self, message: Handset<'_>) -> bool {
        let Handset { from, to, data_coding, text, has_header, sar } = message;
        let mut tlvs = TlvBuffer::default();
        if let Some((reference, total, number)) = sar {
            for (tag, value) in [
                (tlv::SAR_MSG_REF_NUM, &reference.to_be_bytes()[..]),
                (tlv::SAR_TOTAL_SEGMENTS, &[total]),
                (tlv::SAR_SEGMENT_SEQNUM, &[number]),
            ] {
                if tlvs.push(tag, value).is_err() {
                    return false;
                }
            }
        }
        let sm = Sm {
            source: Address { ton: 1, npi: 1, value: from.as_bytes() },
            destination: Address { ton: 1, npi: 1, value: to.as_bytes() },
            esm_class: if has_header { esm::UDHI } else { 0 },
            data_coding,
            short_message: text,
            tlvs: tlvs.tlvs(),
            ..Sm::default()
        };
        let mut octets = Vec::new();
        let sequence = SEQUENCE.fetch_add(1, Ordering::Relaxed);
        let is_encoded = encode(&mut octets, 0, sequence, &Pdu::DeliverSm(sm)).is_ok();
        if is_encoded {
            self.say(octets);
        }
        is_encoded
    }
}
