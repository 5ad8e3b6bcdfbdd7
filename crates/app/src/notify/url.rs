//! What a callback's URL says, and whose it is.

use pombo_domain::callback::{Template, Values};
use pombo_domain::id::{CampaignId, SendingId};
use pombo_domain::message::EventKind;
use pombo_store::operation::callback::OwedCallback;

/// Fills the URL template in.
pub(super) fn expand(callback: &OwedCallback) -> String {
    let values = Values {
        message: callback.part.message(),
        report: report_number(callback.kind),
        sender: &callback.from,
        recipient: callback.to,
        sent_at: Some(callback.created),
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
pub(super) const PASSING: u8 = 4;

/// `%d` of a callback: 1 delivered, 2 not delivered, 4 with the operator, 16 refused at submission.
pub(super) const fn report_number(kind: EventKind) -> u8 {
    match kind {
        EventKind::Delivered => 1,
        EventKind::Undelivered
        | EventKind::Expired
        | EventKind::Rejected
        | EventKind::Cancelled => 2,
        EventKind::Sent | EventKind::Buffered | EventKind::Uncertain | EventKind::Deferred => {
            PASSING
        }
        EventKind::Refused => 16,
    }
}

/// The scheme, host and port of a URL: who is paced together.
pub(super) fn host_of(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_paced_by_scheme_host_and_port() {
        for (url, host) in [
            ("https://example.com/dlr?id=1", "https://example.com"),
            ("http://example.com:8080?x", "http://example.com:8080"),
            ("http://example.com", "http://example.com"),
        ] {
            assert_eq!(host_of(url), host);
        }
    }

    #[test]
    fn the_numbers_of_the_reports_are_the_documented_ones() {
        assert_eq!(report_number(EventKind::Delivered), 1);
        assert_eq!(report_number(EventKind::Expired), 2);
        assert_eq!(report_number(EventKind::Rejected), 2);
        assert_eq!(report_number(EventKind::Buffered), 4);
        assert_eq!(report_number(EventKind::Refused), 16);
    }
}
