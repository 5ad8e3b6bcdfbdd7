//! `sub`: the values of each recipient's variables, read object by object into one table.
//!
//! The field is kept as its JSON until the text is known: of each object only what the text asks
//! for is read, so that a hundred thousand objects cost little more than their characters.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};
use serde::de::{Error as _, Visitor};
use serde_json::value::RawValue;

use pombo_domain::sms::personal::Values;

use super::value::Scalar;

/// A JSON value as it was written; empty where absent or `null`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::entry::nrs360) struct Raw<'a>(&'a str);

impl Raw<'_> {
    /// Absent or `null`.
    pub(in crate::entry::nrs360) fn is_null(self) -> bool {
        matches!(self.0, "" | "null")
    }
}

impl<'a> Raw<'a> {
    /// As it was written.
    pub(super) fn json(self) -> &'a str {
        self.0
    }
}

impl<'de> Deserialize<'de> for Raw<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(from).map(|raw| Self(raw.get()))
    }
}

/// What is wrong with a `sub`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::entry::nrs360) enum SubError {
    /// It is no list.
    NotAList,
    /// More items than recipients.
    Excess,
    /// The item with this index is no object.
    NotAnObject(usize),
    /// This variable of this item is neither text nor number.
    NotAText(usize, String),
}

/// The values of `variables`, a row for each item, and how many items there are; reading ends at one more than `n_max`.
///
/// Numbers are taken as they are written; `null` and what is missing are empty. An empty list is an
/// empty object (PHP writes both alike), and an object's values count as a list.
pub(in crate::entry::nrs360) fn values(
    sub: Raw<'_>,
    variables: &[Box<str>],
    n_max: usize,
) -> Result<(Values, usize), SubError> {
    let values = Values::new(variables.len(), 0);
    let mut rows = Rows { variables, values, n: 0, n_max, wrong: None };
    let mut json = serde_json::Deserializer::from_str(sub.0);
    match (json.deserialize_any(&mut rows), rows.wrong) {
        (_, Some(wrong)) => Err(wrong),
        (Err(_), None) => Err(SubError::NotAList),
        (Ok(()), None) => Ok((rows.values, rows.n)),
    }
}

struct Rows<'t> {
    variables: &'t [Box<str>],
    values: Values,
    n: usize,
    n_max: usize,
    /// The first mistake; reading ends there.
    wrong: Option<SubError>,
}

impl Rows<'_> {
    fn take<E: serde::de::Error>(&mut self, item: Raw<'_>) -> Result<(), E> {
        let taken = match self.n {
            n if n == self.n_max => Err(SubError::Excess),
            idx => cells(item, self.variables).map_err(|not| match not {
                Not::AnObject => SubError::NotAnObject(idx),
                Not::AText(variable) => SubError::NotAText(idx, variable),
            }),
        };
        match taken {
            Ok(cells) => {
                self.values.push(cells.iter().map(AsRef::as_ref));
                self.n += 1;
                Ok(())
            }
            Err(wrong) => {
                self.wrong = Some(wrong);
                Err(E::custom("an item of sub is wrong"))
            }
        }
    }
}

impl<'de> Visitor<'de> for &mut Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element()? {
            self.take(item)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((_, item)) = map.next_entry::<IgnoredAny, _>()? {
            self.take(item)?;
        }
        Ok(())
    }
}

enum Not {
    AnObject,
    AText(String),
}

/// The values of one object, in the order of `variables`.
fn cells<'a>(item: Raw<'a>, variables: &[Box<str>]) -> Result<Vec<Cow<'a, str>>, Not> {
    let mut row = Row { variables, cells: vec![Cow::Borrowed(""); variables.len()], wrong: None };
    if item.is_null() {
        return Ok(row.cells);
    }
    let read = serde_json::Deserializer::from_str(item.0).deserialize_any(&mut row);
    match (read, row.wrong) {
        (_, Some(column)) => Err(Not::AText(variables[column].to_string())),
        (Err(_), None) => Err(Not::AnObject),
        (Ok(()), None) => Ok(row.cells),
    }
}

struct Row<'t, 'de> {
    variables: &'t [Box<str>],
    cells: Vec<Cow<'de, str>>,
    /// The column of a value that is no text.
    wrong: Option<usize>,
}

impl<'de> Visitor<'de> for &mut Row<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        match seq.next_element::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::custom("a list with items")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(column) = map.next_key_seed(Column(self.variables))? {
            let Some(column) = column else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            match cell(map.next_value()?) {
                Some(cell) => self.cells[column] = cell,
                None => {
                    self.wrong = Some(column);
                    return Err(A::Error::custom("a value that is no text"));
                }
            }
        }
        Ok(())
    }
}

/// Reads a key as the column of that name.
struct Column<'t>(&'t [Box<str>]);

impl<'de> DeserializeSeed<'de> for Column<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Column<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|variable| **variable == *key))
    }
}

/// A value as text: a number as it is written, `true` and `false` by their names.
fn cell(value: Raw<'_>) -> Option<Cow<'_, str>> {
    match value.0.as_bytes().first()? {
        b'"' => match serde_json::from_str(value.0).ok()? {
            Scalar::Text(text) => Some(text),
            _ => None,
        },
        b'[' | b'{' => None,
        _ if value.is_null() => Some(Cow::Borrowed("")),
        _ => Some(Cow::Borrowed(value.0)),
    }
}
