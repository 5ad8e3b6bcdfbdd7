//! The shapes of event notifications.

use utoipa::ToSchema;

/// Where the account's events are told, and how that goes.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct NotificationsAnswer {
    data: Notifications,
}

/// The settings.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::entry::nrs360) struct Notifications {
    /// Empty: nowhere.
    url: String,
    /// `form` or `json`.
    format: String,
    /// The events beyond the document's that are told too.
    events: Vec<String>,
    enabled: bool,
    /// Only where it is disabled.
    disabled_at: Option<String>,
    disabled_reason: Option<String>,
    /// Whether events are being told anew.
    replaying: bool,
    /// How many wait for another try, or for one before them.
    waiting: u64,
    /// How many were given up.
    dead_letters: u64,
    /// Only where it was made just now; it is not shown again.
    secret: Option<String>,
}

/// What is to change; what is absent or null stays.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct NotificationsChange {
    /// An absolute http or https URL; empty: nowhere.
    url: Option<String>,
    /// `form`, as the original (only 200 counts as taken), or `json` (any 2xx does).
    format: Option<String>,
    /// Of `buffered`, `uncertain`, `deferred`, `cancelled`, `inbound`, `resubscribed`, `codes_limited`.
    events: Option<Vec<String>>,
    /// `true` ends what disabled it.
    enabled: Option<bool>,
}

/// A new secret.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::entry::nrs360) struct RotateRequest {
    /// How long the one before signs too; 24, and at most 720.
    overlap_hours: Option<u64>,
}

/// From when on events are told anew.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct ReplayRequest {
    #[schema(example = "2026-03-24T12:00:00+00:00")]
    from: String,
}

/// Notifications that were given up.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct DeadLettersAnswer {
    data: Vec<DeadLetter>,
}

/// One of them.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::entry::nrs360) struct DeadLetter {
    /// Its `webhook-id`.
    event: String,
    /// The message; absent where its history has gone.
    id: Option<String>,
    name: Option<String>,
    event_date: Option<String>,
    tries: u8,
    last_try: String,
    error: String,
}
