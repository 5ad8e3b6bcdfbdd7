//! The JSON of a send request, read leniently and without copying it.
//!
//! The originals' clients are PHP, and so is their idea of JSON: any Content-Type, numbers where
//! text is meant, `"yes"` for true, `null` for absent, lists that became objects. A field of an
//! unexpected type never spoils the reading: it is kept as what it is, and the rule of that field
//! decides, so that each mistake gets its own code.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use pombo_domain::limits::{RECIPIENTS_MAX, WINDOWS_MAX};

/// Any JSON value, of which lists and objects are only known as such.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Scalar<'a> {
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
pub(super) enum Many<'a> {
    /// Absent, or `null`.
    #[default]
    Absent,
    One(Scalar<'a>),
    Items(Vec<Scalar<'a>>),
    /// More items than any rule allows; they were not kept.
    Excess,
}

/// `availableTimes`.
#[derive(Debug, PartialEq, Default)]
pub(super) enum Times<'a> {
    /// Absent, or `null`.
    #[default]
    Absent,
    /// Not a list.
    Other(Scalar<'a>),
    Items(Vec<TimeIn<'a>>),
    /// More items than allowed; they were not kept.
    Excess,
}

/// An item of `availableTimes`.
#[derive(Debug, PartialEq, Default)]
pub(super) struct TimeIn<'a> {
    pub(super) day: Scalar<'a>,
    pub(super) from: Scalar<'a>,
    pub(super) to: Scalar<'a>,
}

/// The body of `POST /sms`.
#[derive(Debug, PartialEq, Default)]
pub(super) struct SmsIn<'a> {
    pub(super) to: Many<'a>,
    pub(super) from: Scalar<'a>,
    pub(super) message: Scalar<'a>,
    pub(super) encoding: Scalar<'a>,
    pub(super) parts: Scalar<'a>,
    pub(super) trans: Scalar<'a>,
    pub(super) split_parts: Scalar<'a>,
    pub(super) flash: Scalar<'a>,
    pub(super) schedule_date: Scalar<'a>,
    pub(super) expiration_date: Scalar<'a>,
    pub(super) notification_url: Many<'a>,
    pub(super) campaign_name: Scalar<'a>,
    pub(super) tags: Many<'a>,
    pub(super) available_times: Times<'a>,
    pub(super) category: Scalar<'a>,
    pub(super) certified: Scalar<'a>,
    pub(super) sub: Scalar<'a>,
    pub(super) otp_config: Scalar<'a>,
}

/// The keys of `POST /sms`.
#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Key {
    To,
    From,
    Message,
    Encoding,
    Parts,
    Trans,
    SplitParts,
    Flash,
    ScheduleDate,
    ExpirationDate,
    NotificationUrl,
    CampaignName,
    Tags,
    AvailableTimes,
    Category,
    Certified,
    Sub,
    OtpConfig,
    #[serde(other)]
    Unknown,
}

/// The text is not a JSON object.
#[derive(Debug)]
pub(super) struct NotAnObject;

/// Reads the body of `POST /sms`. Unknown keys are skipped; of a key given twice the last counts.
pub(super) fn parse(body: &[u8]) -> Result<SmsIn<'_>, NotAnObject> {
    let json = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    serde_json::from_slice(json).map_err(|_| NotAnObject)
}

impl Scalar<'_> {
    /// Absent or `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A truth value in any of its spellings; `None` where it is none.
    pub(super) fn truth(&self) -> Option<bool> {
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
    pub(super) fn whole(&self) -> Option<i64> {
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
    pub(super) fn spelling(&self) -> Cow<'_, str> {
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

impl<'de> Deserialize<'de> for SmsIn<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(SmsVisitor)
    }
}

struct SmsVisitor;

impl<'de> Visitor<'de> for SmsVisitor {
    type Value = SmsIn<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut sms = SmsIn::default();
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::To => sms.to = map.next_value()?,
                Key::From => sms.from = map.next_value()?,
                Key::Message => sms.message = map.next_value()?,
                Key::Encoding => sms.encoding = map.next_value()?,
                Key::Parts => sms.parts = map.next_value()?,
                Key::Trans => sms.trans = map.next_value()?,
                Key::SplitParts => sms.split_parts = map.next_value()?,
                Key::Flash => sms.flash = map.next_value()?,
                Key::ScheduleDate => sms.schedule_date = map.next_value()?,
                Key::ExpirationDate => sms.expiration_date = map.next_value()?,
                Key::NotificationUrl => sms.notification_url = map.next_value()?,
                Key::CampaignName => sms.campaign_name = map.next_value()?,
                Key::Tags => sms.tags = map.next_value()?,
                Key::AvailableTimes => sms.available_times = map.next_value()?,
                Key::Category => sms.category = map.next_value()?,
                Key::Certified => sms.certified = map.next_value()?,
                Key::Sub => sms.sub = map.next_value()?,
                Key::OtpConfig => sms.otp_config = map.next_value()?,
                Key::Unknown => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(sms)
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

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

impl<'de> Deserialize<'de> for Many<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ManyVisitor)
    }
}

struct ManyVisitor;

macro_rules! as_scalar {
    ($one:expr; $($visit:ident: $type:ty),*) => {$(
        fn $visit<E: serde::de::Error>(self, value: $type) -> Result<Self::Value, E> {
            ScalarVisitor.$visit(value).map($one)
        }
    )*};
}

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

impl<'de> Deserialize<'de> for Times<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TimesVisitor)
    }
}

struct TimesVisitor;

impl<'de> Visitor<'de> for TimesVisitor {
    type Value = Times<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    as_scalar!(Times::Other; visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64,
        visit_borrowed_str: &'de str, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Times::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            if items.len() == WINDOWS_MAX {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(Times::Excess);
            }
            items.push(item);
        }
        Ok(Times::Items(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        ScalarVisitor.visit_map(map).map(Times::Other)
    }
}

/// The keys of an item of `availableTimes`.
#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum TimeKey {
    Day,
    From,
    To,
    #[serde(other)]
    Unknown,
}

impl<'de> Deserialize<'de> for TimeIn<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TimeVisitor)
    }
}

struct TimeVisitor;

/// What is no object has no properties, and that is what the error table calls it.
fn no_properties<'de>(_: Scalar<'de>) -> TimeIn<'de> {
    TimeIn::default()
}

impl<'de> Visitor<'de> for TimeVisitor {
    type Value = TimeIn<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    as_scalar!(no_properties; visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64,
        visit_borrowed_str: &'de str, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(TimeIn::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        ScalarVisitor.visit_seq(seq).map(no_properties)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut time = TimeIn::default();
        while let Some(key) = map.next_key::<TimeKey>()? {
            match key {
                TimeKey::Day => time.day = map.next_value()?,
                TimeKey::From => time.from = map.next_value()?,
                TimeKey::To => time.to = map.next_value()?,
                TimeKey::Unknown => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(time)
    }
}
