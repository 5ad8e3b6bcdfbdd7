//! From the fields of `POST /sms` to the use case's command, or this dialect's first complaint.
//!
//! The order of the checks is part of the interface: sender, text, recipients, encoding, parts,
//! dates, notification URL, campaign and tags, available times, then the rest.

use std::borrow::Cow;

use pombo_app::usecase::send::{Callbacks, CampaignRef, Idempotency, Recipient, SendSms, Text};
use pombo_domain::address::{Phone, Sender, SenderError};
use pombo_domain::callback::Template;
use pombo_domain::limits;
use pombo_domain::message::Category;
use pombo_domain::otp;
use pombo_domain::sms::Encoding;
use pombo_domain::sms::personal::{self, TemplateError};
use pombo_domain::time::Instant;
use pombo_domain::window::{AvailableTimes, Window, WindowError};

use super::body::{self, Many, Scalar, SmsIn, SubError, TimeIn, Times};
use super::error::{Code, Problem};

/// What a request says outside its body.
pub(super) struct Around {
    /// `?dryRun=1`.
    pub(super) dry_run: bool,
    /// `Idempotency-Key`, with the body's hash.
    pub(super) idempotency: Option<Idempotency>,
    /// When it was read.
    pub(super) now: Instant,
}

/// Reads a request.
pub(super) fn parse(json: &[u8], around: Around) -> Result<SendSms, Problem> {
    let sms = body::parse(json).map_err(|body::NotAnObject| Code::InvalidJson)?;
    command(&sms, around)
}

/// The command that the fields ask for.
pub(super) fn command(sms: &SmsIn<'_>, around: Around) -> Result<SendSms, Problem> {
    let from = sender("from", &sms.from)?;
    let text = message(&sms.message)?;
    let to = recipients(&sms.to)?;
    let encoding = encoding(&sms.encoding)?;
    let split = flag("splitParts", &sms.split_parts);
    let parts_max = parts_max(&sms.parts, split.as_ref().copied().unwrap_or(false))?;
    let (schedule, expires) = dates(sms, around.now)?;
    let callbacks = callbacks(&sms.notification_url, to.len())?;
    let campaign = campaign(&sms.campaign_name, &sms.tags)?;
    let windows = windows(&sms.available_times)?;
    let category = category(&sms.category)?;
    let text = personal(sms, text, to.len())?;
    let otp = otp(sms, &text)?;
    let certified = flag("certified", &sms.certified)?;
    Ok(SendSms {
        otp,
        from,
        text,
        to,
        encoding,
        parts_max,
        trans: trans(&sms.trans)?,
        split: split?,
        flash: flag("flash", &sms.flash)?,
        schedule,
        expires,
        windows,
        callbacks,
        campaign,
        category,
        idempotency: around.idempotency,
        answers_opt_out: false,
        certified,
        dry_run: around.dry_run,
    })
}

/// Reads a sender from the field of this name.
pub(super) fn sender(field: &str, from: &Scalar<'_>) -> Result<Sender, Problem> {
    let text = match from {
        Scalar::Null => return Err(Code::SenderMissing.into()),
        Scalar::Text(text) => text,
        _ => return Err(Problem::wrong_type(field, "a string")),
    };
    Sender::parse(text).map_err(|e| match e {
        SenderError::Missing => Code::SenderMissing.into(),
        SenderError::TooLong => Code::SenderTooLong.into(),
        SenderError::BadCharacter(_) => {
            Problem::invalid(format!("The {field} field format is invalid."))
        }
    })
}

fn message(message: &Scalar<'_>) -> Result<String, Problem> {
    match message {
        Scalar::Null => Err(Code::TextMissing.into()),
        Scalar::Text(text) if text.is_empty() => Err(Code::TextMissing.into()),
        Scalar::Text(text) => Ok(text.clone().into_owned()),
        _ => Err(Problem::wrong_type("message", "a string")),
    }
}

fn recipients(to: &Many<'_>) -> Result<Vec<Recipient>, Problem> {
    let items = match to {
        Many::Absent => return Err(Code::NoValidRecipients.into()),
        Many::One(one) => std::slice::from_ref(one),
        Many::Items(items) => items,
        Many::Excess => return Err(too_many("to", limits::RECIPIENTS_MAX)),
    };
    let recipients: Vec<Recipient> = items.iter().map(recipient).collect();
    if recipients.iter().all(|r| r.phone.is_none()) {
        return Err(Code::NoValidRecipients.into());
    }
    Ok(recipients)
}

fn recipient(item: &Scalar<'_>) -> Recipient {
    let phone = match item {
        // A minus is punctuation in a text only.
        Scalar::Integer(..=0) => None,
        Scalar::Text(_) | Scalar::Integer(_) => Phone::parse_with_country(&item.spelling()).ok(),
        _ => None,
    };
    Recipient { written: item.spelling().into_owned(), phone }
}

