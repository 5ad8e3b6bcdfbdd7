//! The 360NRS error table as one typed list, and the words of this dialect for every failure.

use std::borrow::Cow;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use pombo_app::auth::Denied;
use pombo_app::error::{Error, Fault, Refusal};
use pombo_domain::country::Cause;
use pombo_domain::sms::{CannotEncode, Unfit};

use crate::entry::{Response, failing, json};

macro_rules! codes {
    ($($name:ident = $code:literal, $http:literal, $description:literal;)*) => {
        /// A code of the API document's error table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $description] $name = $code,)*
        }

        impl Code {
            /// Every code, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn http(self) -> u16 {
                match self { $(Self::$name => $http,)* }
            }

            /// The exact description.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$name => $description,)* }
            }
        }
    };
}

codes! {
    Accepted = 0, 202, "Accepted for delivery";
    Database = 101, 500, "Internal Database error";
    NoValidRecipients = 102, 400, "No valid recipients";
    UnknownCredentials = 103, 401, "Username or password unknown";
    TextMissing = 104, 400, "Text message missing";
    TextTooLong = 105, 400, "Text message too long";
    SenderMissing = 106, 400, "Sender missing";
    SenderTooLong = 107, 400, "Sender too long";
    BadSchedule = 108, 400, "No valid Datetime for send";
    BadNotificationUrl = 109, 400, "Notification URL incorrect";
    BadParts = 110, 400, "Exceeded maximum parts allowed or incorrect number of parts";
    NotEnoughCredits = 111, 402, "Not enough credits";
    AddressNotAllowed = 112, 401, "IP address not allowed";
    InvalidCoding = 113, 400, "Invalid coding";
    InvalidSubject = 114, 400, "Invalid subject";
    SenderNotVerified = 115, 400, "Sender is not verified";
    InvalidReplyTo = 116, 400, "Invalid replyTo";
    ReplyToNotVerified = 117, 400, "ReplyTo is not verified";
    EmailBlocked = 118, 401, "Email blocked for exceeding the hard-bounced limit allowed";
    BadExpiration = 119, 400, "Invalid expiration date";
    InvalidGuid = 120, 400, "Invalid GUID";
    InvalidScheduledDate = 121, 400, "Invalid scheduled date";
    UpdateFailed = 122, 500, "Update error";
    DeleteFailed = 123, 500, "Delete error";
    InvalidJson = 125, 400, "Invalid JSON";
    EmptyCampaignName = 126, 400, "Empty campaign name";
    VoiceLanguage = 130, 400, "Invalid voice language";
    VoiceGender = 131, 400, "Invalid voice gender";
    VoiceCaller = 132, 400, "Invalid voice caller";
    AudioUrl = 133, 400, "Invalid audio URL";
    AudioFormat = 134, 400, "Unsupported audio format";
    TemplateMissing = 140, 400, "Template missing";
    LandingPlaceholderMissing = 141, 400, "Missing landing placeholder";
    PlaceholderSplit = 142, 400, "Can't split variable placeholders";
    BillingProfileMissing = 150, 400, "Missing billing profile";
    TpvUrl = 151, 400, "Error retrieving TPV url";
    InvalidVat = 152, 400, "Invalid VAT";
    InvalidMethod = 153, 400, "Invalid method";
    InvalidConversionRate = 154, 400, "Invalid conversion rate";
    MaxLimit = 155, 400, "Max limit reached";
    MinLimit = 156, 400, "Min limit reached";
    Invoice = 157, 400, "Error generating invoice";
    InteractiveLanguage = 160, 400, "Invalid voice interactive language";
    InteractiveGender = 161, 400, "Invalid voice interactive gender";
    InteractiveCaller = 162, 400, "Invalid voice interactive caller";
    InteractiveAudioUrl = 163, 400, "Invalid voice interactive audio URL";
    InteractiveAudioFormat = 164, 400, "Unsupported voice interactive audio format";
    InteractiveSpeechType = 165, 400, "Invalid voice interactive speech type";
    InteractiveMenuOption = 166, 400, "Ivalid voice interactive menu option type";
    ExistingCampaign = 167, 400, "Trying to save an existing campaign";
    EmptySpeechType = 168, 400, "Empty speech type";
    EmptyMenu = 169, 400, "Empty menu";
    EmptyPhoneKey = 170, 400, "Empty phone key";
    PhoneKeyNotANumber = 171, 400, "Phone Key is not a number";
    PhoneKeyOutOfRange = 172, 400, "Phone key out of range";
    EmptySubMenu = 173, 400, "Empty menu options for sub menu";
    EmptyTransferPrefix = 174, 400, "Empty phone prefix for call transfer";
    EmptyTransferPhone = 175, 400, "Empty phone for call transfer";
    CallRetriesNotAnInteger = 176, 400, "Call retries value is not an integer";
    CallRetriesOutOfRange = 177, 400, "Call retries value out of range";
    CostLimitNotAnInteger = 178, 400, "Cost limit value is not an integer";
    SpeechRetriesNotAnInteger = 179, 400, "Speech retries value is not an integer";
    SpeechRetriesOutOfRange = 180, 400, "Speech retries value out of range";
    SpeechTimeoutNotAnInteger = 181, 400, "Speech timeout seconds value is not an integer";
    SpeechTimeoutOutOfRange = 182, 400, "Speech timeout seconds value out of range";
    TimesNotAnArray = 183, 400, "Available times value is not an array";
    TimesDayNotAnInteger = 184, 400, "Available times day is not an integer";
    TimesDayOutOfRange = 185, 400, "Available times day out of range";
    TimesFromFormat = 186, 400, "Available times from hour format error";
    TimesToFormat = 187, 400, "Available times to hour format error";
    TimesFromAfterTo = 188, 400, "Available times from hour is greater than to hour";
    TimesPropertyMissing = 189, 400, "Missing available time object property";
    CallRetriesEmpty = 190, 400, "Call Retries is specified but its value is empty";
    CostLimitEmpty = 191, 400, "Cost limit is specified but its value is empty";
    SpeechRetriesEmpty = 192, 400, "Speech Retries is specified but its value is empty";
    SpeechTimeoutEmpty = 193, 400, "Speech timeout seconds is specified but its value is empty";
    TimesEmpty = 194, 400, "Available times is specified but its value is empty";
    NoValidContacts = 195, 400, "No valid contacts external IDs";
    TimesTooShort = 196, 400, "Available times range is too short";
    Validation = 422, 422, "Input validation error";
}

