//! The desk between engine and channel: claimed work on one side, outcomes on the other.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pombo_domain::address::Country;
use pombo_domain::channel::{
    Arrival, Attempt, BoxFuture, Desk, LinkState, NotStored, Outcome, Report,
};
use pombo_domain::country;
use pombo_domain::health::Counts;
use pombo_domain::id::{AccountId, RouteId};
use pombo_domain::message::Lane;
use pombo_domain::rate::Bucket;
use pombo_domain::route::Route;
use pombo_domain::share::Share;
use pombo_domain::time::Instant;
use pombo_store::Store;
use pombo_store::operation as op;
use tokio::sync::{Notify, mpsc, oneshot};

use super::AccountPaces;
use super::flight::Flight;
use super::fresh::Fresh;
use super::heads::Heads;
use super::health::Health;
use super::links::Links;
use super::settler::Incoming;
use super::stock::{Lot, Stock};
use crate::clock::Clock;
use crate::current::Current;

/// Windows a link that are claimed: one that is under way, and one that lies on the desk.
const WINDOWS_AHEAD: usize = 2;
/// The same, where a commit takes some milliseconds: what is claimed in one, and settled in another
/// later, is what each carries.
const WINDOWS_AHEAD_FAR: usize = 8;
/// Seconds of a route's rate that may be claimed ahead.
const CLAIM_AHEAD_S: f64 = 0.5;
/// A throttled route loses this share of its rate.
const THROTTLE_SHARE: f64 = 0.8;
/// And regains it by this share of the configured rate each time [`RouteDesk::recover_rate`] is called.
const RECOVERY_SHARE: f64 = 0.01;
/// The least that a bucket is filled at.
const RATE_MIN: f64 = 0.001;
/// Pause while nobody knows whether another process may be sending too.
const UNSURE_PAUSE: Duration = Duration::from_millis(100);

/// One route's desk.
#[derive(Debug)]
pub(crate) struct RouteDesk {
    pub(super) id: RouteId,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) paces: AccountPaces,
    pub(super) countries: Current<country::Rules>,
    route: Mutex<Arc<Route>>,
    pub(super) heads: Mutex<Heads>,
    pub(super) flight: Mutex<Flight>,
    pub(super) health: Health,
    stock: Mutex<Stock>,
    /// What was claimed for it when it was accepted, and is not yet in its stock.
    pub(super) fresh: Mutex<Fresh>,
    /// Rings when work was put on the desk.
    stocked: Notify,
    /// Rings when the pump has a reason to look again.
    pub(super) bell: Notify,
    bucket: Mutex<Option<Bucket>>,
    /// The rate that the bucket was given, before the carrier throttled.
    given: Mutex<Option<f64>>,
    links: Mutex<Links>,
    paused: AtomicBool,
    stopping: AtomicBool,
    reports: mpsc::UnboundedSender<Incoming>,
    /// Batches reported and not yet stored.
    pub(super) unsettled: AtomicUsize,
    pub(super) quiet: Notify,
}

/// Parts that may be claimed now, by lane.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Room([usize; 2]);

impl Room {
    pub(super) const fn of(self, lane: Lane) -> usize {
        self.0[lane as usize]
    }

