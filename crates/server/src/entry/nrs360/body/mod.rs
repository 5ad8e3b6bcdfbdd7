//! The JSON of a send request, read leniently and without copying it.
//!
//! The originals' clients are PHP, and so is their idea of JSON: any Content-Type, numbers where
//! text is meant, `"yes"` for true, `null` for absent, lists that became objects. A field of an
//! unexpected type never spoils the reading: it is kept as what it is, and the rule of that field
//! decides, so that each mistake gets its own code.

mod sub;
mod value;

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use pombo_domain::limits::WINDOWS_MAX;

use value::{ScalarVisitor, as_scalar};

pub(super) use sub::{Raw, SubError, values};
pub(super) use value::{Many, Scalar};

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
    pub(super) sub: Raw<'a>,
    pub(super) otp_config: Raw<'a>,
}

/// The text is not a JSON object.
#[derive(Debug)]
pub(super) struct NotAnObject;

/// Reads a body's JSON: a byte order mark is skipped.
fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, NotAnObject> {
    let json = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    serde_json::from_slice(json).map_err(|_| NotAnObject)
}

/// Makes `$visitor` read a JSON object into the fields of `$into`, by the names of their keys.
/// Unknown keys are skipped; of a key given twice the last counts.
macro_rules! object {
    ($visitor:ident => $into:ident {
        $($key:literal $(| $alias:literal)* => $variant:ident $field:ident $(by $convert:path)?,)*
    }) => {
        struct $visitor;

        impl<'de> Visitor<'de> for $visitor {
            type Value = $into<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                #[derive(serde::Deserialize)]
                #[serde(field_identifier)]
                enum Key {
                    $(#[serde(rename = $key $(, alias = $alias)*)] $variant,)*
                    #[serde(other)]
                    Unknown,
                }
                let mut object = $into::default();
                while let Some(key) = map.next_key::<Key>()? {
                    match key {
                        $(Key::$variant => object.$field = $($convert)?(map.next_value()?),)*
                        Key::Unknown => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(object)
            }
        }
    };
}

object!(SmsVisitor => SmsIn {
    "to" => To to,
    "from" => From from,
    "message" => Message message,
    "encoding" => Encoding encoding,
    "parts" => Parts parts,
    "trans" => Trans trans,
    "splitParts" => SplitParts split_parts,
    "flash" => Flash flash,
    "scheduleDate" => ScheduleDate schedule_date,
    "expirationDate" => ExpirationDate expiration_date,
    "notificationUrl" => NotificationUrl notification_url,
    "campaignName" => CampaignName campaign_name,
    "tags" => Tags tags,
    "availableTimes" => AvailableTimes available_times,
    "category" => Category category,
    "certified" => Certified certified,
    "sub" => Sub sub,
    "otpConfig" => OtpConfig otp_config,
});

/// Reads the body of `POST /sms`.
pub(super) fn parse(body: &[u8]) -> Result<SmsIn<'_>, NotAnObject> {
    read(body)
}

impl<'de> Deserialize<'de> for SmsIn<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(SmsVisitor)
    }
}

object!(OlderVisitor => SmsIn {
    "to" => To to,
    "from" => From from,
    "text" => Text message,
    "coding" | "encoding" => Coding encoding by older_coding,
    "parts" => Parts parts,
    "trans" | "trsec" | "tresc" => Trans trans,
    "dlr-url" => DlrUrl notification_url,
    "fsend" => Fsend schedule_date,
});

/// The older form's fields under their later names.
struct Older<'a>(SmsIn<'a>);

/// Reads the body of the older `POST /message`.
pub(super) fn parse_older(body: &[u8]) -> Result<SmsIn<'_>, NotAnObject> {
    read(body).map(|Older(sms)| sms)
}

impl<'de> Deserialize<'de> for Older<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(OlderVisitor).map(Self)
    }
}

/// `0` is the older form's name of `gsm`.
pub(super) fn older_coding(coding: Scalar<'_>) -> Scalar<'_> {
    match coding.whole() {
        Some(0) => Scalar::Text("gsm".into()),
        _ => coding,
    }
}

/// The filters of scheduled messages.
#[derive(Debug, PartialEq, Default)]
pub(super) struct FilterIn<'a> {
    pub(super) guid: Many<'a>,
    pub(super) kind: Scalar<'a>,
    pub(super) schedule_date: Scalar<'a>,
    pub(super) page: Scalar<'a>,
    pub(super) limit: Scalar<'a>,
}

