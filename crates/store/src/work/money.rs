//! Balances: read once, checked exactly, written once a commit. What an account may do is known until
//! another process commits.

use std::collections::{BTreeMap, BTreeSet};

use pombo_domain::id::{AccountId, MessageId};
use pombo_domain::money::Money;
use pombo_domain::time::Instant;

use super::ids::day_of;

use crate::error::Result;
use crate::recent::Recent;
use crate::sql::{Database, Row};
use crate::statement::statements;

statements! {
    STANDING = "select balance, per_day, spend_cap, (select count(1) from \
        (select 1 from opt_out where account = account.id and channel = 0 limit 1) as any_one) \
        from account where id = $1";
    RESERVE = "insert into ledger (account, at, kind, amount, request) values ($1, $2, $3, $4, $5)";
    GIVE_BACK = "insert into ledger (account, at, kind, amount) values ($1, $2, $3, $4)";
    TODAY = "select messages, spent from account_day where account = $1 and day = $2";
    COUNT = "insert into account_day (account, day, messages, spent) values ($1, $2, $3, $4) \
        on conflict (account, day) do update set \
        messages = account_day.messages + excluded.messages, \
        spent = account_day.spent + excluded.spent";
    UNSPEND = "update account_day set spent = case when spent > $1 then spent - $1 else 0 end \
        where account = $2 and day = $3";
    CHANGE = "update account set balance = balance + $1 where id = $2";
}

/// Accounts whose standing is kept, at most.
const STANDINGS_MAX: usize = 16_384;

const DAY_MICROS: i64 = 86_400_000_000;

/// Kinds of ledger rows, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub(crate) enum LedgerKind {
    /// Given or taken by the operator.
    Credit = 0,
    /// Set aside for requests.
    Reservation = 1,
    /// Given back for parts that no carrier took.
    Release = 2,
    /// Given back for parts that carriers took and did not deliver, where the price list says so;
    /// negative where they delivered them after all.
    Refund = 3,
}

/// What one transaction does to balances, and what they are.
#[derive(Debug)]
pub(crate) struct MoneyBook {
    /// What this transaction changes; in order, so that the same commands leave the same ledger.
    accounts: BTreeMap<AccountId, Entry>,
    /// What it sets aside, by the day on which that is, the account, and the day of the requests.
    reserved: BTreeMap<(i64, AccountId, i64), Reserved>,
    /// What accounts could do before it.
    standings: Recent<AccountId, Standing>,
    /// What this transaction adds to days of accounts that have a limit.
    counted: BTreeMap<(AccountId, i64), Today>,
    /// How those days were before it.
    days: Recent<(AccountId, i64), Today>,
}

/// What counts against an account's limits of a UTC day.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Today {
    /// Messages.
    pub(crate) messages: i64,
    /// Micro-units.
    pub(crate) spent: i64,
}

impl Today {
    const fn add(&mut self, more: Self) {
        self.messages += more.messages;
        self.spent += more.spent;
    }
}

/// What was set aside for some requests.
#[derive(Debug, Clone, Copy)]
struct Reserved {
    amount: Money,
    /// The newest of them.
    request: MessageId,
    at: Instant,
}

#[derive(Debug, Default)]
struct Entry {
    change: Money,
    released: Money,
    refunded: Money,
}

/// What an account may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    /// What it can spend.
    pub(crate) balance: Money,
    /// Messages a UTC day; `None`: no limit.
    pub(crate) per_day: Option<i64>,
    /// What it may spend a UTC day; `None`: no limit.
    pub(crate) spend_cap: Option<Money>,
    /// Whether somebody has opted out of its text messages.
    pub(crate) has_opt_outs: bool,
}

impl Standing {
    /// Whether its days are counted.
    pub(crate) const fn is_limited(&self) -> bool {
        self.per_day.is_some() || self.spend_cap.is_some()
    }

    fn from_row(row: &Row<'_>) -> Result<Self> {
        let balance = Money::from_micros(row.get(0)?);
        let spend_cap: Option<i64> = row.get(2)?;
        let spend_cap = spend_cap.map(Money::from_micros);
        Ok(Self { balance, per_day: row.get(1)?, spend_cap, has_opt_outs: row.get(3)? })
    }
}

impl Default for MoneyBook {
    fn default() -> Self {
        Self {
            accounts: BTreeMap::new(),
            reserved: BTreeMap::new(),
            standings: Recent::new(STANDINGS_MAX),
            counted: BTreeMap::new(),
            days: Recent::new(STANDINGS_MAX),
        }
    }
}

impl MoneyBook {
    /// What the account may do now, counting this transaction's changes of its balance.
    pub(crate) fn standing(
        &mut self,
        database: Database<'_>,
        account: AccountId,
    ) -> Result<Standing> {
        let before = match self.standings.get(&account) {
            Some(before) => Some(*before),
            None => {
                let found =
                    database.prepare(STANDING.sql)?.first([account.0], Standing::from_row)?;
                found.into_iter().for_each(|found| self.standings.insert(account, found));
                found
            }
        };
        let unknown =
            Standing { balance: Money::ZERO, per_day: None, spend_cap: None, has_opt_outs: false };
        let before = before.unwrap_or(unknown);
        let change = self.accounts.get(&account).map_or(Money::ZERO, |entry| entry.change);
        Ok(Standing { balance: before.balance + change, ..before })
    }

