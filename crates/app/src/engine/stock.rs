//! What lies on a desk: claimed work that no link has taken yet, a queue for each lane.

use std::collections::VecDeque;

use pombo_domain::channel::Attempt;
use pombo_domain::id::AccountId;
use pombo_domain::message::Lane;
use pombo_domain::time::Instant;

/// Claimed work, and whose it is.
pub(super) type Lot = (AccountId, Attempt);

/// Claimed work, transactional first.
#[derive(Debug, Default)]
pub(super) struct Stock {
    lanes: [VecDeque<Lot>; 2],
}

impl Stock {
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.iter().all(VecDeque::is_empty)
    }

    /// Parts of one lane.
    pub(super) fn n_parts(&self, lane: Lane) -> usize {
        self.lanes[lane as usize].iter().map(|(_, attempt)| attempt.n_parts()).sum()
    }

    pub(super) fn put(&mut self, lane: Lane, account: AccountId, work: Vec<Attempt>) {
        self.lanes[lane as usize].extend(work.into_iter().map(|attempt| (account, attempt)));
    }

    /// At most `room` parts, and how many they are. A message's parts stay together, so a long one
    /// exceeds the room where it comes first: it goes alone rather than never.
    pub(super) fn take(&mut self, room: usize) -> (Vec<Lot>, usize) {
        let mut taken = Vec::new();
        let mut n_parts = 0;
        for lane in &mut self.lanes {
            while let Some((_, attempt)) = lane.front() {
                let next = n_parts + attempt.n_parts();
                if next > room && (n_parts > 0 || room == 0) {
                    return (taken, n_parts);
                }
                n_parts = next;
                taken.extend(lane.pop_front());
            }
        }
        (taken, n_parts)
    }

    /// What has lost its worth while it lay here.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<Lot> {
        let mut expired = Vec::new();
        for lane in &mut self.lanes {
            // Nearly always none: look before moving anything.
            let is_late = |(_, attempt): &Lot| attempt.expires.is_some_and(|end| end <= now);
            if lane.iter().any(is_late) {
                let (late, good) = std::mem::take(lane).into_iter().partition(is_late);
                expired.extend::<VecDeque<_>>(late);
                *lane = good;
            }
        }
        expired
    }

    pub(super) fn take_all(&mut self) -> Vec<Lot> {
        self.lanes.iter_mut().flat_map(std::mem::take).collect()
    }
}
