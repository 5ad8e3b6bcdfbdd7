//! The user data header of a short message (3GPP TS 23.040, section 9.2.3.24).

/// Concatenation with an 8 bit reference.
pub const CONCAT_8: u8 = 0x00;
/// Concatenation with a 16 bit reference.
pub const CONCAT_16: u8 = 0x08;
/// National language, single shift table.
pub const SINGLE_SHIFT: u8 = 0x24;
/// National language, locking shift table.
pub const LOCKING_SHIFT: u8 = 0x25;

/// Which piece of which long message this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concat {
    /// The same in all pieces.
    pub reference: u16,
    /// Whether it is one of 16 bits.
    pub is_wide: bool,
    /// How many pieces there are.
    pub total: u8,
    /// Which one this is, counting from 1.
    pub number: u8,
}

/// A header as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header<'a> {
    /// Octets of the header, its length octet included.
    pub octets: usize,
    /// Its information elements.
    elements: &'a [u8],
}

/// Splits a text that starts with a header; `None` where the header is longer than the text.
#[must_use]
pub fn split(text: &[u8]) -> Option<(Header<'_>, &[u8])> {
    let (&length, rest) = text.split_first()?;
    let (elements, text) = rest.split_at_checked(usize::from(length))?;
    Some((Header { octets: elements.len() + 1, elements }, text))
}

impl<'a> Header<'a> {
    /// The elements that stand whole, in order: id and value.
    pub fn elements(self) -> impl Iterator<Item = (u8, &'a [u8])> {
        let mut rest = self.elements;
        std::iter::from_fn(move || {
            let (&[id, length], after) = rest.split_first_chunk::<2>()?;
            let (value, after) = after.split_at_checked(usize::from(length))?;
            rest = after;
            Some((id, value))
        })
    }

    /// The concatenation element, with either length of reference. One whose number is zero or
    /// beyond its total does not count (TS 23.040, section 9.2.3.24.1).
    #[must_use]
    pub fn concat(self) -> Option<Concat> {
        self.elements()
            .filter_map(|(id, value)| match (id, value) {
                (CONCAT_8, &[reference, total, number]) => {
                    Some(Concat { reference: u16::from(reference), is_wide: false, total, number })
                }
                (CONCAT_16, &[high, low, total, number]) => Some(Concat {
                    reference: u16::from_be_bytes([high, low]),
                    is_wide: true,
                    total,
                    number,
                }),
                _ => None,
            })
            .find(|concat| (1..=concat.total).contains(&concat.number))
    }

    /// The language named by a shift table's element (3 is Portuguese).
    #[must_use]
    pub fn language(self, table: u8) -> Option<u8> {
        self.elements().find(|(id, _)| *id == table).and_then(|(_, value)| value.first().copied())
    }
}

/// Appends a header with an 8 bit reference where `concat` is given, then `elements` as they are;
/// appends nothing where there is neither.
///
/// A reference above 255 is used modulo 256.
pub fn write(concat: Option<Concat>, elements: &[u8], out: &mut Vec<u8>) {
    let length = elements.len() + if concat.is_some() { 5 } else { 0 };
    let Some(length) = u8::try_from(length).ok().filter(|&length| length > 0) else {
        return;
    };
    out.push(length);
    if let Some(Concat { reference, total, number, .. }) = concat {
        let [_, low] = reference.to_be_bytes();
        out.extend_from_slice(&[CONCAT_8, 3, low, total, number]);
    }
    out.extend_from_slice(elements);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_header_reads_back() {
        let concat = Concat { reference: 0x1234, is_wide: false, total: 3, number: 2 };
        let mut text = Vec::new();
        write(Some(concat), &[0x25, 1, 3], &mut text);
        text.extend(b"text");
        assert_eq!(text[..9], [8, 0, 3, 0x34, 3, 2, 0x25, 1, 3]);
        let (header, rest) = split(&text).expect("a header");
        assert_eq!(rest, b"text");
        assert_eq!(header.octets, 9);
        assert_eq!(header.concat(), Some(Concat { reference: 0x34, ..concat }));
        assert_eq!(header.language(LOCKING_SHIFT), Some(3));
        assert_eq!(header.language(SINGLE_SHIFT), None);
    }

    #[test]
    fn no_elements_no_header() {
        let mut out = Vec::new();
        write(None, &[], &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn a_sixteen_bit_reference_is_read() {
        let (header, _) = split(&[6, 8, 4, 0x12, 0x34, 2, 1]).expect("a header");
        assert_eq!(
            header.concat(),
            Some(Concat { reference: 0x1234, is_wide: true, total: 2, number: 1 })
        );
    }

    #[test]
    fn impossible_headers_are_not_believed() {
        assert_eq!(split(&[]), None);
        assert_eq!(split(&[5, 0, 3]), None);
        for bad in [[5, 0, 3, 1, 2, 3], [5, 0, 3, 1, 2, 0], [5, 0, 9, 1, 2, 1]] {
            assert_eq!(split(&bad).and_then(|(header, _)| header.concat()), None, "{bad:?}");
        }
    }
}
