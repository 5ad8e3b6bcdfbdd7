//! From configured routes to running channels.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pombo_app::App;
use pombo_app::clock::Clock;
use pombo_app::notify::{Letter, Post, Unanswered};
use pombo_app::vital::Vital;
use pombo_channels::callback::{self, CallFailed};
use pombo_channels::sandbox::{self, Phones};
use pombo_channels::sharing::{Giver, Taker, sharing};
use pombo_channels::sms::smpp;
use pombo_domain::channel::{Arrival, Attempt, BoxFuture, Desk, LinkState, NotStored, Report};
use pombo_domain::id::{AccountId, RouteId};
use pombo_domain::route::Route;
use pombo_domain::share::Share;
use pombo_domain::time::Instant;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{
    Bind, Config, DataCoding, FlashBy, LongBy, RouteConfig, Smpp, TonNpi, Transport,
};

/// How long a carrier's answers to what is on its way are waited for when a route stops.
const DRAIN: Duration = Duration::from_secs(5);

/// How long `pombo routes check` waits for a carrier.
const CHECK_WAIT: Duration = Duration::from_secs(10);

/// The channels of all routes.
pub(crate) struct Channels {
    running: HashMap<String, Running>,
    phones: Arc<Phones>,
    /// What this node may do of what all may do.
    share: Share,
}

struct Running {
    config: RouteConfig,
    trace: Option<smpp::Trace>,
    sharing: Giver,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Channels {
    /// None yet; of each this share will run.
    pub(crate) fn new(share: Share) -> Self {
        Self { running: HashMap::new(), phones: Arc::default(), share }
    }

    /// Has as many links as are of that share; what is given back tells when there are no more.
    pub(crate) fn take_share(&mut self, share: Share) -> impl Future<Output = ()> + Send + use<> {
        self.share = share;
        let mut acted = Vec::new();
        for running in self.running.values() {
            running.sharing.give(share);
            acted.push(running.sharing.acted(share));
        }
        async move {
            for acted in acted {
                acted.await;
            }
        }
    }

    /// The simulated phones of all sandbox routes.
    pub(crate) fn phones(&self) -> Arc<Phones> {
        Arc::clone(&self.phones)
    }

    /// Makes the channels what the configuration says: starts the new, stops those that went, and
    /// starts those anew whose link has changed. The others keep their sessions.
    pub(crate) async fn follow(&mut self, app: &App, configured: &[RouteConfig]) {
        let gone: Vec<String> = self
            .running
            .iter()
            .filter(|(_, running)| !configured.iter().any(|c| same_link(c, &running.config)))
            .map(|(name, _)| name.clone())
            .collect();
        let stopping: Vec<Running> =
            gone.iter().filter_map(|name| self.running.remove(name)).collect();
        stop_all(stopping, DRAIN + Duration::from_secs(2)).await;
        for route in app.routes() {
            let Some(config) = configured.iter().find(|c| c.name == route.name) else { continue };
            if self.running.contains_key(&route.name) {
                continue;
            }
            // A route without a desk came with a reload; the app has said that it needs a restart.
            if let Some(desk) = app.desk(route.id) {
                let running = self.start(config.clone(), desk, app.vital());
                self.running.insert(route.name, running);
            }
        }
    }

    fn start(&self, config: RouteConfig, desk: Arc<dyn Desk>, vital: &Vital) -> Running {
        let (stop, stopped) = watch::channel(false);
        let (sharing, taker) = sharing(self.share);
        let (trace, task) = match &config.transport {
            Transport::Smpp(link) => {
                let link = smpp_config(&config, link);
                let trace = link.trace.clone();
                let run = smpp::run(link, desk, taker, stopped);
                (Some(trace), vital.spawn("speaks to a carrier", run))
            }
            Transport::Sandbox => {
                let phones = self.phones();
                let route = config.name.clone();
                let simulated = sandbox::Config { route, ..sandbox::Config::default() };
                let play = move |stop| {
                    sandbox::run(simulated.clone(), Arc::clone(&desk), Arc::clone(&phones), stop)
                };
                let run = while_shared(play, (taker, config.binds), stopped);
                (None, vital.spawn("plays a carrier", run))
            }
        };
        tracing::info!(route = config.name, "a route is starting");
        Running { config, trace, sharing, stop, task }
    }

    /// Writes the last PDUs of every route to the log, texts redacted.
    pub(crate) fn log_traces(&self) {
        for (route, running) in &self.running {
            for pdu in running.trace.iter().flat_map(smpp::Trace::lines) {
                tracing::info!(route, pdu, "trace");
            }
        }
    }

    /// Stops all channels; those that are not done when `patience` ends are cut off.
    pub(crate) async fn stop(self, patience: Duration) {
        stop_all(self.running.into_values().collect(), patience).await;
    }
}

/// Runs what has no links of its own as long as this node has one of the route's.
async fn while_shared<F: Future<Output = ()>>(
    run: impl Fn(watch::Receiver<bool>) -> F,
    (mut sharing, binds): (Taker, usize),
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let share = sharing.share();
        sharing.act_by(share);
        let has_one = share.of(binds) > 0;
        let (end, ended) = watch::channel(false);
        let running = async {
            if has_one {
                run(ended).await;
            }
        };
        let until = async {
            let is_over = loop {
                tokio::select! {
                    // An error means that nobody is left who could say stop: the same.
                    _ = stop.wait_for(|stop| *stop) => break true,
                    () = sharing.changed() => {}
                }
                let share = sharing.share();
                if (share.of(binds) > 0) != has_one {
                    break false;
                }
                sharing.act_by(share);
            };
            end.send_replace(true);
            is_over
        };
        if tokio::join!(running, until).1 {
            return;
        }
    }
}

