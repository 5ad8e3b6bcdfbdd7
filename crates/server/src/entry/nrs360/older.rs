//! The dialect's older form: `POST /Api/rest/message` and `GET /Api/get/send.php`, whose paths are
//! read whatever their case. Other names for the same fields, other shapes of the same answers.

use std::net::IpAddr;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use pombo_app::auth::Caller;
use pombo_app::usecase::send::{Fate, Sent, send_sms};

use super::body::{self, Many, Scalar, SmsIn};
use super::error::{Code, Problem};
use super::query::pairs;
use super::sms::{off_thread, problem_of};
use super::sms_in::{self, Around};
use super::{auth, write};
use crate::entry::{House, Response, json};

/// Names of both that the originals' hosts have answered to.
const MESSAGE: [&str; 2] = ["/api/rest/message", "/rest/message"];
const SEND_PHP: [&str; 2] = ["/api/get/send.php", "/send.php"];

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Message,
    SendPhp,
}

impl Door {
    /// The door behind a path, if it is one of these.
    pub(super) fn at(path: &str) -> Option<Self> {
        // Longer ones are nobody's; most paths are decided by their length.
        if path.len() > 20 {
            return None;
        }
        let path = path.to_ascii_lowercase();
        let path = path.strip_suffix('/').unwrap_or(&path);
        if MESSAGE.contains(&path) {
            Some(Self::Message)
        } else if SEND_PHP.contains(&path) {
            Some(Self::SendPhp)
        } else {
            None
        }
    }

    /// The method it answers to.
    pub(super) fn allow(self, method: &Method) -> Result<(), Problem> {
        match self {
            Self::Message if method != Method::POST => Err(Problem::method_not_allowed("POST")),
            Self::SendPhp if method != Method::GET => Err(Problem::method_not_allowed("GET")),
            _ => Ok(()),
        }
    }
}

/// `POST /message`: accepts, or says why not.
#[utoipa::path(
    post,
    path = "/api/rest/message",
    tag = "Older form",
    summary = "Send an SMS, with the older names of the fields",
    request_body = super::schema::OlderMessage,
    responses(
        (status = 202, description = "All accepted", body = Vec<super::schema::OlderFate>),
        (status = 207, description = "Some accepted", body = Vec<super::schema::OlderFate>),
        (status = 400, description = "None accepted", body = super::schema::ErrorAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 402, description = "Code 111", body = super::schema::ErrorAnswer),
        (status = 422, description = "A field of a wrong type or kind", body = super::schema::ErrorAnswer),
        (status = 429, description = "Too much at once; see Retry-After", body = super::schema::ErrorAnswer),
        (status = 503, description = "Nothing can be kept now; see Retry-After", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn message(
    house: &House,
    caller: &Caller,
    body: Bytes,
) -> Result<Response, Problem> {
    let now = house.clock.now();
    let request = off_thread(move || {
        let sms = body::parse_older(&body).map_err(|body::NotAnObject| Code::InvalidJson)?;
        sms_in::command(&sms, plainly(now))
    });
    let sent = send_sms(&house.app, caller, request.await??).await?;
    let status = super::sms::status_of(&sent)?;
    Ok(json(status, answer(&sent)))
}

/// Nothing is said outside the fields.
fn plainly(now: pombo_domain::time::Instant) -> Around {
    Around { dry_run: false, idempotency: None, now }
}

fn answer(sent: &Sent) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + sent.fates.len() * 64);
    for (i, (to, fate)) in sent.fates.iter().enumerate() {
        out.push(if out.is_empty() { b'[' } else { b',' });
        if let Fate::Accepted { id, .. } = fate {
            write::raw(&mut out, "{\"accepted\":true,\"to\":");
            write::text(&mut out, to);
            write::raw(&mut out, ",\"id\":\"");
            write::integer(&mut out, id.0);
            write::raw(&mut out, "\"}");
        } else {
            write::raw(&mut out, "{\"accepted\":false,\"to\":");
            write::text(&mut out, to);
            write::raw(&mut out, ",\"error\":");
            problem_of(i, fate).write(&mut out);
            out.push(b'}');
        }
    }
    out.push(b']');
    out
}

