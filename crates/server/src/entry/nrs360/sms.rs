//! `POST /sms` and `GET /sms/{id},{id},…`.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::HeaderMap;
use pombo_app::auth::Caller;
use pombo_app::error::Refusal;
use pombo_app::usecase::send::{Fate, Idempotency, Planned, Sent, send_sms};
use pombo_app::usecase::status::{SmsStatus, StatusEvent, sms_status};
use pombo_domain::country::Forbidden;
use pombo_domain::id::MessageId;
use pombo_domain::limits;
use pombo_domain::link::Click;
use pombo_domain::message::EventKind;
use pombo_domain::sms::Unfit;
use pombo_domain::time::Instant;
use sha2::{Digest, Sha256};

use super::error::{Code, Problem};
use super::query::pairs;
use super::sms_in::{self, Around};
use super::write;
use crate::entry::{House, Response, json};

/// Bodies from this size on are read on a thread of their own, so that no other request waits:
/// some 3,000 recipients, one millisecond.
const LARGE_BODY_BYTES: usize = 64 << 10;

/// The header under whose value the same request is answered once.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A request to send, beside its body.
pub(super) struct Asked<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) query: Option<&'a str>,
}

/// `POST /sms`: accepts, or says why not.
#[utoipa::path(
    post,
    path = "/api/rest/sms",
    tag = "SMS",
    summary = "Send an SMS to one or many recipients",
    params(
        ("dryRun" = Option<bool>, Query, description = "1: answer with parts, cost, route and earliest time per recipient, and send nothing"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible characters: the same request under the same key is answered once, for 48 hours"),
    ),
    request_body = super::schema::SmsRequest,
    responses(
        (status = 202, description = "All accepted", body = super::schema::SmsAnswer),
        (status = 207, description = "Some accepted", body = super::schema::SmsAnswer),
        (status = 400, description = "None accepted; codes 102, 104 to 110, 113, 115, 119, 125, 126, 142, 183 to 189, 194, 196", body = super::schema::ErrorAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 402, description = "Code 111", body = super::schema::ErrorAnswer),
        (status = 409, description = "None accepted: with `rejectIfPendingCode`, codes are pending", body = super::schema::ErrorAnswer),
        (status = 422, description = "A field of a wrong type or kind", body = super::schema::ErrorAnswer),
        (status = 429, description = "Too much at once; see Retry-After", body = super::schema::ErrorAnswer),
        (status = 503, description = "Nothing can be kept now; see Retry-After", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn send(
    house: &House,
    caller: &Caller,
    asked: Asked<'_>,
    body: Bytes,
) -> Result<Response, Problem> {
    let around = Around {
        dry_run: flag(asked.query, "dryRun")?,
        idempotency: idempotency(asked.headers, &body)?,
        now: house.clock.now(),
    };
    let is_large = body.len() >= LARGE_BODY_BYTES;
    let _turn = match is_large {
        true => house.large.acquire().await.ok(),
        false => None,
    };
    let request = if is_large {
        off_thread(move || sms_in::parse(&body, around)).await??
    } else {
        sms_in::parse(&body, around)?
    };
    let sent = send_sms(&house.app, caller, request).await?;
    let (status, answer) =
        if is_large { off_thread(move || answer(&sent)).await?? } else { answer(&sent)? };
    Ok(json(status, answer))
}

/// Runs what would keep other requests waiting on a thread of its own.
pub(super) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|e| {
        tracing::error!(error = %e, "a large request broke its thread");
        Code::Database.into()
    })
}

/// Whether a switch of the query is on.
fn flag(query: Option<&str>, switch: &str) -> Result<bool, Problem> {
    let Some((_, value)) = pairs(query).filter(|(name, _)| name == switch).last() else {
        return Ok(false);
    };
    match value.to_ascii_lowercase().as_str() {
        // A bare or misspelt wish not to send must never send.
        "" | "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" => Ok(false),
        _ => Err(Problem::wrong_type(switch, "true or false")),
    }
}

fn idempotency(headers: &HeaderMap, body: &[u8]) -> Result<Option<Idempotency>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let visible = value.as_bytes().iter().all(u8::is_ascii_graphic);
    let fits = (1..=limits::IDEMPOTENCY_KEY_CHARS_MAX).contains(&value.len());
    match value.to_str() {
        Ok(key) if visible && fits => {
            Ok(Some(Idempotency { key: key.to_owned(), body_sha256: Sha256::digest(body).into() }))
        }
        _ => Err(Problem::invalid(format!(
            "The Idempotency-Key header must be 1 to {} visible characters.",
            limits::IDEMPOTENCY_KEY_CHARS_MAX
        ))),
    }
}

