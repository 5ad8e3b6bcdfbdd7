//! One bound connection: submits, listens, answers, and says truthfully what became of each part.
//!
//! A single task reads, writes, pulls work and watches the clock. Reading goes on whatever else
//! waits: a full window, a paused carrier, a slow store (up to the inbox's limit).

mod incoming;
mod output;
mod settle;

use std::collections::VecDeque;
use std::io;

use bytes::BytesMut;
use pombo_domain::channel::{Attempt, Outcome, Report};
use pombo_wire::smpp::{self, Header, Pdu, SmResp, status};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Route;
use super::inbox::{Answer, Inbox};
use super::link::{Connection, stopped};
use super::pace::Pace;
use super::submit::{Composer, Target, local};
use super::trace::{Pen, Way};
use super::window::{OnItsWay, Window};

use output::Output;
use settle::push_reports;

/// Octets read at once.
const READ_BYTES: usize = 64 << 10;

/// Octets waiting to be written above which no more work is pulled.
const WRITE_BYTES_HIGH: usize = 256 << 10;

/// Octets waiting to be written above which nothing more is read: the peer does not listen.
const WRITE_BYTES_MAX: usize = 4 << 20;

/// Why a session has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The route stops.
    Stopped,
    /// The connection cannot go on.
    Lost(String),
    /// The carrier takes nothing as this route is set up: only the operator can mend it.
    Misconfigured(String),
}

/// How far a session is on its way to its end.
#[derive(Debug)]
enum Phase {
    /// Work goes on.
    Open,
    /// No more work; open answers are waited for.
    Draining { until: Instant, end: End },
    /// Only what is waiting to be written goes out, or until the peer answers the unbind.
    Closing { until: Instant, end: End, unbound: bool },
}

/// One bound connection.
pub(super) struct Session<'a> {
    route: &'a Route,
    submits: bool,
    pen: Pen,
    read: ReadHalf<Connection>,
    write: WriteHalf<Connection>,
    input: BytesMut,
    output: Output,
    is_unflushed: bool,
    window: Window,
    queue: VecDeque<Attempt>,
    composer: Composer<'a>,
    inbox: Inbox<'a>,
    reports: Vec<Report>,
    n_accepted: u64,
    /// Small PDUs written and not traced yet.
    sent: Vec<Header>,
    pace: Pace,
    heard: Instant,
    asked: Option<Instant>,
    phase: Phase,
    complained: Option<Instant>,
    /// Rejections for the route's settings since the last acceptance.
    n_misfits: u32,
    /// The carrier took nothing before: one at a time until it does.
    is_probing: bool,
}

impl<'a> Session<'a> {
    /// A session on a connection that is bound; `input` is what was read after the bind's answer.
    pub(super) fn new(
        route: &'a Route,
        submits: bool,
        pen: Pen,
        (connection, input): (Connection, BytesMut),
    ) -> Self {
        let (read, write) = tokio::io::split(connection);
        Self {
            route,
            submits,
            pen,
            read,
            write,
            input,
            output: Output::default(),
            is_unflushed: false,
            window: Window::new(route.config.window),
            queue: VecDeque::new(),
            composer: Composer::new(&route.config),
            inbox: Inbox::new(route.desk.as_ref()),
            reports: Vec::new(),
            n_accepted: 0,
            sent: Vec::new(),
            pace: Pace::new(&route.config.timings),
            heard: Instant::now(),
            asked: None,
            phase: Phase::Open,
            complained: None,
            n_misfits: 0,
            is_probing: false,
        }
    }

    /// After a session in which the carrier took nothing: one message shows whether it does now.
    pub(super) fn probing(self, is_probing: bool) -> Self {
        Self { is_probing, ..self }
    }

    /// Speaks until the route stops or the connection ends; then settles every part it took.
    pub(super) async fn run(mut self, stop: &mut watch::Receiver<bool>) -> End {
        let end = match self.on_input() {
            Some(end) => end,
            None => self.talk(stop).await,
        };
        self.settle(&end).await;
        end
    }