/// `GET /send.php`: everything in the query, the credentials too; a line of text for each recipient.
#[utoipa::path(
    get,
    path = "/Api/get/send.php",
    tag = "Older form",
    summary = "Send an SMS by a GET; the answer is text, and its status is 200 also for an error",
    params(
        ("username" = String, Query, description = "The account"),
        ("password" = String, Query, description = "Its apiPassword"),
        ("to" = String, Query, description = "Numbers, separated by spaces or `+`"),
        ("text" = String, Query, description = "The text"),
        ("from" = String, Query, description = "The sender"),
        ("coding" = Option<String>, Query, description = "`0` or `gsm`, `gsm-pt`, `utf-16`"),
        ("parts" = Option<u8>, Query, description = "The most parts allowed"),
        ("trsec" = Option<u8>, Query, description = "1: transliterate"),
        ("dlr-url" = Option<String>, Query, description = "Where status is called back"),
        ("fsend" = Option<String>, Query, description = "Not before, UTC, `YYYYmmddHHiiss`"),
    ),
    responses((status = 200, description = "`0: Accepted for delivery. ID 12345`, or `103: Username or password unknown`", body = String)),
)]
pub(super) async fn send_php(
    house: &House,
    headers: &HeaderMap,
    peer: IpAddr,
    query: Option<&str>,
) -> Response {
    match send_by_query(house, headers, peer, query).await {
        Ok(sent) => text(StatusCode::OK, lines(&sent)),
        Err(problem) => problem.into_line(),
    }
}

async fn send_by_query(
    house: &House,
    headers: &HeaderMap,
    peer: IpAddr,
    query: Option<&str>,
) -> Result<Sent, Problem> {
    let mut sms = SmsIn::default();
    let (mut name, mut password) = (String::new(), String::new());
    for (key, value) in pairs(query) {
        let scalar = || Scalar::Text(value.clone());
        match key.as_ref() {
            "username" => name = value.into_owned(),
            "password" => password = value.into_owned(),
            "to" => {
                let numbers = value.split([' ', '+', ',']).filter(|number| !number.is_empty());
                let numbers = numbers.map(|number| Scalar::Text(number.to_owned().into()));
                sms.to = Many::Items(numbers.collect());
            }
            "text" => sms.message = scalar(),
            "from" => sms.from = scalar(),
            "coding" | "encoding" => sms.encoding = body::older_coding(scalar()),
            "parts" => sms.parts = scalar(),
            "trsec" | "trans" => sms.trans = scalar(),
            "dlr-url" => sms.notification_url = Many::One(scalar()),
            "fsend" => sms.schedule_date = scalar(),
            _ => {}
        }
    }
    let caller = auth::caller_by(house, (&name, &password), headers, peer).await?;
    let sent = sms_in::command(&sms, plainly(house.clock.now()))?;
    Ok(send_sms(&house.app, &caller, sent).await?)
}

/// A line for each recipient, in order.
fn lines(sent: &Sent) -> String {
    let line = |(i, (_, fate)): (usize, &(String, Fate))| match fate {
        Fate::Accepted { id, .. } => format!("0: {}. ID {id}", Code::Accepted.description()),
        _ => problem_of(i, fate).line(),
    };
    sent.fates.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// An answer of plain text.
pub(super) fn text(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(text))));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_whatever_their_case() {
        for (path, door) in [
            ("/Api/rest/message", Some(Door::Message)),
            ("/api/rest/message", Some(Door::Message)),
            ("/API/REST/MESSAGE/", Some(Door::Message)),
            ("/rest/message", Some(Door::Message)),
            ("/Api/get/send.php", Some(Door::SendPhp)),
            ("/send.php", Some(Door::SendPhp)),
            ("/api/rest/messages", None),
            ("/api/rest/sms", None),
            ("/send.php/x", None),
            ("", None),
        ] {
            assert_eq!(Door::at(path), door, "{path}");
        }
    }
}
