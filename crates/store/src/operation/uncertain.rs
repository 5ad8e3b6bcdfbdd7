//! Parts in doubt: bytes may have left, and no answer was stored. Counted, listed, never silent.

use pombo_domain::channel::{Cause, Receipt};
use pombo_domain::id::{AccountId, PartId, RouteId};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::message::{EventKind, Lane, PartState};
use pombo_domain::route::UncertainPolicy;
use pombo_domain::time::Instant;

use super::failover;
use super::intent::unpack;
use super::part::{self, Part, Step};
use super::queue::enqueue;
use super::receipt::{is_silent, recipient_agrees};
use super::request;
use super::{Operation, Question, View, otp, text};
use crate::error::Result;
use crate::sql::values;
use crate::statement::statements;
use crate::work::Work;

statements! {
    NEW_DOUBT = "insert into uncertain (part, route, account, since, reason, resolution) \
        values ($1, $2, $3, $4, $5, $6) on conflict (part) do update set route = excluded.route, \
        since = excluded.since, reason = excluded.reason, resolution = excluded.resolution";
    RESOLVE = "update uncertain set resolution = $1 where part = $2";
    WAITING = "select part from uncertain where route = $1 and resolution in (0, 2) \
        order by part desc limit $2";
    LIST = "select u.part, u.since, u.reason, u.resolution, coalesce(a.name, ''), \
        coalesce(r.name, '') from uncertain u left join account a on a.id = u.account \
        left join route r on r.id = u.route order by u.since desc limit $1";
    OPEN = "select part, route, account from uncertain where resolution in (0, 2) order by part";
    RESOLUTION = "select resolution from uncertain where part = $1";
    COUNT_OPEN = "select count(1) from uncertain where resolution in (0, 2)";
    ON_THEIR_WAY = "select parts from intent where route = $1";
    RECIPIENT = "select recipient from part_{day} where id = $1";
}

/// Parts looked through when a receipt might belong to one in doubt.
const ADOPTION_MAX: i64 = 1_000;

/// What was done about it. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum Resolution {
    /// Held for the operator.
    Open = 0,
    /// Submitted again: the recipient may get it twice.
    Resent = 1,
    /// Waiting for a receipt that tells.
    Waiting = 2,
    /// A receipt told.
    Matched = 3,
    /// The operator gave it up.
    Dropped = 4,
}

impl Resolution {
    fn from_stored(number: i64) -> Self {
        match number {
            1 => Self::Resent,
            2 => Self::Waiting,
            3 => Self::Matched,
            4 => Self::Dropped,
            _ => Self::Open,
        }
    }

    /// The word that `pombo uncertain list` shows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resent => "resent",
            Self::Waiting => "waiting",
            Self::Matched => "matched",
            Self::Dropped => "dropped",
        }
    }
}

/// A part that falls into doubt at this try or a later one is not sent again by itself: a message that
/// breaks every link it is sent on, or every process that sends it, is not for a machine to repeat.
const RESENT_TRIES_MAX: u8 = 5;

/// A part that falls into doubt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doubt {
    pub(crate) part: PartId,
    pub(crate) route: RouteId,
    pub(crate) account: AccountId,
    pub(crate) lane: Lane,
    /// The one that left it in doubt included.
    pub(crate) tries: u8,
    pub(crate) policy: UncertainPolicy,
    pub(crate) at: Instant,
}

/// Records the doubt and does what the policy says; `None` where the part was settled already.
pub(crate) fn doubt(
    work: &mut Work<'_>,
    doubt: &Doubt,
    cause: &Cause,
) -> Result<Option<Resolution>> {
    let Some(before) = part::find(work, doubt.part)? else {
        return Ok(None);
    };
    // One that has gone on by another route was answered on this one.
    if before.state != PartState::Queued || before.route != doubt.route {
        return Ok(None);
    }
    let (resolution, state) = match doubt.policy {
        UncertainPolicy::Resend if doubt.tries >= RESENT_TRIES_MAX => {
            (Resolution::Open, PartState::Uncertain)
        }
        UncertainPolicy::Resend => (Resolution::Resent, PartState::Queued),
        UncertainPolicy::Wait => (Resolution::Waiting, PartState::Uncertain),
        UncertainPolicy::Hold => (Resolution::Open, PartState::Uncertain),
    };
    let step = Step {
        part: doubt.part,
        kind: EventKind::Uncertain,
        route: doubt.route,
        at: doubt.at,
        word: "",
        code: &cause.code,
        detail: &cause.text,
    };
    part::advance(work, &before, state, &step)?;
    work.prepare(NEW_DOUBT)?.write(values![
        doubt.part.0,
        doubt.route.0,
        doubt.account.0,
        doubt.at.micros(),
        cause.text,
        resolution as i64
    ])?;
    if resolution == Resolution::Resent {
        let queue = (doubt.route, doubt.lane, doubt.account);
        enqueue(work, queue, (doubt.part, doubt.part), (doubt.at.micros(), doubt.tries))?;
    }
    Ok(Some(resolution))
}

