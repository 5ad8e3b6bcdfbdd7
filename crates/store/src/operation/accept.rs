//! `accept`: a request becomes durable, its credit reserved, its place in the queue taken.
//!
//! A request of more than [`pombo_domain::limits::ROWS_PER_OPERATION_MAX`] rows is staged first: [`super::stage`].

use std::sync::Arc;

use pombo_domain::campaign::{Stop, Totals};
use pombo_domain::id::{AccountId, CampaignId, MessageId, SendingId};
use pombo_domain::message::{Category, Lane};
use pombo_domain::money::Money;
use pombo_domain::opt_out::Address;
use pombo_domain::otp::{Config, Limits};
use pombo_domain::sms::Encoding;
use pombo_domain::time::Instant;

use super::campaign::join;
pub use super::key::Key;
use super::opening;
pub use super::opening::Held;
use super::queue::{self, QueueRow};
pub use super::recipient::{Recipient, cost};
use super::request::Request;
use super::text::Texts;
use super::{Foreseen, Operation, opt_out, otp, part};
use crate::error::{Error, Result};
use crate::sql::values;
use crate::statement::statements;
use crate::work::{Today, Work};

statements! {
    NEW_CALLBACK = "insert into callback_{day} (message, url) values ($1, $2)";
    NEW_REQUEST = "insert into request_{day} (id, messages, parts, account, created, sender, text, \
        encoding, flags, concat_ref, due, expires, windows, campaign, named, sending, reserved, callback, \
        otp) \
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
    END_STAGING = "delete from staging where first = $1";
}

/// The campaign a request joins.
#[derive(Debug, Clone)]
pub enum Campaign {
    /// None was named: numbers of its own, no row.
    Own,
    /// Found or made.
    Named {
        /// Its name.
        name: String,
        /// Merged into its tags.
        tags: Vec<String>,
    },
}

/// Where callbacks go.
#[derive(Debug, Clone)]
pub enum CallbackUrls {
    /// Nowhere.
    None,
    /// One template.
    One(String),
    /// One per recipient.
    Each(Arc<[String]>),
}

impl CallbackUrls {
    /// Writes the URLs that some of a request's messages have for themselves.
    pub(super) fn write(
        &self,
        work: &mut Work<'_>,
        first: MessageId,
        range: std::ops::Range<usize>,
    ) -> Result<()> {
        let Self::Each(urls) = self else { return Ok(()) };
        let mut insert = work.prepare_for(NEW_CALLBACK, first.0)?;
        for (offset, url) in urls.iter().enumerate().skip(range.start).take(range.len()) {
            insert.write(values![first.plus(offset).0, url])?;
        }
        Ok(())
    }
}

/// A request with everything decided.
#[derive(Debug, Clone)]
pub struct Accept {
    /// Whose.
    pub account: AccountId,
    /// When.
    pub now: Instant,
    /// The sender shown.
    pub sender: String,
    /// The final text, or the template of the texts.
    pub text: String,
    /// Each message's own text.
    pub texts: Texts,
    /// Its alphabet.
    pub encoding: Encoding,
    /// Independent messages.
    pub split: bool,
    /// Flash.
    pub flash: bool,
    /// The law's kind.
    pub category: Category,
    /// The lane.
    pub lane: Lane,
    /// Concatenation reference of the first message.
    pub concat_ref: u16,
    /// Not before.
    pub due: Instant,
    /// Worthless after.
    pub expires: Option<Instant>,
    /// `availableTimes` as stored.
    pub windows: String,
    /// The campaign.
    pub campaign: Campaign,
    /// Callbacks.
    pub callbacks: CallbackUrls,
    /// At least one.
    pub recipients: Arc<[Recipient]>,
    /// What the one-time codes in its texts are like, where they have some.
    pub otp: Option<Config>,
    /// How many codes the account may have made.
    pub otp_limits: Limits,
    /// Those of the recipients who are due at a time of their own; in order. Empty nearly always.
    pub held: Vec<Held>,
    /// The caller's key.
    pub key: Option<Key>,
    /// It answers somebody who opts out or in: whether they are on the list does not matter.
    pub answers_opt_out: bool,
    /// Each of its messages gets a certificate: [`super::certificate`].
    pub certified: bool,
    /// The first message's id where [`super::stage`] has written the parts.
    pub staged: Option<MessageId>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// Accepted, now or under the same key before.
    Done {
        /// The first message's id.
        first: MessageId,
        /// The campaign.
        campaign: CampaignId,
        /// The sending.
        sending: SendingId,
        /// Whether the key had been answered before: nothing new was queued.
        replayed: bool,
    },
    /// The balance does not cover it.
    NotEnoughCredits,
    /// More messages than the account may send today.
    DailyLimit,
    /// It would cost more than the account may spend today.
    SpendCap,
    /// The key was used with another body.
    KeyReused,
    /// The campaign was cancelled.
    CampaignCancelled,
    /// Some recipients have a one-time code that is pending, and were to get no other:
    /// [`otp::Pending`] tells which.
    CodePending,
    /// It would make too many one-time codes.
    CodesLimited(otp::Limited),
}

