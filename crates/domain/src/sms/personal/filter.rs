//! The filters of a placeholder: what is done with a value before it is written.

use std::borrow::Cow;

/// One filter, by the API's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    Lower,
    Upper,
    /// The first letter of the first word.
    Capitalize,
    /// The first letter of each word.
    CapitalizeAll,
    /// `1.234,56`.
    FormatDotComma,
    /// `1,234.56`.
    FormatCommaDot,
    /// The value is a URL; a short one stands for it.
    Shorten,
}

impl Filter {
    /// Reads a name; exactly as the API writes it.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "lower" => Self::Lower,
            "upper" => Self::Upper,
            "capitalize" => Self::Capitalize,
            "capitalizeAll" => Self::CapitalizeAll,
            "formatDotComma" => Self::FormatDotComma,
            "formatCommaDot" => Self::FormatCommaDot,
            "shorten" => Self::Shorten,
            _ => return None,
        })
    }

    /// The value, changed. [`Filter::Shorten`] is done by who renders: it makes something.
    pub(super) fn apply(self, value: Cow<'_, str>) -> Cow<'_, str> {
        match self {
            Self::Lower => Cow::Owned(value.to_lowercase()),
            Self::Upper => Cow::Owned(value.to_uppercase()),
            Self::Capitalize => Cow::Owned(capitalize(&value, 1)),
            Self::CapitalizeAll => Cow::Owned(capitalize(&value, usize::MAX)),
            Self::FormatDotComma => grouped(&value, '.', ',').map_or(value, Cow::Owned),
            Self::FormatCommaDot => grouped(&value, ',', '.').map_or(value, Cow::Owned),
            Self::Shorten => value,
        }
    }
}

/// Makes the first letter of the first `n_words` words a capital; everything else stays.
///
/// A word is what stands between white space; its first letter may follow signs (`¿qué`), but no
/// digit (`3d`).
fn capitalize(text: &str, n_words: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut n_begun, mut in_word) = (0, false);
    for c in text.chars() {
        if c.is_whitespace() {
            in_word = false;
            out.push(c);
        } else if in_word || !c.is_alphanumeric() {
            out.push(c);
        } else {
            in_word = true;
            n_begun += 1;
            if n_begun <= n_words { push_title(c, &mut out) } else { out.push(c) }
        }
    }
    out
}

/// Writes a letter in title case (Unicode, `SpecialCasing` and `Titlecase_Mapping`): `ß` becomes
/// `Ss` and `ǆ` becomes `ǅ`, where capitals would be `SS` and `Ǆ`.
fn push_title(c: char, out: &mut String) {
    match c {
        '\u{1C4}'..='\u{1C6}' => out.push('\u{1C5}'),
        '\u{1C7}'..='\u{1C9}' => out.push('\u{1C8}'),
        '\u{1CA}'..='\u{1CC}' => out.push('\u{1CB}'),
        '\u{1F1}'..='\u{1F3}' => out.push('\u{1F2}'),
        _ => {
            let mut capitals = c.to_uppercase();
            out.extend(capitals.next());
            out.extend(capitals.flat_map(char::to_lowercase));
        }
    }
}

/// A decimal number with its thousands grouped; `None` where the value is none.
///
/// The number is written as machines do: a sign, digits, and a point before its decimals, of which
/// none is dropped or added.
fn grouped(value: &str, thousands: char, decimal: char) -> Option<String> {
    let value = value.trim();
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    let (whole, decimals) = match digits.split_once('.') {
        Some((whole, decimals)) if !decimals.is_empty() => (whole, decimals),
        Some(_) => return None,
        None if digits.is_empty() => return None,
        None => (digits, ""),
    };
    if ![whole, decimals].iter().all(|half| half.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let mut out = String::with_capacity(value.len() + whole.len() / 3 + 1);
    if value.starts_with('-') {
        out.push('-');
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(thousands);
        }
        out.push(digit);
    }
    if !decimals.is_empty() {
        out.push(decimal);
        out.push_str(decimals);
    }
    Some(out)
}
