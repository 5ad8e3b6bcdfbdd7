//! Opt-outs: whom accounts do not message any more. One process writes at a time, so that what a
//! command sees here holds until its commit: nobody is let through by a list that grows meanwhile.

use std::sync::Arc;

use pombo_domain::address::Phone;
use pombo_domain::id::{AccountId, MessageId, PartId};
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::money::Money;
use pombo_domain::opt_out::{Address, Channel, REFUSED, Source};
use pombo_domain::time::Instant;

use super::accept::Recipient;
use super::part::{self, Step};
use super::{Operation, Question, View, uncertain};
use crate::error::Result;
use crate::sql::{Prepared, Row, values};
use crate::statement::statements;
use crate::work::Work;

statements! {
    ADD = "insert into opt_out (account, channel, address, at, source, reason) \
        values ($1, $2, $3, $4, $5, $6) on conflict do nothing";
    END = "insert into opt_out_ended (account, channel, address, at, source, reason, ended, \
        ended_by, ended_reason) select account, channel, address, at, source, reason, \
        cast($1 as bigint), cast($2 as bigint), cast($3 as text) from opt_out \
        where account = $4 and channel = $5 and address = $6";
    REMOVE = "delete from opt_out where account = $1 and channel = $2 and address = $3";
    ANY = "select account from opt_out where account = $1 and channel = 0 limit 1";
    IS_LISTED = "select account from opt_out where account = $1 and channel = $2 and address = $3";
    PAGE = "select id, channel, address, at, source, reason from opt_out where account = $1 \
        and (channel = $2 or $2 = -1) order by id desc limit $3 offset $4";
    COUNT = "select count(1) from (select 1 from opt_out where account = $1 \
        and (channel = $2 or $2 = -1) limit $3) as counted";
    ONE = "select id, channel, address, at, source, reason from opt_out \
        where account = $1 and channel = $2 and address = $3";
    ENDED = "select id, channel, address, at, source, reason, ended, ended_by, ended_reason \
        from opt_out_ended where account = $1 order by id desc limit $2";
}

/// Entries that a list counts, at most.
pub const COUNT_MAX: i64 = 1_000_000;

/// Puts addresses on an account's list; at most
/// [`pombo_domain::limits::ROWS_PER_OPERATION_MAX`] of them.
#[derive(Debug, Clone)]
pub struct Add {
    /// Whose list.
    pub account: AccountId,
    /// Which.
    pub addresses: Vec<Address>,
    /// Who says so.
    pub source: Source,
    /// Why, in their words.
    pub reason: String,
    /// When.
    pub now: Instant,
}

impl Operation for Add {
    /// How many were not on it before; those that were keep what was known of them.
    type Answer = usize;

    fn rows(&self) -> usize {
        self.addresses.len()
    }

    fn run(&self, work: &mut Work<'_>) -> Result<usize> {
        work.money().0.look_again(self.account);
        let mut n = 0;
        let mut insert = work.prepare(ADD)?;
        for address in &self.addresses {
            n += insert.execute(values![
                self.account.0,
                address.channel() as i64,
                address.to_string(),
                self.now.micros(),
                self.source as i64,
                self.reason,
            ])?;
        }
        Ok(n)
    }
}

/// Takes addresses off an account's list; at most
/// [`pombo_domain::limits::ROWS_PER_OPERATION_MAX`] of them.
#[derive(Debug, Clone)]
pub struct Remove {
    /// Whose list.
    pub account: AccountId,
    /// Which.
    pub addresses: Vec<Address>,
    /// Who says so.
    pub source: Source,
    /// Why, in their words.
    pub reason: String,
    /// When.
    pub now: Instant,
}

impl Operation for Remove {
    /// How many were on it.
    type Answer = usize;

    fn rows(&self) -> usize {
        self.addresses.len()
    }

