//! `GET /campaigns`, `/sendings` and one of each, and their pause, resume and cancel. A campaign by
//! API has one sending, so that both resources are two views of one thing.

use std::num::NonZeroUsize;

use hyper::StatusCode;
use pombo_app::auth::Caller;
use pombo_app::usecase::campaign::{
    CampaignView, FILTER_TAGS_MAX, Filter, Which, campaign, campaigns, order as give_order,
};
use pombo_domain::campaign::Order;
use pombo_domain::id::{CampaignId, SendingId};
use pombo_domain::limits::CAMPAIGNS_PAGE_MAX;
use pombo_domain::time::Instant;

use super::error::Problem;
use super::page::{Page, number};
use super::query::pairs;
use super::write;
use crate::entry::{House, Response, json};

/// Campaigns of a page where the request does not say.
const PAGE: usize = 100;
/// The channels that the document names.
const CHANNELS: [&str; 5] = ["sms", "mailing", "landing", "text2speech", "voice-interactive"];

/// Which of the two views is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    Campaign,
    Sending,
}

impl As {
    const fn path(self) -> &'static str {
        match self {
            Self::Campaign => "/api/rest/campaigns",
            Self::Sending => "/api/rest/sendings",
        }
    }

    /// What an id in the path means.
    pub(super) fn which(self, id: &str) -> Result<Which, Problem> {
        match self {
            Self::Campaign => CampaignId::parse(id).map(Which::Campaign),
            Self::Sending => SendingId::parse(id).map(Which::Sending),
        }
        .map_err(|_| Problem::not_found())
    }
}

