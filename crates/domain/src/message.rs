//! A message's life: the states of a part, and what may follow what.
//!
//! ```text
//! Queued ─► (in flight) ─► Sent ─► Delivered
//!   │            │           ├───► Undelivered
//!   │            │           ├───► Expired      (the upgrade Expired → Delivered is accepted,
//!   │            │           └───► Rejected      so is Undelivered with stat UNKNOWN → Delivered)
//!   │            ├► Rejected
//!   │            ├► Queued   (retry, other route)
//!   │            └► Uncertain ─► Queued (resend) · Sent or a final state (late receipt) · Undelivered
//!   └► Expired · Cancelled
//! ```
//!
//! "In flight" is not a state of the row: it is an open intent that names the part.

/// Where a part stands. The numbers are stored; never change or reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PartState {
    /// Accepted and waiting: for its time, its turn, or another try.
    Queued = 0,
    /// A carrier has accepted it.
    Sent = 1,
    /// On the handset. Final.
    Delivered = 2,
    /// The carrier could not deliver it, or never told. Final.
    Undelivered = 3,
    /// Its time ran out, with us or with the carrier. Final.
    Expired = 4,
    /// Refused at submission or by the network. Final.
    Rejected = 5,
    /// Bytes may have left, and no answer was stored.
    Uncertain = 6,
    /// Withdrawn by its owner before it was sent. Final.
    Cancelled = 7,
}

impl PartState {
    /// Reads the stored number.
    #[must_use]
    pub fn from_stored(number: i64) -> Option<Self> {
        Some(match number {
            0 => Self::Queued,
            1 => Self::Sent,
            2 => Self::Delivered,
            3 => Self::Undelivered,
            4 => Self::Expired,
            5 => Self::Rejected,
            6 => Self::Uncertain,
            7 => Self::Cancelled,
            _ => return None,
        })
    }

    /// Its name, where an owner reads it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
            Self::Uncertain => "uncertain",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more is expected (an upgrade may still come).
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Sent | Self::Uncertain)
    }

    /// Whether a receipt with `receipt` moves a part that stands here.
    ///
    /// The first final state wins, but for expired or unknown and then delivered (SMPP practice: some carriers tell a passing doubt first).
    /// A queued part takes no receipt.
    #[must_use]
    pub const fn accepts_receipt(self, receipt: Self) -> bool {
        matches!(
            (self, receipt),
            (Self::Sent | Self::Uncertain, _)
                | (Self::Expired | Self::Undelivered, Self::Delivered)
        )
    }
}

/// What happened to a part: one line of the append-only log. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// A carrier accepted the part.
    Sent = 1,
    /// Delivered to the handset.
    Delivered = 2,
    /// Not delivered.
    Undelivered = 3,
    /// Ran out of time.
    Expired = 4,
    /// Refused by the network after it had accepted.
    Rejected = 5,
    /// Refused at submission: `%d` = 16, where the network's later refusal is 2.
    Refused = 6,
    /// The carrier's intermediate word: queued, on its way.
    Buffered = 7,
    /// Bytes may have left and no answer came.
    Uncertain = 8,
    /// Put back for another try after a temporary error.
    Deferred = 9,
    /// Withdrawn by its owner.
    Cancelled = 10,
    /// Its recipient followed a short link in it.
    Clicked = 11,
    /// Its recipient wrote back.
    Inbound = 12,
    /// Its recipient asked for no more messages.
    Unsubscribed = 13,
    /// Its recipient asked for messages again.
    Resubscribed = 14,
    /// An account had more one-time codes made than it may; of no message.
    CodesLimited = 15,
}

impl EventKind {
    /// Reads the stored number.
    #[must_use]
    pub fn from_stored(number: i64) -> Option<Self> {
        Some(match number {
            1 => Self::Sent,
            2 => Self::Delivered,
            3 => Self::Undelivered,
            4 => Self::Expired,
            5 => Self::Rejected,
            6 => Self::Refused,
            7 => Self::Buffered,
            8 => Self::Uncertain,
            9 => Self::Deferred,
            10 => Self::Cancelled,
            11 => Self::Clicked,
            12 => Self::Inbound,
            13 => Self::Unsubscribed,
            14 => Self::Resubscribed,
            15 => Self::CodesLimited,
            _ => return None,
        })
    }

    /// The final state that it brings, where it ends its part.
    #[must_use]
    pub const fn end(self) -> Option<PartState> {
        match self {
            Self::Delivered => Some(PartState::Delivered),
            Self::Undelivered => Some(PartState::Undelivered),
            Self::Expired => Some(PartState::Expired),
            Self::Rejected | Self::Refused => Some(PartState::Rejected),
            Self::Cancelled => Some(PartState::Cancelled),
            Self::Sent | Self::Buffered | Self::Uncertain | Self::Deferred => None,
            Self::Clicked | Self::Inbound | Self::Unsubscribed | Self::Resubscribed => None,
            Self::CodesLimited => None,
        }
    }

    /// Whether it tells what the recipient did, and nothing of how the part stands.
    #[must_use]
    pub const fn is_of_recipient(self) -> bool {
        matches!(self, Self::Clicked | Self::Inbound | Self::Unsubscribed | Self::Resubscribed)
    }

