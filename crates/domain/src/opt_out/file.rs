//! A file of opt-outs: which rows are addresses, and what is wrong with the others.

use std::fmt;

use super::{Address, REASON_CHARS_MAX};
use crate::address::Phone;
use crate::csv;

/// Bytes of a file that is imported: some millions of rows.
pub const FILE_BYTES_MAX: u64 = 256 << 20;

/// The rows of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Addresses with their reasons, in order; a row with a phone and an e-mail address has two.
    pub good: Vec<(Address, String)>,
    /// Rows that are left out.
    pub bad: Vec<BadRow>,
}

/// A row that is left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Its line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

/// No line names a column that has addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the first line must name the columns: `phone`, `email` or both, and maybe `reason`")]
pub struct NoHeading;

impl File {
    /// Reads a file; what it has beside the columns that are known does not matter.
    pub fn read(text: &str) -> Result<Self, NoHeading> {
        let mut records = csv::read(text);
        let heading = records.next().ok_or(NoHeading)?;
        let column = |name: &str| heading.cells.iter().position(|c| c.eq_ignore_ascii_case(name));
        let (phone, email, reason) = (column("phone"), column("email"), column("reason"));
        if phone.is_none() && email.is_none() {
            return Err(NoHeading);
        }
        let mut file = Self::default();
        for record in records {
            let cell = |column: Option<usize>| {
                column.and_then(|i| record.cells.get(i)).map_or("", String::as_str)
            };
            match row(cell(phone), cell(email), cell(reason)) {
                Ok(addresses) => {
                    let reason = cell(reason).to_owned();
                    file.good.extend(addresses.into_iter().map(|a| (a, reason.clone())));
                }
                Err(why) => file.bad.push(BadRow { line: record.line, why }),
            }
        }
        Ok(file)
    }
}

fn row(phone: &str, email: &str, reason: &str) -> Result<Vec<Address>, String> {
    let mut addresses = Vec::new();
    if !phone.is_empty() {
        let read = Phone::parse(phone).map_err(|why| format!("{phone:?} is {why}"))?;
        addresses.push(Address::Phone(read));
    }
    if !email.is_empty() {
        let read = Address::parse_email(email).map_err(|why| format!("{email:?} is {why}"))?;
        addresses.push(read);
    }
    if addresses.is_empty() {
        return Err("it has no address".to_owned());
    }
    if reason.chars().count() > REASON_CHARS_MAX {
        return Err(format!("its reason is longer than {REASON_CHARS_MAX} characters"));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_rows_are_taken_and_bad_ones_told_by_their_line() {
        let text = "Name;PHONE;email;reason\n\
            Ana;+34 699 000 001;;wrote us\n\
            ;;Bob@Example.com;\n\
            ;699000002;;\n\
            ;34699000003;carla@example.com;both\n\
            ;;nobody;\n\
            Dan;;;\n";
        let file = File::read(text).expect("a heading");
        let good: Vec<String> =
            file.good.iter().map(|(address, reason)| format!("{address} {reason}")).collect();
        assert_eq!(
            good,
            [
                "34699000001 wrote us",
                "bob@example.com ",
                "34699000003 both",
                "carla@example.com both"
            ]
        );
        let bad: Vec<String> = file.bad.iter().map(BadRow::to_string).collect();
        assert_eq!(
            bad,
            [
                "line 4: \"699000002\" is not an international telephone number",
                "line 6: \"nobody\" is not an e-mail address",
                "line 7: it has no address",
            ]
        );
    }

    #[test]
    fn a_file_without_a_heading_is_refused() {
        for text in ["", "34699000001\n34699000002\n", "number\n34699000001\n"] {
            assert_eq!(File::read(text), Err(NoHeading));
        }
        assert_eq!(File::read("phone\n"), Ok(File::default()));
    }
}
