//! The GSM 7 bit alphabets of 3GPP TS 23.038: which character is which septets, and back.

use super::ShiftTables;

/// The septet that says: the next one is of the extension or single shift table.
pub(super) const ESC_SEPTET: u8 = 0x1B;

/// Stands in the tables at [`ESC_SEPTET`]; it is no character of any text.
const ESC: char = '\u{1B}';

/// The default alphabet (6.2.1), by code.
#[rustfmt::skip]
const DEFAULT: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', ESC, 'Æ', 'æ', 'ß', 'É',
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The default extension table (6.2.1.1): the code after ESC, and its character.
#[rustfmt::skip]
const EXTENSION: &[(u8, char)] = &[
    (0x0A, '\u{0C}'), (0x14, '^'), (0x28, '{'), (0x29, '}'), (0x2F, '\\'), (0x3C, '['),
    (0x3D, '~'), (0x3E, ']'), (0x40, '|'), (0x65, '€'),
];

/// The Portuguese locking shift table (A.3.3), by code.
#[rustfmt::skip]
const PT_LOCK: [char; 128] = [
    '@', '£', '$', '¥', 'ê', 'é', 'ú', 'í', 'ó', 'ç', '\n', 'Ô', 'ô', '\r', 'Á', 'á',
    'Δ', '_', 'ª', 'Ç', 'À', '∞', '^', '\\', '€', 'Ó', '|', ESC, 'Â', 'â', 'Ê', 'É',
    ' ', '!', '"', '#', 'º', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
    'Í', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ã', 'Õ', 'Ú', 'Ü', '§',
    '~', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ã', 'õ', '`', 'ü', 'à',
];

/// The Portuguese single shift table (A.2.3): the code after ESC, and its character.
#[rustfmt::skip]
const PT_SINGLE: &[(u8, char)] = &[
    (0x05, 'ê'), (0x09, 'ç'), (0x0A, '\u{0C}'), (0x0B, 'Ô'), (0x0C, 'ô'), (0x0E, 'Á'),
    (0x0F, 'á'), (0x12, 'Φ'), (0x13, 'Γ'), (0x14, '^'), (0x15, 'Ω'), (0x16, 'Π'),
    (0x17, 'Ψ'), (0x18, 'Σ'), (0x19, 'Θ'), (0x1F, 'Ê'), (0x28, '{'), (0x29, '}'),
    (0x2F, '\\'), (0x3C, '['), (0x3D, '~'), (0x3E, ']'), (0x40, '|'), (0x41, 'À'),
    (0x49, 'Í'), (0x4F, 'Ó'), (0x55, 'Ú'), (0x5B, 'Ã'), (0x5C, 'Õ'), (0x61, 'Â'),
    (0x65, '€'), (0x69, 'í'), (0x6F, 'ó'), (0x75, 'ú'), (0x7B, 'ã'), (0x7C, 'õ'),
    (0x7F, 'â'),
];

/// How one character is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Septets {
    /// By the septet of its own.
    One(u8),
    /// By [`ESC_SEPTET`] and this one.
    Escaped(u8),
    /// Not at all.
    None,
}

/// Stands where an octet is not written by one septet.
const NO_SEPTET: u8 = 0xFF;

/// Characters below this have their own slot in [`Alphabet::by_char`]; all but two are below.
const LOW_CHARS: usize = 0x400;

/// A base table with the table that an escape leads to, ready for both directions.
pub(super) struct Alphabet {
    by_char: [Septets; LOW_CHARS],
    /// The septet of an octet of UTF-8 that is a character by itself, or [`NO_SEPTET`].
    by_octet: [u8; 256],
    euro: Septets,
    infinity: Septets,
    base: [char; 128],
    escaped: [Option<char>; 128],
}

static NONE: Alphabet = Alphabet::new(DEFAULT, EXTENSION);
static LOCK: Alphabet = Alphabet::new(PT_LOCK, EXTENSION);
static SINGLE: Alphabet = Alphabet::new(DEFAULT, PT_SINGLE);
static BOTH: Alphabet = Alphabet::new(PT_LOCK, PT_SINGLE);

impl Alphabet {
    /// The alphabet in force with `tables`.
    pub(super) fn of(tables: ShiftTables) -> &'static Self {
        match tables {
            ShiftTables::None => &NONE,
            ShiftTables::Lock => &LOCK,
            ShiftTables::Single => &SINGLE,
            ShiftTables::Both => &BOTH,
        }
    }

    /// A character that both tables have is written by the base table: one septet, not two.
    const fn new(base: [char; 128], extension: &[(u8, char)]) -> Self {
        let mut alphabet = Self {
            by_char: [Septets::None; LOW_CHARS],
            by_octet: [NO_SEPTET; 256],
            euro: Septets::None,
            infinity: Septets::None,
            base,
            escaped: [None; 128],
        };
        let mut i = 0;
        while i < extension.len() {
            let (code, character) = extension[i];
            alphabet.escaped[code as usize] = Some(character);
            alphabet.write(character, Septets::Escaped(code));
            i += 1;
        }
        let mut code = 0;
        while code < 128 {
            if code != ESC_SEPTET {
                alphabet.write(base[code as usize], Septets::One(code));
            }
            code += 1;
        }
        let mut ascii = 0;
        while ascii < 128 {
            if let Septets::One(code) = alphabet.by_char[ascii] {
                alphabet.by_octet[ascii] = code;
            }
            ascii += 1;
        }
        alphabet
    }

    const fn write(&mut self, character: char, septets: Septets) {
        match character {
            '€' => self.euro = septets,
            '∞' => self.infinity = septets,
            low => self.by_char[low as usize] = septets,
        }
    }

    /// How `character` is written.
    #[inline]
    pub(super) fn septets(&self, character: char) -> Septets {
        match self.by_char.get(character as usize) {
            Some(&septets) => septets,
            None if character == '€' => self.euro,
            None if character == '∞' => self.infinity,
            None => Septets::None,
        }
    }

    /// Writes the ASCII characters that `text` begins with, as far as each is one septet; answers how
    /// many: all of them, of most texts.
    pub(super) fn write_run(&self, text: &str, septets: &mut Vec<u8>) -> usize {
        let of = |octet: &u8| self.by_octet[usize::from(*octet)];
        let octets = text.as_bytes();
        let n = octets.iter().position(|octet| of(octet) == NO_SEPTET).unwrap_or(octets.len());
        septets.extend(octets[..n].iter().map(of));
        n
    }

    /// The character of a septet that follows no escape; none for ESC and for values above 127.
    pub(super) fn plain(&self, septet: u8) -> Option<char> {
        self.base.get(usize::from(septet)).copied().filter(|&character| character != ESC)
    }

    /// The character of a septet after an escape, as a handset shows it: where the table has
    /// none, the base table's; a second escape (reserved for a further table) as a space.
    pub(super) fn escaped(&self, septet: u8) -> Option<char> {
        if septet == ESC_SEPTET {
            return Some(' ');
        }
        let own = self.escaped.get(usize::from(septet)).copied().flatten();
        own.or_else(|| self.plain(septet))
    }
}
