//! What becomes of messages from handsets after they are stored: which of ours each answers, who is
//! told, and the answer to those who opt out or in.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pombo_domain::address::{Phone, Sender};
use pombo_domain::id::{AccountId, MessageId, PartId};
use pombo_domain::message::Category;
use pombo_domain::opt_out::word::Effect;
use pombo_domain::sms::{Cut, Encoding, TableChoice, segment};
use pombo_store::Error;
use pombo_store::operation::inbound::Message;
use pombo_store::operation::inbound::conversation::{Back, Wanted};
use pombo_store::operation::inbound::resolve::{Answered, Resolve, Waiting};
use pombo_store::operation::opt_out_word::FindAnswers;
use tokio::sync::Notify;

use crate::App;
use crate::auth::Caller;
use crate::error::{Error as NotSent, Fault, Refusal};
use crate::usecase::send::{Callbacks, Fate, Idempotency, Recipient, SendSms, Text, send_sms};

/// Messages looked at together.
const AT_ONCE: i64 = 200;
/// How far back a conversation goes.
const DAYS_BACK: i64 = 7;
/// Parts that are gone through for one look, newest first; what lies further back is not found.
const PARTS_BACK: usize = 5_000_000;
/// Parts beyond which a look is followed by a pause as long as itself.
const PARTS_FREE: usize = 100_000;
/// Parts of one question: a few milliseconds of a reader.
const PARTS_AT_ONCE: usize = 10_000;
/// How often what other processes stored is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// Rings when a message from a handset was stored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bell(Arc<Notify>);

impl Bell {
    pub(crate) fn ring(&self) {
        self.0.notify_one();
    }
}

/// Starts looking after them; it ends with the app.
pub(crate) fn start(app: &App) {
    let bell = app.inner.inbound.clone();
    let watched = Arc::downgrade(&app.inner);
    app.inner.vital.spawn("looks after messages from handsets", async move {
        loop {
            // Whoever rings wakes it; what another process has stored rings no bell here.
            let _ = tokio::time::timeout(LOOK_EVERY, bell.0.notified()).await;
            let Some(inner) = watched.upgrade() else { return };
            let app = App { inner };
            if !app.is_first() {
                continue; // One answer is enough.
            }
            match look(&app).await {
                Ok(()) => {}
                Err(Error::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "messages from handsets are not looked after yet");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            }
        }
    });
}

/// Looks at all that waits.
async fn look(app: &App) -> Result<(), Error> {
    let store = &app.inner.store;
    loop {
        let waiting = store.ask(Waiting { for_answer: false, limit: AT_ONCE }).await?;
        if waiting.is_empty() {
            break;
        }
        let began = tokio::time::Instant::now();
        let (found, n_seen) = conversations(app, &waiting).await?;
        let messages = waiting.iter().map(|m| (m.id, found.get(&m.id).copied())).collect();
        let resolved = store.run(Resolve { messages, now: app.inner.clock.now() }).await?;
        let count = |result, n: usize| {
            metrics::counter!("pombo_inbound_total", "result" => result).increment(n as u64);
        };
        count("owned", resolved.n_owned);
        count("unowned", resolved.n_unowned);
        metrics::counter!("pombo_opt_outs_total").increment(resolved.n_out as u64);
        if n_seen > PARTS_FREE {
            // Strangers who write without end leave the readers to others half of the time.
            tokio::time::sleep(began.elapsed()).await;
        }
    }
    loop {
        let owed = store.ask(Waiting { for_answer: true, limit: AT_ONCE }).await?;
        if owed.is_empty() {
            return Ok(());
        }
        for message in owed {
            if let Some(pause) = answer(app, &message).await? {
                tokio::time::sleep(pause).await;
                // What came meanwhile goes first: somebody may have opted out.
                return Ok(());
            }
        }
    }
}

