//! Accounts: who may send, what they may spend, from where.

use pombo_domain::address::Country;
use pombo_domain::id::AccountId;
use pombo_domain::message::Category;
use pombo_domain::money::Money;
use pombo_domain::time::Instant;

use super::{Operation, Question, View};
use crate::error::Result;
use crate::sql::{Row, values};
use crate::statement::statements;
use crate::work::{LedgerKind, Work};

statements! {
    NEW = "insert into account (name, password_hash, balance, currency, created) \
        values ($1, $2, 0, $3, $4) on conflict (name) do nothing returning id";
    LIST = "select id, name, password_hash, balance, currency, disabled, category, rate_per_s, \
        per_day, allow, created, link_url, spend_cap, countries, \
        ages_verified, opt_out_text, approved_senders from account order by name";
    BY_NAME = "select id, name, password_hash, balance, currency, disabled, category, rate_per_s, \
        per_day, allow, created, link_url, spend_cap, countries, \
        ages_verified, opt_out_text, approved_senders from account where name = $1";
    BY_ID = "select id, name, password_hash, balance, currency, disabled, category, rate_per_s, \
        per_day, allow, created, link_url, spend_cap, countries, \
        ages_verified, opt_out_text, approved_senders from account where id = $1";
    SET_PASSWORD = "update account set password_hash = $1 where name = $2";
    SET_ALLOW = "update account set allow = $1 where name = $2";
    SET_DISABLED = "update account set disabled = $1 where name = $2";
    SET_RATE = "update account set rate_per_s = $1 where name = $2";
    SET_PER_DAY = "update account set per_day = $1 where name = $2";
    SET_SPEND_CAP = "update account set spend_cap = $1 where name = $2";
    SET_COUNTRIES = "update account set countries = $1 where name = $2";
    NEWEST_ROW = "select coalesce(max(id), 0) from ledger";
    ROW_AT = "select at from ledger where id >= $1 order by id limit 1";
    SPENT_SINCE = "select cast(coalesce(sum(-amount), 0) as bigint) from ledger \
        where id >= $1 and at >= $2 and account = $3 and kind in (1, 2)";
    SET_SPENT = "insert into account_day (account, day, messages, spent) values ($1, $2, 0, $3) \
        on conflict (account, day) do update set spent = excluded.spent";
    SET_APPROVED_SENDERS = "update account set approved_senders = $1 where name = $2";
    SPENT = "select spent from account_day where account = $1 and day = $2";
    SET_CATEGORY = "update account set category = $1 where name = $2";
    SET_AGES_VERIFIED = "update account set ages_verified = $1 where name = $2";
    SET_OPT_OUT_TEXT = "update account set opt_out_text = $1 where name = $2";
    SET_LINK_URL = "update account set link_url = $1 where name = $2";
    CREDIT = "insert into ledger (account, at, kind, amount) values ($1, $2, $3, $4)";
    LEDGER_SUM = "select cast(coalesce(sum(amount), 0) as bigint) from ledger where account = $1";
}

/// A stored account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// Its name: the API's username.
    pub name: String,
    /// argon2id, PHC string.
    pub password_hash: String,
    /// What it can spend.
    pub balance: Money,
    /// ISO 4217 code.
    pub currency: String,
    /// Refused at the door.
    pub disabled: bool,
    /// The law's kind where a request does not say.
    pub category: Category,
    /// Parts a second; `None`: no limit.
    pub rate_per_s: Option<u32>,
    /// Messages a UTC day; `None`: no limit.
    pub per_day: Option<u64>,
    /// CIDRs it may call from; empty: everywhere.
    pub allow: Vec<String>,
    /// When it was made.
    pub created: Instant,
    /// What its short links begin with, without a slash at the end; `None`: this server's address.
    pub link_url: Option<String>,
    /// What it may spend a UTC day; `None`: no limit.
    pub spend_cap: Option<Money>,
    /// Countries it may send to; empty: all.
    pub countries: Vec<Country>,
    /// It says that it has verified its recipients' ages.
    pub ages_verified: bool,
    /// Added to marketing that says no way to end the subscription; empty: that is refused; `None`:
    /// it goes as it is.
    pub opt_out_text: Option<String>,
    /// Its messages may only show senders that were approved.
    pub approved_senders: bool,
}

impl Account {
    /// Whether it may send to this country.
    #[must_use]
    pub fn may_reach(&self, country: Country) -> bool {
        self.countries.is_empty() || self.countries.contains(&country)
    }

