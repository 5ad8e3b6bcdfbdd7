//! `stage`: a large request comes in by pieces, so that no operation keeps the others waiting.
//!
//! [`Begin`] sets ids aside, [`Stage`] writes the parts a thousand rows at a time, and
//! [`super::accept::Accept`] makes them visible by its small rows.

use std::ops::Range;
use std::sync::Arc;

use pombo_domain::id::{AccountId, MessageId, PartId, SendingId};
use pombo_domain::time::Instant;

use super::accept::{CallbackUrls, Campaign, Recipient};
use super::campaign::join;
use super::text::Texts;
use super::{Operation, part};
use crate::error::{Error, Result};
use crate::statement::statements;
use crate::work::Work;

statements! {
    NEW_STAGING = "insert into staging (first, last, node) values ($1, $2, $3)";
    IS_STAGING = "select count(1) from staging where first = $1";
    DROP_PARTS = "delete from part_{day} where id in \
        (select id from part_{day} where id between $1 and $2 order by id limit $3)";
    DROP_CALLBACKS = "delete from callback_{day} where message in \
        (select message from callback_{day} where message between $1 and $2 \
        order by message limit $3)";
    /// Links that nobody was sent stay until their day goes: they lead nowhere that matters.
    DROP_TEXTS = "delete from text_{day} where message in \
        (select message from text_{day} where message between $1 and $2 \
        order by message limit $3)";
}

/// Sets ids aside for a large request, and finds or makes its campaign; its parts stay invisible
/// until [`super::accept::Accept`].
#[derive(Debug, Clone)]
pub struct Begin {
    /// Whose.
    pub account: AccountId,
    /// The campaign it will join.
    pub campaign: Campaign,
    /// Messages.
    pub n_messages: usize,
    /// When.
    pub now: Instant,
}

impl Operation for Begin {
    /// The first message, and the sending whose totals its parts move.
    type Answer = (MessageId, Option<SendingId>);

    const LOOKS_AT_QUEUES: bool = false;

    fn run(&self, work: &mut Work<'_>) -> Result<(MessageId, Option<SendingId>)> {
        let first = MessageId(work.new_messages(self.n_messages, self.now)?);
        let last = first.plus(self.n_messages.saturating_sub(1)).part(15);
        work.prepare(NEW_STAGING)?.write([first.part(0).0, last.0, work.node()])?;
        let sending = match &self.campaign {
            Campaign::Own => None,
            Campaign::Named { name, .. } => {
                let found = match join::find(work, self.account, name)? {
                    Some(found) => found,
                    None => join::make(work, (self.account, name), "", self.now)?,
                };
                Some(found.sending)
            }
        };
        Ok((first, sending))
    }
}

/// Writes some parts of a large request; at most
/// [`pombo_domain::limits::ROWS_PER_OPERATION_MAX`] rows.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The request's first message.
    pub first: MessageId,
    /// All its recipients.
    pub recipients: Arc<[Recipient]>,
    /// What [`Begin`] answered.
    pub sending: Option<SendingId>,
    /// Whether they are certified.
    pub certified: bool,
    /// Their callbacks.
    pub callbacks: CallbackUrls,
    /// The texts of those to write now.
    pub texts: Texts,
    /// Which of them to write now.
    pub range: Range<usize>,
}

impl Operation for Stage {
    type Answer = ();

    const LOOKS_AT_QUEUES: bool = false;

    fn rows(&self) -> usize {
        let recipients = &self.recipients[self.range.clone()];
        let parts: usize = recipients.iter().map(|recipient| usize::from(recipient.n_parts)).sum();
        parts + self.texts.rows()
    }

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        let n: i64 = work.prepare(IS_STAGING)?.one([self.first.part(0).0], |row| row.get(0))?;
        if n != 1 {
            // It was given up meanwhile: what is written now would never go.
            return Err(Error::Failed("the staged request was given up meanwhile".into()));
        }
        let first = self.first.plus(self.range.start);
        let told = (self.sending, self.certified);
        part::write(work, first, told, &self.recipients[self.range.clone()])?;
        self.texts.write(work, first)?;
        self.callbacks.write(work, self.first, self.range.clone())
    }
}

/// Drops what a request that will never be accepted has written: at most `limit` rows of each
/// kind. Answers how many went; 0: nothing is left of it.
pub(crate) fn discard(
    work: &mut Work<'_>,
    (first, last): (PartId, PartId),
    limit: i64,
) -> Result<usize> {
    let (from, to) = (first.message(), last.message());
    if !work.has_day_of(from.0) {
        return Ok(0);
    }
    let (first, last) = (from.part(0).0, to.part(15).0);
    work.known().clear();
    let parts = work.prepare_for(DROP_PARTS, from.0)?.execute([first, last, limit])?;
    let callbacks = work.prepare_for(DROP_CALLBACKS, from.0)?.execute([from.0, to.0, limit])?;
    let texts = work.prepare_for(DROP_TEXTS, from.0)?.execute([from.0, to.0, limit])?;
    Ok(parts + callbacks + texts)
}
