//! The tables cell by cell, the 175 segmentation vectors, and what holds for every text.

use std::collections::HashSet;

use proptest::prelude::*;

use super::alphabet::{Alphabet, ESC_SEPTET, Septets};
use super::*;

const GSM: &str = include_str!("../../data/gsm0338.tsv");
const GSM_PT: &str = include_str!("../../data/gsm_pt.tsv");
const TRANS: &str = include_str!("../../data/trans.tsv");
const VECTORS: &str = include_str!("../../data/segmentation.tsv");

/// The lines below the heading, as columns.
fn rows(tsv: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = tsv.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines.map(|line| line.split('\t').collect())
}

/// `U+00E9` as a character, `-` as none.
fn character(cell: &str) -> Option<char> {
    let code = cell.strip_prefix("U+")?;
    char::from_u32(u32::from_str_radix(code, 16).expect("a code point"))
}

/// The cells of one table: code and character.
fn cells<'a>(tsv: &'a str, table: &'a str) -> impl Iterator<Item = (u8, Option<char>)> + 'a {
    rows(tsv).filter(move |row| row[0] == table).map(|row| {
        let code = row[1].strip_prefix("0x").expect("a code");
        (u8::from_str_radix(code, 16).expect("a code"), character(row[2]))
    })
}

const ALL_TABLES: [ShiftTables; 4] =
    [ShiftTables::None, ShiftTables::Lock, ShiftTables::Single, ShiftTables::Both];

/// The two files' tables that are in force with `tables`: base, then extension.
fn in_force(tables: ShiftTables) -> [Vec<(u8, Option<char>)>; 2] {
    let base = match tables {
        ShiftTables::None | ShiftTables::Single => cells(GSM, "default").collect(),
        ShiftTables::Lock | ShiftTables::Both => cells(GSM_PT, "lock").collect(),
    };
    let extension = match tables {
        ShiftTables::None | ShiftTables::Lock => cells(GSM, "ext").collect(),
        ShiftTables::Single | ShiftTables::Both => cells(GSM_PT, "single").collect(),
    };
    [base, extension]
}

#[test]
fn every_cell_of_the_alphabets_is_as_in_the_data_files() {
    for tables in ALL_TABLES {
        let alphabet = Alphabet::of(tables);
        let [base, extension] = in_force(tables);
        assert_eq!(base.len(), 128);
        for &(code, character) in &base {
            let shown = (code != ESC_SEPTET).then_some(character).flatten();
            assert_eq!(alphabet.plain(code), shown, "{tables:?} {code:#04x}");
            if let Some(character) = shown {
                assert_eq!(alphabet.septets(character), Septets::One(code), "{tables:?}");
            }
        }
        for code in 0..=127 {
            let own = extension.iter().find(|cell| cell.0 == code).and_then(|cell| cell.1);
            let shown = if code == ESC_SEPTET { Some(' ') } else { own.or(alphabet.plain(code)) };
            assert_eq!(alphabet.escaped(code), shown, "{tables:?} ESC {code:#04x}");
            let in_base = |c: char| base.iter().any(|cell| cell.1 == Some(c));
            if let Some(character) = own.filter(|&c| !in_base(c)) {
                assert_eq!(alphabet.septets(character), Septets::Escaped(code), "{tables:?}");
            }
        }
        assert_eq!((alphabet.plain(128), alphabet.escaped(255)), (None, None));
    }
}

#[test]
fn no_character_outside_the_data_files_can_be_written() {
    for tables in ALL_TABLES {
        let known: HashSet<_> =
            in_force(tables).concat().iter().filter_map(|cell| cell.1).collect();
        for character in '\0'..=char::MAX {
            let written = Alphabet::of(tables).septets(character) != Septets::None;
            let listed = known.contains(&character);
            assert_eq!(written, listed && character != '\u{1B}', "{tables:?} {character:?}");
        }
    }
}

