//! Who gets a message of a request, and what it costs.

use pombo_domain::address::Phone;
use pombo_domain::id::RouteId;
use pombo_domain::money::Money;

/// One recipient with what was decided for it.
#[derive(Debug, Clone, Copy)]
pub struct Recipient {
    /// To whom.
    pub to: Phone,
    /// By which route.
    pub route: RouteId,
    /// Price of one part.
    pub price: Money,
    /// It is given back where a carrier says that it did not deliver the part.
    pub refunds: bool,
    /// What its message costs beside its parts; the first part bears it.
    pub extra: Money,
    /// Parts of its message.
    pub n_parts: u8,
}

impl Recipient {
    /// What one of its parts costs.
    #[must_use]
    pub const fn price_of(&self, part_idx: u8) -> Money {
        let extra = if part_idx == 0 { self.extra.micros() } else { 0 };
        Money::from_micros(self.price.micros().saturating_add(extra))
    }

    /// What its message costs; `None` when that is beyond counting.
    #[must_use]
    pub fn cost(&self) -> Option<Money> {
        let parts = self.price.times(usize::from(self.n_parts))?;
        parts.micros().checked_add(self.extra.micros()).map(Money::from_micros)
    }
}

/// What some messages cost together; `None` when that is beyond counting.
#[must_use]
pub fn cost(recipients: &[Recipient]) -> Option<Money> {
    let mut total = 0_i64;
    for recipient in recipients {
        total = total.checked_add(recipient.cost()?.micros())?;
    }
    Some(Money::from_micros(total))
}
