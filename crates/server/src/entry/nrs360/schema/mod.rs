//! The shapes of requests and answers, for `/openapi.json` only: bodies are read by `body.rs`
//! and written by `write.rs`, faster and more leniently than any schema tells.
#![expect(dead_code, reason = "read by the documentation's derive alone")]

mod blacklist;
mod campaign;
mod inbound;
mod notifications;
mod otp;
mod senders;

use utoipa::ToSchema;

pub(super) use blacklist::*;
pub(super) use campaign::*;
pub(super) use inbound::*;
pub(super) use notifications::*;
pub(super) use otp::*;
pub(super) use senders::*;

/// The body of `POST /sms`. Unknown keys are ignored; `null` is absent.
#[derive(ToSchema)]
#[schema(
    rename_all = "camelCase",
    example = json!({"to": ["34666555444"], "from": "TEST", "message": "Hello from pombo"})
)]
pub(super) struct SmsRequest {
    /// Numbers with their country code, as text or as integers.
    #[schema(example = json!(["34666555444"]))]
    to: Vec<String>,
    /// Up to 15 digits or up to 11 letters and digits.
    #[schema(example = "TEST")]
    from: String,
    /// The text, UTF-8. With `sub`, `{name}` and `{name|filter|filter}` stand for each recipient's
    /// values; filters: `lower`, `upper`, `capitalize`, `capitalizeAll`, `formatDotComma`,
    /// `formatCommaDot`, `shorten`.
    #[schema(example = "SMS text message")]
    message: String,
    /// `gsm` (160 characters), `gsm-pt` or `utf-16` (70); default `gsm`.
    encoding: Option<String>,
    /// The most parts that the message may have, 1 to 15; default 1, or 15 with `splitParts`.
    parts: Option<u8>,
    /// 1: replace accented letters by the document's table first; default 0.
    trans: Option<u8>,
    /// Several messages instead of one concatenated; default false.
    split_parts: Option<bool>,
    /// Shown at once on the screen; default false.
    flash: Option<bool>,
    /// Not before, UTC, `YYYYmmddHHiiss`.
    #[schema(example = "20130215142000")]
    schedule_date: Option<String>,
    /// The values of each recipient: an object for each entry of `to`, of texts and numbers.
    #[schema(value_type = Option<Vec<Object>>, example = json!([{"name": "Ana"}]))]
    sub: Option<()>,
    /// Worthless after, UTC, `YYYYmmddHHiiss`.
    expiration_date: Option<String>,
    /// Where status is called back: a URL with escapes such as `%i` and `%d`, or one per recipient.
    notification_url: Option<UrlOrUrls>,
    /// The campaign whose statistics it joins.
    campaign_name: Option<String>,
    /// Each message gets a certificate of what became of it, at an extra price; default false.
    certified: Option<bool>,
    /// Added to the campaign; needs `campaignName`.
    tags: Option<Vec<String>>,
    /// Only at these times of the week, UTC.
    available_times: Option<Vec<AvailableTime>>,
    /// `marketing` or `transactional`; default: the account's.
    category: Option<String>,
    /// What the codes are like that `{OTP_CODE}` in the message gives way to, one for each recipient.
    otp_config: Option<OtpConfig>,
}

/// The body of the older `POST /message`.
#[derive(ToSchema)]
#[schema(example = json!({"to": ["34666555444"], "from": "TEST", "text": "Hello from pombo"}))]
pub(super) struct OlderMessage {
    /// Numbers with their country code.
    to: Vec<String>,
    /// The sender.
    from: String,
    /// The text.
    text: String,
    /// `gsm`, `gsm-pt` or `utf-16`; also as `encoding`.
    coding: Option<String>,
    /// The most parts allowed; default 1.
    parts: Option<u8>,
    /// Not before, UTC, `YYYYmmddHHiiss`.
    fsend: Option<String>,
    /// 1: transliterate; also as `trsec`.
    trans: Option<u8>,
    /// Where status is called back.
    #[schema(rename = "dlr-url")]
    dlr_url: Option<String>,
}

/// What became of one recipient, in the older form.
#[derive(ToSchema)]
pub(super) struct OlderFate {
    accepted: bool,
    to: String,
    /// Where it was accepted.
    id: Option<String>,
    /// Where it was not.
    error: Option<ErrorBody>,
}

