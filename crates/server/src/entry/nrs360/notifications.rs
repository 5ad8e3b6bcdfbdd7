//! `/account/notifications`: where the account's events are told. An extension of ours.

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use pombo_app::auth::Caller;
use pombo_app::usecase::notifications::{
    Change, DeadLetter, Found, OVERLAP, dead_letters, notifications, replay_notifications,
    rotate_secret, set_notifications,
};
use pombo_domain::id::EventId;
use pombo_domain::notification::{Format, OwnEvents, parse_url};
use pombo_domain::time::Instant;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::{Code, Problem};
use super::page::number;
use super::query::pairs;
use super::write;
use crate::entry::{House, Response, json};

/// Dead letters of a page where the request does not say.
const PAGE: i64 = 100;

/// What `PUT` may name; what is absent or null stays.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ChangeIn {
    url: Option<String>,
    format: Option<String>,
    events: Option<Vec<String>>,
    enabled: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RotateIn {
    overlap_hours: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReplayIn {
    from: Option<String>,
}

/// `GET /account/notifications`.
#[utoipa::path(
    get,
    path = "/api/rest/account/notifications",
    tag = "Notifications",
    summary = "See where the account's events are told, and how that goes",
    responses(
        (status = 200, description = "The settings", body = super::schema::NotificationsAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn view(house: &House, caller: &Caller) -> Result<Response, Problem> {
    shown(house, caller, None).await
}

/// `PUT /account/notifications`.
#[utoipa::path(
    put,
    path = "/api/rest/account/notifications",
    tag = "Notifications",
    summary = "Say where the account's events are told, and how",
    request_body = Option<super::schema::NotificationsChange>,
    responses(
        (status = 200, description = "The settings; with the `secret` where it was made now", body = super::schema::NotificationsAnswer),
        (status = 400, description = "Codes 109, 125", body = super::schema::ErrorAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "A wrong type, format or event", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn set(house: &House, caller: &Caller, body: &Bytes) -> Result<Response, Problem> {
    let asked: ChangeIn = read(body)?;
    let url = match asked.url {
        Some(url) if !url.is_empty() => {
            Some(parse_url(&url).map_err(|_| Problem::from(Code::BadNotificationUrl))?)
        }
        url => url,
    };
    let format = match asked.format {
        Some(name) => Some(
            Format::parse(&name)
                .ok_or_else(|| Problem::invalid("The format field must be form or json."))?,
        ),
        None => None,
    };
    let events = asked.events.map(|names| OwnEvents::parse(names.iter().map(String::as_str)));
    let events = events.transpose().map_err(|unknown| Problem::invalid(unknown.to_string()))?;
    let change = Change { url, format, events, enabled: asked.enabled };
    let secret = set_notifications(&house.app, caller, change).await?;
    shown(house, caller, secret).await
}

/// `POST /account/notifications/secret`.
#[utoipa::path(
    post,
    path = "/api/rest/account/notifications/secret",
    tag = "Notifications",
    summary = "Make a new signing secret; the one before signs too for a while",
    request_body = super::schema::RotateRequest,
    responses(
        (status = 200, description = "The settings with the new `secret`", body = super::schema::NotificationsAnswer),
        (status = 400, description = "Code 125", body = super::schema::ErrorAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "No URL was ever set", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn rotate(
    house: &House,
    caller: &Caller,
    body: &Bytes,
) -> Result<Response, Problem> {
    let asked: RotateIn = read(body)?;
    let hours = |hours: u64| Duration::from_secs(hours.saturating_mul(3_600));
    let overlap = asked.overlap_hours.map_or(OVERLAP, hours);
    match rotate_secret(&house.app, caller, overlap).await? {
        None => Err(no_url()),
        secret => shown(house, caller, secret).await,
    }
}

/// `POST /account/notifications/replay`.
#[utoipa::path(
    post,
    path = "/api/rest/account/notifications/replay",
    tag = "Notifications",
    summary = "Tell the account's events anew from a time on",
    request_body = super::schema::ReplayRequest,
    responses(
        (status = 202, description = "It begins", body = super::schema::NotificationsAnswer),
        (status = 400, description = "Code 125", body = super::schema::ErrorAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "No date, or no URL was ever set", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn replay(
    house: &House,
    caller: &Caller,
    body: &Bytes,
) -> Result<Response, Problem> {
    let asked: ReplayIn = read(body)?;
    let from = asked.from.as_deref().and_then(|from| Instant::parse_iso8601(from).ok());
    let from = from.ok_or_else(|| Problem::wrong_type("from", "a date in ISO 8601"))?;
    if !replay_notifications(&house.app, caller, from).await? {
        return Err(no_url());
    }
    let mut response = shown(house, caller, None).await?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// `GET /account/notifications/dead`.
#[utoipa::path(
    get,
    path = "/api/rest/account/notifications/dead",
    tag = "Notifications",
    summary = "List the notifications that six tries did not deliver, oldest first",
    params(
        ("after" = Option<String>, Query, description = "The `event` of the last one seen; absent: from the oldest"),
        ("limit" = Option<u64>, Query, description = "Of a page, up to 1,000; default 100"),
    ),
    responses(
        (status = 200, description = "Dead letters", body = super::schema::DeadLettersAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "A filter that is no number", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn dead(
    house: &House,
    caller: &Caller,
    query: Option<&str>,
) -> Result<Response, Problem> {
    let (mut after, mut limit) = (0, PAGE);
    for (key, value) in pairs(query) {
        match key.as_ref() {
            _ if value.is_empty() => {}
            "after" => {
                let event = value.strip_prefix("evt_").unwrap_or(&value).parse().ok();
                after = event
                    .filter(|event: &i64| *event >= 0)
                    .ok_or_else(|| Problem::wrong_type("after", "an integer"))?;
            }
            "limit" => limit = i64::try_from(number("limit", &value)?.get()).unwrap_or(i64::MAX),
            _ => {}
        }
    }
    let letters = dead_letters(&house.app, caller, (EventId(after), limit)).await?;
    let mut out = Vec::with_capacity(64 + 192 * letters.len());
    write::raw(&mut out, "{\"data\":[");
    for (i, letter) in letters.iter().enumerate() {
        write::raw(&mut out, if i == 0 { "" } else { "," });
        write_letter(&mut out, letter);
    }
    write::raw(&mut out, "]}");
    Ok(json(StatusCode::OK, out))
}

fn write_letter(out: &mut Vec<u8>, letter: &DeadLetter) {
    write::raw(out, "{\"event\":");
    write::text(out, &format!("evt_{}", letter.event.0));
    if let Some((message, kind, at)) = &letter.told {
        write::raw(out, ",\"id\":");
        write::text(out, &message.to_string());
        write::raw(out, ",\"name\":");
        write::text(out, kind.as_str());
        write::raw(out, ",\"eventDate\":");
        write::text(out, &at.iso8601());
    }
    write::raw(out, ",\"tries\":");
    write::integer(out, i64::from(letter.tries));
    write::raw(out, ",\"lastTry\":");
    write::text(out, &letter.at.iso8601());
    write::raw(out, ",\"error\":");
    write::text(out, &letter.failure);
    out.push(b'}');
}

fn no_url() -> Problem {
    Problem::invalid("The account has no notification URL.")
}

/// Reads a body; an empty one says nothing.
fn read<T: Default + DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            Problem::invalid("A field of the body has a wrong type.")
        }
        _ => Code::InvalidJson.into(),
    })
}

async fn shown(
    house: &House,
    caller: &Caller,
    secret: Option<String>,
) -> Result<Response, Problem> {
    let found = notifications(&house.app, caller).await?;
    let mut out = Vec::with_capacity(256);
    write_settings(&mut out, found.as_ref(), secret.as_deref());
    Ok(json(StatusCode::OK, out))
}

fn write_settings(out: &mut Vec<u8>, found: Option<&Found>, secret: Option<&str>) {
    let settings = found.map(|found| &found.settings);
    let disabled = settings.and_then(|settings| settings.disabled.as_ref());
    write::raw(out, "{\"data\":{\"url\":");
    write::text(out, settings.map_or("", |settings| &settings.url));
    write::raw(out, ",\"format\":");
    write::text(out, settings.map_or(Format::Form, |settings| settings.format).as_str());
    write::raw(out, ",\"events\":[");
    for (i, event) in settings.iter().flat_map(|settings| &settings.events).enumerate() {
        write::raw(out, if i == 0 { "" } else { "," });
        write::text(out, event);
    }
    write::raw(out, "],\"enabled\":");
    write::raw(out, if disabled.is_none() { "true" } else { "false" });
    if let Some((since, reason)) = disabled {
        write::raw(out, ",\"disabledAt\":");
        write::text(out, &since.iso8601());
        write::raw(out, ",\"disabledReason\":");
        write::text(out, reason);
    }
    write::raw(out, ",\"replaying\":");
    let is_replaying = settings.is_some_and(|settings| settings.replay.is_some());
    write::raw(out, if is_replaying { "true" } else { "false" });
    for (key, n) in [
        (",\"waiting\":", found.map_or(0, |found| found.n_waiting)),
        (",\"deadLetters\":", found.map_or(0, |found| found.n_dead)),
    ] {
        write::raw(out, key);
        write::integer(out, i64::try_from(n).unwrap_or(i64::MAX));
    }
    if let Some(secret) = secret {
        write::raw(out, ",\"secret\":");
        write::text(out, secret);
    }
    write::raw(out, "}}");
}
