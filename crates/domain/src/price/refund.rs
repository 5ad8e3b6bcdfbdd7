//! Whether a part's price is given back where its carrier says that it did not deliver it.

use crate::message::{EventKind, PartState, was_taken};
use crate::money::Money;

/// What was promised of a part's price when the part was accepted, and what became of that. The
/// numbers are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Refund {
    /// Nothing: what a carrier took is paid, whatever becomes of it.
    #[default]
    None = 0,
    /// The price list gives it back where the part is not delivered.
    Promised = 1,
    /// It was given back.
    Given = 2,
}

impl Refund {
    /// What a price list's row promises.
    #[must_use]
    pub const fn promised(refunds: bool) -> Self {
        if refunds { Self::Promised } else { Self::None }
    }

    /// Reads the stored number.
    #[must_use]
    pub const fn from_stored(number: i64) -> Self {
        match number {
            1 => Self::Promised,
            2 => Self::Given,
            _ => Self::None,
        }
    }

    /// What it becomes when a carrier tells the end of a part that was charged, by the state and the
    /// word. `UNKNOWN` says that nobody knows: that is no ground to give anything back. What is
    /// delivered after all is paid after all.
    #[must_use]
    pub fn when_told(self, state: PartState, word: &str) -> Self {
        use PartState::{Delivered, Expired, Rejected, Undelivered};
        match (self, state) {
            (Self::Promised, Undelivered | Expired | Rejected) if word != "UNKNOWN" => Self::Given,
            (Self::Given, Delivered) => Self::Promised,
            _ => self,
        }
    }
}

/// Of a part's price, what it costs, by all that happened to it: nothing where it ended before a
/// carrier took it, or where it was given back.
#[must_use]
pub fn charged(price: Money, refund: Refund, state: PartState, kinds: &[EventKind]) -> Money {
    let is_free = refund == Refund::Given || (state.is_final() && !was_taken(kinds));
    if is_free { Money::ZERO } else { price }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_numbers_read_back() {
        for refund in [Refund::None, Refund::Promised, Refund::Given] {
            assert_eq!(Refund::from_stored(refund as i64), refund);
        }
        assert_eq!(Refund::from_stored(3), Refund::None);
    }

    #[test]
    fn what_is_told_gives_back_once_and_only_what_was_promised() {
        use PartState::{Delivered, Expired, Rejected, Sent, Undelivered};
        use Refund::{Given, None, Promised};
        for (before, state, word, after) in [
            (Promised, Undelivered, "UNDELIV", Given),
            (Promised, Undelivered, "DELETED", Given),
            (Promised, Expired, "EXPIRED", Given),
            (Promised, Rejected, "REJECTD", Given),
            (Promised, Undelivered, "UNKNOWN", Promised),
            (Promised, Delivered, "DELIVRD", Promised),
            (Promised, Sent, "ACCEPTD", Promised),
            (Given, Undelivered, "UNDELIV", Given),
            (Given, Delivered, "DELIVRD", Promised),
            (None, Undelivered, "UNDELIV", None),
            (None, Delivered, "DELIVRD", None),
        ] {
            assert_eq!(before.when_told(state, word), after, "{before:?} {state:?} {word}");
        }
    }

    #[test]
    fn a_part_costs_nothing_once_its_price_is_given_back() {
        use EventKind::{Deferred, Refused, Sent, Undelivered};
        let price = Money::from_micros(7);
        let of =
            |refund, kinds: &[EventKind]| charged(price, refund, PartState::Undelivered, kinds);
        assert_eq!(of(Refund::None, &[Sent, Undelivered]), price);
        assert_eq!(of(Refund::Promised, &[Sent, Undelivered]), price);
        assert_eq!(of(Refund::Given, &[Sent, Undelivered]), Money::ZERO);
        assert_eq!(of(Refund::Promised, &[Deferred, Refused]), Money::ZERO);
        assert_eq!(charged(price, Refund::None, PartState::Queued, &[]), price, "set aside");
    }
}