/// The answer's status and body: 202 where all were accepted, 207 where some; or why none was.
fn answer(sent: &Sent) -> Result<(StatusCode, Vec<u8>), Problem> {
    let mut dates = Vec::new();
    write_dates(&mut dates, sent.scheduled, sent.expires);
    let status = status_of(sent)?;
    let mut out = Vec::with_capacity(64 + sent.fates.len() * (80 + dates.len()));
    write::raw(&mut out, "{\"campaignId\":");
    write::integer(&mut out, sent.campaign.0);
    write::raw(&mut out, ",\"sendingId\":");
    write::integer(&mut out, sent.sending.0);
    if let Some((category, why)) = &sent.category {
        write::raw(&mut out, ",\"category\":");
        write::text(&mut out, category.as_str());
        write::raw(&mut out, ",\"categoryReason\":");
        write::text(&mut out, &why.to_string());
    }
    write::raw(&mut out, ",\"result\":[");
    for (i, (to, fate)) in sent.fates.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_fate(&mut out, (i, to), fate, sent, &dates);
    }
    write::raw(&mut out, "]}");
    Ok((status, out))
}

fn write_dates(out: &mut Vec<u8>, scheduled: Option<Instant>, expires: Option<Instant>) {
    for (key, at) in [(",\"scheduledAt\":", scheduled), (",\"expiresAt\":", expires)] {
        if let Some(at) = at {
            write::raw(out, key);
            write::text(out, &at.iso8601());
        }
    }
}

/// 202 where all were accepted, 207 where some. Where none was, the first text that cannot be sent, or
/// number that cannot be reached, says why, rather than a number that is none.
pub(super) fn status_of(sent: &Sent) -> Result<StatusCode, Problem> {
    let accepted = |fate: &Fate| matches!(fate, Fate::Accepted { .. } | Fate::Planned(_));
    let says_why = |fate: &Fate| {
        matches!(
            fate,
            Fate::Unfit(_) | Fate::CodePending | Fate::Forbidden(_) | Fate::Unreachable(_)
        )
    };
    let n_accepted = sent.fates.iter().filter(|(_, fate)| accepted(fate)).count();
    if n_accepted == sent.fates.len() {
        return Ok(StatusCode::ACCEPTED);
    }
    if n_accepted > 0 {
        return Ok(StatusCode::MULTI_STATUS);
    }
    let unfit = sent.fates.iter().enumerate().find(|(_, (_, fate))| says_why(fate));
    Err(match unfit {
        Some((i, (_, fate))) => problem_of(i, fate),
        None => Code::NoValidRecipients.into(),
    })
}

/// Why the recipient with this index was not accepted.
pub(super) fn problem_of(i: usize, fate: &Fate) -> Problem {
    match fate {
        Fate::Unfit(Unfit::NotAUrl(name)) => {
            Problem::invalid(format!("The sub.{i}.{name} field must be a valid URL."))
        }
        Fate::Unfit(unfit) => Refusal::Unfit(unfit.clone()).into(),
        Fate::CodePending => Refusal::CodePending.into(),
        Fate::Forbidden(why) => forbidden(why).by_rule(&why.cause()),
        Fate::Unreachable(cause) => Problem::from(Code::NoValidRecipients).by_rule(cause),
        Fate::NoValidRecipient | Fate::Accepted { .. } | Fate::Planned(_) => {
            Code::NoValidRecipients.into()
        }
    }
}

/// 115 for a sender, else 422 with the rule and the country, as its owner reads them.
fn forbidden(why: &Forbidden) -> Problem {
    Problem::invalid(match why {
        Forbidden::Sender(_) | Forbidden::SenderOfAccount => {
            return Code::SenderNotVerified.into();
        }
        Forbidden::NoTime(country) => {
            format!("The availableTimes field leaves no time in which {country} allows marketing.")
        }
        Forbidden::Ending(country, ending) => {
            format!("The message field must end with \"{ending}\" for marketing to {country}.")
        }
        Forbidden::NoStopCode(country) => {
            format!("The message field has [STOP_CODE], of which there is none for {country}.")
        }
        Forbidden::NoWayOut(_) => {
            "The message field must say how to unsubscribe from marketing.".to_owned()
        }
        Forbidden::Topic(country, topic) => {
            format!("The message field is about {topic}, which {country} does not allow.")
        }
        Forbidden::ForAdults(country, topic) => format!(
            "The message field is about {topic}, which {country} allows for verified adults only."
        ),
        Forbidden::Shortener(country, host) => format!(
            "The message field links to {host}; {country} does not allow public shorteners."
        ),
    })
}

