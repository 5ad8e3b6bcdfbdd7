//! Single values and lists of them, kept as what they are.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use pombo_domain::limits::RECIPIENTS_MAX;

/// Any JSON value, of which lists and objects are only known as such.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::entry::nrs360) enum Scalar<'a> {
    /// Absent, or `null`.
    #[default]
    Null,
    Bool(bool),
    Integer(i64),
    /// Not an integer of 64 bits.
    Float(f64),
    Text(Cow<'a, str>),
    /// A list; whether it has items.
    List {
        empty: bool,
    },
    /// An object.
    Object,
}

/// One value, or several.
#[derive(Debug, PartialEq, Default)]
pub(in crate::entry::nrs360) enum Many<'a> {
    /// Absent, or `null`.
    #[default]
    Absent,
    One(Scalar<'a>),
    Items(Vec<Scalar<'a>>),
    /// More items than any rule allows; they were not kept.
    Excess,
}

impl Scalar<'_> {
    /// Absent or `null`.
    pub(in crate::entry::nrs360) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A truth value in any of its spellings; `None` where it is none.
    pub(in crate::entry::nrs360) fn truth(&self) -> Option<bool> {
        match self {
            Self::Null => Some(false),
            Self::Bool(yes) => Some(*yes),
            Self::Integer(0) => Some(false),
            Self::Integer(1) => Some(true),
            Self::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" | "on" => Some(true),
                "" | "0" | "false" | "no" | "off" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// An integer, also as text or with an empty fraction; `None` where it is none.
    pub(in crate::entry::nrs360) fn whole(&self) -> Option<i64> {
        match self {
            Self::Integer(n) => Some(*n),
            Self::Float(n) => {
                let small = n.fract() == 0.0 && n.abs() < 1e9;
                small.then(|| format!("{n:.0}").parse().ok()).flatten()
            }
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The caller's spelling of a recipient or a date: text, or the digits of a number.
    pub(in crate::entry::nrs360) fn spelling(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text.as_ref()),
            Self::Integer(n) => Cow::Owned(n.to_string()),
            Self::Float(n) => Cow::Owned(n.to_string()),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Null => Cow::Borrowed("null"),
            Self::List { .. } | Self::Object => Cow::Borrowed(""),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScalarVisitor)
    }
}

pub(super) struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(yes))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Integer(n))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Self::Value, E> {
        // What 64 bits with a sign cannot hold is no number that any rule takes.
        Ok(i64::try_from(n).map_or(Scalar::Float(f64::INFINITY), Scalar::Integer))
    }

    fn visit_f64<E>(self, n: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Float(n))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut empty = true;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            empty = false;
        }
        Ok(Scalar::List { empty })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Object)
    }
}

/// Reads single values as scalars, wrapped.
macro_rules! as_scalar {
    ($one:expr; $($visit:ident: $type:ty),*) => {$(
        fn $visit<E: serde::de::Error>(self, value: $type) -> Result<Self::Value, E> {
            ScalarVisitor.$visit(value).map($one)
        }
    )*};
}
pub(super) use as_scalar;

impl<'de> Deserialize<'de> for Many<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ManyVisitor)
    }
}

struct ManyVisitor;

impl<'de> Visitor<'de> for ManyVisitor {
    type Value = Many<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    as_scalar!(Many::One; visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64,
        visit_borrowed_str: &'de str, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Many::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            if items.len() == RECIPIENTS_MAX {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(Many::Excess);
            }
            items.push(item);
        }
        Ok(Many::Items(items))
    }

    /// PHP writes a list with gaps in its numbering as an object.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some((_, item)) = map.next_entry::<IgnoredAny, _>()? {
            if items.len() == RECIPIENTS_MAX {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(Many::Excess);
            }
            items.push(item);
        }
        Ok(Many::Items(items))
    }
}