    fn run(&self, work: &mut Work<'_>) -> Result<usize> {
        work.money().0.look_again(self.account);
        let mut n = 0;
        let (by, at) = (self.source as i64, self.now.micros());
        for address in &self.addresses {
            let (channel, text) = (address.channel() as i64, address.to_string());
            let account = self.account.0;
            work.prepare(END)?.execute(values![at, by, self.reason, account, channel, text])?;
            n += work.prepare(REMOVE)?.execute(values![account, channel, text])?;
        }
        Ok(n)
    }
}

/// An entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: i64,
    /// Who.
    pub address: Address,
    /// Since when.
    pub at: Instant,
    /// Who said so.
    pub source: Source,
    /// Why, in their words.
    pub reason: String,
}

impl Entry {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            address: Address::from_stored(Channel::from_stored(row.get(1)?), row.get(2)?),
            at: Instant::from_micros(row.get(3)?),
            source: Source::from_stored(row.get(4)?),
            reason: row.get(5)?,
        })
    }
}

/// A page of an account's list, newest first.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// Whose.
    pub account: AccountId,
    /// Of this channel; `None`: of all.
    pub channel: Option<Channel>,
    /// Entries to leave out before the first.
    pub skip: i64,
    /// Entries at most.
    pub limit: i64,
}

/// The answer to [`List`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Some of them.
    pub entries: Vec<Entry>,
    /// How many there are in all, counted up to [`COUNT_MAX`].
    pub total: i64,
}

impl Question for List {
    type Answer = Listed;

    fn answer(self, view: &mut View<'_>) -> Result<Listed> {
        let channel = self.channel.map_or(-1, |channel| channel as i64);
        let page = [self.account.0, channel, self.limit, self.skip];
        let entries = view.prepare(PAGE)?.all(page, Entry::from_row)?;
        let count = [self.account.0, channel, COUNT_MAX];
        let total = view.prepare(COUNT)?.one(count, |row| row.get(0))?;
        Ok(Listed { entries, total })
    }
}

/// Those of some addresses that are on an account's list.
#[derive(Debug, Clone)]
pub struct Find {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub addresses: Vec<Address>,
}

impl Question for Find {
    type Answer = Vec<Entry>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<Entry>> {
        let mut found = Vec::new();
        let mut one = view.prepare(ONE)?;
        for address in self.addresses {
            let (channel, text) = (address.channel() as i64, address.to_string());
            found.extend(one.first(values![self.account.0, channel, text], Entry::from_row)?);
        }
        Ok(found)
    }
}

/// An entry that was taken off again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// As it stood.
    pub entry: Entry,
    /// When it was taken off.
    pub at: Instant,
    /// By whom.
    pub source: Source,
    /// Why, in their words.
    pub reason: String,
}

/// The newest entries that were taken off an account's list.
#[derive(Debug, Clone, Copy)]
pub struct ListEnded {
    /// Whose.
    pub account: AccountId,
    /// At most.
    pub limit: i64,
}

impl Question for ListEnded {
    type Answer = Vec<Ended>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<Ended>> {
        view.prepare(ENDED)?.all([self.account.0, self.limit], |row| {
            Ok(Ended {
                entry: Entry::from_row(row)?,
                at: Instant::from_micros(row.get(6)?),
                source: Source::from_stored(row.get(7)?),
                reason: row.get(8)?,
            })
        })
    }
}

/// Which of some recipients have opted out of text messages, as far as is committed: for what is
/// only asked, and to price a large request. By index; at most a thousand at a time.
#[derive(Debug, Clone)]
pub struct Among {
    /// Whose list.
    pub account: AccountId,
    /// Whom to look for.
    pub recipients: Vec<Phone>,
}

impl Question for Among {
    type Answer = Vec<usize>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<usize>> {
        if view.prepare(ANY)?.first([self.account.0], |_| Ok(()))?.is_none() {
            return Ok(Vec::new());
        }
        listed(&mut view.prepare(IS_LISTED)?, self.account, self.recipients.into_iter())
    }
}

