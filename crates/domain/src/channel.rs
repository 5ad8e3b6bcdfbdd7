//! The contract every sending channel keeps.
//!
//! A channel is stream-shaped: it pulls attempts from its route's [`Desk`] as its window and
//! sessions allow, and reports outcomes as they come. What comes from the network unasked
//! (receipts, messages from handsets) goes to the same desk.
//!
//! A channel
//! - MUST report every attempt it took exactly once, whatever happens;
//! - MUST NOT try again by itself: the engine decides;
//! - MUST say [`Outcome::Unknown`] when bytes may have left and no answer came, and
//!   [`Outcome::Unsent`] when it knows that none left; it never guesses;
//! - MUST give work that it has not sent back on stop, as [`Outcome::Unsent`];
//! - MUST NOT acknowledge a receipt to the carrier before [`Desk::received`] has returned `Ok`;
//! - MUST NOT log texts, numbers or secrets.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::address::{Phone, Sender};
use crate::id::{MessageId, PartId};
use crate::message::PartState;
use crate::sms::Segmented;
use crate::sms::received::{Coded, Place};
use crate::time::Instant;

/// A boxed future, so that this crate stays free of any runtime.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the messages of one request share on the wire, where they say the same.
#[derive(Debug)]
pub struct SmsBody {
    /// Who it comes from.
    pub from: Sender,
    /// The text, cut and encoded.
    pub segmented: Segmented,
    /// Shown at once on the handset's screen.
    pub flash: bool,
}

/// One message to submit, or those of its parts that are still to be submitted.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Which message.
    pub message: MessageId,
    /// To whom.
    pub to: Phone,
    /// What, shared by all that say the same.
    pub body: Arc<SmsBody>,
    /// The concatenation reference: the same at every try of this message.
    pub concat_ref: u16,
    /// Bit `i` set: part `i` is to be submitted now.
    pub parts: u16,
    /// Counts the tries of these parts from 1; given back in each report.
    pub try_number: u8,
    /// When the message loses its worth; the carrier's validity ends no later.
    pub expires: Option<Instant>,
}

impl Attempt {
    /// The zero-based indexes of the parts to submit, in order.
    pub fn part_idxs(&self) -> impl Iterator<Item = u8> + use<> {
        let parts = self.parts;
        (0..16).filter(move |idx| parts & (1 << idx) != 0)
    }

    /// How many parts are to be submitted.
    #[must_use]
    pub const fn n_parts(&self) -> usize {
        self.parts.count_ones() as usize
    }
}

/// The carrier's own words: what the operator reads when something failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The carrier's error code as the customer's `%j` shows it; empty when there is none.
    pub code: String,
    /// A short text: a status name, a reason.
    pub text: String,
}

/// What came of submitting one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The carrier took it. `carrier_id` is its own spelling; it may be empty.
    Accepted {
        /// The id that receipts will name.
        carrier_id: String,
    },
    /// A temporary error: try again no sooner than after `wait`.
    Deferred {
        /// How long to wait at least.
        wait: Duration,
        /// How many such tries the class allows in all; `None`: this try does not count (throttling).
        tries_max: Option<u8>,
        /// Why.
        cause: Cause,
    },
    /// Refused for good.
    Refused {
        /// `Rejected` at submission; `Undelivered` where the carrier tried and failed at once.
        state: PartState,
        /// Why.
        cause: Cause,
    },
    /// Bytes may have left; no answer came (link lost, response timeout).
    Unknown {
        /// Why.
        cause: Cause,
    },
    /// No byte left: as if it had never been taken.
    Unsent,
}

/// One outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which part.
    pub part: PartId,
    /// The attempt's try number.
    pub try_number: u8,
    /// When the outcome was seen.
    pub at: Instant,
    /// What came.
    pub outcome: Outcome,
}

/// A delivery receipt, any dialect, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The carrier's id in the receipt's spelling; may be empty.
    pub carrier_id: String,
    /// The state it tells; `Sent` for an intermediate word (buffered, en route).
    pub state: PartState,
    /// `%s` of the customer's callback: DELIVRD, EXPIRED, DELETED, UNDELIV, ACCEPTD, UNKNOWN, REJECTD, RECEIVED.
    pub word: &'static str,
    /// The carrier's error code; empty when absent or zero.
    pub error: String,
    /// The recipient's digits as the receipt gives them (either address field may hold them).
    pub addresses: [String; 2],
    /// The first characters of the message, where the receipt repeats them.
    pub text: String,
    /// When it came.
    pub at: Instant,
}

/// A message from a handset, not yet joined when long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// Who wrote.
    pub from: String,
    /// The number or short code written to.
    pub to: String,
    /// What it says, or this piece of it.
    pub text: Coded,
    /// Where it is a piece of a long message.
    pub piece: Option<Place>,
    /// When it came.
    pub at: Instant,
}

/// What comes from the network unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// A delivery receipt.
    Receipt(Receipt),
    /// A message from a handset.
    Inbound(Inbound),
}

/// The arrivals could not be kept; the carrier must send them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not stored")]
pub struct NotStored;

/// How a link stands, for readiness, metrics and the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// Trying to connect or bind.
    Connecting,
    /// Bound: submissions can go.
    Up,
    /// Down, with the reason in words.
    Down {
        /// What failed.
        why: String,
        /// Whether only the operator can mend it (wrong password, wrong system_id).
        misconfigured: bool,
    },
}

/// A route's side of the engine, as its channel sees it.
pub trait Desk: Send + Sync {
    /// Waits for work, and gives at most `room` parts of it (a message's parts stay together,
    /// so a long message may exceed `room` when it comes alone). Their intents are durable.
    /// Cancel-safe: dropping the future loses nothing.
    fn next(&self, room: usize) -> BoxFuture<'_, Vec<Attempt>>;

    /// Takes outcomes, in the order in which they happened on this link.
    fn report(&self, reports: Vec<Report>);

    /// Keeps what came unasked; returns once it is durable.
    fn received(&self, arrivals: Vec<Arrival>) -> BoxFuture<'_, Result<(), NotStored>>;

    /// The carrier asked for less speed: the engine lowers the route's rate and recovers it slowly.
    fn throttled(&self);

    /// How link number `link` of this route stands.
    fn link(&self, link: usize, state: LinkState);

    /// The time, from the one clock.
    fn now(&self) -> Instant;
}
