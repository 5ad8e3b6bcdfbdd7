//! Packs septets into octets and back (3GPP TS 23.038, section 6.1.2.1).

/// A carriage return: what fills a last octet that would else read as one more `@`.
const CR: u8 = 0x0D;

/// Bits to leave empty before the first septet, so that it starts on a septet border after a
/// user data header of `header_octets` octets, its length octet included.
#[must_use]
pub const fn fill_bits(header_octets: usize) -> u32 {
    match header_octets % 7 {
        0 => 0,
        1 => 6,
        2 => 5,
        3 => 4,
        4 => 3,
        5 => 2,
        _ => 1,
    }
}

/// Appends `septets`, one per octet, packed after `fill_bits` (0 to 6) empty bits.
///
/// Where exactly seven bits stay free at the end, they hold a carriage return, because a reader
/// that is told only the number of octets would see one more `@` there.
pub fn pack(septets: &[u8], fill_bits: u32, out: &mut Vec<u8>) {
    let mut held: u32 = 0;
    let mut n_held = fill_bits;
    let mut put = |held: &mut u32, n_held: &mut u32, septet: u8| {
        *held |= u32::from(septet & 0x7F) << *n_held;
        *n_held += 7;
        if *n_held >= 8 {
            out.push(held.to_le_bytes()[0]);
            *held >>= 8;
            *n_held -= 8;
        }
    };
    for &septet in septets {
        put(&mut held, &mut n_held, septet);
    }
    match n_held {
        0 => {}
        _ if septets.is_empty() => {}
        1 => put(&mut held, &mut n_held, CR),
        _ => out.push(held.to_le_bytes()[0]),
    }
}

/// Reads the septets of `octets` after `fill_bits` (0 to 6) empty bits, at most as many as fit.
#[must_use]
pub fn unpack(octets: &[u8], fill_bits: u32) -> Vec<u8> {
    let mut septets = Vec::with_capacity(octets.len() * 8 / 7);
    let mut held: u32 = 0;
    let mut n_held: u32 = 0;
    let mut skip = fill_bits;
    for &octet in octets {
        held |= u32::from(octet) << n_held;
        n_held += 8;
        if skip > 0 {
            held >>= skip;
            n_held -= skip;
            skip = 0;
        }
        while n_held >= 7 {
            septets.push(held.to_le_bytes()[0] & 0x7F);
            held >>= 7;
            n_held -= 7;
        }
    }
    septets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_well_known_example_packs_as_everywhere() {
        let mut out = Vec::new();
        pack(b"hellohello", 0, &mut out);
        assert_eq!(out, [0xE8, 0x32, 0x9B, 0xFD, 0x46, 0x97, 0xD9, 0xEC, 0x37]);
    }

    #[test]
    fn a_full_part_with_its_header_fills_140_octets() {
        let mut out = vec![0; 6];
        pack(&[0x20; 153], fill_bits(6), &mut out);
        assert_eq!(out.len(), 140);
    }

    #[test]
    fn seven_free_bits_do_not_read_as_an_at_sign() {
        let mut out = Vec::new();
        pack(b"abcdefg", 0, &mut out);
        assert_eq!(unpack(&out, 0), b"abcdefg\r");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_packed_is_unpacked(
            septets in prop::collection::vec(1_u8..0x80, 0..200),
            header in 0_usize..20,
        ) {
            let mut out = Vec::new();
            pack(&septets, fill_bits(header), &mut out);
            let mut back = unpack(&out, fill_bits(header));
            if back.len() == septets.len() + 1 {
                prop_assert_eq!(back.pop(), Some(CR));
            }
            prop_assert_eq!(back, septets);
        }
    }
}
