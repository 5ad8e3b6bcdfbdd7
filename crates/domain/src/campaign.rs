//! Campaigns: what is counted of a sending, and the words for how it stands.
//!
//! A message is counted once, however many parts it has: as `sent` when a carrier has taken its
//! first part, as `delivered` when every part is, and as what its first part that failed came to
//! when all of them have ended.

use std::ops::AddAssign;

use crate::id::{PartId, SendingId};
use crate::message::PartState;
use crate::money::Money;

/// The totals of a sending, or what is to be added to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages accepted.
    pub messages: i64,
    /// Messages of which a part waits to be sent.
    pub waiting: i64,
    /// Messages whose first part a carrier has taken.
    pub sent: i64,
    /// Messages of which every part was delivered.
    pub delivered: i64,
    /// Messages that ended undelivered.
    pub undelivered: i64,
    /// Messages that ran out of time.
    pub expired: i64,
    /// Messages that were refused.
    pub rejected: i64,
    /// Messages that were withdrawn.
    pub cancelled: i64,
    /// How often a link was followed.
    pub clicked: i64,
    /// Messages of which a link was followed.
    pub clicked_unique: i64,
    /// Recipients who asked for no more messages.
    pub unsubscribed: i64,
    /// Parts that a carrier has taken.
    pub parts_sent: i64,
    /// What was reserved and not given back.
    pub cost: Money,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.waiting += other.waiting;
        self.sent += other.sent;
        self.delivered += other.delivered;
        self.undelivered += other.undelivered;
        self.expired += other.expired;
        self.rejected += other.rejected;
        self.cancelled += other.cancelled;
        self.clicked += other.clicked;
        self.clicked_unique += other.clicked_unique;
        self.unsubscribed += other.unsubscribed;
        self.parts_sent += other.parts_sent;
        self.cost += other.cost;
    }
}

impl Totals {
    /// What accepting `n` messages that cost so much together adds.
    #[must_use]
    pub fn accepted(n: usize, cost: Money) -> Self {
        let messages = i64::try_from(n).unwrap_or(i64::MAX);
        Self { messages, waiting: messages, cost, ..Self::default() }
    }

    /// Messages that wait no more: they were sent, or ended before.
    #[must_use]
    pub const fn processed(&self) -> i64 {
        self.messages - self.waiting
    }

    /// Counts `n` messages whose parts stand so.
    pub fn count(&mut self, parts: &[PartState], n: i64) {
        if parts.contains(&PartState::Queued) {
            self.waiting += n;
        }
        match end(parts) {
            Some(PartState::Delivered) => self.delivered += n,
            Some(PartState::Undelivered) => self.undelivered += n,
            Some(PartState::Expired) => self.expired += n,
            Some(PartState::Rejected) => self.rejected += n,
            Some(PartState::Cancelled) => self.cancelled += n,
            Some(PartState::Queued | PartState::Sent | PartState::Uncertain) | None => {}
        }
    }

    /// Counts that a link of a message was followed `n` times.
    pub fn count_clicks(&mut self, n: usize) {
        self.clicked += i64::try_from(n).unwrap_or(i64::MAX);
        self.clicked_unique += i64::from(n > 0);
    }

    /// Counts that a carrier has taken a part.
    pub fn count_sent(&mut self, part: PartId) {
        self.parts_sent += 1;
        if part.idx() == 0 {
            self.sent += 1;
        }
    }

    /// What it adds that one part of a message changes its state; `before` holds all its parts, in
    /// order, as they stood.
    #[must_use]
    pub fn moved(part: PartId, before: &[PartState], state: PartState) -> Self {
        let mut change = Self::default();
        let mut after = before.to_vec();
        let Some(place) = after.get_mut(usize::from(part.idx())) else { return change };
        let was = std::mem::replace(place, state);
        change.count(before, -1);
        change.count(&after, 1);
        if state == PartState::Sent && was != PartState::Sent {
            change.count_sent(part);
        }
        change
    }
}

/// How a message ended; `None` while more is expected of a part.
fn end(parts: &[PartState]) -> Option<PartState> {
    if parts.iter().any(|part| !part.is_final()) {
        return None;
    }
    let failed = parts.iter().find(|part| **part != PartState::Delivered);
    failed.or(parts.first()).copied()
}

/// Who is told of each step of a part, as its row keeps it: the sending whose totals it moves times
/// 16, plus the number of parts of its message; 0: nobody's. With a bit of its own, the chain of a
/// certified message ([`crate::certificate`]) too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally(i64);

/// The bit of certified messages; sendings stay far below it.
const CERTIFIED: i64 = 1 << 62;

impl Tally {
    /// Counted nowhere: the request named no campaign.
    pub const NONE: Self = Self(0);

    /// Counted for a sending.
    #[must_use]
    pub const fn of(sending: SendingId, n_parts: u8) -> Self {
        Self(sending.0 << 4 | n_parts as i64)
    }

    /// The same of a certified message, or of one that is not.
    #[must_use]
    pub const fn certified(self, is_certified: bool) -> Self {
        if is_certified { Self(self.0 | CERTIFIED) } else { self }
    }

    /// Whether its message is certified.
    #[must_use]
    pub const fn is_certified(self) -> bool {
        self.0 & CERTIFIED != 0
    }

    /// Reads the stored number.
    #[must_use]
    pub const fn from_stored(number: i64) -> Self {
        Self(number)
    }

    /// The number to store.
    #[must_use]
    pub const fn stored(self) -> i64 {
        self.0
    }

    /// The sending, and the parts of the message.
    #[must_use]
    pub const fn sending(self) -> Option<(SendingId, u8)> {
        match self.0 & !CERTIFIED {
            0 => None,
            stored => Some((SendingId(stored >> 4), stored.to_be_bytes()[7] & 15)),
        }
    }
}