    /// Its name, where an owner reads it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Expired => "expired",
            Self::Rejected | Self::Refused => "rejected",
            Self::Buffered => "buffered",
            Self::Uncertain => "uncertain",
            Self::Deferred => "deferred",
            Self::Cancelled => "cancelled",
            Self::Clicked => "clicked",
            Self::Inbound => "inbound",
            Self::Unsubscribed => "unsubscribed",
            Self::Resubscribed => "resubscribed",
            Self::CodesLimited => "codes_limited",
        }
    }

    /// Its name where the 360NRS API has one.
    #[must_use]
    pub const fn api_name(self) -> Option<&'static str> {
        match self {
            Self::Buffered | Self::Uncertain | Self::Deferred | Self::Cancelled => None,
            Self::Inbound | Self::Resubscribed | Self::CodesLimited => None,
            named => Some(named.as_str()),
        }
    }
}

/// Whether a carrier took a part that has ended, or may have, by all that happened to it, in order:
/// what it reserved is charged then. What the recipient did says nothing of it.
#[must_use]
pub fn was_taken(kinds: &[EventKind]) -> bool {
    use EventKind::{Delivered, Refused, Sent, Uncertain};
    let is_taken = |kind: &EventKind| matches!(kind, Sent | Delivered | Uncertain);
    let last = kinds.iter().rfind(|kind| !kind.is_of_recipient());
    last != Some(&Refused) && kinds.iter().any(is_taken)
}

/// The law's kind of message; decides country rules, never inferred from size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Category {
    /// The recipient expects it: a code, an alarm, a receipt.
    Transactional = 0,
    /// The sender wants to sell or tell.
    Marketing = 1,
}

impl Category {
    /// Its word in the API, the configuration and the commands.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Marketing => "marketing",
            Self::Transactional => "transactional",
        }
    }
}

/// Which of a route's two queues a request joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Lane {
    /// Served first: never waits behind a campaign.
    Transactional = 0,
    /// Campaigns and large requests.
    Bulk = 1,
}

impl Lane {
    /// Both lanes, in the order they are served.
    pub const ALL: [Self; 2] = [Self::Transactional, Self::Bulk];

    /// Reads the stored number; whatever is not transactional waits with the rest.
    #[must_use]
    pub const fn from_stored(number: i64) -> Self {
        if number == 0 { Self::Transactional } else { Self::Bulk }
    }

    /// The lane of a request: by its category if given, else a campaign name or more than
    /// [`crate::limits::TRANSACTIONAL_RECIPIENTS_MAX`] recipients mean bulk (DESIGN, section 3).
    #[must_use]
    pub fn of(category: Option<Category>, has_campaign_name: bool, n_recipients: usize) -> Self {
        match category {
            Some(Category::Transactional) => Self::Transactional,
            Some(Category::Marketing) => Self::Bulk,
            None if has_campaign_name => Self::Bulk,
            None if n_recipients > crate::limits::TRANSACTIONAL_RECIPIENTS_MAX => Self::Bulk,
            None => Self::Transactional,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_numbers_read_back() {
        for n in 0..=7 {
            assert_eq!(PartState::from_stored(n).map(|s| s as i64), Some(n));
        }
        for n in 1..=14 {
            assert_eq!(EventKind::from_stored(n).map(|k| k as i64), Some(n));
        }
        assert_eq!(PartState::from_stored(8), None);
        assert_eq!(EventKind::from_stored(0), None);
    }

    #[test]
    fn the_first_final_state_wins_but_for_the_upgrade_to_delivered() {
        use PartState::*;
        assert!(Sent.accepts_receipt(Undelivered));
        assert!(Uncertain.accepts_receipt(Delivered));
        assert!(Expired.accepts_receipt(Delivered));
        assert!(!Delivered.accepts_receipt(Expired));
        assert!(!Undelivered.accepts_receipt(Expired));
        assert!(!Delivered.accepts_receipt(Delivered));
        assert!(!Rejected.accepts_receipt(Delivered));
        assert!(!Queued.accepts_receipt(Delivered));
    }

    #[test]
    fn the_lane_follows_the_category_then_the_size() {
        assert_eq!(Lane::of(Some(Category::Transactional), true, 100_000), Lane::Transactional);
        assert_eq!(Lane::of(Some(Category::Marketing), false, 1), Lane::Bulk);
        assert_eq!(Lane::of(None, true, 1), Lane::Bulk);
        assert_eq!(Lane::of(None, false, 10), Lane::Transactional);
        assert_eq!(Lane::of(None, false, 11), Lane::Bulk);
    }

    #[test]
    fn a_part_costs_what_a_carrier_took() {
        use EventKind::{
            Clicked, Deferred, Delivered, Expired, Refused, Sent, Uncertain, Undelivered,
        };
        for (kinds, taken) in [
            (&[Sent, Delivered][..], true),
            (&[Sent, Undelivered], true),
            (&[Deferred, Refused], false),
            (&[Expired], false),
            (&[Deferred, Expired], false),
            (&[Uncertain, Undelivered], true),
            (&[Uncertain, Deferred, Undelivered], true),
            (&[Uncertain, Refused], false),
            (&[Uncertain, Sent, Expired], true),
            (&[Uncertain, Refused, Clicked], false),
            (&[Uncertain, Refused, EventKind::Unsubscribed], false),
            (&[Clicked], false),
        ] {
            assert_eq!(was_taken(kinds), taken, "{kinds:?}");
        }
    }
}
