//! `GET /sendings/{id}/reports/events` and the same of a campaign: CSV, streamed page by page.

use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::Either;
use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use pombo_app::auth::Caller;
use pombo_app::usecase::campaign::{CampaignView, campaign};
use pombo_app::usecase::report::{Report, ReportRow};
use pombo_domain::{csv, notification};

use super::campaign::{As, date};
use super::error::Problem;
use super::query::pairs;
use super::write;
use crate::entry::{House, Response, failing};

/// Column 0 is the campaign's name, 4 the event, 5 the phone, 9 a call's duration.
const COLUMNS: [&str; 13] = [
    "campaignName",
    "campaignId",
    "sendingId",
    "channel",
    "event",
    "phone",
    "email",
    "date",
    "messageId",
    "duration",
    "browser",
    "os",
    "extra",
];

/// `GET /sendings/{id}/reports/events`.
#[utoipa::path(
    get,
    path = "/api/rest/sendings/{id}/reports/events",
    tag = "Reports",
    summary = "Every event of a sending, as CSV",
    params(
        ("id" = String, Path, description = "The `sendingId` of a send answer"),
        ("beforeDate" = Option<String>, Query, description = "Events before this, ISO 8601"),
        ("afterDate" = Option<String>, Query, description = "Events at or after this, ISO 8601"),
        ("showCustomFields" = Option<String>, Query, description = "1: with a column of the recipient's fields, as JSON"),
    ),
    responses(
        (status = 200, description = "A header row, then a row for each event of each part; a text that a spreadsheet would run begins with an apostrophe", content_type = "text/csv", body = String),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 404, description = "There is none", body = super::schema::ErrorAnswer),
        (status = 422, description = "A date that is none", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn of_sending(
    house: &House,
    caller: &Caller,
    id: &str,
    query: Option<&str>,
) -> Result<Response, Problem> {
    events(house, caller, (As::Sending, id), query).await
}

/// `GET /campaigns/{id}/reports/events`.
#[utoipa::path(
    get,
    path = "/api/rest/campaigns/{id}/reports/events",
    tag = "Reports",
    summary = "Every event of a campaign, as CSV",
    params(
        ("id" = String, Path, description = "The `campaignId` of a send answer"),
        ("beforeDate" = Option<String>, Query, description = "Events before this, ISO 8601"),
        ("afterDate" = Option<String>, Query, description = "Events at or after this, ISO 8601"),
    ),
    responses(
        (status = 200, description = "As of a sending", content_type = "text/csv", body = String),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 404, description = "There is none", body = super::schema::ErrorAnswer),
        (status = 422, description = "A date that is none", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn of_campaign(
    house: &House,
    caller: &Caller,
    id: &str,
    query: Option<&str>,
) -> Result<Response, Problem> {
    events(house, caller, (As::Campaign, id), query).await
}

async fn events(
    house: &House,
    caller: &Caller,
    (view, id): (As, &str),
    query: Option<&str>,
) -> Result<Response, Problem> {
    let (mut before, mut after, mut with_fields) = (None, None, false);
    for (key, value) in pairs(query) {
        match key.as_ref() {
            _ if value.is_empty() => {}
            "beforeDate" => before = Some(date(&key, &value)?),
            "afterDate" => after = Some(date(&key, &value)?),
            "showCustomFields" => with_fields = matches!(value.as_ref(), "1" | "true" | "yes"),
            _ => {}
        }
    }
    let found = campaign(&house.app, caller, view.which(id)?).await?;
    let campaign = found.ok_or_else(Problem::not_found)?;
    let report = Report::of(&house.app, &campaign, (before, after));
    Ok(stream(report, Lines::new(&campaign, with_fields)))
}

/// A piece of the body for each page. Where the store fails in the middle, the body breaks off, so
/// that nobody takes it for whole.
fn stream(report: Report, lines: Lines) -> Response {
    let header = lines.header();
    let first = unfold(Some(header), |header| async move {
        header.map(|header| (Ok(Bytes::from(header)), None))
    });
    let rest = unfold(Some((report, lines)), |state| async move {
        let (mut report, lines) = state?;
        match report.page().await {
            Ok(Some(rows)) => {
                let piece = lines.rows(&rows);
                Some((Ok(Bytes::from(piece)), Some((report, lines))))
            }
            Ok(None) => None,
            Err(fault) => {
                failing::log("a report broke off", &fault);
                Some((Err(fault), None))
            }
        }
    });
    let body = futures_util::StreamExt::chain(first, rest);
    let mut response = Response::new(Either::Right(axum::body::Body::from_stream(body)));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    let attachment = HeaderValue::from_static("attachment; filename=\"events.csv\"");
    headers.insert(CONTENT_DISPOSITION, attachment);
    response
}

/// How rows are written.
struct Lines {
    /// What every row begins with.
    start: Vec<u8>,
    with_fields: bool,
}

impl Lines {
    fn new(campaign: &CampaignView, with_fields: bool) -> Self {
        let row = &campaign.row;
        let mut start = Vec::new();
        csv::cell(&mut start, &row.name);
        for cell in [&row.id.to_string(), &row.sending.to_string(), &row.channel] {
            start.push(b',');
            csv::cell(&mut start, cell);
        }
        start.push(b',');
        Self { start, with_fields }
    }

    fn header(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let more = self.with_fields.then_some("customFields");
        csv::row(&mut out, COLUMNS.into_iter().chain(more));
        out
    }

    fn rows(&self, rows: &[ReportRow]) -> Vec<u8> {
        let mut out = Vec::with_capacity(rows.len() * (self.start.len() + 96));
        // Many events share a second, and a date takes long to write.
        let mut date = (i64::MIN, String::new());
        for row in rows {
            let second = row.at.micros().div_euclid(1_000_000);
            if second != date.0 {
                date = (second, row.at.iso8601());
            }
            out.extend_from_slice(&self.start);
            write::raw(&mut out, row.event);
            out.push(b',');
            write::integer(&mut out, row.to.digits().cast_signed());
            write::raw(&mut out, ",,");
            write::raw(&mut out, &date.1);
            out.push(b',');
            write::integer(&mut out, row.message.0);
            write::raw(&mut out, ",,");
            if let Some(click) = &row.click {
                csv::cell(&mut out, &click.browser);
                out.push(b',');
                csv::cell(&mut out, &click.system);
                out.push(b',');
                csv::cell(&mut out, &notification::click_extra(&click.url));
            } else {
                write::raw(&mut out, ",,");
                if let Some(part) = row.part {
                    csv::cell(&mut out, &format!("{{\"part\":{part}}}"));
                }
            }
            if self.with_fields {
                out.push(b',');
                let phone = row.to.digits();
                let fields = format!("{{\"email\":\"\",\"phone\":\"{phone}\",\"name\":\"\"}}");
                csv::cell(&mut out, &fields);
            }
            out.push(b'\n');
        }
        out
    }
}