#[test]
fn trans_replaces_what_its_table_lists_and_nothing_else() {
    let table: Vec<_> = rows(TRANS).map(|row| (character(row[0]), character(row[2]))).collect();
    assert_eq!(table.len(), 30);
    for from in '\0'..='\u{2FFF}' {
        let listed = table.iter().find(|row| row.0 == Some(from));
        let to = listed.map_or(Some(from), |row| row.1);
        assert_eq!(transliterate(&from.to_string()), String::from_iter(to), "{from:?}");
    }
    for (text, plain) in [
        ("Não há ação nº 1ª", "Nao ha aÇao n 1"),
        ("Ângela, é já às 10h", "Angela, é ja às 10h"),
        ("LÊ ÕES ç Ç", "LE OES Ç Ç"),
        ("ë ï ý œ", "ë ï ý œ"),
    ] {
        assert_eq!(transliterate(text), plain);
    }
}

/// One row of segmentation.tsv.
struct Vector<'a> {
    id: &'a str,
    how: Cut,
    text: String,
    outcome: &'a str,
    udh: &'a str,
    n_parts: usize,
    units_total: usize,
    units_per_part: Vec<usize>,
    capacities: (usize, usize),
    parts_max: usize,
}

fn vector(row: Vec<&str>) -> Vector<'_> {
    let number = |cell: &str| cell.parse::<usize>().expect("a number");
    let runs: Vec<(String, usize)> = serde_json::from_str(row[5]).expect("runs of text");
    let text: String = runs.iter().map(|(piece, times)| piece.repeat(*times)).collect();
    assert_eq!(text.chars().count(), number(row[6]), "{}", row[0]);
    let tables = match row[2] {
        "lock" => TableChoice::Only(ShiftTables::Lock),
        "single" => TableChoice::Only(ShiftTables::Single),
        "both" => TableChoice::Only(ShiftTables::Both),
        "none" => TableChoice::Only(ShiftTables::None),
        _ => TableChoice::Auto,
    };
    let encoding = Encoding::parse(row[1]).expect("an encoding");
    Vector {
        id: row[0],
        how: Cut { encoding, tables, split: row[3] == "1" },
        text,
        outcome: row[7],
        udh: row[8],
        n_parts: number(row[9]),
        units_total: number(row[10]),
        units_per_part: row[11].split(',').filter(|cell| *cell != "-").map(number).collect(),
        capacities: (number(row[12]), number(row[13])),
        parts_max: number(row[4]),
    }
}

#[test]
fn every_segmentation_vector_is_cut_as_listed() {
    let vectors: Vec<_> = rows(VECTORS).map(vector).collect();
    assert_eq!(vectors.len(), 175);
    for v in vectors {
        let id = v.id;
        let got = segment(&v.text, v.how);
        if v.outcome == "not_encodable" {
            let stop = got.expect_err(id);
            assert_eq!(v.text.chars().nth(stop.position - 1), Some(stop.character), "{id}");
            continue;
        }
        let got = got.expect(id);
        assert_eq!(got.n_parts(), v.n_parts, "{id}");
        assert_eq!(got.units_total(), v.units_total, "{id}");
        if v.outcome == "104" {
            assert!(v.text.is_empty() && got.n_parts() == 0 && !got.is_concatenated(), "{id}");
            continue;
        }
        assert_eq!(got.units_per_part().collect::<Vec<_>>(), v.units_per_part, "{id}");
        assert_eq!((got.single_capacity(), got.part_capacity()), v.capacities, "{id}");
        assert_eq!(got.n_parts() > v.parts_max, v.outcome == "105", "{id}");
        let announced = match v.udh {
            "-" => ShiftTables::None,
            "25" => ShiftTables::Lock,
            "24" => ShiftTables::Single,
            "24+25" => ShiftTables::Both,
            other => panic!("{id}: {other}"),
        };
        assert_eq!(got.tables(), announced, "{id}");
        assert_eq!(got.is_concatenated(), v.n_parts > 1 && !v.how.split, "{id}");
    }
}

const AUTO: Cut = Cut { encoding: Encoding::GsmPt, tables: TableChoice::Auto, split: false };

