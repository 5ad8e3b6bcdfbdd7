//! Texts as handsets sent them: octets in some alphabet, and long ones in pieces that are read only
//! when they stand together, because a character may be cut in two.

use super::{ShiftTables, decode_gsm, decode_utf16be};

/// Stands for pieces of a long message that never came.
pub const MISSING: &str = "[…]";

/// What the octets of a received text mean. The numbers are stored; never change or reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Alphabet {
    /// Septets of the GSM alphabet, one an octet.
    Gsm = 0,
    /// The same with the Portuguese locking table.
    GsmLock = 1,
    /// The same with the Portuguese single shift table.
    GsmSingle = 2,
    /// The same with both.
    GsmBoth = 3,
    /// ISO 8859-1.
    Latin1 = 4,
    /// ISO 8859-5.
    Cyrillic = 5,
    /// ISO 8859-8.
    Hebrew = 6,
    /// UTF-16, big-endian.
    Utf16 = 7,
    /// The GSM alphabet with the Spanish single shift table.
    GsmSpanish = 8,
}

/// The Spanish single shift table (3GPP TS 23.038, A.2.2), where it differs from the extension
/// table: the code after an escape, and its character.
const SPANISH_SINGLE: [(u8, char); 9] = [
    (0x09, 'ç'),
    (0x41, 'Á'),
    (0x49, 'Í'),
    (0x4F, 'Ó'),
    (0x55, 'Ú'),
    (0x61, 'á'),
    (0x69, 'í'),
    (0x6F, 'ó'),
    (0x75, 'ú'),
];

impl Alphabet {
    /// The GSM alphabet with these tables.
    #[must_use]
    pub const fn gsm(tables: ShiftTables) -> Self {
        match tables {
            ShiftTables::None => Self::Gsm,
            ShiftTables::Lock => Self::GsmLock,
            ShiftTables::Single => Self::GsmSingle,
            ShiftTables::Both => Self::GsmBoth,
        }
    }

    /// Reads the stored number; an unknown one is read octet by octet.
    #[must_use]
    pub const fn from_stored(number: i64) -> Self {
        match number {
            0 => Self::Gsm,
            1 => Self::GsmLock,
            2 => Self::GsmSingle,
            3 => Self::GsmBoth,
            5 => Self::Cyrillic,
            6 => Self::Hebrew,
            7 => Self::Utf16,
            8 => Self::GsmSpanish,
            _ => Self::Latin1,
        }
    }
}

/// A text, or a piece of one, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coded {
    /// What its octets mean.
    pub alphabet: Alphabet,
    /// Its octets.
    pub octets: Vec<u8>,
}

impl Coded {
    /// What it says, by itself. Every octet has a reading.
    #[must_use]
    pub fn text(&self) -> String {
        let octets = &self.octets;
        match self.alphabet {
            Alphabet::Gsm => decode_gsm(octets, ShiftTables::None),
            Alphabet::GsmLock => decode_gsm(octets, ShiftTables::Lock),
            Alphabet::GsmSingle => decode_gsm(octets, ShiftTables::Single),
            Alphabet::GsmBoth => decode_gsm(octets, ShiftTables::Both),
            Alphabet::Utf16 => decode_utf16be(octets),
            Alphabet::GsmSpanish => spanish(octets),
            Alphabet::Latin1 => octets.iter().copied().map(char::from).collect(),
            Alphabet::Cyrillic => octets.iter().copied().map(cyrillic).collect(),
            Alphabet::Hebrew => octets.iter().copied().map(hebrew).collect(),
        }
    }
}

/// The default alphabet, but for what the Spanish table has.
fn spanish(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    let mut rest = octets;
    while let [first, after @ ..] = rest {
        let own = match after {
            [code, ..] if *first == ESCAPE => SPANISH_SINGLE.iter().find(|(own, _)| own == code),
            _ => None,
        };
        let n = if *first == ESCAPE { rest.len().min(2) } else { 1 };
        match own {
            Some((_, character)) => text.push(*character),
            None => text.push_str(&decode_gsm(&rest[..n], ShiftTables::None)),
        }
        rest = &rest[n..];
    }
    text
}

/// The septet that says: the next one is of another table.
const ESCAPE: u8 = 0x1B;

/// ISO 8859-5.
fn cyrillic(octet: u8) -> char {
    match octet {
        0xF0 => '№',
        0xFD => '§',
        0xAD | ..=0xA0 => char::from(octet),
        _ => char::from_u32(0x360 + u32::from(octet)).unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}

/// ISO 8859-8, its letters.
fn hebrew(octet: u8) -> char {
    match octet {
        0xE0..=0xFA => {
            char::from_u32(0x4F0 + u32::from(octet)).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        _ => char::from(octet),
    }
}

/// How a piece names the long message that it is of: pieces of two kinds are never of one message.
/// The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Naming {
    /// A header with a reference of 8 bits.
    Header8 = 0,
    /// A header with a reference of 16 bits.
    Header16 = 1,
    /// SMPP's `sar_…` parameters.
    Sar = 2,
}

/// Which piece of which long message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// How it is named.
    pub naming: Naming,
    /// The same in all pieces.
    pub reference: u16,
    /// How many there are.
    pub total: u8,
    /// Which one this is, from 1 to `total`.
    pub number: u8,
}

