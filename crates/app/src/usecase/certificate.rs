//! `certificate`: all the evidence of a certified message that is over.

use pombo_domain::certificate::Hash;
use pombo_domain::id::{AccountId, MessageId};
use pombo_domain::sms::Encoding;
use pombo_domain::time::Instant;
use pombo_store::Store;
use pombo_store::operation as op;
use pombo_store::operation::certificate::Certified;
pub use pombo_store::operation::certificate::Link;

use super::status::{self, SmsStatus};
use crate::App;
use crate::auth::Caller;
use crate::error::Fault;

/// What there is of a certificate.
#[derive(Debug)]
pub enum Certificate {
    /// There is no such message, it is not certified, or its history has gone.
    Unknown,
    /// A part has no final state yet.
    Open,
    /// It can be written.
    Ready(Box<Evidence>),
}

/// What it certifies. The same message has the same evidence, until more happens to it.
#[derive(Debug)]
pub struct Evidence {
    /// Whose message it was.
    pub account: String,
    /// What its prices are in.
    pub currency: String,
    /// When it was accepted.
    pub accepted: Instant,
    /// When it was to be sent, where that was asked or the rules of its country said so.
    pub scheduled: Option<Instant>,
    /// When it would have expired, where that was asked.
    pub expires: Option<Instant>,
    /// Its alphabet.
    pub encoding: Encoding,
    /// The message, its parts and what happened to them.
    pub message: SmsStatus,
    /// The chain, from what was accepted on; what is stored fits it.
    pub links: Vec<Link>,
}

impl Evidence {
    /// The last hash of the chain: no other history has it.
    #[must_use]
    pub fn head(&self) -> Hash {
        self.links.last().map_or_else(|| Hash::of(None, &[]), |link| link.hash)
    }

    /// When the last thing happened to it.
    #[must_use]
    pub fn last(&self) -> Instant {
        self.message.events.iter().map(|event| event.at).max().unwrap_or(self.accepted)
    }
}

/// Reads the evidence of one of the caller's messages.
pub async fn certificate(
    app: &App,
    caller: &Caller,
    message: MessageId,
) -> Result<Certificate, Fault> {
    let account = Some(caller.account());
    let found = app.inner.store.ask(op::certificate::Certificate { message, account }).await?;
    let currency = &caller.settings().currency;
    word(message, found, |_| Ok(Some((caller.name().to_owned(), currency.clone()))))
}

/// Reads the evidence of anybody's message, for an operator; blocks.
pub fn inspect(store: &Store, message: MessageId) -> Result<Certificate, Fault> {
    let account = None;
    let found = store.ask_blocking(op::certificate::Certificate { message, account })?;
    word(message, found, |account| {
        let found = store.ask_blocking(op::account::Find::Id(account))?;
        Ok(found.map(|account| (account.name, account.currency)))
    })
}

/// `whose` tells an account's name and currency.
fn word(
    id: MessageId,
    found: Certified,
    whose: impl FnOnce(AccountId) -> Result<Option<(String, String)>, Fault>,
) -> Result<Certificate, Fault> {
    let evidence = match found {
        Certified::Unknown | Certified::Gone => return Ok(Certificate::Unknown),
        Certified::Open => return Ok(Certificate::Open),
        Certified::Broken(why) => return Err(Fault::Changed { message: id, why }),
        Certified::Whole(evidence) => *evidence,
    };
    let request = &evidence.message.request;
    let (accepted, due, expires) = (request.created, request.due, request.expires);
    let encoding = request.encoding;
    let (account, currency) = whose(request.account)?.unwrap_or_default();
    Ok(Certificate::Ready(Box::new(Evidence {
        account,
        currency,
        accepted,
        scheduled: (due > accepted).then_some(due),
        expires,
        encoding,
        message: status::view(evidence.message),
        links: evidence.links,
    })))
}