fn listed(
    is_listed: &mut Prepared<'_>,
    account: AccountId,
    phones: impl Iterator<Item = Phone>,
) -> Result<Vec<usize>> {
    let texts: Vec<String> = phones.map(|phone| phone.to_string()).collect();
    let keys = texts.iter().map(|text| values![account.0, Channel::Sms as i64, *text]);
    let found = is_listed.first_of_each(keys, |_| Ok(()))?;
    let found = found.into_iter().enumerate();
    Ok(found.filter(|(_, listed)| listed.is_some()).map(|(idx, _)| idx).collect())
}

/// Which of some recipients have opted out, by index. Asks nothing of the store where the account
/// is known to have no list.
pub(super) fn among(
    work: &mut Work<'_>,
    account: AccountId,
    phones: impl Iterator<Item = Phone>,
) -> Result<Vec<usize>> {
    let (money, database) = work.money();
    if !money.standing(database, account)?.has_opt_outs {
        return Ok(Vec::new());
    }
    listed(&mut work.prepare(IS_LISTED)?, account, phones)
}

/// Ends a part that waits, because its recipient has opted out: what it had reserved is given back.
/// Answers whether it did.
pub(super) fn refuse(
    work: &mut Work<'_>,
    account: AccountId,
    id: PartId,
    now: Instant,
) -> Result<bool> {
    let Some(before) = part::find(work, id)?.filter(|part| part.state == PartState::Queued) else {
        return Ok(false);
    };
    let step = Step {
        part: id,
        kind: EventKind::Refused,
        route: before.route,
        at: now,
        word: "REJECTD",
        code: "",
        detail: REFUSED,
    };
    let in_doubt = uncertain::was_in_doubt(work, id)?;
    let detail = if in_doubt { "opted out, and an earlier try is in doubt" } else { REFUSED };
    let step = Step { detail, ..step };
    uncertain::end(work, (account, &before), PartState::Rejected, step, in_doubt)?;
    Ok(true)
}

/// The same for the parts of whole messages.
pub(super) fn refuse_messages(
    work: &mut Work<'_>,
    account: AccountId,
    messages: impl Iterator<Item = (MessageId, u8)>,
    now: Instant,
) -> Result<()> {
    for (message, n_parts) in messages {
        for part in 0..n_parts {
            refuse(work, account, message.part(part), now)?;
        }
    }
    Ok(())
}

/// Recipients of whom some, by index, are refused: they cost nothing.
#[must_use]
pub fn unpriced(recipients: &[Recipient], refused: &[usize]) -> Arc<[Recipient]> {
    let mut recipients: Vec<Recipient> = recipients.to_vec();
    for idx in refused {
        if let Some(recipient) = recipients.get_mut(*idx) {
            (recipient.price, recipient.extra) = (Money::ZERO, Money::ZERO);
        }
    }
    recipients.into()
}

/// Ends what waits of some messages of a large request whose recipients have opted out; at most
/// [`pombo_domain::limits::ROWS_PER_OPERATION_MAX`] parts.
#[derive(Debug, Clone)]
pub struct Refuse {
    /// Whose.
    pub account: AccountId,
    /// The messages, with the number of their parts.
    pub messages: Vec<(MessageId, Recipient)>,
    /// When.
    pub now: Instant,
}

impl Operation for Refuse {
    type Answer = ();

    fn rows(&self) -> usize {
        self.messages.iter().map(|(_, to)| usize::from(to.n_parts)).sum()
    }

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        work.now_is(self.now);
        let phones = self.messages.iter().map(|(_, recipient)| recipient.to);
        let listed = among(work, self.account, phones)?;
        let of = |(message, to): (MessageId, Recipient)| (message, to.n_parts);
        let messages = listed.into_iter().map(|idx| of(self.messages[idx]));
        refuse_messages(work, self.account, messages, self.now)
    }
}
