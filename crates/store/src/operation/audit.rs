//! `audit`: whether the money adds up, read in short pieces beside a running server.

use std::collections::BTreeMap;

use pombo_domain::id::{AccountId, MessageId};
use pombo_domain::money::Money;

use super::{Question, View};
use crate::error::Result;
use crate::statement::statements;
use crate::work::{IDS_PER_DAY, day_of, first_of_day};

statements! {
    BALANCES = "select id, balance from account";
    NEWEST = "select coalesce(max(id), 0) from ledger";
    /// The newest of the last few: a large request has its number earlier than its row.
    NEWEST_REQUEST = "select coalesce(max(r.request), 0) from (select request from ledger \
        where request is not null order by id desc limit 100) r";
    SLICE = "select l.account, \
        cast(sum(case when l.kind = 0 and l.at = a.created then l.amount else 0 end) as bigint), \
        cast(sum(case when l.kind = 0 and l.at <> a.created then l.amount else 0 end) as bigint), \
        cast(sum(case when l.kind = 1 then -l.amount else 0 end) as bigint), \
        cast(sum(case when l.kind = 2 then l.amount else 0 end) as bigint), \
        cast(sum(case when l.kind = 3 then l.amount else 0 end) as bigint) \
        from ledger l join account a on a.id = l.account where l.id > $1 and l.id <= $2 \
        group by l.account";
    /// The division gives the day of the request.
    RESERVED = "select account, request / $1, cast(sum(-amount) as bigint) from ledger \
        where id > $2 and id <= $3 and kind = 1 and request is not null group by 1, 2";
    LEAVING = "select day from leaving_day";
    /// Rows of accounts that do not exist, or of a kind that is none.
    STRAY = "select count(1) from ledger l where l.id > $1 and l.id <= $2 and \
        (l.kind not in (0, 1, 2, 3) or not exists (select 1 from account a where a.id = l.account))";
    STANDING = "select a.balance, cast(coalesce((select sum(l.amount) from ledger l \
        where l.account = a.id), 0) as bigint) from account a where a.id = $1";
    REQUESTS = "select id, account, reserved, messages, parts from request_{day} where id > $1 \
        order by id limit $2";
    PARTS = "select count(1), cast(coalesce(sum(price), 0) as bigint) from part_{day} \
        where id between $1 and $2";
}

/// Parts that one look at requests counts, roughly: some tens of milliseconds.
const PARTS_AT_ONCE: i64 = 100_000;

/// Where the ledger ends, and the balances that it must explain, at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Head;

/// The answer to [`Head`].
#[derive(Debug, Clone)]
pub struct LedgerHead {
    /// The newest row.
    pub newest: i64,
    /// The newest request that has its row.
    pub newest_request: MessageId,
    /// Each account's balance.
    pub balances: BTreeMap<AccountId, Money>,
    /// The days of history, oldest first; none that has begun to go.
    pub days: Vec<i64>,
}

impl Question for Head {
    type Answer = LedgerHead;

    fn answer(self, view: &mut View<'_>) -> Result<LedgerHead> {
        let mut days = view.days_since(i64::MIN)?;
        let leaving: Vec<i64> = view.prepare(LEAVING)?.all((), |row| row.get(0))?;
        days.retain(|day| !leaving.contains(day));
        let balances = view
            .prepare(BALANCES)?
            .all((), |row| Ok((AccountId(row.get(0)?), Money::from_micros(row.get(1)?))))?;
        Ok(LedgerHead {
            newest: view.prepare(NEWEST)?.one((), |row| row.get(0))?,
            newest_request: MessageId(view.prepare(NEWEST_REQUEST)?.one((), |row| row.get(0))?),
            balances: balances.into_iter().collect(),
            days,
        })
    }
}

/// What the ledger says of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Given when it was opened.
    pub opening: Money,
    /// Given and taken since by the operator.
    pub credits: Money,
    /// Set aside for requests.
    pub reserved: Money,
    /// Given back for parts that no carrier took.
    pub released: Money,
    /// Given back for parts that carriers took and did not deliver.
    pub refunded: Money,
    /// Of what was set aside: for requests of the days asked for.
    pub reserved_of_days: Money,
}

