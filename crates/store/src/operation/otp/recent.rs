//! The codes that are still known, for those who watch whether they are used.

use pombo_domain::id::AccountId;
use pombo_domain::opt_out::{Address, Channel};
use pombo_domain::time::Instant;

use super::super::{Question, View};
use super::{AWAITS, SPENT};
use crate::error::Result;
use crate::sql::Row;
use crate::statement::statements;

statements! {
    RECENT = "select id, account, recipient, expires, used, attempts_max - attempts from otp \
        where id > $1 and used <> $2 order by id limit $3";
}

/// A recipient's code that was made within the last hour or so; a newer one has taken its place
/// where there was one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its row.
    pub id: i64,
    /// Whose.
    pub account: AccountId,
    /// For whom.
    pub recipient: Address,
    /// When it is over.
    pub expires: Instant,
    /// Whether it was checked and right.
    pub used: bool,
    /// Checks that would still be compared with it.
    pub tries_left: u8,
}

/// Some of them, of all accounts, in the order of their rows.
#[derive(Debug, Clone, Copy)]
pub struct Recent {
    /// The last row that was seen.
    pub after: i64,
    /// Rows at most.
    pub limit: i64,
}

impl Question for Recent {
    type Answer = Vec<Seen>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<Seen>> {
        view.prepare(RECENT)?.all([self.after, AWAITS, self.limit], |row: &Row<'_>| {
            let address: String = row.get(2)?;
            let channel = if address.contains('@') { Channel::Mailing } else { Channel::Sms };
            Ok(Seen {
                id: row.get(0)?,
                account: AccountId(row.get(1)?),
                recipient: Address::from_stored(channel, address),
                expires: Instant::from_micros(row.get(3)?),
                used: row.get::<i64>(4)? == SPENT,
                tries_left: row.get(5)?,
            })
        })
    }
}
