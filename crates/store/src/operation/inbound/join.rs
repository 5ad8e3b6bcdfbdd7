//! Pieces of long messages: each is kept before it is acknowledged, whatever order they come in, and
//! the message is there when the last one is.

use std::time::Duration;

use pombo_domain::channel::Inbound;
use pombo_domain::id::RouteId;
use pombo_domain::sms::received::{self, Alphabet, Coded, Place};
use pombo_domain::time::Instant;

use super::{Whole, insert};
use crate::error::Result;
use crate::sql::{Row, values};
use crate::statement::statements;
use crate::work::Work;

/// How long a message waits for its last piece; then what came of it is all there is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3_600);
/// Pieces that wait; beyond, the oldest messages are given out as they are.
const WAITING_MAX: i64 = 100_000;

statements! {
    SAME = "select octets, joined from inbound_piece where route = $1 and sender = $2 \
        and recipient = $3 and naming = $4 and reference = $5 and total = $6 and number = $7";
    NEW = "insert into inbound_piece (route, sender, recipient, naming, reference, total, number, \
        alphabet, octets, at, joined) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)";
    ALL = "select number, alphabet, octets from inbound_piece where route = $1 and sender = $2 \
        and recipient = $3 and naming = $4 and reference = $5 and total = $6 order by number";
    JOINED = "update inbound_piece set joined = 1 where route = $1 and sender = $2 \
        and recipient = $3 and naming = $4 and reference = $5 and total = $6";
    DROP_ALL = "delete from inbound_piece where route = $1 and sender = $2 \
        and recipient = $3 and naming = $4 and reference = $5 and total = $6";
    OLDEST = "select route, sender, recipient, naming, reference, total, at from inbound_piece \
        where joined = 0 and at < $1 order by at limit 1";
    /// The one beyond which too many wait.
    BEYOND = "select at from inbound_piece where joined = 0 order by at desc limit 1 offset $1";
    OLD_JOINED = "delete from inbound_piece \
        where (route, sender, recipient, naming, reference, total, number) in \
        (select route, sender, recipient, naming, reference, total, number from inbound_piece \
        where joined = 1 and at < $1 order by at limit $2)";
}

/// A long message that comes in pieces.
struct Set<'a> {
    route: RouteId,
    from: &'a str,
    to: &'a str,
    naming: i64,
    reference: u16,
    total: u8,
}

/// Keeps a piece; answers whether its message is whole now.
pub(super) fn keep(
    work: &mut Work<'_>,
    route: RouteId,
    inbound: &Inbound,
    place: Place,
) -> Result<bool> {
    let (from, to) = (inbound.from.as_str(), inbound.to.as_str());
    let Place { naming, reference, total, number } = place;
    let set = Set { route, from, to, naming: naming as i64, reference, total };
    let mut is_whole = false;
    if let Some((octets, is_joined)) = set.same(work, number)? {
        if octets == inbound.text.octets {
            return Ok(false); // It came before.
        }
        // Another message under the same reference: the one before will not be completed.
        is_whole = !is_joined;
        if !is_joined {
            set.give_out(work, inbound.at)?;
        }
        set.drop_all(work)?;
    }
    let Coded { alphabet, octets } = &inbound.text;
    work.prepare(NEW)?.execute(values![
        route.0,
        from,
        to,
        set.naming,
        reference,
        total,
        number,
        *alphabet as i64,
        octets,
        inbound.at.micros()
    ])?;
    if set.pieces(work)?.len() < usize::from(total) {
        return Ok(is_whole);
    }
    set.give_out(work, inbound.at)?;
    let key = values![route.0, from, to, set.naming, reference, total];
    work.prepare(JOINED)?.execute(key)?;
    Ok(true)
}

impl Set<'_> {
    fn same(&self, work: &Work<'_>, number: u8) -> Result<Option<(Vec<u8>, bool)>> {
        work.prepare(SAME)?.first(
            values![
                self.route.0,
                self.from,
                self.to,
                self.naming,
                self.reference,
                self.total,
                number
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    fn pieces(&self, work: &Work<'_>) -> Result<Vec<(u8, Coded)>> {
        let Self { route, from, to, naming, reference, total } = self;
        work.prepare(ALL)?.all(values![route.0, from, to, naming, reference, total], |row| {
            let alphabet = Alphabet::from_stored(row.get(1)?);
            Ok((row.get(0)?, Coded { alphabet, octets: row.get(2)? }))
        })
    }

    /// The message, of what came.
    fn give_out(&self, work: &mut Work<'_>, at: Instant) -> Result<()> {
        let pieces = self.pieces(work)?;
        let n_came = u8::try_from(pieces.len()).unwrap_or(u8::MAX);
        let whole = Whole {
            route: self.route,
            from: self.from,
            to: self.to,
            text: received::join(self.total, &pieces),
            at,
            n_pieces: self.total,
            n_missing: self.total.saturating_sub(n_came),
        };
        insert(work, whole)
    }

    fn drop_all(&self, work: &Work<'_>) -> Result<()> {
        let Self { route, from, to, naming, reference, total } = self;
        let key = values![route.0, from, to, naming, reference, total];
        work.prepare(DROP_ALL)?.execute(key)?;
        Ok(())
    }
}

/// Gives out what waits too long, or is too much, and forgets the pieces of what is long whole; at
/// most `limit` of each. Answers how many messages it gave out.
pub(crate) fn sweep(work: &mut Work<'_>, now: Instant, limit: i64) -> Result<i64> {
    let too_old = now.minus(PATIENCE).micros();
    let beyond: Option<i64> = work.prepare(BEYOND)?.first([WAITING_MAX], |row| row.get(0))?;
    let before = beyond.map_or(too_old, |at| too_old.max(at.saturating_add(1)));
    let mut n = 0;
    while n < limit {
        let oldest = work.prepare(OLDEST)?.first([before], Oldest::from_row)?;
        let Some(Oldest { route, from, to, naming, reference, total }) = oldest else { break };
        let set = Set { route, from: &from, to: &to, naming, reference, total };
        set.give_out(work, now)?;
        set.drop_all(work)?;
        n += 1;
    }
    work.prepare(OLD_JOINED)?.execute([too_old, limit])?;
    Ok(n)
}

struct Oldest {
    route: RouteId,
    from: String,
    to: String,
    naming: i64,
    reference: u16,
    total: u8,
}

impl Oldest {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            route: RouteId(row.get(0)?),
            from: row.get(1)?,
            to: row.get(2)?,
            naming: row.get(3)?,
            reference: row.get(4)?,
            total: row.get(5)?,
        })
    }
}