impl Operation for Accept {
    type Answer = Accepted;

    const LOOKS_AT_QUEUES: bool = false;

    fn rows(&self) -> usize {
        let own = if self.staged.is_some() { 0 } else { self.n_rows() };
        3 + own
    }

    fn foresee(&self, foreseen: &mut Foreseen) {
        foreseen.accounts.insert(self.account);
        foreseen.keys.extend(self.key.as_ref().map(|key| (self.account, key.key.clone())));
    }

    fn run(&self, work: &mut Work<'_>) -> Result<Accepted> {
        work.now_is(self.now);
        // Of a large request, those who opted out are told apart before and after: `opt_out::Refuse`.
        let opted_out = match self.staged {
            _ if self.answers_opt_out => Vec::new(),
            Some(_) => Vec::new(),
            None => opt_out::among(work, self.account, self.recipients.iter().map(|r| r.to))?,
        };
        if opted_out.is_empty() {
            return self.accept(work);
        }
        let recipients = opt_out::unpriced(&self.recipients, &opted_out);
        let accepted = Self { recipients, ..self.clone() }.accept(work)?;
        if let Accepted::Done { first, replayed: false, .. } = accepted {
            let messages = opted_out.iter().map(|i| (first.plus(*i), self.recipients[*i].n_parts));
            opt_out::refuse_messages(work, self.account, messages, self.now)?;
        }
        Ok(accepted)
    }
}

impl Accept {
    fn accept(&self, work: &mut Work<'_>) -> Result<Accepted> {
        let joins = match &self.campaign {
            Campaign::Own => None,
            Campaign::Named { name, .. } => join::find(work, self.account, name)?,
        };
        if let Some(answer) = self.refused(work, joins.as_ref())? {
            return Ok(answer);
        }
        let codes = match self.judge_codes(work)? {
            Ok(codes) => codes,
            Err(limited) => return Ok(Accepted::CodesLimited(limited)),
        };
        let (campaign, sending) = self.join_campaign(work, joins)?;
        let first = match self.staged {
            Some(first) => {
                let ended = work.prepare(END_STAGING)?.execute([first.part(0).0])?;
                if ended != 1 {
                    // Its parts were swept away: accepting it now would lose them.
                    return Err(Error::Failed("the staged request was given up meanwhile".into()));
                }
                first
            }
            None => {
                let first = MessageId(work.new_messages(self.recipients.len(), self.now)?);
                let sending = self.is_named().then_some(sending);
                part::write(work, first, (sending, self.certified), &self.recipients)?;
                self.texts.write(work, first)?;
                self.callbacks.write(work, first, 0..self.recipients.len())?;
                first
            }
        };
        otp::await_codes(work, self, first)?;
        codes.write(work)?;
        let request = self.request(first, campaign, sending);
        self.write_request(work, &request)?;
        self.queue(work, first)?;
        self.pay(work, first)?;
        if let Some(key) = &self.key {
            key.answered(work, self.account, (first, campaign, sending), self.now)?;
        }
        work.remember(Arc::new(request));
        Ok(Accepted::Done { first, campaign, sending, replayed: false })
    }

    fn judge_codes(
        &self,
        work: &mut Work<'_>,
    ) -> Result<std::result::Result<otp::Counts, otp::Limited>> {
        let who = self.recipients.iter().filter(|_| self.otp.is_some());
        let who = who.map(|recipient| Address::Phone(recipient.to));
        otp::judge(work, (self.account, &self.otp_limits), who, self.now)
    }

    fn n_rows(&self) -> usize {
        let parts = self.recipients.iter().map(|recipient| usize::from(recipient.n_parts));
        parts.sum::<usize>() + self.texts.rows()
    }

    /// What all its parts cost together; `None` when that is beyond counting.
    #[must_use]
    pub fn cost(&self) -> Option<Money> {
        cost(&self.recipients)
    }

    /// Everything that can be said before a row is written.
    fn refused(
        &self,
        work: &mut Work<'_>,
        joins: Option<&join::Joined>,
    ) -> Result<Option<Accepted>> {
        if let Some(key) = &self.key
            && let Some(answer) = key.answer(work, self.account, self.now)?
        {
            return Ok(Some(answer));
        }
        if self.staged.is_none() && otp::is_any_pending(work, self)? {
            return Ok(Some(Accepted::CodePending));
        }
        let is_cancelled = |joined: &join::Joined| joined.stop == Some(Stop::Cancelled);
        if joins.is_some_and(is_cancelled) {
            return Ok(Some(Accepted::CampaignCancelled));
        }
        let (money, database) = work.money();
        let standing = money.standing(database, self.account)?;
        let Some(cost) = self.cost().filter(|cost| *cost <= standing.balance) else {
            return Ok(Some(Accepted::NotEnoughCredits));
        };
        if !standing.is_limited() {
            return Ok(None);
        }
        let Today { messages, spent } = money.today(database, (self.account, self.now.day()))?;
        let wanted = self.counts(cost).messages;
        let exceeds = |limit: Option<i64>, before: i64, more: i64| {
            limit.is_some_and(|limit| before.saturating_add(more) > limit)
        };
        if exceeds(standing.per_day, messages, wanted) {
            return Ok(Some(Accepted::DailyLimit));
        }
        if exceeds(standing.spend_cap.map(Money::micros), spent, cost.micros()) {
            return Ok(Some(Accepted::SpendCap));
        }
        Ok(None)
    }

