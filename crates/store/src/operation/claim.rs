//! `claim`: takes what is due from a queue and writes the intent to submit it, in one commit.

use std::sync::Arc;

use pombo_domain::address::Phone;
use pombo_domain::campaign::Stop;
use pombo_domain::country::Rules;
use pombo_domain::id::{AccountId, MessageId, PartId, RouteId};
use pombo_domain::limits::{PARTS_MAX, ROWS_PER_OPERATION_MAX};
use pombo_domain::message::Lane;
use pombo_domain::time::Instant;
use pombo_domain::window::AvailableTimes;

use super::campaign::stop::hold;
pub use super::expire::Expire;
use super::expire::{Why, end_row};
use super::opening::{Holds, Waits};
use super::part;
use super::request::{self, Request};
use super::{Operation, Question, View, intent, opt_out, otp, text};
use crate::error::Result;
use crate::sql::Row;
use crate::statement::statements;
use crate::work::Work;

statements! {
    HEAD = "select due, first, last, tries, scheduled from queue \
        where route = $1 and lane = $2 and account = $3 order by due, first limit 1";
    DUE_ROWS = "select due, first, last, tries, scheduled from queue where route = $1 and lane = $2 \
        and account = $3 and due <= $4 order by due, first limit $5";
    TAKE_TO = "delete from queue where route = $1 and lane = $2 and account = $3 \
        and (due, first) <= ($4, $5)";
    TAKE = "delete from queue where route = $1 and lane = $2 and account = $3 \
        and due = $4 and first = $5";
    QUEUED = "insert into queue (route, lane, account, due, first, last, tries, scheduled) \
        values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing";
    QUEUED_AGAIN = "update queue set tries = $1, scheduled = $2 where route = $3 and lane = $4 \
        and account = $5 and due = $6 and first = $7 and last = $8";
    READY = "select id, recipient from part_{day} \
        where id between $1 and $2 and route = $3 and state = 0 order by id limit $4";
    /// A range spans parts of other routes too. One that came to this route later has an event,
    /// and a place in the queue of its own: taking it here as well would send it twice.
    READY_OF_RANGE = "select id, recipient from part_{day} \
        where id between $1 and $2 and route = $3 and state = 0 and event = 0 order by id limit $4";
    NEXT_ACCOUNT = "select lane, account, due from queue where route = $1 \
        and (lane, account) > ($2, $3) order by lane, account, due, first limit 1";
}

/// Takes at most `room` parts that are due, of one account in one lane of one route.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The route.
    pub route: RouteId,
    /// The lane.
    pub lane: Lane,
    /// Whose.
    pub account: AccountId,
    /// Parts at most; a message's parts stay together, so a long one may exceed it.
    pub room: usize,
    /// What countries allow: marketing that they do not allow now waits until they do.
    pub rules: Arc<Rules>,
    /// The time.
    pub now: Instant,
}

/// What was claimed.
#[derive(Debug, Default)]
pub struct Claimed {
    /// To be submitted now; their intent is durable.
    pub work: Vec<ClaimedMessage>,
    /// When this account's next message in this lane is due, where there is one.
    pub next_due: Option<Instant>,
    /// Parts whose time ran out while they waited.
    pub n_expired: usize,
    /// Parts of cancelled sendings, which ended.
    pub n_withdrawn: usize,
    /// Parts to recipients who have opted out, which ended.
    pub n_refused: usize,
}

/// Parts of one message to submit.
#[derive(Debug)]
pub struct ClaimedMessage {
    /// The intent that names them.
    pub intent: i64,
    /// The request, shared by its messages.
    pub request: Arc<Request>,
    /// Which message.
    pub message: MessageId,
    /// Its text, where it has its own.
    pub text: Option<String>,
    /// To whom.
    pub to: Phone,
    /// Bit `i`: part `i`.
    pub parts: u16,
    /// Counted tries, this one included.
    pub tries: u8,
    /// When its recipient's country stops allowing it.
    pub closes: Option<Instant>,
}

/// Parts that wait together: from the first to the last, as far as they are of its route.
pub(super) struct QueueRow {
    pub(super) due: i64,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) tries: u8,
    /// Its owner may still move and withdraw it.
    pub(super) scheduled: bool,
}

impl QueueRow {
    pub(super) fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            due: row.get(0)?,
            first: row.get(1)?,
            last: row.get(2)?,
            tries: row.get(3)?,
            scheduled: row.get(4)?,
        })
    }
}

