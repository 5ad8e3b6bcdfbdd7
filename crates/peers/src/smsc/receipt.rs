//! Receipts that the SMSC owes.

use std::io::Write as _;
use std::time::{Duration, Instant};

use pombo_wire::smpp::{Address, EncodeError, Pdu, Sm, encode, esm};

use super::behaviour::{Ids, Receipts};

/// How long after a refused deliver_sm it is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Characters of the message that a receipt repeats.
const TEXT_CHARS: usize = 20;

/// A receipt to be sent; small, because a bench owes hundreds of thousands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owed {
    /// When.
    pub(super) due: Instant,
    /// For which id.
    pub(super) id: u64,
    source: Short,
    destination: Short,
    text: Short,
}

/// An address or the start of a text, without an allocation.
#[derive(Debug, Clone, Copy)]
struct Short {
    bytes: [u8; TEXT_CHARS],
    len: u8,
}

impl Short {
    fn new(text: &[u8]) -> Self {
        let mut bytes = [0; TEXT_CHARS];
        let n = text.len().min(TEXT_CHARS);
        bytes[..n].copy_from_slice(&text[..n]);
        Self { bytes, len: u8::try_from(n).unwrap_or(0) }
    }

    fn get(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Owed {
    pub(super) fn new(sm: &Sm<'_>, id: u64, due: Instant) -> Self {
        Self {
            due,
            id,
            source: Short::new(sm.source.value),
            destination: Short::new(sm.destination.value),
            text: Short::new(sm.short_message),
        }
    }

    /// The same, to be sent again a little later.
    pub(super) fn again(self) -> Self {
        Self { due: Instant::now() + AGAIN_AFTER, ..self }
    }

    /// Writes it as a deliver_sm; `text` is a buffer to be reused.
    pub(super) fn write(
        &self,
        receipts: &Receipts,
        ids: Ids,
        sequence: u32,
        (out, text): (&mut Vec<u8>, &mut Vec<u8>),
    ) -> Result<(), EncodeError> {
        text.clear();
        text.extend_from_slice(b"id:");
        write_id(self.id, receipts.ids.unwrap_or(ids), text);
        let delivered = if receipts.stat == "DELIVRD" { "001" } else { "000" };
        // Writing to memory cannot fail.
        let _ = write!(
            text,
            " sub:001 dlvrd:{delivered} submit date:2603011420 done date:2603011421 stat:{} \
             err:000 text:",
            receipts.stat
        );
        text.extend_from_slice(self.text.get());
        let sm = Sm {
            source: Address { ton: 1, npi: 1, value: self.destination.get() },
            destination: Address { ton: 5, npi: 0, value: self.source.get() },
            esm_class: esm::RECEIPT,
            short_message: text,
            ..Sm::default()
        };
        encode(out, 0, sequence, &Pdu::DeliverSm(sm))
    }
}

/// Spells an id.
pub(super) fn write_id(id: u64, ids: Ids, out: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = match ids {
        Ids::Decimal => write!(out, "{id}"),
        Ids::Hex => write!(out, "{id:x}"),
        Ids::Uuid => write!(out, "00000000-0000-4000-8000-{id:012x}"),
        Ids::Empty => Ok(()),
    };
}
