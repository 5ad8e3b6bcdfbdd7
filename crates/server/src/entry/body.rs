//! Request bodies: read whole, each within its limit, all of them within one budget.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use pombo_domain::limits::{BODIES_IN_FLIGHT_BYTES_MAX, BODY_BYTES_MAX};

/// Between two pieces of a body.
const PIECE_WAIT: Duration = Duration::from_secs(15);

/// For a whole body.
const BODY_WAIT: Duration = Duration::from_secs(120);

/// What is left of the memory for bodies.
pub(crate) struct Budget {
    left: AtomicUsize,
}

/// Bytes taken from the budget until this is dropped.
pub(crate) struct Taken<'b> {
    budget: &'b Budget,
    bytes: usize,
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
        Self { left: AtomicUsize::new(BODIES_IN_FLIGHT_BYTES_MAX) }
    }

    fn take(&self, bytes: usize) -> Result<(), Unread> {
        let less = |left: usize| left.checked_sub(bytes);
        let order = (Ordering::AcqRel, Ordering::Acquire);
        self.left.fetch_update(order.0, order.1, less).map(drop).map_err(|_| Unread::Full)
    }
}

impl Taken<'_> {
    /// Takes more, as it arrives: a promise of bytes that never come must not starve the others.
    fn grow(&mut self, bytes: usize) -> Result<(), Unread> {
        if self.bytes + bytes > BODY_BYTES_MAX {
            return Err(Unread::TooLarge);
        }
        self.budget.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.bytes, Ordering::AcqRel);
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
    let mut taken = Taken { budget, bytes: 0 };
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
    fn what_was_taken_comes_back() {
        let budget = Budget::new();
        {
            let mut one = Taken { budget: &budget, bytes: 0 };
            let mut two = Taken { budget: &budget, bytes: 0 };
            assert_eq!(one.grow(BODY_BYTES_MAX), Ok(()));
            assert_eq!(one.grow(1), Err(Unread::TooLarge));
            assert_eq!(two.grow(BODY_BYTES_MAX), Ok(()));
            let mut three = Taken { budget: &budget, bytes: 0 };
            assert_eq!(three.grow(1), Err(Unread::Full));
        }
        assert_eq!(budget.left.load(Ordering::Acquire), BODIES_IN_FLIGHT_BYTES_MAX);
    }
}
