//! The whole way, HTTP to SMPP to receipt to callback, in a world of some size: many accounts, routes
//! or callback endpoints of one server, or many servers.
//!
//! Where there are several databases, the load client is the router: it sends each account's
//! requests to the server that has the account.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use pombo_domain::money::Money;
use pombo_peers::cluster::Cluster;
use pombo_peers::load::{self, Plan, Post, Traffic};
use pombo_peers::sink::{self, Sink};
use pombo_peers::smsc::{Behaviour, Receipts, Smsc};
use pombo_store::operation::account;
use pombo_store::{Options as StoreOptions, Store};

use super::{Dimension, Options, measure};
use crate::journey::ledger::Ledger;
use crate::life::now;
use crate::pombo::{ACCOUNT_NAME, Engine, Pombo, Setup, authorization_of};
use crate::process::{Process, TempFolder, wait_until};

/// Outstanding submit_sm of each route.
const WINDOW: u32 = 100;
/// Accounts of each server, where there are several.
const ACCOUNTS_OF_PART: usize = 50;

pub(super) fn run(options: &Options) -> Result<()> {
    let figures = [
        ("callbacks/s", 0),
        ("CPU µs/msg", 1),
        ("of it the database's", 1),
        ("first requests, ms each", 1),
        ("RSS peak, MiB", 0),
    ];
    measure(options, Dimension::SERVED, figures, one)
}

/// How much there is of what.
struct World {
    accounts: usize,
    routes: usize,
    endpoints: usize,
    /// Databases, each with accounts of its own.
    parts: usize,
    /// Servers on each.
    nodes: usize,
}

impl World {
    const fn of(dimension: Dimension, size: usize) -> Self {
        let usual = Self { accounts: 1, routes: 1, endpoints: 1, parts: 1, nodes: 1 };
        match dimension {
            Dimension::ServedAccounts => Self { accounts: size, ..usual },
            Dimension::ServedRoutes => Self { routes: size, ..usual },
            Dimension::ServedEndpoints => Self { endpoints: size, ..usual },
            Dimension::Parts => Self { accounts: ACCOUNTS_OF_PART, parts: size, ..usual },
            Dimension::Nodes => Self { accounts: ACCOUNTS_OF_PART, nodes: size, ..usual },
            _ => usual,
        }
    }
}

/// A database, its accounts, and the servers on it.
struct Part {
    servers: Vec<(SocketAddr, Process)>,
    database: Option<Cluster>,
    accounts: Vec<String>,
    _folder: TempFolder,
}

impl Part {
    fn start(number: usize, world: &World, engine: Engine, smsc: SocketAddr) -> Result<Self> {
        let folder = TempFolder::new("scale")?;
        let database = engine.start(&folder);
        let store = database.as_ref().map(Cluster::url);
        let file = format!("sqlite:{}", folder.join("pombo.db").display());
        let url = store.clone().unwrap_or(file);
        let setup = Setup { store, route: routes(world, smsc).into(), ..Setup::default() };
        let first = Pombo::set_up(&folder, smsc, WINDOW, &setup)?;
        let accounts = add_accounts(&url, number, world.accounts)?;
        let mut servers = vec![(first.http(), first.serve()?)];
        for node in 1..world.nodes {
            let name = format!("pombo-{node}");
            let other = Pombo::configured(&folder, &name, (smsc, WINDOW), &setup)?;
            servers.push((other.http(), other.serve()?));
        }
        Ok(Self { servers, database, accounts, _folder: folder })
    }

    fn cpu(&self) -> Result<(Duration, Duration)> {
        let own: f64 = self.servers.iter().map(|(_, one)| one.cpu_ms()).sum::<Result<f64>>()?;
        let database = self.database.as_ref().map(Cluster::cpu).unwrap_or_default();
        Ok((Duration::from_secs_f64(own / 1e3) + database, database))
    }
}

/// The rest of the first route's table, and the tables of the others.
fn routes(world: &World, smsc: SocketAddr) -> String {
    let mut text = format!("binds = {}\n", world.nodes);
    for idx in 1..world.routes {
        text.push_str(&format!(
            "[[sms.routes]]\nname = \"bench-{idx}\"\nkind = \"smpp\"\naddress = \"{smsc}\"\n\
             system_id = \"bench\"\npassword = \"bench\"\nwindow = {WINDOW}\n"
        ));
    }
    text
}

/// Adds accounts with the password of the one that is there; answers the names of all. Theirs are
/// not made one by one on the command line, where each takes as long as a login.
fn add_accounts(url: &str, part: usize, n: usize) -> Result<Vec<String>> {
    let options = StoreOptions { exclusive: false, create: false, readers: 1 };
    let store = Store::open(url, &options)?;
    let mut all = store.ask_blocking(account::List)?.into_iter();
    let first = all.find(|one| one.name == ACCOUNT_NAME).context("the first account")?;
    let mut names = vec![first.name];
    for idx in 1..n {
        let name = format!("{ACCOUNT_NAME}-{part}-{idx}");
        let add = account::Add {
            name: name.clone(),
            password_hash: first.password_hash.clone(),
            credit: Money::from_micros(1_000_000_000_000),
            currency: first.currency.clone(),
            now: now(),
        };
        store.run_blocking(add)?.context("the account is new")?;
        names.push(name);
    }
    store.close();
    Ok(names)
}

