//! Comma-separated values (RFC 4180): read leniently, written harmless for a spreadsheet.

/// One record of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The line it begins on, counted from 1.
    pub line: usize,
    /// Its cells, without quotes and surrounding spaces.
    pub cells: Vec<String>,
}

/// Reads records; the separator (`,`, `;` or a tab) is the one that the first line has most of.
///
/// A byte order mark is skipped, line ends may be `\n`, `\r\n` or `\r`, empty lines are left out.
/// A quote that never closes takes the rest of the text: every input has a reading.
pub fn read(text: &str) -> impl Iterator<Item = Record> + '_ {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Reader { rest: text, separator: separator(text), line: 1 }
}

fn separator(text: &str) -> char {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |separator: char| first.matches(separator).count();
    // The last of equals counts: a file of one column has commas at most by accident.
    ['\t', ';', ','].into_iter().max_by_key(|separator| count(*separator)).unwrap_or(',')
}

struct Reader<'t> {
    rest: &'t str,
    separator: char,
    line: usize,
}

impl Iterator for Reader<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        while !self.rest.is_empty() {
            let record = self.record();
            if record.cells.iter().any(|cell| !cell.is_empty()) {
                return Some(record);
            }
        }
        None
    }
}

impl Reader<'_> {
    fn record(&mut self) -> Record {
        let line = self.line;
        let (mut cells, mut cell) = (Vec::new(), String::new());
        let mut is_quoted = false;
        let mut chars = self.rest.char_indices().peekable();
        let mut end = self.rest.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' if is_quoted && chars.peek().is_some_and(|(_, next)| *next == '"') => {
                    cell.push('"');
                    chars.next();
                }
                '"' if is_quoted => is_quoted = false,
                '"' if cell.trim().is_empty() => {
                    cell.clear();
                    is_quoted = true;
                }
                '\r' if chars.peek().is_some_and(|(_, next)| *next == '\n') => {}
                '\n' | '\r' => {
                    self.line += 1;
                    if !is_quoted {
                        end = at + 1;
                        break;
                    }
                    cell.push('\n');
                }
                c if c == self.separator && !is_quoted => {
                    cells.push(std::mem::take(&mut cell).trim().to_owned());
                }
                c => cell.push(c),
            }
        }
        cells.push(cell.trim().to_owned());
        self.rest = &self.rest[end..];
        Record { line, cells }
    }
}

/// Writes a row of cells and a line end.
pub fn row<'t>(out: &mut Vec<u8>, cells: impl IntoIterator<Item = &'t str>) {
    for (i, text) in cells.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        cell(out, text);
    }
    out.push(b'\n');
}

/// Writes one cell. A text that a spreadsheet would take for a formula begins with an apostrophe,
/// which makes it text; one with a comma, a quote or a line end stands in quotes.
pub fn cell(out: &mut Vec<u8>, text: &str) {
    let is_formula = is_formula(text);
    let is_quoted = text.bytes().any(|b| matches!(b, b',' | b';' | b'"' | b'\t' | b'\n' | b'\r'));
    if is_quoted {
        out.push(b'"');
    }
    if is_formula {
        out.push(b'\'');
    }
    for piece in text.split_inclusive('"') {
        out.extend_from_slice(piece.as_bytes());
        if piece.ends_with('"') {
            out.push(b'"');
        }
    }
    if is_quoted {
        out.push(b'"');
    }
}