async fn stop_all(channels: Vec<Running>, patience: Duration) {
    let over = tokio::time::Instant::now() + patience;
    for channel in &channels {
        // A channel that has ended by itself does not listen any more.
        let _ = channel.stop.send(true);
    }
    for mut channel in channels {
        if tokio::time::timeout_at(over, &mut channel.task).await.is_err() {
            tracing::warn!(route = channel.config.name, "a route had not stopped in time");
            channel.task.abort();
        }
    }
}

/// Whether a running link can stay as it is.
fn same_link(new: &RouteConfig, old: &RouteConfig) -> bool {
    new.name == old.name
        && new.transport == old.transport
        && (new.binds, new.window, new.validity_max) == (old.binds, old.window, old.validity_max)
}

/// The route as the app knows it; accounts become numbers, the store gives the route's own.
pub(crate) fn spec(
    config: &RouteConfig,
    accounts: &[(String, AccountId)],
) -> Result<Route, String> {
    let number = |name: &String| {
        let found = accounts.iter().find(|(known, _)| known == name).map(|(_, id)| *id);
        found.ok_or_else(|| {
            format!(
                "sms.routes: route {} serves the account {name:?}, which does not exist; add it \
                 with `pombo account add {name}`, or take it out",
                config.name
            )
        })
    };
    Ok(Route {
        id: RouteId(0),
        name: config.name.clone(),
        countries: config.countries.clone(),
        networks: config.networks.clone(),
        senders: config.senders.clone(),
        accounts: config.accounts.iter().map(number).collect::<Result<_, _>>()?,
        categories: config.categories.clone(),
        priority: config.priority,
        weight: config.weight,
        buy_price: config.buy_price,
        rate: config.rate,
        window: config.window,
        links: config.binds,
        uncertain: config.uncertain,
        failover: config.failover.clone(),
        floor: config.floor,
        receipt_id: config.receipt_id,
        validity_max: config.validity_max,
        affixes: config.affixes.clone(),
    })
}

fn smpp_config(route: &RouteConfig, link: &Smpp) -> smpp::Config {
    let address = link.addresses.first().map_or("", String::as_str);
    let defaults = smpp::Config::new(&route.name, address, &link.system_id, link.password.expose());
    let drain = smpp::Timings { drain: DRAIN, ..smpp::Timings::default() };
    smpp::Config {
        addresses: link.addresses.clone(),
        tls: link.tls.clone().map(|tls| smpp::Tls { ca: tls.ca, server_name: tls.server_name }),
        system_type: link.system_type.clone(),
        bind: match link.bind {
            Bind::Transceiver => smpp::Bind::Transceiver,
            Bind::Pair => smpp::Bind::Pair,
        },
        binds: route.binds,
        window: route.window,
        enquire: link.enquire,
        response: link.response,
        validity_max: route.validity_max,
        encoding: match link.encoding {
            DataCoding::GsmUnpacked => smpp::DefaultEncoding::GsmUnpacked,
            DataCoding::GsmPacked => smpp::DefaultEncoding::GsmPacked,
            DataCoding::Latin1 => smpp::DefaultEncoding::Latin1,
            DataCoding::Ascii => smpp::DefaultEncoding::Ascii,
        },
        long: match link.long {
            LongBy::Udh => smpp::Long::Udh,
            LongBy::Sar => smpp::Long::Sar,
            LongBy::Payload => smpp::Long::Payload,
        },
        flash: match link.flash {
            FlashBy::DataCoding => smpp::Flash::DataCoding,
            FlashBy::Tlv => smpp::Flash::Tlv,
        },
        shift_tables: link.shift_tables,
        temporary_errors: link.temporary_errors.clone(),
        ton_npi: ton_npi(link.ton_npi),
        timings: drain,
        ..defaults
    }
}