impl Sums {
    /// What must be left: opening + credits - reservations + releases + refunds.
    #[must_use]
    pub fn balance(&self) -> Money {
        self.opening + self.credits - self.reserved + self.released + self.refunded
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            opening: self.opening + other.opening,
            credits: self.credits + other.credits,
            reserved: self.reserved + other.reserved,
            released: self.released + other.released,
            refunded: self.refunded + other.refunded,
            reserved_of_days: self.reserved_of_days + other.reserved_of_days,
        }
    }
}

/// The sums of a piece of the ledger.
#[derive(Debug, Clone)]
pub struct Slice {
    /// Behind this row.
    pub after: i64,
    /// Up to this one.
    pub to: i64,
    /// What [`Sums::reserved_of_days`] counts.
    pub days: Vec<i64>,
}

impl Question for Slice {
    /// Each account's sums, and the rows that are nobody's.
    type Answer = (BTreeMap<AccountId, Sums>, u64);

    fn answer(self, view: &mut View<'_>) -> Result<Self::Answer> {
        let slice = [self.after, self.to];
        let sums = view.prepare(SLICE)?.all(slice, |row| {
            let money = |idx| row.get(idx).map(Money::from_micros);
            let sums = Sums {
                opening: money(1)?,
                credits: money(2)?,
                reserved: money(3)?,
                released: money(4)?,
                refunded: money(5)?,
                reserved_of_days: Money::ZERO,
            };
            Ok((AccountId(row.get(0)?), sums))
        })?;
        let mut sums: BTreeMap<AccountId, Sums> = sums.into_iter().collect();
        let by_day = [IDS_PER_DAY, self.after, self.to];
        let reserved: Vec<(i64, i64, i64)> = view
            .prepare(RESERVED)?
            .all(by_day, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        for (account, day, micros) in reserved {
            if self.days.contains(&day_of(day * IDS_PER_DAY)) {
                let sums = sums.entry(AccountId(account)).or_default();
                sums.reserved_of_days += Money::from_micros(micros);
            }
        }
        let stray: i64 = view.prepare(STRAY)?.one(slice, |row| row.get(0))?;
        Ok((sums, u64::try_from(stray).unwrap_or(0)))
    }
}

/// An account's balance and the sum of its ledger at one instant: the last word on a difference.
#[derive(Debug, Clone, Copy)]
pub struct Standing(pub AccountId);

impl Question for Standing {
    type Answer = Option<(Money, Money)>;

    fn answer(self, view: &mut View<'_>) -> Result<Self::Answer> {
        view.prepare(STANDING)?.first([self.0.0], |row| {
            Ok((Money::from_micros(row.get(0)?), Money::from_micros(row.get(1)?)))
        })
    }
}

/// Some requests of a day, with what their parts cost.
#[derive(Debug, Clone, Copy)]
pub struct Requests {
    /// The day.
    pub day: i64,
    /// Behind this message.
    pub after: MessageId,
    /// Requests at a time.
    pub limit: i64,
}

/// What a request set aside, and what its parts cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestSums {
    /// Its first message.
    pub id: MessageId,
    /// Whose.
    pub account: AccountId,
    /// Set aside.
    pub reserved: Money,
    /// The sum of its parts' prices.
    pub parts: Money,
    /// Whether all its parts are there.
    pub is_whole: bool,
}

impl Question for Requests {
    type Answer = Vec<RequestSums>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<RequestSums>> {
        let Some(mut requests) = view.prepare_for(REQUESTS, first_of_day(self.day))? else {
            return Ok(Vec::new());
        };
        let rows: Vec<(i64, i64, i64, i64, i64)> = requests
            .all([self.after.0, self.limit], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            })?;
        let (mut found, mut n_parts) = (Vec::new(), 0);
        for (id, account, reserved, messages, parts) in rows {
            let first = MessageId(id);
            let last = MessageId(id + messages - 1);
            let Some(mut statement) = view.prepare_for(PARTS, id)? else { break };
            let (count, price): (i64, i64) = statement
                .one([first.part(0).0, last.part(15).0], |row| Ok((row.get(0)?, row.get(1)?)))?;
            found.push(RequestSums {
                id: first,
                account: AccountId(account),
                reserved: Money::from_micros(reserved),
                parts: Money::from_micros(price),
                // Personal texts have `parts` at most.
                is_whole: (messages..=messages * parts).contains(&count),
            });
            n_parts += count;
            if n_parts >= PARTS_AT_ONCE {
                break;
            }
        }
        Ok(found)
    }
}
