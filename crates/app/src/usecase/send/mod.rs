//! `send`: accept an SMS request for any number of recipients, or say why not.

mod opening;
mod opt_out;
mod otp;
mod plan;
mod planned;
mod senders;
mod texts;
mod wording;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pombo_domain::address::{Country, Phone, Sender};
use pombo_domain::callback;
use pombo_domain::country::{Cause, Forbidden};
use pombo_domain::id::{CampaignId, MessageId, SendingId};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::message::Category;
use pombo_domain::otp::Config;
use pombo_domain::sms::personal::{Template, Values};
use pombo_domain::sms::{Encoding, Unfit};
use pombo_domain::time::Instant;
use pombo_domain::window::AvailableTimes;
use pombo_store::operation as op;
use pombo_store::operation::accept::Accepted;

use crate::App;
use crate::auth::Caller;
use crate::error::{Error, Fault, Refusal};

use plan::Plan;
use planned::{dry_run, planned};
use texts::FinalTexts;

pub use planned::Planned;

/// One recipient as the caller wrote it.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// The caller's own spelling, given back in the answer where it is no number.
    pub written: String,
    /// The number and its country, where it is one.
    pub phone: Option<(Phone, Country)>,
}

/// Where status callbacks go.
#[derive(Debug, Clone)]
pub enum Callbacks {
    /// Nowhere.
    None,
    /// One template for all recipients.
    One(callback::Template),
    /// One per recipient, in the order of `to`.
    Each(Vec<callback::Template>),
}

/// What the messages say.
#[derive(Debug, Clone)]
pub enum Text {
    /// All the same; braces are plain text.
    Same(String),
    /// To each recipient its own: the template, and a row of values per entry of `to`.
    Personal(Template, Values),
}

/// The campaign the statistics join.
#[derive(Debug, Clone)]
pub struct CampaignRef {
    /// Found or made under this name.
    pub name: String,
    /// Merged into the campaign's tags.
    pub tags: Vec<String>,
}

/// A key under which the same request is answered once (RFC draft "Idempotency-Key").
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The caller's key.
    pub key: String,
    /// SHA-256 of the body: another body under the same key is refused.
    pub body_sha256: [u8; 32],
}

/// An SMS request, parsed.
#[derive(Debug, Clone)]
pub struct SendSms {
    /// Shown as the sender.
    pub from: Sender,
    /// As the caller wrote it.
    pub text: Text,
    /// At least one.
    pub to: Vec<Recipient>,
    /// The alphabet asked for.
    pub encoding: Encoding,
    /// Most parts allowed, 1 to 15.
    pub parts_max: u8,
    /// Apply the `trans` table first.
    pub trans: bool,
    /// Several independent messages rather than one concatenated.
    pub split: bool,
    /// Shown at once on the screen.
    pub flash: bool,
    /// Not before; `None` is now.
    pub schedule: Option<Instant>,
    /// Worthless after.
    pub expires: Option<Instant>,
    /// Only within these times of the week.
    pub windows: Option<AvailableTimes>,
    /// Status callbacks.
    pub callbacks: Callbacks,
    /// The campaign, where named.
    pub campaign: Option<CampaignRef>,
    /// What the one-time codes in the texts are like, where they have some.
    pub otp: Option<Config>,
    /// The law's kind, where given.
    pub category: Option<Category>,
    /// Answer the same request once.
    pub idempotency: Option<Idempotency>,
    /// Decide everything, send nothing.
    pub dry_run: bool,
    /// It answers somebody who opts out or in: whether they are on the list does not matter.
    pub answers_opt_out: bool,
    /// Each message gets a certificate of what became of it, at an extra price.
    pub certified: bool,
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Accepted under this id.
    Accepted {
        /// The message's id.
        id: MessageId,
        /// Its parts.
        n_parts: u8,
        /// When it leaves, where its recipient's country does not allow it at the time asked for.
        held: Option<Instant>,
    },
    /// Only asked (`dryRun`): what would happen.
    Planned(Box<Planned>),
    /// Not a number.
    NoValidRecipient,
    /// A number that the account may not send to, or that no route carries to.
    Unreachable(Cause),
    /// Its own text cannot be sent.
    Unfit(Unfit),
    /// It has a one-time code that is pending, and was to get no other.
    CodePending,
    /// Its country does not allow it.
    Forbidden(Forbidden),
}

/// The answer to an accepted request.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The campaign it joined, or a number of its own.
    pub campaign: CampaignId,
    /// The sending it joined, or a number of its own.
    pub sending: SendingId,
    /// One per recipient, in the order of `to`; the number as sent, or the caller's spelling.
    pub fates: Vec<(String, Fate)>,
    /// When it leaves, where it was scheduled.
    pub scheduled: Option<Instant>,
    /// When it expires, where that was asked.
    pub expires: Option<Instant>,
    /// Of a dry run: the law's kind of its messages, and who says so.
    pub category: Option<(Category, Cause)>,
}

