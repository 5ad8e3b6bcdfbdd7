//! Cuts a text into the parts that it is sent and paid in.
//!
//! A text that fits a single message is one part. A longer one is filled greedily, part by part;
//! an escape pair and a surrogate pair are never split. What fits a part depends on the encoding
//! and on the header that each part carries (data/gsm_pt.tsv has the arithmetic).

use std::fmt;

use super::alphabet::{Alphabet, ESC_SEPTET, Septets};
use super::{Encoding, ShiftTables, TableChoice};

/// How to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// How to write the text.
    pub encoding: Encoding,
    /// Which Portuguese tables; read with [`Encoding::GsmPt`] only.
    pub tables: TableChoice,
    /// Whether the parts are independent messages, without concatenation header.
    pub split: bool,
}

/// The first character that the encoding cannot carry.
///
/// Where tables are chosen freely, it is the one that stopped the choice that came furthest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("character {position} ({character:?}) cannot be encoded")]
pub struct CannotEncode {
    /// Which character.
    pub character: char,
    /// Its one-based position, in Unicode scalar values.
    pub position: usize,
}

/// One part of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// With gsm and gsm-pt one octet per septet (unpacked; the escape is an octet of its own);
    /// with utf-16 the UTF-16BE octets.
    pub septets_or_octets: &'a [u8],
}

/// A text, encoded and cut.
#[derive(Clone, PartialEq, Eq)]
pub struct Segmented {
    encoding: Encoding,
    tables: ShiftTables,
    split: bool,
    /// The parts' septets or octets, one part after the other.
    bytes: Vec<u8>,
    /// Where in `bytes` each part after the first begins.
    cuts: Vec<usize>,
}

impl Default for Segmented {
    /// The empty text: no parts.
    fn default() -> Self {
        Self {
            encoding: Encoding::Gsm,
            tables: ShiftTables::None,
            split: false,
            bytes: Vec::new(),
            cuts: Vec::new(),
        }
    }
}

/// Encodes and cuts `text`, which should be in NFC. An empty text has no parts.
///
/// Linear in the length of the text. The number of parts is not limited here.
pub fn segment(text: &str, how: Cut) -> Result<Segmented, CannotEncode> {
    let tables = match (how.encoding, how.tables) {
        (Encoding::Gsm | Encoding::Utf16, _) => ShiftTables::None,
        (Encoding::GsmPt, TableChoice::Only(tables)) => tables,
        (Encoding::GsmPt, TableChoice::Auto) => cheapest_tables(text, how.split)?,
    };
    let bytes = match how.encoding {
        Encoding::Gsm | Encoding::GsmPt => encode_gsm(text, tables)?,
        Encoding::Utf16 => match text.as_bytes().contains(&0) {
            // No handset shows it, and no database of ours keeps it.
            true => {
                let position = text.chars().take_while(|c| *c != '\0').count() + 1;
                return Err(CannotEncode { character: '\0', position });
            }
            false => encode_utf16be(text),
        },
    };
    let mut segmented =
        Segmented { encoding: how.encoding, tables, split: how.split, bytes, cuts: Vec::new() };
    segmented.cut();
    Ok(segmented)
}

/// The tables that need the fewest parts; on a tie the first of none, lock, single, both.
fn cheapest_tables(text: &str, split: bool) -> Result<ShiftTables, CannotEncode> {
    let mut best: Result<(usize, ShiftTables), CannotEncode> =
        count_parts(text, ShiftTables::None, split).map(|n_parts| (n_parts, ShiftTables::None));
    for tables in [ShiftTables::Lock, ShiftTables::Single, ShiftTables::Both] {
        if best.is_ok_and(|(n_parts, _)| n_parts <= 1) {
            break;
        }
        best = match (best, count_parts(text, tables, split)) {
            (Ok(best), Ok(n_parts)) if n_parts < best.0 => Ok((n_parts, tables)),
            (Ok(best), _) => Ok(best),
            (Err(_), Ok(n_parts)) => Ok((n_parts, tables)),
            (Err(a), Err(b)) => Err(if b.position > a.position { b } else { a }),
        };
    }
    best.map(|(_, tables)| tables)
}

/// How many parts `text` takes with `tables`, without writing it.
fn count_parts(text: &str, tables: ShiftTables, split: bool) -> Result<usize, CannotEncode> {
    let alphabet = Alphabet::of(tables);
    let single = single_capacity(Encoding::GsmPt, tables);
    let capacity = if split { single } else { part_capacity(Encoding::GsmPt, tables) };
    let (mut total, mut in_part, mut n_parts) = (0, 0, usize::from(!text.is_empty()));
    for (idx, character) in text.chars().enumerate() {
        let units = match alphabet.septets(character) {
            Septets::One(_) => 1,
            Septets::Escaped(_) => 2,
            Septets::None => {
                return Err(CannotEncode { character, position: idx + 1 });
            }
        };
        if in_part + units > capacity {
            n_parts += 1;
            in_part = 0;
        }
        in_part += units;
        total += units;
    }
    Ok(if total <= single { n_parts.min(1) } else { n_parts })
}