impl Operation for Claim {
    type Answer = Claimed;

    fn rows(&self) -> usize {
        self.room.min(64)
    }

    fn run(&self, work: &mut Work<'_>) -> Result<Claimed> {
        work.now_is(self.now);
        let mut claimed = Claimed::default();
        let mut gathered = Gathered::default();
        let mut room = self.room;
        // The rows are gone through in order, so all that is done with goes in one statement.
        let mut done_to = None;
        let rows = self.due_rows(work)?;
        let alone = rows.iter().filter(|row| row.first == row.last);
        part::read_ahead(work, alone.map(|row| PartId(row.first)))?;
        for row in rows {
            // Parts that came back have rows of their own; together they are one message.
            let is_more = gathered.is_more(row.tries, PartId(row.first).message());
            let n_ended = claimed.n_expired + claimed.n_withdrawn;
            if (room == 0 && !is_more) || n_ended >= ROWS_PER_OPERATION_MAX {
                break; // `next_due` says that there is more.
            }
            let key = (row.due, row.first);
            let Some(request) = request::of_message(work, PartId(row.first).message())? else {
                done_to = Some(key); // Its history is gone: nothing is left to send.
                continue;
            };
            let finished = if request.expires.is_some_and(|end| end <= self.now) {
                let (n, finished) = end_row(work, self, (&row, &request), Why::TooLate)?;
                claimed.n_expired += n;
                finished
            } else if let Some(stop) = work.stopped().get(&request.sending).copied() {
                match stop {
                    Stop::Cancelled => {
                        let (n, finished) = end_row(work, self, (&row, &request), Why::Withdrawn)?;
                        claimed.n_withdrawn += n;
                        finished
                    }
                    Stop::Paused => {
                        hold(work, (self.route, self.lane, self.account), &row, &request)?;
                        true
                    }
                }
            } else if let Some(open) = self.opens_later(&request) {
                self.put(work, &QueueRow { due: open.micros(), ..row })?;
                true
            } else if gathered.tries != row.tries && !gathered.parts.is_empty() {
                break; // Another number of tries makes another intent: next time.
            } else {
                gathered.tries = row.tries;
                let holds = Holds::of(&self.rules, &request, self.now);
                let into = (room, &mut gathered, holds);
                let (n, finished) = self.gather(work, &row, &request, into)?;
                room = room.saturating_sub(n);
                finished
            };
            if !finished {
                break; // It was shrunk.
            }
            done_to = Some(key);
        }
        if let Some((due, first)) = done_to {
            let queue = [self.route.0, self.lane as i64, self.account.0, due, first];
            work.prepare(TAKE_TO)?.write(queue)?;
        }
        claimed.n_refused = self.refuse(work, &mut gathered)?;
        claimed.next_due = self.head(work)?.map(|row| Instant::from_micros(row.due));
        claimed.work = self.intend(work, gathered)?;
        Ok(claimed)
    }
}

#[derive(Default)]
pub(super) struct Gathered {
    tries: u8,
    pub(super) parts: Vec<i64>,
    messages: Vec<Message>,
}

struct Message {
    request: Arc<Request>,
    id: MessageId,
    to: Phone,
    parts: u16,
    closes: Option<Instant>,
}

impl Gathered {
    /// Whether a row continues the last message.
    fn is_more(&self, tries: u8, message: MessageId) -> bool {
        self.tries == tries && self.messages.last().is_some_and(|last| last.id == message)
    }

    fn add(
        &mut self,
        request: &Arc<Request>,
        (part, to): (PartId, Phone),
        closes: Option<Instant>,
    ) {
        self.parts.push(part.0);
        let bit = 1 << part.idx();
        match self.messages.last_mut() {
            Some(last) if last.id == part.message() => last.parts |= bit,
            _ => {
                let request = Arc::clone(request);
                self.messages.push(Message { request, id: part.message(), to, parts: bit, closes });
            }
        }
    }
}

impl Claim {
    fn head(&self, work: &Work<'_>) -> Result<Option<QueueRow>> {
        work.prepare(HEAD)?
            .first([self.route.0, self.lane as i64, self.account.0], QueueRow::from_row)
    }

