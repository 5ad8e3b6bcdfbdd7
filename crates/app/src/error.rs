//! The two kinds of error: a refusal is the caller's to mend, a fault is ours.

use std::time::Duration;

use pombo_domain::certificate::Broken;
use pombo_domain::id::MessageId;
use pombo_domain::sms::Unfit;

/// Why a request was not done; each dialect has its own words for every variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No recipient is a number that some route carries to.
    #[error("no valid recipients")]
    NoValidRecipients,
    /// The text cannot be sent.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// It would expire before it could leave.
    #[error("it would expire before it may be sent")]
    ExpiresBeforeSending,
    /// The balance does not cover it.
    #[error("not enough credits")]
    NotEnoughCredits,
    /// It would cost more than the account may spend today.
    #[error("the account's daily spend cap is reached")]
    SpendCap,
    /// The account's messages of today are used up.
    #[error("the account's daily limit is reached")]
    DailyLimit {
        /// Until the next UTC day.
        retry_after: Duration,
    },
    /// The campaign named was cancelled.
    #[error("the campaign was cancelled")]
    CampaignCancelled,
    /// The recipient has a one-time code that is pending, and another was not to be made.
    #[error("a one-time code is pending")]
    CodePending,
    /// Too many one-time codes were made for the recipient, for its range, or by the account.
    #[error("too many one-time codes")]
    CodesLimited {
        /// Until the limit counts anew.
        retry_after: Duration,
    },
    /// The operator limits one-time codes, and one request has more than are counted together.
    #[error("too many one-time codes at once")]
    TooManyCodes {
        /// The most that are.
        most: usize,
    },
    /// The key was used with another body.
    #[error("this Idempotency-Key was used with another body")]
    IdempotencyMismatch,
    /// The disk is nearly full: what is left is for what was accepted before.
    #[error("there is no room for more messages now")]
    NoRoom {
        /// No sooner than after this.
        retry_after: Duration,
    },
    /// Too much at once; nothing was kept; try again.
    #[error("too busy, try again")]
    Busy {
        /// No sooner than after this.
        retry_after: Duration,
    },
}

/// Our own failure: logged with its chain, shown as a plain error.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The store cannot keep anything now (disk full or out of reach); worth trying again.
    #[error("the store is not available")]
    StoreUnavailable(#[source] pombo_store::Error),
    /// The store failed in a way that no retry mends.
    #[error("the store failed")]
    Store(#[source] pombo_store::Error),
    /// What is stored of a certified message was changed after it was written.
    #[error(
        "message {message} has no certificate: {why}; somebody or something has changed the store"
    )]
    Changed {
        /// Which.
        message: MessageId,
        /// Where it shows.
        why: Broken,
    },
}

/// Either kind.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Ours.
    #[error(transparent)]
    Failed(#[from] Fault),
}

impl From<pombo_store::Error> for Fault {
    fn from(error: pombo_store::Error) -> Self {
        if error.is_passing() { Self::StoreUnavailable(error) } else { Self::Store(error) }
    }
}

impl From<pombo_store::Error> for Error {
    fn from(error: pombo_store::Error) -> Self {
        Self::Failed(error.into())
    }
}