fn encode_gsm(text: &str, tables: ShiftTables) -> Result<Vec<u8>, CannotEncode> {
    let alphabet = Alphabet::of(tables);
    let mut septets = Vec::with_capacity(text.len() + text.len() / 16);
    let mut rest = text;
    loop {
        let n = alphabet.write_run(rest, &mut septets);
        let mut characters = rest[n..].chars();
        let Some(character) = characters.next() else { break };
        match alphabet.septets(character) {
            Septets::One(code) => septets.push(code),
            Septets::Escaped(code) => septets.extend([ESC_SEPTET, code]),
            Septets::None => {
                let position = text[..text.len() - rest.len() + n].chars().count() + 1;
                return Err(CannotEncode { character, position });
            }
        }
        rest = characters.as_str();
    }
    Ok(septets)
}

fn encode_utf16be(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(2 * text.len());
    for unit in text.encode_utf16() {
        octets.extend(unit.to_be_bytes());
    }
    octets
}

/// Units that fit a message of one part: 140 octets less the header of the shift tables.
const fn single_capacity(encoding: Encoding, tables: ShiftTables) -> usize {
    match (encoding, tables) {
        (Encoding::Utf16, _) => 70,
        (_, ShiftTables::None) => 160,
        (_, ShiftTables::Lock | ShiftTables::Single) => 155,
        (_, ShiftTables::Both) => 152,
    }
}

/// Units that fit each part of several: less the concatenation header with its 8 bit reference.
const fn part_capacity(encoding: Encoding, tables: ShiftTables) -> usize {
    match (encoding, tables) {
        (Encoding::Utf16, _) => 67,
        (_, ShiftTables::None) => 153,
        (_, ShiftTables::Lock | ShiftTables::Single) => 149,
        (_, ShiftTables::Both) => 146,
    }
}

impl Segmented {
    /// How the text is written.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// With which Portuguese tables; each part announces them.
    #[must_use]
    pub const fn tables(&self) -> ShiftTables {
        self.tables
    }

    /// Whether several parts would be independent messages.
    #[must_use]
    pub const fn split(&self) -> bool {
        self.split
    }

    /// How many parts; zero for an empty text.
    #[must_use]
    pub const fn n_parts(&self) -> usize {
        if self.bytes.is_empty() { 0 } else { self.cuts.len() + 1 }
    }

    /// Whether there are several parts that a header joins.
    #[must_use]
    pub const fn is_concatenated(&self) -> bool {
        !self.split && self.n_parts() > 1
    }

    /// Septets (gsm, gsm-pt) or UTF-16 code units of the whole text.
    #[must_use]
    pub const fn units_total(&self) -> usize {
        self.bytes.len() / self.unit_bytes()
    }

    /// The units of each part.
    pub fn units_per_part(&self) -> impl Iterator<Item = usize> + '_ {
        self.parts().map(|part| part.septets_or_octets.len() / self.unit_bytes())
    }

    /// The parts, in order.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> + '_ {
        (0..self.n_parts()).map(|idx| self.part(idx))
    }

    /// The part with the zero-based index `idx`.
    ///
    /// # Panics
    /// When `idx` is not below [`Segmented::n_parts`].
    #[must_use]
    pub fn part(&self, idx: usize) -> Part<'_> {
        assert!(idx < self.n_parts(), "part {idx} of {}", self.n_parts());
        let start = if idx == 0 { 0 } else { self.cuts[idx - 1] };
        let end = self.cuts.get(idx).copied().unwrap_or(self.bytes.len());
        Part { septets_or_octets: &self.bytes[start..end] }
    }

    /// Units that fit a message of one part.
    #[must_use]
    pub const fn single_capacity(&self) -> usize {
        single_capacity(self.encoding, self.tables)
    }

    /// Units that fit each part of several.
    #[must_use]
    pub const fn part_capacity(&self) -> usize {
        if self.split { self.single_capacity() } else { part_capacity(self.encoding, self.tables) }
    }

    const fn unit_bytes(&self) -> usize {
        if matches!(self.encoding, Encoding::Utf16) { 2 } else { 1 }
    }

    fn cut(&mut self) {
        if self.units_total() <= self.single_capacity() {
            return;
        }
        let capacity = self.part_capacity() * self.unit_bytes();
        let mut start = 0;
        while self.bytes.len() - start > capacity {
            start += capacity;
            if self.splits_a_pair(start) {
                start -= self.unit_bytes();
            }
            self.cuts.push(start);
        }
    }

    /// Whether a cut before `at` would part an escape from its septet, or a surrogate from its twin.
    fn splits_a_pair(&self, at: usize) -> bool {
        let last = self.bytes[at - self.unit_bytes()];
        if matches!(self.encoding, Encoding::Utf16) {
            (0xD8..=0xDB).contains(&last) // the first octet of a high surrogate
        } else {
            last == ESC_SEPTET // never the second septet of a pair: no table has a character there
        }
    }
}

impl fmt::Debug for Part<'_> {
    /// The size only: texts do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({} octets)", self.septets_or_octets.len())
    }
}

impl fmt::Debug for Segmented {
    /// Everything but the text, which does not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segmented")
            .field("encoding", &self.encoding)
            .field("tables", &self.tables)
            .field("split", &self.split)
            .field("units", &self.units_per_part().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
