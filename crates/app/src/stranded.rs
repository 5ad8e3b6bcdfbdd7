//! What waits for routes that cannot send: it expires in time, and others that can carry it do.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use pombo_domain::address::{Phone, Sender};
use pombo_domain::id::{AccountId, RouteId};
use pombo_domain::message::Lane;
use pombo_domain::time::Instant;
use pombo_store::operation as op;
use pombo_store::operation::divert::{Choose, Divert, Place};
use pombo_store::operation::expire::{self, Expire};
use pombo_store::operation::request::Request;

use crate::App;

/// How long a route may be without a link before others carry what waits for it: longer than a
/// carrier's restart of its link, shorter than a sender's patience.
const PATIENCE: Duration = Duration::from_secs(30);
/// Queues of which one look ends what has expired.
const EXPIRED_AT_ONCE: usize = 20;
/// Pieces moved in one look, of all queues: the watch has more to look after.
const PIECES_AT_ONCE: usize = 20;

/// What an account has waiting in one lane of a route.
type Queue = (RouteId, Lane, AccountId);

/// How far each such queue was looked through.
#[derive(Debug, Default)]
pub(crate) struct Stranded {
    places: HashMap<Queue, Place>,
    /// The same of what has expired.
    expired_to: HashMap<Queue, expire::Place>,
    /// The queue that was looked through last for what has expired: those after it come first.
    last_expired: Option<Queue>,
    /// The one that had its turn last: those after it come first.
    last: Option<Queue>,
    /// Routes that are not configured any more and whose messages were spoken of.
    spoken_of: HashSet<RouteId>,
}

impl Stranded {
    /// Ends what has expired, and moves what others can carry.
    pub(crate) async fn look(&mut self, app: &App) -> Result<(), pombo_store::Error> {
        let engine = &app.inner.engine;
        let mut names = HashMap::new();
        let (mut waiting, mut idle) = (Vec::new(), Vec::new());
        for route in app.inner.store.ask(op::route::List).await? {
            let (is_idle, is_stranded) = match engine.desk(route.id) {
                Some(desk) => (!desk.is_usable(), desk.is_stranded(PATIENCE)),
                None => (true, true),
            };
            if !is_idle {
                continue;
            }
            for head in app.inner.store.ask(op::queue::Heads { route: route.id }).await? {
                if head.due <= app.inner.clock.now() {
                    let queue = (route.id, head.lane, head.account);
                    idle.push(queue);
                    if is_stranded {
                        waiting.push((queue, head.due));
                    }
                }
            }
            names.insert(route.id, route.name);
        }
        self.expire(app, idle).await?;
        begin_after(self.last, &mut waiting, |(queue, _)| *queue);
        let mut moved: BTreeMap<RouteId, usize> = BTreeMap::new();
        let mut n_pieces = PIECES_AT_ONCE;
        for (queue, due) in waiting {
            if n_pieces == 0 {
                break;
            }
            *moved.entry(queue.0).or_default() +=
                self.divert(app, queue, due, &mut n_pieces).await?;
            self.last = Some(queue);
        }
        for (id, n_moved) in moved {
            let route = names.get(&id).map_or("", String::as_str);
            if n_moved > 0 {
                tracing::warn!(route, n_moved, "messages went to other routes");
            } else if engine.desk(id).is_none() && self.spoken_of.insert(id) {
                tracing::warn!(
                    route,
                    "messages wait for a route that is not configured, and no other carries them; \
                     configure it again, or a route for their recipients"
                );
            }
        }
        Ok(())
    }

    /// Ends what has expired, of some of these queues.
    async fn expire(&mut self, app: &App, mut idle: Vec<Queue>) -> Result<(), pombo_store::Error> {
        let still_idle: HashSet<Queue> = idle.iter().copied().collect();
        self.expired_to.retain(|queue, _| still_idle.contains(queue));
        begin_after(self.last_expired, &mut idle, |queue| *queue);
        for queue in idle.into_iter().take(EXPIRED_AT_ONCE) {
            let (route, lane, account) = queue;
            let after = self.expired_to.remove(&queue).unwrap_or_default();
            let now = app.inner.clock.now();
            let expire = Expire { route, lane, account, after, now };
            if let Some(next) = app.inner.store.run(expire).await?.next {
                self.expired_to.insert(queue, next);
            }
            self.last_expired = Some(queue);
        }
        Ok(())
    }

    /// Moves pieces of a queue, at most `n_pieces`, which it counts down; answers how many parts.
    async fn divert(
        &mut self,
        app: &App,
        queue: Queue,
        due: Instant,
        n_pieces: &mut usize,
    ) -> Result<usize, pombo_store::Error> {
        let (from, lane, account) = queue;
        let mut n_moved = 0;
        while *n_pieces > 0 {
            *n_pieces -= 1;
            let divert = Divert {
                from,
                lane,
                account,
                at: self.places.remove(&queue).unwrap_or_default(),
                choose: other_than(app, from, account),
                now: app.inner.clock.now(),
            };
            let diverted = app.inner.store.run(divert).await?;
            for route in diverted.to {
                app.inner.engine.ring(route, lane, account, due);
            }
            n_moved += diverted.n_moved;
            let Some(next) = diverted.next else { break };
            self.places.insert(queue, next);
        }
        Ok(n_moved)
    }
}

/// Lets those that come after the last one have their turn first.
fn begin_after<T>(last: Option<Queue>, all: &mut [T], queue_of: impl Fn(&T) -> Queue) {
    let last = all.iter().position(|one| Some(queue_of(one)) == last);
    all.rotate_left(last.map_or(0, |last| last + 1));
}

/// Chooses as at the door, among the routes that can send now.
fn other_than(app: &App, from: RouteId, account: AccountId) -> Choose {
    let (routing, engine) = (app.inner.routing.clone(), app.inner.engine.clone());
    let now = app.inner.clock.now();
    let map = routing.of(account, now);
    Arc::new(move |request: &Request, to: Phone| {
        let sender = Sender::from_stored(&request.sender);
        let passenger = map.passenger(to, &sender, request.category);
        // Better one that delivers little than none.
        let fit = |route| route != from && engine.is_fit(route, passenger.country);
        let usable = |route| route != from && engine.is_usable(route);
        let choice = map.choose(&passenger, fit).or_else(|| map.choose(&passenger, usable));
        choice.map(|choice| choice.route)
    })
}
