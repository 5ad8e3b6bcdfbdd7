//! One-time codes: what may be asked of one, what it is made of, and what a check of it says.

mod guard;
mod key;

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::time::Instant;

pub use guard::{Count, Guard, Limits, Scope, range};
pub use key::{KEY_BYTES, Key, SALT_BYTES, Seed};

/// Characters of a code (360NRS, `length`).
pub const LENGTH: RangeInclusive<u8> = 3..=10;
/// Checks that are compared with a code (360NRS, `maxAttempts`).
pub const ATTEMPTS: RangeInclusive<u8> = 1..=10;
/// Seconds between a code and its check (360NRS, `maxSecondsValidity`).
pub const VALIDITY_SECONDS: RangeInclusive<u16> = 30..=600;
/// Characters of an `appId`.
pub const APP_CHARS_MAX: usize = 64;
/// Characters of what is checked: more than that is no code.
pub const GUESS_CHARS_MAX: usize = 32;
/// How long a code that is over is still known, so that a check can say why.
pub const KEPT: Duration = Duration::from_secs(3_600);

const DIGITS: &[u8] = b"0123456789";
/// Without look-alikes: no 0 and O, no 1, I and L, no U (for V).
const LETTERS: &[u8] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What a request asks of its codes: `otpConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Letters and digits rather than digits.
    pub alpha: bool,
    /// Characters, of [`LENGTH`].
    pub length: u8,
    /// Checks that are compared, of [`ATTEMPTS`].
    pub attempts_max: u8,
    /// Seconds, of [`VALIDITY_SECONDS`].
    pub validity_s: u16,
    /// A recipient may have one code for each.
    pub app: String,
    /// Makes none while the recipient has one that is pending.
    pub reject_if_pending: bool,
}

impl Default for Config {
    /// As the document has it.
    fn default() -> Self {
        Self {
            alpha: false,
            length: 4,
            attempts_max: 3,
            validity_s: 60,
            app: String::new(),
            reject_if_pending: false,
        }
    }
}

impl Config {
    /// When a code that is made now is over.
    #[must_use]
    pub fn end(&self, now: Instant) -> Instant {
        now.plus(Duration::from_secs(self.validity_s.into()))
    }

    /// As a request keeps it: all but the last wish, which is about its acceptance alone.
    #[must_use]
    pub fn to_stored(&self) -> String {
        let (alpha, length) = (u8::from(self.alpha), self.length);
        format!("{alpha} {length} {} {} {}", self.attempts_max, self.validity_s, self.app)
    }

    /// Takes back what [`Config::to_stored`] made; `None` where it is empty.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        let mut words = text.splitn(5, ' ');
        Some(Self {
            alpha: words.next()? == "1",
            length: words.next()?.parse().ok()?,
            attempts_max: words.next()?.parse().ok()?,
            validity_s: words.next()?.parse().ok()?,
            app: words.next()?.to_owned(),
            reject_if_pending: false,
        })
    }

    /// The characters that its codes are made of, each as likely as the others.
    #[must_use]
    pub const fn alphabet(&self) -> &'static [u8] {
        if self.alpha { LETTERS } else { DIGITS }
    }
}

/// A code as it stands, without the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otp {
    /// What was asked of it.
    pub config: Config,
    /// Checks that were compared.
    pub attempts: u8,
    /// When it was made.
    pub created: Instant,
    /// When it was made, or last compared.
    pub updated: Instant,
    /// From this instant on it is over.
    pub expires: Instant,
    /// Whether a check was right: then it is spent.
    pub used: bool,
}

/// What a check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is the code, for the first and only time.
    Valid,
    /// It is another.
    Invalid,
    /// Its time is over.
    Expired,
    /// It was compared as often as it may be.
    MaxAttempts,
    /// The recipient has no code, or has spent it.
    NotFound,
}

impl Reason {
    /// Its word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "Valid",
            Self::Invalid => "Invalid",
            Self::Expired => "Expired",
            Self::MaxAttempts => "MaxAttempts",
            Self::NotFound => "NotFound",
        }
    }
}

impl Otp {
    /// A code that is made now.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let expires = config.end(now);
        Self { config, attempts: 0, created: now, updated: now, expires, used: false }
    }

    /// Why it can be no one's code any more; `None` while it can be checked.
    #[must_use]
    pub fn over(&self, now: Instant) -> Option<Reason> {
        if self.used {
            Some(Reason::NotFound)
        } else if self.attempts >= self.config.attempts_max {
            Some(Reason::MaxAttempts)
        } else if self.expires <= now {
            Some(Reason::Expired)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_over_when_it_is_spent_when_it_was_tried_enough_and_at_its_very_end() {
        let now = Instant::from_micros(1_774_353_600_000_000);
        let otp = Otp::new(Config::default(), now);
        let end = now.plus(Duration::from_secs(60));
        assert_eq!((otp.expires, otp.over(now)), (end, None));
        assert_eq!(otp.over(end.minus(Duration::from_micros(1))), None);
        assert_eq!(otp.over(end), Some(Reason::Expired));
        let tried = Otp { attempts: 3, ..otp.clone() };
        assert_eq!(tried.over(now), Some(Reason::MaxAttempts));
        assert_eq!(tried.over(end), Some(Reason::MaxAttempts));
        assert_eq!(Otp { attempts: 2, ..otp.clone() }.over(now), None);
        assert_eq!(Otp { used: true, ..tried }.over(end), Some(Reason::NotFound));
    }

    #[test]
    fn what_a_request_keeps_reads_back() {
        assert_eq!(Config::from_stored(""), None);
        for app in ["", "shop", " two  words "] {
            let app = app.to_owned();
            let config = Config { alpha: true, length: 10, app, ..Config::default() };
            assert_eq!(Config::from_stored(&config.to_stored()), Some(config));
        }
    }

    #[test]
    fn no_character_of_a_code_is_taken_for_another() {
        let config = |alpha| Config { alpha, ..Config::default() };
        assert_eq!(config(false).alphabet(), b"0123456789");
        let letters = config(true).alphabet();
        assert_eq!(letters.len(), 30);
        assert!(!letters.iter().any(|c| b"01OILU".contains(c)));
        assert!(letters.windows(2).all(|pair| pair[0] < pair[1]), "each once");
    }
}
