//! Request bodies: read whole, each within its limit, all of them within one budget.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use pombo_domain::limits::{
    BODIES_IN_FLIGHT_BYTES_MAX, BODY_BEGINNING_BYTES, BODY_BEGINNINGS_BYTES_MAX, BODY_BYTES_MAX,
};

/// Between two pieces of a body.
const PIECE_WAIT: Duration = Duration::from_secs(15);

/// For a whole body.
const BODY_WAIT: Duration = Duration::from_secs(120);

/// What is left of the memory for bodies.
pub(crate) struct Budget {
    /// For the first bytes of each.
    beginnings: AtomicUsize,
    rest: AtomicUsize,
}

/// Bytes taken from the budget until this is dropped.
pub(crate) struct Taken<'b> {
    budget: &'b Budget,
    bytes: usize,
    /// Those among them that were taken as a beginning.
    beginning: usize,
}

/// Why a body was not read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Larger than one body may be.
    TooLarge,
    /// All bodies together are too large now.
    Full,
    /// It did not come in time.
    TooSlow,
    /// The connection broke.
    Broken,
}

impl Budget {
    /// The whole budget.
    pub(crate) const fn new() -> Self {
        Self {
            beginnings: AtomicUsize::new(BODY_BEGINNINGS_BYTES_MAX),
            rest: AtomicUsize::new(BODIES_IN_FLIGHT_BYTES_MAX - BODY_BEGINNINGS_BYTES_MAX),
        }
    }

    fn taken(&self) -> Taken<'_> {
        Taken { budget: self, bytes: 0, beginning: 0 }
    }
}

fn take(from: &AtomicUsize, bytes: usize) -> Result<(), Unread> {
    let less = |left: usize| left.checked_sub(bytes);
    let order = (Ordering::AcqRel, Ordering::Acquire);
    from.fetch_update(order.0, order.1, less).map(drop).map_err(|_| Unread::Full)
}

impl Taken<'_> {
    /// Takes more, as it arrives: a promise of bytes that never come must not starve the others.
    fn grow(&mut self, bytes: usize) -> Result<(), Unread> {
        if self.bytes + bytes > BODY_BYTES_MAX {
            return Err(Unread::TooLarge);
        }
        let room = BODY_BEGINNING_BYTES.saturating_sub(self.bytes);
        let mut beginning = bytes.min(room);
        if take(&self.budget.beginnings, beginning).is_err() {
            beginning = 0;
        }
        if let Err(full) = take(&self.budget.rest, bytes - beginning) {
            self.budget.beginnings.fetch_add(beginning, Ordering::AcqRel);
            return Err(full);
        }
        self.bytes += bytes;
        self.beginning += beginning;
        Ok(())
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.budget.beginnings.fetch_add(self.beginning, Ordering::AcqRel);
        self.budget.rest.fetch_add(self.bytes - self.beginning, Ordering::AcqRel);
    }
}

/// Reads a body whole. A body in one piece, as small ones come, is not copied.
pub(crate) async fn read(
    mut body: Incoming,
    budget: &Budget,
) -> Result<(Bytes, Taken<'_>), Unread> {
    let announced = body.size_hint().lower();
    if announced > BODY_BYTES_MAX as u64 {
        return Err(Unread::TooLarge);
    }
    let mut taken = budget.taken();
    let Some(first) = piece(&mut body).await? else { return Ok((Bytes::new(), taken)) };
    taken.grow(first.len())?;
    if body.is_end_stream() {
        return Ok((first, taken));
    }
    let whole = tokio::time::timeout(BODY_WAIT, rest(first, &mut body, &mut taken));
    let whole = whole.await.map_err(|_| Unread::TooSlow)??;
    Ok((whole, taken))
}

async fn rest(first: Bytes, body: &mut Incoming, taken: &mut Taken<'_>) -> Result<Bytes, Unread> {
    let mut whole = BytesMut::from(first);
    while let Some(next) = piece(body).await? {
        taken.grow(next.len())?;
        whole.extend_from_slice(&next);
    }
    Ok(whole.freeze())
}

/// The next piece of data; `None` at the end.
async fn piece(body: &mut Incoming) -> Result<Option<Bytes>, Unread> {
    loop {
        let frame = tokio::time::timeout(PIECE_WAIT, body.frame());
        match frame.await.map_err(|_| Unread::TooSlow)? {
            None => return Ok(None),
            Some(Err(_)) => return Err(Unread::Broken),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_body_gets_in_beside_large_ones_and_what_was_taken_comes_back() {
        let budget = Budget::new();
        {
            let mut one = budget.taken();
            let mut two = budget.taken();
            let mut three = budget.taken();
            assert_eq!(one.grow(BODY_BYTES_MAX), Ok(()));
            assert_eq!(one.grow(1), Err(Unread::TooLarge));
            assert_eq!(two.grow(BODY_BYTES_MAX), Err(Unread::Full));
            assert_eq!(two.grow(24 << 20), Ok(()));
            assert_eq!(three.grow(BODY_BEGINNING_BYTES + (1 << 20)), Err(Unread::Full));
            for _ in 0..4 {
                assert_eq!(three.grow(BODY_BEGINNING_BYTES / 4), Ok(()));
            }
            assert_eq!(three.grow(1 << 20), Err(Unread::Full), "it is small no more");
        }
        let left = [&budget.beginnings, &budget.rest].map(|left| left.load(Ordering::Acquire));
        assert_eq!(left.iter().sum::<usize>(), BODIES_IN_FLIGHT_BYTES_MAX);
        assert_eq!(left[0], BODY_BEGINNINGS_BYTES_MAX);
        let small: Vec<_> = (0..1_000)
            .map(|_| {
                let mut small = budget.taken();
                small.grow(BODY_BEGINNING_BYTES).map(|()| small)
            })
            .take_while(Result::is_ok)
            .collect();
        assert_eq!(small.len(), 1_000, "beginnings take what large ones leave");
    }
}