/// Joins the pieces of a long message, whatever order they are given in; of a number given twice
/// the first counts. [`MISSING`] stands where one or more never came.
#[must_use]
pub fn join(total: u8, pieces: &[(u8, Coded)]) -> String {
    let mut text = String::new();
    let mut run: Option<Coded> = None;
    let mut is_gap = false;
    for number in 1..=total {
        match (pieces.iter().find(|(n, _)| *n == number).map(|(_, piece)| piece), &mut run) {
            (Some(piece), Some(run)) if run.alphabet == piece.alphabet => {
                run.octets.extend_from_slice(&piece.octets);
            }
            (Some(piece), run) => {
                text.extend(run.replace(piece.clone()).map(|run| run.text()));
                is_gap = false;
            }
            (None, run) => {
                text.extend(run.take().map(|run| run.text()));
                if !std::mem::replace(&mut is_gap, true) {
                    text.push_str(MISSING);
                }
            }
        }
    }
    text.extend(run.map(|run| run.text()));
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sms::{Cut, Encoding, TableChoice, segment};

    fn coded(alphabet: Alphabet, octets: &[u8]) -> Coded {
        Coded { alphabet, octets: octets.to_vec() }
    }

    #[test]
    fn texts_are_read_by_their_alphabet() {
        for (alphabet, octets, text) in [
            (Alphabet::Gsm, &b"a\x00\x1b\x65"[..], "a@€"),
            (Alphabet::GsmLock, b"\x04", "ê"),
            (Alphabet::GsmSingle, b"\x1b\x7b\x04", "ãè"),
            (Alphabet::GsmBoth, b"\x1b\x7b\x04", "ãê"),
            (Alphabet::GsmSpanish, b"\x1b\x61\x1b\x55\x1b\x65\x00x\x1b", "áÚ€@x\u{FFFD}"),
            (Alphabet::Latin1, b"\xF1", "ñ"),
            (Alphabet::Cyrillic, b"\xB0\xF0", "А№"),
            (Alphabet::Hebrew, b"\xE0", "א"),
            (Alphabet::Utf16, b"\x27\x13\xD8\x3D\xDC\x26", "✓🐦"),
        ] {
            assert_eq!(coded(alphabet, octets).text(), text);
            assert_eq!(Alphabet::from_stored(alphabet as i64), alphabet);
        }
    }

    #[test]
    fn a_character_that_was_cut_in_two_is_whole_again() {
        let bird =
            [(2, coded(Alphabet::Utf16, b"\xDC\x26\0!")), (1, coded(Alphabet::Utf16, b"\xD8\x3D"))];
        assert_eq!(join(2, &bird), "🐦!");
        let euro = [(1, coded(Alphabet::Gsm, b"5\x1b")), (2, coded(Alphabet::Gsm, b"\x65"))];
        assert_eq!(join(2, &euro), "5€");
    }

    #[test]
    fn what_never_came_is_marked_once_and_alphabets_may_differ() {
        let pieces = [
            (5, coded(Alphabet::Utf16, b"\x27\x13")),
            (1, coded(Alphabet::Gsm, b"one ")),
            (4, coded(Alphabet::Gsm, b" four")),
            (1, coded(Alphabet::Gsm, b"again")),
        ];
        assert_eq!(join(5, &pieces), "one […] four✓");
        assert_eq!(join(2, &[]), "[…]");
        assert_eq!(join(3, &[(2, coded(Alphabet::Latin1, b"x"))]), "[…]x[…]");
    }

    proptest! {
        #[test]
        fn pieces_say_the_same_in_any_order_and_however_often(
            text in "[a-zA-Z€\\[\\] ñ🐦✓]{1,900}",
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let cut = |encoding| Cut { encoding, tables: TableChoice::Auto, split: false };
            let (alphabet, cut) = match segment(&text, cut(Encoding::Gsm)) {
                Ok(cut) => (Alphabet::Gsm, cut),
                Err(_) => (Alphabet::Utf16, segment(&text, cut(Encoding::Utf16)).expect("all")),
            };
            let total = u8::try_from(cut.n_parts()).expect("few");
            let piece = |i: usize| {
                let number = u8::try_from(i + 1).expect("few");
                (number, coded(alphabet, cut.part(i).septets_or_octets))
            };
            let mut pieces: Vec<_> =
                order.iter().map(|i| piece(i.index(cut.n_parts()))).collect();
            pieces.extend((0..cut.n_parts()).rev().map(piece));
            prop_assert_eq!(join(total, &pieces), text);
        }

        #[test]
        fn any_octets_have_a_reading(
            pieces in proptest::collection::vec((0_u8..9, 0_i64..10, proptest::collection::vec(any::<u8>(), 0..20)), 0..12),
            total in any::<u8>(),
        ) {
            let pieces: Vec<(u8, Coded)> = pieces
                .into_iter()
                .map(|(n, alphabet, octets)| (n, Coded { alphabet: Alphabet::from_stored(alphabet), octets }))
                .collect();
            let n_octets: usize = pieces.iter().map(|(_, piece)| piece.octets.len()).sum();
            prop_assert!(join(total, &pieces).chars().count() <= n_octets + 6 * usize::from(total));
        }
    }
}
