//! `GET /sms/certificates/{id}`: the certificate of a message, as PDF.

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use pombo_app::auth::Caller;
use pombo_app::usecase::certificate::{Certificate, certificate};
use pombo_domain::id::MessageId;

use super::error::{Code, Problem};
use super::query::pairs;
use super::sms::off_thread;
use crate::certificate::{file_name, write};
use crate::entry::{House, Response};

/// `GET /sms/certificates/{id}`.
#[utoipa::path(
    get,
    path = "/api/rest/sms/certificates/{id}",
    tag = "SMS",
    summary = "The certificate of a message that was sent with `certified`",
    params(
        ("id" = String, Path, description = "The `id` of a send answer"),
        ("language" = Option<String>, Query, description = "`en`, `pt` or `es`; English otherwise"),
    ),
    responses(
        (status = 200, description = "PDF/A-3b with everything known of the message, and the same as JSON attached", content_type = "application/pdf", body = Vec<u8>),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 404, description = "There is no such message, or it is not certified", body = super::schema::ErrorAnswer),
        (status = 409, description = "The message has no final state yet: ask again later", body = super::schema::ErrorAnswer),
        (status = 500, description = "Code 101; also where what is stored was changed after it was written", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn view(
    house: &House,
    caller: &Caller,
    id: &str,
    query: Option<&str>,
) -> Result<Response, Problem> {
    let id = id.parse::<i64>().ok().filter(|id| *id > 0).ok_or_else(Problem::not_found)?;
    let evidence = match certificate(&house.app, caller, MessageId(id)).await? {
        Certificate::Unknown => return Err(Problem::not_found()),
        Certificate::Open => return Err(Problem::certificate_open()),
        Certificate::Ready(evidence) => evidence,
    };
    let name = file_name(&evidence);
    let (brand, language) = (house.brand.clone(), language(query));
    // Some milliseconds, most of them of the font.
    let paper = off_thread(move || write(&evidence, &brand, &language)).await?;
    let paper = paper.map_err(|error| {
        tracing::error!(%error, id, "a certificate could not be written");
        Problem::from(Code::Database)
    })?;
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(paper))));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/pdf"));
    // Letters, digits, a dash and a dot.
    let attachment = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    headers.extend(attachment.map(|value| (CONTENT_DISPOSITION, value)));
    Ok(response)
}

/// The language asked for; empty where none was.
fn language(query: Option<&str>) -> String {
    let pairs = pairs(query);
    let asked = pairs.filter(|(name, _)| name == "language").last();
    asked.map(|(_, value)| value.into_owned()).unwrap_or_default()
}