/// Accepts a request, or says why not. What is answered as accepted is on disk.
pub async fn send_sms(app: &App, caller: &Caller, send: SendSms) -> Result<Sent, Error> {
    let now = app.inner.clock.now();
    let mut plan = Plan::of(app, caller, &send, now).await?;
    let sparing = send.otp.as_ref().filter(|config| config.reject_if_pending);
    // The command that accepts looks itself, where it is one; asked again, it answers its key.
    let looks_before =
        send.dry_run || (plan.n_rows() > ROWS_PER_OPERATION_MAX && send.idempotency.is_none());
    if let Some(config) = sparing.filter(|_| looks_before) {
        plan.leave_out(&otp::pending(app, caller, &plan.recipients, config).await?);
    }
    if send.otp.is_some()
        && plan.n_rows() > ROWS_PER_OPERATION_MAX
        && !app.rules().otp_limits.of(caller.name()).are_none()
    {
        return Err(Refusal::TooManyCodes { most: ROWS_PER_OPERATION_MAX }.into());
    }
    if send.dry_run {
        return dry_run(app, caller, &send, (plan, now)).await;
    }
    if plan.recipients.is_empty() {
        return Ok(planned((app, caller), &send, (&plan, now), &[])); // Each entry says why.
    }
    has_room(app)?;
    let mut answer = store(app, caller, &send, (&plan, now)).await?;
    // Others may have got a code between a look and the next try.
    for _ in 0..PENDING_LOOKS {
        let Some(config) = sparing.filter(|_| answer == Accepted::CodePending) else { break };
        if send.idempotency.is_some() {
            break; // Who asks again under its key must find the same recipients.
        }
        plan.leave_out(&otp::pending(app, caller, &plan.recipients, config).await?);
        if plan.recipients.is_empty() {
            return Ok(planned((app, caller), &send, (&plan, now), &[]));
        }
        answer = store(app, caller, &send, (&plan, now)).await?;
    }
    let Accepted::Done { first, campaign, sending, replayed } = answer else {
        return Err(refused(answer, caller, now));
    };
    if !replayed {
        let n = plan.recipients.len() as u64;
        metrics::counter!("pombo_messages_accepted_total").increment(n);
        if send.otp.is_some() {
            metrics::counter!("pombo_otp_codes_total", "by" => "text").increment(n);
        }
    }
    let (scheduled, expires) = (send.schedule, send.expires);
    let fates = plan.fates(&send, |idx, recipient| Fate::Accepted {
        id: first.plus(idx),
        n_parts: recipient.n_parts,
        held: plan.held_until(idx),
    });
    Ok(Sent { campaign, sending, fates, scheduled, expires, category: None })
}

/// Asks about recipients, a thousand at a time; each answer has indexes in rising order, and so has
/// the whole.
async fn in_pieces<Q: op::Question<Answer = Vec<usize>>>(
    app: &App,
    recipients: &[op::accept::Recipient],
    question: impl Fn(Vec<Phone>) -> Q,
) -> Result<Vec<usize>, Fault> {
    let mut found = Vec::new();
    for (i, piece) in recipients.chunks(ROWS_PER_OPERATION_MAX).enumerate() {
        let phones = piece.iter().map(|recipient| recipient.to).collect();
        let listed = app.inner.store.ask(question(phones)).await?;
        found.extend(listed.into_iter().map(|idx| i * ROWS_PER_OPERATION_MAX + idx));
    }
    Ok(found)
}

/// Whether there is room for a request, on the disk and before the writer.
fn has_room(app: &App) -> Result<(), Error> {
    if let Some(damage) = app.inner.store.damage() {
        return Err(Fault::StoreUnavailable(damage).into());
    }
    if app.inner.is_short_of_room.load(Ordering::Relaxed) {
        return Err(Refusal::NoRoom { retry_after: Duration::from_secs(5) }.into());
    }
    if app.inner.store.backlog() > BACKLOG_MAX {
        return Err(Refusal::Busy { retry_after: Duration::from_secs(1) }.into());
    }
    Ok(())
}

/// Why the store did not take it.
fn refused(answer: Accepted, caller: &Caller, now: Instant) -> Error {
    let refusal = match answer {
        Accepted::NotEnoughCredits => Refusal::NotEnoughCredits,
        Accepted::DailyLimit => Refusal::DailyLimit { retry_after: now.until_next_day() },
        Accepted::CampaignCancelled => Refusal::CampaignCancelled,
        Accepted::CodesLimited(limited) => super::otp::refused(caller, limited, now),
        Accepted::CodePending => Refusal::CodePending,
        Accepted::SpendCap => Refusal::SpendCap,
        // What was done was not refused: nobody asks.
        Accepted::KeyReused | Accepted::Done { .. } => Refusal::IdempotencyMismatch,
    };
    refusal.into()
}

