//! What is posted to an account's URL: the body, and the Standard Webhooks headers over it.

use pombo_domain::notification::{Notification, click_extra, inbound_extra, signature};
use pombo_domain::time::Instant;
use pombo_store::operation::notification::owed::{Detail, OwedNotification};

use super::subscriptions::Subscription;

/// One POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The Content-Type.
    pub media_type: &'static str,
    /// More headers, in small letters.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// Writes the letter of one try. The id stays over all tries; the time and the signature are the try's.
pub(super) fn write(owed: &OwedNotification, to: &Subscription, now: Instant) -> Letter {
    let notification = Notification {
        // What is of no message of ours stands under the negative number of itself.
        message: (owed.message.0 > 0).then_some(owed.message),
        channel: "sms",
        contact: 0,
        campaign: owed.campaign,
        campaign_name: owed.campaign_name.clone(),
        event: owed.kind.as_str(),
        at: owed.at,
        extra: match &owed.detail {
            Detail::None => None,
            Detail::Link(url) => Some(click_extra(url)),
            Detail::Written(m) => Some(inbound_extra(m.id, &m.from, &m.to, &m.text)),
            Detail::Kept(extra) => Some(extra.clone()),
        },
    };
    let body = notification.body(to.format);
    let id = format!("evt_{}", owed.event.0);
    let timestamp = now.millis().div_euclid(1_000);
    let signature = signature::header(to.secrets_at(now), &id, timestamp, body.as_bytes());
    Letter {
        media_type: to.format.media_type(),
        headers: vec![
            ("webhook-id", id),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", signature),
        ],
        body,
    }
}