impl Code {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}

/// A failure in this dialect's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    http: u16,
    code: u16,
    description: Cow<'static, str>,
    header: Header,
    /// The rule that decided, where one of the operator's did.
    rule: Option<String>,
}

/// The one header that a failure may need.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Header {
    None,
    /// Ask for credentials.
    Challenge,
    /// Whole seconds, at least one.
    RetryAfter(u64),
    /// The method that the resource has.
    Allow(String),
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        let header = match code {
            Code::UnknownCredentials => Header::Challenge,
            _ => Header::None,
        };
        let description = Cow::Borrowed(code.description());
        Self { http: code.http(), code: code.number(), description, header, rule: None }
    }
}

impl Problem {
    fn plain(http: u16, description: impl Into<Cow<'static, str>>) -> Self {
        let description = description.into();
        Self { http, code: http, description, header: Header::None, rule: None }
    }

    /// The same, and which rule decided it.
    pub(super) fn by_rule(self, cause: &Cause) -> Self {
        Self { rule: Some(cause.to_string()), ..self }
    }

    /// 404.
    pub(super) fn not_found() -> Self {
        Self::plain(404, "Resource not found")
    }

    /// 405, with the method that would do.
    pub(super) fn method_not_allowed(allowed: &str) -> Self {
        let header = Header::Allow(allowed.to_owned());
        Self { header, ..Self::plain(405, "Method not allowed") }
    }

