//! Carriers that do as told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pombo_domain::address::Phone;
use pombo_domain::channel::{Attempt, Cause, Desk, LinkState, Outcome, Receipt, Report};
use pombo_domain::id::PartId;
use pombo_domain::message::PartState;
use pombo_domain::time::Instant;

/// What a scripted carrier does with a part.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// Accepts it; its id is the part's.
    Accept,
    /// A temporary error: wait, and tries of its class.
    Defer(Duration, Option<u8>),
    /// Refuses it.
    Refuse,
    /// Loses the link after sending it.
    Unknown,
    /// Gives it back.
    Unsent,
    /// Keeps it unanswered.
    Hold,
}

type Script = Box<dyn FnMut(&Attempt, u8) -> Says + Send>;
type Taken = Arc<Mutex<Vec<Attempt>>>;
type Held = Arc<Mutex<VecDeque<(PartId, u8)>>>;

/// One link of a route whose carrier follows a script.
pub(crate) struct Carrier {
    pub(crate) desk: Arc<dyn Desk>,
    link: usize,
    taken: Taken,
    held: Held,
    task: tokio::task::JoinHandle<()>,
}

impl Carrier {
    /// Brings link 0 up, with a window of ten.
    pub(crate) fn start(
        desk: Arc<dyn Desk>,
        script: impl FnMut(&Attempt, u8) -> Says + Send + 'static,
    ) -> Self {
        Self::link(desk, 0, 10, script)
    }

    /// Brings a link up.
    pub(crate) fn link(
        desk: Arc<dyn Desk>,
        link: usize,
        window: usize,
        script: impl FnMut(&Attempt, u8) -> Says + Send + 'static,
    ) -> Self {
        let taken = Arc::default();
        let held = Arc::default();
        desk.link(link, LinkState::Up);
        let work = work(
            Arc::clone(&desk),
            window,
            Box::new(script),
            (Arc::clone(&taken), Arc::clone(&held)),
        );
        Self { desk, link, taken, held, task: tokio::spawn(work) }
    }

    /// Everything it took, in order.
    pub(crate) fn taken(&self) -> Vec<Attempt> {
        self.taken.lock().unwrap().clone()
    }

    /// How many parts it took.
    pub(crate) fn n_taken(&self) -> usize {
        self.taken.lock().unwrap().iter().map(Attempt::n_parts).sum()
    }

    /// Answers the `n` oldest parts that it keeps.
    pub(crate) fn answer_held(&self, n: usize) {
        let mut held = self.held.lock().unwrap();
        let n = n.min(held.len());
        let now = self.desk.now();
        let reports = held.drain(..n).map(|part| told(part, &Says::Accept, now)).collect();
        self.desk.report(reports);
    }

    /// Ends as a channel does on stop: what it keeps is in doubt or not, as told.
    pub(crate) fn stop(self, says: &Says) {
        self.task.abort();
        let now = self.desk.now();
        let mut held = self.held.lock().unwrap();
        let reports = held.drain(..).map(|part| told(part, says, now)).collect();
        self.desk.report(reports);
        self.down();
    }

    /// Its link is down.
    pub(crate) fn down(&self) {
        self.desk.link(self.link, LinkState::Down { why: "test".into(), misconfigured: false });
    }
}

async fn work(
    desk: Arc<dyn Desk>,
    window: usize,
    mut script: Script,
    (taken, held): (Taken, Held),
) {
    loop {
        let room = window.saturating_sub(held.lock().unwrap().len());
        if room == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
            continue;
        }
        let work = desk.next(room).await;
        let mut reports = Vec::new();
        for attempt in work {
            for idx in attempt.part_idxs() {
                let part = (attempt.message.part(idx), attempt.try_number);
                match script(&attempt, idx) {
                    Says::Hold => held.lock().unwrap().push_back(part),
                    says => reports.push(told(part, &says, desk.now())),
                }
            }
            taken.lock().unwrap().push(attempt);
        }
        desk.report(reports);
    }
}

fn told((part, try_number): (PartId, u8), says: &Says, at: Instant) -> Report {
    let cause = || Cause { code: "8".into(), text: "scripted".into() };
    let outcome = match says {
        Says::Accept => Outcome::Accepted { carrier_id: part.to_string() },
        Says::Defer(wait, tries_max) => {
            Outcome::Deferred { wait: *wait, tries_max: *tries_max, cause: cause() }
        }
        Says::Refuse => Outcome::Refused { state: PartState::Rejected, cause: cause() },
        Says::Unknown => Outcome::Unknown { cause: cause() },
        Says::Unsent | Says::Hold => Outcome::Unsent,
    };
    Report { part, try_number, at, outcome }
}

/// A receipt that says the part with this carrier's id was delivered.
pub(crate) fn delivered(carrier_id: &str, to: Phone, at: Instant) -> Receipt {
    Receipt {
        carrier_id: carrier_id.into(),
        state: PartState::Delivered,
        word: "DELIVRD",
        error: String::new(),
        addresses: [to.to_string(), "TEST".into()],
        text: String::new(),
        at,
    }
}