fn one(options: &Options, dimension: Dimension, size: usize) -> Result<[f64; 5]> {
    let world = World::of(dimension, size);
    let behaviour = Behaviour { receipts: Some(Receipts::default()), ..Behaviour::default() };
    let smsc = Smsc::start(behaviour)?;
    let sink = Sink::start(sink::Behaviour::default());
    let parts = (0..world.parts)
        .map(|number| Part::start(number, &world, options.store, smsc.addr))
        .collect::<Result<Vec<_>>>()?;
    let n_binds = u64::try_from((world.routes + world.nodes - 1) * world.parts)?;
    wait_until("all routes bind", Duration::from_secs(60), || Ok(smsc.counts().binds >= n_binds))?;
    let connections = options.connections;
    let mut load = Load { world: &world, connections, sink: &sink, parts: &parts, n_sent: 0 };
    // Everybody's first request checks a password; caches fill, threads start.
    let n_first = (world.accounts / world.nodes).next_multiple_of(connections);
    let first = load.send(n_first, 1)?;
    let first_ms = first.as_secs_f64() * 1e3 / f64::from(u32::try_from(n_first)?);
    let cpu = |part: fn((Duration, Duration)) -> Duration| {
        let each = parts.iter().map(|one| one.cpu().map(part));
        each.sum::<Result<Duration>>()
    };
    let (whole, server) = (cpu(|(whole, _)| whole)?, cpu(|(_, server)| server)?);
    let n_servers = world.parts * world.nodes;
    let n_requests = options.messages / options.batch / world.nodes;
    let wall = load.send(n_requests, options.batch)?;
    let (whole, server) =
        (cpu(|(whole, _)| whole)? - whole, cpu(|(_, server)| server)?.saturating_sub(server));
    let n = f64::from(u32::try_from(n_requests * options.batch * n_servers)?);
    let processes = || parts.iter().flat_map(|part| &part.servers);
    let rss_mib = processes().map(|(_, one)| one.rss_peak_mib()).sum::<Result<f64>>()?;
    ensure!(smsc.counts().submits == load.n_sent, "each message is sent once");
    for part in parts {
        for (_, process) in part.servers {
            process.stop(Duration::from_secs(30))?;
        }
    }
    let us = |cpu: Duration| cpu.as_secs_f64() * 1e6 / n;
    Ok([n / wall.as_secs_f64(), us(whole), us(server), first_ms, rss_mib])
}

/// What is sent to all servers at once.
struct Load<'a> {
    world: &'a World,
    connections: usize,
    sink: &'a Sink,
    parts: &'a [Part],
    n_sent: u64,
}

impl Load<'_> {
    /// Sends so many requests to each server; done when the sink was called for each message.
    fn send(&mut self, n_requests: usize, batch: usize) -> Result<Duration> {
        let (requests, batch) = (u64::try_from(n_requests)?, u64::try_from(batch)?);
        let plan = Plan {
            address: self.sink.addr,
            connections: self.connections / self.world.nodes,
            requests,
            time_max: Duration::from_secs(600),
            rate: None,
            answer_max: Duration::from_secs(120),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let start = Instant::now();
        let mut loads = Vec::new();
        for part in self.parts {
            for (http, _) in &part.servers {
                let post = |name: &String| {
                    let json = "Content-Type: application/json".to_owned();
                    let headers = [authorization_of(name), json];
                    Post::new(&http.to_string(), "/api/rest/sms", &headers)
                };
                let traffic = Requests {
                    posts: part.accounts.iter().map(post).collect(),
                    first: self.n_sent,
                    batch,
                    sink: self.sink.addr,
                    endpoints: u64::try_from(self.world.endpoints)?,
                    body: String::new(),
                };
                self.n_sent += requests * batch;
                let plan = Plan { address: *http, ..plan.clone() };
                loads.push(runtime.spawn(load::run(plan, Arc::new(Mutex::new(traffic)))));
            }
        }
        for load in loads {
            let outcome = runtime.block_on(load)??;
            if outcome.statuses.keys().any(|status| *status != 202) || outcome.failed > 0 {
                bail!("not all accepted: {:?}, {} failed", outcome.statuses, outcome.failed);
            }
        }
        let patience = Duration::from_secs(120);
        wait_until("all is called back", patience, || Ok(self.sink.count() >= self.n_sent))?;
        ensure!(self.sink.count() == self.n_sent, "each message is called back once");
        Ok(start.elapsed())
    }
}

/// Requests of accounts in turn.
struct Requests {
    posts: Vec<Post>,
    /// The first recipient's number.
    first: u64,
    batch: u64,
    sink: SocketAddr,
    endpoints: u64,
    body: String,
}

impl Traffic for Requests {
    fn request(&mut self, idx: u64, _due: Instant, buffer: &mut Vec<u8>) {
        let first = Ledger::recipient(self.first + idx * self.batch);
        let (sink, endpoint) = (self.sink, idx % self.endpoints);
        self.body.clear();
        self.body.push_str(&format!(
            "{{\"from\":\"pombo\",\"message\":\"Your parcel will be with you today.\",\
             \"notificationUrl\":\"http://{sink}/{endpoint}?t=%P&d=%d\",\"to\":["
        ));
        for to in first..first + self.batch {
            let comma = if to > first { "," } else { "" };
            self.body.push_str(&format!("{comma}\"{to}\""));
        }
        self.body.push_str("]}");
        let turn = idx % u64::try_from(self.posts.len()).unwrap_or(1);
        if let Some(post) = self.posts.get(usize::try_from(turn).unwrap_or_default()) {
            post.append(self.body.as_bytes(), buffer);
        }
    }
}
