//! This node among those that serve from the same store: what it may do of what all may do together,
//! and what only the first of them does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pombo_domain::share::Share;
use pombo_store::{Error, Nodes};
use tokio::sync::watch;

use crate::App;
use crate::engine;
use crate::error::Fault;

/// At most so often the queues are looked at because another node has committed.
const WAKE_EVERY: Duration = Duration::from_millis(20);
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_millis(500);

impl App {
    /// Who serves from the store, as they come and go.
    #[must_use]
    pub fn nodes(&self) -> watch::Receiver<Arc<Nodes>> {
        self.inner.store.nodes()
    }

    /// Takes its share of rates among these nodes, and tells it to whoever keeps the links. When
    /// there are no more of them than that, [`App::act_by`] is to be called.
    pub fn take_share(&self, nodes: &Nodes) -> Share {
        let share = nodes.share();
        self.inner.engine.take_share(share);
        share
    }

    /// Lets the other nodes know that this one does no more than its share among them.
    pub fn act_by(&self, nodes: &Nodes) {
        self.inner.store.act_by(nodes.newest());
    }

    /// Whether this node does what needs doing only once.
    pub(crate) fn is_first(&self) -> bool {
        self.inner.store.nodes().borrow().is_first()
    }

    /// Tells the others which routes this node has a link of, and takes in which they have.
    pub(crate) fn exchange_links(&self) {
        let up: BTreeSet<_> =
            self.inner.engine.desks().filter(|desk| desk.links_up() > 0).map(|d| d.id()).collect();
        self.inner.store.tell_up(up);
        let nodes = Arc::clone(&self.inner.store.nodes().borrow());
        for desk in self.inner.engine.desks() {
            desk.set_up_elsewhere(nodes.is_up_elsewhere(desk.id()));
        }
    }
}

/// Starts following the other nodes, those of `before` and who comes later; it ends with the app.
pub(crate) fn start(app: &App, mut before: Arc<Nodes>) {
    let followed = Arc::downgrade(&app.inner);
    let mut nodes = app.nodes();
    app.inner.vital.spawn("follows the other nodes", async move {
        loop {
            let now = Arc::clone(&nodes.borrow_and_update());
            if now != before {
                let Some(inner) = followed.upgrade() else { return };
                tracing::info!(node = now.own(), nodes = now.all().len(), "nodes came or went");
                // Whoever is first then does it; where that one goes too, the next.
                if now.is_first() && now.lack_one_of(&before) {
                    inherit(&App { inner }).await;
                }
                before = now;
            }
            if nodes.changed().await.is_err() {
                return;
            }
        }
    });
    let woken = Arc::downgrade(&app.inner);
    let mut bell = app.inner.store.woken();
    app.inner.vital.spawn("follows the other nodes", async move {
        while bell.changed().await.is_ok() {
            let Some(inner) = woken.upgrade() else { return };
            let app = App { inner };
            let began = tokio::time::Instant::now();
            if let Err(error) = look(&app).await {
                tracing::warn!(%error, "what other nodes queued cannot be looked at");
            }
            app.inner.inbound.ring();
            drop(app);
            // Where many accounts wait a look takes long, and others ask the store too.
            tokio::time::sleep(WAKE_EVERY.max(began.elapsed() * 4)).await;
        }
    });
}

/// Takes over what a node left that has gone.
async fn inherit(app: &App) {
    loop {
        let routes = app.routes();
        match engine::recover(&app.inner.store, &app.inner.clock, &routes).await {
            Ok(()) => return,
            Err(Fault::Store(Error::Closed)) => return,
            Err(error) => {
                tracing::warn!(%error, "what a node left is not taken over yet; trying again");
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
    }
}

/// What others have queued.
async fn look(app: &App) -> Result<(), Error> {
    for desk in app.inner.engine.desks().filter(|desk| desk.links_up() > 0) {
        desk.look_at_heads().await?;
    }
    Ok(())
}
