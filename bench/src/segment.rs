//! What it costs to encode and cut a text.

use std::hint::black_box;

use anyhow::Result;
use pombo_domain::sms::{Cut, Encoding, TableChoice, normalise, segment, transliterate};

use crate::micro::{Effort, nanos};
use crate::table::Table;

/// A name, an encoding, and a piece that is repeated so many times.
const CASES: &[(&str, Encoding, &str, usize)] = &[
    ("11 letters", Encoding::Gsm, "Hello pombo", 1),
    ("95 letters", Encoding::Gsm, "Your parcel is on its way. ", 4),
    ("160 letters", Encoding::Gsm, "abcdefghij", 16),
    ("459 letters", Encoding::Gsm, "abcdefghi", 51),
    ("extension table", Encoding::Gsm, "[10 €] ", 24),
    ("Portuguese", Encoding::GsmPt, "ação e opção, você não ", 6),
    ("Portuguese", Encoding::GsmPt, "ação e opção, você não ", 26),
    ("UTF-16, 70 units", Encoding::Utf16, "Привет, мир! ", 5),
    ("UTF-16 with emoji", Encoding::Utf16, "Olá 🕊 ", 40),
];

pub(crate) fn run(effort: Effort) -> Result<()> {
    let mut table = Table::new(&["text", "encoding", "parts", "cut, ns", "NFC, ns", "trans, ns"]);
    for &(name, encoding, piece, repeat) in CASES {
        let text = piece.repeat(repeat);
        let how = Cut { encoding, tables: TableChoice::Auto, split: false };
        let n_parts = segment(&text, how)?.n_parts();
        table.row(vec![
            name.to_owned(),
            encoding.as_str().to_owned(),
            n_parts.to_string(),
            nanos(effort, || segment(black_box(&text), how)).show(0),
            nanos(effort, || normalise(black_box(&text)).len()).show(0),
            nanos(effort, || transliterate(black_box(&text))).show(0),
        ]);
    }
    table.print();
    Ok(())
}