    /// The rows that are due, in order; as many as the room can want, and the rest of a message.
    pub(super) fn due_rows(&self, work: &Work<'_>) -> Result<Vec<QueueRow>> {
        let limit = self.room.min(ROWS_PER_OPERATION_MAX) + usize::from(PARTS_MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (lane, now) = (self.lane as i64, self.now.micros());
        work.prepare(DUE_ROWS)?
            .all([self.route.0, lane, self.account.0, now, limit], QueueRow::from_row)
    }

    fn put(&self, work: &Work<'_>, row: &QueueRow) -> Result<()> {
        let queue = (self.route, self.lane, self.account);
        put(work, queue, (PartId(row.first), PartId(row.last)), (row.due, row.tries, row.scheduled))
    }

    /// When the request's own times of the week open, if they are closed now; no later than it
    /// expires, so that it ends when its time has run out and not when they open.
    fn opens_later(&self, request: &Request) -> Option<Instant> {
        if request.windows.is_empty() {
            return None;
        }
        let open = AvailableTimes::from_stored(&request.windows)?.next_open(self.now);
        let open = request.expires.map_or(open, |end| open.min(end));
        (open > self.now).then_some(open)
    }

    /// Moves at most `room` parts from the row to `gathered`, or to the rows of those that `holds`
    /// lets wait; answers how many, and whether that was all; the caller takes a row that is
    /// finished. What is left of another has had its turn: it waits behind all that is due by now,
    /// so that no retry and no later request of the account waits for the whole of a campaign.
    pub(super) fn gather(
        &self,
        work: &mut Work<'_>,
        row: &QueueRow,
        request: &Arc<Request>,
        (room, gathered, mut holds): (usize, &mut Gathered, Option<Holds<'_>>),
    ) -> Result<(usize, bool)> {
        // Up to a message more than there is room for, so as to end between two messages.
        let limit = room.saturating_add(usize::from(request.n_parts));
        let mut n = 0;
        let mut rest = None;
        let mut current = gathered.messages.last().map(|message| message.id);
        for (part, to) in ready(work, row, request, (self.route, row.first), limit)? {
            if n >= room && current != Some(part.message()) {
                rest = Some(part);
                break;
            }
            current = Some(part.message());
            n += 1;
            match holds.as_mut().map(|holds| holds.leave(part, to)) {
                None => gathered.add(request, (part, to), None),
                Some(Ok(closes)) => gathered.add(request, (part, to), closes),
                Some(Err(Waits)) => {}
            }
        }
        for (first, last, due) in holds.map(Holds::into_rows).unwrap_or_default() {
            self.put(work, &QueueRow { due: due.micros(), first: first.0, last: last.0, ..*row })?;
        }
        let Some(next) = rest else { return Ok((n, true)) };
        let queue = (self.route, self.lane, self.account);
        take(work, queue, row)?;
        if row.due > self.now.micros() {
            // It was ended ahead of its time, and what is left of it keeps its time: whoever lets
            // the sending go on meanwhile must not send it early.
            put(work, queue, (next, PartId(row.last)), (row.due, row.tries, row.scheduled))?;
        } else {
            let due = self.now.micros();
            self.put(work, &QueueRow { due, first: next.0, scheduled: false, ..*row })?;
        }
        Ok((n, false))
    }

    /// Ends what is for recipients who have opted out since it was accepted; answers how many parts.
    fn refuse(&self, work: &mut Work<'_>, gathered: &mut Gathered) -> Result<usize> {
        if gathered.messages.is_empty() {
            return Ok(0);
        }
        let phones = gathered.messages.iter().map(|message| message.to);
        let mut listed = opt_out::among(work, self.account, phones)?;
        listed.retain(|idx| !gathered.messages[*idx].request.answers_opt_out);
        let mut n = 0;
        // From the last on, so that the indexes before stay what they are.
        for idx in listed.into_iter().rev() {
            let message = gathered.messages.remove(idx).id;
            let is_its = |part: &i64| PartId(*part).message() == message;
            let (ended, left): (Vec<i64>, Vec<i64>) =
                gathered.parts.iter().partition(|p| is_its(p));
            gathered.parts = left;
            for part in ended {
                n += usize::from(opt_out::refuse(work, self.account, PartId(part), self.now)?);
            }
        }
        Ok(n)
    }

    fn intend(&self, work: &mut Work<'_>, gathered: Gathered) -> Result<Vec<ClaimedMessage>> {
        if gathered.parts.is_empty() {
            return Ok(Vec::new());
        }
        let tries = gathered.tries.saturating_add(1);
        let queue = (self.route, self.lane, self.account);
        let intent = intent::open(work, queue, &gathered.parts, (tries, self.now))?;
        let mut texts =
            text::of_messages(work, gathered.messages.iter().map(|m| (&*m.request, m.id)))?;
        let mut messages = Vec::with_capacity(gathered.messages.len());
        for Message { request, id: message, to, parts, closes } in gathered.messages {
            let text = texts.remove(&message);
            otp::hand_over(work, &request, (message, to), (gathered.tries == 0, self.now))?;
            let text = otp::with_code(work, &request, (message, text))?;
            let claimed =
                ClaimedMessage { intent, request, message, text, to, parts, tries, closes };
            messages.push(claimed);
        }
        Ok(messages)
    }
}

/// The parts of a row that wait for their route, from `from` on, at most `limit`.
pub(super) fn ready(
    work: &mut Work<'_>,
    row: &QueueRow,
    request: &Request,
    (route, from): (RouteId, i64),
    limit: usize,
) -> Result<Vec<(PartId, Phone)>> {
    if let Some(known) = part::ready_ahead(work, (row.first, row.last), route) {
        return Ok(known);
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let statement = if row.first == row.last { READY } else { READY_OF_RANGE };
    work.prepare_for(statement, request.id.0)?.all([from, row.last, route.0, limit], |found| {
        let to = Phone::from_stored(found.get::<i64>(1)?.unsigned_abs());
        Ok((PartId(found.get(0)?), to))
    })
}

/// Leaves out the message that `limit` may have cut, unless it is the only one: the caller goes on
/// with it. Messages of one request may differ in length.
pub(super) fn whole_messages(found: &mut Vec<(PartId, Phone)>, limit: usize) -> Option<PartId> {
    let (last, _) = found.last().filter(|_| found.len() >= limit)?;
    let begins = found.iter().position(|(part, _)| part.message() == last.message())?;
    let next = found[begins].0;
    found.truncate(begins);
    Some(next)
}

/// Takes a row out of its queue.
pub(super) fn take(
    work: &Work<'_>,
    (route, lane, account): (RouteId, Lane, AccountId),
    row: &QueueRow,
) -> Result<()> {
    work.prepare(TAKE)?.write([route.0, lane as i64, account.0, row.due, row.first])
}

/// Puts a range of parts into a queue.
pub(crate) fn enqueue(
    work: &Work<'_>,
    queue: (RouteId, Lane, AccountId),
    parts: (PartId, PartId),
    (due, tries): (i64, u8),
) -> Result<()> {
    put(work, queue, parts, (due, tries, false))
}

/// Puts a range of parts into a queue whose owner named the time.
pub(super) fn schedule(
    work: &Work<'_>,
    queue: (RouteId, Lane, AccountId),
    parts: (PartId, PartId),
    due: i64,
) -> Result<()> {
    put(work, queue, parts, (due, 0, true))
}

fn put(
    work: &Work<'_>,
    (route, lane, account): (RouteId, Lane, AccountId),
    (first, last): (PartId, PartId),
    (due, tries, scheduled): (i64, u8, bool),
) -> Result<()> {
    let (lane, account, first, last) = (lane as i64, account.0, first.0, last.0);
    let (tries, scheduled) = (i64::from(tries), i64::from(scheduled));
    // Where another row has that very place, this one stands a microsecond behind it.
    for due in due.. {
        let place = [route.0, lane, account, due, first, last, tries, scheduled];
        if work.prepare(QUEUED)?.execute(place)? == 1 {
            break;
        }
        let same = [tries, scheduled, route.0, lane, account, due, first, last];
        if work.prepare(QUEUED_AGAIN)?.execute(same)? == 1 {
            break;
        }
    }
    Ok(())
}

/// Which queues of a route hold anything, and when their first is due.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    /// The route.
    pub route: RouteId,
}

/// The first of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The lane.
    pub lane: Lane,
    /// Whose.
    pub account: AccountId,
    /// When it is due.
    pub due: Instant,
}

impl Question for Heads {
    type Answer = Vec<Head>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<Head>> {
        // One seek per account with a queue: the length of the queues does not matter.
        let mut next = view.prepare(NEXT_ACCOUNT)?;
        let mut heads = Vec::new();
        let mut after = (-1, 0);
        while let Some((lane, account, due)) = next
            .first([self.route.0, after.0, after.1], |row| {
                Ok((row.get::<i64>(0)?, row.get::<i64>(1)?, row.get::<i64>(2)?))
            })?
        {
            after = (lane, account);
            let lane = Lane::from_stored(lane);
            let due = Instant::from_micros(due);
            heads.push(Head { lane, account: AccountId(account), due });
        }
        Ok(heads)
    }
}