/// `GET /campaigns`.
#[utoipa::path(
    get,
    path = "/api/rest/campaigns",
    tag = "Campaigns",
    summary = "List campaigns, newest first",
    params(
        ("beforeDate" = Option<String>, Query, description = "Made before this, ISO 8601"),
        ("afterDate" = Option<String>, Query, description = "Made at or after this, ISO 8601"),
        ("channel" = Option<String>, Query, description = "`sms`, `mailing`, `landing`, `text2speech` or `voice-interactive`"),
        ("tags" = Option<String>, Query, description = "With this tag; several with commas or as `tags[]`, at most 3: with all of them"),
        ("page" = Option<u64>, Query, description = "From 1"),
        ("limit" = Option<u64>, Query, description = "Campaigns of a page, up to 1,000; default 100"),
    ),
    responses(
        (status = 200, description = "A page; at most 100,000 are counted", body = super::schema::CampaignsAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "A filter of a wrong type or kind", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn list_campaigns(
    house: &House,
    caller: &Caller,
    query: Option<&str>,
) -> Result<Response, Problem> {
    list(house, caller, query, As::Campaign).await
}

/// `GET /sendings`.
#[utoipa::path(
    get,
    path = "/api/rest/sendings",
    tag = "Campaigns",
    summary = "List sendings, newest first",
    params(
        ("beforeDate" = Option<String>, Query, description = "Made before this, ISO 8601"),
        ("afterDate" = Option<String>, Query, description = "Made at or after this, ISO 8601"),
        ("channel" = Option<String>, Query, description = "`sms`, `mailing`, `landing`, `text2speech` or `voice-interactive`"),
        ("tags" = Option<String>, Query, description = "With this tag; several with commas or as `tags[]`, at most 3: with all of them"),
        ("page" = Option<u64>, Query, description = "From 1"),
        ("limit" = Option<u64>, Query, description = "Sendings of a page, up to 1,000; default 100"),
    ),
    responses(
        (status = 200, description = "A page; at most 100,000 are counted", body = super::schema::SendingsAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "A filter of a wrong type or kind", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn list_sendings(
    house: &House,
    caller: &Caller,
    query: Option<&str>,
) -> Result<Response, Problem> {
    list(house, caller, query, As::Sending).await
}

async fn list(
    house: &House,
    caller: &Caller,
    query: Option<&str>,
    view: As,
) -> Result<Response, Problem> {
    let filter = filter(query)?;
    let (page, limit) = (filter.page.get(), filter.limit);
    let found = campaigns(&house.app, caller, filter).await?;
    let mut out = Vec::with_capacity(256 + found.campaigns.len() * 512);
    write::raw(&mut out, "{\"data\":[");
    for (i, campaign) in found.campaigns.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_view(&mut out, campaign, view, caller);
    }
    write::raw(&mut out, "],");
    let url = format!("{}{}", house.public_url, view.path());
    let (count, total) =
        (found.campaigns.len(), usize::try_from(found.total).unwrap_or(usize::MAX));
    Page { url: &url, query, number: page, limit, count, total }.write_meta(&mut out);
    out.push(b'}');
    Ok(json(StatusCode::OK, out))
}

/// `GET /campaigns/{id}`.
#[utoipa::path(
    get,
    path = "/api/rest/campaigns/{id}",
    tag = "Campaigns",
    summary = "Read a campaign and its totals",
    params(("id" = String, Path, description = "The `campaignId` of a send answer")),
    responses(
        (status = 200, description = "The campaign", body = super::schema::CampaignAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 404, description = "There is none", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn one_campaign(
    house: &House,
    caller: &Caller,
    id: &str,
) -> Result<Response, Problem> {
    one(house, caller, id, As::Campaign).await
}

/// `GET /sendings/{id}`.
#[utoipa::path(
    get,
    path = "/api/rest/sendings/{id}",
    tag = "Campaigns",
    summary = "Read a sending and its totals",
    params(("id" = String, Path, description = "The `sendingId` of a send answer")),
    responses(
        (status = 200, description = "The sending", body = super::schema::SendingAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 404, description = "There is none", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn one_sending(
    house: &House,
    caller: &Caller,
    id: &str,
) -> Result<Response, Problem> {
    one(house, caller, id, As::Sending).await
}

async fn one(house: &House, caller: &Caller, id: &str, view: As) -> Result<Response, Problem> {
    let found = campaign(&house.app, caller, view.which(id)?).await?;
    answer(found, view, caller)
}

fn answer(found: Option<CampaignView>, view: As, caller: &Caller) -> Result<Response, Problem> {
    let found = found.ok_or_else(Problem::not_found)?;
    let mut out = Vec::with_capacity(640);
    write::raw(&mut out, "{\"data\":");
    write_view(&mut out, &found, view, caller);
    out.push(b'}');
    Ok(json(StatusCode::OK, out))
}

/// `POST /campaigns/{id}/pause`, `resume`, `cancel`.
#[utoipa::path(
    post,
    path = "/api/rest/campaigns/{id}/{order}",
    tag = "Campaigns",
    summary = "Pause, resume or cancel a campaign (not in the original API)",
    params(
        ("id" = String, Path, description = "The `campaignId` of a send answer"),
        ("order" = String, Path, description = "`pause`: what waits is held; `resume`: it goes on; `cancel`: it ends, what it had reserved is given back, and nothing more is accepted for it"),
    ),
    responses(
        (status = 200, description = "The campaign as it stands now", body = super::schema::CampaignAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 404, description = "There is none", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn order_campaign(
    house: &House,
    caller: &Caller,
    id: &str,
    order: Order,
) -> Result<Response, Problem> {
    let view = As::Campaign;
    let found = give_order(&house.app, caller, view.which(id)?, order).await?;
    answer(found, view, caller)
}

/// `POST /sendings/{id}/pause`, `resume`, `cancel`.
#[utoipa::path(
    post,
    path = "/api/rest/sendings/{id}/{order}",
    tag = "Campaigns",
    summary = "Pause, resume or cancel a sending (not in the original API)",
    params(
        ("id" = String, Path, description = "The `sendingId` of a send answer"),
        ("order" = String, Path, description = "`pause`, `resume` or `cancel`, as for a campaign"),
    ),
    responses(
        (status = 200, description = "The sending as it stands now", body = super::schema::SendingAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 404, description = "There is none", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn order_sending(
    house: &House,
    caller: &Caller,
    id: &str,
    order: Order,
) -> Result<Response, Problem> {
    let view = As::Sending;
    let found = give_order(&house.app, caller, view.which(id)?, order).await?;
    answer(found, view, caller)
}

fn write_view(out: &mut Vec<u8>, campaign: &CampaignView, view: As, caller: &Caller) {
    match view {
        As::Campaign => {
            write::raw(out, "{\"id\":");
            write::integer(out, campaign.row.id.0);
            write::raw(out, ",\"name\":");
            write::text(out, &campaign.row.name);
            write::raw(out, ",\"type\":\"basic\",\"createdAt\":");
            write::text(out, &campaign.row.created.iso8601());
            write::raw(out, ",\"sendings\":{\"data\":[");
            write_sending(out, campaign, view, caller);
            write::raw(out, "]}}");
        }
        As::Sending => write_sending(out, campaign, view, caller),
    }
}

fn write_sending(out: &mut Vec<u8>, campaign: &CampaignView, view: As, caller: &Caller) {
    let (row, totals) = (&campaign.row, &campaign.row.totals);
    write::raw(out, "{\"id\":");
    write::integer(out, row.sending.0);
    if view == As::Sending {
        write::raw(out, ",\"campaignId\":");
        write::integer(out, row.id.0);
        write::raw(out, ",\"campaignName\":");
        write::text(out, &row.name);
    }
    write::raw(out, ",\"status\":");
    write::text(out, campaign.status.as_str());
    write::raw(out, ",\"channel\":");
    write::text(out, &row.channel);
    for (key, n) in [
        (",\"total\":", totals.messages),
        (",\"processed\":", totals.processed()),
        (",\"totalSmsParts\":", totals.parts_sent),
    ] {
        write::raw(out, key);
        write::integer(out, n);
    }
    write::raw(out, ",\"cost\":");
    write::money(out, totals.cost);
    write::raw(out, ",\"currency\":");
    write::text(out, caller.currency());
    write::raw(out, ",\"tags\":[");
    for (i, tag) in row.tags.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write::text(out, tag);
    }
    out.push(b']');
    if view == As::Sending {
        write::raw(out, ",\"createdAt\":");
        write::text(out, &row.created.iso8601());
    }
    for (key, at) in [(",\"scheduledAt\":", row.scheduled), (",\"expiresAt\":", row.expires)] {
        write::raw(out, key);
        match at {
            Some(at) => write::text(out, &at.iso8601()),
            None => write::raw(out, "null"),
        }
    }
    write::raw(out, ",\"events\":");
    write_events(out, campaign);
    out.push(b'}');
}

/// The totals of all events of the document; those that an SMS does not have are 0.
fn write_events(out: &mut Vec<u8>, campaign: &CampaignView) {
    let totals = &campaign.row.totals;
    for (i, (event, n)) in [
        ("delivered", totals.delivered),
        ("opened", 0),
        ("opened_unique", 0),
        ("clicked", totals.clicked),
        ("clicked_unique", totals.clicked_unique),
        ("unsubscribed", totals.unsubscribed),
        ("hard_bounced", 0),
        ("complaint", 0),
        ("sent", totals.sent),
        ("soft_bounced", 0),
        ("undelivered", totals.undelivered),
        ("rejected", totals.rejected),
        ("expired", totals.expired),
        ("unsubscribed_landing", 0),
        ("cancelled", totals.cancelled),
    ]
    .into_iter()
    .enumerate()
    {
        out.push(if i == 0 { b'{' } else { b',' });
        write::text(out, event);
        out.push(b':');
        write::integer(out, n);
    }
    out.push(b'}');
}

/// Reads the filters; what is unknown is ignored, and an empty one is absent.
fn filter(query: Option<&str>) -> Result<Filter, Problem> {
    let mut filter = Filter {
        before: None,
        after: None,
        channel: String::new(),
        tags: Vec::new(),
        page: NonZeroUsize::MIN,
        limit: PAGE,
    };
    for (key, value) in pairs(query) {
        if value.is_empty() {
            continue;
        }
        let name = key.split_once('[').map_or(key.as_ref(), |(name, _)| name);
        match name {
            "beforeDate" => filter.before = Some(date(name, &value)?),
            "afterDate" => filter.after = Some(date(name, &value)?),
            "channel" if CHANNELS.contains(&value.as_ref()) => filter.channel = value.into_owned(),
            "channel" => return Err(Problem::invalid("The selected channel is invalid.")),
            "tags" if key == name => filter.tags.extend(value.split(',').map(str::to_owned)),
            "tags" => filter.tags.push(value.into_owned()),
            "page" => filter.page = number(name, &value)?,
            "limit" => filter.limit = number(name, &value)?.get().min(CAMPAIGNS_PAGE_MAX),
            _ => {}
        }
    }
    filter.tags.retain(|tag| !tag.is_empty());
    if filter.tags.len() > FILTER_TAGS_MAX {
        return Err(Problem::invalid(format!(
            "The tags field must not have more than {FILTER_TAGS_MAX} items."
        )));
    }
    Ok(filter)
}

/// A date of the query.
pub(super) fn date(field: &str, text: &str) -> Result<Instant, Problem> {
    Instant::parse_iso8601(text)
        .map_err(|_| Problem::invalid(format!("The {field} field must be a valid date.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_and_what_is_unknown_is_ignored() {
        let query = "beforeDate=2019-01-01T00%3A00%3A00%2B00%3A00&afterDate=2018-01-01&channel=sms\
                     &tags=a,b&tags[]=c%2Cd&page=3&limit=5000&date=x&limit=";
        let filter = filter(Some(query)).expect("good filters");
        assert_eq!(
            filter.before.map(Instant::iso8601).as_deref(),
            Some("2019-01-01T00:00:00+00:00")
        );
        assert_eq!(
            filter.after.map(Instant::iso8601).as_deref(),
            Some("2018-01-01T00:00:00+00:00")
        );
        assert_eq!((filter.channel.as_str(), filter.page.get(), filter.limit), ("sms", 3, 1_000));
        assert_eq!(filter.tags, ["a", "b", "c,d"]);
    }

    #[test]
    fn bad_filters_are_told() {
        for (query, words) in [
            ("beforeDate=yesterday", "The beforeDate field must be a valid date."),
            ("afterDate=20190101000000", "The afterDate field must be a valid date."),
            ("channel=fax", "The selected channel is invalid."),
            ("page=0", "The page field must be an integer of at least 1."),
            ("limit=0", "The limit field must be an integer of at least 1."),
            ("limit=many", "The limit field must be an integer of at least 1."),
            ("tags=a,b,c,d", "The tags field must not have more than 3 items."),
        ] {
            let problem = filter(Some(query)).expect_err(query);
            assert_eq!((problem.code(), problem.description()), (422, words), "{query}");
        }
    }
}
