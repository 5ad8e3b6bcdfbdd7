//! `claim`: takes what is due from a queue and writes the intent to submit it, in one commit.

use std::collections::{HashMap, HashSet};
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
use super::expire::{Why, end_row};
use super::opening::{Holds, Waits};
use super::part;
use super::queue::{QueueRow, put, take};
use super::request::{self, Request};
use super::{Foreseen, Operation, intent, opt_out, otp, text};
use crate::error::Result;
use crate::statement::statements;
use crate::work::Work;

statements! {
    HEAD = "select due, first, last, tries, scheduled from queue \
        where route = $1 and lane = $2 and account = $3 order by due, first limit 1";
    /// Those that are due, and the first that is not.
    DUE_ROWS = "select due, first, last, tries, scheduled from (select due, first, last, tries, \
        scheduled from queue where route = $1 and lane = $2 and account = $3 and due <= $4 \
        order by due, first limit $5) as due_by_now \
        union all select due, first, last, tries, scheduled from (select due, first, last, tries, \
        scheduled from queue where route = $1 and lane = $2 and account = $3 and due > $4 \
        order by due, first limit 1) as due_later";
    TAKE_TO = "delete from queue where route = $1 and lane = $2 and account = $3 \
        and (due, first) <= ($4, $5)";
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

/// Several claims in one commit: where each look at a queue is a way to a server and back, they take one
/// together. Where one of them fails, all do.
#[derive(Debug, Clone)]
pub struct ClaimAll {
    /// Them.
    pub claims: Arc<[Claim]>,
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

/// The begin of a queue.
struct Due {
    /// What is due, in order; no more than was asked for.
    rows: Vec<QueueRow>,
    /// Whether there may be more of it.
    is_cut: bool,
    /// When the first is due that is not yet.
    later: Option<i64>,
}

/// What a claim leaves in its queue.
#[derive(Default)]
struct Next {
    /// The rows that were gone through.
    n_done: usize,
    /// When the rest of the last of them is due, where something is left of it.
    rest: Option<i64>,
    /// Whether rows may have been put back elsewhere.
    is_open: bool,
    /// The last that is done with as a whole.
    done_to: Option<(i64, i64)>,
}

impl Operation for Claim {
    type Answer = Claimed;

    fn rows(&self) -> usize {
        self.room.min(64)
    }

    fn run(&self, work: &mut Work<'_>) -> Result<Claimed> {
        let due = self.look(work)?;
        let alone = self.filling(&due).filter(|row| row.first == row.last);
        part::read_ahead(work, alone.map(|row| PartId(row.first)))?;
        self.take(work, &due)
    }
}

impl Operation for ClaimAll {
    /// What each claimed, in their order.
    type Answer = Vec<Claimed>;

    fn rows(&self) -> usize {
        self.claims.iter().map(Operation::rows).sum()
    }

    fn foresee(&self, foreseen: &mut Foreseen) {
        foreseen.accounts.extend(self.claims.iter().map(|claim| claim.account));
    }

    fn run(&self, work: &mut Work<'_>) -> Result<Vec<Claimed>> {
        if !work.is_far() {
            return self.claims.iter().map(|claim| claim.run(work)).collect();
        }
        let places = self.claims.iter().map(Claim::place);
        let found = work.prepare(DUE_ROWS)?.each(places, QueueRow::from_row)?;
        let claims = self.claims.iter().zip(found);
        let claims: Vec<_> = claims.map(|(claim, rows)| (claim, claim.due(rows))).collect();
        let rows = || claims.iter().flat_map(|(claim, due)| claim.filling(due));
        let alone = rows().filter(|row| row.first == row.last);
        part::read_ahead(work, alone.map(|row| PartId(row.first)))?;
        request::read_ahead(work, rows().map(|row| PartId(row.first).message()))?;
        let mut seen = HashSet::new();
        let mut claimed = Vec::with_capacity(claims.len());
        for (claim, due) in claims {
            claimed.push(match seen.insert((claim.route, claim.lane, claim.account)) {
                true => claim.take(work, &due)?,
                false => claim.run(work)?, // What was read is not there any more.
            });
        }
        Ok(claimed)
    }
}

impl Claim {
    /// Takes what the room lets it, of what is due.
    fn take(&self, work: &mut Work<'_>, due: &Due) -> Result<Claimed> {
        let mut claimed = Claimed::default();
        let (mut gathered, next) = self.go_through(work, &due.rows, &mut claimed)?;
        // The rows are gone through in order, so all that is done with goes in one statement.
        if let Some((due, first)) = next.done_to {
            let queue = [self.route.0, self.lane as i64, self.account.0, due, first];
            work.prepare(TAKE_TO)?.write(queue)?;
        }
        claimed.n_refused = self.refuse(work, &mut gathered)?;
        claimed.next_due = self.next_due(work, due, next)?.map(Instant::from_micros);
        claimed.work = self.intend(work, gathered)?;
        Ok(claimed)
    }

    /// The same of rows that are in no queue yet; besides, how many of them it is done with.
    pub(super) fn take_fresh(
        &self,
        work: &mut Work<'_>,
        rows: &[QueueRow],
    ) -> Result<(Claimed, usize)> {
        let parts = rows.iter().flat_map(|row| (row.first..=row.last).map(PartId));
        part::read_ahead(work, parts)?;
        let mut claimed = Claimed::default();
        let (mut gathered, next) = self.go_through(work, rows, &mut claimed)?;
        let n_done = next.n_done;
        claimed.n_refused = self.refuse(work, &mut gathered)?;
        if next.is_open {
            claimed.next_due = self.head(work)?.map(|row| Instant::from_micros(row.due));
        }
        claimed.work = self.intend(work, gathered)?;
        Ok((claimed, n_done))
    }

    fn go_through(
        &self,
        work: &mut Work<'_>,
        rows: &[QueueRow],
        claimed: &mut Claimed,
    ) -> Result<(Gathered, Next)> {
        work.now_is(self.now);
        let mut gathered = Gathered::default();
        let mut room = self.room;
        let mut next = Next::default();
        for row in rows {
            // Parts that came back have rows of their own; together they are one message.
            let is_more = gathered.is_more(row.tries, PartId(row.first).message());
            let n_ended = claimed.n_expired + claimed.n_withdrawn;
            if (room == 0 && !is_more) || n_ended >= ROWS_PER_OPERATION_MAX {
                break; // `next_due` says that there is more.
            }
            let key = (row.due, row.first);
            let Some(request) = request::of_message(work, PartId(row.first).message())? else {
                next.done_to = Some(key); // Its history is gone: nothing is left to send.
                next.n_done += 1;
                continue;
            };
            let rest = if request.expires.is_some_and(|end| end <= self.now) {
                let (n, rest) = end_row(work, self, (row, &request), Why::TooLate)?;
                claimed.n_expired += n;
                rest
            } else if let Some(stop) = work.stopped().get(&request.sending).copied() {
                match stop {
                    Stop::Cancelled => {
                        let (n, rest) = end_row(work, self, (row, &request), Why::Withdrawn)?;
                        claimed.n_withdrawn += n;
                        rest
                    }
                    Stop::Paused => {
                        hold(work, (self.route, self.lane, self.account), row, &request)?;
                        None
                    }
                }
            } else if let Some(open) = self.opens_later(&request) {
                self.put(work, &QueueRow { due: open.micros(), ..*row })?;
                next.is_open = true;
                None
            } else if gathered.tries != row.tries && !gathered.parts.is_empty() {
                break; // Another number of tries makes another intent: next time.
            } else {
                gathered.tries = row.tries;
                let holds = Holds::of(&self.rules, &request, self.now);
                next.is_open |= holds.is_some();
                let into = (room, &mut gathered, holds);
                let (n, rest) = self.gather(work, row, &request, into)?;
                room = room.saturating_sub(n);
                rest
            };
            next.n_done += 1;
            next.rest = rest;
            if rest.is_some() {
                break; // It was shrunk.
            }
            next.done_to = Some(key);
        }
        Ok((gathered, next))
    }
}

#[derive(Default)]
pub(super) struct Gathered {
    tries: u8,
    pub(super) parts: Vec<i64>,
    messages: Vec<Message>,
    /// Where the messages of several parts are among them: parts that came back at different times
    /// have rows apart, with others between them.
    long: HashMap<MessageId, usize>,
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
        let (id, parts) = (part.message(), 1 << part.idx());
        let new = self.messages.len();
        let idx = if request.n_parts > 1 { *self.long.entry(id).or_insert(new) } else { new };
        match self.messages.get_mut(idx) {
            Some(message) => message.parts |= parts,
            None => {
                let request = Arc::clone(request);
                self.messages.push(Message { request, id, to, parts, closes });
            }
        }
    }
}

impl Claim {
    fn head(&self, work: &Work<'_>) -> Result<Option<QueueRow>> {
        work.prepare(HEAD)?
            .first([self.route.0, self.lane as i64, self.account.0], QueueRow::from_row)
    }

    /// Rows at most: as many as the room can want, and the rest of a message.
    fn limit(&self) -> usize {
        self.room.min(ROWS_PER_OPERATION_MAX) + usize::from(PARTS_MAX)
    }

    /// Where [`DUE_ROWS`] looks.
    fn place(&self) -> [i64; 5] {
        let limit = i64::try_from(self.limit()).unwrap_or(i64::MAX);
        [self.route.0, self.lane as i64, self.account.0, self.now.micros(), limit]
    }

    /// What [`DUE_ROWS`] found.
    fn due(&self, mut rows: Vec<QueueRow>) -> Due {
        let later = rows.pop_if(|row| row.due > self.now.micros()).map(|row| row.due);
        Due { is_cut: rows.len() == self.limit(), rows, later }
    }

    fn look(&self, work: &Work<'_>) -> Result<Due> {
        let rows = work.prepare(DUE_ROWS)?.all(self.place(), QueueRow::from_row)?;
        Ok(self.due(rows))
    }

    /// Those that fill the room where nothing of them ends or waits: what a claim will look at, mostly.
    fn filling<'d>(&self, due: &'d Due) -> impl Iterator<Item = &'d QueueRow> + use<'d> {
        let mut room = self.room;
        due.rows.iter().take_while(move |row| {
            let has_room = room > 0;
            room = room.saturating_sub(row.n_messages());
            has_room
        })
    }

    /// When the first of what is left is due.
    fn next_due(&self, work: &Work<'_>, due: &Due, next: Next) -> Result<Option<i64>> {
        if next.is_open || (due.is_cut && next.n_done == due.rows.len()) {
            return Ok(self.head(work)?.map(|row| row.due));
        }
        let waiting = due.rows.get(next.n_done).map(|row| row.due).or(due.later);
        Ok(waiting.into_iter().chain(next.rest).min())
    }

    fn put(&self, work: &Work<'_>, row: &QueueRow) -> Result<()> {
        put(work, (self.route, self.lane, self.account), row)
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
    /// lets wait; answers how many, and when the rest is due, where that was not all; the caller
    /// takes a row that is finished. What is left of another has had its turn: it waits behind all that is due by now,
    /// so that no retry and no later request of the account waits for the whole of a campaign.
    pub(super) fn gather(
        &self,
        work: &mut Work<'_>,
        row: &QueueRow,
        request: &Arc<Request>,
        (room, gathered, mut holds): (usize, &mut Gathered, Option<Holds<'_>>),
    ) -> Result<(usize, Option<i64>)> {
        // Up to a message more than there is room for, so as to end between two messages.
        let limit = room.saturating_add(usize::from(request.n_parts));
        let mut n = 0;
        let mut rest = None;
        let mut current = gathered.messages.last().map(|message| message.id);
        for (part, to) in ready(work, row, (self.route, row.first), limit)? {
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
        let Some(next) = rest else { return Ok((n, None)) };
        let queue = (self.route, self.lane, self.account);
        take(work, queue, row)?;
        let rest = match row.due > self.now.micros() {
            // It was ended ahead of its time, and what is left of it keeps its time: whoever lets
            // the sending go on meanwhile must not send it early.
            true => QueueRow { first: next.0, ..*row },
            false => {
                let due = self.now.micros();
                QueueRow { due, first: next.0, scheduled: false, ..*row }
            }
        };
        self.put(work, &rest)?;
        Ok((n, Some(rest.due)))
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
    (route, from): (RouteId, i64),
    limit: usize,
) -> Result<Vec<(PartId, Phone)>> {
    let is_range = row.first != row.last;
    part::ready(work, (PartId(from), PartId(row.last)), route, (is_range, limit))
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
