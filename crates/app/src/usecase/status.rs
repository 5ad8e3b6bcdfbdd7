//! `status`: what became of messages.

use pombo_domain::id::{CampaignId, MessageId, SendingId};
use pombo_domain::message::{EventKind, PartState};
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
    /// What happened, oldest first.
    pub events: Vec<StatusEvent>,
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
    /// The carrier's words.
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

fn view(message: op::status::MessageView) -> SmsStatus {
    let request = message.request;
    SmsStatus {
        id: message.id,
        from: request.sender,
        to: message.to.to_string(),
        text: request.text,
        campaign: request.campaign,
        sending: request.sending,
        delivered: message.parts.iter().all(|state| *state == PartState::Delivered),
        events: message
            .events
            .into_iter()
            .map(|event| StatusEvent {
                kind: event.kind,
                at: event.at,
                part: event.part_idx + 1,
                detail: event.detail,
            })
            .collect(),
    }
}
