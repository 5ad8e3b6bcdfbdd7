//! JSON written by hand into one buffer: what an answer to 100,000 recipients needs.

use std::io::Write;

use pombo_domain::money::Money;

/// Text that is JSON already.
pub(super) fn raw(out: &mut Vec<u8>, json: &str) {
    out.extend_from_slice(json.as_bytes());
}

/// A JSON number.
pub(super) fn integer(out: &mut Vec<u8>, n: i64) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{n}");
}

/// A JSON number with the amount's exact decimals.
pub(super) fn money(out: &mut Vec<u8>, amount: Money) {
    let _ = write!(out, "{amount}");
}

/// A JSON string.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    let plain = text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\');
    if plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    // A string always has a JSON form, and writing to a vector cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_json() {
        for sample in ["", "34666555444", "a\"b", "back\\slash", "line\nend", "ç €", "\u{7f}\u{0}"]
        {
            let mut out = Vec::new();
            text(&mut out, sample);
            assert_eq!(serde_json::from_slice::<String>(&out).expect("valid JSON"), sample);
        }
    }

    #[test]
    fn money_keeps_all_its_decimals() {
        let mut out = Vec::new();
        money(&mut out, Money::from_micros(65_001));
        assert_eq!(out, b"0.065001");
    }
}
