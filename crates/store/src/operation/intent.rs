//! Intents: which parts were handed to a link together, so that whoever comes after a crash knows what
//! may have left.

use pombo_domain::id::{AccountId, PartId, RouteId};
use pombo_domain::message::Lane;
use pombo_domain::time::Instant;

use crate::error::Result;
use crate::sql::values;
use crate::statement::statements;
use crate::work::Work;

statements! {
    OPEN = "insert into intent (route, lane, account, tries, at, parts, node) \
        values ($1, $2, $3, $4, $5, $6, $7) returning id";
    OPEN_AS = "insert into intent (route, lane, account, tries, at, parts, node, id) \
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    END = "delete from intent where id = $1";
    SHRINK = "update intent set parts = $1 where id = $2";
}

/// Writes one; answers its number.
pub(super) fn open(
    work: &mut Work<'_>,
    (route, lane, account): (RouteId, Lane, AccountId),
    parts: &[i64],
    (tries, at): (u8, Instant),
) -> Result<i64> {
    let (lane, at, parts, node) = (lane as i64, at.micros(), pack(parts), work.node());
    // Where an answer takes long, the number is not waited for.
    if let Some(id) = work.new_number() {
        let row = values![route.0, lane, account.0, tries, at, parts, node, id];
        work.prepare(OPEN_AS)?.write(row)?;
        return Ok(id);
    }
    let row = values![route.0, lane, account.0, tries, at, parts, node];
    work.prepare(OPEN)?.one(row, |row| row.get(0))
}

/// All its parts are settled.
pub(super) fn end(work: &Work<'_>, id: i64) -> Result<()> {
    work.prepare(END)?.write([id])
}

/// Only these are not settled yet.
pub(super) fn shrink(work: &Work<'_>, id: i64, rest: &[PartId]) -> Result<()> {
    let rest: Vec<i64> = rest.iter().map(|part| part.0).collect();
    work.prepare(SHRINK)?.write(values![pack(&rest), id])
}

/// Part ids as an intent keeps them: eight octets each, big endian.
fn pack(parts: &[i64]) -> Vec<u8> {
    parts.iter().flat_map(|id| id.to_be_bytes()).collect()
}

/// The reverse of [`pack`].
pub(super) fn unpack(blob: &[u8]) -> Vec<PartId> {
    blob.chunks_exact(8)
        .filter_map(|octets| octets.try_into().ok().map(i64::from_be_bytes).map(PartId))
        .collect()
}
