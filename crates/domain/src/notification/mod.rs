//! Event notifications: which of a message's events are told to its account's URL, and in which words.
//!
//! The names of the events and fields are those of the 360NRS API document. It tells of messages,
//! so a message of several parts has one `sent`, one `delivered` and one failure, whatever its parts
//! went through. Events that the document does not name go only to who asked for them.

mod body;
pub mod signature;

use crate::callback::{BadCallbackUrl, Template};
use crate::message::EventKind;

pub use body::{Format, Notification, click_extra, inbound_extra, limited_extra};

/// The kinds of event that the API document does not name: told only where they are asked for.
const OWN: [EventKind; 7] = [
    EventKind::Buffered,
    EventKind::Uncertain,
    EventKind::Deferred,
    EventKind::Cancelled,
    EventKind::Inbound,
    EventKind::Resubscribed,
    EventKind::CodesLimited,
];

/// Which events of our own an account asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnEvents(u64);

/// No event of our own has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no event that can be asked for; there are {names}", names = OwnEvents::ALL.names().join(", "))]
pub struct NoSuchEvent(pub String);

impl OwnEvents {
    /// None.
    pub const NONE: Self = Self(0);
    /// All there are.
    pub const ALL: Self = {
        let mut all = 0;
        let mut i = 0;
        while i < OWN.len() {
            all |= bit(OWN[i]);
            i += 1;
        }
        Self(all)
    };

    /// Reads names.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, NoSuchEvent> {
        names.into_iter().try_fold(Self::NONE, |Self(all), name| {
            let kind = OWN.into_iter().find(|kind| kind.as_str() == name);
            kind.map(|kind| Self(all | bit(kind))).ok_or_else(|| NoSuchEvent(name.to_owned()))
        })
    }

    /// Their names.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        OWN.into_iter().filter(|kind| self.0 & bit(*kind) != 0).map(EventKind::as_str).collect()
    }

    /// Whether an event of this kind is told.
    #[must_use]
    pub const fn tells(self, kind: EventKind) -> bool {
        kind.api_name().is_some() || self.0 & bit(kind) != 0
    }
}

const fn bit(kind: EventKind) -> u64 {
    1 << kind as u8
}

/// Whether an event moves its message, where `before` is what its part had come to and `others`
/// what the message's other parts had: `None` for a part of which nothing is known yet.
///
/// A message is sent with its last part, delivered with its last part, and failed with its first.
#[must_use]
pub fn moves_message(
    event: EventKind,
    before: Option<EventKind>,
    others: &[Option<EventKind>],
) -> bool {
    use EventKind::{Delivered, Sent};
    match event {
        Sent => others.iter().all(|part| matches!(part, Some(Sent | Delivered))),
        Delivered => others.iter().all(|part| *part == Some(Delivered)),
        failure if failure.end().is_some() => !others.iter().chain([&before]).any(is_failed),
        // It passes: the part is where it was.
        _ => true,
    }
}

/// Whether an event tells where a part has come to, rather than what passes on the way.
#[must_use]
pub const fn is_state(kind: EventKind) -> bool {
    kind.end().is_some() || matches!(kind, EventKind::Sent)
}

fn is_failed(part: &Option<EventKind>) -> bool {
    part.and_then(EventKind::end).is_some_and(|end| end != crate::message::PartState::Delivered)
}

/// Reads the URL that an account's events are told to: as a callback's, but without escapes.
pub fn parse_url(text: &str) -> Result<String, BadCallbackUrl> {
    Template::parse(text).map(|url| url.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_beyond_the_documents_are_told_only_where_asked_for() {
        let some = OwnEvents::parse(["cancelled", "buffered"]).expect("there are such");
        assert_eq!(some.names(), ["buffered", "cancelled"]);
        assert!(some.tells(EventKind::Cancelled) && !some.tells(EventKind::Deferred));
        for named in [EventKind::Sent, EventKind::Delivered, EventKind::Refused] {
            assert!(OwnEvents::NONE.tells(named));
        }
        assert!(!OwnEvents::NONE.tells(EventKind::Buffered));
        let wrong = OwnEvents::parse(["delivered"]).expect_err("it needs no asking");
        assert_eq!(
            wrong.to_string(),
            "\"delivered\" is no event that can be asked for; \
             there are buffered, uncertain, deferred, cancelled, inbound, resubscribed, codes_limited"
        );
    }

    #[test]
    fn a_message_is_sent_and_delivered_with_its_last_part_and_fails_with_its_first() {
        use EventKind::*;
        let (sent, delivered, expired) = (Some(Sent), Some(Delivered), Some(Expired));
        for (event, before, others, tells) in [
            (Sent, None, vec![], true),
            (Sent, None, vec![None], false),
            (Sent, None, vec![sent, delivered], true),
            (Sent, None, vec![sent, expired], false),
            (Delivered, sent, vec![], true),
            (Delivered, sent, vec![delivered, sent], false),
            (Delivered, sent, vec![delivered, delivered], true),
            (Delivered, expired, vec![delivered], true),
            (Delivered, expired, vec![expired], false),
            (Expired, sent, vec![], true),
            (Expired, sent, vec![delivered, None], true),
            (Undelivered, sent, vec![sent, expired], false),
            (Refused, None, vec![], true),
            (Cancelled, None, vec![None], true),
            (Cancelled, None, vec![Some(Cancelled)], false),
            (Buffered, sent, vec![sent], true),
        ] {
            let told = moves_message(event, before, &others);
            assert_eq!(told, tells, "{event:?} after {before:?} beside {others:?}");
        }
    }
}
