//! Balances: read once, checked exactly, written once a commit. What an account may do is known until
//! another process commits.

use std::collections::HashMap;

use pombo_domain::id::AccountId;
use pombo_domain::money::Money;

use crate::error::Result;
use crate::sql::Database;
use crate::statement::statements;

statements! {
    STANDING = "select balance, per_day, spend_cap from account where id = $1";
    GIVE_BACK = "insert into ledger (account, at, kind, amount) values ($1, $2, $3, $4)";
    UNSPEND = "update account_day set spent = case when spent > $1 then spent - $1 else 0 end \
        where account = $2 and day = $3";
    CHANGE = "update account set balance = balance + $1 where id = $2";
}

/// Accounts that are kept.
const ACCOUNTS_MAX: usize = 4_096;

const DAY_MICROS: i64 = 86_400_000_000;

/// Kinds of ledger rows, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub(crate) enum LedgerKind {
    /// Given or taken by the operator.
    Credit = 0,
    /// Set aside for a request.
    Reservation = 1,
    /// Given back for parts that no carrier took.
    Release = 2,
    /// Given back for parts that carriers took and did not deliver, where the price list says so;
    /// negative where they delivered them after all.
    Refund = 3,
}

/// What one transaction does to balances, and what they are.
#[derive(Debug, Default)]
pub(crate) struct MoneyBook {
    accounts: HashMap<AccountId, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    /// The account without this transaction's changes, where it was looked at.
    before: Option<Standing>,
    change: Money,
    released: Money,
    refunded: Money,
}

impl Entry {
    /// Its changes are written.
    fn settle(&mut self) {
        if let Some(before) = &mut self.before {
            before.balance += self.change;
        }
        *self = Self { before: self.before, ..Self::default() };
    }
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
}

impl MoneyBook {
    /// What the account may do now, counting this transaction's changes of its balance.
    pub(crate) fn standing(
        &mut self,
        database: Database<'_>,
        account: AccountId,
    ) -> Result<Standing> {
        let entry = self.accounts.entry(account).or_default();
        let before = match entry.before {
            Some(before) => before,
            None => {
                let found = database.prepare(STANDING.sql)?.first([account.0], |row| {
                    let balance = Money::from_micros(row.get(0)?);
                    let spend_cap: Option<i64> = row.get(2)?;
                    let spend_cap = spend_cap.map(Money::from_micros);
                    Ok(Standing { balance, per_day: row.get(1)?, spend_cap })
                })?;
                let unknown = Standing { balance: Money::ZERO, per_day: None, spend_cap: None };
                entry.before = found;
                found.unwrap_or(unknown)
            }
        };
        Ok(Standing { balance: before.balance + entry.change, ..before })
    }

    /// Changes the balance; the caller writes the ledger row that says why.
    pub(crate) fn change(&mut self, account: AccountId, amount: Money) {
        self.accounts.entry(account).or_default().change += amount;
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
        for (account, entry) in &mut self.accounts {
            if entry.released != Money::ZERO {
                let kind = LedgerKind::Release as i64;
                let row = [account.0, at, kind, entry.released.micros()];
                database.prepare(GIVE_BACK.sql)?.write(row)?;
                // There is a row only for accounts with a limit.
                let given_back = [entry.released.micros(), account.0, at.div_euclid(DAY_MICROS)];
                database.prepare(UNSPEND.sql)?.write(given_back)?;
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
            entry.settle();
        }
        if self.accounts.len() > ACCOUNTS_MAX {
            self.accounts.clear();
        }
        Ok(())
    }

    /// Looks at the account anew when it is asked for next: its limits were changed.
    pub(crate) fn look_again(&mut self, account: AccountId) {
        if let Some(entry) = self.accounts.get_mut(&account) {
            entry.before = None;
        }
    }

    /// Forgets everything: the transaction was rolled back.
    pub(crate) fn clear(&mut self) {
        self.accounts.clear();
    }
}
