//! `send`: accept an SMS request for any number of recipients, or say why not.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pombo_domain::address::{Country, Phone, Sender};
use pombo_domain::callback::Template;
use pombo_domain::id::{CampaignId, MessageId, RouteId, SendingId};
use pombo_domain::limits::{PARTS_MAX, ROWS_PER_OPERATION_MAX};
use pombo_domain::message::{Category, Lane};
use pombo_domain::money::Money;
use pombo_domain::route::{Question, choose};
use pombo_domain::sms::{self, Cut, Encoding, TableChoice};
use pombo_domain::time::Instant;
use pombo_domain::window::AvailableTimes;
use pombo_store::operation as op;
use pombo_store::operation::accept::Accepted;

use crate::App;
use crate::auth::Caller;
use crate::error::{Error, Refusal};

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
    One(Template),
    /// One per recipient, in the order of `to`.
    Each(Vec<Template>),
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
    pub text: String,
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
    /// The law's kind, where given.
    pub category: Option<Category>,
    /// Answer the same request once.
    pub idempotency: Option<Idempotency>,
    /// Decide everything, send nothing.
    pub dry_run: bool,
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
    },
    /// Only asked (`dryRun`): what would happen.
    Planned {
        /// Its parts.
        n_parts: u8,
        /// What it would cost.
        cost: Money,
        /// By which route it would go.
        route: String,
        /// The earliest time it would leave.
        earliest: Instant,
    },
    /// Not a number, or no route carries to it.
    NoValidRecipient,
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
}

/// Accepts a request, or says why not. What is answered as accepted is on disk.
pub async fn send_sms(app: &App, caller: &Caller, send: SendSms) -> Result<Sent, Error> {
    let now = app.inner.clock.now();
    let plan = plan(app, caller, &send, now)?;
    if send.dry_run {
        let find = op::account::Find::Id(caller.account());
        let account = app.inner.store.ask(find).await?;
        let balance = account.map_or(Money::ZERO, |account| account.balance);
        if cost(&plan).is_none_or(|cost| cost > balance) {
            return Err(Refusal::NotEnoughCredits.into());
        }
        return Ok(planned(app, &send, &plan));
    }
    if app.inner.is_short_of_room.load(Ordering::Relaxed) {
        return Err(Refusal::NoRoom { retry_after: Duration::from_secs(5) }.into());
    }
    if app.inner.store.backlog() > BACKLOG_MAX {
        return Err(Refusal::Busy { retry_after: Duration::from_secs(1) }.into());
    }
    let (due, lane) = (plan.due, plan.lane);
    let mut routes: Vec<RouteId> = plan.recipients.iter().map(|r| r.route).collect();
    routes.sort_unstable();
    routes.dedup();
    let accept = accept(app, caller, &send, (&plan, now));
    let answer = store(app, accept, now).await?;
    let (first, campaign, sending, replayed) = match answer {
        Accepted::Done { first, campaign, sending, replayed } => {
            (first, campaign, sending, replayed)
        }
        Accepted::NotEnoughCredits => return Err(Refusal::NotEnoughCredits.into()),
        Accepted::DailyLimit => {
            return Err(Refusal::DailyLimit { retry_after: now.until_next_day() }.into());
        }
        Accepted::KeyReused => return Err(Refusal::IdempotencyMismatch.into()),
    };
    if !replayed {
        for route in routes {
            app.inner.engine.ring(route, lane, caller.account(), due);
        }
        metrics::counter!("pombo_messages_accepted_total").increment(plan.recipients.len() as u64);
    }
    let mut offset = 0;
    let fates = fates(&send, &plan, |_| {
        let id = first.plus(offset);
        offset += 1;
        Fate::Accepted { id, n_parts: plan.n_parts }
    });
    Ok(Sent { campaign, sending, fates, scheduled: send.schedule, expires: send.expires })
}

/// Rows waiting for the writer above which new requests are asked to come later.
const BACKLOG_MAX: usize = 200_000;

/// Everything decided about a request.
struct Plan {
    text: String,
    n_parts: u8,
    category: Category,
    lane: Lane,
    due: Instant,
    /// The valid recipients, in order.
    recipients: Arc<[op::accept::Recipient]>,
}

fn plan(app: &App, caller: &Caller, send: &SendSms, now: Instant) -> Result<Plan, Refusal> {
    let text = match sms::normalise(&send.text) {
        text if send.trans => sms::transliterate(&text),
        text => text.into_owned(),
    };
    if text.is_empty() {
        return Err(Refusal::TextMissing);
    }
    let category = send.category.unwrap_or(caller.settings().category);
    let recipients = recipients(app, caller, send, category);
    if recipients.is_empty() {
        return Err(Refusal::NoValidRecipients);
    }
    let cut = Cut { encoding: send.encoding, tables: TableChoice::Auto, split: send.split };
    let segmented = sms::segment(&text, cut).map_err(|cannot| Refusal::NotEncodable {
        character: cannot.character,
        position: cannot.position,
    })?;
    let needed = segmented.n_parts();
    let n_parts = u8::try_from(needed)
        .ok()
        .filter(|n| *n <= send.parts_max.min(PARTS_MAX))
        .ok_or(Refusal::TextTooLong { needed, allowed: send.parts_max })?;
    let earliest = send.schedule.map_or(now, |at| at.max(now));
    let due = send.windows.as_ref().map_or(earliest, |windows| windows.next_open(earliest));
    if send.expires.is_some_and(|end| end <= due) {
        return Err(Refusal::ExpiresBeforeSending);
    }
    let lane = Lane::of(send.category, send.campaign.is_some(), send.to.len());
    Ok(Plan { text, n_parts, category, lane, due, recipients: recipients.into() })
}

