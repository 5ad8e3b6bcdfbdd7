//! Messages' lives in a store: accept, intent, answer, receipt, of any number of accounts and routes.
//!
//! The four steps of successive groups run at once, as they do under load, so that one commit
//! carries some of each. Claims come as from the engine's pumps: each route's for a few accounts
//! at a time.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use pombo_domain::address::Phone;
use pombo_domain::campaign::Tally;
use pombo_domain::channel::Receipt;
use pombo_domain::id::{AccountId, PartId, RouteId};
use pombo_domain::message::{Category, Lane, PartState};
use pombo_domain::money::Money;
use pombo_domain::route::ReceiptId;
use pombo_domain::sms::Encoding;
use pombo_domain::time::Instant;
use pombo_store::operation::accept::{Accept, CallbackUrls, Campaign, Recipient};
use pombo_store::operation::claim::{Claim, ClaimAll, Claimed};
use pombo_store::operation::settle::{Fate, Item, Settle, Settled};
use pombo_store::operation::text::Texts;
use pombo_store::operation::{account, route};
use pombo_store::{Options, Store};
use tokio::task::JoinSet;

use crate::process::wait_until;

/// How messages come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Messages accepted between two commits.
    pub(crate) group: usize,
    /// Recipients of a request.
    pub(crate) per_request: usize,
}

/// Accounts that one round of a route's claims serves, from where each has much to send to where each
/// has little; as the engine's pump.
const ACCOUNTS: (usize, usize) = (16, 256);

/// A store, and the messages on their way through it.
pub(crate) struct Life {
    store: Store,
    accounts: Vec<AccountId>,
    routes: Vec<RouteId>,
    n_requests: usize,
    n_sent: usize,
    n_claimed: usize,
    n_delivered: usize,
    n_rounds: usize,
    /// Accounts of a route that a round serves.
    breadth: usize,
    /// Each route's accounts that have something to claim; the first has waited longest.
    waiting: BTreeMap<RouteId, VecDeque<AccountId>>,
    /// Answers that came, each with its intent, and after them their receipts: by route.
    answered: VecDeque<BTreeMap<RouteId, Vec<Item>>>,
}

impl Life {
    /// Adds so many accounts and routes to a store.
    pub(crate) async fn new(store: Store, n_accounts: usize, n_routes: usize) -> Result<Self> {
        let mut accounts = Vec::with_capacity(n_accounts);
        for idx in 0..n_accounts {
            accounts.push(add_account(&store, &format!("bench-{idx}")).await?);
        }
        let names = (0..n_routes).map(|idx| format!("bench-{idx}")).collect();
        let routes = store.run(route::Number { names }).await?;
        Ok(Self {
            store,
            accounts,
            routes,
            n_requests: 0,
            n_sent: 0,
            n_claimed: 0,
            n_delivered: 0,
            n_rounds: 0,
            breadth: ACCOUNTS.0,
            waiting: BTreeMap::new(),
            answered: VecDeque::new(),
        })
    }

    /// Lets `n` more messages live; done when the receipts of as many are stored.
    pub(crate) async fn run(&mut self, n: usize, shape: Shape) -> Result<()> {
        let (to_send, to_deliver) = (self.n_sent + n, self.n_delivered + n);
        while self.n_delivered < to_deliver {
            self.step(to_send, shape).await?;
        }
        Ok(())
    }

    /// Its first account.
    pub(crate) fn account(&self) -> Option<AccountId> {
        self.accounts.first().copied()
    }

    /// Groups so far: commits, where the writer takes each whole.
    pub(crate) fn n_rounds(&self) -> usize {
        self.n_rounds
    }

