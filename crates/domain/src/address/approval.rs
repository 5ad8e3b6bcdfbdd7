//! Senders that have to be approved before somebody shows them: how they stand, and where they may.

use super::Country;

/// How the operator stands to a sender that somebody asked for. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i64)]
pub enum Standing {
    /// Nobody has decided yet.
    Pending = 0,
    /// It may be shown.
    Approved = 1,
    /// It may not.
    Rejected = 2,
}

impl Standing {
    const ALL: [Self; 3] = [Self::Pending, Self::Approved, Self::Rejected];

    /// Reads the stored number; one that is unknown approves of nothing.
    #[must_use]
    pub const fn from_stored(number: i64) -> Self {
        match number {
            1 => Self::Approved,
            2 => Self::Rejected,
            _ => Self::Pending,
        }
    }

    /// Reads the API's name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.as_str() == name)
    }

    /// Its name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

/// The countries to which one account may show one sender; `None` in it is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approvals(pub Vec<Option<Country>>);

impl Approvals {
    /// Whether it may be shown there.
    #[must_use]
    pub fn cover(&self, country: Country) -> bool {
        self.0.iter().any(|approved| approved.is_none_or(|approved| approved == country))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(letters: &str) -> Country {
        Country::parse(letters).expect("a country")
    }

    #[test]
    fn an_approval_is_for_one_country_or_for_all() {
        let (france, spain) = (country("FR"), country("ES"));
        assert!(!Approvals::default().cover(france));
        let one = Approvals(vec![Some(france)]);
        assert!(one.cover(france) && !one.cover(spain));
        assert!(Approvals(vec![Some(france), None]).cover(spain));
    }

    #[test]
    fn a_standing_is_read_back_from_its_number_and_its_name() {
        for standing in Standing::ALL {
            assert_eq!(Standing::from_stored(standing as i64), standing);
            assert_eq!(Standing::parse(standing.as_str()), Some(standing));
        }
        assert_eq!(Standing::from_stored(9), Standing::Pending);
        assert_eq!(Standing::parse("fine"), None);
    }
}
