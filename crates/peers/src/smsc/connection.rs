//! One connection of the SMSC.

use std::collections::{HashMap, VecDeque};
use std::hash::Hasher as _;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use pombo_wire::smpp::{
    self, BindResp, Frame, Frames, Pdu, Sm, SmResp, command, decode, encode, status, tlv,
};
use pombo_wire::sms::udh;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::behaviour::{Reaction, Record};
use super::receipt::{Owed, write_id};
use super::{House, Order, Part, Whole, lock};

/// Octets read at once.
const READ_BYTES: usize = 256 << 10;

/// Octets waiting to be written above which no more receipts are added and nothing is read.
const WRITE_BYTES_HIGH: usize = 1 << 20;

/// Receipts without an answer, per connection.
const UNANSWERED_MAX: usize = 2_000;

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Serves one client until it goes, or the owner says so.
pub(super) async fn serve(stream: TcpStream, house: Rc<House>, mut orders: watch::Receiver<Order>) {
    // Without it only latency suffers.
    let _ = stream.set_nodelay(true);
    orders.mark_unchanged();
    let number = house.connections.get() + 1;
    house.connections.set(number);
    let mut connection = Connection::new(house, number);
    connection.speak(stream, &mut orders).await;
    connection.give_back();
}

/// Until the kernel thinks otherwise. Without it, as elsewhere than on Linux, only speed suffers.
fn ack_at_once(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = stream.set_quickack(true);
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

struct Connection {
    house: Rc<House>,
    number: u32,
    is_bound: bool,
    receives: bool,
    output: Vec<u8>,
    written: usize,
    /// Answers that come late: when, and their octets; soonest first.
    late: VecDeque<(Instant, Vec<u8>)>,
    unanswered: HashMap<u32, Owed>,
    sequence: u32,
    text: Vec<u8>,
    is_closing: bool,
}

impl Connection {
    fn new(house: Rc<House>, number: u32) -> Self {
        Self {
            house,
            number,
            is_bound: false,
            receives: false,
            output: Vec::new(),
            written: 0,
            late: VecDeque::new(),
            unanswered: HashMap::new(),
            sequence: 0,
            text: Vec::new(),
            is_closing: false,
        }
    }

    async fn speak(&mut self, stream: TcpStream, orders: &mut watch::Receiver<Order>) {
        let house = Rc::clone(&self.house);
        let (mut read, mut write) = stream.into_split();
        let mut input = BytesMut::with_capacity(READ_BYTES);
        loop {
            // Listening for the bell begins before the look at what it announces.
            let bell = house.shared.bell.notified();
            tokio::pin!(bell);
            bell.as_mut().enable();
            self.say_what_is_due(Instant::now());
            let waiting = &self.output[self.written..];
            if self.is_closing && waiting.is_empty() {
                return;
            }
            input.reserve(READ_BYTES / 4);
            let due = self.next_due();
            if house.behaviour.acks_at_once {
                ack_at_once(read.as_ref());
            }
            let alarm = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into());
            tokio::select! {
                biased;
                changed = orders.changed() => {
                    let _ = changed;
                    return;
                }
                wrote = write.write(waiting), if !waiting.is_empty() => match wrote {
                    Ok(n) if n > 0 => self.wrote(n),
                    _ => return,
                },
                read = read.read_buf(&mut input), if waiting.len() < WRITE_BYTES_HIGH => {
                    if !matches!(read, Ok(n) if n > 0) || !self.read(&mut input) {
                        return;
                    }
                }
                () = &mut bell, if self.receives => {}
                () = alarm, if due.is_some() => {}
            }
        }
    }

    fn wrote(&mut self, n: usize) {
        self.written += n;
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
        }
    }

    /// When something is to be said next.
    fn next_due(&self) -> Option<Instant> {
        let late = self.late.front().map(|(due, _)| *due);
        let owed = self.house.owed.borrow().front().map(|owed| owed.due);
        let owed = owed.filter(|_| self.receives && self.unanswered.len() < UNANSWERED_MAX);
        [late, owed].into_iter().flatten().min()
    }

    fn say_what_is_due(&mut self, now: Instant) {
        while let Some((_, octets)) = self.late.pop_front_if(|(due, _)| *due <= now) {
            self.output.extend_from_slice(&octets);
        }
        if !self.receives {
            return;
        }
        for octets in lock(&self.house.shared.to_say).drain(..) {
            self.output.extend_from_slice(&octets);
        }
        while self.output.len() < WRITE_BYTES_HIGH && self.unanswered.len() < UNANSWERED_MAX {
            let owed = self.house.owed.borrow_mut().pop_front_if(|owed| owed.due <= now);
            let Some(owed) = owed else { break };
            self.deliver(owed);
        }
    }

    fn deliver(&mut self, owed: Owed) {
        let house = Rc::clone(&self.house);
        let Some(receipts) = &house.behaviour.receipts else { return };
        self.sequence = self.sequence % smpp::SEQUENCE_MAX + 1;
        let buffers = (&mut self.output, &mut self.text);
        if owed.write(receipts, house.behaviour.ids, self.sequence, buffers).is_ok() {
            count(&house.shared.counters.receipts);
            self.unanswered.insert(self.sequence, owed);
        }
    }

    /// Reads all whole PDUs; `false` ends the connection at once.
    fn read(&mut self, input: &mut BytesMut) -> bool {
        let house = Rc::clone(&self.house);
        let mut parts = lock(&house.shared.parts);
        let mut frames = Frames::new(input);
        let mut answers = Vec::new();
        let reverses = house.behaviour.reverses;
        for frame in frames.by_ref() {
            let start = self.output.len();
            let Ok(frame) = frame else { return false };
            if !self.hear(&frame, &mut parts) {
                return false;
            }
            if reverses {
                answers.push(self.output.split_off(start));
            }
        }
        for answer in answers.iter().rev() {
            self.output.extend_from_slice(answer);
        }
        let consumed = frames.consumed();
        input.advance(consumed);
        true
    }

    fn hear(&mut self, frame: &Frame<'_>, parts: &mut Vec<Part>) -> bool {
        let header = frame.header;
        let counters = &self.house.shared.counters;
        match decode(frame) {
            Ok(Pdu::SubmitSm(sm)) => return self.submitted(header.sequence, &sm, parts),
            Ok(Pdu::Bind(kind, _)) => {
                let code = self.house.behaviour.bind_status;
                let is_bound = matches!(code, status::ROK | status::RALYBND);
                if is_bound {
                    count(&counters.binds);
                    self.receives = kind.receives();
                    self.bound();
                }
                let resp = BindResp { system_id: b"smsc", ..BindResp::default() };
                self.say(code, header.sequence, &Pdu::BindResp(kind, resp));
                self.is_closing = !is_bound;
            }
            Ok(Pdu::EnquireLink) if !self.house.behaviour.ignores_enquire_link => {
                self.say(0, header.sequence, &Pdu::EnquireLinkResp);
            }
            Ok(Pdu::Unbind) => {
                count(&counters.unbinds);
                self.unbound();
                self.say(0, header.sequence, &Pdu::UnbindResp);
                self.is_closing = true;
            }
            Ok(Pdu::DeliverSmResp(_)) => {
                let owed = self.unanswered.remove(&header.sequence);
                if header.command_status == 0 {
                    count(&counters.delivered);
                } else {
                    count(&counters.refused);
                    self.house.owed.borrow_mut().extend(owed.map(Owed::again));
                }
            }
            Ok(Pdu::UnbindResp) => self.is_closing = true,
            Ok(_) => {}
            Err(_) => count(&counters.unreadable),
        }
        true
    }

    /// It has a bind from now on.
    fn bound(&mut self) {
        if std::mem::replace(&mut self.is_bound, true) {
            return;
        }
        let counters = &self.house.shared.counters;
        let open = counters.open.fetch_add(1, Ordering::Relaxed) + 1;
        counters.most_open.fetch_max(open, Ordering::Relaxed);
    }

    /// It has none any more.
    fn unbound(&mut self) {
        if std::mem::take(&mut self.is_bound) {
            self.house.shared.counters.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn say(&mut self, status: u32, sequence: u32, pdu: &Pdu<'_>) {
        if encode(&mut self.output, status, sequence, pdu).is_err() {
            count(&self.house.shared.counters.unreadable);
        }
    }

    fn submitted(&mut self, sequence: u32, sm: &Sm<'_>, parts: &mut Vec<Part>) -> bool {
        let house = Rc::clone(&self.house);
        let counters = &house.shared.counters;
        let n = counters.submits.fetch_add(1, Ordering::Relaxed) + 1;
        let reaction = house.behaviour.react.as_ref().map_or(Reaction::Accept, |react| {
            react(n, std::str::from_utf8(sm.destination.value).unwrap_or_default())
        });
        let code = match reaction {
            Reaction::Status(code) => code,
            Reaction::HangUp => return false,
            _ => 0,
        };
        let id = if code == 0 { house.next_id.get() } else { 0 };
        if house.behaviour.record != Record::Nothing {
            parts.push(self.part(sequence, sm, (id, code)));
        }
        if code != 0 {
            let pdu = Pdu::Other { command_id: command::SUBMIT_SM | smpp::RESPONSE, body: &[] };
            self.say(code, sequence, &pdu);
            return true;
        }
        house.next_id.set(id + 1);
        count(&counters.accepted);
        self.owe(sm, id);
        self.react(reaction, sequence, id);
        true
    }

    /// Notes the receipts of an accepted message, or sends them before its answer.
    fn owe(&mut self, sm: &Sm<'_>, id: u64) {
        let house = Rc::clone(&self.house);
        let Some(receipts) = &house.behaviour.receipts else { return };
        if sm.registered_delivery & 3 == 0 {
            return;
        }
        let owed = Owed::new(sm, id, Instant::now() + receipts.delay);
        for _ in 0..receipts.copies {
            if receipts.before_answer && self.receives {
                self.deliver(owed);
                continue;
            }
            let mut queue = house.owed.borrow_mut();
            let was_empty = queue.is_empty();
            queue.push_back(owed);
            if was_empty {
                house.shared.bell.notify_waiters();
            }
        }
    }

    fn react(&mut self, reaction: Reaction, sequence: u32, id: u64) {
        let start = self.output.len();
        let mut spelled = Vec::with_capacity(40);
        write_id(id, self.house.behaviour.ids, &mut spelled);
        let resp = SmResp { message_id: &spelled, ..SmResp::default() };
        let answer = Pdu::SubmitSmResp(resp);
        match reaction {
            Reaction::AcceptSilently => {}
            Reaction::AcceptTwice => {
                self.say(0, sequence, &answer);
                self.say(0, sequence, &answer);
            }
            Reaction::AcceptAfter(delay) => {
                self.say(0, sequence, &answer);
                let due = Instant::now() + delay;
                let octets = self.output.split_off(start);
                let at = self.late.partition_point(|(other, _)| *other <= due);
                self.late.insert(at, (due, octets));
            }
            Reaction::Garbage => {
                let body = b"\x00\x01\x01no end";
                self.say(0, 9_000_001, &Pdu::Other { command_id: command::DELIVER_SM, body });
                self.say(0, 9_000_002, &Pdu::Other { command_id: 0x0BAD, body });
                self.say(0, sequence, &answer);
            }
            Reaction::BadLength => self.output.extend_from_slice(&[0, 0, 0, 3, 0, 0, 0, 0, 0]),
            Reaction::Unbind => {
                self.say(0, sequence, &answer);
                self.say(0, 9_000_003, &Pdu::Unbind);
            }
            Reaction::Accept | Reaction::Status(_) | Reaction::HangUp => {
                self.say(0, sequence, &answer);
            }
        }
    }

    fn part(&self, sequence: u32, sm: &Sm<'_>, (id, status): (u64, u32)) -> Part {
        let text = sm.payload();
        let address = |address: &smpp::Address<'_>| {
            let value = String::from_utf8_lossy(address.value).into_owned();
            (address.ton, address.npi, value)
        };
        let whole = || {
            Box::new(Whole {
                source: address(&sm.source),
                destination: address(&sm.destination),
                esm_class: sm.esm_class,
                data_coding: sm.data_coding,
                validity_period: String::from_utf8_lossy(sm.validity_period).into_owned(),
                registered_delivery: sm.registered_delivery,
                text: text.to_vec(),
            })
        };
        let digits = std::str::from_utf8(sm.destination.value).unwrap_or_default();
        Part {
            connection: self.number,
            sequence,
            destination: digits.parse().unwrap_or(0),
            id,
            status,
            text_hash: hash(text),
            piece: piece(sm),
            at: self.house.started.elapsed(),
            whole: (self.house.behaviour.record == Record::Whole).then(whole),
        }
    }

    /// Receipts that nobody has answered go out again on another connection.
    fn give_back(&mut self) {
        self.unbound();
        let mut owed = self.house.owed.borrow_mut();
        for (_, receipt) in self.unanswered.drain() {
            owed.push_front(receipt);
        }
        self.house.shared.bell.notify_waiters();
    }
}

/// The piece of a long message that a submission is, by header or SAR parameters.
fn piece(sm: &Sm<'_>) -> Option<(u16, u8, u8)> {
    if sm.esm_class & smpp::esm::UDHI != 0 {
        let concat = udh::split(sm.payload())?.0.concat()?;
        return Some((concat.reference, concat.total, concat.number));
    }
    let reference = sm.tlvs.word(tlv::SAR_MSG_REF_NUM)?;
    Some((
        reference,
        sm.tlvs.octet(tlv::SAR_TOTAL_SEGMENTS)?,
        sm.tlvs.octet(tlv::SAR_SEGMENT_SEQNUM)?,
    ))
}

fn hash(text: &[u8]) -> u64 {
    // Its keys are fixed: the same text has the same hash in every run.
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(text);
    hasher.finish()
}
