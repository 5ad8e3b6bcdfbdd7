//! Use cases, the dispatch engine and the notifier: what is decided, and when what goes where.

pub mod accounts;
pub mod auth;
pub mod books;
pub mod clock;
mod current;
pub mod engine;
pub mod error;
mod inbound;
pub mod nodes;
pub mod notify;
pub mod operate;
pub mod operate_inbound;
pub mod operate_nodes;
pub mod operate_notifications;
pub mod operate_opt_out;
pub mod operate_otp;
pub mod operate_retention;
pub mod operate_senders;
pub mod prices;
mod routing;
mod stranded;
pub mod usecase;
pub mod vital;
mod watch;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pombo_domain::channel::{Desk, LinkState};
use pombo_domain::country;
use pombo_domain::id::RouteId;
use pombo_domain::money::Money;
use pombo_domain::otp::Guard;
use pombo_domain::route::{Choose, Route};
use pombo_store::Store;
use pombo_store::operation as op;

use accounts::Accounts;
use clock::Clock;
use current::Current;
use engine::Engine;
use error::Fault;
use prices::Prices;
use routing::Routing;
use vital::Vital;

/// What an operator sets, resolved.
#[derive(Debug, Clone)]
pub struct Config {
    /// Price of one part until a price list is imported.
    pub sms_default_price: Money,
    /// What a certified message costs beside its parts.
    pub sms_certified_price: Money,
    /// What short links begin with where an account has no domain of its own; no slash at its end.
    pub public_url: String,
    /// Whether the carrier's acceptance owes a callback (`%d` = 4).
    pub callbacks_submitted: bool,
    /// How many one-time codes accounts may have made.
    pub otp_limits: Guard,
    /// What decides among routes that take a message.
    pub choose: Choose,
    /// What countries allow of messages.
    pub countries: country::Rules,
    /// The routes; their numbers are given by the store, whatever is set here.
    pub routes: Vec<Route>,
}

/// What may be changed while it runs.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) sms_default_price: Money,
    pub(crate) sms_certified_price: Money,
    pub(crate) otp_limits: Guard,
    pub(crate) choose: Choose,
    pub(crate) routes: Vec<Route>,
}

/// All that a use case may touch; cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) routing: Routing,
    pub(crate) accounts: Accounts,
    pub(crate) subscriptions: notify::Subscriptions,
    pub(crate) prices: Prices,
    pub(crate) countries: Current<country::Rules>,
    pub(crate) engine: Engine,
    pub(crate) inbound: inbound::Bell,
    pub(crate) gate: auth::Gate,
    pub(crate) vital: Vital,
    concat_ref: AtomicU16,
    pub(crate) public_url: String,
    submitted: bool,
    stopped: AtomicBool,
    /// The disk is nearly full: nothing new is accepted.
    pub(crate) is_short_of_room: AtomicBool,
    notifier: Mutex<Option<notify::Handle>>,
}

/// How long a stop waits for the callbacks on their way.
const CALLBACKS_PATIENCE: Duration = Duration::from_secs(2);

/// Whether it can do its work.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// Whether the store answers; else why not.
    pub store: Result<(), String>,
    /// Each route with the state of its best link, and whether it is paused.
    pub routes: Vec<(String, LinkState, bool)>,
}

impl App {
    /// Numbers the routes, recovers what a crash left open, and starts the engine's tasks.
    pub async fn start(config: Config, store: Store, clock: Clock) -> Result<Self, Fault> {
        let routes = number(&store, config.routes).await?;
        let nodes = Arc::clone(&store.nodes().borrow());
        engine::recover(&store, &clock, &routes).await?;
        usecase::otp::keep_key(&store, &clock).await?;
        let accounts = Accounts::load(&store).await?;
        let subscriptions = notify::Subscriptions::load(&store).await?;
        let prices = Prices::default();
        prices.refresh(&store, clock.now()).await?;
        let rules = Rules {
            sms_default_price: config.sms_default_price,
            sms_certified_price: config.sms_certified_price,
            otp_limits: config.otp_limits,
            choose: config.choose,
            routes: routes.clone(),
        };
        let routing = Routing::new(rules, prices.clone(), accounts.clone());
        let countries = Current::new(config.countries);
        let followed = (&accounts, &routing, &countries);
        let bell = inbound::Bell::default();
        let vital = Vital::default();
        let engine = Engine::start((&store, &clock), followed, &bell, (&routes, &vital)).await?;
        // A start somewhere else in the cycle: a restart must not repeat the last references.
        let concat_ref = u16::try_from(clock.now().millis() & 0xffff).unwrap_or(0);
        let inner = Arc::new(Inner {
            store,
            clock,
            routing,
            accounts,
            subscriptions,
            prices,
            countries,
            engine,
            inbound: bell,
            gate: auth::Gate::new(),
            vital,
            concat_ref: AtomicU16::new(concat_ref),
            public_url: config.public_url,
            submitted: config.callbacks_submitted,
            stopped: AtomicBool::new(false),
            is_short_of_room: AtomicBool::new(false),
            notifier: Mutex::default(),
        });
        let app = Self { inner };
        nodes::start(&app, nodes);
        watch::start(&app);
        inbound::start(&app);
        Ok(app)
    }