fn ton_npi(typed: TonNpi) -> smpp::TonNpi {
    let usual = smpp::TonNpi::default();
    smpp::TonNpi {
        alphanumeric: typed.alphanumeric.unwrap_or(usual.alphanumeric),
        long: typed.long.unwrap_or(usual.long),
        short: typed.short.unwrap_or(usual.short),
        destination: typed.destination.unwrap_or(usual.destination),
    }
}

/// What the notifier calls customers' URLs with.
pub(crate) fn caller(config: &Config) -> Arc<dyn Post> {
    let settings = callback::Config {
        allow_private_networks: config.callbacks.allow_private_networks,
        ..callback::Config::default()
    };
    Arc::new(Customers(callback::Caller::new(settings)))
}

/// Customers' servers.
struct Customers(callback::Caller);

impl Post for Customers {
    fn get(&self, url: String) -> BoxFuture<'static, Result<u16, Unanswered>> {
        let caller = self.0.clone();
        Box::pin(async move {
            let answered = caller.get(&url).await;
            answered.map_err(|failed| unanswered(&failed, CallFailed::to_string))
        })
    }

    fn post(&self, url: String, letter: Letter) -> BoxFuture<'static, Result<u16, Unanswered>> {
        let caller = self.0.clone();
        let Letter { media_type, headers, body } = letter;
        let content = callback::Content { media_type, headers, body: body.into() };
        Box::pin(async move {
            let answered = caller.post(&url, content).await;
            // The owner of the URL reads this, who must not learn our network's names from it.
            answered.map_err(|failed| unanswered(&failed, CallFailed::for_owner))
        })
    }
}

/// Why a call brought no status, what failed `in_words`.
fn unanswered(failed: &CallFailed, in_words: fn(&CallFailed) -> String) -> Unanswered {
    match failed {
        CallFailed::Busy => Unanswered::Unsent,
        CallFailed::Later { wait, .. } => Unanswered::Later(*wait),
        failed => Unanswered::Failed(in_words(failed)),
    }
}

/// Connects to a route's carrier as `serve` would, and says how it answered. A second session
/// beside those of a running server, for a moment.
pub(crate) async fn check(config: &RouteConfig) -> Result<String, String> {
    let Transport::Smpp(link) = &config.transport else {
        return Ok("simulated phones, always there".to_owned());
    };
    let desk = Arc::new(CheckDesk::default());
    let (stop, stopped) = watch::channel(false);
    let only_one = RouteConfig { binds: 1, ..config.clone() };
    let settings = smpp_config(&only_one, link);
    let task = tokio::spawn(smpp::run(
        settings,
        Arc::clone(&desk) as Arc<dyn Desk>,
        Taker::of_all(),
        stopped,
    ));
    let verdict = tokio::time::timeout(CHECK_WAIT, desk.verdict()).await;
    // The channel may have given up already.
    let _ = stop.send(true);
    let _ = tokio::time::timeout(DRAIN, task).await;
    match verdict {
        Ok(verdict) => verdict,
        Err(_) => Err(format!("no answer within {} s", CHECK_WAIT.as_secs())),
    }
}

/// A desk without work, that only watches how the link stands.
#[derive(Default)]
struct CheckDesk {
    state: watch::Sender<Option<LinkState>>,
    clock: Clock,
}

impl CheckDesk {
    async fn verdict(&self) -> Result<String, String> {
        let mut states = self.state.subscribe();
        loop {
            match states.borrow_and_update().clone() {
                Some(LinkState::Up) => return Ok("bound".to_owned()),
                Some(LinkState::Down { why, .. }) => return Err(why),
                Some(LinkState::Connecting) | None => {}
            }
            if states.changed().await.is_err() {
                return Err("the channel ended".to_owned());
            }
        }
    }
}

impl Desk for CheckDesk {
    fn next(&self, _room: usize) -> BoxFuture<'_, Vec<Attempt>> {
        Box::pin(std::future::pending())
    }

    fn report(&self, _reports: Vec<Report>) {}

    /// Nothing is kept here: what the carrier sends now, it sends again to the server.
    fn received(&self, _arrivals: Vec<Arrival>) -> BoxFuture<'_, Result<(), NotStored>> {
        Box::pin(std::future::ready(Err(NotStored)))
    }

    fn throttled(&self) {}

    fn link(&self, _link: usize, state: LinkState) {
        self.state.send_replace(Some(state));
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }
}