    /// What it counts against its account's limits of the day.
    fn counts(&self, cost: Money) -> Today {
        let messages = i64::try_from(self.recipients.len()).unwrap_or(i64::MAX);
        Today { messages, spent: cost.micros() }
    }

    /// The campaign and the sending, with the request counted.
    fn join_campaign(
        &self,
        work: &mut Work<'_>,
        found: Option<join::Joined>,
    ) -> Result<(CampaignId, SendingId)> {
        let Campaign::Named { name, tags } = &self.campaign else {
            let campaign = work.new_campaign()?;
            return Ok((campaign, campaign.own_sending()));
        };
        let mut joined = match found {
            Some(mut found) => {
                let merged = join::merge_tags(&found.tags, tags);
                join::tag(work, &mut found, merged)?;
                found
            }
            None => join::make(work, (self.account, name), &join::merge_tags("", tags), self.now)?,
        };
        let scheduled = (self.due > self.now).then_some(self.due);
        join::set_times(work, &mut joined, (scheduled, self.expires))?;
        work.known().keep_campaign(self.account, name, &joined);
        let cost = self.cost().unwrap_or(Money::ZERO);
        let change = Totals::accepted(self.recipients.len(), cost);
        work.totals().add(joined.sending, change);
        Ok((joined.campaign, joined.sending))
    }

    const fn is_named(&self) -> bool {
        matches!(self.campaign, Campaign::Named { .. })
    }

    fn request(&self, first: MessageId, campaign: CampaignId, sending: SendingId) -> Request {
        Request {
            id: first,
            n_messages: u32::try_from(self.recipients.len()).unwrap_or(u32::MAX),
            n_parts: self.recipients.iter().map(|r| r.n_parts).max().unwrap_or(0),
            account: self.account,
            created: self.now,
            sender: self.sender.clone(),
            text: self.text.clone(),
            personal: matches!(self.texts, Texts::Each(_)),
            encoding: self.encoding,
            split: self.split,
            flash: self.flash,
            category: self.category,
            lane: self.lane,
            callback_each: matches!(self.callbacks, CallbackUrls::Each(_)),
            concat_ref: self.concat_ref,
            due: self.due,
            expires: self.expires,
            windows: self.windows.clone(),
            campaign,
            campaign_named: self.is_named(),
            sending,
            callback: match &self.callbacks {
                CallbackUrls::One(url) => url.clone(),
                CallbackUrls::None | CallbackUrls::Each(_) => String::new(),
            },
            answers_opt_out: self.answers_opt_out,
            certified: self.certified,
            otp: self.otp.clone(),
        }
    }

    fn write_request(&self, work: &mut Work<'_>, request: &Request) -> Result<()> {
        let reserved = self.cost().unwrap_or(Money::ZERO);
        work.prepare_for(NEW_REQUEST, request.id.0)?.write(values![
            request.id.0,
            request.n_messages,
            request.n_parts,
            request.account.0,
            request.created.micros(),
            request.sender,
            request.text,
            request.encoding as i64,
            request.flags(),
            request.concat_ref,
            request.due.micros(),
            request.expires.map(Instant::micros),
            request.windows,
            request.campaign.0,
            request.campaign_named,
            request.sending.0,
            reserved.micros(),
            request.callback,
            request.otp.as_ref().map(Config::to_stored).unwrap_or_default(),
        ])?;
        Ok(())
    }

    fn queue(&self, work: &mut Work<'_>, first: MessageId) -> Result<()> {
        for place in opening::places(&self.recipients, &self.held, self.due) {
            let last_part = self.recipients[place.to].n_parts.saturating_sub(1);
            let queue = (place.route, self.lane, self.account);
            let row = QueueRow {
                due: place.due.micros(),
                first: first.plus(place.from).part(0).0,
                last: first.plus(place.to).part(last_part).0,
                tries: 0,
                scheduled: place.due > self.now,
            };
            match place.from == place.to && !row.scheduled {
                true => work.leaving().fresh().push((queue, row)),
                false => queue::put_new(work, (queue, row))?,
            }
        }
        Ok(())
    }

    fn pay(&self, work: &mut Work<'_>, first: MessageId) -> Result<()> {
        let cost = self.cost().unwrap_or(Money::ZERO);
        let (money, database) = work.money();
        if money.standing(database, self.account)?.is_limited() {
            money.count_today((self.account, self.now.day()), self.counts(cost));
        }
        money.reserve(self.account, cost, (first, self.now));
        Ok(())
    }
}