    /// Looks at these accounts, as far as they are not known, in one question.
    pub(crate) fn read_ahead(
        &mut self,
        database: Database<'_>,
        accounts: &BTreeSet<AccountId>,
    ) -> Result<()> {
        let unknown = accounts.iter().filter(|account| self.standings.get(account).is_none());
        let unknown: Vec<AccountId> = unknown.copied().collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let asked = unknown.iter().map(|account| [account.0]);
        let found = database.prepare(STANDING.sql)?.first_of_each(asked, Standing::from_row)?;
        for (account, found) in unknown.into_iter().zip(found) {
            found.into_iter().for_each(|found| self.standings.insert(account, found));
        }
        Ok(())
    }

    /// What a day counts so far.
    pub(crate) fn today(&mut self, database: Database<'_>, day: (AccountId, i64)) -> Result<Today> {
        let mut today = match self.days.get(&day) {
            Some(today) => *today,
            None => {
                let found = database.prepare(TODAY.sql)?.first([day.0.0, day.1], |row| {
                    Ok(Today { messages: row.get(0)?, spent: row.get(1)? })
                })?;
                let today = found.unwrap_or_default();
                self.days.insert(day, today);
                today
            }
        };
        today.add(self.counted.get(&day).copied().unwrap_or_default());
        Ok(today)
    }

    /// Counts more.
    pub(crate) fn count_today(&mut self, day: (AccountId, i64), more: Today) {
        self.counted.entry(day).or_default().add(more);
    }

    /// What an account spent on a day was counted anew, this transaction's requests among it.
    pub(crate) fn recounted(&mut self, day: (AccountId, i64)) {
        self.days.remove(&day);
        if let Some(counted) = self.counted.get_mut(&day) {
            counted.spent = 0;
        }
    }

    /// Changes the balance; the caller writes the ledger row that says why.
    pub(crate) fn change(&mut self, account: AccountId, amount: Money) {
        self.accounts.entry(account).or_default().change += amount;
    }

    /// Sets aside what a request costs; one ledger row per commit, account and day says so, with the
    /// newest request. What each set aside stands with it.
    pub(crate) fn reserve(
        &mut self,
        account: AccountId,
        amount: Money,
        (request, at): (MessageId, Instant),
    ) {
        self.accounts.entry(account).or_default().change += -amount;
        let first = Reserved { amount: Money::ZERO, request, at };
        let reserved = self.reserved.entry((at.day(), account, day_of(request.0))).or_insert(first);
        reserved.amount += amount;
        reserved.request = reserved.request.max(request);
        reserved.at = reserved.at.max(at);
    }

    /// Writes what was set aside so far: by days, as the ledger is, and the newest request last, from
    /// which an audit knows how far it tells.
    pub(crate) fn write_reserved(&mut self, database: Database<'_>) -> Result<()> {
        let mut rows: Vec<_> = std::mem::take(&mut self.reserved).into_iter().collect();
        rows.sort_unstable_by_key(|((day, ..), reserved)| (*day, reserved.request));
        for ((_, account, _), reserved) in rows {
            let Reserved { amount, request, at } = reserved;
            let kind = LedgerKind::Reservation as i64;
            let row = [account.0, at.micros(), kind, -amount.micros(), request.0];
            database.prepare(RESERVE.sql)?.write(row)?;
        }
        Ok(())
    }

    /// Gives back what a part had reserved; one ledger row per commit and account says so.
    pub(crate) fn release(&mut self, account: AccountId, amount: Money) {
        let entry = self.accounts.entry(account).or_default();
        entry.change += amount;
        entry.released += amount;
    }

    /// Gives back what a part had cost, or takes it again where negative; one ledger row per commit
    /// and account says so.
    pub(crate) fn refund(&mut self, account: AccountId, amount: Money) {
        let entry = self.accounts.entry(account).or_default();
        entry.change += amount;
        entry.refunded += amount;
    }

    /// Writes the new balances; the last thing before the commit.
    pub(crate) fn flush(&mut self, database: Database<'_>, at: i64) -> Result<()> {
        self.write_reserved(database)?;
        for (day, more) in std::mem::take(&mut self.counted) {
            database.prepare(COUNT.sql)?.write([day.0.0, day.1, more.messages, more.spent])?;
            if let Some(today) = self.days.get(&day) {
                today.add(more);
            }
        }
        for (account, entry) in std::mem::take(&mut self.accounts) {
            if entry.released != Money::ZERO {
                let kind = LedgerKind::Release as i64;
                let row = [account.0, at, kind, entry.released.micros()];
                database.prepare(GIVE_BACK.sql)?.write(row)?;
                // There is a row only for accounts with a limit.
                let day = at.div_euclid(DAY_MICROS);
                let given_back = [entry.released.micros(), account.0, day];
                database.prepare(UNSPEND.sql)?.write(given_back)?;
                if let Some(today) = self.days.get(&(account, day)) {
                    today.spent = (today.spent - entry.released.micros()).max(0);
                }
            }
            // What carriers took counts against a day's limit, whatever becomes of it.
            if entry.refunded != Money::ZERO {
                let kind = LedgerKind::Refund as i64;
                let row = [account.0, at, kind, entry.refunded.micros()];
                database.prepare(GIVE_BACK.sql)?.write(row)?;
            }
            if entry.change != Money::ZERO {
                let change = [entry.change.micros(), account.0];
                database.prepare(CHANGE.sql)?.write(change)?;
            }
            if let Some(standing) = self.standings.get(&account) {
                standing.balance += entry.change;
            }
        }
        Ok(())
    }

    /// Looks at the account anew when it is asked for next: its limits were changed, or who has opted
    /// out.
    pub(crate) fn look_again(&mut self, account: AccountId) {
        self.standings.remove(&account);
    }

    /// Forgets everything: the transaction was rolled back.
    pub(crate) fn clear(&mut self) {
        self.accounts.clear();
        self.reserved.clear();
        self.standings.clear();
        self.counted.clear();
        self.days.clear();
    }
}
