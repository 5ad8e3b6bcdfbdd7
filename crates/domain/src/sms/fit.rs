//! What a request wants of its texts, and whether one is fit to be sent.

use std::borrow::Cow;

use super::personal::CODE;
use super::{CannotEncode, Cut, Segmented, normalise, segment, transliterate};
use crate::limits::{PARTS_MAX, TEXT_BYTES_MAX};

/// What is done with each text of a request, and what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// How it is written and cut.
    pub cut: Cut,
    /// Whether the `trans` table is applied first.
    pub trans: bool,
    /// Parts allowed, 1 to 15.
    pub parts_max: u8,
    /// Characters of the one-time code that `{OTP_CODE}` gives way to when the text leaves; 0: it is
    /// plain text.
    pub code_length: u8,
}

/// A text as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitted {
    /// Normalised, transliterated where asked; `{OTP_CODE}` stands where the code will.
    pub text: String,
    /// The same, encoded and cut, as with a code.
    pub segmented: Segmented,
    /// Its parts: 1 to 15.
    pub n_parts: u8,
}

/// Why a text cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is empty, or nothing is left of it after transliteration.
    #[error("the text is empty")]
    Empty,
    /// A character that the encoding cannot carry.
    #[error(transparent)]
    NotEncodable(CannotEncode),
    /// It takes more parts than are allowed.
    #[error("the text takes too many parts")]
    TooLong,
    /// Two independent messages would each hold a piece of one value.
    #[error("a placeholder would be cut in two")]
    PlaceholderCut,
    /// What is to be shortened is no URL.
    #[error("the value of {0:?} is no URL")]
    NotAUrl(String),
}

impl Form {
    /// A text as it is sent, or why it cannot be.
    pub fn fit(&self, text: &str) -> Result<Fitted, Unfit> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Unfit::TooLong);
        }
        let text = self.prepare(text);
        if text.is_empty() {
            return Err(Unfit::Empty);
        }
        let segmented = segment(&self.with_code(&text), self.cut).map_err(Unfit::NotEncodable)?;
        let n_parts = u8::try_from(segmented.n_parts())
            .ok()
            .filter(|n| *n <= self.parts_max.min(PARTS_MAX))
            .ok_or(Unfit::TooLong)?;
        Ok(Fitted { text, segmented, n_parts })
    }

    /// The text with a code of the length that all will have. Whatever codes are made of takes the
    /// same room in every alphabet.
    pub(super) fn with_code<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.code_length {
            0 => Cow::Borrowed(text),
            n => Cow::Owned(text.replace(CODE, &"0".repeat(n.into()))),
        }
    }

    /// Normalised, and transliterated where asked.
    pub(super) fn prepare(&self, text: &str) -> String {
        match normalise(text) {
            text if self.trans => transliterate(&text),
            text => text.into_owned(),
        }
    }
}
