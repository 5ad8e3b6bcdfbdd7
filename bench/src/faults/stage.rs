//! What all scenarios have: a folder, a pombo, a carrier that can break, and a client at work.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use pombo_peers::smsc::{Behaviour, Counts, Part, Reaction, Receipts, Record, Smsc};

use super::client::{self, Manner, Sent};
use super::judge::{self, Verdict};
use crate::pombo::{Pombo, Setup};
use crate::process::{Process, TempFolder};

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// Messages sent meanwhile.
    pub(super) messages: u64,
    /// Over which they are spread.
    pub(super) span: Duration,
    /// Chooses the moments.
    pub(super) seed: u64,
}

/// How long the SMSC takes for every third answer: long enough for a fault in between.
const SLOW_ANSWER: Duration = Duration::from_millis(50);

/// How long after the submission a receipt comes: some come to a pombo that is not there.
const RECEIPT_DELAY: Duration = Duration::from_millis(50);

/// When nothing has moved for so long, nothing more will.
const QUIET: Duration = Duration::from_secs(25);
/// The same once everything has arrived, and the receipts of some are gone.
const QUIET_AFTER_ALL: Duration = Duration::from_secs(5);
/// The same once everything is over.
const QUIET_AT_THE_END: Duration = Duration::from_secs(2);

/// How long a pombo may take to stop.
pub(super) const STOPS_WITHIN: Duration = Duration::from_secs(30);

/// For the route of two nodes: each has one.
pub(super) const TWO_BINDS: &str = "binds = 2\n";

/// Submissions without an answer that a link may have.
const WINDOW: u32 = 100;

/// Ids of an SMSC that was started anew begin so much higher.
const IDS_APART: u64 = 100_000_000;

impl Effort {
    pub(super) const fn short(seed: u64) -> Self {
        Self { messages: 1_200, span: Duration::from_secs(6), seed }
    }

    pub(super) const fn full(seed: u64) -> Self {
        Self { messages: 10_000, span: Duration::from_secs(20), seed }
    }
}

/// Everything of one scenario; it goes away with it.
pub(super) struct Stage {
    pub(super) carrier: Carrier,
    pub(super) pombo: Pombo,
    // Last, because the others use it.
    pub(super) folder: TempFolder,
}

impl Stage {
    /// A pombo that is set up and does not run yet.
    pub(super) fn new(name: &str, behaviour: Behaviour, setup: &Setup) -> Result<Self> {
        Self::at(Ipv4Addr::LOCALHOST, name, behaviour, setup)
    }

    /// The same, with the carrier at that address of this machine.
    pub(super) fn at(
        address: Ipv4Addr,
        name: &str,
        behaviour: Behaviour,
        setup: &Setup,
    ) -> Result<Self> {
        let folder = TempFolder::new(&format!("fault-{name}"))?;
        let carrier = Carrier::start(SocketAddr::from((address, 0)), behaviour)?;
        let pombo = Pombo::set_up(&folder, carrier.address, WINDOW, setup)?;
        Ok(Self { carrier, pombo, folder })
    }

    /// Another node, which does not run yet, beside the one there is.
    pub(super) fn node(&self, name: &str, setup: &Setup) -> Result<Pombo> {
        Pombo::configured(&self.folder, name, (self.carrier.address, WINDOW), setup)
    }

    /// A client begins its work.
    pub(super) fn load(&self, effort: Effort) -> Load {
        self.load_of(&[&self.pombo], effort)
    }

    /// The same, of this one and another node.
    pub(super) fn load_of_both(&self, other: &Pombo, effort: Effort) -> Load {
        self.load_of(&[&self.pombo, other], effort)
    }

    /// The same, of these nodes.
    pub(super) fn load_of(&self, nodes: &[&Pombo], effort: Effort) -> Load {
        self.load_with(nodes, effort, Manner::default())
    }

    /// The same, with requests of this kind.
    pub(super) fn load_with(&self, nodes: &[&Pombo], effort: Effort, manner: Manner) -> Load {
        Load::start(nodes.iter().map(|node| node.http()).collect(), effort, manner)
    }

    /// Waits until what was accepted has arrived and is over, or nothing moves any more; judges.
    pub(super) fn judge(&self, sent: &Sent) -> Result<Verdict> {
        ensure!(sent.without_retry_after == 0, "a refusal did not say when to come again");
        let expected = judge::expected(&sent.requests);
        self.wait_for(&expected)?;
        let uncertain = self.pombo.command(&["uncertain", "list", "--json"])?;
        let books = self.books()?;
        self.pombo.command(&["ledger", "audit"])?;
        let verdict = judge::compare(sent, &expected, &self.carrier.received(), &uncertain)?;
        let verdict = verdict.with_books(&expected, &books, &self.carrier.received());
        Ok(if self.carrier.sends_all_receipts() { verdict.with_all_receipts() } else { verdict })
    }

    /// Every part that was accepted, as pombo's own record has it.
    pub(super) fn books(&self) -> Result<judge::Books> {
        judge::books(&self.record()?)
    }

