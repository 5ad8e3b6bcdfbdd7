//! One-time codes: made, checked, and forgotten when they are long over.
//!
//! One process writes at a time, and a check counts and compares in one command: however many come
//! together, as many are compared as may be, and one is right.

mod guard;
mod recent;
mod texts;

use pombo_domain::id::{AccountId, MessageId};
use pombo_domain::opt_out::Address;
use pombo_domain::otp::{Config, KEPT, KEY_BYTES, Key, Limits, Otp, Reason, SALT_BYTES, Seed};
use pombo_domain::time::Instant;

use super::Operation;
use crate::error::{Error, Result};
use crate::sql::{Prepared, Row, values};
use crate::statement::statements;
use crate::work::Work;

pub use guard::Limited;
#[cfg(test)]
pub(crate) use guard::STATEMENTS as GUARD_STATEMENTS;
pub(super) use guard::{Counts, judge};
#[cfg(test)]
pub(crate) use recent::STATEMENTS as RECENT_STATEMENTS;
pub use recent::{Recent, Seen};
pub use texts::Pending;
#[cfg(test)]
pub(crate) use texts::STATEMENTS as TEXT_STATEMENTS;
pub(super) use texts::{await_codes, hand_over, is_any_pending, with_code};

statements! {
    NEW_KEY = "insert into server_key (name, secret, created) values ('otp', $1, $2) \
        on conflict do nothing";
    KEY = "select secret from server_key where name = 'otp'";
    FIND = "select id, message, salt, alpha, length, attempts, attempts_max, validity, created, \
        updated, expires, used from otp where account = $1 and app = $2 and recipient = $3";
    PUT = "insert into otp (account, app, recipient, message, salt, alpha, length, attempts, \
        attempts_max, validity, created, updated, expires, used) \
        values ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10, $10, $11, $12) \
        on conflict (account, app, recipient) do update set message = excluded.message, \
        salt = excluded.salt, alpha = excluded.alpha, length = excluded.length, \
        attempts = excluded.attempts, attempts_max = excluded.attempts_max, \
        validity = excluded.validity, created = excluded.created, updated = excluded.updated, \
        expires = excluded.expires, used = excluded.used";
    COMPARED = "update otp set attempts = $1, updated = $2, used = $3 where id = $4";
    LONG_OVER = "delete from otp where id in \
        (select id from otp where expires < $1 order by expires limit $2)";
}

/// Values of `otp.used`.
const PENDING: i64 = 0;
const SPENT: i64 = 1;
/// Its message waits, and the code is made when that leaves; `expires` is when nobody waits for it
/// any more.
const AWAITS: i64 = 2;

/// Keeps a key where the store has none yet.
#[derive(Debug, Clone)]
pub struct KeepKey {
    /// Fresh from the system's chance.
    pub key: Key,
    /// When.
    pub now: Instant,
}

impl Operation for KeepKey {
    type Answer = ();

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        let octets = self.key.octets().as_slice();
        work.prepare(NEW_KEY)?.execute(values![octets, self.now.micros()])?;
        Ok(())
    }
}

fn key(work: &Work<'_>) -> Result<Key> {
    let found: Option<Vec<u8>> = work.prepare(KEY)?.first((), |row| row.get(0))?;
    let octets = found.and_then(|octets| <[u8; KEY_BYTES]>::try_from(octets).ok());
    octets.map(Key::new).ok_or_else(|| Error::Failed("the key of one-time codes is missing".into()))
}

/// Makes a code; one that the recipient had for the same `appId` is over.
#[derive(Debug, Clone)]
pub struct Generate {
    /// Whose.
    pub account: AccountId,
    /// For whom.
    pub recipient: Address,
    /// What is asked of it.
    pub config: Config,
    /// How many may be made.
    pub limits: Limits,
    /// Chance.
    pub salt: [u8; SALT_BYTES],
    /// When.
    pub now: Instant,
}

/// A code and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The code: to be told, not to be kept.
    pub code: String,
    /// How it stands.
    pub otp: Otp,
}

/// What became of a wish for a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Generated {
    /// It was made.
    Made(Made),
    /// One is pending, and another was not to be made.
    Pending,
    /// Too many were made.
    Limited(Limited),
}

impl Operation for Generate {
    type Answer = Generated;

    fn run(&self, work: &mut Work<'_>) -> Result<Generated> {
        let key = key(work)?;
        let place = (self.account, self.config.app.as_str(), &self.recipient);
        if self.config.reject_if_pending
            && let Some(found) = find(&mut work.prepare(FIND)?, place)?
            && found.is_pending(self.now, |message| texts::waits(work, message))?
        {
            return Ok(Generated::Pending);
        }
        let who = std::iter::once(self.recipient.clone());
        match judge(work, (self.account, &self.limits), who, self.now)? {
            Ok(counts) => counts.write(work)?,
            Err(limited) => return Ok(Generated::Limited(limited)),
        }
        let otp = Otp::new(self.config.clone(), self.now);
        let message = MessageId(0);
        put(work, place, (message, &self.salt), (&otp, PENDING))?;
        let seed = Seed { account: self.account, message, salt: &self.salt };
        Ok(Generated::Made(Made { code: key.code(seed, &self.config), otp }))
    }
}

