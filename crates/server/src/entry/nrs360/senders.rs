//! `GET` and `POST /senders`, `DELETE /senders/{id}`: what the account wants to show as its sender.
//! The document knows the error (115); the requests are ours.

use bytes::Bytes;
use hyper::StatusCode;
use pombo_app::auth::Caller;
use pombo_app::usecase::senders::{Asked, Entry, ask_for_sender, senders, withdraw_sender};
use pombo_domain::address::{Country, Standing};
use pombo_domain::limits::SENDERS_MAX;

use super::body::{self, Scalar};
use super::error::{Code, Problem};
use super::sms_in::sender;
use super::write;
use crate::entry::{House, Response, json};

/// `GET /senders`.
#[utoipa::path(
    get,
    path = "/api/rest/senders",
    tag = "Senders",
    summary = "List the senders that the account asked for, oldest first",
    responses(
        (status = 200, description = "All of them, at most 1,000", body = super::schema::SendersAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn list(house: &House, caller: &Caller) -> Result<Response, Problem> {
    let entries = senders(&house.app, caller).await?;
    let mut out = Vec::with_capacity(16 + 96 * entries.len());
    write::raw(&mut out, "{\"data\":[");
    for (i, entry) in entries.iter().enumerate() {
        write::raw(&mut out, if i == 0 { "" } else { "," });
        write_entry(&mut out, entry);
    }
    write::raw(&mut out, "]}");
    Ok(json(StatusCode::OK, out))
}

/// `POST /senders`.
#[utoipa::path(
    post,
    path = "/api/rest/senders",
    tag = "Senders",
    summary = "Ask for a sender; the operator decides",
    request_body = super::schema::SenderRequest,
    responses(
        (status = 201, description = "It waits for a decision", body = super::schema::SenderAnswer),
        (status = 200, description = "It was asked for before, and stands so", body = super::schema::SenderAnswer),
        (status = 400, description = "Codes 106, 107, 125", body = super::schema::ErrorAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "Another character, no country, or more than 1,000", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn ask(house: &House, caller: &Caller, body: &Bytes) -> Result<Response, Problem> {
    let asked = body::parse_sender(body).map_err(|body::NotAnObject| Code::InvalidJson)?;
    let sender = sender("sender", &asked.sender)?;
    let country = country(&asked.country)?;
    let (status, entry) = match ask_for_sender(&house.app, caller, sender, country).await? {
        Asked::New(entry) => (StatusCode::CREATED, entry),
        Asked::Known(entry) => (StatusCode::OK, entry),
        Asked::TooMany => {
            let words = format!("The account has asked for {SENDERS_MAX} senders already.");
            return Err(Problem::invalid(words));
        }
    };
    let mut out = Vec::with_capacity(128);
    write::raw(&mut out, "{\"data\":");
    write_entry(&mut out, &entry);
    out.push(b'}');
    Ok(json(status, out))
}

/// `DELETE /senders/{id}`.
#[utoipa::path(
    delete,
    path = "/api/rest/senders/{id}",
    tag = "Senders",
    summary = "Withdraw a sender; what was accepted with it goes on",
    params(("id" = i64, Path, description = "Its number")),
    responses(
        (status = 200, description = "It is gone", body = super::schema::DeletedAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 404, description = "The account has none of this number", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn withdraw(
    house: &House,
    caller: &Caller,
    id: &str,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    if !withdraw_sender(&house.app, caller, id).await? {
        return Err(Problem::not_found());
    }
    Ok(json(StatusCode::OK, b"{\"result\":{\"deleted\":1}}".to_vec()))
}

/// Where to; everywhere where nobody says.
fn country(letters: &Scalar<'_>) -> Result<Option<Country>, Problem> {
    match letters {
        Scalar::Null => Ok(None),
        Scalar::Text(text) if text.is_empty() => Ok(None),
        Scalar::Text(text) => Country::parse(text)
            .filter(|country| country.row().is_some())
            .map(Some)
            .ok_or_else(|| Problem::invalid("The selected countryIso is invalid.")),
        _ => Err(Problem::wrong_type("countryIso", "a string")),
    }
}

fn write_entry(out: &mut Vec<u8>, entry: &Entry) {
    write::raw(out, "{\"id\":");
    write::integer(out, entry.id);
    write::raw(out, ",\"sender\":");
    write::text(out, entry.sender.as_str());
    write::raw(out, ",\"type\":");
    write::text(out, entry.sender.kind().as_str());
    write::raw(out, ",\"countryIso\":");
    match &entry.country {
        Some(country) => write::text(out, country.as_str()),
        None => write::raw(out, "null"),
    }
    write::raw(out, ",\"status\":");
    write::text(out, entry.standing.as_str());
    if entry.standing == Standing::Rejected {
        write::raw(out, ",\"reason\":");
        write::text(out, &entry.reason);
    }
    out.push(b'}');
}
