//! A round of messages through a gateway that runs, each of which is followed to its end.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pombo_peers::load::{self, Plan};
use pombo_peers::sink::{self, Answer, Sink};
use pombo_peers::smsc::{self, Ids, Reaction, Smsc};

use super::gateway::{Gateway, Running};
use super::ledger::{Current, Ledger};
use super::traffic::{Kind, Messages, recipient_of};
use crate::process::wait_until;
use crate::table::{grouped, note};

/// Recipients of a request at most, while warming up.
const WARM_UP_BATCH: u64 = 10;

/// The other ends of a gateway: a carrier and a server that is called back, for one round after
/// another.
pub(crate) struct Ends {
    pub(crate) smsc: Smsc,
    sink: Sink,
    current: Current,
}

/// What is asked of the gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// Whose requests.
    pub(crate) gateway: Gateway,
    /// Recipients of a request.
    pub(crate) batch: u64,
    /// A multiple of it.
    pub(crate) n_messages: u64,
    /// Messages a second; `None` is a closed loop.
    pub(crate) rate: Option<f64>,
    /// Keep-alive connections.
    pub(crate) connections: usize,
    /// Whether callbacks are asked for, which need receipts.
    pub(crate) is_told: bool,
    /// What is particular about the requests.
    pub(crate) kind: Kind,
}

/// What one round gave.
pub(crate) struct Figures {
    pub(crate) accepted: u64,
    pub(crate) accept_rate: f64,
    pub(crate) submit_rate: f64,
    pub(crate) call_rate: f64,
    /// CPU milliseconds a message.
    pub(crate) cpu_ms: f64,
    /// Octets a message that the gateway had the disk write.
    pub(crate) written: f64,
    /// The most that all its processes ever had resident, so far.
    pub(crate) rss_mib: f64,
    /// From when a request was due to the submission.
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) lost: u64,
    pub(crate) repeated: u64,
}

impl Ends {
    /// A carrier that accepts everything at once, and delivers it where it sends receipts, to pombo.
    pub(crate) fn start(receipts: bool) -> Result<Self> {
        Self::facing(Gateway::Pombo, receipts, Ids::default())
    }

    /// The same for this gateway, where the carrier spells its ids so.
    pub(crate) fn facing(gateway: Gateway, receipts: bool, ids: Ids) -> Result<Self> {
        let current = Current::new(Arc::new(Ledger::new(0)));
        let carrier = smsc::Behaviour { ids, ..noting(current.clone(), receipts) };
        let smsc = Smsc::start(gateway.favours(carrier))?;
        let sink = Sink::start(counting(current.clone(), gateway.thanks()));
        Ok(Self { smsc, sink, current })
    }

    /// A message that waited for the bind would tell nothing about the way. `before`: binds of
    /// gateways that have gone.
    pub(crate) fn wait_for_bind(&self, before: u64) -> Result<()> {
        let bound = || Ok(self.smsc.counts().binds > before);
        wait_until("the gateway binds", Duration::from_secs(30), bound)
    }

    fn begin(&self, n_messages: u64) -> Result<Arc<Ledger>> {
        let ledger = Arc::new(Ledger::new(usize::try_from(n_messages)?));
        self.current.set(Arc::clone(&ledger));
        Ok(ledger)
    }
}

impl Round {
    /// Two requests on each connection, so that links, caches and threads are there when it counts;
    /// how many messages they were.
    pub(crate) fn warm_up(&self, ends: &Ends, running: &Running) -> Result<u64> {
        let batch = WARM_UP_BATCH.min(self.batch);
        let n_messages = 2 * u64::try_from(self.connections)? * batch;
        let warming = Self { batch, n_messages, rate: None, ..*self };
        // Nobody's: the ledger counts them as those that warm up.
        let ledger = ends.begin(0)?;
        let messages = warming.messages(ends, running.http, &ledger);
        warming.send(running.http, &messages).context("warming up")?;
        let expected = lock(&messages).accepted;
        wait_until("the warm-up messages arrive", Duration::from_secs(30), || {
            let called = !self.is_told || ledger.called.warm() >= expected;
            Ok(ledger.submitted.warm() >= expected && called)
        })?;
        Ok(expected)
    }