/// What an owner or an operator does with a sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Hold what waits.
    Pause,
    /// Let it go on.
    Resume,
    /// End what waits, and accept nothing more.
    Cancel,
}

/// Why a sending sends nothing. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i64)]
pub enum Stop {
    /// What is due of it is held.
    Paused = 1,
    /// What is due of it ends.
    Cancelled = 2,
}

impl Stop {
    /// Reads the stored number.
    #[must_use]
    pub const fn from_stored(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Paused),
            2 => Some(Self::Cancelled),
            _ => None,
        }
    }
}

/// How a sending stands, in the API document's words, as far as a sending by API can stand so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Waits for its time.
    Pending,
    /// On its way.
    Sending,
    /// Held.
    Paused,
    /// Nothing of it waits.
    Finished,
    /// Withdrawn.
    Cancelled,
    /// May take more messages.
    Opened,
}

impl Status {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Sending => "SENDING",
            Self::Paused => "PAUSED",
            Self::Finished => "FINISHED",
            Self::Cancelled => "CANCELLED",
            Self::Opened => "OPENED",
        }
    }

    /// Of a sending that may take more messages.
    #[must_use]
    pub const fn of_open(stop: Option<Stop>) -> Self {
        match stop {
            Some(Stop::Paused) => Self::Paused,
            Some(Stop::Cancelled) => Self::Cancelled,
            None => Self::Opened,
        }
    }

    /// Of a single request that named no campaign: it takes nothing more.
    #[must_use]
    pub const fn of_one_request(stop: Option<Stop>, totals: &Totals, is_due: bool) -> Self {
        match stop {
            Some(Stop::Cancelled) => Self::Cancelled,
            _ if totals.waiting == 0 => Self::Finished,
            Some(Stop::Paused) => Self::Paused,
            None if totals.processed() == 0 && !is_due => Self::Pending,
            None => Self::Sending,
        }
    }
}

#[cfg(test)]
mod tests {
    use PartState::*;
    use proptest::prelude::*;

    use super::*;
    use crate::id::MessageId;

    #[test]
    fn a_message_ends_when_all_its_parts_have() {
        for (parts, ended) in [
            (&[Queued][..], None),
            (&[Sent], None),
            (&[Delivered], Some(Delivered)),
            (&[Delivered, Sent], None),
            (&[Delivered, Delivered], Some(Delivered)),
            (&[Delivered, Rejected], Some(Rejected)),
            (&[Expired, Rejected, Delivered], Some(Expired)),
            (&[Undelivered, Uncertain], None),
        ] {
            assert_eq!(end(parts), ended, "{parts:?}");
        }
    }

    #[test]
    fn a_late_delivery_moves_the_totals() {
        let part = MessageId(7).part(0);
        let change = Totals::moved(part, &[Expired], Delivered);
        assert_eq!(change, Totals { expired: -1, delivered: 1, ..Totals::default() });
        let change = Totals::moved(part, &[Queued, Queued], Sent);
        assert_eq!(change, Totals { sent: 1, parts_sent: 1, ..Totals::default() });
        let change = Totals::moved(MessageId(7).part(1), &[Sent, Queued], Sent);
        assert_eq!(change, Totals { waiting: -1, parts_sent: 1, ..Totals::default() });
    }

    #[test]
    fn a_tally_tells_the_sending_and_the_parts() {
        assert_eq!(Tally::of(SendingId(100_001), 15).sending(), Some((SendingId(100_001), 15)));
        assert_eq!(Tally::NONE.sending(), None);
    }

    #[test]
    fn a_certified_message_is_counted_like_any_other() {
        let tally = Tally::of(SendingId((1 << 53) - 1), 15).certified(true);
        assert_eq!(tally.sending(), Some((SendingId((1 << 53) - 1), 15)));
        assert!(Tally::from_stored(tally.stored()).is_certified());
        assert!(Tally::NONE.certified(true).is_certified());
        assert_eq!(Tally::NONE.certified(true).sending(), None);
        assert_eq!(Tally::NONE.certified(false), Tally::NONE);
        assert!(!Tally::of(SendingId((1 << 53) - 1), 15).is_certified());
    }

    #[test]
    fn a_single_request_is_pending_then_sending_then_finished() {
        let mut totals = Totals::accepted(2, Money::ZERO);
        assert_eq!(Status::of_one_request(None, &totals, false), Status::Pending);
        assert_eq!(Status::of_one_request(None, &totals, true), Status::Sending);
        assert_eq!(Status::of_one_request(Some(Stop::Paused), &totals, true), Status::Paused);
        totals.waiting = 0;
        assert_eq!(Status::of_one_request(None, &totals, true), Status::Finished);
    }

    fn states() -> impl Strategy<Value = PartState> {
        (0..8_i64).prop_map(|n| PartState::from_stored(n).expect("a state"))
    }

    proptest! {
        #[test]
        fn moves_add_up_to_where_the_message_stands(
            start in proptest::collection::vec(states(), 1..=15),
            moves in proptest::collection::vec((any::<prop::sample::Index>(), states()), 0..40),
        ) {
            let mut now = start;
            let mut totals = Totals::default();
            totals.count(&now, 1);
            for (which, state) in moves {
                let idx = which.index(now.len());
                let part = MessageId(7).part(u8::try_from(idx).expect("few"));
                totals += Totals::moved(part, &now, state);
                now[idx] = state;
            }
            let mut stands = Totals::default();
            stands.count(&now, 1);
            prop_assert_eq!(Totals { sent: 0, parts_sent: 0, ..totals }, stands);
        }
    }
}