#[test]
fn the_first_character_that_cannot_be_carried_is_named_with_its_place() {
    let gsm = Cut { encoding: Encoding::Gsm, ..AUTO };
    for (how, text, character, position) in [
        (gsm, "Olá", 'á', 3),
        (gsm, "€😀á", '😀', 2),
        (gsm, "\u{1B}", '\u{1B}', 1),
        (AUTO, "ãë", 'ë', 2),
        // The locking table stops at the ñ, the default alphabet at the ã, the single shift
        // table only at the infinity sign.
        (AUTO, "ñã∞", '∞', 3),
        (AUTO, "∞ñ", 'ñ', 2),
    ] {
        assert_eq!(segment(text, how), Err(CannotEncode { character, position }), "{text:?}");
    }
}

#[test]
fn the_shift_tables_are_announced_as_the_standard_says() {
    assert!(ShiftTables::None.information_elements().is_empty());
    assert_eq!(ShiftTables::Lock.information_elements(), [0x25, 1, 3]);
    assert_eq!(ShiftTables::Single.information_elements(), [0x24, 1, 3]);
    assert_eq!(ShiftTables::Both.information_elements(), [0x24, 1, 3, 0x25, 1, 3]);
}

#[test]
fn the_words_and_numbers_of_the_encodings_read_back() {
    for encoding in [Encoding::Gsm, Encoding::GsmPt, Encoding::Utf16] {
        assert_eq!(Encoding::parse(encoding.as_str()), Some(encoding));
        assert_eq!(Encoding::from_stored(encoding as i64), Some(encoding));
    }
    for bad in ["", "GSM", "utf16", "ucs2", "gsm-pt "] {
        assert_eq!(Encoding::parse(bad), None, "{bad:?}");
    }
    assert_eq!((Encoding::from_stored(3), Encoding::from_stored(-1)), (None, None));
}

#[test]
fn septets_are_read_as_a_handset_shows_them() {
    use ShiftTables::*;
    for (septets, tables, text) in [
        (&b"\x1B\x65\x1B\x3C"[..], None, "€["),
        (b"\x1B\x41", None, "A"),
        (b"\x1B\x41", Single, "À"),
        (b"\x1B\x06", Both, "ú"),
        (b"\x1B\x1B\x1B\x0D", None, " \r"),
        (b"a\x1B", None, "a\u{FFFD}"),
        (b"\x80\xFFa\x1B\xFF", None, "\u{FFFD}\u{FFFD}a\u{FFFD}"),
        (b"\x18\x15", Lock, "€∞"),
    ] {
        assert_eq!(decode_gsm(septets, tables), text, "{septets:?}");
    }
}

#[test]
fn broken_utf_16_is_read_as_far_as_it_goes() {
    assert_eq!(decode_utf16be(&[0xD8, 0x3D, 0xDE, 0x00, 0, b'a']), "😀a");
    assert_eq!(decode_utf16be(&[0xD8, 0x3D, 0, b'a', 0]), "\u{FFFD}a\u{FFFD}");
    assert_eq!(decode_utf16be(&[0xDE, 0x00]), "\u{FFFD}");
}

#[test]
fn letters_and_accents_apart_are_joined_and_the_rest_is_not_copied() {
    assert_eq!(normalise("a\u{303}o e\u{301}"), "ão é");
    assert_eq!(normalise("\u{212B}"), "Å");
    for same in ["", "plain", "Não há ação", "日本語 😀", "x\u{301}"] {
        assert!(matches!(normalise(same), std::borrow::Cow::Borrowed(text) if text == same));
    }
}

#[test]
fn a_text_is_not_shown_by_debug() {
    let segmented = segment("secret", AUTO).expect("plain letters");
    let shown = format!("{segmented:?} {:?}", segmented.part(0));
    assert!(!shown.contains("secret") && !shown.contains("115"), "{shown}");
}

#[test]
fn a_text_as_large_as_a_request_is_cut() {
    let text = "{".repeat(4 << 20);
    let segmented = segment(&text, AUTO).expect("in the extension table");
    assert_eq!(segmented.units_total(), 8 << 20);
    assert_eq!(segmented.n_parts(), (8_usize << 20).div_ceil(152));
}

