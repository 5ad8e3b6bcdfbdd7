//! `GET /inbound`: what recipients wrote back. Not in the original API.

use std::num::NonZeroUsize;

use hyper::StatusCode;
use pombo_app::auth::Caller;
use pombo_app::usecase::inbound::{Filter, Message, inbound};
use pombo_domain::limits::INBOUND_PAGE_MAX;
use pombo_domain::opt_out::word::Effect;

use super::campaign::date;
use super::error::Problem;
use super::page::{Page, number};
use super::query::pairs;
use super::write;
use crate::entry::{House, Response, json};

/// Messages of a page where the request does not say.
const PAGE: usize = 100;

/// `GET /inbound`.
#[utoipa::path(
    get,
    path = "/api/rest/inbound",
    tag = "Two-way",
    summary = "List what recipients wrote back, newest first (not in the original API)",
    params(
        ("from" = Option<String>, Query, description = "Only from this number"),
        ("to" = Option<String>, Query, description = "Only to this number or short code"),
        ("afterDate" = Option<String>, Query, description = "Received at or after this, ISO 8601"),
        ("beforeDate" = Option<String>, Query, description = "Received before this, ISO 8601"),
        ("page" = Option<u64>, Query, description = "From 1"),
        ("limit" = Option<u64>, Query, description = "Messages of a page, up to 1,000; default 100"),
    ),
    responses(
        (status = 200, description = "A page; at most 100,000 are counted", body = super::schema::InboundAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "A filter of a wrong type", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn list(
    house: &House,
    caller: &Caller,
    query: Option<&str>,
) -> Result<Response, Problem> {
    let filter = filter(query)?;
    let (page, limit) = (filter.page.get(), filter.limit);
    let found = inbound(&house.app, caller, filter).await?;
    let mut out = Vec::with_capacity(128 + 256 * found.messages.len());
    write::raw(&mut out, "{\"data\":[");
    for (i, message) in found.messages.iter().enumerate() {
        write::raw(&mut out, if i == 0 { "" } else { "," });
        write_message(&mut out, message);
    }
    write::raw(&mut out, "],");
    let url = format!("{}/api/rest/inbound", house.public_url);
    let (count, total) = (found.messages.len(), usize::try_from(found.total).unwrap_or(usize::MAX));
    Page { url: &url, query, number: page, limit, count, total }.write_meta(&mut out);
    out.push(b'}');
    Ok(json(StatusCode::OK, out))
}

/// Reads the filters; what is unknown is ignored, and an empty one is absent.
fn filter(query: Option<&str>) -> Result<Filter, Problem> {
    let mut filter = Filter {
        from: String::new(),
        to: String::new(),
        after: None,
        before: None,
        page: NonZeroUsize::MIN,
        limit: PAGE,
    };
    for (key, value) in pairs(query) {
        if value.is_empty() {
            continue;
        }
        match key.as_ref() {
            "from" => filter.from = digits(&value),
            "to" => filter.to = digits(&value),
            "afterDate" => filter.after = Some(date("afterDate", &value)?),
            "beforeDate" => filter.before = Some(date("beforeDate", &value)?),
            "page" => filter.page = number("page", &value)?,
            "limit" => filter.limit = number("limit", &value)?.get().min(INBOUND_PAGE_MAX),
            _ => {}
        }
    }
    Ok(filter)
}

/// A number as carriers write it, without a plus: one that arrived as a space is gone too.
fn digits(text: &str) -> String {
    let text = text.trim();
    text.strip_prefix('+').unwrap_or(text).to_owned()
}

fn write_message(out: &mut Vec<u8>, message: &Message) {
    write::raw(out, "{\"id\":");
    write::text(out, &message.id.to_string());
    for (key, value) in [
        (",\"from\":", message.from.as_str()),
        (",\"to\":", &message.to),
        (",\"text\":", &message.text),
        (",\"receivedAt\":", &message.at.iso8601()),
    ] {
        write::raw(out, key);
        write::text(out, value);
    }
    for (key, n) in [(",\"parts\":", message.n_pieces), (",\"missing\":", message.n_missing)] {
        write::raw(out, key);
        write::integer(out, i64::from(n));
    }
    let effect = message.effect.map(|effect| match effect {
        Effect::Out => "unsubscribed".to_owned(),
        Effect::In => "resubscribed".to_owned(),
    });
    for (key, value) in [
        (",\"messageId\":", message.answers.map(|id| id.to_string())),
        (",\"effect\":", effect),
        (",\"answerId\":", message.answered_by.map(|id| id.to_string())),
    ] {
        write::raw(out, key);
        match value {
            Some(value) => write::text(out, &value),
            None => write::raw(out, "null"),
        }
    }
    out.push(b'}');
}
