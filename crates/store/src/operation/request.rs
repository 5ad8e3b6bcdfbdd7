//! What all messages of one request share; stored once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pombo_domain::campaign::Tally;
use pombo_domain::id::{AccountId, CampaignId, MessageId, SendingId};
use pombo_domain::message::{Category, Lane};
use pombo_domain::otp::Config;
use pombo_domain::sms::Encoding;
use pombo_domain::time::Instant;

use super::View;
use crate::error::Result;
use crate::sql::Row;
use crate::statement::{Statement, statements};
use crate::work::{Work, day_of};

/// A stored request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The first message's id.
    pub id: MessageId,
    /// Messages: their ids follow without a gap.
    pub n_messages: u32,
    /// Parts of each message; where each has its own text, of the longest.
    pub n_parts: u8,
    /// Whose it is.
    pub account: AccountId,
    /// When it was accepted.
    pub created: Instant,
    /// The sender shown.
    pub sender: String,
    /// The final text; where each message has its own, their template.
    pub text: String,
    /// Whether each message has a text of its own: [`super::text`].
    pub personal: bool,
    /// Its alphabet.
    pub encoding: Encoding,
    /// Independent messages rather than a concatenated one.
    pub split: bool,
    /// Shown at once on the screen.
    pub flash: bool,
    /// The law's kind.
    pub category: Category,
    /// The lane it queues in.
    pub lane: Lane,
    /// Whether each message has a callback URL of its own.
    pub callback_each: bool,
    /// The concatenation reference of the first message; the others count up.
    pub concat_ref: u16,
    /// Not before.
    pub due: Instant,
    /// Worthless after.
    pub expires: Option<Instant>,
    /// `availableTimes` as stored; empty: none.
    pub windows: String,
    /// The campaign.
    pub campaign: CampaignId,
    /// Whether the request named it.
    pub campaign_named: bool,
    /// The sending.
    pub sending: SendingId,
    /// Callback URL template; empty: none.
    pub callback: String,
    /// It answers somebody who opts out or in: whether they are on the list does not matter.
    pub answers_opt_out: bool,
    /// Its messages are certified: [`super::certificate`].
    pub certified: bool,
    /// What the one-time codes in its texts are like, where they have some.
    pub otp: Option<Config>,
}

pub(crate) const FLAG_SPLIT: i64 = 1;
pub(crate) const FLAG_FLASH: i64 = 2;
pub(crate) const FLAG_MARKETING: i64 = 4;
pub(crate) const FLAG_BULK: i64 = 8;
pub(crate) const FLAG_CALLBACK_EACH: i64 = 16;
pub(crate) const FLAG_PERSONAL: i64 = 32;
pub(crate) const FLAG_ANSWERS_OPT_OUT: i64 = 64;
pub(crate) const FLAG_CERTIFIED: i64 = 128;

statements! {
    /// The request that holds message `$1`.
    REQUEST_OF = "select id, messages, parts, account, created, sender, text, encoding, flags, \
        concat_ref, due, expires, windows, campaign, named, sending, callback, otp \
        from request_{day} where id <= $1 order by id desc limit 1";
    /// Some requests, newest first.
    BETWEEN = "select id, messages, parts, account, created, sender, text, encoding, flags, \
        concat_ref, due, expires, windows, campaign, named, sending, callback, otp \
        from request_{day} where id between $1 and $2 order by id desc limit $3";
    /// One message's own callback URL.
    CALLBACK_OF = "select url from callback_{day} where message = $1";
}

impl Request {
    pub(crate) fn flags(&self) -> i64 {
        let flag = |on: bool, bit: i64| if on { bit } else { 0 };
        flag(self.split, FLAG_SPLIT)
            | flag(self.flash, FLAG_FLASH)
            | flag(self.category == Category::Marketing, FLAG_MARKETING)
            | flag(self.lane == Lane::Bulk, FLAG_BULK)
            | flag(self.callback_each, FLAG_CALLBACK_EACH)
            | flag(self.personal, FLAG_PERSONAL)
            | flag(self.answers_opt_out, FLAG_ANSWERS_OPT_OUT)
            | flag(self.certified, FLAG_CERTIFIED)
    }

    fn from_row(row: &Row<'_>) -> Result<Self> {
        let flags: i64 = row.get(8)?;
        let has = |bit: i64| flags & bit != 0;
        Ok(Self {
            id: MessageId(row.get(0)?),
            n_messages: row.get(1)?,
            n_parts: row.get(2)?,
            account: AccountId(row.get(3)?),
            created: Instant::from_micros(row.get(4)?),
            sender: row.get(5)?,
            text: row.get(6)?,
            personal: has(FLAG_PERSONAL),
            encoding: Encoding::from_stored(row.get(7)?).unwrap_or(Encoding::Utf16),
            split: has(FLAG_SPLIT),
            flash: has(FLAG_FLASH),
            category: if has(FLAG_MARKETING) {
                Category::Marketing
            } else {
                Category::Transactional
            },
            lane: if has(FLAG_BULK) { Lane::Bulk } else { Lane::Transactional },
            callback_each: has(FLAG_CALLBACK_EACH),
            concat_ref: row.get(9)?,
            due: Instant::from_micros(row.get(10)?),
            expires: row.get::<Option<i64>>(11)?.map(Instant::from_micros),
            windows: row.get(12)?,
            campaign: CampaignId(row.get(13)?),
            campaign_named: row.get(14)?,
            sending: SendingId(row.get(15)?),
            callback: row.get(16)?,
            answers_opt_out: has(FLAG_ANSWERS_OPT_OUT),
            certified: has(FLAG_CERTIFIED),
            otp: Config::from_stored(&row.get::<String>(17)?),
        })
    }

