//! `otp`: one-time codes for those who have to show that a number or an address is theirs.

use pombo_domain::opt_out::Address;
use pombo_domain::otp::{Config, Key};
use pombo_store::Store;
use pombo_store::operation::otp as op;
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
    let generate = op::Generate { account, recipient, config, salt: auth::random(), now };
    let made = app.inner.store.run(generate).await?;
    made.ok_or(Error::Refused(Refusal::CodePending))
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
    Ok(app.inner.store.run(check).await?)
}
