//! What a message's whole life costs the store's writer: accept, intent, answer, receipt.
//!
//! The four steps of successive groups run at once, as they do under load, so that one commit
//! carries some of each. Only the writer thread's own CPU time counts: it is what sets the limit.

use std::collections::VecDeque;
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
use pombo_peers::cluster::Cluster;
use pombo_store::operation::accept::{Accept, CallbackUrls, Campaign, Recipient};
use pombo_store::operation::claim::Claim;
use pombo_store::operation::settle::{Fate, Item, Settle, Settled};
use pombo_store::operation::text::Texts;
use pombo_store::operation::{account, route};
use pombo_store::{Options as StoreOptions, Store};

use crate::pombo::Engine;
use crate::process::{TempFolder, wait_until};
use crate::table::{Runs, Table, grouped, note};

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Messages of a run.
    #[arg(long, default_value_t = 200_000)]
    messages: usize,
    /// Runs of each case, on a fresh store.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Which engine.
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    store: Engine,
}

/// Where a run's store lies.
enum Place {
    File(TempFolder),
    Server { cluster: Cluster, _folder: TempFolder },
}

impl Place {
    fn new(engine: Engine) -> Result<Self> {
        let folder = TempFolder::new("store")?;
        Ok(match engine.start(&folder) {
            None => Self::File(folder),
            Some(cluster) => Self::Server { cluster, _folder: folder },
        })
    }

    fn url(&self) -> String {
        match self {
            Self::File(folder) => format!("sqlite:{}", folder.join("bench.db").display()),
            Self::Server { cluster, .. } => cluster.url(),
        }
    }

    /// CPU time of the server's processes that are there, where it has any.
    fn cpu(&self) -> Duration {
        match self {
            Self::File(_) => Duration::ZERO,
            Self::Server { cluster, .. } => cluster.cpu(),
        }
    }

    fn bytes(&self) -> Result<u64> {
        match self {
            Self::File(folder) => std::fs::read_dir(folder.path())?
                .map(|entry| anyhow::Ok(entry?.metadata()?.len()))
                .sum(),
            Self::Server { cluster, .. } => {
                Ok(cluster.run("select pg_database_size(current_database())").parse()?)
            }
        }
    }
}

/// Messages of a group, and recipients of a request.
const CASES: &[(usize, usize)] = &[(16, 1), (100, 1), (500, 1), (500, 500)];

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut table = Table::new(&[
        "messages in a group",
        "to a request",
        "writer CPU, µs/msg",
        "server CPU, µs/msg",
        "messages/s",
        "store, bytes/msg",
    ]);
    for &(group, per_request) in CASES {
        let (mut cpu, mut rate, mut size) = (Runs::default(), Runs::default(), Runs::default());
        let mut server = Runs::default();
        for _ in 0..options.runs {
            let one = life(options, group, per_request)?;
            let Figures { writer_us, server_us, .. } = one;
            note(&format!("{group}, {per_request}: {writer_us:.2} µs, server {server_us:.2} µs"));
            cpu.push(writer_us);
            server.push(server_us);
            rate.push(one.rate);
            size.push(one.bytes);
        }
        table.row(vec![
            grouped_count(group),
            grouped_count(per_request),
            cpu.show(2),
            server.show(2),
            rate.show(0),
            size.show(0),
        ]);
    }
    table.print();
    Ok(())
}

fn grouped_count(count: usize) -> String {
    u32::try_from(count).map_or_else(|_| count.to_string(), |count| grouped(count.into(), 0))
}

/// What one run gave, per message.
struct Figures {
    writer_us: f64,
    server_us: f64,
    rate: f64,
    bytes: f64,
}

/// A store with one account and one route.
struct Bench {
    store: Store,
    account: AccountId,
    route: RouteId,
    n_sent: usize,
    /// Answers that came, each with its intent, and after them their receipts.
    answered: VecDeque<Vec<Item>>,
    n_delivered: usize,
}

fn life(options: &Options, group: usize, per_request: usize) -> Result<Figures> {
    let n_messages = options.messages.next_multiple_of(group);
    let place = Place::new(options.store)?;
    let before = threads()?;
    let store = Store::open(&place.url(), &StoreOptions::default())?;
    let mut writer = None;
    // A thread takes its name only when it first runs.
    wait_until("the writer runs", Duration::from_secs(10), || {
        writer = Thread::named("store-write", &before)?;
        Ok(writer.is_some())
    })?;
    let writer = writer.context("the writer runs")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (cpu, server, wall) = runtime.block_on(async {
        let mut bench = Bench::new(store.clone()).await?;
        let (cpu, server) = (writer.cpu()?, place.cpu());
        let wall = std::time::Instant::now();
        while bench.n_delivered < n_messages {
            bench.step(n_messages, group, per_request).await?;
        }
        let wall = wall.elapsed();
        anyhow::Ok((writer.cpu()? - cpu, place.cpu().saturating_sub(server), wall))
    })?;
    store.close();
    drop(store);
    let bytes = place.bytes()?;
    #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
    let (n, bytes) = (n_messages as f64, bytes as f64);
    Ok(Figures {
        writer_us: cpu.as_secs_f64() * 1e6 / n,
        server_us: server.as_secs_f64() * 1e6 / n,
        rate: n / wall.as_secs_f64(),
        bytes: bytes / n,
    })
}

