//! A carrier's message ids: one normal form, and the three ways in which answers and receipts spell them.

use pombo_domain::route::ReceiptId;

use crate::sql::storable;

/// The normal form: trimmed, lower case, without leading zeros.
pub(crate) fn normal(id: &str) -> String {
    let trimmed = id.trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_ascii_lowercase();
    let trimmed = storable(&trimmed);
    let short = trimmed.trim_start_matches('0');
    if short.is_empty() && !trimmed.is_empty() { "0".to_owned() } else { short.to_owned() }
}

/// A key for the index. Numbers keep their order, so that a carrier that counts its ids fills the
/// index at one end; everything else is hashed (FNV-1a). Collisions are settled by the full id.
pub(crate) fn key(normal: &str) -> i64 {
    match normal.parse::<i64>() {
        Ok(number) => number,
        Err(_) => {
            let hash = normal.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            hash.cast_signed()
        }
    }
}

/// The spelling that the submit answer would have had, given the receipt's (both in normal form).
pub(crate) fn as_in_answer(receipt: &str, spelling: ReceiptId) -> Option<String> {
    match spelling {
        ReceiptId::Same | ReceiptId::Auto => Some(receipt.to_owned()),
        ReceiptId::HexToDec => receipt.parse::<u64>().ok().map(|n| format!("{n:x}")),
        ReceiptId::DecToHex => u64::from_str_radix(receipt, 16).ok().map(|n| n.to_string()),
    }
}

/// The spelling that a receipt would have, given the answer's (both in normal form).
pub(crate) fn as_in_receipt(answer: &str, spelling: ReceiptId) -> Option<String> {
    match spelling {
        ReceiptId::Same | ReceiptId::Auto => Some(answer.to_owned()),
        ReceiptId::HexToDec => u64::from_str_radix(answer, 16).ok().map(|n| n.to_string()),
        ReceiptId::DecToHex => answer.parse::<u64>().ok().map(|n| format!("{n:x}")),
    }
}

/// The spellings to try, for a route that has learned (or was told) `spelling`.
pub(crate) const fn candidates(spelling: ReceiptId) -> &'static [ReceiptId] {
    match spelling {
        ReceiptId::Auto => &[ReceiptId::Same, ReceiptId::HexToDec, ReceiptId::DecToHex],
        ReceiptId::Same => &[ReceiptId::Same],
        ReceiptId::HexToDec => &[ReceiptId::HexToDec],
        ReceiptId::DecToHex => &[ReceiptId::DecToHex],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_in_one_normal_form() {
        for (written, same) in
            [("000A1B", "a1b"), (" 123\0", "123"), ("0", "0"), ("000", "0"), ("", "")]
        {
            assert_eq!(normal(written), same);
        }
    }

    #[test]
    fn a_receipts_spelling_leads_back_to_the_answers() {
        assert_eq!(as_in_answer("2571", ReceiptId::HexToDec).as_deref(), Some("a0b"));
        assert_eq!(as_in_answer("a0b", ReceiptId::DecToHex).as_deref(), Some("2571"));
        assert_eq!(as_in_answer("a0b", ReceiptId::HexToDec), None);
        for spelling in [ReceiptId::Same, ReceiptId::HexToDec, ReceiptId::DecToHex] {
            let receipt = as_in_receipt("2571", spelling).expect("a number has all spellings");
            assert_eq!(as_in_answer(&receipt, spelling).as_deref(), Some("2571"));
        }
    }

    #[test]
    fn keys_of_counted_ids_keep_their_order() {
        assert!(key("1000") < key("1001"));
        assert_ne!(key("a1b"), key("a1c"));
    }
}
