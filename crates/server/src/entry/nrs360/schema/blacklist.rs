//! The shapes of opt-out lists.

use utoipa::ToSchema;

use super::campaign::Meta;

/// A page of the list.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct BlacklistAnswer {
    data: Vec<OptOut>,
    meta: Meta,
}

/// Somebody who is not messaged any more.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::entry::nrs360) struct OptOut {
    /// `sms` or `mailing`.
    channel: String,
    /// Of channel `sms`.
    #[schema(example = "34666555444")]
    phone: Option<String>,
    /// Of channel `mailing`.
    email: Option<String>,
    /// Who said so: `api`, `operator` or `recipient`.
    source: String,
    /// Why, in their words; may be empty.
    reason: String,
    created_at: String,
}

/// Whom to message no more: phones, e-mail addresses, or both.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct BlacklistAdd {
    /// One number or a list, with their country codes; at most 10,000 addresses in all.
    #[schema(value_type = Option<Vec<String>>)]
    phone: Option<Vec<String>>,
    /// One address or a list.
    #[schema(value_type = Option<Vec<String>>)]
    email: Option<Vec<String>>,
    /// At most 200 characters.
    reason: Option<String>,
}

/// Their entries.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct BlacklistAdded {
    data: Vec<OptOut>,
    /// What is no address, as it was written; only where there is some.
    invalid: Option<Vec<String>>,
}

/// Whom to message again.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct BlacklistRemove {
    /// One number or a list.
    phone: Option<Vec<String>>,
    /// One address or a list.
    email: Option<Vec<String>>,
    /// At most 200 characters; kept with the entry that ends.
    reason: Option<String>,
}
