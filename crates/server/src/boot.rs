//! From a configuration to a running server, and back to a clean stop.
//!
//! The order of a stop: no new connections, and requests under way are answered; channels give
//! back what they have not sent and wait for answers; the app writes its last lines; all within
//! [`DRAIN`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pombo_app::App;
use pombo_app::clock::Clock;
use pombo_app::operate;
use pombo_domain::id::AccountId;
use pombo_store::{Store, with_causes};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use crate::channel::Channels;
use crate::config::{Config, url_of};
use crate::entry::nrs360::Counters;
use crate::entry::{Budget, Doors, House, accept, metrics_recorder, router};

/// How long a stop may take in all.
pub const DRAIN: Duration = Duration::from_secs(10);

/// Of that: for requests that are being answered.
const DRAIN_HTTP: Duration = Duration::from_secs(2);

/// Of that: for carriers' answers to what is on its way.
const DRAIN_CHANNELS: Duration = Duration::from_millis(6_500);

/// Large requests worked on at a time; the others wait with their bodies, which are counted.
const LARGE_REQUESTS_AT_ONCE: usize = 4;

/// Between two rounds of housekeeping of the metrics.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// What a running server is told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Finish what has begun, and end.
    Stop,
    /// Read prices, routes and rules again.
    Reload,
    /// Write the routes' PDU traces to the log, texts redacted.
    Trace,
}

/// What a server is started with.
pub struct Start {
    /// The configuration in force.
    pub config: Config,
    /// Where it came from, to be read again.
    pub file: Option<PathBuf>,
    /// The open store.
    pub store: Store,
    /// Where to listen.
    pub listener: TcpListener,
    /// Whether the simulated phones may be shown: only in a demo.
    pub demo: bool,
}

/// Opens the store that the configuration names, and brings it to this version's form.
///
/// One that serves from it has it alone.
pub fn open_store(config: &Config, options: &pombo_store::Options) -> Result<Store, String> {
    Store::open(&config.store.url, options).map_err(|e| e.to_string())
}

/// Runs until told to stop; `ready` is called with the public URL once requests are answered.
pub async fn run(
    start: Start,
    mut orders: mpsc::Receiver<Order>,
    ready: impl FnOnce(&str),
) -> Result<(), String> {
    let metrics = metrics_recorder();
    let Start { config, file, store, listener, demo } = start;
    let address = listener.local_addr().map_err(|e| format!("http.listen: {e}"))?;
    let clock = Clock::system();
    let app = app(&config, &store, clock.clone(), address).await?;
    app.start_notifier(crate::channel::caller(&config));
    let mut nodes = app.nodes();
    let first_seen = Arc::clone(&nodes.borrow_and_update());
    let mut channels = Channels::new(app.take_share(&first_seen));
    channels.follow(&app, &config.routes).await;
    app.act_by(&first_seen);
    let mut acting: Option<JoinHandle<()>> = None;

    let public_url = config.public_url(address);
    let (stop, stopping) = watch::channel(false);
    // The phones show texts: in a demo only, and only to this machine.
    let phones = (demo && address.ip().is_loopback()).then(|| channels.phones());
    let house = Arc::new(House {
        app: app.clone(),
        clock,
        public_url: public_url.clone(),
        brand: config.brand.clone(),
        trusted_proxies: config.trusted_proxies(),
        bodies: Budget::new(),
        large: Semaphore::new(LARGE_REQUESTS_AT_ONCE),
        counters: Counters::new(),
        router: router(Doors {
            app: app.clone(),
            brand: config.brand.clone(),
            public_url: public_url.clone(),
            phones,
            stopping: stopping.clone(),
        }),
    });
    let http = tokio::spawn(accept(listener, house, stopping, DRAIN_HTTP));
    ready(&url_of(address));

    let mut upkeep = tokio::time::interval(METRICS_UPKEEP);
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Reload) if demo => {
                    tracing::warn!("a demo reads its configuration once; start it again");
                }
                Some(Order::Reload) => {
                    reload((file.as_ref(), &config), &store, &app, &mut channels).await;
                }
                Some(Order::Trace) => channels.log_traces(),
                Some(Order::Stop) | None => break,
            },
            _ = upkeep.tick() => metrics.run_upkeep(),
            Ok(()) = nodes.changed() => {
                let now = Arc::clone(&nodes.borrow_and_update());
                let acted = channels.take_share(app.take_share(&now));
                let app = app.clone();
                let before = acting.replace(tokio::spawn(async move {
                    acted.await;
                    app.act_by(&now);
                }));
                before.inspect(JoinHandle::abort); // It is overtaken.
            }
            // Nothing of it is finished: what this process knows of messages is not true any more.
            why = unable(&store, &app) => return Err(why),
        }
    }
    tracing::info!("stopping");
    let _ = stop.send(true);
    finish(http, channels, app).await;
    Ok(())
}

