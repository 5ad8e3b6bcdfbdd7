//! After which receipts a part goes by the next route.

use std::fmt;
use std::time::Duration;

/// Words of receipts that tell of a failure.
const WORDS: [&str; 5] = ["UNDELIV", "REJECTD", "EXPIRED", "DELETED", "UNKNOWN"];

/// A failure that a receipt may tell: `UNDELIV`, or `UNDELIV:34` with the carrier's error code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    word: &'static str,
    /// `None`: whatever the code.
    code: Option<String>,
}

impl Failure {
    /// Reads it; `None` where the word tells of no failure.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (word, code) = match text.split_once(':') {
            None => (text, None),
            Some((_, "")) => return None,
            Some((word, code)) => (word, Some(code.to_owned())),
        };
        let word = WORDS.into_iter().find(|known| *known == word)?;
        Some(Self { word, code })
    }

    /// Whether a receipt tells it; leading zeros of a code count for nothing.
    fn is_told(&self, word: &str, code: &str) -> bool {
        let plain = |code: &str| code.trim_start_matches('0').to_ascii_lowercase();
        self.word == word && self.code.as_ref().is_none_or(|own| plain(own) == plain(code))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word)?;
        self.code.as_ref().map_or(Ok(()), |code| write!(f, ":{code}"))
    }
}

/// What a route's failures lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failover {
    /// The failures that are not the last word; empty: all are.
    pub on: Vec<Failure>,
    /// How long after the carrier took it another may still be worth its price.
    pub within: Duration,
    /// Carriers that take one part at most, the first included.
    pub tries_max: u8,
}

impl Default for Failover {
    fn default() -> Self {
        Self { on: Vec::new(), within: Duration::from_secs(3_600), tries_max: 3 }
    }
}

impl Failover {
    /// Whether a part that `n_tries` carriers took, this one so long ago, goes on after a receipt.
    #[must_use]
    pub fn goes_on(&self, (word, code): (&str, &str), age: Duration, n_tries: usize) -> bool {
        self.on.iter().any(|failure| failure.is_told(word, code))
            && age <= self.within
            && n_tries < usize::from(self.tries_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(failures: &[&str]) -> Failover {
        let on = failures.iter().map(|text| Failure::parse(text).expect(text)).collect();
        Failover { on, ..Failover::default() }
    }

    #[test]
    fn the_word_and_where_it_is_named_the_code_decide() {
        for (failures, word, code, goes_on) in [
            (&["UNDELIV"][..], "UNDELIV", "", true),
            (&["UNDELIV"], "UNDELIV", "034", true),
            (&["UNDELIV"], "REJECTD", "034", false),
            (&["UNDELIV:34"], "UNDELIV", "034", true),
            (&["UNDELIV:034"], "UNDELIV", "34", true),
            (&["UNDELIV:34"], "UNDELIV", "", false),
            (&["UNDELIV:34", "EXPIRED"], "EXPIRED", "1", true),
            (&["REJECTD:0x4B"], "REJECTD", "0x4b", true),
            (&[], "UNDELIV", "", false),
        ] {
            let told = on(failures).goes_on((word, code), Duration::ZERO, 1);
            assert_eq!(told, goes_on, "{failures:?} {word} {code}");
        }
    }

    #[test]
    fn what_is_old_or_was_tried_enough_goes_on_no_more() {
        let rule = on(&["UNDELIV"]);
        let goes_on = |age_s, n| rule.goes_on(("UNDELIV", ""), Duration::from_secs(age_s), n);
        assert!(goes_on(3_600, 2));
        assert!(!goes_on(3_601, 2));
        assert!(!goes_on(0, 3));
    }

    #[test]
    fn only_failures_can_be_named() {
        for bad in ["DELIVRD", "ACCEPTD", "undeliv", "", "UNDELIV:", ":34"] {
            assert_eq!(Failure::parse(bad), None, "{bad}");
        }
        for good in ["UNKNOWN", "EXPIRED:7"] {
            assert_eq!(Failure::parse(good).map(|f| f.to_string()).as_deref(), Some(good));
        }
    }
}
