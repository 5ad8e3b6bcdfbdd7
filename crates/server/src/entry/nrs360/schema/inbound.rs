//! The shapes of what recipients wrote back.

use utoipa::ToSchema;

use super::campaign::Meta;

/// A page of messages from handsets.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct InboundAnswer {
    data: Vec<Inbound>,
    meta: Meta,
}

/// A message from a handset.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::entry::nrs360) struct Inbound {
    /// A string of digits.
    id: String,
    /// Who wrote, as the carrier gave it.
    #[schema(example = "34666555444")]
    from: String,
    /// The number or short code written to.
    #[schema(example = "34600123456")]
    to: String,
    /// `[…]` stands for pieces of a long one that never came.
    text: String,
    received_at: String,
    /// Pieces that it was sent in.
    parts: u8,
    /// Of them that never came.
    missing: u8,
    /// Your last message to that telephone before it, where one is known.
    message_id: Option<String>,
    /// `unsubscribed` or `resubscribed`, where it changed the opt-out list.
    effect: Option<String>,
    /// The account's answer to it.
    answer_id: Option<String>,
}
