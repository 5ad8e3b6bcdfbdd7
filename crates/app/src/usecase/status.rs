//! `status`: what became of messages.

use pombo_domain::id::{CampaignId, MessageId, SendingId};
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::money::Money;
use pombo_domain::price::charged;
use pombo_domain::time::Instant;
use pombo_store::operation as op;

use crate::App;
use crate::auth::Caller;
use crate::error::Fault;

/// One message as its owner sees it.
#[derive(Debug, Clone)]
pub struct SmsStatus {
    /// Its id.
    pub id: MessageId,
    /// The sender shown.
    pub from: String,
    /// The recipient's digits.
    pub to: String,
    /// The text as sent.
    pub text: String,
    /// The campaign.
    pub campaign: CampaignId,
    /// The sending.
    pub sending: SendingId,
    /// Whether every part was delivered.
    pub delivered: bool,
    /// Whether someone followed a short link in it.
    pub clicked: bool,
    /// Its parts, in order.
    pub parts: Vec<StatusPart>,
    /// What happened, oldest first.
    pub events: Vec<StatusEvent>,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusPart {
    /// Where it stands.
    pub state: PartState,
    /// The route it is on.
    pub route: String,
    /// What it costs; nothing where it ended before a carrier took it, or where it was given back.
    pub cost: Money,
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct StatusEvent {
    /// What.
    pub kind: EventKind,
    /// When.
    pub at: Instant,
    /// To which part, from 1.
    pub part: u8,
    /// On which route.
    pub route: String,
    /// The word of a receipt.
    pub word: String,
    /// The carrier's error code.
    pub code: String,
    /// The carrier's words, or its id; of a click what [`pombo_domain::link::Click`] keeps.
    pub detail: String,
}

/// Reads messages of the caller; ids that are unknown or someone else's are left out.
pub async fn sms_status(
    app: &App,
    caller: &Caller,
    ids: &[MessageId],
) -> Result<Vec<SmsStatus>, Fault> {
    let question = op::status::Status { account: caller.account(), ids: ids.to_vec() };
    let messages = app.inner.store.ask(question).await?;
    Ok(messages.into_iter().map(view).collect())
}

pub(super) fn view(message: op::status::MessageView) -> SmsStatus {
    let request = message.request;
    let parts = (0_u8..).zip(&message.parts).map(|(idx, part)| {
        let events = message.events.iter().filter(|event| event.part_idx == idx);
        let kinds: Vec<EventKind> = events.map(|event| event.kind).collect();
        let cost = charged(part.price, part.refund, part.state, &kinds);
        StatusPart { state: part.state, route: part.route.clone(), cost }
    });
    SmsStatus {
        id: message.id,
        from: request.sender,
        to: message.to.to_string(),
        text: message.text,
        campaign: request.campaign,
        sending: request.sending,
        clicked: message.events.iter().any(|event| event.kind == EventKind::Clicked),
        delivered: message.parts.iter().all(|part| part.state == PartState::Delivered),
        parts: parts.collect(),
        events: message
            .events
            .into_iter()
            .map(|event| StatusEvent {
                kind: event.kind,
                at: event.at,
                part: event.part_idx + 1,
                route: event.route,
                word: event.word,
                code: event.code,
                detail: event.detail,
            })
            .collect(),
    }
}
