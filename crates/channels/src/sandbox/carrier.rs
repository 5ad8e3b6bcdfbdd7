//! The simulated carrier's books: what it answers at once, and what it owes at which time.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use pombo_domain::channel::{Arrival, Attempt, Cause, Outcome, Receipt, Report};
use pombo_domain::id::PartId;
use pombo_domain::message::PartState;
use pombo_domain::time::Instant;
use tokio::time::Instant as Tick;

use super::phones::{Piece, decoded};
use super::script::{self, Answer, Script, Told};

/// How long the sender waits after a temporary error; a real carrier takes longer.
const DEFER: Duration = Duration::from_secs(1);

/// Parts whose tries are remembered; beyond, all are forgotten and start again.
const TRIED_MAX: usize = 10_000;

/// Characters of the message that a receipt repeats.
const RECEIPT_TEXT_CHARS: usize = 20;

/// The carrier.
pub(super) struct Carrier {
    /// The number of the next part it accepts: its id for the part.
    next_id: u64,
    owed: BinaryHeap<Owed>,
    /// Makes what falls due together leave in the order in which it was owed.
    next_order: u64,
    /// Tries of parts whose script counts them.
    tried: HashMap<PartId, u8>,
}

/// Something that leaves the carrier at its time.
struct Owed {
    due: Tick,
    order: u64,
    what: What,
}

/// What leaves.
pub(super) enum What {
    /// A response that took its time.
    Response(PartId, u8, Outcome),
    /// A step of an accepted part.
    Step(Step),
}

/// A step of an accepted part.
#[derive(Clone)]
pub(super) struct Step {
    piece: Piece,
    carrier_id: u64,
    told: Option<Told>,
    shows: bool,
}

impl Carrier {
    /// A carrier whose ids begin at `first_id`.
    pub(super) fn new(first_id: u64) -> Self {
        Self { next_id: first_id, owed: BinaryHeap::new(), next_order: 0, tried: HashMap::new() }
    }

    /// Takes an attempt's parts; what it answers at once is appended to `reports`. Tells whether
    /// it asked for less speed.
    pub(super) fn submit(
        &mut self,
        attempt: &Attempt,
        (at, tick): (Instant, Tick),
        reports: &mut Vec<Report>,
    ) -> bool {
        let magic = script::magic(attempt.to);
        let mut throttled = false;
        for part_idx in attempt.part_idxs() {
            let part = attempt.message.part(part_idx);
            let script = script::script(magic, self.tries_before(magic, part));
            throttled |= matches!(script.answer, Answer::Defer(_, _, None));
            let outcome = self.answer(&script, attempt, part_idx, tick);
            let try_number = attempt.try_number;
            if script.answer_after.is_zero() {
                reports.push(Report { part, try_number, at, outcome });
            } else {
                let response = What::Response(part, try_number, outcome);
                self.owe(tick + script.answer_after, response);
            }
        }
        throttled
    }

    /// How much it owes.
    pub(super) fn n_owed(&self) -> usize {
        self.owed.len()
    }

    /// When the next of it is due.
    pub(super) fn next_due(&self) -> Option<Tick> {
        self.owed.peek().map(|owed| owed.due)
    }

    /// Takes what is due by `tick`; everything where it is `None`.
    pub(super) fn take_due(&mut self, tick: Option<Tick>, room: usize) -> Vec<What> {
        let mut due = Vec::new();
        while due.len() < room {
            match self.owed.peek() {
                Some(next) if tick.is_none_or(|tick| next.due <= tick) => {
                    due.extend(self.owed.pop().map(|owed| owed.what));
                }
                _ => break,
            }
        }
        due
    }

    /// Owes something by `due`.
    pub(super) fn owe(&mut self, due: Tick, what: What) {
        self.owed.push(Owed { due, order: self.next_order, what });
        self.next_order += 1;
    }

    fn answer(&mut self, script: &Script, attempt: &Attempt, idx: u8, tick: Tick) -> Outcome {
        let cause = |code: &str, text: &str| Cause { code: code.into(), text: text.into() };
        match script.answer {
            Answer::Accept => {
                let carrier_id = self.next_id;
                self.next_id += 1;
                for step in script.steps {
                    let piece = Piece {
                        to: attempt.to,
                        body: Arc::clone(&attempt.body),
                        part_idx: idx,
                        concat_ref: attempt.concat_ref,
                    };
                    let (told, shows) = (step.told, step.shows);
                    let owed = What::Step(Step { piece, carrier_id, told, shows });
                    self.owe(tick + step.after, owed);
                }
                Outcome::Accepted { carrier_id: carrier_id.to_string() }
            }
            Answer::Defer(code, text, tries_max) => {
                Outcome::Deferred { wait: DEFER, tries_max, cause: cause(code, text) }
            }
            Answer::Refuse(code, text) => {
                Outcome::Refused { state: PartState::Rejected, cause: cause(code, text) }
            }
            Answer::Silence => Outcome::Unknown { cause: cause("", "no response") },
        }
    }

    /// Counts this try where the number's script asks for it.
    fn tries_before(&mut self, magic: Option<u8>, part: PartId) -> u8 {
        if !magic.is_some_and(script::counts_tries) {
            return 0;
        }
        if self.tried.len() >= TRIED_MAX {
            self.tried.clear();
        }
        let tries = self.tried.entry(part).or_default();
        let before = *tries;
        *tries = tries.saturating_add(1);
        before
    }
}

impl Step {
    /// The part for the handset, where it gets it now.
    pub(super) fn shown(&self) -> Option<Piece> {
        self.shows.then(|| self.piece.clone())
    }

    /// The same step, with the handset served already.
    pub(super) fn without_handset(self) -> Self {
        Self { shows: false, ..self }
    }

    /// The receipt that leaves at `at`, if one does.
    pub(super) fn receipt(&self, at: Instant) -> Option<Arrival> {
        let told = self.told?;
        let body = &self.piece.body;
        let text = decoded(body, usize::from(self.piece.part_idx));
        let carrier_id = if told.padded {
            format!("{:020}", self.carrier_id)
        } else {
            self.carrier_id.to_string()
        };
        Some(Arrival::Receipt(Receipt {
            carrier_id,
            state: told.state,
            word: told.word,
            error: told.error.into(),
            // As most carriers do: the handset's number where the receipt comes from.
            addresses: [self.piece.to.digits().to_string(), body.from.to_string()],
            text: text.chars().take(RECEIPT_TEXT_CHARS).collect(),
            at,
        }))
    }
}

impl Ord for Owed {
    /// The earliest is the greatest, because the heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

impl PartialOrd for Owed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Owed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Owed {}