/// Starts the app on an open store.
async fn app(
    config: &Config,
    store: &Store,
    clock: Clock,
    listen: SocketAddr,
) -> Result<App, String> {
    if config.routes.is_empty() {
        tracing::warn!(
            "no route is configured (sms.routes): every recipient is refused until there is one"
        );
    }
    let app_config = app_config(config, &accounts(store).await?, listen)?;
    App::start(app_config, store.clone(), clock).await.map_err(|why| {
        let (place, why) = (pombo_store::shown_url(&config.store.url), with_causes(&why));
        format!("store.url {place}: {why}; if a table was changed by hand, restore a backup")
    })
}

/// Waits until this process can do its work no more; why.
async fn unable(store: &Store, app: &App) -> String {
    tokio::select! {
        why = store.superseded() => format!("store.url: {why}"),
        what = app.vital().broken() => format!(
            "a defect of pombo has ended the task that {what}; start it anew, and report what the log says"
        ),
    }
}

async fn finish(http: JoinHandle<()>, channels: Channels, app: App) {
    let over = tokio::time::Instant::now() + DRAIN;
    if let Err(e) = http.await {
        tracing::error!(error = %e, "the HTTP door broke");
    }
    channels.stop(DRAIN_CHANNELS).await;
    let left = over.saturating_duration_since(tokio::time::Instant::now());
    app.stop(left.max(Duration::from_secs(1))).await;
    tracing::info!("stopped");
}

/// Takes the configuration's changes over, or keeps everything as it is where it has mistakes.
async fn reload(
    (file, before): (Option<&PathBuf>, &Config),
    store: &Store,
    app: &App,
    channels: &mut Channels,
) {
    let config = match crate::config::load(file.map(PathBuf::as_path)) {
        Ok(config) => config,
        Err(mistakes) => {
            for mistake in mistakes {
                tracing::error!(mistake, "the configuration was not taken over");
            }
            return;
        }
    };
    let taken = accounts(store)
        .await
        .and_then(|accounts| app_config(&config, &accounts, config.http.listen));
    match taken {
        Ok(new) => {
            match app.reload(new).await {
                Ok(odd) => {
                    for route in odd {
                        tracing::warn!(route, "a route that came or went needs a restart");
                    }
                }
                Err(e) => {
                    tracing::error!(error = %e, "the configuration was not taken over");
                    return;
                }
            }
            channels.follow(app, &config.routes).await;
            for key in need_restart(before, &config) {
                tracing::warn!(key, "this changed, and takes effect at the next start");
            }
            tracing::info!(routes = config.routes.len(), "the configuration was read again");
        }
        Err(mistake) => tracing::error!(mistake, "the configuration was not taken over"),
    }
}

/// The settings that differ from those in force and are only read at a start.
fn need_restart(before: &Config, now: &Config) -> Vec<&'static str> {
    let differs = [
        ("http", before.http != now.http),
        ("store", before.store != now.store),
        ("brand", before.brand != now.brand),
        ("callbacks", before.callbacks != now.callbacks),
        ("log", before.log != now.log),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

/// All accounts' names and numbers.
async fn accounts(store: &Store) -> Result<Vec<(String, AccountId)>, String> {
    let store = store.clone();
    let list = tokio::task::spawn_blocking(move || operate::account_list(&store));
    let rows = list.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    Ok(rows.into_iter().map(|row| (row.name, row.id)).collect())
}

/// What the app needs of the configuration.
fn app_config(
    config: &Config,
    accounts: &[(String, AccountId)],
    listen: SocketAddr,
) -> Result<pombo_app::Config, String> {
    let routes = config
        .routes
        .iter()
        .map(|route| crate::channel::spec(route, accounts))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(pombo_app::Config {
        sms_default_price: config.prices.sms_default,
        sms_certified_price: config.prices.sms_certified,
        public_url: config.public_url(listen),
        callbacks_submitted: config.callbacks.submitted,
        otp_limits: config.otp.clone(),
        choose: config.choose,
        countries: config.rules.countries.clone(),
        routes,
    })
}