/// The recipients that are numbers and to which some route carries.
fn recipients(
    app: &App,
    caller: &Caller,
    send: &SendSms,
    category: Category,
) -> Vec<op::accept::Recipient> {
    let rules = app.rules();
    let price = rules.sms_default_price;
    let phones = send.to.iter().filter_map(|recipient| recipient.phone);
    phones
        .filter_map(|(to, country)| {
            let question = Question {
                account: caller.account(),
                country: country.as_str(),
                sender: &send.from,
                category,
                spread: to.digits(),
            };
            // A route that is down now may be up before the message is due: better late than never.
            let route = choose(&rules.routes, &question, |id| app.inner.engine.is_usable(id))
                .or_else(|| choose(&rules.routes, &question, |_| true))?;
            Some(op::accept::Recipient { to, route, price })
        })
        .collect()
}

/// What all its parts cost together; `None` when that is beyond counting.
fn cost(plan: &Plan) -> Option<Money> {
    plan.recipients.iter().try_fold(Money::ZERO, |total, recipient| {
        let each = recipient.price.times(usize::from(plan.n_parts))?;
        total.micros().checked_add(each.micros()).map(Money::from_micros)
    })
}

fn planned(app: &App, send: &SendSms, plan: &Plan) -> Sent {
    let rules = app.rules();
    let fates = fates(send, plan, |recipient| {
        let route = rules.routes.iter().find(|route| route.id == recipient.route);
        Fate::Planned {
            n_parts: plan.n_parts,
            cost: recipient.price.times(usize::from(plan.n_parts)).unwrap_or_default(),
            route: route.map(|route| route.name.clone()).unwrap_or_default(),
            earliest: plan.due,
        }
    });
    Sent {
        campaign: CampaignId(0),
        sending: SendingId(0),
        fates,
        scheduled: send.schedule,
        expires: send.expires,
    }
}

/// One fate per entry of `to`: valid ones by `of`, in order; the others as no recipient.
fn fates(
    send: &SendSms,
    plan: &Plan,
    mut of: impl FnMut(&op::accept::Recipient) -> Fate,
) -> Vec<(String, Fate)> {
    let mut valid = plan.recipients.iter().peekable();
    send.to
        .iter()
        .map(|entry| match (entry.phone, valid.peek()) {
            (Some((to, _)), Some(next)) if next.to == to => {
                let fate = of(next);
                valid.next();
                (to.to_string(), fate)
            }
            _ => (entry.written.clone(), Fate::NoValidRecipient),
        })
        .collect()
}

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
        encoding: send.encoding,
        split: send.split,
        flash: send.flash,
        category: plan.category,
        lane: plan.lane,
        n_parts: plan.n_parts,
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
        recipients: Arc::clone(&plan.recipients),
        key: send.idempotency.as_ref().map(|idempotency| op::accept::Key {
            key: idempotency.key.clone(),
            body: idempotency.body_sha256,
        }),
        staged: None,
    }
}

/// The callback URLs of the valid recipients.
fn callbacks(send: &SendSms, plan: &Plan) -> op::accept::CallbackUrls {
    match &send.callbacks {
        Callbacks::None => op::accept::CallbackUrls::None,
        Callbacks::One(template) => op::accept::CallbackUrls::One(template.as_str().to_owned()),
        Callbacks::Each(templates) => {
            let mut valid = plan.recipients.iter().peekable();
            let urls = send.to.iter().zip(templates).filter_map(|(entry, template)| {
                let (to, _) = entry.phone?;
                valid.next_if(|next| next.to == to)?;
                Some(template.as_str().to_owned())
            });
            op::accept::CallbackUrls::Each(urls.collect())
        }
    }
}

/// Stores it, a thousand rows at a time where it is large.
async fn store(app: &App, mut accept: op::accept::Accept, now: Instant) -> Result<Accepted, Error> {
    let store = &app.inner.store;
    if accept.is_large() {
        // The exact check is made when it is accepted; this one spares the staging of what is
        // plainly not covered.
        let account = store.ask(op::account::Find::Id(accept.account)).await?;
        let balance = account.map(|account| account.balance).unwrap_or_default();
        if accept.key.is_none() && accept.cost().is_none_or(|cost| cost > balance) {
            return Ok(Accepted::NotEnoughCredits);
        }
        let n_messages = accept.recipients.len();
        let first = store.run(op::stage::Begin { n_messages, now }).await?;
        let step = (ROWS_PER_OPERATION_MAX / usize::from(accept.n_parts.max(1))).max(1);
        for start in (0..n_messages).step_by(step) {
            let range = start..(start + step).min(n_messages);
            let recipients = Arc::clone(&accept.recipients);
            let n_parts = accept.n_parts;
            let callbacks = accept.callbacks.clone();
            let stage = op::stage::Stage { first, n_parts, recipients, callbacks, range };
            store.run(stage).await?;
        }
        accept.staged = Some(first);
    }
    Ok(store.run(accept).await?)
}