/// How often those with a pending code are left out before all are refused.
const PENDING_LOOKS: usize = 3;

/// Rows waiting for the writer above which new requests are asked to come later.
const BACKLOG_MAX: usize = 200_000;

fn accept(
    app: &App,
    caller: &Caller,
    send: &SendSms,
    (plan, now): (&Plan, Instant),
) -> op::accept::Accept {
    op::accept::Accept {
        account: caller.account(),
        now,
        sender: send.from.to_string(),
        text: plan.text.clone(),
        texts: match plan.has_own_texts(send) {
            false => op::text::Texts::Same,
            true => op::text::Texts::Each(Arc::default()),
        },
        encoding: send.encoding,
        split: send.split,
        flash: send.flash,
        category: plan.category,
        lane: plan.lane,
        concat_ref: app.concat_refs(plan.recipients.len()),
        due: plan.due,
        expires: send.expires,
        windows: send.windows.as_ref().map(AvailableTimes::to_stored).unwrap_or_default(),
        campaign: match &send.campaign {
            None => op::accept::Campaign::Own,
            Some(CampaignRef { name, tags }) => {
                op::accept::Campaign::Named { name: name.clone(), tags: tags.clone() }
            }
        },
        callbacks: callbacks(send, plan),
        otp: send.otp.clone(),
        otp_limits: app.rules().otp_limits.of(caller.name()),
        recipients: Arc::clone(&plan.recipients),
        held: plan.held.clone(),
        key: send.idempotency.as_ref().map(|idempotency| op::accept::Key {
            key: idempotency.key.clone(),
            body: idempotency.body_sha256,
        }),
        answers_opt_out: send.answers_opt_out,
        certified: send.certified,
        staged: None,
    }
}

/// The callback URLs of the valid recipients.
fn callbacks(send: &SendSms, plan: &Plan) -> op::accept::CallbackUrls {
    match &send.callbacks {
        Callbacks::None => op::accept::CallbackUrls::None,
        Callbacks::One(template) => op::accept::CallbackUrls::One(template.as_str().to_owned()),
        Callbacks::Each(templates) => {
            let url = |row: usize| templates.get(row).map_or("", callback::Template::as_str);
            let urls = plan.rows().map(|row| url(row).to_owned());
            op::accept::CallbackUrls::Each(urls.collect())
        }
    }
}

/// Stores it, a thousand rows at a time where it is large.
async fn store(
    app: &App,
    caller: &Caller,
    send: &SendSms,
    (plan, now): (&Plan, Instant),
) -> Result<Accepted, Error> {
    let store = &app.inner.store;
    let mut accept = accept(app, caller, send, (plan, now));
    let mut texts = FinalTexts::of(app, caller, send, (plan, now));
    let n_messages = plan.recipients.len();
    if plan.n_rows() <= ROWS_PER_OPERATION_MAX {
        accept.texts = texts.next(n_messages)?;
        return Ok(store.run(accept).await?);
    }
    // The exact check is made when it is accepted; this one spares the staging of what is plainly
    // not covered.
    let opted_out = opt_out::among(app, caller, &accept.recipients).await?;
    if !opted_out.is_empty() {
        accept.recipients = op::opt_out::unpriced(&accept.recipients, &opted_out);
    }
    let account = store.ask(op::account::Find::Id(accept.account)).await?;
    let balance = account.map(|account| account.balance).unwrap_or_default();
    if accept.key.is_none() && accept.cost().is_none_or(|cost| cost > balance) {
        return Ok(Accepted::NotEnoughCredits);
    }
    let (account, campaign, certified) =
        (accept.account, accept.campaign.clone(), accept.certified);
    let begin = op::stage::Begin { account, campaign, n_messages, now };
    let (first, sending) = store.run(begin).await?;
    for range in plan.pieces(ROWS_PER_OPERATION_MAX) {
        let recipients = Arc::clone(&accept.recipients);
        let callbacks = accept.callbacks.clone();
        let texts = texts.next(range.len())?;
        store
            .run(op::stage::Stage {
                first,
                recipients,
                sending,
                certified,
                callbacks,
                texts,
                range,
            })
            .await?;
    }
    accept.staged = Some(first);
    let recipients = Arc::clone(&accept.recipients);
    let accepted = store.run(accept).await?;
    if let Accepted::Done { first, replayed: false, .. } = accepted {
        opt_out::refuse(app, caller, (first, &recipients), &opted_out, now).await;
    }
    Ok(accepted)
}