/// The one part in doubt that an unmatched receipt fits by recipient, sender and first characters;
/// `None` when it fits none, or more than one, or may have overtaken the answer to another part.
pub(crate) fn adopt(
    work: &mut Work<'_>,
    route: RouteId,
    receipt: &Receipt,
) -> Result<Option<(PartId, Part)>> {
    if is_silent(receipt) {
        return Ok(None);
    }
    let waiting: Vec<PartId> =
        work.prepare(WAITING)?.all([route.0, ADOPTION_MAX], |row| row.get(0).map(PartId))?;
    let mut fitting = None;
    part::read_ahead(work, waiting.iter().copied())?;
    for id in waiting {
        let Some(found) = part::find(work, id)? else {
            continue;
        };
        if found.state != PartState::Uncertain || !recipient_agrees(&found, receipt) {
            continue;
        }
        let Some(request) = request::of_message(work, id.message())? else {
            continue;
        };
        let own = text::of_message(work, &request, id.message())?;
        let text = otp::with_code(work, &request, (id.message(), own))?;
        let text = text.as_ref().unwrap_or(&request.text);
        if !sender_agrees(&request.sender, receipt) || !text_agrees(text, receipt) {
            continue;
        }
        if fitting.replace((id, found)).is_some() {
            return Ok(None);
        }
    }
    if fitting.is_some() && is_awaited(work, route, receipt)? {
        return Ok(None);
    }
    Ok(fitting)
}

