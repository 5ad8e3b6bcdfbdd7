//! How a simulated SMSC behaves, and how it misbehaves.

use std::sync::Arc;
use std::time::Duration;

/// How an SMSC behaves. The default one accepts everything at once and sends no receipts.
#[derive(Clone, Default)]
pub struct Behaviour {
    /// How it spells the ids in its answers.
    pub ids: Ids,
    /// How far its ids begin above the usual first: that of one started anew differ from those before.
    pub ids_from: u64,
    /// Its receipts; `None`: it sends none.
    pub receipts: Option<Receipts>,
    /// What it keeps of each submission.
    pub record: Record,
    /// What it does with one submission; `None`: it accepts all.
    pub react: Option<React>,
    /// Answers those that it read at once in the reverse order.
    pub reverses: bool,
    /// The status of its bind responses; 0 binds.
    pub bind_status: u32,
    /// Leaves enquire_link unanswered.
    pub ignores_enquire_link: bool,
    /// Acknowledges what it reads at once (TCP_QUICKACK), for those who wait for that.
    pub acks_at_once: bool,
}

/// Picks what happens to a submission, by its number (from 1, over all connections) and recipient.
pub type React = Arc<dyn Fn(u64, &str) -> Reaction + Send + Sync>;

/// What happens to one submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// It is accepted.
    Accept,
    /// It is accepted, and answered twice.
    AcceptTwice,
    /// It is accepted, and answered so much later.
    AcceptAfter(Duration),
    /// It is accepted, and never answered.
    AcceptSilently,
    /// It is answered with this status, without a body.
    Status(u32),
    /// It is lost, and the connection closes at once, with all answers not written yet.
    HangUp,
    /// It is accepted, after a deliver_sm with a body that cannot be read and a PDU that nobody knows.
    Garbage,
    /// The connection gets a PDU with an impossible command_length.
    BadLength,
    /// It is accepted, and the SMSC unbinds.
    Unbind,
}

/// How ids are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ids {
    /// `1000000001`.
    #[default]
    Decimal,
    /// `3b9aca01`.
    Hex,
    /// `00000000-0000-4000-8000-00003b9aca01`.
    Uuid,
    /// No id at all.
    Empty,
}

/// What receipts are like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipts {
    /// How long after the submission.
    pub delay: Duration,
    /// How they spell the id; `None`: as the answer did.
    pub ids: Option<Ids>,
    /// How often each is sent.
    pub copies: u8,
    /// Sent before the answer to the submission, on the same connection.
    pub before_answer: bool,
    /// The word in `stat`.
    pub stat: &'static str,
}

impl Default for Receipts {
    /// Delivered, once, at once.
    fn default() -> Self {
        Self { delay: Duration::ZERO, ids: None, copies: 1, before_answer: false, stat: "DELIVRD" }
    }
}

/// What is kept of each submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Record {
    /// Nothing but the count.
    #[default]
    Nothing,
    /// A few numbers.
    Compact,
    /// Also the text and the fields that tests look at.
    Whole,
}

impl Behaviour {
    /// Keeps everything of each submission.
    #[must_use]
    pub fn recording() -> Self {
        Self { record: Record::Whole, ..Self::default() }
    }

    /// The same, with receipts.
    #[must_use]
    pub fn with_receipts(self, receipts: Receipts) -> Self {
        Self { receipts: Some(receipts), ..self }
    }

    /// The same, with something to happen to each submission.
    #[must_use]
    pub fn reacting(self, react: impl Fn(u64, &str) -> Reaction + Send + Sync + 'static) -> Self {
        Self { react: Some(Arc::new(react)), ..self }
    }
}
