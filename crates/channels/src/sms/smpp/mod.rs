//! SMPP 3.4 as an ESME: binds to a carrier, submits parts, takes receipts and messages in.
//!
//! One task per connection (`link` keeps it up, `session` speaks over it). `submit` turns attempts
//! into PDUs, `inbound` turns the carrier's PDUs into arrivals, `status` says what errors mean.

mod backoff;
mod config;
mod inbound;
mod inbox;
mod link;
mod meter;
mod pace;
mod session;
pub mod status;
mod submit;
mod tls;
mod trace;
mod window;

use std::collections::{BTreeSet, HashMap};
use std::panic::resume_unwind;
use std::sync::Arc;

use pombo_domain::channel::Desk;
use pombo_domain::share::Share;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

pub use config::{Bind, Config, DefaultEncoding, Flash, Long, Secret, Timings, Tls, TonNpi};
pub use trace::Trace;

use crate::sharing::Taker;
use link::{Link, Side};
use pombo_wire::smpp::BindKind;

/// What all links of a route share.
struct Route {
    config: Config,
    desk: Arc<dyn Desk>,
    meter: meter::Meter,
}

/// Keeps this node's share of the links up until `stop` becomes true (or its sender is gone). A link
/// that is one too many, and all at the end, is drained: it takes no more work, gives back what was
/// not written, waits for open answers, unbinds, and reports the rest as it is. Returns when all links
/// are closed.
pub async fn run(
    config: Config,
    desk: Arc<dyn Desk>,
    mut sharing: Taker,
    mut stop: watch::Receiver<bool>,
) {
    let n_all = config.binds;
    let meter = meter::Meter::new(&config.route);
    let mut links = Links {
        route: Arc::new(Route { config, desk, meter }),
        wanted: Vec::new(),
        open: HashMap::new(),
        tasks: JoinSet::new(),
    };
    let mut is_over = false;
    loop {
        let share = if is_over { Share::NONE } else { sharing.share() };
        links.be(share.of(n_all));
        if links.n_open() <= share.of(n_all) {
            sharing.act_by(share);
        }
        if is_over && links.open.is_empty() {
            return;
        }
        tokio::select! {
            () = link::stopped(&mut stop), if !is_over => is_over = true,
            () = sharing.changed(), if !is_over => {}
            Some(ended) = links.tasks.join_next_with_id() => links.ended(ended),
        }
    }
}

/// A route's links.
struct Links {
    route: Arc<Route>,
    /// Those that are to be, by their number: dropping it stops one.
    wanted: Vec<watch::Sender<bool>>,
    /// The connections that are not closed, and the link of each.
    open: HashMap<Id, usize>,
    tasks: JoinSet<()>,
}

impl Links {
    /// Starts or stops links, until there are so many; one that is being closed is waited for.
    fn be(&mut self, n: usize) {
        self.wanted.truncate(n);
        while self.wanted.len() < n && !self.open.values().any(|link| *link == self.wanted.len()) {
            let stop = self.start(self.wanted.len());
            self.wanted.push(stop);
        }
    }

    fn start(&mut self, number: usize) -> watch::Sender<bool> {
        let (stop, stopped) = watch::channel(false);
        let standing = Arc::new(link::Standing::new(number, self.route.config.bind));
        let kinds: &[(BindKind, Side)] = match self.route.config.bind {
            Bind::Transceiver => &[(BindKind::Transceiver, Side::First)],
            Bind::Pair => {
                &[(BindKind::Transmitter, Side::First), (BindKind::Receiver, Side::Second)]
            }
        };
        for &(kind, side) in kinds {
            let (route, standing) = (Arc::clone(&self.route), Arc::clone(&standing));
            let link = Link { route, standing, kind, side };
            let task = self.tasks.spawn(link.run(stopped.clone()));
            self.open.insert(task.id(), number);
        }
        stop
    }

    /// Links that are not closed.
    fn n_open(&self) -> usize {
        self.open.values().collect::<BTreeSet<_>>().len()
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let task = match ended {
            Ok((task, ())) => task,
            // What it had is known to nobody: the route cannot go on without it.
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(error) => error.id(),
        };
        self.open.remove(&task);
    }
}