object!(FilterVisitor => FilterIn {
    "guid" => Guid guid,
    "type" => Type kind,
    "scheduleDate" => ScheduleDate schedule_date,
    "page" => Page page,
    "limit" => Limit limit,
});

/// Reads the filters of a body.
pub(super) fn parse_filter(body: &[u8]) -> Result<FilterIn<'_>, NotAnObject> {
    read(body)
}

impl<'de> Deserialize<'de> for FilterIn<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(FilterVisitor)
    }
}

impl<'a> FilterIn<'a> {
    /// Takes from `other` what is absent here.
    pub(super) fn or(self, other: Self) -> Self {
        let first = |a: Scalar<'a>, b: Scalar<'a>| if a.is_null() { b } else { a };
        Self {
            guid: if self.guid == Many::Absent { other.guid } else { self.guid },
            kind: first(self.kind, other.kind),
            schedule_date: first(self.schedule_date, other.schedule_date),
            page: first(self.page, other.page),
            limit: first(self.limit, other.limit),
        }
    }
}

/// The addresses of an opt-out list.
#[derive(Debug, PartialEq, Default)]
pub(super) struct BlacklistIn<'a> {
    pub(super) phone: Many<'a>,
    pub(super) email: Many<'a>,
    pub(super) channel: Scalar<'a>,
    pub(super) reason: Scalar<'a>,
}

object!(BlacklistVisitor => BlacklistIn {
    "phone" | "phones" => Phone phone,
    "email" | "emails" => Email email,
    "channel" => Channel channel,
    "reason" => Reason reason,
});

/// Reads the addresses of a body.
pub(super) fn parse_blacklist(body: &[u8]) -> Result<BlacklistIn<'_>, NotAnObject> {
    read(body)
}

impl<'de> Deserialize<'de> for BlacklistIn<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(BlacklistVisitor)
    }
}

/// A one-time code: what is asked of it, or what is said to be it.
#[derive(Debug, PartialEq, Default)]
pub(super) struct OtpIn<'a> {
    pub(super) recipient: Scalar<'a>,
    pub(super) code: Scalar<'a>,
    pub(super) alpha: Scalar<'a>,
    pub(super) length: Scalar<'a>,
    pub(super) max_attempts: Scalar<'a>,
    pub(super) max_seconds_validity: Scalar<'a>,
    pub(super) app_id: Scalar<'a>,
    pub(super) reject_if_pending_code: Scalar<'a>,
}

object!(OtpVisitor => OtpIn {
    "recipient" => Recipient recipient,
    "code" => Code code,
    "alpha" => Alpha alpha,
    "length" => Length length,
    "maxAttempts" => MaxAttempts max_attempts,
    "maxSecondsValidity" => MaxSecondsValidity max_seconds_validity,
    "appId" => AppId app_id,
    "rejectIfPendingCode" => RejectIfPendingCode reject_if_pending_code,
});

impl<'de> Deserialize<'de> for OtpIn<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(OtpVisitor)
    }
}

/// Reads the body of a request about a one-time code.
pub(super) fn parse_otp(body: &[u8]) -> Result<OtpIn<'_>, NotAnObject> {
    read(body)
}

/// Reads `otpConfig`. An empty list is an empty object: PHP writes both alike.
pub(super) fn otp_config(raw: Raw<'_>) -> Result<OtpIn<'_>, NotAnObject> {
    let inside = raw.json().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inside.is_some_and(|inside| inside.trim().is_empty()) {
        true => Ok(OtpIn::default()),
        false => read(raw.json().as_bytes()),
    }
}

/// A sender that somebody asks for.
#[derive(Debug, PartialEq, Default)]
pub(super) struct SenderIn<'a> {
    pub(super) sender: Scalar<'a>,
    pub(super) country: Scalar<'a>,
}

object!(SenderVisitor => SenderIn {
    "sender" => Sender sender,
    "countryIso" => Country country,
});

/// Reads the sender of a body.
pub(super) fn parse_sender(body: &[u8]) -> Result<SenderIn<'_>, NotAnObject> {
    read(body)
}

impl<'de> Deserialize<'de> for SenderIn<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(SenderVisitor)
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
