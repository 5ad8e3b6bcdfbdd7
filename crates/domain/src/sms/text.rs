//! What happens to a text before it is cut, and how received octets become text again.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

use super::ShiftTables;
use super::alphabet::{Alphabet, ESC_SEPTET};

/// Below this every character is its own NFC form.
const FIRST_COMBINING: char = '\u{300}';

/// The text in Unicode's composed form (NFC): the alphabets have `á`, not `a` and an accent.
#[must_use]
pub fn normalise(text: &str) -> Cow<'_, str> {
    if text.is_ascii()
        || text.chars().all(|character| character < FIRST_COMBINING)
        || unicode_normalization::is_nfc(text)
    {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// Applies the `trans` table of the 360NRS API document (data/trans.tsv) to a text in NFC.
///
/// One pass: what a replacement gives is not replaced again. Other characters stay, even those
/// that the GSM alphabet lacks.
#[must_use]
pub fn transliterate(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            'á' | 'â' | 'ã' => plain.push('a'),
            'ê' => plain.push('e'),
            'í' | 'î' => plain.push('i'),
            'ó' | 'ô' | 'õ' => plain.push('o'),
            'ú' | 'û' => plain.push('u'),
            'Á' | 'À' | 'Â' | 'Ã' => plain.push('A'),
            'È' | 'Ê' => plain.push('E'),
            'Í' | 'Ì' | 'Î' => plain.push('I'),
            'Ó' | 'Ò' | 'Ô' | 'Õ' => plain.push('O'),
            'Ú' | 'Ù' | 'Û' => plain.push('U'),
            // The GSM alphabet has the capital only.
            'ç' => plain.push('Ç'),
            'º' | 'ª' => {}
            other => plain.push(other),
        }
    }
    plain
}

/// Reads unpacked septets (one an octet) as a handset shows them.
///
/// Lenient: an escape to nothing shows the base table's character; an octet above 127 and an
/// escape at the end show U+FFFD.
#[must_use]
pub fn decode_gsm(septets: &[u8], tables: ShiftTables) -> String {
    let alphabet = Alphabet::of(tables);
    let mut text = String::with_capacity(septets.len());
    let mut rest = septets.iter().copied();
    while let Some(septet) = rest.next() {
        let character = if septet == ESC_SEPTET {
            rest.next().and_then(|next| alphabet.escaped(next))
        } else {
            alphabet.plain(septet)
        };
        text.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    text
}

/// Reads UTF-16BE. Lenient: half a surrogate pair and an odd last octet show U+FFFD.
#[must_use]
pub fn decode_utf16be(octets: &[u8]) -> String {
    let (pairs, odd) = octets.as_chunks::<2>();
    let units = pairs.iter().map(|&pair| u16::from_be_bytes(pair));
    char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .chain(odd.iter().map(|_| char::REPLACEMENT_CHARACTER))
        .collect()
}