    async fn talk(&mut self, stop: &mut watch::Receiver<bool>) -> End {
        let alarm = sleep_until(Instant::now());
        tokio::pin!(alarm);
        loop {
            let now = Instant::now();
            if let Some(end) = self.on_time(now) {
                return end;
            }
            self.submit(now);
            self.hand_over();
            let wake = self.wake();
            if alarm.is_elapsed() || wake < alarm.deadline() {
                alarm.as_mut().reset(wake);
            }
            if self.input.capacity() - self.input.len() < READ_BYTES / 4 {
                self.input.reserve(READ_BYTES);
            }
            let room = self.room(now);
            let listens = self.inbox.has_room() && self.output.waiting().len() < WRITE_BYTES_MAX;
            let writes = self.is_unflushed || !self.output.waiting().is_empty();
            let is_open = matches!(self.phase, Phase::Open);
            let end = tokio::select! {
                wrote = write_or_flush(&mut self.write, self.output.waiting()), if writes => {
                    self.on_wrote(wrote)
                }
                read = self.read.read_buf(&mut self.input), if listens => self.on_read(read),
                (answers, is_safe) = self.inbox.stored(), if self.inbox.is_storing() => {
                    self.answer(&answers, is_safe);
                    None
                }
                work = self.route.desk.next(room), if room > 0 => {
                    self.take(work);
                    None
                }
                () = &mut alarm => None,
                () = stopped(stop), if is_open => {
                    self.drain(now, End::Stopped);
                    None
                }
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// How many parts may be pulled now.
    fn room(&mut self, now: Instant) -> usize {
        let pulls = self.submits
            && matches!(self.phase, Phase::Open)
            && self.queue.is_empty()
            && !self.pace.is_paused(now)
            && self.output.waiting().len() < WRITE_BYTES_HIGH;
        match self.window.room() {
            _ if !pulls => 0,
            room if self.is_probing => room.min(1_usize.saturating_sub(self.window.len())),
            room => room,
        }
    }

    /// The next moment at which something is due.
    fn wake(&mut self) -> Instant {
        let silence = self.asked.unwrap_or(self.heard + self.route.config.enquire);
        let phase = match self.phase {
            Phase::Open => self.pace.until(),
            Phase::Draining { until, .. } | Phase::Closing { until, .. } => Some(until),
        };
        [self.window.overdue(), phase].into_iter().flatten().fold(silence, Instant::min)
    }

    /// Does what is due: overdue answers, a silent peer, the steps towards the end.
    fn on_time(&mut self, now: Instant) -> Option<End> {
        while let Some(overdue) = self.window.take_overdue(now) {
            self.route.meter.timed_out();
            let cause = local("no answer in time");
            self.report(&overdue, &Outcome::Unknown { cause });
        }
        if self.asked.is_some_and(|deadline| deadline <= now) {
            return Some(End::Lost("no answer to enquire_link".to_owned()));
        }
        if self.asked.is_none() && self.heard + self.route.config.enquire <= now {
            let sequence = self.window.next_sequence();
            self.send(0, sequence, &Pdu::EnquireLink);
            self.asked = Some(now + self.route.config.response);
        }
        self.on_phase(now)
    }

    fn on_phase(&mut self, now: Instant) -> Option<End> {
        let is_written = self.output.waiting().is_empty();
        match &self.phase {
            Phase::Open => None,
            Phase::Draining { until, end } => {
                let is_done = is_written && self.window.len() == 0 && self.inbox.is_idle();
                if is_done || *until <= now {
                    let (end, until) = (end.clone(), now + self.route.config.timings.unbind);
                    let sequence = self.window.next_sequence();
                    self.send(0, sequence, &Pdu::Unbind);
                    self.phase = Phase::Closing { until, end, unbound: false };
                }
                None
            }
            Phase::Closing { until, end, unbound } => {
                (*until <= now || (*unbound && is_written)).then(|| end.clone())
            }
        }
    }

    /// Begins the end: no more work, what is not written goes back.
    fn drain(&mut self, now: Instant, end: End) {
        if !matches!(self.phase, Phase::Open) {
            return;
        }
        self.give_back_queue();
        self.phase = Phase::Draining { until: now + self.route.config.timings.drain, end };
    }

    /// Takes work in; what the route cannot carry is reported at once.
    fn take(&mut self, work: Vec<Attempt>) {
        let at = self.route.desk.now();
        for attempt in work {
            match self.composer.check(&attempt, at) {
                Ok(()) => self.queue.push_back(attempt),
                Err(outcome) => push_reports(&mut self.reports, &attempt, at, &outcome),
            }
        }
    }

    /// Writes queued parts as far as the window allows, one buffer for all of them.
    fn submit(&mut self, now: Instant) {
        let may = matches!(self.phase, Phase::Open) && !self.pace.is_paused(now);
        if !may || self.queue.is_empty() {
            return;
        }
        let at = self.route.desk.now();
        let overdue = now + self.route.config.response;
        let pen = self.pen.clone();
        let mut page = pen.open(at);
        while self.window.room() > 0
            && let Some(attempt) = self.queue.front_mut()
        {
            let parts = self.composer.next_parts(attempt);
            let sequence = self.window.next_sequence();
            let starts_at = self.output.end();
            let mut target = Target { out: &mut self.output.bytes, sequence, page: &mut page };
            match self.composer.write(attempt, parts, at, &mut target) {
                Ok(()) => {
                    let (message, try_number) = (attempt.message, attempt.try_number);
                    let on_its_way = OnItsWay { message, parts, try_number, starts_at, overdue };
                    self.window.insert(sequence, on_its_way);
                    attempt.parts &= !parts;
                }
                Err(outcome) => {
                    push_reports(&mut self.reports, attempt, at, &outcome);
                    attempt.parts = 0;
                }
            }
            if attempt.parts == 0 {
                self.queue.pop_front();
            }
        }
    }

    /// Hands reports to the engine and arrivals to the store, as batches.
    fn hand_over(&mut self) {
        if !self.sent.is_empty() {
            let mut page = self.pen.open(self.route.desk.now());
            self.sent.drain(..).for_each(|header| page.bare(Way::Out, header));
        }
        if self.n_accepted > 0 {
            self.route.meter.accepted(std::mem::take(&mut self.n_accepted));
        }
        if !self.reports.is_empty() {
            self.route.desk.report(std::mem::take(&mut self.reports));
        }
        self.inbox.store();
    }

    fn on_wrote(&mut self, wrote: io::Result<usize>) -> Option<End> {
        match wrote {
            Ok(0) if self.output.waiting().is_empty() => {
                self.is_unflushed = false;
                None
            }
            Ok(0) => Some(End::Lost("cannot write: closed".to_owned())),
            Ok(n) => {
                self.output.wrote(n);
                self.is_unflushed = self.route.config.tls.is_some();
                None
            }
            Err(error) => Some(End::Lost(format!("cannot write: {error}"))),
        }
    }

    fn on_read(&mut self, read: io::Result<usize>) -> Option<End> {
        match read {
            Ok(0) => Some(End::Lost("closed by the peer".to_owned())),
            Ok(_) => {
                self.heard = Instant::now();
                self.asked = None;
                self.on_input()
            }
            Err(error) => Some(End::Lost(format!("cannot read: {error}"))),
        }
    }

    /// Answers arrivals: they are safe, or the carrier must send them again.
    fn answer(&mut self, answers: &[Answer], is_safe: bool) {
        let code = if is_safe { status::ROK } else { status::RX_T_APPN };
        for answer in answers {
            let resp = SmResp::default();
            let pdu = if answer.is_data { Pdu::DataSmResp(resp) } else { Pdu::DeliverSmResp(resp) };
            self.send(code, answer.sequence, &pdu);
        }
    }

    /// Queues a small PDU for writing.
    fn send(&mut self, status: u32, sequence: u32, pdu: &Pdu<'_>) {
        let command_id = pdu.command_id();
        self.sent.push(Header { command_length: 0, command_id, command_status: status, sequence });
        // PDUs without text or addresses always fit.
        let encoded = smpp::encode(&mut self.output.bytes, status, sequence, pdu);
        debug_assert!(encoded.is_ok(), "{encoded:?}");
    }
}

/// Writes some of what is waiting; flushes where nothing is (TLS keeps records back), and says 0.
async fn write_or_flush(write: &mut WriteHalf<Connection>, waiting: &[u8]) -> io::Result<usize> {
    if waiting.is_empty() { write.flush().await.map(|()| 0) } else { write.write(waiting).await }
}