    /// The routes in force.
    #[must_use]
    pub fn routes(&self) -> Vec<Route> {
        self.rules().routes.clone()
    }

    /// The engine's side of a route, for its channel.
    #[must_use]
    pub fn desk(&self, route: RouteId) -> Option<Arc<dyn Desk>> {
        self.inner.engine.desk(route).map(|desk| desk as Arc<dyn Desk>)
    }

    /// Starts telling callbacks, through `post`: when this node is the first of those that serve.
    pub fn start_notifier(&self, post: Arc<dyn notify::Post>) {
        let handle = notify::start(
            (self.inner.store.clone(), self.inner.clock.clone(), &self.inner.vital),
            post,
            self.inner.subscriptions.clone(),
            self.inner.submitted,
        );
        *self.inner.notifier.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
    }

    /// The tasks that it cannot do without.
    #[must_use]
    pub fn vital(&self) -> &Vital {
        &self.inner.vital
    }

    /// Whether it can do its work.
    pub async fn readiness(&self) -> Readiness {
        let store = self.inner.store.version().await;
        let trouble = self.inner.store.trouble().map_or(Ok(()), |trouble| Err(trouble.to_string()));
        let has_room = match self.inner.is_short_of_room.load(Ordering::Relaxed) {
            true => Err("the disk is nearly full, and nothing new is accepted".to_owned()),
            false => Ok(()),
        };
        Readiness {
            store: store.map_err(|error| error.to_string()).and(trouble).and(has_room),
            routes: self.inner.engine.standing(),
        }
    }

    /// Takes new prices and rules for the routes that run; routes that came or went need a restart,
    /// and their names are given back.
    pub async fn reload(&self, config: Config) -> Result<Vec<String>, Fault> {
        let routes = number(&self.inner.store, config.routes).await?;
        let mut odd = Vec::new();
        for route in &routes {
            if !self.inner.engine.reload(route) {
                odd.push(route.name.clone());
            }
        }
        for before in &self.rules().routes {
            if !routes.iter().any(|route| route.id == before.id) {
                odd.push(before.name.clone());
            }
        }
        self.inner.countries.set(config.countries);
        // Nobody would carry what is queued for a route that does not run.
        let runs = |route: &Route| self.inner.engine.desk(route.id).is_some();
        let routes = routes.into_iter().filter(runs).collect();
        self.inner.routing.set(Rules {
            sms_default_price: config.sms_default_price,
            sms_certified_price: config.sms_certified_price,
            otp_limits: config.otp_limits,
            choose: config.choose,
            routes,
        });
        Ok(odd)
    }

    /// Gives back what was claimed and not taken, waits until what is settled is stored (at most
    /// `patience`), and closes the store. The channels have drained before.
    pub async fn stop(&self, patience: Duration) {
        self.inner.stopped.store(true, Ordering::Relaxed);
        let notifier = self.inner.notifier.lock().unwrap_or_else(PoisonError::into_inner).take();
        let notified = async {
            if let Some(notifier) = notifier {
                notifier.stop(patience.min(CALLBACKS_PATIENCE)).await;
            }
        };
        tokio::join!(self.inner.engine.stop(patience), notified);
        let store = self.inner.store.clone();
        // Closing waits for the writer; not a thing to do on the runtime.
        let _ = tokio::task::spawn_blocking(move || store.close()).await;
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.inner.routing.rules()
    }

    /// Concatenation references for `n` messages: consecutive, so that two long messages on their
    /// way to one handset differ.
    pub(crate) fn concat_refs(&self, n: usize) -> u16 {
        let n = u16::try_from(n & 0xffff).unwrap_or(0);
        self.inner.concat_ref.fetch_add(n, Ordering::Relaxed)
    }
}

/// Gives the routes their numbers, in the order of the configuration.
async fn number(store: &Store, mut routes: Vec<Route>) -> Result<Vec<Route>, Fault> {
    let names = routes.iter().map(|route| route.name.clone()).collect();
    let ids = store.run(op::route::Number { names }).await?;
    let learned: HashMap<RouteId, _> = store
        .ask(op::route::List)
        .await?
        .into_iter()
        .filter_map(|row| row.learned.map(|learned| (row.id, learned)))
        .collect();
    for (route, id) in routes.iter_mut().zip(ids) {
        route.id = id;
        if route.receipt_id == pombo_domain::route::ReceiptId::Auto
            && let Some(&spelling) = learned.get(&id)
        {
            route.receipt_id = spelling;
        }
    }
    Ok(routes)
}
