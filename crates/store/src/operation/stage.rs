//! `stage`: a large request comes in by pieces, so that no operation keeps the others waiting.
//!
//! [`Begin`] sets ids aside, [`Stage`] writes the parts a thousand rows at a time, and
//! [`super::accept::Accept`] makes them visible by its small rows.

use std::ops::Range;
use std::sync::Arc;

use pombo_domain::id::MessageId;
use pombo_domain::time::Instant;

use super::Operation;
use super::accept::{CallbackUrls, Recipient, write_parts};
use crate::sqlite::Work;
use crate::statement::statements;

statements! {
    NEW_STAGING = "insert into staging (first, last) values ($1, $2)";
}

/// Sets ids aside for a large request; its parts stay invisible until [`super::accept::Accept`].
#[derive(Debug, Clone, Copy)]
pub struct Begin {
    /// Messages.
    pub n_messages: usize,
    /// When.
    pub now: Instant,
}

impl Operation for Begin {
    type Answer = MessageId;

    fn run(&self, work: &mut Work<'_>) -> rusqlite::Result<MessageId> {
        let first = MessageId(work.new_messages(self.n_messages, self.now)?);
        let last = first.plus(self.n_messages.saturating_sub(1)).part(15);
        work.prepare(NEW_STAGING)?.execute([first.part(0).0, last.0])?;
        Ok(first)
    }
}

/// Writes some parts of a large request; at most
/// [`pombo_domain::limits::ROWS_PER_OPERATION_MAX`] rows.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The request's first message.
    pub first: MessageId,
    /// Parts of each message.
    pub n_parts: u8,
    /// All its recipients.
    pub recipients: Arc<[Recipient]>,
    /// Their callbacks.
    pub callbacks: CallbackUrls,
    /// Which of them to write now.
    pub range: Range<usize>,
}

impl Operation for Stage {
    type Answer = ();

    fn rows(&self) -> usize {
        self.range.len() * usize::from(self.n_parts)
    }

    fn run(&self, work: &mut Work<'_>) -> rusqlite::Result<()> {
        let first = self.first.plus(self.range.start);
        write_parts(work, first, self.n_parts, &self.recipients[self.range.clone()])?;
        self.callbacks.write(work, self.first, self.range.clone())
    }
}