    /// The same, as it was printed.
    pub(super) fn record(&self) -> Result<String> {
        // A clock that jumped may have made records of other days.
        let days = ["--from", "2024-01-02", "--to", "2100-01-01"];
        self.pombo.command(&[&["cdr", "export"], &days[..]].concat())
    }

    fn wait_for(&self, expected: &judge::Expected) -> Result<()> {
        let mut seen = (0, 0);
        let mut since = Instant::now();
        loop {
            let received = self.carrier.received();
            let books = self.books()?;
            let now = (received.len(), judge::n_over(&books));
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            let quiet = match judge::all_arrived(expected, &received) {
                true if now.1 == books.len() => QUIET_AT_THE_END,
                true if !self.carrier.sends_all_receipts() => QUIET_AFTER_ALL,
                true => QUIET,
                false => QUIET,
            };
            if since.elapsed() > quiet {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Stops pombo and judges.
    pub(super) fn end(&self, serve: Process, sent: &Sent) -> Result<Verdict> {
        let verdict = self.judge(sent)?;
        serve.stop(STOPS_WITHIN)?;
        Ok(verdict)
    }
}

/// A carrier that answers every third submission a little later, and sends receipts.
pub(super) fn carrier() -> Behaviour {
    recording().reacting(|number, _recipient| slow_third(number))
}

/// One that accepts everything at once, and sends receipts.
pub(super) fn recording() -> Behaviour {
    let receipts = Receipts { delay: RECEIPT_DELAY, ..Receipts::default() };
    Behaviour { record: Record::Compact, ..Behaviour::default() }.with_receipts(receipts)
}

/// Answers every third submission a little later.
pub(super) fn slow_third(number: u64) -> Reaction {
    if number.is_multiple_of(3) { Reaction::AcceptAfter(SLOW_ANSWER) } else { Reaction::Accept }
}

/// An SMSC that can go away and come back; it keeps the list of all that it ever got.
pub(super) struct Carrier {
    pub(super) address: SocketAddr,
    behaviour: Behaviour,
    smsc: Option<Smsc>,
    before: Vec<Part>,
    starts: u64,
    began: Instant,
}

impl Carrier {
    fn start(address: SocketAddr, behaviour: Behaviour) -> Result<Self> {
        let began = Instant::now();
        let smsc = Smsc::start_at(address, behaviour.clone())?;
        let address = smsc.addr;
        Ok(Self { address, behaviour, smsc: Some(smsc), before: Vec::new(), starts: 0, began })
    }

    /// The time that its parts have.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn received(&self) -> Vec<Part> {
        let now = self.smsc.as_ref().map(Smsc::received).unwrap_or_default();
        [self.before.as_slice(), now.as_slice()].concat()
    }

    /// What it has counted since it last came back.
    pub(super) fn counts(&self) -> Counts {
        self.smsc.as_ref().map(Smsc::counts).unwrap_or_default()
    }

    /// Whether each part's receipt comes; those that it owed went away with it.
    const fn sends_all_receipts(&self) -> bool {
        self.behaviour.receipts.is_some() && self.starts == 0
    }

    /// Closes all connections without a word.
    pub(super) fn hang_up(&self) {
        if let Some(smsc) = &self.smsc {
            smsc.hang_up();
        }
    }

    /// Goes away, with all answers and receipts that it owes.
    pub(super) fn vanish(&mut self) {
        if let Some(smsc) = self.smsc.take() {
            smsc.hang_up();
            // What it read before its end belongs to the list.
            std::thread::sleep(Duration::from_millis(100));
            self.before.extend(smsc.received());
            smsc.stop();
        }
    }

    /// Comes back at the same address.
    pub(super) fn come_back(&mut self) -> Result<()> {
        self.starts += 1;
        let ids_from = self.starts * IDS_APART;
        let behaviour = Behaviour { ids_from, ..self.behaviour.clone() };
        self.smsc = Some(Smsc::start_at(self.address, behaviour)?);
        Ok(())
    }
}

/// A client at work.
pub(super) struct Load {
    thread: JoinHandle<Result<Sent>>,
    is_over: Arc<AtomicBool>,
}

impl Load {
    fn start(http: Vec<SocketAddr>, effort: Effort, manner: Manner) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let requests = client::requests(effort.messages);
            let sent = client::send(http, requests, effort.span, manner);
            over.store(true, Ordering::Relaxed);
            sent
        });
        Self { thread, is_over }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Waits for the last answer.
    pub(super) fn finish(self) -> Result<Sent> {
        self.thread.join().map_err(|_| anyhow!("the sender panicked"))?
    }
}

/// Chooses moments: the same for the same seed (xorshift, 64 bits).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// From 0 to below 1.
    fn throw(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        f64::from(u32::try_from(self.0 >> 32).unwrap_or(0)) / 4_294_967_296.0
    }

    /// Lets a time pass between nothing and twice the mean.
    pub(super) fn wait(&mut self, mean: Duration) {
        std::thread::sleep(mean.mul_f64(self.throw() * 2.0));
    }
}
