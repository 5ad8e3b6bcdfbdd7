//! What a message shows as its sender: a number or a short name.

use std::fmt;

/// Digits of a numeric sender.
const SENDER_DIGITS_MAX: usize = 15;

/// Characters of a sender with letters: what fits the address field of a handset.
const SENDER_LETTERS_MAX: usize = 11;

/// Numeric senders up to this length are short codes.
const SHORT_CODE_DIGITS_MAX: usize = 8;

/// A sender: 1 to 15 digits, or 1 to 11 unaccented Latin letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sender(Box<str>);

/// Why a text is no sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SenderError {
    /// Empty or blank.
    #[error("sender missing")]
    Missing,
    /// More than 15 digits, or more than 11 characters that are not all digits.
    #[error("sender too long")]
    TooLong,
    /// Neither a digit nor an unaccented Latin letter.
    #[error("sender has a character that is not allowed: {0:?}")]
    BadCharacter(char),
}

/// What a sender is to the network; decides its type of number in SMPP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SenderKind {
    /// A name.
    Alphanumeric,
    /// A number of more than eight digits.
    Long,
    /// A number of at most eight digits.
    Short,
}

impl SenderKind {
    /// Its name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alphanumeric => "alphanumeric",
            Self::Long => "numeric",
            Self::Short => "shortcode",
        }
    }
}

impl Sender {
    /// A sender that was parsed before it was stored; trusted.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// Reads a sender. A `+` before digits is dropped. Length is checked before characters.
    pub fn parse(text: &str) -> Result<Self, SenderError> {
        if text.trim().is_empty() {
            return Err(SenderError::Missing);
        }
        let chars_max = if is_number(text) { SENDER_DIGITS_MAX } else { SENDER_LETTERS_MAX };
        if text.chars().nth(chars_max).is_some() {
            return Err(SenderError::TooLong);
        }
        match text.chars().find(|character| !character.is_ascii_alphanumeric()) {
            Some(bad) => Err(SenderError::BadCharacter(bad)),
            None => Ok(Self(text.into())),
        }
    }

    /// The sender as the carrier gets it: digits without `+`, or a name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is to the network.
    #[must_use]
    pub fn kind(&self) -> SenderKind {
        if !is_number(&self.0) {
            SenderKind::Alphanumeric
        } else if self.0.len() > SHORT_CODE_DIGITS_MAX {
            SenderKind::Long
        } else {
            SenderKind::Short
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sender_is_digits_or_a_short_name() {
        use SenderKind::*;
        for (text, sender, kind) in [
            ("ACME", "ACME", Alphanumeric),
            ("Acme2026Rio", "Acme2026Rio", Alphanumeric),
            ("1A", "1A", Alphanumeric),
            ("217", "217", Short),
            ("12345678", "12345678", Short),
            ("123456789", "123456789", Long),
            ("123456789012345", "123456789012345", Long),
        ] {
            let parsed = Sender::parse(text).expect(text);
            assert_eq!((parsed.as_str(), parsed.kind()), (sender, kind), "{text}");
        }
    }

    #[test]
    fn a_bad_sender_says_what_is_wrong_with_it() {
        use SenderError::*;
        for (text, error) in [
            ("", Missing),
            (" \t", Missing),
            ("1234567890123456", TooLong),
            ("+1234567890123456", TooLong),
            ("TwelveLetter", TooLong),
            ("My Company Name", TooLong),
            ("+", BadCharacter('+')),
            ("+3466655544", BadCharacter('+')),
            ("+ACME", BadCharacter('+')),
            ("ACME ", BadCharacter(' ')),
            ("Año", BadCharacter('ñ')),
            ("a-b", BadCharacter('-')),
            ("１２３", BadCharacter('１')),
        ] {
            assert_eq!(Sender::parse(text), Err(error), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_sender_is_read_back_as_itself(text in "\\PC*|[+0-9A-Za-z]{0,17}") {
            if let Ok(sender) = Sender::parse(&text) {
                prop_assert_eq!(Sender::parse(sender.as_str()), Ok(sender));
            }
        }
    }
}
