//! What the log says of requests that fail on our side: a line a second while the store is out of
//! reach, when every request does.

use std::sync::LazyLock;

use pombo_app::error::Fault;
use pombo_store::seldom::Seldom;

static PASSING: LazyLock<Seldom> = LazyLock::new(Seldom::default);

/// Logs `what` failed, and why.
pub(super) fn log(what: &'static str, fault: &Fault) {
    let why = fault as &dyn std::error::Error;
    match fault {
        Fault::StoreUnavailable(_) => {
            if let Some(n_more) = PASSING.turn() {
                tracing::error!(error = why, n_more, "{what}");
            }
        }
        Fault::Store(_) | Fault::Changed { .. } => tracing::error!(error = why, "{what}"),
    }
}

/// Logs that the store has not answered in time.
pub(super) fn log_unanswered() {
    if let Some(n_more) = PASSING.turn() {
        tracing::error!(n_more, "a request was given up: the store has not answered");
    }
}
