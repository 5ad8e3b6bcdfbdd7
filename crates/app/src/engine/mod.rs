//! Which message goes when, over which route, how fast, again or not. Knows no protocol.
//!
//! Each route has a [`desk::RouteDesk`] between two tasks: the *pump* claims what is due and puts it
//! on the desk, the *settler* stores what comes back. Channels take from the desk and report to it.

mod desk;
mod flight;
mod fresh;
mod heads;
mod health;
mod links;
mod pace;
mod pump;
mod settler;
mod stock;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use pombo_domain::address::Country;
use pombo_domain::channel::LinkState;
use pombo_domain::country;
use pombo_domain::id::{AccountId, RouteId};
use pombo_domain::message::Lane;
use pombo_domain::route::Route;
use pombo_domain::share::Share;
use pombo_domain::time::Instant;
use pombo_store::operation as op;
use pombo_store::{Outlet, Store};
use tokio::task::JoinHandle;

use crate::accounts::Accounts;
use crate::clock::Clock;
use crate::current::Current;
use crate::error::Fault;
use crate::inbound::Bell;
use crate::routing::Routing;
use crate::vital::Vital;
pub(crate) use desk::RouteDesk;
use desk::lock;
pub(crate) use pace::AccountPaces;

/// All routes' desks.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    desks: Arc<HashMap<RouteId, Arc<RouteDesk>>>,
    routing: Routing,
    paces: AccountPaces,
    pumps: Arc<Mutex<Vec<JoinHandle<()>>>>,
    settlers: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

/// Turns what a crash left open into parts in doubt, by each route's policy.
pub(crate) async fn recover(store: &Store, clock: &Clock, routes: &[Route]) -> Result<(), Fault> {
    let policies = routes.iter().map(|route| (route.id, route.uncertain)).collect();
    let found = store.run(op::recover::Recover { policies, now: clock.now() }).await?;
    if found.n_uncertain > 0 || found.n_unstaged > 0 {
        tracing::warn!(
            uncertain = found.n_uncertain,
            unaccepted = found.n_unstaged,
            "recovered from a hard stop; see `pombo uncertain list`"
        );
    }
    Ok(())
}

impl Engine {
    /// Makes a desk for each route and starts its tasks.
    pub(crate) async fn start(
        (store, clock): (&Store, &Clock),
        (accounts, routing, countries): (&Accounts, &Routing, &Current<country::Rules>),
        inbound: &Bell,
        (routes, vital): (&[Route], &Vital),
    ) -> Result<Self, Fault> {
        let paces = AccountPaces::new(accounts.clone());
        let known = store.ask(op::route::List).await?;
        let mut desks = HashMap::new();
        let mut settlers = Vec::new();
        for route in routes {
            let (desk, reports) = RouteDesk::new(route.clone(), (store, clock), &paces, countries);
            // Before the first link is up: a pause outlives a restart.
            desk.set_paused(known.iter().any(|row| row.id == route.id && row.paused));
            desk.look_at_heads().await?;
            store.set_outlet(route.id, Arc::downgrade(&desk) as Weak<dyn Outlet>);
            settlers.push((Arc::clone(&desk), reports));
            desks.insert(route.id, desk);
        }
        let engine = Self {
            desks: Arc::new(desks),
            routing: routing.clone(),
            paces,
            pumps: Arc::default(),
            settlers: Arc::default(),
        };
        let mut pumps = Vec::new();
        for (desk, reports) in settlers {
            let settler =
                settler::run((Arc::clone(&desk), engine.clone()), inbound.clone(), reports);
            lock(&engine.settlers).push(vital.spawn("stores outcomes", settler));
            pumps.push(vital.spawn("claims what is due", pump::run(desk)));
        }
        *lock(&engine.pumps) = pumps;
        Ok(engine)
    }

    pub(crate) fn desk(&self, route: RouteId) -> Option<Arc<RouteDesk>> {
        self.desks.get(&route).cloned()
    }

    pub(crate) fn desks(&self) -> impl Iterator<Item = &Arc<RouteDesk>> {
        self.desks.values()
    }

    /// Tells a route that something was queued.
    pub(crate) fn ring(&self, route: RouteId, lane: Lane, account: AccountId, due: Instant) {
        if let Some(desk) = self.desks.get(&route) {
            desk.ring(lane, account, due);
        }
    }

    /// Whether a route can take messages now.
    pub(crate) fn is_usable(&self, route: RouteId) -> bool {
        self.desks.get(&route).is_some_and(|desk| desk.is_usable())
    }

    /// Whether a route should be chosen for this country: it can take messages, and delivers enough.
    pub(crate) fn is_fit(&self, route: RouteId, country: Country) -> bool {
        self.desks.get(&route).is_some_and(|desk| desk.is_fit(country))
    }

    /// Takes new rules for a route; `false` when there is no such desk.
    pub(crate) fn reload(&self, route: &Route) -> bool {
        self.desks.get(&route.id).is_some_and(|desk| {
            desk.reload(route);
            true
        })
    }

    /// Takes this node's share of the routes' links and rates, and of the accounts' rates: an account
    /// goes by the nodes that have links.
    pub(crate) fn take_share(&self, share: Share) {
        let links = self.desks.values().map(|desk| desk.route().links.max(1)).max().unwrap_or(1);
        self.paces.share_among(share.among(links).max(1));
        for desk in self.desks.values() {
            desk.take_share(share);
        }
    }

    /// How the routes stand.
    pub(crate) fn standing(&self) -> Vec<(String, LinkState, bool)> {
        let mut standing: Vec<_> = self.desks.values().map(|desk| desk.standing()).collect();
        standing.sort_by(|a, b| a.0.cmp(&b.0));
        standing
    }

    /// Stops claiming, gives back what was claimed and not taken, and waits for the settlers.
    pub(crate) async fn stop(&self, patience: Duration) {
        for desk in self.desks.values() {
            desk.stop();
        }
        let pumps = std::mem::take(&mut *lock(&self.pumps));
        let settled = async {
            for pump in pumps {
                let _ = pump.await; // A pump that panicked claims nothing more either.
            }
            for desk in self.desks.values() {
                desk.clear();
                desk.settled().await;
            }
        };
        if tokio::time::timeout(patience, settled).await.is_err() {
            tracing::warn!("stopped before every outcome was stored; they will be in doubt");
        }
        // They hold the desks that feed them: by themselves they would never end.
        for settler in std::mem::take(&mut *lock(&self.settlers)) {
            settler.abort();
        }
    }
}