fn encoding(word: &Scalar<'_>) -> Result<Encoding, Problem> {
    match word {
        Scalar::Null => Ok(Encoding::Gsm),
        Scalar::Text(word) => Encoding::parse(word).ok_or_else(|| Code::InvalidCoding.into()),
        _ => Err(Code::InvalidCoding.into()),
    }
}

fn parts_max(parts: &Scalar<'_>, split: bool) -> Result<u8, Problem> {
    if parts.is_null() {
        return Ok(if split { limits::PARTS_MAX } else { 1 });
    }
    parts
        .whole()
        .and_then(|n| u8::try_from(n).ok())
        .filter(|n| (1..=limits::PARTS_MAX).contains(n))
        .ok_or_else(|| Code::BadParts.into())
}

/// When to send (`None`: now, also where the date has passed) and when it is worthless.
fn dates(sms: &SmsIn<'_>, now: Instant) -> Result<(Option<Instant>, Option<Instant>), Problem> {
    let schedule = date(&sms.schedule_date, Code::BadSchedule)?.filter(|at| *at > now);
    let expires = date(&sms.expiration_date, Code::BadExpiration)?;
    match expires {
        Some(at) if at <= now || schedule.is_some_and(|start| at <= start) => {
            Err(Code::BadExpiration.into())
        }
        _ => Ok((schedule, expires)),
    }
}

fn date(value: &Scalar<'_>, code: Code) -> Result<Option<Instant>, Problem> {
    match value {
        Scalar::Null => Ok(None),
        Scalar::Text(_) | Scalar::Integer(_) => match Instant::parse_compact(&value.spelling()) {
            Ok(at) => Ok(Some(at)),
            Err(_) => Err(code.into()),
        },
        _ => Err(code.into()),
    }
}

fn callbacks(url: &Many<'_>, n_recipients: usize) -> Result<Callbacks, Problem> {
    match url {
        Many::Absent => Ok(Callbacks::None),
        Many::One(one) => Ok(Callbacks::One(template(one)?)),
        Many::Items(items) if items.len() == n_recipients => {
            Ok(Callbacks::Each(items.iter().map(template).collect::<Result<_, _>>()?))
        }
        Many::Items(_) | Many::Excess => Err(Code::BadNotificationUrl.into()),
    }
}

fn template(url: &Scalar<'_>) -> Result<Template, Problem> {
    match url {
        Scalar::Text(text) => Template::parse(text).map_err(|_| Code::BadNotificationUrl.into()),
        _ => Err(Code::BadNotificationUrl.into()),
    }
}

fn campaign(name: &Scalar<'_>, tags: &Many<'_>) -> Result<Option<CampaignRef>, Problem> {
    let name = match name {
        Scalar::Null => "",
        Scalar::Text(text) => text.trim(),
        _ => return Err(Problem::wrong_type("campaignName", "a string")),
    };
    if name.chars().count() > limits::CAMPAIGN_NAME_CHARS_MAX {
        return Err(too_long("campaignName", limits::CAMPAIGN_NAME_CHARS_MAX));
    }
    let tags = match tags {
        Many::Absent => Vec::new(),
        Many::Items(items) if items.len() <= limits::TAGS_MAX => {
            items.iter().enumerate().map(tag).collect::<Result<_, _>>()?
        }
        Many::Items(_) | Many::Excess => return Err(too_many("tags", limits::TAGS_MAX)),
        Many::One(_) => return Err(Problem::wrong_type("tags", "an array")),
    };
    match (name, tags) {
        ("", tags) if tags.is_empty() => Ok(None),
        ("", _) => Err(Code::EmptyCampaignName.into()),
        (name, tags) => Ok(Some(CampaignRef { name: name.to_owned(), tags })),
    }
}

