//! The last PDUs of a route, for the operator: texts as lengths, numbers without their last digits.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pombo_domain::time::Instant;
use pombo_wire::smpp::{Header, Pdu, Sm, command};

use super::status;

/// PDUs kept per route where nothing else is said.
const SIZE: usize = 200;

/// Digits at the end of a number that are not shown.
const MASKED_DIGITS: usize = 4;

/// The last PDUs of a route. Clones share them.
#[derive(Debug, Clone)]
pub struct Trace(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    size: usize,
    /// One ring per connection, so that connections do not wait for one another.
    rings: Mutex<Vec<Arc<Mutex<Ring>>>>,
}

#[derive(Debug, Default)]
struct Ring {
    label: String,
    size: usize,
    entries: VecDeque<Entry>,
}

impl Default for Trace {
    fn default() -> Self {
        Self::new(SIZE)
    }
}

impl Trace {
    /// Keeps the last `size` PDUs; 0 keeps none.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self(Arc::new(Shared { size, rings: Mutex::default() }))
    }

    /// One line per PDU, oldest first: time, connection, direction, command, status, sequence
    /// number, and what may be shown of the body.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let rings = lock(&self.0.rings);
        let mut entries = Vec::new();
        for ring in rings.iter() {
            let ring = lock(ring);
            let lines = ring.entries.iter().map(|entry| (entry.at, entry.line(&ring.label)));
            entries.extend(lines);
        }
        entries.sort_by_key(|(at, _)| *at);
        let surplus = entries.len().saturating_sub(self.0.size);
        entries.into_iter().skip(surplus).map(|(_, line)| line).collect()
    }

    /// A pen for one connection.
    pub(super) fn pen(&self, label: String) -> Pen {
        let ring = Ring { label, size: self.0.size, entries: VecDeque::new() };
        let ring = Arc::new(Mutex::new(ring));
        let mut rings = lock(&self.0.rings);
        // What an earlier run of the same connection wrote with has no owner any more.
        rings
            .retain(|other| Arc::strong_count(other) > 1 || lock(other).label != lock(&ring).label);
        rings.push(Arc::clone(&ring));
        drop(rings);
        Pen(ring)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one connection writes its PDUs with.
#[derive(Debug, Clone)]
pub(super) struct Pen(Arc<Mutex<Ring>>);

impl Pen {
    /// Opens the ring for a batch of PDUs: one lock for all of them.
    pub(super) fn open(&self, at: Instant) -> Page<'_> {
        Page { at, ring: lock(&self.0) }
    }
}

/// Which way a PDU went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the carrier.
    In,
    /// To the carrier.
    Out,
}

/// An open ring.
pub(super) struct Page<'a> {
    at: Instant,
    ring: MutexGuard<'a, Ring>,
}

impl Page<'_> {
    /// Notes a PDU with its body.
    pub(super) fn pdu(&mut self, way: Way, header: Header, pdu: &Pdu<'_>) {
        self.push(way, header, Detail::of(pdu));
    }

    /// Notes a PDU that has nothing in its body.
    pub(super) fn bare(&mut self, way: Way, header: Header) {
        self.push(way, header, Detail::Nothing);
    }

    /// Notes a PDU whose body cannot be read.
    pub(super) fn unreadable(&mut self, way: Way, header: Header, missing: &'static str) {
        self.push(way, header, Detail::Unreadable { missing });
    }

    fn push(&mut self, way: Way, header: Header, detail: Detail) {
        if self.ring.size == 0 {
            return;
        }
        if self.ring.entries.len() == self.ring.size {
            self.ring.entries.pop_front();
        }
        let at = self.at;
        self.ring.entries.push_back(Entry { at, way, header, detail });
    }
}

#[derive(Debug, Clone)]
struct Entry {
    at: Instant,
    way: Way,
    header: Header,
    detail: Detail,
}