    fn from_row(row: &Row<'_>) -> Result<Self> {
        let marketing: i64 = row.get(6)?;
        let per_day: Option<i64> = row.get(8)?;
        let allow: String = row.get(9)?;
        let spend_cap: Option<i64> = row.get(12)?;
        let countries: String = row.get(13)?;
        Ok(Self {
            id: AccountId(row.get(0)?),
            name: row.get(1)?,
            password_hash: row.get(2)?,
            balance: Money::from_micros(row.get(3)?),
            currency: row.get(4)?,
            disabled: row.get(5)?,
            category: if marketing == 1 { Category::Marketing } else { Category::Transactional },
            rate_per_s: row.get(7)?,
            per_day: per_day.and_then(|n| u64::try_from(n).ok()),
            allow: allow.lines().map(str::to_owned).collect(),
            created: Instant::from_micros(row.get(10)?),
            link_url: row.get(11)?,
            spend_cap: spend_cap.map(Money::from_micros),
            countries: countries.lines().filter_map(Country::parse).collect(),
            ages_verified: row.get(14)?,
            opt_out_text: row.get(15)?,
            approved_senders: row.get(16)?,
        })
    }
}

/// Makes an account with an opening balance.
#[derive(Debug, Clone)]
pub struct Add {
    /// Its name, free until now.
    pub name: String,
    /// argon2id, PHC string.
    pub password_hash: String,
    /// The opening balance.
    pub credit: Money,
    /// ISO 4217 code.
    pub currency: String,
    /// When.
    pub now: Instant,
}

impl Operation for Add {
    /// Its number, or `None` where the name is taken.
    type Answer = Option<AccountId>;

    fn run(&self, work: &mut Work<'_>) -> Result<Option<AccountId>> {
        work.now_is(self.now);
        let id = work.prepare(NEW)?.first(
            values![self.name, self.password_hash, self.currency, self.now.micros()],
            |row| row.get(0).map(AccountId),
        )?;
        if let Some(id) = id {
            credit(work, id, self.credit, self.now)?;
        }
        Ok(id)
    }
}

fn credit(work: &mut Work<'_>, account: AccountId, amount: Money, now: Instant) -> Result<()> {
    if amount != Money::ZERO {
        let kind = LedgerKind::Credit as i64;
        work.prepare(CREDIT)?.execute([account.0, now.micros(), kind, amount.micros()])?;
        work.money().0.change(account, amount);
    }
    Ok(())
}

/// Gives credit, or takes it where negative.
#[derive(Debug, Clone)]
pub struct Credit {
    /// Whose, by name.
    pub name: String,
    /// How much.
    pub amount: Money,
    /// When.
    pub now: Instant,
}

impl Operation for Credit {
    /// The new balance, or `None` where there is no such account.
    type Answer = Option<Money>;

    fn run(&self, work: &mut Work<'_>) -> Result<Option<Money>> {
        work.now_is(self.now);
        let Some(account) = work.prepare(BY_NAME)?.first(values![self.name], Account::from_row)?
        else {
            return Ok(None);
        };
        credit(work, account.id, self.amount, self.now)?;
        let (money, database) = work.money();
        money.standing(database, account.id).map(|standing| Some(standing.balance))
    }
}

/// One change to an account.
#[derive(Debug, Clone)]
pub enum Change {
    /// A new password's hash.
    PasswordHash(String),
    /// The CIDRs it may call from.
    Allow(Vec<String>),
    /// Refuse it at the door, or not any more.
    Disabled(bool),
    /// Parts a second.
    RatePerSecond(Option<u32>),
    /// Messages a day.
    PerDay(Option<u64>),
    /// The law's kind where a request does not say.
    Category(Category),
    /// What its short links begin with.
    LinkUrl(Option<String>),
    /// What it may spend a day, and when that is set: what this day has cost so far counts.
    SpendCap(Option<Money>, Instant),
    /// Countries it may send to.
    Countries(Vec<Country>),
    /// Whether its messages may only show senders that were approved.
    ApprovedSenders(bool),
    /// Whether it has verified its recipients' ages.
    AgesVerified(bool),
    /// What is added to marketing that says no way to end the subscription.
    OptOutText(Option<String>),
}

/// Changes an account.
#[derive(Debug, Clone)]
pub struct Set {
    /// Which, by name.
    pub name: String,
    /// What.
    pub changes: Vec<Change>,
}

impl Operation for Set {
    /// Whether there is such an account.
    type Answer = bool;

