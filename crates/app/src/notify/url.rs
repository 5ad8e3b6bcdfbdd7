//! What a callback's URL says, and whose it is.

use pombo_domain::callback::{Template, Values};
use pombo_domain::id::{CampaignId, SendingId};
use pombo_domain::message::EventKind;
use pombo_store::operation::callback::OwedCallback;
use pombo_store::operation::callback_due::Endpoint;

/// Fills the URL template in.
pub(super) fn expand(callback: &OwedCallback) -> String {
    let values = Values {
        message: callback.part.message(),
        report: report_number(callback.kind),
        sender: &callback.from,
        recipient: callback.to,
        sent_at: Some(callback.sent),
        cost: Some(callback.price),
        word: &callback.word,
        reported_at: callback.at,
        part: callback.part.idx() + 1,
        error: &callback.code,
        campaign: CampaignId(callback.campaign),
        sending: SendingId(callback.sending),
    };
    Template::from_stored(callback.template.clone()).expand(&values)
}

/// `%d` of what is not the end.
const PASSING: u8 = 4;

/// Whether it tells of no end.
pub(super) const fn is_passing(kind: EventKind) -> bool {
    report_number(kind) == PASSING
}

/// `%d` of a callback: 1 delivered, 2 not delivered, 4 with the operator, 16 refused at submission.
const fn report_number(kind: EventKind) -> u8 {
    match kind {
        EventKind::Delivered => 1,
        EventKind::Undelivered
        | EventKind::Expired
        | EventKind::Rejected
        | EventKind::Cancelled => 2,
        EventKind::Sent
        | EventKind::Buffered
        | EventKind::Uncertain
        | EventKind::Deferred
        | EventKind::Clicked
        | EventKind::Inbound
        | EventKind::CodesLimited
        | EventKind::Unsubscribed
        | EventKind::Resubscribed => PASSING,
        EventKind::Refused => 16,
    }
}

/// Whose fate it shares: the account's other callbacks to the same URL, whatever their queries.
pub(super) fn endpoint_of(callback: &OwedCallback) -> Endpoint {
    let template = &callback.template;
    let end = template.find(['?', '#']).unwrap_or(template.len());
    Endpoint { account: callback.account, base: template[..end].to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_the_reports_are_the_documented_ones() {
        assert_eq!(report_number(EventKind::Delivered), 1);
        assert_eq!(report_number(EventKind::Expired), 2);
        assert_eq!(report_number(EventKind::Rejected), 2);
        assert_eq!(report_number(EventKind::Buffered), 4);
        assert_eq!(report_number(EventKind::Refused), 16);
    }
}
