//! One typed id per kind, so that no id is ever taken for another.

use std::fmt;

/// A parse failure: the text is not the decimal form of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id")]
pub struct NotAnId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl $name {
            /// Reads the decimal form; ids are never negative.
            pub fn parse(text: &str) -> Result<Self, NotAnId> {
                let canonical = text.len() <= 19 && text.bytes().all(|b| b.is_ascii_digit());
                if !canonical {
                    return Err(NotAnId);
                }
                text.parse().map(Self).map_err(|_| NotAnId)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// A paying tenant.
    AccountId;
    /// A carrier route, numbered when its name is first seen; the number survives restarts.
    RouteId;
    /// One message to one recipient. Time-ordered; a request's messages are one contiguous block.
    MessageId;
    /// One part of a message: `message << 4 | index`. The unit of intent, answer, receipt and price.
    PartId;
    /// One line of the append-only event log; time-ordered.
    EventId;
    /// A campaign; below 2^53, because clients read it as a JSON number.
    CampaignId;
    /// A sending of a campaign; below 2^53.
    SendingId;
}

impl CampaignId {
    /// The sending of a request that named no campaign, and so has numbers of its own.
    #[must_use]
    pub const fn own_sending(self) -> SendingId {
        SendingId(self.0 + 1)
    }
}

/// Bits of a [`PartId`] that number the part: 16 places for at most 15 parts.
const PART_BITS: u32 = 4;

impl MessageId {
    /// The id of this message's part with the zero-based index `part_idx`.
    #[must_use]
    pub const fn part(self, part_idx: u8) -> PartId {
        PartId(self.0 << PART_BITS | part_idx as i64)
    }

    /// The message `offset` places further in the same request.
    #[must_use]
    pub const fn plus(self, offset: usize) -> Self {
        Self(self.0 + offset as i64)
    }
}

impl PartId {
    /// The message this part belongs to.
    #[must_use]
    pub const fn message(self) -> MessageId {
        MessageId(self.0 >> PART_BITS)
    }

    /// Zero-based position in the message.
    #[must_use]
    pub const fn idx(self) -> u8 {
        self.0.to_be_bytes()[7] & ((1 << PART_BITS) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_id_gives_back_its_message_and_index() {
        let part = MessageId(123_456).part(14);
        assert_eq!((part.message(), part.idx()), (MessageId(123_456), 14));
    }

    #[test]
    fn only_plain_decimals_are_ids() {
        assert_eq!(MessageId::parse("102648819"), Ok(MessageId(102_648_819)));
        for bad in ["", "-1", "+1", "1.0", "XXXX", "99999999999999999999", " 1"] {
            assert_eq!(MessageId::parse(bad), Err(NotAnId), "{bad:?}");
        }
    }
}
