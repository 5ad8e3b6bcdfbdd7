//! Who of a request's recipients is to get no code, because one is pending.

use pombo_domain::otp::Config;
use pombo_store::operation::accept::Recipient;
use pombo_store::operation::otp::Pending;

use super::in_pieces;
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
    let (account, now) = (caller.account(), app.inner.clock.now());
    let pending = |recipients| Pending { account, app: config.app.clone(), recipients, now };
    in_pieces(app, recipients, pending).await
}