fn tag((i, item): (usize, &Scalar<'_>)) -> Result<String, Problem> {
    let field = format!("tags.{i}");
    match item {
        Scalar::Text(text) if text.chars().count() > limits::TAG_CHARS_MAX => {
            Err(too_long(&field, limits::TAG_CHARS_MAX))
        }
        Scalar::Text(text) => Ok(text.clone().into_owned()),
        Scalar::Integer(n) => Ok(n.to_string()),
        _ => Err(Problem::wrong_type(&field, "a string")),
    }
}

fn windows(times: &Times<'_>) -> Result<Option<AvailableTimes>, Problem> {
    let items = match times {
        Times::Absent => return Ok(None),
        Times::Other(Scalar::Text(text)) if text.is_empty() => return Err(Code::TimesEmpty.into()),
        Times::Other(_) => return Err(Code::TimesNotAnArray.into()),
        Times::Excess => return Err(too_many("availableTimes", limits::WINDOWS_MAX)),
        Times::Items(items) => items,
    };
    let windows = items.iter().map(window).collect::<Result<Vec<_>, _>>()?;
    AvailableTimes::new(windows).map(Some).map_err(window_problem)
}

fn window(item: &TimeIn<'_>) -> Result<Window, Problem> {
    let day = match &item.day {
        Scalar::Null => None,
        day => Some(day.whole().ok_or(Code::TimesDayNotAnInteger)?),
    };
    let from = hour(&item.from, Code::TimesFromFormat)?;
    let to = hour(&item.to, Code::TimesToFormat)?;
    Window::parse(day, &from, &to).map_err(window_problem)
}

fn hour<'a>(value: &'a Scalar<'_>, bad: Code) -> Result<Cow<'a, str>, Problem> {
    match value {
        Scalar::Null => Err(Code::TimesPropertyMissing.into()),
        Scalar::Text(text) => Ok(Cow::Borrowed(text.as_ref())),
        _ => Err(bad.into()),
    }
}

fn window_problem(error: WindowError) -> Problem {
    match error {
        WindowError::DayOutOfRange => Code::TimesDayOutOfRange,
        WindowError::FromFormat => Code::TimesFromFormat,
        WindowError::ToFormat => Code::TimesToFormat,
        WindowError::FromAfterTo => Code::TimesFromAfterTo,
        WindowError::Empty => Code::TimesEmpty,
        WindowError::TooShort => Code::TimesTooShort,
    }
    .into()
}

fn category(word: &Scalar<'_>) -> Result<Option<Category>, Problem> {
    match word {
        Scalar::Null => Ok(None),
        Scalar::Text(word) => match word.as_ref() {
            "marketing" => Ok(Some(Category::Marketing)),
            "transactional" => Ok(Some(Category::Transactional)),
            _ => Err(Problem::invalid("The selected category is invalid.")),
        },
        _ => Err(Problem::wrong_type("category", "a string")),
    }
}

fn trans(value: &Scalar<'_>) -> Result<bool, Problem> {
    value.truth().ok_or_else(|| Problem::invalid("The selected trans is invalid."))
}

fn flag(field: &str, value: &Scalar<'_>) -> Result<bool, Problem> {
    value.truth().ok_or_else(|| Problem::wrong_type(field, "true or false"))
}

/// What the codes in the texts are like, where they have some; else `otpConfig` means nothing.
fn otp(sms: &SmsIn<'_>, text: &Text) -> Result<Option<otp::Config>, Problem> {
    let has_code = match text {
        Text::Same(text) => text.contains(personal::CODE),
        Text::Personal(template, _) => template.has_code(),
    };
    if !has_code {
        return Ok(None);
    }
    if sms.otp_config.is_null() {
        return Ok(Some(otp::Config::default()));
    }
    let asked = body::otp_config(sms.otp_config)
        .map_err(|body::NotAnObject| Problem::wrong_type("otpConfig", "an object"))?;
    super::otp::config(&asked, "otpConfig.").map(Some)
}

/// The text with each recipient's values, where `sub` has some. Without it braces are plain
/// text, but for `{OTP_CODE}`.
fn personal(sms: &SmsIn<'_>, text: String, n_recipients: usize) -> Result<Text, Problem> {
    if sms.sub.is_null() {
        return Ok(Text::Same(text));
    }
    if text.len() > limits::TEXT_BYTES_MAX {
        return Err(Code::TextTooLong.into());
    }
    let template = personal::Template::parse(&text).map_err(|error| match error {
        TemplateError::UnknownFilter(filter) => Problem::invalid(format!(
            "The message field has a filter that does not exist: {filter}."
        )),
        TemplateError::TooManyPlaceholders => Problem::invalid(format!(
            "The message field must not have more than {} placeholders.",
            limits::PLACEHOLDERS_MAX
        )),
        TemplateError::TooManyFilters => Problem::invalid(format!(
            "A placeholder of the message field must not have more than {} filters.",
            limits::FILTERS_MAX
        )),
        TemplateError::FilteredCode => Problem::invalid(
            "The message field must not have filters on {OTP_CODE}: it would be another code.",
        ),
    })?;
    if n_recipients.saturating_mul(template.variables().len()) > limits::VALUES_MAX {
        return Err(Problem::invalid(format!(
            "The sub field must not have more than {} values.",
            limits::VALUES_MAX
        )));
    }
    let wrong_length =
        || Problem::invalid("The sub field must contain as many items as the to field.");
    let values = body::values(sms.sub, template.variables(), n_recipients);
    let (values, n) = values.map_err(|error| match error {
        SubError::NotAList => Problem::wrong_type("sub", "an array"),
        SubError::Excess => wrong_length(),
        SubError::NotAnObject(i) => Problem::wrong_type(&format!("sub.{i}"), "an object"),
        SubError::NotAText(i, name) => Problem::wrong_type(&format!("sub.{i}.{name}"), "a string"),
    })?;
    if n != n_recipients {
        return Err(wrong_length());
    }
    Ok(Text::Personal(template, values))
}

fn too_many(field: &str, items_max: usize) -> Problem {
    Problem::invalid(format!("The {field} field must not have more than {items_max} items."))
}

fn too_long(field: &str, chars_max: usize) -> Problem {
    Problem::invalid(format!("The {field} field must not be greater than {chars_max} characters."))
}
