//! A simulated carrier, the sandbox twin of SMPP: the same contract, no network, no account.
//!
//! Every number is delivered after 0.3 s, but for the magic ones, +34 699 000 0NN:
//!
//! | NN | what happens |
//! |---|---|
//! | 00 | delivered at once |
//! | 01 | delivered after 1 s |
//! | 02 | undelivered, error 27 |
//! | 03 | expired |
//! | 04 | accepted, then rejected by the network |
//! | 05 | refused at submission |
//! | 06 | throttled once, then delivered |
//! | 07 | system error twice, then delivered |
//! | 08 | receipt 30 s late |
//! | 09 | receipt twice |
//! | 10 | receipt before the response |
//! | 11 | never a receipt |
//! | 12 | receipt with the id written with leading zeros |
//! | 13 | no answer (uncertain), delivered when sent again |
//! | 14 | unknown, then delivered |
//! | 15 | intermediate receipt, then delivered |
//! | 16 | deleted |
//! | 17 | expired, then delivered |
//! | 18 | queue full until the tries are used up |
//!
//! [`MAGIC`] is the same table for programs. What happens, happens to each part by itself.
//! The carrier keeps nothing over a restart: when it is stopped it sends at once what it owes.

mod carrier;
mod phones;
mod reply;
mod script;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pombo_domain::channel::{
    Arrival, Attempt, BoxFuture, Desk, LinkState, NotStored, Outcome, Report,
};
use tokio::sync::watch;
use tokio::time::{Instant as Tick, sleep, sleep_until};

use carrier::{Carrier, Step, What};
use reply::Posted;

pub use phones::{MessageView, PhoneView, Phones, Piece};
pub use reply::Reply;
pub use script::{MAGIC, ORDINARY};

/// How long the carrier waits before it sends again what the desk could not keep.
const SEND_AGAIN: Duration = Duration::from_secs(1);

/// Tries to get rid of what is owed, when stopping.
const LAST_TRIES: usize = 3;

/// Settings of a sandbox route.
#[derive(Debug, Clone)]
pub struct Config {
    /// The route's name, for its counters.
    pub route: String,
    /// Parts taken from the desk at a time.
    pub window: usize,
    /// Receipts and responses owed, at most; no work is taken beyond.
    pub owed_max: usize,
    /// Receipts sent at a time.
    pub batch: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { route: "sandbox".to_owned(), window: 500, owed_max: 100_000, batch: 500 }
    }
}

/// Plays the carrier until `stop` becomes true or its sender is gone.
pub async fn run(
    config: Config,
    desk: Arc<dyn Desk>,
    phones: Arc<Phones>,
    mut stop: watch::Receiver<bool>,
) {
    // Ids that go on where an earlier run ended, as long as it took less than one a microsecond.
    let first_id = u64::try_from(desk.now().micros()).unwrap_or(1);
    let mut sandbox = Sandbox {
        config,
        desk: &*desk,
        phones: &phones,
        carrier: Carrier::new(first_id),
        n_replies: 0,
    };
    let mut sending = None;
    let is_stopped = stop.clone();
    desk.link(0, LinkState::Up);
    loop {
        let room = sandbox.room();
        let due = sandbox.carrier.next_due();
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            stored = finished(&mut sending), if sending.is_some() => {
                if let Some(Sending { steps, .. }) = sending.take() {
                    sandbox.sent(steps, stored);
                }
            }
            () = sleep_until(due.unwrap_or_else(Tick::now)), if due.is_some() && sending.is_none() => {
                sending = sandbox.send(Some(Tick::now()));
            }
            posted = phones.collect() => sandbox.hand_over(posted).await,
            attempts = desk.next(room), if room > 0 => {
                if *is_stopped.borrow() {
                    sandbox.give_back(&attempts);
                } else {
                    sandbox.submit(&attempts);
                }
            }
        }
    }
    if sending.is_some() {
        let stored = finished(&mut sending).await;
        if let Some(Sending { steps, .. }) = sending.take() {
            sandbox.sent(steps, stored);
        }
    }
    sandbox.drain().await;
    desk.link(0, LinkState::Down { why: "stopped".into(), misconfigured: false });
}

/// Waits until it is to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who would say so.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

/// The carrier between its desk and its handsets.
struct Sandbox<'a> {
    config: Config,
    desk: &'a dyn Desk,
    phones: &'a Phones,
    carrier: Carrier,
    /// Counts what people wrote: the reference of what is long.
    n_replies: u8,
}

/// Receipts on their way to the desk, and the steps they were made from.
struct Sending<'a> {
    steps: Vec<Step>,
    storing: BoxFuture<'a, Result<(), NotStored>>,
}