fn write_fate(out: &mut Vec<u8>, (i, to): (usize, &str), fate: &Fate, sent: &Sent, dates: &[u8]) {
    let accepted = matches!(fate, Fate::Accepted { .. } | Fate::Planned(_));
    write::raw(
        out,
        if accepted { "{\"accepted\":true,\"to\":" } else { "{\"accepted\":false,\"to\":" },
    );
    write::text(out, to);
    match fate {
        Fate::Accepted { id, n_parts, held } => {
            write::raw(out, ",\"id\":\"");
            write::integer(out, id.0);
            write::raw(out, "\",\"parts\":");
            write::integer(out, i64::from(*n_parts));
            match held {
                None => out.extend_from_slice(dates),
                Some(_) => write_dates(out, *held, sent.expires),
            }
        }
        Fate::Planned(planned) => {
            write_planned(out, planned);
            out.extend_from_slice(dates);
        }
        Fate::NoValidRecipient
        | Fate::Unreachable(_)
        | Fate::Unfit(_)
        | Fate::CodePending
        | Fate::Forbidden(_) => {
            let problem = problem_of(i, fate);
            write::raw(out, ",\"error\":");
            problem.write(out);
            problem.write_rule(out);
        }
    }
    out.push(b'}');
}

/// What a dry run tells of one message.
fn write_planned(out: &mut Vec<u8>, planned: &Planned) {
    write::raw(out, ",\"parts\":");
    write::integer(out, i64::from(planned.n_parts));
    write::raw(out, ",\"cost\":");
    write::money(out, planned.cost);
    let (earliest, why_then) = (planned.earliest.iso8601(), planned.earliest_why.to_string());
    for (key, text) in [
        (",\"route\":", planned.route.as_str()),
        (",\"routeReason\":", planned.route_why),
        (",\"earliest\":", &earliest),
        (",\"earliestReason\":", &why_then),
    ] {
        write::raw(out, key);
        write::text(out, text);
    }
    if let Some(text) = &planned.text {
        write::raw(out, ",\"message\":");
        write::text(out, text);
        for (i, cause) in planned.text_why.iter().enumerate() {
            write::raw(out, if i == 0 { ",\"messageReasons\":[" } else { "," });
            write::text(out, &cause.to_string());
        }
        out.push(b']');
    }
    if let Some(why) = planned.rejected {
        write::raw(out, ",\"rejected\":");
        write::text(out, why);
    }
}