    /// Sends all and waits until everything has arrived.
    pub(crate) fn run(&self, ends: &Ends, running: &mut Running) -> Result<Figures> {
        let ledger = ends.begin(self.n_messages)?;
        let messages = self.messages(ends, running.http, &ledger);
        let (cpu_before, written_before) = (running.cpu_ms()?, running.written()?);
        let outcome = self.send(running.http, &messages)?;
        let messages = lock(&messages);
        if let Some((status, words)) = &messages.refused {
            note(&format!("refused with {status}: {words}"));
        }
        let accepted = messages.accepted;
        if accepted == 0 {
            bail!("nothing was accepted: {:?}, {} failed", outcome.statuses, outcome.failed);
        }
        wait_for_the_last(&ledger, accepted, self.is_told);
        running.must_run()?;
        let lost_of = |distinct: u64| accepted.saturating_sub(distinct);
        let (submitted, called) = (&ledger.submitted, &ledger.called);
        let lost_calls = if self.is_told { lost_of(called.distinct()) } else { 0 };
        let strange = submitted.strange() + called.strange();
        #[expect(clippy::cast_precision_loss, reason = "counts of one round")]
        let (n_each, written) = (accepted as f64, (running.written()? - written_before) as f64);
        Ok(Figures {
            accepted,
            accept_rate: n_each / outcome.elapsed.as_secs_f64(),
            submit_rate: submitted.rate(),
            call_rate: called.rate(),
            cpu_ms: (running.cpu_ms()? - cpu_before) / n_each,
            written: written / n_each,
            rss_mib: running.rss_peak_mib()?,
            p50: ledger.to_submit().permille(500),
            p99: ledger.to_submit().permille(990),
            lost: lost_of(submitted.distinct()).max(lost_calls),
            repeated: submitted.repeated() + called.repeated() + strange,
        })
    }

    fn messages(
        &self,
        ends: &Ends,
        http: SocketAddr,
        ledger: &Arc<Ledger>,
    ) -> Arc<Mutex<Messages>> {
        let callbacks = self.is_told.then_some(ends.sink.addr);
        let messages = Messages::new(self.gateway, http, Arc::clone(ledger), self.batch, callbacks);
        Arc::new(Mutex::new(messages.of(self.kind)))
    }

    fn send(&self, http: SocketAddr, messages: &Arc<Mutex<Messages>>) -> Result<load::Outcome> {
        #[expect(clippy::cast_precision_loss, reason = "a batch is below 2^53")]
        let plan = Plan {
            address: http,
            connections: self.connections,
            requests: self.n_messages / self.batch,
            time_max: Duration::from_secs(600),
            rate: self.rate.map(|rate| rate / self.batch as f64),
            answer_max: Duration::from_secs(120),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(load::run(plan, Arc::clone(messages)))?)
    }
}

impl Figures {
    pub(crate) fn in_words(&self) -> String {
        format!(
            "{} accepted, {}/s submitted, {}/s called back, {:.3} CPU ms, {} lost, {} repeated",
            self.accepted,
            grouped(self.submit_rate, 0),
            grouped(self.call_rate, 0),
            self.cpu_ms,
            self.lost,
            self.repeated,
        )
    }
}

fn lock(messages: &Mutex<Messages>) -> MutexGuard<'_, Messages> {
    messages.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A sink that only notes which message it was called for.
fn counting(current: Current, thanks: Answer) -> sink::Behaviour {
    let choose = move |_number: u64, target: &str| {
        current.get().call(recipient_of(target).as_bytes(), Instant::now());
        thanks.clone()
    };
    sink::Behaviour { answer: Answer::Choose(Arc::new(choose)), ..sink::Behaviour::default() }
}

/// A carrier that accepts everything at once, and notes which message it got.
fn noting(current: Current, receipts: bool) -> smsc::Behaviour {
    let behaviour = smsc::Behaviour {
        receipts: receipts.then(smsc::Receipts::default),
        ..smsc::Behaviour::default()
    };
    behaviour.reacting(move |_number, recipient| {
        current.get().submit(recipient.as_bytes(), Instant::now());
        Reaction::Accept
    })
}

/// Returns when everything accepted has arrived everywhere, or nothing has arrived for 15 seconds.
fn wait_for_the_last(ledger: &Ledger, accepted: u64, calls: bool) {
    let mut seen = 0;
    let mut quiet_since = Instant::now();
    while quiet_since.elapsed() < Duration::from_secs(15) {
        let (submitted, called) = (ledger.submitted.count(), ledger.called.count());
        if submitted >= accepted && (!calls || called >= accepted) {
            // Whatever comes now is one too many; give it a moment to show.
            std::thread::sleep(Duration::from_millis(300));
            return;
        }
        if submitted + called > seen {
            seen = submitted + called;
            quiet_since = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