/// What may be shown of a body.
#[derive(Debug, Clone)]
enum Detail {
    Nothing,
    Message { from: Short, to: Short, text_bytes: usize, data_coding: u8, esm_class: u8 },
    Id(Short),
    Unreadable { missing: &'static str },
}

impl Detail {
    fn of(pdu: &Pdu<'_>) -> Self {
        match pdu {
            Pdu::SubmitSm(sm) | Pdu::DeliverSm(sm) => Self::message(sm),
            Pdu::DataSm(data) => Self::message(&Sm::from_data(data)),
            Pdu::SubmitSmResp(resp) | Pdu::DataSmResp(resp) => {
                Self::Id(Short::new(resp.message_id))
            }
            Pdu::BindResp(_, resp) => Self::Id(Short::new(resp.system_id)),
            _ => Self::Nothing,
        }
    }

    fn message(sm: &Sm<'_>) -> Self {
        Self::Message {
            from: Short::masked(sm.source.value),
            to: Short::masked(sm.destination.value),
            text_bytes: sm.payload().len(),
            data_coding: sm.data_coding,
            esm_class: sm.esm_class,
        }
    }
}

impl Entry {
    fn line(&self, label: &str) -> String {
        let way = match self.way {
            Way::In => "<-",
            Way::Out => "->",
        };
        let Header { command_id, command_status, sequence, .. } = self.header;
        let unknown = || format!("command 0x{command_id:08X}");
        let name = command::name(command_id).map_or_else(unknown, str::to_owned);
        let micros = self.at.micros().rem_euclid(1_000_000);
        let at = self.at.civil();
        let mut line = format!("{at:.0}.{micros:06}Z {label} {way} {name} seq={sequence}");
        // Writing to a String cannot fail.
        if self.header.is_response() || command_status != 0 {
            let _ = write!(line, " {}", status::name(command_status));
        }
        let _ = match &self.detail {
            Detail::Nothing => Ok(()),
            Detail::Message { from, to, text_bytes, data_coding, esm_class } => {
                let (from, to) = (from.text(), to.text());
                write!(
                    line,
                    " from={from} to={to} text={text_bytes}B dcs={data_coding} esm=0x{esm_class:02X}"
                )
            }
            Detail::Id(id) => write!(line, " id={}", id.text()),
            Detail::Unreadable { missing } => write!(line, " unreadable: no {missing}"),
        };
        line
    }
}

/// A short text, kept inline so that nothing is allocated per PDU.
#[derive(Debug, Clone, Copy)]
struct Short {
    bytes: [u8; 40],
    len: usize,
}

impl Short {
    fn new(text: &[u8]) -> Self {
        let mut short = Self { bytes: [0; 40], len: text.len().min(40) };
        short.bytes[..short.len].copy_from_slice(&text[..short.len]);
        short
    }

    /// With the last digits of a number masked; names stay readable.
    fn masked(text: &[u8]) -> Self {
        let mut short = Self::new(text);
        if text.iter().any(u8::is_ascii_alphabetic) {
            return short;
        }
        let digits = short.bytes[..short.len].iter_mut().rev().filter(|b| b.is_ascii_digit());
        digits.take(MASKED_DIGITS).for_each(|digit| *digit = b'*');
        short
    }

    fn text(&self) -> String {
        self.bytes[..self.len]
            .iter()
            .map(|&b| if b.is_ascii_graphic() { char::from(b) } else { '?' })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use pombo_wire::smpp::Address;

    use super::*;

    #[test]
    fn lines_tell_all_but_texts_and_whole_numbers() {
        let trace = Trace::new(2);
        let pen = trace.pen("link 0".to_owned());
        let destination = Address { ton: 1, npi: 1, value: b"34600000001" };
        let source = Address { ton: 5, npi: 0, value: b"SHOP24" };
        let sm = Sm { destination, source, short_message: b"secret", ..Sm::default() };
        let pdu = Pdu::SubmitSm(sm);
        let header = |sequence| Header {
            command_length: 0,
            command_id: pdu.command_id(),
            command_status: 0,
            sequence,
        };
        let mut page = pen.open(Instant::from_micros(1_500_000));
        for sequence in 1..=3 {
            page.pdu(Way::Out, header(sequence), &pdu);
        }
        drop(page);
        let lines = trace.lines();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            lines[1],
            "1970-01-01T00:00:01.500000Z link 0 -> submit_sm seq=3 from=SHOP24 to=3460000**** \
             text=6B dcs=0 esm=0x00"
        );
    }
}
