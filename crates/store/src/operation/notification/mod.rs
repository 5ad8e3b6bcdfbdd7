//! Event notifications: where each account's events are told, what is owed, and what nobody took.

pub mod dead;
pub mod owed;

use pombo_domain::id::{AccountId, EventId};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::notification::Format;
use pombo_domain::time::Instant;

use super::{Operation, Question, View};
use crate::error::Result;
use crate::sql::{Row, values};
use crate::statement::statements;
use crate::work::{Work, first_at};

statements! {
    LIST = "select account, url, format, events, secret, old_secret, old_until, disabled, reason, \
        replay from notification order by account";
    FIND = "select account, url, format, events, secret, old_secret, old_until, disabled, reason, \
        replay from notification where account = $1";
    SET = "insert into notification (account, url, format, events, secret, old_secret, old_until, \
        disabled, reason) values ($1, $2, $3, $4, $5, '', 0, $6, $7) on conflict (account) do update \
        set url = excluded.url, format = excluded.format, events = excluded.events, \
        disabled = excluded.disabled, reason = excluded.reason";
    ROTATE = "update notification set old_secret = secret, old_until = $1, secret = $2 \
        where account = $3";
    DISABLE = "update notification set disabled = $1, reason = $2 where account = $3 \
        and disabled is null";
    /// What is told anew need not wait besides.
    FORGET_WAITING = "delete from callback_due where target = 1 and event in (select event \
        from callback_due where account = $1 and endpoint = $2 and event > $3 limit $4)";
    FORGET_DEAD = "delete from dead_letter where account = $1 and event in (select event \
        from dead_letter where account = $1 and event > $2 limit $3)";
    REPLAY = "update notification set replay = $1, disabled = null, reason = '' where account = $2";
    STAY = "update notification set replay = null where account = $1";
    ADVANCE = "update notification set replay = $1 where account = $2 and replay = $3";
    WAITING = "select count(1) from callback_due where account = $1 and endpoint = $2";
    DEAD = "select count(1) from dead_letter where account = $1";
}

/// The endpoint under which an account's notifications queue, whatever their URL: no URL is so.
pub const ENDPOINT: &str = "events";

/// Where an account's events are told, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whose.
    pub account: AccountId,
    /// The URL; empty: nowhere.
    pub url: String,
    /// How the body is written.
    pub format: Format,
    /// Names of the events of our own that are told too.
    pub events: Vec<String>,
    /// What signs: `whsec_…`.
    pub secret: String,
    /// What signs too, and until when; empty: nothing.
    pub old_secret: (String, Instant),
    /// Since when nothing is told, and why.
    pub disabled: Option<(Instant, String)>,
    /// Told up to here, behind everybody else; `None`: with them.
    pub replay: Option<EventId>,
}

impl Settings {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let format: i64 = row.get(2)?;
        let events: String = row.get(3)?;
        let old_until: i64 = row.get(6)?;
        let disabled: Option<i64> = row.get(7)?;
        let reason: String = row.get(8)?;
        let replay: Option<i64> = row.get(9)?;
        Ok(Self {
            account: AccountId(row.get(0)?),
            url: row.get(1)?,
            format: if format == 1 { Format::Json } else { Format::Form },
            events: events.split(',').filter(|e| !e.is_empty()).map(str::to_owned).collect(),
            secret: row.get(4)?,
            old_secret: (row.get(5)?, Instant::from_micros(old_until)),
            disabled: disabled.map(|since| (Instant::from_micros(since), reason)),
            replay: replay.map(EventId),
        })
    }
}

/// The settings of every account that ever had some.
#[derive(Debug, Clone, Copy)]
pub struct List;

impl Question for List {
    type Answer = Vec<Settings>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<Settings>> {
        view.prepare(LIST)?.all((), Settings::from_row)
    }
}

/// One account's settings, and how much waits and was given up.
#[derive(Debug, Clone, Copy)]
pub struct Find(pub AccountId);

/// The answer to [`Find`].
#[derive(Debug, Clone)]
pub struct Found {
    /// The settings.
    pub settings: Settings,
    /// Notifications that wait for another try.
    pub n_waiting: u64,
    /// Notifications that were given up.
    pub n_dead: u64,
}

impl Question for Find {
    type Answer = Option<Found>;

    fn answer(self, view: &mut View<'_>) -> Result<Option<Found>> {
        let account = self.0.0;
        let settings = view.prepare(FIND)?.first([account], Settings::from_row)?;
        let Some(settings) = settings else { return Ok(None) };
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        let waiting = view.prepare(WAITING)?.one(values![account, ENDPOINT], |row| row.get(0))?;
        let dead = view.prepare(DEAD)?.one([account], |row| row.get(0))?;
        Ok(Some(Found { settings, n_waiting: count(waiting), n_dead: count(dead) }))
    }
}

/// Changes an account's settings; what is `None` stays.
#[derive(Debug, Clone)]
pub struct Set {
    /// Whose.
    pub account: AccountId,
    /// The URL; empty: nowhere.
    pub url: Option<String>,
    /// How the body is written.
    pub format: Option<Format>,
    /// Names of the events of our own that are told too.
    pub events: Option<Vec<String>>,
    /// Whether anything is told.
    pub enabled: Option<bool>,
    /// The secret, where there is none yet.
    pub secret: String,
    /// When.
    pub now: Instant,
}

