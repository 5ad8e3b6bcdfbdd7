//! Turns attempts into submit_sm PDUs by the route's settings, or says why it cannot.

use std::io::Write as _;

use pombo_domain::channel::{Attempt, Cause, Outcome};
use pombo_domain::message::PartState;
use pombo_domain::sms::{Encoding, Segmented, ShiftTables, decode_gsm};
use pombo_domain::time::Instant;
use pombo_wire::smpp::{self, Address, EncodeError, Header, Pdu, Sm, TlvBuffer, esm, time, tlv};
use pombo_wire::sms::septet;
use pombo_wire::sms::udh::{self, Concat};

use super::config::{Config, DefaultEncoding, Flash, Long};
use super::trace::{Page, Way};

/// Asks for a receipt of success and failure.
const REGISTERED_DELIVERY: u8 = 1;

/// data_coding of UTF-16BE.
const UCS2: u8 = 8;

/// Writes submit_sm PDUs; keeps its buffers, so that nothing is allocated per PDU.
pub(super) struct Composer<'a> {
    config: &'a Config,
    text: Vec<u8>,
    header: Vec<u8>,
    tlvs: TlvBuffer,
}

/// Where a PDU goes: after what is waiting to be written, under this number, into this trace.
pub(super) struct Target<'a, 'b> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) sequence: u32,
    pub(super) page: &'a mut Page<'b>,
}