    /// Whether there is none in any lane.
    pub(super) fn is_none(self) -> bool {
        self.0 == [0; 2]
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RouteDesk {
    /// A desk, and what is reported to it.
    pub(super) fn new(
        route: Route,
        (store, clock): (&Store, &Clock),
        paces: &AccountPaces,
        countries: &Current<country::Rules>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Incoming>) {
        let (reports, incoming) = mpsc::unbounded_channel();
        let bucket = route.rate.map(|rate| Bucket::new(rate, clock.now()));
        let desk = Self {
            id: route.id,
            store: store.clone(),
            clock: clock.clone(),
            paces: paces.clone(),
            countries: countries.clone(),
            heads: Mutex::default(),
            flight: Mutex::default(),
            health: Health::default(),
            stock: Mutex::default(),
            fresh: Mutex::default(),
            stocked: Notify::new(),
            bell: Notify::new(),
            bucket: Mutex::new(bucket),
            given: Mutex::new(route.rate),
            links: Mutex::new(Links::new(route.links.max(1), clock.now())),
            paused: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            route: Mutex::new(Arc::new(route)),
            reports,
            unsettled: AtomicUsize::new(0),
            quiet: Notify::new(),
        };
        (Arc::new(desk), incoming)
    }

    pub(super) fn route(&self) -> Arc<Route> {
        Arc::clone(&lock(&self.route))
    }

    /// Takes new rules; what `auto` has learned stays.
    pub(super) fn reload(&self, route: &Route) {
        *lock(&self.route) = Arc::new(route.clone());
        self.follow_rate();
        self.bell.notify_one();
    }

    /// Takes its share of the links and of the rate.
    pub(super) fn take_share(&self, share: Share) {
        lock(&self.links).take_share(share, self.route().links.max(1), self.clock.now());
        self.follow_rate();
    }

    /// What is known of the links that other nodes have.
    pub(crate) fn set_up_elsewhere(&self, is_up: bool) {
        lock(&self.links).set_up_elsewhere(is_up);
    }

    /// This node's part of the rate of all; one that has no link needs none.
    fn rate(&self) -> Option<f64> {
        let route = self.route();
        let share = lock(&self.links).share();
        route.rate.map(|rate| share.of_rate(rate, route.links.max(1)).max(RATE_MIN))
    }

    fn follow_rate(&self) {
        let (rate, now) = (self.rate(), self.clock.now());
        // Where it stays as it was, so does what the carrier has throttled it to.
        if std::mem::replace(&mut *lock(&self.given), rate) == rate {
            return;
        }
        let mut bucket = lock(&self.bucket);
        match (rate, bucket.as_mut()) {
            (Some(rate), Some(bucket)) => bucket.set_rate(rate, now),
            (Some(rate), None) => *bucket = Some(Bucket::new(rate, now)),
            (None, _) => *bucket = None,
        }
        drop(bucket);
        self.bell.notify_one();
    }

    pub(crate) fn ring(&self, lane: Lane, account: AccountId, due: Instant) {
        lock(&self.heads).ring(lane, account, due);
        self.bell.notify_one();
    }

    /// Looks what the tables say of the queues: at the start, and when another process has written.
    pub(crate) async fn look_at_heads(&self) -> Result<(), pombo_store::Error> {
        let found = self.store.ask(op::queue::Heads { route: self.id }).await?;
        if found.is_empty() {
            return Ok(());
        }
        let mut heads = lock(&self.heads);
        for head in found {
            heads.ring(head.lane, head.account, head.due);
        }
        drop(heads);
        self.bell.notify_one();
        Ok(())
    }

    pub(crate) fn id(&self) -> RouteId {
        self.id
    }

    pub(crate) fn name(&self) -> String {
        self.route().name.clone()
    }

    pub(crate) fn set_paused(&self, paused: bool) {
        if self.paused.swap(paused, Ordering::Relaxed) != paused {
            tracing::info!(route = self.route().name, paused, "a route was paused or resumed");
            self.bell.notify_one();
            self.stocked.notify_waiters();
        }
        self.give_back_if_unusable();
    }

    /// Whether messages can go by it now, from this node or another: up, not paused, not stopping.
    pub(crate) fn is_usable(&self) -> bool {
        !self.is_halted() && lock(&self.links).is_up()
    }

    /// Whether this node can submit by it.
    fn can_submit(&self) -> bool {
        !self.is_halted() && self.links_up() > 0
    }

    /// Whether it should be chosen for this country: it can take messages, and delivers enough.
    pub(crate) fn is_fit(&self, country: Country) -> bool {
        self.health.is_fit(country) && self.is_usable()
    }

    /// What became lately of what it carried, with whether that is too little; written to the log
    /// and to the gauges.
    pub(crate) fn look_at_health(&self) -> Vec<(String, Counts, bool)> {
        let (route, counts) = (self.route(), self.health.counts(self.clock.now()));
        for country in self.health.judge(route.floor, &counts) {
            let country = country.map_or_else(|| "all".to_owned(), |country| country.to_string());
            tracing::warn!(
                route = route.name,
                country,
                floor_percent = route.floor.percent,
                "a route delivers too little, and is left out of the choice"
            );
        }
        let words = |country: Option<Country>| country.map(|c| c.to_string()).unwrap_or_default();
        counts
            .iter()
            .map(|(c, counts)| (words(*c), *counts, route.floor.is_above(counts)))
            .collect()
    }

    /// Whether these counts are others than the last that were asked about.
    pub(crate) fn health_is_news(&self, counts: &[(String, Counts, bool)]) -> bool {
        self.health.is_news(counts)
    }

    /// Whether it has had no link for so long that others should carry what waits for it. What
    /// waits for a paused route waits on purpose.
    pub(crate) fn is_stranded(&self, patience: Duration) -> bool {
        lock(&self.links).is_down_for(patience, self.clock.now()) && !self.is_halted()
    }

    pub(super) fn is_halted(&self) -> bool {
        self.paused.load(Ordering::Relaxed) || self.is_stopping()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// This node's links that are up.
    pub(crate) fn links_up(&self) -> usize {
        lock(&self.links).up()
    }

    /// Parts that may be claimed now for each lane: some windows a link, less what is away or about to
    /// be, and at a slow rate no more on the desk than is sent soon, so that a crash leaves few parts in
    /// doubt. What lies there for a campaign leaves the other lane its room.
    pub(super) fn room(&self) -> Room {
        if self.is_halted() {
            return Room::default();
        }
        let windows = if self.store.is_far() { WINDOWS_AHEAD_FAR } else { WINDOWS_AHEAD };
        let ahead = self.links_up() * self.route().window * windows;
        let reserved = lock(&self.fresh).reserved;
        let n_away = lock(&self.flight).len() + reserved.iter().sum::<usize>();
        let free = ahead.saturating_sub(n_away);
        let soon = lock(&self.bucket).as_ref().map(|bucket| bucket.within(CLAIM_AHEAD_S));
        let Some(soon) = soon else {
            return Room([free; 2]);
        };
        let stock = lock(&self.stock);
        let [transactional, bulk] =
            Lane::ALL.map(|lane| stock.n_parts(lane) + reserved[lane as usize]);
        let lying = [transactional, transactional + bulk];
        Room(lying.map(|lying| soon.saturating_sub(lying).min(free)))
    }

    /// Puts an account's claimed work on the desk.
    pub(super) fn stock(&self, lane: Lane, account: AccountId, work: Vec<Attempt>) {
        lock(&self.stock).put(lane, account, work);
        self.stocked.notify_waiters();
        self.stocked.notify_one();
        // The last link may have gone while the claim was being stored.
        self.give_back_if_unusable();
    }

    /// Takes work for a link; the second value is how long to wait for the rate where it holds back.
    fn take(&self, room: usize) -> (Vec<Attempt>, Option<Duration>) {
        if !self.store.may_send() {
            return (Vec::new(), Some(UNSURE_PAUSE));
        }
        let now = self.clock.now();
        let mut stock = lock(&self.stock);
        let stale = stock.take_expired(now);
        let mut bucket = lock(&self.bucket);
        let mut allowed = room;
        let mut wait = None;
        if let Some(bucket) = bucket.as_mut() {
            allowed = allowed.min(bucket.available(now));
            if allowed == 0 && room > 0 && !stock.is_empty() {
                wait = Some(bucket.wait());
            }
        }
        let (taken, n_parts) = stock.take(allowed);
        drop(stock);
        if let Some(bucket) = bucket.as_mut() {
            bucket.take(n_parts);
            if n_parts > 0 {
                // There is room on the desk again, and no outcome will tell the pump so.
                self.bell.notify_one();
            }
        }
        drop(bucket);
        // The queue ends them as expired.
        self.give_back(stale);
        (self.hand_over(taken), wait)
    }

    /// What lies on the desk no more.
    fn hand_over(&self, lots: Vec<Lot>) -> Vec<Attempt> {
        let parts = lots.iter().map(|(account, attempt)| (*account, attempt.n_parts()));
        self.paces.left(self.id, parts);
        lots.into_iter().map(|(_, attempt)| attempt).collect()
    }

    /// Stops claiming and handing out.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.bell.notify_one();
    }

    /// Gives back what lies on the desk: nobody will take it any more, or not soon. In its queue it
    /// can expire, and it is in doubt for nobody.
    pub(super) fn clear(&self) {
        let left = lock(&self.stock).take_all();
        self.give_back(left);
    }

    fn give_back_if_unusable(&self) {
        if !self.can_submit() {
            self.clear();
        }
    }

    fn give_back(&self, lots: Vec<Lot>) {
        let at = self.clock.now();
        let attempts = self.hand_over(lots);
        let reports: Vec<Report> = attempts
            .iter()
            .flat_map(|attempt| {
                attempt.part_idxs().map(|idx| Report {
                    part: attempt.message.part(idx),
                    try_number: attempt.try_number,
                    at,
                    outcome: Outcome::Unsent,
                })
            })
            .collect();
        if !reports.is_empty() {
            self.report(reports);
        }
    }

    /// Waits until everything reported is stored.
    pub(super) async fn settled(&self) {
        loop {
            let quiet = self.quiet.notified();
            if self.unsettled.load(Ordering::Acquire) == 0 {
                return;
            }
            quiet.await;
        }
    }

    /// How it stands: its best link.
    pub(super) fn standing(&self) -> (String, LinkState, bool) {
        let best = lock(&self.links).best();
        (self.route().name.clone(), best, self.paused.load(Ordering::Relaxed))
    }

    /// A throttled route gets its rate back bit by bit; called twice a second.
    pub(crate) fn recover_rate(&self) {
        let Some(rate) = self.rate() else {
            return;
        };
        let now = self.clock.now();
        if let Some(bucket) = lock(&self.bucket).as_mut()
            && bucket.per_second() < rate
        {
            bucket.set_rate((bucket.per_second() + rate * RECOVERY_SHARE).min(rate), now);
        }
    }

    fn submit(&self, incoming: Incoming) {
        self.unsettled.fetch_add(1, Ordering::AcqRel);
        // The settler lives as long as the desk; where it is gone, nothing can be stored anyway.
        if self.reports.send(incoming).is_err() {
            self.unsettled.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Desk for RouteDesk {
    fn next(&self, room: usize) -> BoxFuture<'_, Vec<Attempt>> {
        Box::pin(async move {
            loop {
                let stocked = self.stocked.notified();
                if self.is_halted() {
                    stocked.await;
                    continue;
                }
                let (taken, wait) = self.take(room);
                if !taken.is_empty() {
                    return taken;
                }
                match wait {
                    Some(wait) => tokio::time::sleep(wait.max(Duration::from_millis(1))).await,
                    None => stocked.await,
                }
            }
        })
    }

    fn report(&self, reports: Vec<Report>) {
        self.submit(Incoming::Reports(reports));
    }

    fn received(&self, arrivals: Vec<Arrival>) -> BoxFuture<'_, Result<(), NotStored>> {
        let (reply, stored) = oneshot::channel();
        self.submit(Incoming::Arrivals(arrivals, reply));
        Box::pin(async move { stored.await.unwrap_or(Err(NotStored)) })
    }

    fn throttled(&self) {
        let now = self.clock.now();
        if let (Some(rate), Some(bucket)) = (self.rate(), lock(&self.bucket).as_mut()) {
            bucket.set_rate((bucket.per_second() * THROTTLE_SHARE).max(rate * 0.1), now);
        }
    }

    fn link(&self, link: usize, state: LinkState) {
        let mut links = lock(&self.links);
        if !links.set(link, state.clone(), self.clock.now()) {
            return;
        }
        // One that another node has now says nothing of the route.
        let is_own = link < links.share().of(self.route().links.max(1));
        drop(links);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float by nature")]
        metrics::gauge!("pombo_route_up", "route" => self.name()).set(self.links_up() as f64);
        let name = &self.route().name;
        let words = match &state {
            LinkState::Up => {
                tracing::info!(route = name, link, "link up");
                "up".to_owned()
            }
            LinkState::Connecting => "connecting".to_owned(),
            LinkState::Down { why, misconfigured } => {
                tracing::warn!(route = name, link, misconfigured, %why, "link down");
                format!("down: {why}")
            }
        };
        if is_own {
            // For the commands that run beside: a courtesy, so nobody waits for it.
            let (store, route) = (self.store.clone(), self.id);
            tokio::spawn(async move {
                let _ = store.run(op::route::Stands { route, link: words }).await;
            });
        }
        self.give_back_if_unusable();
        self.bell.notify_one();
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }
}
