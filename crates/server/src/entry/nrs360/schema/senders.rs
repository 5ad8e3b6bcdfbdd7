//! The shapes of senders.

use utoipa::ToSchema;

/// What the account asked for.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct SendersAnswer {
    data: Vec<SenderEntry>,
}

/// One of them.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct SenderAnswer {
    data: SenderEntry,
}

/// A sender and how it stands.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::entry::nrs360) struct SenderEntry {
    id: i64,
    #[schema(example = "TEST")]
    sender: String,
    /// `alphanumeric`, `numeric` or `shortcode` (up to eight digits).
    #[schema(example = "alphanumeric")]
    r#type: String,
    /// Where to; `null`: everywhere.
    #[schema(example = "ES")]
    country_iso: Option<String>,
    /// `pending`, `approved` or `rejected`.
    status: String,
    /// Why it was rejected; may be empty, and is absent where it was not.
    reason: Option<String>,
}

/// What to ask for.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::entry::nrs360) struct SenderRequest {
    /// As in `from`; capitals and small letters differ.
    #[schema(example = "TEST")]
    sender: String,
    /// Where to; absent: everywhere.
    #[schema(example = "ES")]
    country_iso: Option<String>,
}