impl<'a> Composer<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        Self { config, text: Vec::new(), header: Vec::new(), tlvs: TlvBuffer::default() }
    }

    /// Whether the route can carry this message at all, as it is at `now`.
    ///
    /// # Errors
    /// The outcome of all its parts, where it cannot: nothing is ever changed silently.
    pub(super) fn check(&self, attempt: &Attempt, now: Instant) -> Result<(), Outcome> {
        if attempt.expires.is_some_and(|end| end <= now) {
            // Its queue knows whether it has expired, or waits for its country's next times.
            return Err(Outcome::Unsent);
        }
        let text = &attempt.body.segmented;
        if text.tables() != ShiftTables::None {
            let is_gsm = matches!(
                self.config.encoding,
                DefaultEncoding::GsmUnpacked | DefaultEncoding::GsmPacked
            );
            if !self.config.shift_tables || !is_gsm {
                return Err(refused("the route does not pass national shift tables"));
            }
            if text.is_concatenated() && self.config.long != Long::Udh {
                return Err(refused("a long text with national shift tables needs long = \"udh\""));
            }
        }
        if text.encoding() == Encoding::Utf16 {
            return Ok(());
        }
        let highest = match self.config.encoding {
            DefaultEncoding::GsmUnpacked | DefaultEncoding::GsmPacked => return Ok(()),
            DefaultEncoding::Latin1 => '\u{FF}',
            DefaultEncoding::Ascii => '\u{7F}',
        };
        let decoded = |idx| decode_gsm(text.part(idx).septets_or_octets, ShiftTables::None);
        let lost = (0..text.n_parts()).find_map(|idx| decoded(idx).chars().find(|&c| c > highest));
        match lost {
            None => Ok(()),
            Some(c) => {
                let code = u32::from(c);
                Err(refused(&format!("the route's encoding has no character U+{code:04X}")))
            }
        }
    }

    /// The parts that the next PDU of this attempt carries: one, or all where the carrier cuts.
    pub(super) fn next_parts(&self, attempt: &Attempt) -> u16 {
        if self.carrier_cuts(&attempt.body.segmented) {
            attempt.parts
        } else {
            attempt.parts & attempt.parts.wrapping_neg()
        }
    }

    fn carrier_cuts(&self, text: &Segmented) -> bool {
        text.is_concatenated() && self.config.long == Long::Payload
    }

    /// Writes the PDU that carries `parts` (from [`Composer::next_parts`]) of a checked attempt.
    ///
    /// # Errors
    /// Where a field does not fit; nothing has been written then.
    pub(super) fn write(
        &mut self,
        attempt: &Attempt,
        parts: u16,
        now: Instant,
        target: &mut Target<'_, '_>,
    ) -> Result<(), Outcome> {
        let too_big = |error: EncodeError| refused(&format!("does not fit into SMPP: {error}"));
        self.fill(attempt, parts).map_err(too_big)?;
        let in_payload = self.carrier_cuts(&attempt.body.segmented);
        if in_payload {
            let pieces = [self.header.as_slice(), self.text.as_slice()];
            self.tlvs.push_joined(tlv::MESSAGE_PAYLOAD, &pieces).map_err(too_big)?;
        } else {
            self.header.extend_from_slice(&self.text);
        }

        let body = &attempt.body;
        let (ton, npi) = self.config.ton_npi.of(body.from.kind());
        let source =
            Address { ton, npi, value: body.from.as_str().trim_start_matches('+').as_bytes() };
        let (ton, npi) = self.config.ton_npi.destination;
        let mut digits = [0; 20];
        let value = decimal(attempt.to.digits(), &mut digits);
        let validity = attempt.expires.map(|end| {
            let left = end.since(now).min(self.config.validity_max);
            time::relative(left.as_secs())
        });
        let has_header = body.segmented.tables() != ShiftTables::None
            || (body.segmented.is_concatenated() && self.config.long == Long::Udh);
        let sm = Sm {
            source,
            destination: Address { ton, npi, value },
            esm_class: if has_header { esm::UDHI } else { 0 },
            validity_period: validity.as_ref().map_or(&[], |text| text.as_slice()),
            registered_delivery: REGISTERED_DELIVERY,
            data_coding: self.data_coding(attempt),
            short_message: if in_payload { &[] } else { &self.header },
            tlvs: self.tlvs.tlvs(),
            ..Sm::default()
        };
        let pdu = Pdu::SubmitSm(sm);
        smpp::encode(target.out, 0, target.sequence, &pdu).map_err(too_big)?;
        let header = Header {
            command_length: 0,
            command_id: pdu.command_id(),
            command_status: 0,
            sequence: target.sequence,
        };
        target.page.pdu(Way::Out, header, &pdu);
        Ok(())
    }

    /// Fills `header`, `text` and `tlvs` for these parts.
    fn fill(&mut self, attempt: &Attempt, parts: u16) -> Result<(), EncodeError> {
        self.text.clear();
        self.header.clear();
        self.tlvs.clear();
        let text = &attempt.body.segmented;
        let idx = usize::try_from(parts.trailing_zeros()).unwrap_or(0);
        let concat = Concat {
            reference: attempt.concat_ref,
            is_wide: false,
            // A message has at most 15 parts.
            total: u8::try_from(text.n_parts()).unwrap_or(u8::MAX),
            number: u8::try_from(idx + 1).unwrap_or(u8::MAX),
        };
        let with_header = text.is_concatenated() && self.config.long == Long::Udh;
        let elements = text.tables().information_elements();
        udh::write(with_header.then_some(concat), elements, &mut self.header);
        if text.is_concatenated() && self.config.long == Long::Sar {
            self.tlvs.push(tlv::SAR_MSG_REF_NUM, &concat.reference.to_be_bytes())?;
            self.tlvs.push(tlv::SAR_TOTAL_SEGMENTS, &[concat.total])?;
            self.tlvs.push(tlv::SAR_SEGMENT_SEQNUM, &[concat.number])?;
        }
        if attempt.body.flash && self.config.flash == Flash::Tlv {
            self.tlvs.push(tlv::DEST_ADDR_SUBUNIT, &[1])?;
        }
        if self.carrier_cuts(text) {
            let all: Vec<u8> =
                (0..text.n_parts()).flat_map(|i| text.part(i).septets_or_octets).copied().collect();
            self.write_text(text, &all);
        } else {
            self.write_text(text, text.part(idx).septets_or_octets);
        }
        Ok(())
    }

    /// Appends a part's text as the route wants it.
    fn write_text(&mut self, text: &Segmented, octets: &[u8]) {
        if text.encoding() == Encoding::Utf16 {
            self.text.extend_from_slice(octets);
            return;
        }
        match self.config.encoding {
            DefaultEncoding::GsmUnpacked => self.text.extend_from_slice(octets),
            DefaultEncoding::GsmPacked => {
                septet::pack(octets, septet::fill_bits(self.header.len()), &mut self.text);
            }
            DefaultEncoding::Latin1 | DefaultEncoding::Ascii => {
                // The attempt has been checked: every character has one octet.
                let decoded = decode_gsm(octets, ShiftTables::None);
                self.text.extend(decoded.chars().filter_map(|c| u8::try_from(c).ok()));
            }
        }
    }

    fn data_coding(&self, attempt: &Attempt) -> u8 {
        let plain = if attempt.body.segmented.encoding() == Encoding::Utf16 { UCS2 } else { 0 };
        // Message class 0: 0x10 for septets, 0x18 for UCS-2 (3GPP TS 23.038, section 4).
        let class =
            if attempt.body.flash && self.config.flash == Flash::DataCoding { 0x10 } else { 0 };
        plain | class
    }
}

/// Writes `number` in decimal into `digits`.
fn decimal(number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut rest = digits.as_mut_slice();
    // The longest u64 has 20 digits: it always fits.
    let _ = write!(rest, "{number}");
    let n_left = rest.len();
    &digits[..20 - n_left]
}

/// A cause that no carrier said.
pub(super) fn local(text: &str) -> Cause {
    Cause { code: String::new(), text: text.to_owned() }
}

fn refused(why: &str) -> Outcome {
    Outcome::Refused { state: PartState::Rejected, cause: local(why) }
}

#[cfg(test)]
mod tests;
