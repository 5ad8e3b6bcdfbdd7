//! The shapes of campaigns, sendings and pages.

use utoipa::ToSchema;

/// The answer to `GET /campaigns`.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct CampaignsAnswer {
    data: Vec<Campaign>,
    meta: Meta,
}

/// The answer to `GET /campaigns/{id}`.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct CampaignAnswer {
    data: Campaign,
}

/// The answer to `GET /sendings`.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct SendingsAnswer {
    data: Vec<Sending>,
    meta: Meta,
}

/// The answer to `GET /sendings/{id}`.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct SendingAnswer {
    data: Sending,
}

/// A campaign.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::entry::nrs360) struct Campaign {
    id: i64,
    /// Empty where the request named none.
    name: String,
    /// `basic`.
    r#type: String,
    created_at: String,
    /// One.
    sendings: Sendings,
}

/// The sendings of a campaign.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct Sendings {
    data: Vec<Sending>,
}

/// A sending and its totals.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::entry::nrs360) struct Sending {
    id: i64,
    /// In `/sendings` only.
    campaign_id: Option<i64>,
    /// In `/sendings` only.
    campaign_name: Option<String>,
    /// `OPENED`, `PAUSED` or `CANCELLED`; of a request that named no campaign also `PENDING`,
    /// `SENDING` or `FINISHED`.
    status: String,
    channel: String,
    /// Messages.
    total: i64,
    /// Messages that wait no more: sent, or ended before.
    processed: i64,
    /// Parts that a carrier has taken.
    total_sms_parts: i64,
    /// What was reserved and not given back.
    cost: f64,
    currency: String,
    tags: Vec<String>,
    /// In `/sendings` only.
    created_at: Option<String>,
    /// Null where its messages differ.
    scheduled_at: Option<String>,
    /// Null where its messages differ.
    expires_at: Option<String>,
    /// Messages by what happened to them.
    events: EventTotals,
}

/// Messages by what happened to them; those that an SMS does not have are 0.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct EventTotals {
    delivered: i64,
    opened: i64,
    opened_unique: i64,
    clicked: i64,
    clicked_unique: i64,
    unsubscribed: i64,
    hard_bounced: i64,
    complaint: i64,
    sent: i64,
    soft_bounced: i64,
    undelivered: i64,
    rejected: i64,
    expired: i64,
    unsubscribed_landing: i64,
    /// Not in the original API.
    cancelled: i64,
}

/// About a list.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct Meta {
    pagination: Pagination,
}

/// Where a page stands.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct Pagination {
    total: u64,
    count: u64,
    per_page: u64,
    current_page: u64,
    total_pages: u64,
    links: PageLinks,
}

/// The pages beside it, where there are any.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct PageLinks {
    previous: Option<String>,
    next: Option<String>,
}