/// Waits until the desk has kept what is on its way, or has not.
async fn finished(sending: &mut Option<Sending<'_>>) -> Result<(), NotStored> {
    match sending {
        Some(sending) => (&mut sending.storing).await,
        None => std::future::pending().await,
    }
}

impl<'a> Sandbox<'a> {
    /// Parts it can take now.
    fn room(&self) -> usize {
        self.config.window.min(self.config.owed_max.saturating_sub(self.carrier.n_owed()))
    }

    fn submit(&mut self, attempts: &[Attempt]) {
        let now = (self.desk.now(), Tick::now());
        let mut reports = Vec::with_capacity(attempts.len());
        let mut throttled = false;
        for attempt in attempts {
            throttled |= self.carrier.submit(attempt, now, &mut reports);
        }
        self.report(reports);
        if throttled {
            self.desk.throttled();
        }
    }

    /// Gives what somebody wrote to the desk.
    async fn hand_over(&mut self, Posted { reply, done }: Posted) {
        let at = self.desk.now();
        self.n_replies = self.n_replies.wrapping_add(1);
        let stored = self.desk.received(reply.arrivals(self.n_replies, at)).await;
        if stored.is_ok() {
            self.phones.show_written(reply, at);
        }
        // Whoever wrote may have gone.
        let _ = done.send(stored);
    }

    fn report(&self, reports: Vec<Report>) {
        if reports.is_empty() {
            return;
        }
        let mut n_by_status: HashMap<&str, u64> = HashMap::new();
        for report in &reports {
            let status = match &report.outcome {
                Outcome::Accepted { .. } => "ESME_ROK",
                Outcome::Deferred { cause, .. } | Outcome::Refused { cause, .. } => &cause.text,
                Outcome::Unknown { .. } => "timeout",
                Outcome::Unsent => continue,
            };
            *n_by_status.entry(status).or_default() += 1;
        }
        for (status, n) in n_by_status {
            let (route, status) = (self.config.route.clone(), status.to_owned());
            metrics::counter!("pombo_route_submit_total", "route" => route, "status" => status)
                .increment(n);
        }
        self.desk.report(reports);
    }

    /// Reports attempts that came while the carrier was being stopped.
    fn give_back(&self, attempts: &[Attempt]) {
        let at = self.desk.now();
        let unsent = |attempt: &Attempt| {
            let (message, try_number) = (attempt.message, attempt.try_number);
            attempt.part_idxs().map(move |part_idx| Report {
                part: message.part(part_idx),
                try_number,
                at,
                outcome: Outcome::Unsent,
            })
        };
        self.desk.report(attempts.iter().flat_map(unsent).collect());
    }

    /// Sends what is due by `tick` (everything where it is `None`): late responses and handsets
    /// at once; the receipts are on their way.
    fn send(&mut self, tick: Option<Tick>) -> Option<Sending<'a>> {
        let at = self.desk.now();
        let (mut reports, mut shown) = (Vec::new(), Vec::new());
        let (mut steps, mut arrivals): (Vec<Step>, Vec<Arrival>) = (Vec::new(), Vec::new());
        for what in self.carrier.take_due(tick, self.config.batch.max(1)) {
            match what {
                What::Response(part, try_number, outcome) => {
                    reports.push(Report { part, try_number, at, outcome });
                }
                What::Step(step) => {
                    shown.extend(step.shown());
                    if let Some(receipt) = step.receipt(at) {
                        arrivals.push(receipt);
                        steps.push(step.without_handset());
                    }
                }
            }
        }
        self.phones.show(&shown, at);
        self.report(reports);
        if arrivals.is_empty() {
            return None;
        }
        Some(Sending { steps, storing: self.desk.received(arrivals) })
    }

    /// Notes what became of receipts: those that were not kept are owed again.
    fn sent(&mut self, steps: Vec<Step>, stored: Result<(), NotStored>) {
        if stored.is_err() {
            for step in steps {
                self.carrier.owe(Tick::now() + SEND_AGAIN, What::Step(step));
            }
        }
    }

    /// Sends everything that is owed, due or not.
    async fn drain(&mut self) {
        let mut failed = 0;
        while self.carrier.n_owed() > 0 && failed < LAST_TRIES {
            if let Some(Sending { steps, storing }) = self.send(None) {
                let stored = storing.await;
                self.sent(steps, stored);
                if stored.is_err() {
                    failed += 1;
                    sleep(SEND_AGAIN / 10).await;
                }
            }
        }
        if failed == LAST_TRIES {
            // Responses must be reported whatever becomes of the receipts.
            while self.carrier.n_owed() > 0 {
                drop(self.send(None));
            }
        }
    }
}