/// Compares a guess with a recipient's code, and counts it.
#[derive(Debug, Clone)]
pub struct Check {
    /// Whose.
    pub account: AccountId,
    /// Who was given the code.
    pub recipient: Address,
    /// For which `appId`.
    pub app: String,
    /// What they say.
    pub guess: String,
    /// When.
    pub now: Instant,
}

/// What a check says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// In a word.
    pub reason: Reason,
    /// How the code stands now, where there is one.
    pub otp: Option<Otp>,
}

impl Operation for Check {
    type Answer = Checked;

    fn run(&self, work: &mut Work<'_>) -> Result<Checked> {
        let place = (self.account, self.app.as_str(), &self.recipient);
        let found = find(&mut work.prepare(FIND)?, place)?;
        let Some(found) = found.filter(|found| !found.awaits) else {
            return Ok(Checked { reason: Reason::NotFound, otp: None });
        };
        if let Some(reason) = found.otp.over(self.now) {
            let otp = (reason != Reason::NotFound).then_some(found.otp);
            return Ok(Checked { reason, otp });
        }
        let key = key(work)?;
        let seed = Seed { account: self.account, message: found.message, salt: &found.salt };
        let used = key.is_right(&key.code(seed, &found.otp.config), &self.guess);
        let otp = Otp { attempts: found.otp.attempts + 1, updated: self.now, used, ..found.otp };
        let (attempts, at) = (otp.attempts, self.now.micros());
        work.prepare(COMPARED)?.execute(values![attempts, at, used, found.id])?;
        let reason = if used { Reason::Valid } else { Reason::Invalid };
        Ok(Checked { reason, otp: Some(otp) })
    }
}

/// A code's row.
struct Found {
    id: i64,
    message: MessageId,
    salt: Vec<u8>,
    /// Whether there is no code yet: its message waits.
    awaits: bool,
    otp: Otp,
}

impl Found {
    /// Whether another code would end one that can still be checked, or that will be made: `waits`
    /// tells whether a message is still to leave.
    fn is_pending(
        &self,
        now: Instant,
        waits: impl FnOnce(MessageId) -> Result<bool>,
    ) -> Result<bool> {
        match self.awaits {
            true => Ok(self.otp.expires > now && waits(self.message)?),
            false => Ok(self.otp.over(now).is_none()),
        }
    }
}

type Place<'a> = (AccountId, &'a str, &'a Address);

/// Finds a row by the statement [`FIND`].
fn find(by: &mut Prepared<'_>, (account, app, recipient): Place<'_>) -> Result<Option<Found>> {
    let read = |row: &Row<'_>| {
        let config = Config {
            alpha: row.get(3)?,
            length: row.get(4)?,
            attempts_max: row.get(6)?,
            validity_s: row.get(7)?,
            app: app.to_owned(),
            reject_if_pending: false,
        };
        let otp = Otp {
            config,
            attempts: row.get(5)?,
            created: Instant::from_micros(row.get(8)?),
            updated: Instant::from_micros(row.get(9)?),
            expires: Instant::from_micros(row.get(10)?),
            used: row.get::<i64>(11)? == SPENT,
        };
        let (id, message) = (row.get(0)?, MessageId(row.get(1)?));
        Ok(Found { id, message, salt: row.get(2)?, awaits: row.get::<i64>(11)? == AWAITS, otp })
    };
    by.first(values![account.0, app, recipient.to_string()], read)
}

fn put(
    work: &Work<'_>,
    (account, app, recipient): Place<'_>,
    (message, salt): (MessageId, &[u8]),
    (otp, state): (&Otp, i64),
) -> Result<()> {
    let config = &otp.config;
    work.prepare(PUT)?.execute(values![
        account.0,
        app,
        recipient.to_string(),
        message.0,
        salt,
        config.alpha,
        config.length,
        config.attempts_max,
        config.validity_s,
        otp.created.micros(),
        otp.expires.micros(),
        state,
    ])?;
    Ok(())
}

/// Forgets some that are long over; answers how many.
pub(super) fn sweep(work: &Work<'_>, now: Instant, limit: i64) -> Result<usize> {
    let counts = guard::sweep(work, now, limit)?;
    let codes = work.prepare(LONG_OVER)?.execute([now.minus(KEPT).micros(), limit])?;
    Ok(counts.max(codes))
}
