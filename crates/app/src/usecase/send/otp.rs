//! Who of a request's recipients is to get no code, because one is pending.

use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::otp::Config;
use pombo_store::operation::accept::Recipient;
use pombo_store::operation::otp::Pending;

use crate::App;
use crate::auth::Caller;
use crate::error::Fault;

/// The indexes of those who have one that is pending, in rising order.
pub(super) async fn pending(
    app: &App,
    caller: &Caller,
    recipients: &[Recipient],
    config: &Config,
) -> Result<Vec<usize>, Fault> {
    let mut found = Vec::new();
    for (i, piece) in recipients.chunks(ROWS_PER_OPERATION_MAX).enumerate() {
        let recipients = piece.iter().map(|recipient| recipient.to).collect();
        let (account, now) = (caller.account(), app.inner.clock.now());
        let pending = Pending { account, app: config.app.clone(), recipients, now };
        let listed = app.inner.store.ask(pending).await?;
        found.extend(listed.into_iter().map(|idx| i * ROWS_PER_OPERATION_MAX + idx));
    }
    Ok(found)
}