/// `GET /sms/{ids}`: what became of messages; unknown ones are left out.
#[utoipa::path(
    get,
    path = "/api/rest/sms/{ids}",
    tag = "SMS",
    summary = "Read the status of messages",
    params(
        ("ids" = String, Path, description = "Ids of `result[].id`, with commas between; up to 1,000"),
        ("details" = Option<bool>, Query, description = "1: with each part's state, route, cost and whole history"),
    ),
    responses(
        (status = 200, description = "The messages that are yours, in the order asked", body = super::schema::StatusAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 404, description = "None of them is known", body = super::schema::ErrorAnswer),
        (status = 422, description = "More than 1,000 ids", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn status(
    house: &House,
    caller: &Caller,
    ids: &str,
    query: Option<&str>,
) -> Result<Response, Problem> {
    let details = flag(query, "details")?;
    // A client that encodes the path's last piece whole encodes the commas too.
    let ids = ids.replace("%2C", ",").replace("%2c", ",").replace("%20", "");
    let asked: Vec<&str> = ids.split(',').take(limits::STATUS_IDS_MAX + 1).collect();
    if asked.len() > limits::STATUS_IDS_MAX {
        let max = limits::STATUS_IDS_MAX;
        return Err(Problem::invalid(format!("The id field must not have more than {max} items.")));
    }
    let ids: Vec<MessageId> =
        asked.iter().filter_map(|id| MessageId::parse(id.trim()).ok()).collect();
    let found =
        if ids.is_empty() { Vec::new() } else { sms_status(&house.app, caller, &ids).await? };
    if found.is_empty() {
        return Err(Problem::not_found());
    }
    let mut out = Vec::with_capacity(found.len() * 640);
    write::raw(&mut out, "{\"data\":[");
    for (i, sms) in found.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_status(&mut out, sms, &house.public_url, details);
    }
    write::raw(&mut out, "]}");
    Ok(json(StatusCode::OK, out))
}

fn write_status(out: &mut Vec<u8>, sms: &SmsStatus, public_url: &str, details: bool) {
    let mut pair = |key: &str, value: &str| {
        write::raw(out, key);
        write::text(out, value);
    };
    pair("{\"id\":", &sms.id.to_string());
    pair(",\"from\":", &sms.from);
    pair(",\"to\":", &sms.to);
    pair(",\"message\":", &sms.text);
    write::raw(out, ",\"campaignId\":");
    write::integer(out, sms.campaign.0);
    write::raw(out, ",\"sendingId\":");
    write::integer(out, sms.sending.0);
    write::raw(out, ",\"isDelivered\":");
    write::raw(out, if sms.delivered { "true" } else { "false" });
    write::raw(out, ",\"isClicked\":");
    write::raw(out, if sms.clicked { "true" } else { "false" });
    write::raw(out, ",\"events\":[");
    let several_parts = sms.events.iter().any(|event| event.part > 1);
    let mut first = true;
    for event in &sms.events {
        let Some(name) = event.kind.api_name() else { continue };
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        write_event(out, event, name, several_parts);
    }
    write::raw(out, "]");
    if details {
        write_parts(out, sms);
    }
    write::raw(out, ",\"customFields\":{\"email\":\"\",\"phone\":");
    write::text(out, &sms.to);
    write::raw(out, ",\"name\":\"\"},\"links\":{\"self\":");
    write::text(out, &format!("{public_url}/api/rest/sms/{}", sms.id));
    write::raw(out, "}}");
}

/// Beside the document, where it is asked for: all that is known of each part.
fn write_parts(out: &mut Vec<u8>, sms: &SmsStatus) {
    write::raw(out, ",\"parts\":[");
    for (number, part) in (1_u8..).zip(&sms.parts) {
        write::raw(out, if number == 1 { "{\"part\":" } else { ",{\"part\":" });
        write::integer(out, i64::from(number));
        write::raw(out, ",\"state\":");
        write::text(out, part.state.as_str());
        write::raw(out, ",\"route\":");
        write::text(out, &part.route);
        write::raw(out, ",\"cost\":");
        write::money(out, part.cost);
        write::raw(out, ",\"history\":[");
        let events = sms.events.iter().filter(|event| event.part == number);
        for (i, event) in events.enumerate() {
            write::raw(out, if i == 0 { "{\"type\":" } else { ",{\"type\":" });
            write::text(out, event.kind.as_str());
            let detail = match event.kind {
                EventKind::Clicked => Click::from_stored(&event.detail).url,
                _ => event.detail.clone(),
            };
            for (key, value) in [
                (",\"date\":", &event.at.iso8601()),
                (",\"route\":", &event.route),
                (",\"status\":", &event.word),
                (",\"code\":", &event.code),
                (",\"detail\":", &detail),
            ] {
                write::raw(out, key);
                write::text(out, value);
            }
            out.push(b'}');
        }
        write::raw(out, "]}");
    }
    out.push(b']');
}

fn write_event(out: &mut Vec<u8>, event: &StatusEvent, name: &str, several_parts: bool) {
    write::raw(out, "{\"type\":");
    write::text(out, name);
    write::raw(out, ",\"date\":");
    write::text(out, &event.at.iso8601());
    let click = match event.kind {
        EventKind::Clicked => Click::from_stored(&event.detail),
        _ => Click::default(),
    };
    write::raw(out, ",\"isMobile\":");
    write::raw(out, if click.is_mobile { "true" } else { "false" });
    write::raw(out, ",\"browser\":");
    write::text(out, &click.browser);
    write::raw(out, ",\"os\":");
    write::text(out, &click.system);
    // Beside the document: which part it was, and the carrier's words where there are any.
    if several_parts {
        write::raw(out, ",\"part\":");
        write::integer(out, i64::from(event.part));
    }
    if event.kind == EventKind::Clicked {
        write::raw(out, ",\"device\":");
        write::text(out, &click.device);
        write::raw(out, ",\"url\":");
        write::text(out, &click.url);
    } else if !event.detail.is_empty() {
        write::raw(out, ",\"detail\":");
        write::text(out, &event.detail);
    }
    out.push(b'}');
}