    fn run(&self, work: &mut Work<'_>) -> Result<bool> {
        let name = &self.name;
        let known = work.prepare(BY_NAME)?.first(values![name], |row| row.get(0).map(AccountId))?;
        known.into_iter().for_each(|account| work.money().0.look_again(account));
        for change in &self.changes {
            match change {
                Change::PasswordHash(hash) => {
                    work.prepare(SET_PASSWORD)?.execute(values![hash, name])?
                }
                Change::Allow(cidrs) => {
                    work.prepare(SET_ALLOW)?.execute(values![cidrs.join("\n"), name])?
                }
                Change::Disabled(disabled) => {
                    work.prepare(SET_DISABLED)?.execute(values![disabled, name])?
                }
                Change::RatePerSecond(rate) => {
                    work.prepare(SET_RATE)?.execute(values![rate, name])?
                }
                Change::PerDay(n) => {
                    let n = n.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
                    work.prepare(SET_PER_DAY)?.execute(values![n, name])?
                }
                Change::SpendCap(cap, now) => {
                    if let Some(account) = cap.and(known) {
                        count_day(work, account, *now)?;
                    }
                    let cap = cap.map(Money::micros);
                    work.prepare(SET_SPEND_CAP)?.execute(values![cap, name])?
                }
                Change::Countries(countries) => {
                    let lines: Vec<&str> = countries.iter().map(Country::as_str).collect();
                    work.prepare(SET_COUNTRIES)?.execute(values![lines.join("\n"), name])?
                }
                Change::ApprovedSenders(only) => {
                    work.prepare(SET_APPROVED_SENDERS)?.execute(values![only, name])?
                }
                Change::Category(category) => {
                    work.prepare(SET_CATEGORY)?.execute(values![*category as i64, name])?
                }
                Change::AgesVerified(verified) => {
                    work.prepare(SET_AGES_VERIFIED)?.execute(values![verified, name])?
                }
                Change::OptOutText(text) => {
                    work.prepare(SET_OPT_OUT_TEXT)?.execute(values![text, name])?
                }
                Change::LinkUrl(url) => work.prepare(SET_LINK_URL)?.execute(values![url, name])?,
            };
        }
        Ok(known.is_some())
    }
}

/// Counts what a day has cost an account so far: what its ledger set aside and did not give back.
fn count_day(work: &mut Work<'_>, account: AccountId, now: Instant) -> Result<()> {
    let midnight = now.day() * 86_400_000_000;
    // The ledger's first row of the day: its rows are in the order of time.
    let newest: i64 = work.prepare(NEWEST_ROW)?.one((), |row| row.get(0))?;
    let (mut from, mut to) = (0, newest + 1);
    let mut at_or_after = work.prepare(ROW_AT)?;
    while from < to {
        let middle = from + (to - from) / 2;
        match at_or_after.first([middle], |row| row.get::<i64>(0))? {
            Some(at) if at < midnight => from = middle + 1,
            _ => to = middle,
        }
    }
    let (money, database) = work.money();
    money.write_reserved(database)?;
    let spent: i64 =
        work.prepare(SPENT_SINCE)?.one([from, midnight, account.0], |row| row.get(0))?;
    work.prepare(SET_SPENT)?.execute([account.0, now.day(), spent.max(0)])?;
    work.money().0.recounted((account, now.day()));
    Ok(())
}

/// All accounts.
#[derive(Debug, Clone, Copy)]
pub struct List;

impl Question for List {
    type Answer = Vec<Account>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<Account>> {
        view.prepare(LIST)?.all((), Account::from_row)
    }
}

/// One account.
#[derive(Debug, Clone)]
pub enum Find {
    /// By its name.
    Name(String),
    /// By its number.
    Id(AccountId),
}

impl Question for Find {
    type Answer = Option<Account>;

    fn answer(self, view: &mut View<'_>) -> Result<Option<Account>> {
        match self {
            Self::Name(name) => view.prepare(BY_NAME)?.first(values![name], Account::from_row),
            Self::Id(id) => view.prepare(BY_ID)?.first([id.0], Account::from_row),
        }
    }
}

/// What an account spent on a UTC day, as far as its cap counts it.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// Whose.
    pub account: AccountId,
    /// Days since 1970-01-01.
    pub day: i64,
}

impl Question for Spent {
    type Answer = Money;

    fn answer(self, view: &mut View<'_>) -> Result<Money> {
        let spent: Option<i64> =
            view.prepare(SPENT)?.first(values![self.account.0, self.day], |row| row.get(0))?;
        Ok(spent.map_or(Money::ZERO, Money::from_micros))
    }
}

/// The sum of an account's ledger: must equal its balance.
#[derive(Debug, Clone, Copy)]
pub struct LedgerSum(pub AccountId);

impl Question for LedgerSum {
    type Answer = Money;

    fn answer(self, view: &mut View<'_>) -> Result<Money> {
        view.prepare(LEDGER_SUM)?.one([self.0.0], |row| row.get(0).map(Money::from_micros))
    }
}
