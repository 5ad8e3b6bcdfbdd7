//! Who of a request's recipients has opted out: told beforehand where it is only asked, and where a
//! request is too large for the one command that accepts it.

use pombo_domain::id::MessageId;
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::time::Instant;
use pombo_store::operation::accept::Recipient;
use pombo_store::operation::opt_out::{Among, Refuse};

use super::in_pieces;
use crate::App;
use crate::auth::Caller;
use crate::error::Fault;

/// The indexes of those who have, in rising order.
pub(super) async fn among(
    app: &App,
    caller: &Caller,
    recipients: &[Recipient],
) -> Result<Vec<usize>, Fault> {
    let account = caller.account();
    let among = |recipients| Among { account, recipients };
    in_pieces(app, recipients, among).await
}

/// Ends the messages of an accepted request to those who have. What this leaves undone, a claim
/// does: nobody is messaged either way.
pub(super) async fn refuse(
    app: &App,
    caller: &Caller,
    (first, recipients): (MessageId, &[Recipient]),
    opted_out: &[usize],
    now: Instant,
) {
    let mut messages = Vec::new();
    let mut rows = 0;
    for (i, idx) in opted_out.iter().enumerate() {
        let Some(recipient) = recipients.get(*idx) else { continue };
        rows += usize::from(recipient.n_parts);
        messages.push((first.plus(*idx), *recipient));
        let next = opted_out.get(i + 1).and_then(|next| recipients.get(*next));
        let next_rows = next.map_or(ROWS_PER_OPERATION_MAX, |next| usize::from(next.n_parts));
        if rows + next_rows > ROWS_PER_OPERATION_MAX {
            let messages = std::mem::take(&mut messages);
            let refuse = Refuse { account: caller.account(), messages, now };
            if let Err(error) = app.inner.store.run(refuse).await {
                tracing::warn!(%error, "messages to who opted out end when they are due");
                return;
            }
            rows = 0;
        }
    }
}