/// The answer to `GET /scheduled`.
#[derive(ToSchema)]
pub(super) struct ScheduledAnswer {
    /// A list; where exactly one `guid` was asked for and waits, that one alone.
    result: Vec<ScheduledMessage>,
    /// How many there are in all.
    total: u64,
}

/// A message that waits for its time.
#[derive(ToSchema)]
pub(super) struct ScheduledMessage {
    /// The `id` of the send answer.
    guid: String,
    r#type: String,
    /// Only where exactly one `guid` was asked for.
    content: Option<ScheduledContent>,
    /// `YYYY-MM-DD HH:MM:SS`, UTC.
    created_at: String,
    updated_at: String,
    scheduled_at: String,
}

/// What will be sent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct ScheduledContent {
    to: String,
    from: String,
    encoding: String,
    message: String,
    campaign_id: i64,
    sending_id: i64,
}

/// Which scheduled messages; absent filters mean all.
#[derive(ToSchema)]
#[schema(example = json!({"guid": ["1497922441822208"]}))]
pub(super) struct ScheduledFilter {
    /// An id, or a list of them.
    guid: Option<Vec<String>>,
    /// `SMS` or `MAILING`.
    r#type: Option<String>,
}

/// Which scheduled messages, and when to send them instead.
#[derive(ToSchema)]
#[schema(
    rename_all = "camelCase",
    example = json!({"guid": ["1497922441822208"], "scheduleDate": "20300215142000"})
)]
pub(super) struct ScheduledChange {
    /// An id, or a list of them.
    guid: Option<Vec<String>>,
    /// `SMS` or `MAILING`.
    r#type: Option<String>,
    /// UTC, `YYYYmmddHHiiss`.
    schedule_date: String,
}

/// How many were moved.
#[derive(ToSchema)]
pub(super) struct UpdatedAnswer {
    result: Updated,
}

/// A count.
#[derive(ToSchema)]
pub(super) struct Updated {
    updated: u64,
}

/// How many were withdrawn.
#[derive(ToSchema)]
pub(super) struct DeletedAnswer {
    result: Deleted,
}

/// A count.
#[derive(ToSchema)]
pub(super) struct Deleted {
    deleted: u64,
}

/// One URL, or one per recipient.
#[derive(ToSchema, serde::Serialize)]
#[serde(untagged)]
pub(super) enum UrlOrUrls {
    One(String),
    Each(Vec<String>),
}

/// One stretch of a day.
#[derive(ToSchema)]
pub(super) struct AvailableTime {
    /// 1 (Monday) to 7; absent: every day.
    day: Option<u8>,
    /// `HH:MM`.
    #[schema(example = "09:00")]
    from: String,
    /// `HH:MM`.
    #[schema(example = "21:00")]
    to: String,
}

/// The answer to `POST /sms`.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct SmsAnswer {
    campaign_id: i64,
    sending_id: i64,
    /// With `dryRun` only: what the messages are, `marketing` or `transactional`.
    category: Option<String>,
    /// With `dryRun` only: who says so, the request (`category`) or its account.
    #[schema(example = "account.category")]
    category_reason: Option<String>,
    /// One per recipient, in the order of `to`.
    result: Vec<SmsResult>,
}

/// What became of one recipient.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct SmsResult {
    accepted: bool,
    to: String,
    /// Asks for its status later; a string of digits.
    id: Option<String>,
    parts: Option<u8>,
    /// Where a date was asked for, or where the recipient's country does not allow marketing before.
    scheduled_at: Option<String>,
    expires_at: Option<String>,
    /// With `dryRun` only.
    cost: Option<f64>,
    /// With `dryRun` only: the text, where a rule makes it another than was asked for.
    message: Option<String>,
    /// With `dryRun` only: the rules by which it is, in the order in which they were applied.
    #[schema(example = json!(["country.FR.ending", "country.FR.stop_code"]))]
    message_reasons: Option<Vec<String>>,
    /// With `dryRun` only.
    route: Option<String>,
    /// With `dryRun` only.
    earliest: Option<String>,
    /// With `dryRun` only: what decides that time: `now`, `scheduleDate`, `availableTimes`, the hours
    /// of a country, or `expirationDate` where it ends before they begin.
    #[schema(example = "country.FR.windows")]
    earliest_reason: Option<String>,
    /// Of a dry run: why that route: `only`, `priority`, `cost`, `weight`, `others unavailable` or
    /// `none available`.
    #[schema(example = "priority")]
    route_reason: Option<String>,
    /// Only with `dryRun`: why it would end at once instead, and cost nothing.
    rejected: Option<String>,
    /// Where it was not accepted.
    error: Option<ErrorBody>,
    /// Beside `error`: the rule that decided, where one did.
    #[schema(example = "country.FR.prohibited")]
    rule: Option<String>,
}

