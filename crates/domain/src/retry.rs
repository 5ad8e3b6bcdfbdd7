//! What happens to a part after an outcome.

use std::time::Duration;

use crate::channel::Outcome;
use crate::message::PartState;
use crate::route::UncertainPolicy;
use crate::time::Instant;

/// Tries of one part at most, whatever the error class allows.
pub const TRIES_MAX: u8 = 25;

/// Longest pause between two tries.
pub const WAIT_MAX: Duration = Duration::from_secs(30 * 60);

/// The next step of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The carrier has it; wait for the receipt.
    AwaitReceipt,
    /// Queue it again, due then; another route may take it where one fits.
    TryAgain {
        /// Not before.
        due: Instant,
        /// Whether this try counts against the class's number of tries.
        counts: bool,
    },
    /// Queue it again as if nothing had been tried.
    GiveBack,
    /// It ends in this state.
    End(PartState),
    /// It is in doubt; follow the policy.
    Doubt(UncertainPolicy),
}

/// Decides the next step. `try_number` counts from 1 and includes the try just made.
#[must_use]
pub fn next(
    outcome: &Outcome,
    try_number: u8,
    expires: Option<Instant>,
    policy: UncertainPolicy,
    now: Instant,
) -> Next {
    match outcome {
        Outcome::Accepted { .. } => Next::AwaitReceipt,
        Outcome::Refused { state, .. } => Next::End(*state),
        Outcome::Unknown { .. } => Next::Doubt(policy),
        Outcome::Unsent => Next::GiveBack,
        Outcome::Deferred { wait, tries_max, .. } => {
            let counts = tries_max.is_some();
            let exhausted =
                tries_max.is_some_and(|max| try_number > max) || try_number >= TRIES_MAX;
            if counts && exhausted {
                return Next::End(PartState::Rejected);
            }
            let due = now.plus(backoff(*wait, if counts { try_number } else { 1 }));
            match expires {
                Some(end) if due >= end => Next::End(PartState::Expired),
                _ => Next::TryAgain { due, counts },
            }
        }
    }
}

/// Doubles the class's wait with each try, up to half an hour.
fn backoff(wait: Duration, try_number: u8) -> Duration {
    let doubled = wait.saturating_mul(1 << u32::from(try_number.saturating_sub(1).min(10)));
    doubled.min(WAIT_MAX.max(wait))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Cause;

    const NOW: Instant = Instant::from_micros(1_000_000_000);

    fn deferred(wait_s: u64, tries_max: Option<u8>) -> Outcome {
        let cause = Cause { code: "8".into(), text: "ESME_RSYSERR".into() };
        Outcome::Deferred { wait: Duration::from_secs(wait_s), tries_max, cause }
    }

    fn after(outcome: &Outcome, try_number: u8, expires: Option<Instant>) -> Next {
        next(outcome, try_number, expires, UncertainPolicy::Resend, NOW)
    }

    #[test]
    fn a_temporary_error_is_tried_again_later_and_later_and_then_no_more() {
        let error = deferred(30, Some(2));
        let due = |s| Next::TryAgain { due: NOW.plus(Duration::from_secs(s)), counts: true };
        assert_eq!(after(&error, 1, None), due(30));
        assert_eq!(after(&error, 2, None), due(60));
        assert_eq!(after(&error, 3, None), Next::End(PartState::Rejected));
    }

    #[test]
    fn throttling_costs_no_try() {
        let due = NOW.plus(Duration::from_secs(1));
        assert_eq!(after(&deferred(1, None), 200, None), Next::TryAgain { due, counts: false });
    }

    #[test]
    fn a_retry_after_the_expiry_ends_as_expired() {
        let soon = Some(NOW.plus(Duration::from_secs(10)));
        assert_eq!(after(&deferred(30, Some(2)), 1, soon), Next::End(PartState::Expired));
    }

    #[test]
    fn doubt_follows_the_routes_policy() {
        let cause = Cause { code: String::new(), text: "link lost".into() };
        let unknown = Outcome::Unknown { cause };
        for policy in [UncertainPolicy::Resend, UncertainPolicy::Wait, UncertainPolicy::Hold] {
            assert_eq!(next(&unknown, 1, None, policy, NOW), Next::Doubt(policy));
        }
    }
}