    /// One group's accepts, one round of claims, the answers of what was claimed before, and receipts
    /// of what was answered before that: all at once.
    async fn step(&mut self, to_send: usize, shape: Shape) -> Result<()> {
        self.n_rounds += 1;
        let mut rounds = JoinSet::new();
        for claims in self.claims(shape) {
            let store = self.store.clone();
            rounds.spawn(async move {
                let claimed = store.run(ClaimAll { claims: Arc::clone(&claims) }).await;
                (claims, claimed)
            });
        }
        let mut settles = JoinSet::new();
        let mut n_receipts = 0;
        for (route, items) in self.answered.pop_front().unwrap_or_default() {
            n_receipts += items.iter().filter(|item| matches!(item, Item::Receipt(_))).count();
            let (store, settle) = (self.store.clone(), settle(route, items));
            settles.spawn(async move { store.run(settle).await });
        }
        let mut accepts = JoinSet::new();
        // No more than two groups wait: whoever sends faster than is claimed is slowed down.
        let n_waiting = self.n_sent - self.n_claimed;
        let room = (2 * shape.group).saturating_sub(n_waiting).min(shape.group);
        let mut accepted = Vec::new();
        for _ in 0..room.min(to_send - self.n_sent) / shape.per_request {
            let (store, accept) = (self.store.clone(), self.accept(shape.per_request)?);
            accepted.extend(accept.recipients.iter().map(|to| (to.route, accept.account)));
            accepts.spawn(async move { store.run(accept).await });
        }
        let mut receipts = BTreeMap::new();
        let (mut n_claims, mut n_emptied) = (0, 0);
        while let Some(round) = rounds.join_next().await {
            let (claims, claimed) = round?;
            for (claim, claimed) in claims.iter().zip(claimed?) {
                n_claims += 1;
                n_emptied += usize::from(claimed.next_due.is_none());
                self.claimed(claim.route, claim.account, claimed, &mut receipts);
            }
        }
        self.breadth = match n_emptied * 2 > n_claims {
            true if n_claims < self.breadth * self.routes.len() => self.breadth,
            true => (self.breadth * 2).min(ACCOUNTS.1),
            false => (self.breadth / 2).max(ACCOUNTS.0),
        };
        if !receipts.is_empty() {
            self.answered.push_back(receipts);
        }
        let mut n_matched = 0;
        while let Some(settled) = settles.join_next().await {
            n_matched += settled??.n_matched;
        }
        if n_matched != n_receipts {
            bail!("{n_matched} of {n_receipts} receipts matched");
        }
        self.n_delivered += n_receipts;
        while let Some(accepted) = accepts.join_next().await {
            accepted??;
        }
        for (route, account) in accepted {
            let waiting = self.waiting.entry(route).or_default();
            if !waiting.contains(&account) {
                waiting.push_back(account);
            }
        }
        Ok(())
    }

    /// Each route's next round, of what was accepted before.
    fn claims(&mut self, shape: Shape) -> Vec<Arc<[Claim]>> {
        let n_routes = self.waiting.len().max(1);
        let rounds = self.waiting.iter_mut().map(|(&route, waiting)| {
            let n = waiting.len().min(self.breadth);
            let room = (shape.group / n_routes / n.max(1)).max(1);
            let claims = waiting.drain(..n).map(|account| Claim {
                route,
                lane: Lane::Transactional,
                account,
                room,
                rules: Arc::default(),
                now: now(),
            });
            claims.collect::<Arc<[Claim]>>()
        });
        rounds.filter(|claims| !claims.is_empty()).collect()
    }

    /// Answers what was claimed, and has its receipts follow; what is left waits for another round.
    fn claimed(
        &mut self,
        route: RouteId,
        account: AccountId,
        claimed: Claimed,
        receipts: &mut BTreeMap<RouteId, Vec<Item>>,
    ) {
        if claimed.next_due.is_some_and(|due| due <= now()) {
            self.waiting.entry(route).or_default().push_back(account);
        }
        if claimed.work.is_empty() {
            return;
        }
        self.n_claimed += claimed.work.len();
        let mut intents = Vec::new();
        let mut answers = Vec::new();
        for message in &claimed.work {
            let part = message.message.part(0);
            answers.push(answer(account, part));
            receipts.entry(route).or_default().push(receipt(part, message.to));
            if !intents.contains(&message.intent) {
                intents.push(message.intent);
            }
        }
        answers.extend(intents.into_iter().map(Item::IntentDone));
        // The answers join the receipts of the round before, which stand at the end.
        if self.answered.is_empty() {
            self.answered.push_back(BTreeMap::new());
        }
        if let Some(next) = self.answered.back_mut() {
            next.entry(route).or_default().extend(answers);
        }
    }

    /// The next request: accounts and routes take turns.
    fn accept(&mut self, n_recipients: usize) -> Result<Accept> {
        let mut recipients = Vec::with_capacity(n_recipients);
        for _ in 0..n_recipients {
            let route = self.routes[self.n_sent % self.routes.len()];
            recipients.push(recipient(self.n_sent, route)?);
            self.n_sent += 1;
        }
        let account = self.accounts[self.n_requests % self.accounts.len()];
        self.n_requests += 1;
        Ok(accept(account, recipients, now()))
    }
}

/// An account that can pay for anything.
pub(crate) async fn add_account(store: &Store, name: &str) -> Result<AccountId> {
    let account = account::Add {
        name: name.to_owned(),
        password_hash: String::new(),
        credit: Money::from_micros(1_000_000_000_000_000),
        currency: "EUR".to_owned(),
        now: now(),
    };
    store.run(account).await?.with_context(|| format!("account {name} is there already"))
}

