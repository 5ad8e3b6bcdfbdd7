//! `GET`, `PUT` and `DELETE /scheduled`: what waits for its time. The filters may stand in the
//! query or in a JSON body; dates in the answers are civil UTC, as in the document.

use std::num::NonZeroUsize;

use bytes::Bytes;
use hyper::StatusCode;
use pombo_app::auth::Caller;
use pombo_app::usecase::scheduled::{
    Scheduled, Which, cancel_scheduled, reschedule, scheduled_list, scheduled_one,
};
use pombo_domain::id::MessageId;
use pombo_domain::limits::{SCHEDULED_IDS_MAX, SCHEDULED_PAGE_MAX};
use pombo_domain::time::Instant;

use super::body::{self, FilterIn, Many, Scalar};
use super::error::{Code, Problem};
use super::query::pairs;
use super::write;
use crate::entry::{House, Response, json};

/// Messages of a page where the request does not say.
const PAGE: usize = 100;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Filter {
    which: Which,
    /// Whether SMS are meant: other channels have nothing scheduled yet.
    sms: bool,
    date: Option<String>,
    page: NonZeroUsize,
    limit: usize,
}

/// `GET /scheduled`: all of them, some, or one with its text.
#[utoipa::path(
    get,
    path = "/api/rest/scheduled",
    tag = "Scheduled",
    summary = "List scheduled messages; one alone is shown with its text",
    params(
        ("guid" = Option<String>, Query, description = "An id, several with commas, or `guid[]` several times; absent: all"),
        ("type" = Option<String>, Query, description = "`SMS` or `MAILING`; absent: all"),
        ("page" = Option<u64>, Query, description = "Of all, from 1"),
        ("limit" = Option<u64>, Query, description = "Messages of a page, up to 1,000; default 100"),
    ),
    responses(
        (status = 200, description = "The messages and how many there are; at most 1,000,000 are counted", body = super::schema::ScheduledAnswer),
        (status = 400, description = "Code 120", body = super::schema::ErrorAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "A filter of a wrong type or kind", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn list(
    house: &House,
    caller: &Caller,
    query: Option<&str>,
    body: &Bytes,
) -> Result<Response, Problem> {
    let filter = Filter::read(query, body)?;
    let mut out = Vec::new();
    write::raw(&mut out, "{\"result\":");
    let total = match &filter.which {
        _ if !filter.sms => {
            write::raw(&mut out, "[]");
            0
        }
        Which::These(ids) => {
            let mut found = Vec::new();
            for id in ids {
                found.extend(scheduled_one(&house.app, caller, *id).await?);
            }
            match &found[..] {
                [one] if ids.len() == 1 => write_message(&mut out, one, true),
                found => write_messages(&mut out, found),
            }
            found.len() as u64
        }
        Which::All => {
            let page = (filter.page, filter.limit);
            let listed = scheduled_list(&house.app, caller, page).await?;
            write_messages(&mut out, &listed.messages);
            listed.total
        }
    };
    write::raw(&mut out, ",\"total\":");
    write::integer(&mut out, i64::try_from(total).unwrap_or(i64::MAX));
    out.push(b'}');
    Ok(json(StatusCode::OK, out))
}

fn write_messages(out: &mut Vec<u8>, messages: &[Scheduled]) {
    out.push(b'[');
    for (i, message) in messages.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_message(out, message, false);
    }
    out.push(b']');
}

fn write_message(out: &mut Vec<u8>, message: &Scheduled, with_content: bool) {
    let request = &message.request;
    write::raw(out, "{\"guid\":");
    write::text(out, &message.id.to_string());
    write::raw(out, ",\"type\":\"SMS\"");
    if with_content {
        for (key, value) in [
            (",\"content\":{\"to\":", message.to.to_string().as_str()),
            (",\"from\":", &request.sender),
            (",\"encoding\":", request.encoding.as_str()),
            (",\"message\":", &message.text),
        ] {
            write::raw(out, key);
            write::text(out, value);
        }
        write::raw(out, ",\"campaignId\":");
        write::integer(out, request.campaign.0);
        write::raw(out, ",\"sendingId\":");
        write::integer(out, request.sending.0);
        out.push(b'}');
    }
    for (key, at) in [
        (",\"created_at\":", request.created),
        (",\"updated_at\":", message.updated),
        (",\"scheduled_at\":", message.due),
    ] {
        write::raw(out, key);
        write::text(out, &at.civil_seconds());
    }
    out.push(b'}');
}

/// `PUT /scheduled`: at another time.
#[utoipa::path(
    put,
    path = "/api/rest/scheduled",
    tag = "Scheduled",
    summary = "Send scheduled messages at another time",
    request_body = super::schema::ScheduledChange,
    responses(
        (status = 200, description = "How many were moved: those that still waited, and do not expire before", body = super::schema::UpdatedAnswer),
        (status = 400, description = "Codes 120, 121, 125", body = super::schema::ErrorAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "A filter of a wrong type or kind", body = super::schema::ErrorAnswer),
        (status = 500, description = "Code 122", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn update(
    house: &House,
    caller: &Caller,
    query: Option<&str>,
    body: &Bytes,
) -> Result<Response, Problem> {
    let filter = Filter::read(query, body)?;
    let at = filter.date.as_deref().and_then(|date| Instant::parse_compact(date).ok());
    let at = at.ok_or(Code::InvalidScheduledDate)?;
    let n = match filter.sms {
        true => reschedule(&house.app, caller, filter.which, at)
            .await
            .map_err(|fault| Problem::of_store(fault, Code::UpdateFailed))?,
        false => 0,
    };
    Ok(counted("updated", n))
}

/// `DELETE /scheduled`: never.
#[utoipa::path(
    delete,
    path = "/api/rest/scheduled",
    tag = "Scheduled",
    summary = "Withdraw scheduled messages; what they had reserved is given back",
    request_body = Option<super::schema::ScheduledFilter>,
    responses(
        (status = 200, description = "How many were withdrawn: those that still waited", body = super::schema::DeletedAnswer),
        (status = 400, description = "Codes 120, 125", body = super::schema::ErrorAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "A filter of a wrong type or kind", body = super::schema::ErrorAnswer),
        (status = 500, description = "Code 123", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn delete(
    house: &House,
    caller: &Caller,
    query: Option<&str>,
    body: &Bytes,
) -> Result<Response, Problem> {
    let filter = Filter::read(query, body)?;
    let n = match filter.sms {
        true => cancel_scheduled(&house.app, caller, filter.which)
            .await
            .map_err(|fault| Problem::of_store(fault, Code::DeleteFailed))?,
        false => 0,
    };
    Ok(counted("deleted", n))
}

fn counted(what: &str, n: u64) -> Response {
    json(StatusCode::OK, format!("{{\"result\":{{\"{what}\":{n}}}}}").into_bytes())
}

/// Whether a body holds filters.
pub(super) fn is_filter(body: &[u8]) -> bool {
    Filter::read(None, body).is_ok()
}

impl Filter {
    /// Reads the filters of the query and of the body; where both have one, the body's counts.
    fn read(query: Option<&str>, body: &[u8]) -> Result<Self, Problem> {
        let mut asked = FilterIn::default();
        let mut guids = Vec::new();
        for (key, value) in pairs(query) {
            let name = key.split_once('[').map_or(key.as_ref(), |(name, _)| name);
            match name {
                "guid" => guids.extend(value.split(',').map(|guid| guid.trim().to_owned())),
                "type" => asked.kind = Scalar::Text(value),
                "scheduleDate" => asked.schedule_date = Scalar::Text(value),
                "page" => asked.page = Scalar::Text(value),
                "limit" => asked.limit = Scalar::Text(value),
                _ => {}
            }
        }
        if !guids.is_empty() {
            let guids = guids.into_iter().map(|guid| Scalar::Text(guid.into()));
            asked.guid = Many::Items(guids.collect());
        }
        let asked = if body.iter().all(u8::is_ascii_whitespace) {
            asked
        } else {
            let body = body::parse_filter(body).map_err(|body::NotAnObject| Code::InvalidJson)?;
            body.or(asked)
        };
        let number = |value: &Scalar<'_>, field: &str, default: usize| match value {
            Scalar::Null => Ok(default),
            value => value
                .whole()
                .and_then(|n| usize::try_from(n).ok())
                .filter(|n| *n > 0)
                .ok_or_else(|| Problem::wrong_type(field, "an integer of at least 1")),
        };
        Ok(Self {
            which: which(&asked.guid)?,
            sms: is_sms(&asked.kind)?,
            date: match &asked.schedule_date {
                Scalar::Text(_) | Scalar::Integer(_) => {
                    Some(asked.schedule_date.spelling().into_owned())
                }
                _ => None,
            },
            page: NonZeroUsize::new(number(&asked.page, "page", 1)?).unwrap_or(NonZeroUsize::MIN),
            limit: number(&asked.limit, "limit", PAGE)?.min(SCHEDULED_PAGE_MAX),
        })
    }
}

fn which(guids: &Many<'_>) -> Result<Which, Problem> {
    let guid = |guid: &Scalar<'_>| match guid {
        Scalar::Text(_) | Scalar::Integer(_) => {
            MessageId::parse(&guid.spelling()).map_err(|_| Code::InvalidGuid.into())
        }
        _ => Err(Problem::from(Code::InvalidGuid)),
    };
    match guids {
        Many::Absent => Ok(Which::All),
        Many::One(one) => Ok(Which::These(vec![guid(one)?])),
        Many::Items(items) if (1..=SCHEDULED_IDS_MAX).contains(&items.len()) => {
            Ok(Which::These(items.iter().map(guid).collect::<Result<_, _>>()?))
        }
        Many::Items(_) | Many::Excess => Err(Code::InvalidGuid.into()),
    }
}

fn is_sms(kind: &Scalar<'_>) -> Result<bool, Problem> {
    match kind {
        Scalar::Null => Ok(true),
        Scalar::Text(word) if word.eq_ignore_ascii_case("SMS") => Ok(true),
        Scalar::Text(word) if word.eq_ignore_ascii_case("MAILING") => Ok(false),
        _ => Err(Problem::invalid("The selected type is invalid.")),
    }
}