    /// Whether a message is one of its own.
    pub(crate) fn holds(&self, message: MessageId) -> bool {
        let offset = message.0 - self.id.0;
        (0..i64::from(self.n_messages)).contains(&offset)
    }

    /// Whose totals the parts of one of its messages move, as their rows say.
    #[must_use]
    pub const fn tally(&self, n_parts: u8) -> Tally {
        let tally =
            if self.campaign_named { Tally::of(self.sending, n_parts) } else { Tally::NONE };
        tally.certified(self.certified)
    }

    /// The concatenation reference of one of its messages.
    #[must_use]
    pub fn concat_ref_of(&self, message: MessageId) -> u16 {
        let offset = (message.0 - self.id.0).rem_euclid(1 << 16);
        self.concat_ref.wrapping_add(u16::try_from(offset).unwrap_or(0))
    }
}

/// The request of a message, from the writer's memory or the tables.
pub(crate) fn of_message(work: &mut Work<'_>, message: MessageId) -> Result<Option<Arc<Request>>> {
    if let Some(request) = work.remembered(message) {
        return Ok(Some(request));
    }
    if !work.has_day_of(message.0) {
        return Ok(None);
    }
    let found = work
        .prepare_for(REQUEST_OF, message.0)?
        .first([message.0], Request::from_row)?
        .filter(|request| request.holds(message))
        .map(Arc::new);
    if let Some(request) = &found {
        work.remember(Arc::clone(request));
    }
    Ok(found)
}

/// Reads the requests of messages that will be looked at and are not known yet, where looking at each
/// takes long.
pub(crate) fn read_ahead(
    work: &mut Work<'_>,
    messages: impl Iterator<Item = MessageId>,
) -> Result<()> {
    if !work.is_far() {
        return Ok(());
    }
    let mut days: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for message in messages.filter(|message| work.remembered(*message).is_none()) {
        days.entry(day_of(message.0)).or_default().insert(message.0);
    }
    for (day, messages) in days.into_iter().filter(|(_, messages)| messages.len() > 1) {
        if !work.has_day(day) {
            continue;
        }
        let asked = messages.iter().map(|message| [*message]);
        let found = work.prepare_on(REQUEST_OF, day)?.first_of_each(asked, Request::from_row)?;
        found.into_iter().flatten().for_each(|request| work.remember(Arc::new(request)));
    }
    Ok(())
}

/// The same for a question.
pub(crate) fn seen(view: &mut View<'_>, message: MessageId) -> Result<Option<Request>> {
    let Some(mut statement) = view.prepare_for(REQUEST_OF, message.0)? else {
        return Ok(None);
    };
    let found = statement.first([message.0], Request::from_row)?;
    Ok(found.filter(|request| request.holds(message)))
}

/// The requests of messages of one day, as far as there are any.
pub(crate) fn seen_each(
    view: &mut View<'_>,
    messages: &BTreeSet<MessageId>,
) -> Result<impl Iterator<Item = Request> + use<>> {
    let found = first_of_each(view, REQUEST_OF, messages.iter().copied(), Request::from_row)?;
    Ok(found.into_iter().flatten())
}

/// At most `limit` requests whose first messages lie between these two, which are of one day.
pub(crate) fn between(
    view: &mut View<'_>,
    (first, last): (MessageId, MessageId),
    limit: usize,
) -> Result<Vec<Request>> {
    let Some(mut statement) = view.prepare_for(BETWEEN, last.0)? else { return Ok(Vec::new()) };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    statement.all([first.0, last.0, limit], Request::from_row)
}

/// The callback URLs that messages of one day have for themselves, in their order.
pub(crate) fn callbacks_of(
    view: &mut View<'_>,
    messages: &[MessageId],
) -> Result<Vec<Option<String>>> {
    first_of_each(view, CALLBACK_OF, messages.iter().copied(), |row| row.get(0))
}

/// What a statement says of each of some messages, which are of one day; nothing where there was no
/// such day.
fn first_of_each<T>(
    view: &mut View<'_>,
    statement: Statement,
    messages: impl Iterator<Item = MessageId> + Clone,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<Option<T>>> {
    let Some(first) = messages.clone().next() else { return Ok(Vec::new()) };
    match view.prepare_for(statement, first.0)? {
        Some(mut statement) => statement.first_of_each(messages.map(|id| [id.0]), read),
        None => Ok(messages.map(|_| None).collect()),
    }
}
