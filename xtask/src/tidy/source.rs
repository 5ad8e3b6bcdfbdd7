//! Rules for a source file by itself: its first line, its length, its SQL.

use super::{File, has_extension};

/// A file longer than this is a room that needs a plan of its own: make it a folder.
const LINES_MAX: usize = 500;

/// Files that were longer when the rule came, with the length they may not exceed. This list only
/// shrinks: nobody adds a line, and a line goes when its file fits.
const LONGER: &[(&str, usize)] = &[];

pub(super) fn check(tree: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in tree {
        if has_extension(&file.path, "rs") && !is_generated(file) {
            complaints.extend(first_line(file));
            complaints.extend(length(file));
        }
        if has_extension(&file.path, "rs") || has_extension(&file.path, "sql") {
            complaints.extend(selects_everything(file));
        }
    }
    for (path, _) in LONGER {
        let fits = |file: &File| file.text.lines().count() <= LINES_MAX;
        if tree.iter().find(|file| file.path == *path).is_none_or(fits) {
            complaints
                .push(format!("{path}: fits or is gone; take it off the list of longer files"));
        }
    }
    complaints
}

fn is_generated(file: &File) -> bool {
    file.text.starts_with("// @generated")
}

fn first_line(file: &File) -> Option<String> {
    let first = file.text.lines().next().unwrap_or_default();
    let says_something = first.strip_prefix("//! ").is_some_and(|why| why.len() > 10);
    (!says_something).then(|| format!("{}:1: no //! sentence that says why it exists", file.path))
}

fn length(file: &File) -> Option<String> {
    let max = LONGER.iter().find(|(path, _)| *path == file.path).map_or(LINES_MAX, |(_, max)| *max);
    let lines = file.text.lines().count();
    (lines > max).then(|| format!("{}: {lines} lines, at most {max}: split it", file.path))
}

/// A column added by a migration must never change what a statement returns.
fn selects_everything(file: &File) -> Vec<String> {
    let forbidden = concat!("select", " *");
    file.text
        .lines()
        .enumerate()
        .filter(|(_, line)| {
            let line = line.to_lowercase();
            // A quote right behind it: a test that looks for the same.
            line.split(forbidden).skip(1).any(|rest| !rest.starts_with('"'))
        })
        .map(|(idx, _)| format!("{}:{}: {forbidden}: name the columns", file.path, idx + 1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> usize {
        check(&[File { path: path.to_owned(), text: text.to_owned() }]).len()
    }

    #[test]
    fn a_file_says_on_its_first_line_why_it_exists() {
        assert_eq!(complaints("a.rs", "//! Cuts a text into parts.\n"), 0);
        assert_eq!(complaints("a.rs", "use std::fmt;\n"), 1);
        assert_eq!(complaints("a.rs", "//! x\n"), 1);
        assert_eq!(complaints("a.rs", ""), 1);
    }

    #[test]
    fn a_file_has_an_end() {
        let text = format!("//! Cuts a text into parts.\n{}", "\n".repeat(LINES_MAX));
        assert_eq!(complaints("a.rs", &text), 1);
    }

    #[test]
    fn a_statement_names_its_columns() {
        assert_eq!(complaints("a.sql", concat!("SELECT", " * from message;")), 1);
        assert_eq!(complaints("a.sql", "select id from message;"), 0);
        assert_eq!(complaints("a.sql", "select count(*) from message;"), 0);
    }
}