    /// 413.
    pub(super) fn body_too_large() -> Self {
        let mib = pombo_domain::limits::BODY_BYTES_MAX >> 20;
        Self::plain(413, format!("The request body is larger than {mib} MiB"))
    }

    /// 408: the body stopped coming.
    pub(super) fn body_too_slow() -> Self {
        Self::plain(408, "The request body did not arrive in time")
    }

    /// 422 with a sentence.
    pub(super) fn invalid(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::plain(422, sentence)
    }

    /// 422: the field has another JSON type.
    pub(super) fn wrong_type(field: &str, wanted: &str) -> Self {
        Self::invalid(format!("The {field} field must be {wanted}."))
    }

    /// 409: the certificate's message is not over.
    pub(super) fn certificate_open() -> Self {
        Self::plain(409, "The certificate is not ready: the message has no final state yet")
    }

    /// 429: come back later.
    pub(super) fn busy(description: &'static str, wait: Duration) -> Self {
        Self { header: retry_after(wait), ..Self::plain(429, description) }
    }

    /// The answer of the older form's GET: a line, with status 200 unless the caller should wait.
    pub(super) fn into_line(self) -> Response {
        let waits = matches!(self.header, Header::RetryAfter(_));
        let status = if waits { self.http } else { 200 };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = super::older::text(status, self.line());
        if let Header::RetryAfter(seconds) = self.header {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// Its line in the older form's GET.
    pub(super) fn line(&self) -> String {
        format!("{}: {}", self.code, self.description)
    }

    /// The code that the caller sees.
    #[cfg(test)]
    pub(super) fn code(&self) -> u16 {
        self.code
    }

    /// The words that the caller sees.
    #[cfg(test)]
    pub(super) fn description(&self) -> &str {
        &self.description
    }

    /// Writes it as the `error` of one recipient.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_error(out, self.code, &self.description);
    }

    /// Writes `,"rule":…` beside it, where a rule decided.
    pub(super) fn write_rule(&self, out: &mut Vec<u8>) {
        if let Some(rule) = &self.rule {
            super::write::raw(out, ",\"rule\":");
            super::write::text(out, rule);
        }
    }

    /// The answer.
    pub(super) fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = Vec::with_capacity(96);
        body.extend_from_slice(b"{\"error\":");
        write_error(&mut body, self.code, &self.description);
        self.write_rule(&mut body);
        body.push(b'}');
        let mut response = json(status, body);
        let headers = response.headers_mut();
        match self.header {
            Header::None => {}
            Header::Challenge => {
                let basic = HeaderValue::from_static("Basic realm=\"pombo\", charset=\"UTF-8\"");
                headers.insert(WWW_AUTHENTICATE, basic);
            }
            Header::RetryAfter(seconds) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            Header::Allow(methods) => {
                // Names of methods are letters, commas and spaces.
                headers.extend(HeaderValue::try_from(methods).map(|value| (ALLOW, value)));
            }
        }
        response
    }
}

fn retry_after(wait: Duration) -> Header {
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Header::RetryAfter(whole.max(1))
}