/// Which of our messages each answers, and whose that is; and how many parts were gone through.
async fn conversations(
    app: &App,
    waiting: &[Message],
) -> Result<(HashMap<i64, (AccountId, MessageId)>, usize), Error> {
    let mut wanted: HashMap<Phone, Vec<Wanted>> = HashMap::new();
    for message in waiting {
        if let Ok(phone) = Phone::parse(&message.from) {
            wanted.entry(phone).or_default().push(Wanted {
                inbound: message.id,
                account: message.account,
                to: message.to.clone(),
                route: message.route,
            });
        }
    }
    let oldest_day = app.inner.clock.now().day() - DAYS_BACK;
    let mut found = HashMap::new();
    let (mut before, mut n_seen): (Option<PartId>, usize) = (None, 0);
    while !wanted.is_empty() && n_seen < PARTS_BACK {
        let back =
            Back { wanted: Arc::new(wanted.clone()), before, oldest_day, limit: PARTS_AT_ONCE };
        let answer = app.inner.store.ask(back).await?;
        n_seen += answer.n_seen.max(1);
        for (inbound, account, message) in answer.found {
            found.insert(inbound, (account, message));
        }
        for open in wanted.values_mut() {
            open.retain(|w| !found.contains_key(&w.inbound));
        }
        wanted.retain(|_, open| !open.is_empty());
        before = answer.next;
        if before.is_none() {
            break;
        }
    }
    Ok((found, n_seen))
}

/// Answers who opted out or in, by their account's words, from the number that they wrote to. Where the
/// house has no room it is owed still; then, for how long to wait.
async fn answer(app: &App, message: &Message) -> Result<Option<Duration>, Error> {
    let store = &app.inner.store;
    let mut by = None;
    if let (Some(account), Some(effect)) = (message.account, message.effect)
        && let Some(settings) = app.inner.accounts.by_id(account)
    {
        let answers = store.ask(FindAnswers(account)).await?;
        let text = match effect {
            Effect::Out => answers.opted_out,
            Effect::In => answers.opted_in,
        };
        let caller = Caller::on_behalf(settings);
        match reply(message, text) {
            Some(send) => match send_sms(app, &caller, send).await {
                Ok(sent) => by = sent.fates.iter().find_map(|(_, fate)| accepted(fate)),
                // It is owed until the house has room.
                Err(NotSent::Failed(Fault::StoreUnavailable(error) | Fault::Store(error))) => {
                    return Err(error);
                }
                Err(NotSent::Refused(
                    Refusal::Busy { retry_after } | Refusal::NoRoom { retry_after },
                )) => return Ok(Some(retry_after)),
                Err(why) => {
                    tracing::warn!(account = account.0, %why, "an opt-out is not answered");
                }
            },
            None => tracing::warn!(
                account = account.0,
                "an opt-out is not answered: nothing can be sent from the number written to"
            ),
        }
    }
    store.run(Answered { id: message.id, by }).await?;
    Ok(None)
}

fn accepted(fate: &Fate) -> Option<MessageId> {
    match fate {
        Fate::Accepted { id, .. } => Some(*id),
        _ => None,
    }
}

/// The answer as a request. Its key makes it go once, whatever happens in between.
fn reply(message: &Message, text: String) -> Option<SendSms> {
    let from = Sender::parse(&message.to).ok()?;
    let (phone, country) = Phone::parse_with_country(&message.from).ok()?;
    let cut = |encoding| Cut { encoding, tables: TableChoice::Auto, split: false };
    let is_plain = segment(&text, cut(Encoding::Gsm)).is_ok();
    Some(SendSms {
        from,
        to: vec![Recipient { written: message.from.clone(), phone: Some((phone, country)) }],
        encoding: if is_plain { Encoding::Gsm } else { Encoding::Utf16 },
        text: Text::Same(text),
        parts_max: 3,
        trans: false,
        split: false,
        otp: None,
        flash: false,
        schedule: None,
        expires: None,
        windows: None,
        callbacks: Callbacks::None,
        campaign: None,
        category: Some(Category::Transactional),
        idempotency: Some(Idempotency {
            key: format!("answer to inbound {}", message.id),
            body_sha256: [0; 32],
        }),
        dry_run: false,
        answers_opt_out: true,
        certified: false,
    })
}