impl Operation for Set {
    /// Whether the secret was taken.
    type Answer = bool;

    fn run(&self, work: &mut Work<'_>) -> Result<bool> {
        let account = self.account.0;
        let before = work.prepare(FIND)?.first([account], Settings::from_row)?;
        let is_new = before.is_none();
        let Settings { url, format, events, disabled, .. } = before.unwrap_or_else(|| self.empty());
        let disabled = match self.enabled {
            Some(true) => None,
            Some(false) => disabled.or_else(|| Some((self.now, "by its owner".to_owned()))),
            None => disabled,
        };
        let (since, reason) = disabled.map(|(at, why)| (at.micros(), why)).unzip();
        work.prepare(SET)?.execute(values![
            account,
            self.url.as_ref().unwrap_or(&url),
            i64::from(self.format.unwrap_or(format) == Format::Json),
            self.events.as_ref().unwrap_or(&events).join(","),
            self.secret,
            since,
            reason.unwrap_or_default(),
        ])?;
        if self.url.as_ref().is_some_and(String::is_empty) {
            work.prepare(STAY)?.execute([account])?;
        }
        Ok(is_new)
    }
}

impl Set {
    fn empty(&self) -> Settings {
        Settings {
            account: self.account,
            url: String::new(),
            format: Format::Form,
            events: Vec::new(),
            secret: String::new(),
            old_secret: (String::new(), self.now),
            disabled: None,
            replay: None,
        }
    }
}

/// Signs with another secret; the one before signs too for a while.
#[derive(Debug, Clone)]
pub struct Rotate {
    /// Whose.
    pub account: AccountId,
    /// The new secret.
    pub secret: String,
    /// Until when the one before signs too.
    pub until: Instant,
}

impl Operation for Rotate {
    /// Whether the account has a secret.
    type Answer = bool;

    fn run(&self, work: &mut Work<'_>) -> Result<bool> {
        let (account, until) = (self.account.0, self.until.micros());
        Ok(work.prepare(ROTATE)?.execute(values![until, self.secret, account])? > 0)
    }
}

/// Tells an account's events no more, until its owner or an operator says so.
#[derive(Debug, Clone)]
pub struct Disable {
    /// Whose.
    pub account: AccountId,
    /// Why.
    pub reason: String,
    /// When.
    pub now: Instant,
}

impl Operation for Disable {
    /// Whether they were told until now.
    type Answer = bool;

    fn run(&self, work: &mut Work<'_>) -> Result<bool> {
        let (account, now) = (self.account.0, self.now.micros());
        Ok(work.prepare(DISABLE)?.execute(values![now, self.reason, account])? > 0)
    }
}

/// Tells an account's events anew from a time on; to be run until it answers no more [`Replayed::Some`].
#[derive(Debug, Clone, Copy)]
pub struct Replay {
    /// Whose.
    pub account: AccountId,
    /// From when on.
    pub from: Instant,
}

/// How far [`Replay`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// The account has no URL.
    Nobody,
    /// Some of what waited was cleared away; there is more.
    Some,
    /// It begins.
    Begins,
}

impl Operation for Replay {
    type Answer = Replayed;

    fn rows(&self) -> usize {
        ROWS_PER_OPERATION_MAX
    }

    fn run(&self, work: &mut Work<'_>) -> Result<Replayed> {
        // Not from a time to come: what happens until then would be told by nobody.
        let after = (first_at(self.from) - 1).min(work.last_event());
        let account = self.account.0;
        let known = work.prepare(FIND)?.first([account], Settings::from_row)?;
        if known.is_none_or(|settings| settings.url.is_empty()) {
            return Ok(Replayed::Nobody);
        }
        let limit = i64::try_from(ROWS_PER_OPERATION_MAX / 2).unwrap_or(i64::MAX);
        let waiting =
            work.prepare(FORGET_WAITING)?.execute(values![account, ENDPOINT, after, limit])?;
        let dead = work.prepare(FORGET_DEAD)?.execute([account, after, limit])?;
        if waiting.max(dead) >= ROWS_PER_OPERATION_MAX / 2 {
            return Ok(Replayed::Some);
        }
        work.prepare(REPLAY)?.execute([after, account])?;
        Ok(Replayed::Begins)
    }
}

/// Notes how far a replay has come; one that was begun anew meanwhile is left alone.
#[derive(Debug, Clone, Copy)]
pub struct Advance {
    /// Whose.
    pub account: AccountId,
    /// Where it was.
    pub from: EventId,
    /// Where it is; `None`: it has caught up.
    pub to: Option<EventId>,
}

impl Operation for Advance {
    /// Whether it was there.
    type Answer = bool;

    fn run(&self, work: &mut Work<'_>) -> Result<bool> {
        let to = self.to.map(|to| to.0);
        Ok(work.prepare(ADVANCE)?.execute(values![to, self.account.0, self.from.0])? > 0)
    }
}