/// Writes `{"code":…,"description":…}`.
fn write_error(out: &mut Vec<u8>, code: u16, description: &str) {
    super::write::raw(out, "{\"code\":");
    super::write::integer(out, i64::from(code));
    super::write::raw(out, ",\"description\":");
    super::write::text(out, description);
    out.push(b'}');
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoValidRecipients => Code::NoValidRecipients.into(),
            Refusal::Unfit(Unfit::Empty) => Code::TextMissing.into(),
            Refusal::Unfit(Unfit::TooLong) => Code::TextTooLong.into(),
            Refusal::Unfit(Unfit::PlaceholderCut) => Code::PlaceholderSplit.into(),
            Refusal::Unfit(Unfit::NotEncodable(CannotEncode { character, position })) => Self {
                description: Cow::Owned(not_encodable(character, position)),
                ..Code::InvalidCoding.into()
            },
            Refusal::Unfit(Unfit::NotAUrl(name)) => {
                Self::invalid(format!("The {name} field must be a valid URL."))
            }
            Refusal::ExpiresBeforeSending => Code::BadExpiration.into(),
            Refusal::NotEnoughCredits => Code::NotEnoughCredits.into(),
            Refusal::SpendCap => Code::NotEnoughCredits.into(),
            Refusal::DailyLimit { retry_after } => {
                Self::busy("The account's messages of today are used up", retry_after)
            }
            Refusal::CampaignCancelled => {
                Self::invalid("The campaignName field names a campaign that was cancelled.")
            }
            Refusal::CodePending => Self::plain(409, "A code for this recipient is pending"),
            Refusal::CodesLimited { retry_after } => {
                Self::busy("Too many one-time codes", retry_after)
            }
            Refusal::TooManyCodes { most } => Self::invalid(format!(
                "The to field must not have more than {most} codes at a time."
            )),
            Refusal::IdempotencyMismatch => {
                Self::invalid("This Idempotency-Key was used with another request body.")
            }
            Refusal::NoRoom { retry_after } => {
                Self { http: 503, header: self::retry_after(retry_after), ..Code::Database.into() }
            }
            Refusal::Busy { retry_after } => Self::busy("Too many requests", retry_after),
        }
    }
}

/// The words for a character that the encoding cannot carry.
pub(crate) fn not_encodable(character: char, position: usize) -> String {
    let point = u32::from(character);
    let text = Code::InvalidCoding.description();
    if character.is_control() {
        return format!("{text}: character U+{point:04X} at position {position}");
    }
    format!("{text}: character \"{character}\" (U+{point:04X}) at position {position}")
}

impl Problem {
    /// The store does not say what became of it.
    pub(super) fn unanswered() -> Self {
        failing::log_unanswered();
        Self { http: 503, header: retry_after(Duration::from_secs(5)), ..Code::Database.into() }
    }

    /// A failure of the store, where the API has a code of its own for what was asked.
    pub(super) fn of_store(fault: Fault, code: Code) -> Self {
        let is_passing = matches!(fault, Fault::StoreUnavailable(_));
        let problem = Self::from(fault);
        if is_passing { problem } else { code.into() }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        failing::log("a request failed", &fault);
        match fault {
            Fault::StoreUnavailable(_) => Self {
                http: 503,
                header: retry_after(Duration::from_secs(5)),
                ..Code::Database.into()
            },
            Fault::Store(_) | Fault::Changed { .. } => Code::Database.into(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal.into(),
            Error::Failed(fault) => fault.into(),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::UnknownCredentials => Code::UnknownCredentials.into(),
            Denied::AddressNotAllowed => Code::AddressNotAllowed.into(),
            Denied::Busy { retry_after } => Self::busy("Too many requests", retry_after),
            Denied::Failed(fault) => fault.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_documents_own() {
        let rows: Vec<(u16, u16, &str)> = include_str!("../../../data/errors.tsv")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .skip(1)
            .map(|line| {
                let mut cells = line.splitn(3, '\t');
                let mut number = || cells.next().and_then(|c| c.parse().ok()).expect("a number");
                let (code, http) = (number(), number());
                (code, http, cells.next().expect("a description"))
            })
            .collect();
        let ours: Vec<(u16, u16, &str)> =
            Code::ALL.iter().map(|c| (c.number(), c.http(), c.description())).collect();
        assert_eq!(ours.len(), 80);
        assert_eq!(ours, rows);
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_as_zero() {
        for (millis, seconds) in [(0, 1), (200, 1), (1_000, 1), (1_001, 2), (60_000, 60)] {
            let header = retry_after(Duration::from_millis(millis));
            assert_eq!(header, Header::RetryAfter(seconds), "{millis} ms");
        }
    }

    #[test]
    fn a_character_that_cannot_be_carried_is_named() {
        assert_eq!(not_encodable('ç', 3), "Invalid coding: character \"ç\" (U+00E7) at position 3");
        assert_eq!(not_encodable('\u{0}', 1), "Invalid coding: character U+0000 at position 1");
    }
}
