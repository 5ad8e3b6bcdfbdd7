//! Comma-separated values (RFC 4180), harmless in a spreadsheet.

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
    let is_quoted = text.bytes().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r'));
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
            ("\t=1", "'\t=1"),
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
    fn read(line: &str) -> Vec<String> {
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
        fn whatever_is_written_is_read_back_and_starts_no_formula(
            texts in proptest::collection::vec("[=+@,\"a \\n\\r\\t-]{0,6}|.{0,8}", 1..5)
        ) {
            let mut out = Vec::new();
            row(&mut out, texts.iter().map(String::as_str));
            let line = String::from_utf8(out).expect("text");
            let read = read(line.strip_suffix('\n').expect("a line end"));
            prop_assert_eq!(read.len(), texts.len());
            for (read, text) in read.iter().zip(&texts) {
                prop_assert!(!is_formula(read), "{:?}", read);
                prop_assert_eq!(read.strip_prefix('\'').filter(|_| is_formula(text)).unwrap_or(read), text);
            }
        }
    }
}