/// The answer to `GET /sms/{ids}`.
#[derive(ToSchema)]
pub(super) struct StatusAnswer {
    data: Vec<SmsStatus>,
}

/// One message.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct SmsStatus {
    id: String,
    from: String,
    to: String,
    message: String,
    campaign_id: i64,
    sending_id: i64,
    is_delivered: bool,
    is_clicked: bool,
    /// Oldest first.
    events: Vec<SmsEvent>,
    /// With `details` only.
    parts: Option<Vec<SmsPart>>,
    custom_fields: CustomFields,
    links: Links,
}

/// One thing that happened.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct SmsEvent {
    /// `sent`, `delivered`, `undelivered`, `expired`, `rejected` or `clicked`.
    r#type: String,
    date: String,
    /// Of a click: whether from a phone or tablet.
    is_mobile: bool,
    /// Of a click: the browser's name.
    browser: String,
    /// Of a click: the system's name.
    os: String,
    /// Of a click: `mobile`, `tablet`, `desktop` or `tv`.
    device: Option<String>,
    /// Of a click: where the link led.
    url: Option<String>,
    /// Which part, from 1; only for messages of several.
    part: Option<u8>,
    /// The carrier's words, where there are any.
    detail: Option<String>,
}

/// One part and all that happened to it.
#[derive(ToSchema)]
pub(super) struct SmsPart {
    /// From 1.
    part: u8,
    /// `queued`, `sent`, `delivered`, `undelivered`, `expired`, `rejected`, `uncertain` or `cancelled`.
    state: String,
    /// The route it is on.
    route: String,
    /// Nothing where it ended before a carrier took it.
    cost: f64,
    /// Oldest first.
    history: Vec<PartEvent>,
}

/// One thing that happened to a part.
#[derive(ToSchema)]
pub(super) struct PartEvent {
    /// As in `events`; also `deferred` (tried again later), `uncertain` (bytes may have left, no
    /// answer came), `buffered` (the carrier has it still), `cancelled`.
    r#type: String,
    date: String,
    route: String,
    /// The word of a receipt.
    status: String,
    /// The carrier's error code.
    code: String,
    /// The carrier's words, or its id.
    detail: String,
}

/// What is known of the recipient.
#[derive(ToSchema)]
pub(super) struct CustomFields {
    email: String,
    phone: String,
    name: String,
}

/// Where to read it again.
#[derive(ToSchema)]
pub(super) struct Links {
    #[schema(rename = "self")]
    this: String,
}

/// The answer to `GET /account`.
#[derive(ToSchema)]
pub(super) struct AccountAnswer {
    data: Account,
}

/// The account.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Account {
    username: String,
    email: String,
    balance: f64,
    currency: String,
    billing_type: String,
    country_iso: String,
    created_at: String,
}

/// The answer to `GET /coverage/sms`.
#[derive(ToSchema)]
pub(super) struct CoverageAnswer {
    data: Vec<CoverageRow>,
}

/// A network with what a part to it costs; `Default` stands for a country's other networks.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct CoverageRow {
    country_iso: String,
    country_name: String,
    network_name: String,
    mcc: String,
    mnc: Option<String>,
    cost: f64,
    currency_code: String,
    currency_symbol: String,
}

/// The answer to `GET /coverage/sms/countries`.
#[derive(ToSchema)]
pub(super) struct CountryCoverageAnswer {
    data: Vec<CountryCoverage>,
}

/// A country with the least and the most that a part to it costs.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct CountryCoverage {
    country_iso: String,
    country_name: String,
    networks: Vec<String>,
    min_cost: f64,
    max_cost: f64,
    currency_code: String,
    currency_symbol: String,
}

/// Any failure.
#[derive(ToSchema)]
pub(super) struct ErrorAnswer {
    error: ErrorBody,
    /// The rule that decided, where one did.
    rule: Option<String>,
}

/// A code of the error table, or the HTTP status, with its description.
#[derive(ToSchema)]
pub(super) struct ErrorBody {
    #[schema(example = 102)]
    code: u16,
    #[schema(example = "No valid recipients")]
    description: String,
}