/// Whether a spreadsheet may run it: what begins, after spaces, with `=`, `+`, `-` or `@`, their
/// wide forms, or with a tab or a line end (OWASP, "CSV Injection").
fn is_formula(text: &str) -> bool {
    text.starts_with(['\t', '\r', '\n'])
        || text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cells(text: &str) -> Vec<(usize, Vec<String>)> {
        read(text).map(|record| (record.line, record.cells)).collect()
    }

    fn record(line: usize, cells: &[&str]) -> (usize, Vec<String>) {
        (line, cells.iter().map(|cell| (*cell).to_owned()).collect())
    }

    #[test]
    fn files_of_spreadsheets_are_read() {
        let text = "\u{feff}a,b\r\n\"x, \"\"y\"\"\", 2 \n\n3,\"two\nlines\"\r4";
        let wanted = [
            record(1, &["a", "b"]),
            record(2, &["x, \"y\"", "2"]),
            record(4, &["3", "two\nlines"]),
            record(6, &["4"]),
        ];
        assert_eq!(cells(text), wanted);
        assert_eq!(cells("a;b\n0,5;1"), [record(1, &["a", "b"]), record(2, &["0,5", "1"])]);
        assert_eq!(cells("a\tb\n1\t2"), [record(1, &["a", "b"]), record(2, &["1", "2"])]);
        assert_eq!(cells(" \n,,\n"), []);
    }

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        cell(&mut out, text);
        String::from_utf8(out).expect("text stays text")
    }

    #[test]
    fn formulas_become_text() {
        for (text, expected) in [
            ("Black Friday", "Black Friday"),
            ("34666555444", "34666555444"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("line\nend", "\"line\nend\""),
            ("=1+1", "'=1+1"),
            ("+34", "'+34"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            (" =1", "' =1"),
            ("\t=1", "\"'\t=1\""),
            ("＝1", "'＝1"),
            ("\rx", "\"'\rx\""),
            ("=HYPERLINK(\"x\",1)", "\"'=HYPERLINK(\"\"x\"\",1)\""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(written(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_row_ends_its_line() {
        let mut out = Vec::new();
        row(&mut out, ["a", "b,c", ""]);
        assert_eq!(out, b"a,\"b,c\",\n");
    }

    /// Reads one record as RFC 4180 says.
    fn strictly(line: &str) -> Vec<String> {
        let mut cells = vec![String::new()];
        let (mut in_quotes, mut rest) = (false, line.chars().peekable());
        while let Some(c) = rest.next() {
            match c {
                '"' if in_quotes && rest.peek() == Some(&'"') => {
                    rest.next();
                    cells.last_mut().expect("a cell").push('"');
                }
                '"' => in_quotes = !in_quotes,
                ',' if !in_quotes => cells.push(String::new()),
                c => cells.last_mut().expect("a cell").push(c),
            }
        }
        assert!(!in_quotes);
        cells
    }

    proptest! {
        #[test]
        fn every_text_has_a_reading_and_lines_count_up(text: String) {
            let records: Vec<Record> = read(&text).collect();
            prop_assert!(records.windows(2).all(|pair| pair[0].line < pair[1].line));
        }

        #[test]
        fn what_is_written_is_read_back(cells in prop::collection::vec("[a-z0-9\",;][a-z \",;\n]{0,8}[a-z]", 2..5)) {
            let mut out = b"h,h,h,h,h,h,h,h\n".to_vec();
            super::row(&mut out, cells.iter().map(String::as_str));
            let back = read(std::str::from_utf8(&out).expect("text")).nth(1).map(|record| record.cells);
            prop_assert_eq!(back, Some(cells));
        }

        #[test]
        fn whatever_is_written_is_read_back_and_starts_no_formula(
            texts in proptest::collection::vec("[=+@,\"a \\n\\r\\t-]{0,6}|.{0,8}", 1..5)
        ) {
            let mut out = Vec::new();
            row(&mut out, texts.iter().map(String::as_str));
            let line = String::from_utf8(out).expect("text");
            let read = strictly(line.strip_suffix('\n').expect("a line end"));
            prop_assert_eq!(read.len(), texts.len());
            for (read, text) in read.iter().zip(&texts) {
                prop_assert!(!is_formula(read), "{:?}", read);
                prop_assert_eq!(read.strip_prefix('\'').filter(|_| is_formula(text)).unwrap_or(read), text);
            }
        }
    }
}
