//! Balances within one commit: read once, checked exactly, written once.

use std::collections::HashMap;

use pombo_domain::id::AccountId;
use pombo_domain::money::Money;
use rusqlite::{Connection, OptionalExtension, params};

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
}

/// What one transaction does to balances.
#[derive(Debug, Default)]
pub(crate) struct MoneyBook {
    accounts: HashMap<AccountId, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    /// The balance when the transaction began, where it had to be known.
    before: Option<Money>,
    change: Money,
    released: Money,
}

impl MoneyBook {
    /// What the account can spend now, counting this transaction's changes.
    pub(crate) fn balance(
        &mut self,
        connection: &Connection,
        account: AccountId,
    ) -> rusqlite::Result<Money> {
        let entry = self.accounts.entry(account).or_default();
        let before = match entry.before {
            Some(before) => before,
            None => {
                let micros = connection
                    .prepare_cached("select balance from account where id = $1")?
                    .query_row([account.0], |row| row.get(0))
                    .optional()?
                    .unwrap_or(0);
                *entry.before.insert(Money::from_micros(micros))
            }
        };
        Ok(before + entry.change)
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

    /// Writes the new balances; the last thing before the commit.
    pub(crate) fn flush(&mut self, connection: &Connection, at: i64) -> rusqlite::Result<()> {
        for (account, entry) in self.accounts.drain() {
            if entry.released != Money::ZERO {
                let kind = LedgerKind::Release as i64;
                connection
                    .prepare_cached(
                        "insert into ledger (account, at, kind, amount) values ($1, $2, $3, $4)",
                    )?
                    .execute(params![account.0, at, kind, entry.released.micros()])?;
            }
            if entry.change != Money::ZERO {
                connection
                    .prepare_cached("update account set balance = balance + $1 where id = $2")?
                    .execute([entry.change.micros(), account.0])?;
            }
        }
        Ok(())
    }

    /// Forgets everything: the transaction was rolled back.
    pub(crate) fn clear(&mut self) {
        self.accounts.clear();
    }
}
