//! `otp`: one-time codes for those who have to show that a number or an address is theirs.

use pombo_domain::opt_out::Address;
use pombo_domain::otp::{Config, Key};
use pombo_domain::time::Instant;
use pombo_store::Store;
use pombo_store::operation::otp as op;
use pombo_store::operation::otp::Limited;
pub use pombo_store::operation::otp::{Checked, Made};

use crate::App;
use crate::auth::{self, Caller};
use crate::clock::Clock;
use crate::error::{Error, Fault, Refusal};

/// Sees to it that the store has a key that codes are made with.
pub(crate) async fn keep_key(store: &Store, clock: &Clock) -> Result<(), Fault> {
    let key = Key::new(auth::random());
    Ok(store.run(op::KeepKey { key, now: clock.now() }).await?)
}

/// Makes a code for a recipient and tells it to the caller; it is sent nowhere.
pub async fn generate(
    app: &App,
    caller: &Caller,
    recipient: Address,
    config: Config,
) -> Result<Made, Error> {
    let (account, now) = (caller.account(), app.inner.clock.now());
    let (limits, salt) = (app.rules().otp_limits.of(caller.name()), auth::random());
    let generate = op::Generate { account, recipient, config, limits, salt, now };
    match app.inner.store.run(generate).await? {
        op::Generated::Made(made) => {
            metrics::counter!("pombo_otp_codes_total", "by" => "request").increment(1);
            Ok(made)
        }
        op::Generated::Pending => Err(Refusal::CodePending.into()),
        op::Generated::Limited(limited) => Err(refused(caller, limited, now).into()),
    }
}

/// Tells the operator that a limit was met: somebody may be pumping.
pub(crate) fn refused(caller: &Caller, limited: Limited, now: Instant) -> Refusal {
    let scope = limited.scope.as_str();
    metrics::counter!("pombo_otp_limited_total", "scope" => scope).increment(1);
    tracing::warn!(account = caller.name(), scope, "one-time codes are refused: [otp] limits them");
    Refusal::CodesLimited { retry_after: limited.until.since(now) }
}

/// Compares what a recipient says with their code, and counts it.
pub async fn check(
    app: &App,
    caller: &Caller,
    (recipient, id): (Address, String),
    guess: String,
) -> Result<Checked, Fault> {
    let (account, now) = (caller.account(), app.inner.clock.now());
    let check = op::Check { account, recipient, app: id, guess, now };
    let checked = app.inner.store.run(check).await?;
    let reason = checked.reason.as_str();
    metrics::counter!("pombo_otp_checks_total", "reason" => reason).increment(1);
    Ok(checked)
}
