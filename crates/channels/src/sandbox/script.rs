//! What the simulated carrier does with a number: the magic ones, and all others.

use std::time::Duration;

use pombo_domain::address::Phone;
use pombo_domain::message::PartState;

/// The magic numbers +34 699 000 0NN: NN, and what happens to each part that goes there.
/// Every other number takes each part, and has it delivered after [`ORDINARY`].
pub const MAGIC: &[(u8, &str)] = &[
    (0, "delivered at once"),
    (1, "delivered after 1 s"),
    (2, "undelivered (UNDELIV, error 27: absent subscriber)"),
    (3, "expired at the carrier (EXPIRED)"),
    (4, "accepted, then rejected by the network (REJECTD, error 1: unknown subscriber)"),
    (5, "refused at submission (11, ESME_RINVDSTADR)"),
    (6, "throttled at the first try (88, ESME_RTHROTTLED), then accepted and delivered"),
    (7, "system error at the first two tries (8, ESME_RSYSERR), then accepted and delivered"),
    (8, "delivered; the receipt comes 30 s late"),
    (9, "delivered; the receipt comes twice"),
    (10, "delivered; the receipt comes before the carrier's response"),
    (11, "delivered; no receipt ever comes"),
    (12, "delivered; the receipt writes the carrier's id with leading zeros"),
    (13, "no answer at the first try (uncertain); accepted and delivered when sent again"),
    (14, "unknown (UNKNOWN), then delivered"),
    (15, "an intermediate receipt (ACCEPTD), then delivered"),
    (16, "deleted at the carrier (DELETED)"),
    (17, "expired (EXPIRED), then delivered after all"),
    (18, "the recipient's queue stays full (20, ESME_RMSGQFUL) until the tries are used up"),
];

/// How long an ordinary number takes to have a part.
pub const ORDINARY: Duration = Duration::from_millis(300);

/// The answer to a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Accept,
    /// A temporary error: code, name, tries in all (`None`: throttling).
    Defer(&'static str, &'static str, Option<u8>),
    /// A permanent one.
    Refuse(&'static str, &'static str),
    Silence,
}

/// What a receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) state: PartState,
    pub(super) word: &'static str,
    pub(super) error: &'static str,
    /// Whether it writes the id with leading zeros.
    pub(super) padded: bool,
}

/// Something that happens to an accepted part, some time after the submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) after: Duration,
    /// The receipt that leaves, if any.
    pub(super) told: Option<Told>,
    /// Whether the handset gets the part now.
    pub(super) shows: bool,
}

/// What happens to one try of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) answer: Answer,
    pub(super) answer_after: Duration,
    /// Follows only an [`Answer::Accept`].
    pub(super) steps: &'static [Step],
}

/// NN of a magic number.
pub(super) fn magic(to: Phone) -> Option<u8> {
    let digits = to.digits();
    (digits / 100 == 346_990_000).then(|| u8::try_from(digits % 100).unwrap_or(u8::MAX))
}

/// Whether the script of this number depends on the tries before.
pub(super) const fn counts_tries(magic: u8) -> bool {
    matches!(magic, 6 | 7 | 13)
}

/// What happens to a part for this number that was tried `tries_before` times.
pub(super) fn script(magic: Option<u8>, tries_before: u8) -> Script {
    let steps = match magic {
        Some(0) => AT_ONCE,
        Some(1) => AFTER_1_S,
        Some(2) => UNDELIVERED,
        Some(3) => EXPIRED,
        Some(4) => REJECTED,
        Some(8) => LATE,
        Some(9) => TWICE,
        Some(10) => AT_ONCE,
        Some(11) => NEVER,
        Some(12) => PADDED,
        Some(14) => UNKNOWN_FIRST,
        Some(15) => INTERMEDIATE_FIRST,
        Some(16) => DELETED,
        Some(17) => EXPIRED_FIRST,
        _ => USUAL,
    };
    let (answer, answer_after_ms) = match (magic, tries_before) {
        (Some(5), _) => (Answer::Refuse("11", "ESME_RINVDSTADR"), 0),
        (Some(6), 0) => (Answer::Defer("88", "ESME_RTHROTTLED", None), 0),
        (Some(7), 0 | 1) => (Answer::Defer("8", "ESME_RSYSERR", Some(2)), 0),
        (Some(10), _) => (Answer::Accept, 500),
        (Some(13), 0) => (Answer::Silence, 1_000),
        (Some(18), _) => (Answer::Defer("20", "ESME_RMSGQFUL", Some(2)), 0),
        _ => (Answer::Accept, 0),
    };
    Script { answer, answer_after: Duration::from_millis(answer_after_ms), steps }
}

const DELIVRD: Told = told(PartState::Delivered, "DELIVRD", "");

const USUAL: &[Step] = &[delivered(300)];
const AT_ONCE: &[Step] = &[delivered(0)];
const AFTER_1_S: &[Step] = &[delivered(1_000)];
const UNDELIVERED: &[Step] = &[receipt(300, told(PartState::Undelivered, "UNDELIV", "27"))];
const EXPIRED: &[Step] = &[receipt(300, told(PartState::Expired, "EXPIRED", ""))];
const REJECTED: &[Step] = &[receipt(300, told(PartState::Rejected, "REJECTD", "1"))];
const DELETED: &[Step] = &[receipt(300, told(PartState::Undelivered, "DELETED", ""))];
const LATE: &[Step] = &[SHOWN, receipt(30_000, DELIVRD)];
const TWICE: &[Step] = &[delivered(300), receipt(800, DELIVRD)];
const NEVER: &[Step] = &[SHOWN];
const PADDED: &[Step] = &[SHOWN, receipt(300, Told { padded: true, ..DELIVRD })];
const UNKNOWN_FIRST: &[Step] =
    &[receipt(300, told(PartState::Undelivered, "UNKNOWN", "")), delivered(1_500)];
const INTERMEDIATE_FIRST: &[Step] =
    &[receipt(300, told(PartState::Sent, "ACCEPTD", "")), delivered(1_500)];
const EXPIRED_FIRST: &[Step] =
    &[receipt(300, told(PartState::Expired, "EXPIRED", "")), delivered(1_500)];

/// On the handset, without a word to the sender.
const SHOWN: Step = Step { after: ORDINARY, told: None, shows: true };

const fn told(state: PartState, word: &'static str, error: &'static str) -> Told {
    Told { state, word, error, padded: false }
}

const fn receipt(after_ms: u64, told: Told) -> Step {
    Step { after: Duration::from_millis(after_ms), told: Some(told), shows: false }
}

const fn delivered(after_ms: u64) -> Step {
    Step { shows: true, ..receipt(after_ms, DELIVRD) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hundred_numbers_are_magic() {
        let of = |digits| magic(Phone::from_stored(digits));
        assert_eq!(of(34_699_000_000), Some(0));
        assert_eq!(of(34_699_000_018), Some(18));
        assert_eq!(of(34_699_000_099), Some(99));
        assert_eq!(of(34_699_000_100), None);
        assert_eq!(of(34_698_999_999), None);
        assert_eq!(of(34_600_000_000), None);
    }

    #[test]
    fn the_table_is_in_order_and_every_other_number_is_ordinary() {
        assert!(MAGIC.iter().map(|row| row.0).eq(0..=18));
        for number in [None, Some(19), Some(99)] {
            let ordinary = script(number, 0);
            assert_eq!((ordinary.answer, ordinary.steps), (Answer::Accept, USUAL));
        }
        assert_eq!(USUAL[0].after, ORDINARY);
    }
}