fn any_cut() -> impl Strategy<Value = Cut> {
    let encoding = prop_oneof![Just(Encoding::Gsm), Just(Encoding::GsmPt), Just(Encoding::Utf16)];
    let tables = (0..5_usize).prop_map(|n| match ALL_TABLES.get(n) {
        Some(&tables) => TableChoice::Only(tables),
        None => TableChoice::Auto,
    });
    (encoding, tables, any::<bool>()).prop_map(|(encoding, tables, split)| Cut {
        encoding,
        tables,
        split,
    })
}

/// Mostly texts that the alphabets can carry, long enough for several parts.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9 {}\\[\\]~^|€]{0,700}",
        "[a-z ãõçáéíóúâêôÇ€{∞]{0,700}",
        "[a-z ΣΩ{ñ€]{0,700}",
        "[a-zã日😀🇵]{0,300}",
        "\\PC{0,200}",
    ]
}

fn decode(segmented: &Segmented, part: Part<'_>) -> String {
    match segmented.encoding() {
        Encoding::Gsm | Encoding::GsmPt => decode_gsm(part.septets_or_octets, segmented.tables()),
        Encoding::Utf16 => decode_utf16be(part.septets_or_octets),
    }
}

proptest! {
    #[test]
    fn every_part_reads_by_itself_and_together_they_are_the_text(text in any_text(), how in any_cut()) {
        let Ok(segmented) = segment(&text, how) else { return Ok(()) };
        // Each part alone: a split pair would show as U+FFFD or as another character.
        let read: String = segmented.parts().map(|part| decode(&segmented, part)).collect();
        prop_assert_eq!(read, text);
    }

    #[test]
    fn parts_are_full_but_for_a_pair_and_never_overfull(text in any_text(), how in any_cut()) {
        let Ok(segmented) = segment(&text, how) else { return Ok(()) };
        let units: Vec<_> = segmented.units_per_part().collect();
        prop_assert_eq!(units.iter().sum::<usize>(), segmented.units_total());
        let fits_one = segmented.units_total() <= segmented.single_capacity();
        prop_assert_eq!(fits_one, segmented.n_parts() <= 1);
        let Some((last, full)) = units.split_last().filter(|_| !fits_one) else { return Ok(()) };
        let capacity = segmented.part_capacity();
        prop_assert!((1..=capacity).contains(last));
        for (idx, &units) in full.iter().enumerate() {
            // One unit stays empty only where the next part begins with a pair.
            let next = segmented.part(idx + 1).septets_or_octets;
            let pair = match how.encoding {
                Encoding::Utf16 => (0xD8..=0xDB).contains(&next[0]),
                Encoding::Gsm | Encoding::GsmPt => next[0] == ESC_SEPTET,
            };
            prop_assert!(units == capacity || units == capacity - 1 && pair, "{:?}", segmented);
        }
    }

    #[test]
    fn auto_is_the_cheapest_choice_and_the_first_on_a_tie(text in any_text(), split: bool) {
        let with = |tables| segment(&text, Cut { tables, split, ..AUTO });
        let choices = ALL_TABLES.map(|tables| with(TableChoice::Only(tables)));
        // `min_by_key` gives the first of several smallest.
        let cheapest = choices.iter().flatten().min_by_key(|segmented| segmented.n_parts());
        let auto = with(TableChoice::Auto);
        prop_assert_eq!(auto.as_ref().ok(), cheapest);
        if let Err(stop) = auto {
            prop_assert_eq!(text.chars().nth(stop.position - 1), Some(stop.character));
        }
    }

    #[test]
    fn no_input_makes_it_panic(text: String, octets: Vec<u8>, how in any_cut()) {
        let _ = (normalise(&text), transliterate(&text));
        if let Ok(segmented) = segment(&text, how) {
            prop_assert_eq!(segmented.parts().count(), segmented.n_parts());
        }
        let _ = decode_utf16be(&octets);
        for tables in ALL_TABLES {
            prop_assert_eq!(decode_gsm(&octets, tables).is_empty(), octets.is_empty());
        }
    }
}