/// A route's number.
pub(crate) async fn add_route(store: &Store, name: &str) -> Result<RouteId> {
    let routes = store.run(route::Number { names: vec![name.to_owned()] }).await?;
    routes.first().copied().context("one name, one number")
}

/// The recipient of message `idx`.
pub(crate) fn recipient(idx: usize, route: RouteId) -> Result<Recipient> {
    Ok(Recipient {
        to: Phone::from_digits(34_600_000_000 + u64::try_from(idx)?)?,
        route,
        price: Money::from_micros(50_000),
        refunds: false,
        extra: Money::ZERO,
        n_parts: 1,
    })
}

/// A request that is due when it is accepted.
pub(crate) fn accept(account: AccountId, recipients: Vec<Recipient>, now: Instant) -> Accept {
    Accept {
        account,
        now,
        sender: "pombo".to_owned(),
        text: "Your parcel 1Z 999 will be with you today between 10 and 12.".to_owned(),
        texts: Texts::Same,
        encoding: Encoding::Gsm,
        split: false,
        flash: false,
        category: Category::Transactional,
        lane: Lane::Transactional,
        concat_ref: 1,
        due: now,
        expires: None,
        windows: String::new(),
        campaign: Campaign::Own,
        callbacks: CallbackUrls::One("http://127.0.0.1/dlr?t=%P&d=%d".to_owned()),
        recipients: recipients.into(),
        otp: None,
        otp_limits: pombo_domain::otp::Limits::default(),
        held: Vec::new(),
        key: None,
        answers_opt_out: false,
        certified: false,
        staged: None,
    }
}

fn settle(route: RouteId, items: Vec<Item>) -> Settle {
    Settle {
        route,
        spelling: ReceiptId::Same,
        failover: None,
        validity_max: Duration::from_secs(172_800),
        items: Arc::new(items),
        now: now(),
    }
}

fn answer(account: AccountId, part: PartId) -> Item {
    Item::Settled(Settled {
        part,
        account,
        lane: Lane::Transactional,
        at: now(),
        tally: Tally::NONE,
        fate: Fate::Sent { carrier_id: carrier_id(part) },
    })
}

fn receipt(part: PartId, to: Phone) -> Item {
    Item::Receipt(Receipt {
        carrier_id: carrier_id(part),
        state: PartState::Delivered,
        word: "DELIVRD",
        error: String::new(),
        addresses: [to.to_string(), "pombo".to_owned()],
        text: "Your parcel 1Z 999 w".to_owned(),
        at: now(),
    })
}

/// Ten digits, as many carriers write them.
fn carrier_id(part: PartId) -> String {
    format!("{:010}", (part.0 >> 4) % 10_000_000_000)
}

/// The time.
pub(crate) fn now() -> Instant {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Instant::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A store's writer: the one thread whose CPU time sets the limit.
pub(crate) struct Writer {
    schedstat: PathBuf,
}

impl Writer {
    /// Opens a store, and finds its writer.
    pub(crate) fn of_store_at(url: &str) -> Result<(Store, Self)> {
        let before = threads()?;
        let store = Store::open(url, &Options::default())?;
        let mut writer = None;
        // A thread takes its name only when it first runs.
        wait_until("the writer runs", Duration::from_secs(10), || {
            writer = Self::new_since(&before)?;
            Ok(writer.is_some())
        })?;
        Ok((store, writer.context("the writer runs")?))
    }

    /// The one that was not there `before`: an earlier run's may not be gone yet.
    fn new_since(before: &[PathBuf]) -> Result<Option<Self>> {
        Ok(threads()?.into_iter().filter(|folder| !before.contains(folder)).find_map(|folder| {
            // A thread may end between the listing and the look.
            let comm = std::fs::read_to_string(folder.join("comm")).unwrap_or_default();
            (comm.trim() == "store-write").then(|| Self { schedstat: folder.join("schedstat") })
        }))
    }

    /// Its time on a CPU; the file's first number, in nanoseconds.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let text = std::fs::read_to_string(&self.schedstat)?;
        let nanos = text.split(' ').next().context("an empty schedstat")?.parse()?;
        Ok(Duration::from_nanos(nanos))
    }
}

/// The folders of this process's threads.
fn threads() -> Result<Vec<PathBuf>> {
    std::fs::read_dir("/proc/self/task")?.map(|entry| Ok(entry?.path())).collect()
}