/// Whether a part for that recipient is being submitted: the receipt may be its.
fn is_awaited(work: &mut Work<'_>, route: RouteId, receipt: &Receipt) -> Result<bool> {
    let intents: Vec<Vec<u8>> = work.prepare(ON_THEIR_WAY)?.all([route.0], |row| row.get(0))?;
    let on_their_way: Vec<PartId> = intents.iter().flat_map(|parts| unpack(parts)).collect();
    part::read_ahead(work, on_their_way.iter().copied())?;
    for id in on_their_way {
        let found = part::find(work, id)?;
        let is_its =
            |part: Part| part.state == PartState::Queued && recipient_agrees(&part, receipt);
        if found.is_some_and(is_its) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn sender_agrees(sender: &str, receipt: &Receipt) -> bool {
    let others = receipt.addresses.iter().filter(|address| !address.is_empty());
    others.clone().count() < 2 || others.clone().any(|address| address.eq_ignore_ascii_case(sender))
}

/// Whether the receipt's copy of the text, where it has one, starts like ours.
fn text_agrees(text: &str, receipt: &Receipt) -> bool {
    let ours: String = text.chars().take(20).collect();
    let theirs: String = receipt.text.chars().take(20).collect();
    let theirs = theirs.trim_end();
    theirs.is_empty() || ours.starts_with(theirs)
}

/// A receipt has told.
pub(crate) fn matched(work: &Work<'_>, part: PartId) -> Result<()> {
    work.prepare(RESOLVE)?.write([Resolution::Matched as i64, part.0])
}

/// Nothing more is expected of a part in doubt.
pub(crate) fn dropped(work: &Work<'_>, part: PartId) -> Result<()> {
    work.prepare(RESOLVE)?.write([Resolution::Dropped as i64, part.0])
}

/// Whether a try of the part is in doubt: a carrier may have taken it.
pub(crate) fn was_in_doubt(work: &Work<'_>, part: PartId) -> Result<bool> {
    Ok(resolution(work, part)?.is_some())
}

/// Ends a part that no carrier is known to have taken: what it had reserved is given back. Where a
/// try of it is in doubt, it may have been taken, and delivered: it is charged, and nobody knows.
/// Where an earlier carrier had taken it, and has told that it did not deliver it, it is charged too,
/// unless its price list gives that back.
pub(crate) fn end(
    work: &mut Work<'_>,
    (account, before): (AccountId, &Part),
    state: PartState,
    step: Step<'_>,
    in_doubt: bool,
) -> Result<()> {
    let was_sent = failover::was_sent(work, before.event)?;
    if in_doubt || was_sent {
        // What is known is that the first carrier did not deliver it.
        let word = if in_doubt { "UNKNOWN" } else { "UNDELIV" };
        let step = Step { kind: EventKind::Undelivered, word, ..step };
        part::advance(work, before, PartState::Undelivered, &step)?;
        part::told(work, before, PartState::Undelivered, &step)?;
    } else {
        part::advance(work, before, state, &step)?;
        part::release(work, account, before);
    }
    Ok(())
}

/// Whether the part waits for a receipt, rather than for its operator.
pub(crate) fn awaits_receipt(work: &Work<'_>, part: PartId) -> Result<bool> {
    Ok(resolution(work, part)? == Some(Resolution::Waiting as i64))
}

fn resolution(work: &Work<'_>, part: PartId) -> Result<Option<i64>> {
    work.prepare(RESOLUTION)?.first([part.0], |row| row.get(0))
}

/// Which parts in doubt an operator means.
#[derive(Debug, Clone)]
pub enum Selection {
    /// All that are open or waiting.
    All,
    /// These, where they are open or waiting.
    Parts(Vec<PartId>),
    /// Those of one route.
    Route(RouteId),
}

/// What the operator decides for them.
#[derive(Debug, Clone)]
pub struct Decide {
    /// Which.
    pub selection: Selection,
    /// Submit again (`true`) or give up (`false`: they end as undelivered, charged, since the
    /// carrier may have delivered them).
    pub resend: bool,
    /// When.
    pub now: Instant,
}

impl Operation for Decide {
    /// How many parts it touched; [`ROWS_PER_OPERATION_MAX`]: there may be more, run it again.
    type Answer = usize;

    fn run(&self, work: &mut Work<'_>) -> Result<usize> {
        work.now_is(self.now);
        let open: Vec<(PartId, RouteId, AccountId)> = work.prepare(OPEN)?.all((), |row| {
            Ok((PartId(row.get(0)?), RouteId(row.get(1)?), AccountId(row.get(2)?)))
        })?;
        let meant = open.iter().filter(|(part, route, _)| match &self.selection {
            Selection::All => true,
            Selection::Parts(parts) => parts.contains(part),
            Selection::Route(only) => route == only,
        });
        let first = meant.clone().take(ROWS_PER_OPERATION_MAX).map(|(part, ..)| *part);
        part::read_ahead(work, first.clone())?;
        request::read_ahead(work, first.map(PartId::message))?;
        let mut n = 0;
        for &(id, route, account) in meant {
            let Some(before) = part::find(work, id)? else {
                continue;
            };
            if before.state != PartState::Uncertain {
                continue;
            }
            let lane = match request::of_message(work, id.message())? {
                Some(request) => request.lane,
                None => Lane::Bulk,
            };
            self.decide(work, (id, route, account, lane), &before)?;
            n += 1;
            if n == ROWS_PER_OPERATION_MAX {
                break;
            }
        }
        Ok(n)
    }
}

impl Decide {
    fn decide(
        &self,
        work: &mut Work<'_>,
        (id, route, account, lane): (PartId, RouteId, AccountId, Lane),
        before: &Part,
    ) -> Result<()> {
        let (kind, state, word, detail) = if self.resend {
            (EventKind::Deferred, PartState::Queued, "", "sent again by the operator")
        } else {
            (EventKind::Undelivered, PartState::Undelivered, "UNKNOWN", "given up by the operator")
        };
        let step = Step { part: id, kind, route, at: self.now, word, code: "", detail };
        part::advance(work, before, state, &step)?;
        let resolution = if self.resend {
            enqueue(work, (route, lane, account), (id, id), (self.now.micros(), 0))?;
            Resolution::Resent
        } else {
            Resolution::Dropped
        };
        work.prepare(RESOLVE)?.write([resolution as i64, id.0])
    }
}

/// The newest parts in doubt, also the resolved ones.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// At most so many.
    pub limit: i64,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct UncertainRow {
    /// Which part.
    pub part: PartId,
    /// The account's name.
    pub account: String,
    /// The route's name.
    pub route: String,
    /// The recipient's digits.
    pub to: String,
    /// Since when.
    pub since: Instant,
    /// Why.
    pub reason: String,
    /// What was done about it.
    pub resolution: Resolution,
}

impl Question for List {
    type Answer = Vec<UncertainRow>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<UncertainRow>> {
        let mut rows: Vec<UncertainRow> = view.prepare(LIST)?.all([self.limit], |row| {
            Ok(UncertainRow {
                part: PartId(row.get(0)?),
                since: Instant::from_micros(row.get(1)?),
                reason: row.get(2)?,
                resolution: Resolution::from_stored(row.get(3)?),
                account: row.get(4)?,
                route: row.get(5)?,
                to: String::new(),
            })
        })?;
        for row in &mut rows {
            if let Some(mut recipient) = view.prepare_for(RECIPIENT, row.part.message().0)? {
                let digits: Option<i64> = recipient.first([row.part.0], |r| r.get(0))?;
                row.to = digits.map(|d| d.to_string()).unwrap_or_default();
            }
        }
        Ok(rows)
    }
}

/// How many parts are open or waiting: the gauge `pombo_uncertain`.
#[derive(Debug, Clone, Copy)]
pub struct CountOpen;

impl Question for CountOpen {
    type Answer = i64;

    fn answer(self, view: &mut View<'_>) -> Result<i64> {
        view.prepare(COUNT_OPEN)?.one((), |row| row.get(0))
    }
}
