//! Senders: which ones accounts asked for, and which of them may be shown where.

use pombo_domain::address::{Approvals, Country, Sender, Standing};
use pombo_domain::id::AccountId;
use pombo_domain::limits::SENDERS_MAX;
use pombo_domain::time::Instant;

use super::{Operation, Question, View};
use crate::error::Result;
use crate::sql::{Row, values};
use crate::statement::statements;
use crate::work::Work;

statements! {
    NUMBER = "update sequence set next = next + 1 where name = 'sender' returning next";
    ASK = "insert into sender (id, account, sender, country, standing, asked, decided, reason) \
        values ($1, $2, $3, $4, 0, $5, null, '')";
    FIND = "select id, account, sender, country, standing, asked, decided, reason from sender \
        where account = $1 and sender = $2 and country = $3";
    BY_ID = "select id, account, sender, country, standing, asked, decided, reason from sender \
        where id = $1";
    COUNT = "select count(1) from sender where account = $1";
    REMOVE = "delete from sender where id = $1 and account = $2";
    DECIDE = "update sender set standing = $1, decided = $2, reason = $3 where id = $4";
    OF_ACCOUNT = "select id, account, sender, country, standing, asked, decided, reason \
        from sender where account = $1 order by id";
    ALL = "select id, account, sender, country, standing, asked, decided, reason from sender \
        where (account = $1 or $1 = 0) and (standing = $2 or $2 = -1) and id > $3 \
        order by id limit $4";
    APPROVED = "select country from sender where account = $1 and sender = $2 and standing = 1";
}

/// A sender that an account asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: i64,
    /// Whose.
    pub account: AccountId,
    /// What is shown.
    pub sender: Sender,
    /// Where to; `None`: everywhere.
    pub country: Option<Country>,
    /// How the operator stands to it.
    pub standing: Standing,
    /// When it was asked for.
    pub asked: Instant,
    /// When it was decided; `None` while it is pending.
    pub decided: Option<Instant>,
    /// Why, in the operator's words; may be empty.
    pub reason: String,
}

impl Entry {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let (sender, country): (String, String) = (row.get(2)?, row.get(3)?);
        let decided: Option<i64> = row.get(6)?;
        Ok(Self {
            id: row.get(0)?,
            account: AccountId(row.get(1)?),
            sender: Sender::from_stored(&sender),
            country: Country::parse(&country),
            standing: Standing::from_stored(row.get(4)?),
            asked: Instant::from_micros(row.get(5)?),
            decided: decided.map(Instant::from_micros),
            reason: row.get(7)?,
        })
    }
}

/// Two letters; none for everywhere.
fn stored(country: Option<Country>) -> String {
    country.map(|country| country.as_str().to_owned()).unwrap_or_default()
}

/// Asks for a sender.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Who.
    pub account: AccountId,
    /// For what.
    pub sender: Sender,
    /// Where to; `None`: everywhere.
    pub country: Option<Country>,
    /// When.
    pub now: Instant,
}

/// The answer to [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It waits for a decision.
    New(Entry),
    /// It was asked for before, and stands as it stood.
    Known(Entry),
    /// The account has asked for [`SENDERS_MAX`] already.
    TooMany,
}

impl Operation for Ask {
    type Answer = Asked;

    fn run(&self, work: &mut Work<'_>) -> Result<Asked> {
        let (account, country) = (self.account.0, stored(self.country));
        let name = self.sender.as_str();
        let known = work.prepare(FIND)?.first(values![account, name, country], Entry::from_row)?;
        if let Some(entry) = known {
            return Ok(Asked::Known(entry));
        }
        let n: i64 = work.prepare(COUNT)?.one([account], |row| row.get(0))?;
        if usize::try_from(n).is_ok_and(|n| n >= SENDERS_MAX) {
            return Ok(Asked::TooMany);
        }
        let id: i64 = work.prepare(NUMBER)?.one((), |row| row.get(0))?;
        work.prepare(ASK)?.execute(values![id, account, name, country, self.now.micros()])?;
        let entry = work.prepare(FIND)?.one(values![account, name, country], Entry::from_row)?;
        Ok(Asked::New(entry))
    }
}

/// Withdraws a sender.
#[derive(Debug, Clone, Copy)]
pub struct Remove {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub id: i64,
}

impl Operation for Remove {
    /// Whether the account had it.
    type Answer = bool;

    fn run(&self, work: &mut Work<'_>) -> Result<bool> {
        Ok(work.prepare(REMOVE)?.execute([self.id, self.account.0])? > 0)
    }
}

/// Decides about a sender; a later decision replaces it.
#[derive(Debug, Clone)]
pub struct Decide {
    /// Which.
    pub id: i64,
    /// How.
    pub standing: Standing,
    /// Why; may be empty.
    pub reason: String,
    /// When.
    pub now: Instant,
}

impl Operation for Decide {
    /// It, as it stands now; `None` where there is none.
    type Answer = Option<Entry>;

    fn run(&self, work: &mut Work<'_>) -> Result<Option<Entry>> {
        let (standing, now) = (self.standing as i64, self.now.micros());
        work.prepare(DECIDE)?.execute(values![standing, now, self.reason, self.id])?;
        work.prepare(BY_ID)?.first([self.id], Entry::from_row)
    }
}

/// All that an account asked for, oldest first: at most [`SENDERS_MAX`].
#[derive(Debug, Clone, Copy)]
pub struct OfAccount(pub AccountId);

impl Question for OfAccount {
    type Answer = Vec<Entry>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<Entry>> {
        view.prepare(OF_ACCOUNT)?.all([self.0.0], Entry::from_row)
    }
}

/// What was asked for, oldest first, a page at a time.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// By whom; `None`: by anybody.
    pub account: Option<AccountId>,
    /// How it stands; `None`: however.
    pub standing: Option<Standing>,
    /// After the entry with this number.
    pub after: i64,
    /// At most.
    pub limit: i64,
}

impl Question for List {
    type Answer = Vec<Entry>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<Entry>> {
        let account = self.account.map_or(0, |account| account.0);
        let standing = self.standing.map_or(-1, |standing| standing as i64);
        view.prepare(ALL)?.all([account, standing, self.after, self.limit], Entry::from_row)
    }
}

/// Where an account may show a sender.
#[derive(Debug, Clone)]
pub struct Approved {
    /// Who.
    pub account: AccountId,
    /// Exactly so: another spelling is another sender.
    pub sender: Sender,
}

impl Question for Approved {
    type Answer = Approvals;

    fn answer(self, view: &mut View<'_>) -> Result<Approvals> {
        let sender = self.sender.as_str();
        let key = values![self.account.0, sender];
        let countries = view.prepare(APPROVED)?.all(key, |row| {
            let country: String = row.get(0)?;
            Ok(Country::parse(&country))
        })?;
        Ok(Approvals(countries))
    }
}