impl Bench {
    async fn new(store: Store) -> Result<Self> {
        let account = store
            .run(account::Add {
                name: "bench".to_owned(),
                password_hash: String::new(),
                credit: Money::from_micros(1_000_000_000_000_000),
                currency: "EUR".to_owned(),
                now: now(),
            })
            .await?
            .context("the account is new")?;
        let routes = store.run(route::Number { names: vec!["bench".to_owned()] }).await?;
        let route = *routes.first().context("one name, one number")?;
        let answered = VecDeque::new();
        Ok(Self { store, account, route, n_sent: 0, answered, n_delivered: 0 })
    }

    /// One group's accepts, one claim, the answers of what was claimed before, and receipts of
    /// what was answered before that: all at once.
    async fn step(&mut self, n_messages: usize, group: usize, per_request: usize) -> Result<()> {
        let mut accepts = tokio::task::JoinSet::new();
        if self.n_sent < n_messages {
            for _ in 0..group / per_request {
                let (store, accept) = (self.store.clone(), self.accept(per_request)?);
                accepts.spawn(async move { store.run(accept).await });
            }
        }
        let claim = Claim {
            route: self.route,
            lane: Lane::Transactional,
            account: self.account,
            room: group,
            rules: Arc::default(),
            now: now(),
        };
        let items = self.answered.pop_front().unwrap_or_default();
        let n_receipts = items.iter().filter(|item| matches!(item, Item::Receipt(_))).count();
        let settle = Settle {
            route: self.route,
            spelling: ReceiptId::Same,
            failover: None,
            validity_max: Duration::from_secs(172_800),
            items: Arc::new(items),
            now: now(),
        };
        let (claimed, settled) = tokio::join!(self.store.run(claim), self.store.run(settle));
        while let Some(accepted) = accepts.join_next().await {
            accepted??;
        }
        let (claimed, settled) = (claimed?, settled?);
        if settled.n_matched != n_receipts {
            bail!("{} of {n_receipts} receipts matched", settled.n_matched);
        }
        self.n_delivered += n_receipts;
        let mut intents = Vec::new();
        let mut receipts = Vec::new();
        let mut answers = Vec::new();
        for message in &claimed.work {
            let part = message.message.part(0);
            answers.push(self.answer(part));
            receipts.push(receipt(part, message.to));
            if !intents.contains(&message.intent) {
                intents.push(message.intent);
            }
        }
        answers.extend(intents.into_iter().map(Item::IntentDone));
        if !receipts.is_empty() {
            // The answers join the receipts of the group before, which stand at the end.
            match self.answered.back_mut() {
                Some(waiting) => waiting.extend(answers),
                None => self.answered.push_back(answers),
            }
            self.answered.push_back(receipts);
        }
        Ok(())
    }

    fn accept(&mut self, n_recipients: usize) -> Result<Accept> {
        let mut recipients = Vec::with_capacity(n_recipients);
        for _ in 0..n_recipients {
            let digits = 34_600_000_000 + u64::try_from(self.n_sent)?;
            let to = Phone::from_digits(digits)?;
            recipients.push(Recipient {
                to,
                route: self.route,
                price: Money::from_micros(50_000),
                refunds: false,
                extra: Money::ZERO,
                n_parts: 1,
            });
            self.n_sent += 1;
        }
        let now = now();
        Ok(Accept {
            account: self.account,
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
        })
    }

    fn answer(&self, part: PartId) -> Item {
        Item::Settled(Settled {
            part,
            account: self.account,
            lane: Lane::Transactional,
            at: now(),
            tally: Tally::NONE,
            fate: Fate::Sent { carrier_id: carrier_id(part) },
        })
    }
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

fn now() -> Instant {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Instant::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// The folders of this process's threads.
fn threads() -> Result<Vec<PathBuf>> {
    std::fs::read_dir("/proc/self/task")?.map(|entry| Ok(entry?.path())).collect()
}

/// A thread of this process, known by its name.
struct Thread {
    schedstat: PathBuf,
}

impl Thread {
    /// The one of this name that was not there `before`: an earlier run's may not be gone yet.
    fn named(name: &str, before: &[PathBuf]) -> Result<Option<Self>> {
        Ok(threads()?.into_iter().filter(|folder| !before.contains(folder)).find_map(|folder| {
            // A thread may end between the listing and the look.
            let comm = std::fs::read_to_string(folder.join("comm")).unwrap_or_default();
            (comm.trim() == name).then(|| Self { schedstat: folder.join("schedstat") })
        }))
    }

    /// Its time on a CPU; the file's first number, in nanoseconds.
    fn cpu(&self) -> Result<Duration> {
        let text = std::fs::read_to_string(&self.schedstat)?;
        let nanos = text.split(' ').next().context("an empty schedstat")?.parse()?;
        Ok(Duration::from_nanos(nanos))
    }
}
