//! What statements take.

use std::borrow::Cow;

use rusqlite::types::{ToSqlOutput, ValueRef};

/// A value that goes with a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'p> {
    /// Nothing.
    Null,
    /// A whole number, or a truth.
    Int(i64),
    /// A text.
    Text(&'p str),
    /// Octets.
    Octets(&'p [u8]),
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Null => ValueRef::Null,
            Self::Int(n) => ValueRef::Integer(n),
            Self::Text(text) => match storable(text) {
                Cow::Borrowed(text) => ValueRef::Text(text.as_bytes()),
                Cow::Owned(text) => return Ok(ToSqlOutput::from(text)),
            },
            Self::Octets(octets) => ValueRef::Blob(octets),
        }))
    }
}

/// A text as it is stored: a server takes no U+0000, which carriers may send all the same, and both
/// engines keep the same.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    match text.as_bytes().contains(&0) {
        true => Cow::Owned(text.replace('\0', "\u{FFFD}")),
        false => Cow::Borrowed(text),
    }
}

/// What a statement takes: numbers alone, or a list made by [`values!`].
pub(crate) trait Values<'p> {
    /// Them, in the order of their parameters.
    fn as_slice(&self) -> impl AsRef<[Value<'p>]>;
}

impl<'p> Values<'p> for () {
    fn as_slice(&self) -> impl AsRef<[Value<'p>]> {
        []
    }
}

impl<'p, const N: usize> Values<'p> for [i64; N] {
    fn as_slice(&self) -> impl AsRef<[Value<'p>]> {
        self.map(Value::Int)
    }
}

impl<'p, const N: usize> Values<'p> for [Value<'p>; N] {
    fn as_slice(&self) -> impl AsRef<[Value<'p>]> {
        self
    }
}

/// A list of values of several kinds.
macro_rules! values {
    ($($value:expr),* $(,)?) => { [$($crate::sql::AsValue::as_value(&$value)),*] };
}
pub(crate) use values;

/// What can be a value.
pub(crate) trait AsValue {
    /// It.
    fn as_value(&self) -> Value<'_>;
}

macro_rules! as_int {
    ($($kind:ty),*) => {$(
        impl AsValue for $kind {
            fn as_value(&self) -> Value<'_> {
                Value::Int(i64::from(*self))
            }
        }
    )*};
}
as_int!(i64, i32, u32, u16, u8, bool);

impl AsValue for str {
    fn as_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl AsValue for String {
    fn as_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl AsValue for [u8] {
    fn as_value(&self) -> Value<'_> {
        Value::Octets(self)
    }
}

impl AsValue for Vec<u8> {
    fn as_value(&self) -> Value<'_> {
        Value::Octets(self)
    }
}

impl<const N: usize> AsValue for [u8; N] {
    fn as_value(&self) -> Value<'_> {
        Value::Octets(self)
    }
}

impl<T: AsValue + ?Sized> AsValue for &T {
    fn as_value(&self) -> Value<'_> {
        (**self).as_value()
    }
}

impl<T: AsValue> AsValue for Option<T> {
    fn as_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, AsValue::as_value)
    }
}
