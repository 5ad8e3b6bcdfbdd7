//! Looks after what time and other processes change: settings, gauges, parts without a receipt.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pombo_domain::time::Instant;
use pombo_store::operation as op;

use crate::App;
use crate::engine::RouteDesk;
use crate::error::Fault;
use crate::stranded::Stranded;
use crate::usecase::campaign::LeftOver;

/// How often the store is asked whether anything changed.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks between two counts for the gauges.
const GAUGES_EVERY: u32 = 10;
/// Looks between two looks at what waits for routes that cannot send.
const STRANDED_EVERY: u32 = 4;
/// Looks between two sweeps.
const SWEEP_EVERY: u32 = 120;
/// Pieces that one look sweeps at most, so that a long sweep keeps no setting from being seen.
const SWEEPS_AT_ONCE: usize = 20;
/// Events that such a piece looks at, beside the writer and in some ten milliseconds. Every event is
/// looked at once, so that both together are what a server can have a second, day after day, before its
/// history can no more be forgotten: 200,000.
const LOOKED_AT_ONCE: i64 = 5_000;
/// Rows of each other kind that go with such a piece.
const SWEPT_AT_ONCE: i64 = 1_000;
/// A clock that is behind what time makes of it by more was set back.
const SET_BACK: Duration = Duration::from_secs(1);
/// Rows of the queue at a time.
const HURRIED_AT_ONCE: i64 = 1_000;
/// Bytes free on the disk from which nobody counts what is owed.
const PLENTY: u64 = 4 << 30;
/// Grace after the longest validity before a missing receipt is given up.
const RECEIPT_GRACE: Duration = Duration::from_secs(3_600);

/// Starts the watch; it ends with the app.
pub(crate) fn start(app: &App) {
    let watched = Arc::downgrade(&app.inner);
    app.inner.vital.spawn("watches settings and time", async move {
        let mut version = None;
        let mut sweeping = false;
        let mut stranded = Stranded::default();
        let mut left_over = LeftOver::default();
        let mut steps = Steps::new();
        for turn in (0_u32..=u32::MAX).cycle() {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(inner) = watched.upgrade() else { return };
            let app = App { inner };
            if app.inner.stopped.load(Ordering::Relaxed) {
                return;
            }
            match app.inner.store.version().await {
                Err(error) => tracing::warn!(%error, "the store cannot be read"),
                Ok(seen)
                    if version == Some(seen)
                        && !app.inner.prices.is_over(app.inner.clock.now()) => {}
                Ok(seen) => match refresh(&app).await {
                    Ok(()) => version = Some(seen),
                    Err(error) => tracing::warn!(%error, "settings cannot be read anew"),
                },
            }
            if steps.is_set_back(app.inner.clock.now())
                && let Err(error) = hurry(&app).await
            {
                tracing::warn!(%error, "what the clock would keep waiting is not looked after");
                steps = Steps::new();
            }
            if let Err(error) = look_at_room(&app).await {
                tracing::warn!(%error, "what is owed cannot be counted");
            }
            for desk in app.inner.engine.desks() {
                desk.recover_rate();
            }
            app.exchange_links();
            if turn % GAUGES_EVERY == 0
                && let Err(error) = gauges(&app).await
            {
                tracing::warn!(%error, "gauges cannot be counted");
            }
            if !app.is_first() {
                continue; // The rest needs doing only once.
            }
            if let Err(error) = left_over.look(&app).await {
                tracing::warn!(%error, "what was held or cancelled is not looked after");
            }
            if turn % STRANDED_EVERY == 0
                && let Err(error) = stranded.look(&app).await
            {
                tracing::warn!(%error, "what waits for routes that cannot send is not looked after");
            }
            if sweeping || turn % SWEEP_EVERY == 0 {
                sweeping = sweep(&app).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "the sweep failed; it is tried again in a minute");
                    false
                });
            }
        }
    });
}

/// Notices that the clock was set back: it has gone less far than time has.
struct Steps {
    seen: Option<(Instant, tokio::time::Instant)>,
}

impl Steps {
    const fn new() -> Self {
        Self { seen: None }
    }

    /// At first nobody knows: then it may have been.
    fn is_set_back(&mut self, now: Instant) -> bool {
        let at = tokio::time::Instant::now();
        let expected = self.seen.map(|(before, then)| before.plus(at - then));
        self.seen = Some((now, at));
        expected.is_none_or(|expected| expected.since(now) > SET_BACK)
    }
}

/// What leaves at once and was accepted while the clock was ahead goes now.
async fn hurry(app: &App) -> Result<(), Fault> {
    let mut n = 0;
    loop {
        let now = app.inner.clock.now();
        let hurried = app.inner.store.run(op::hurry::Hurry { now, limit: HURRIED_AT_ONCE }).await?;
        n += hurried.n;
        if !hurried.more {
            break;
        }
    }
    if n > 0 {
        tracing::warn!(
            rows = n,
            "the clock was set back; what it would have kept waiting goes now"
        );
        refresh(app).await?;
    }
    Ok(())
}

/// Whether the disk has room for more than what is still owed.
async fn look_at_room(app: &App) -> Result<(), pombo_store::Error> {
    let store = &app.inner.store;
    let Some(room) = store.room() else { return Ok(()) };
    let mut n_owed = 0;
    if room.free < PLENTY {
        for route in store.ask(op::route::List).await? {
            let load = store.ask(op::route::Load { route: route.id }).await?;
            n_owed += load.queued + load.in_flight;
        }
    }
    let is_short = room.is_short(n_owed);
    if app.inner.is_short_of_room.swap(is_short, Ordering::Relaxed) == is_short {
        return Ok(());
    }
    let free_mib = room.free >> 20;
    if is_short {
        tracing::error!(free_mib, "the disk is nearly full: nothing is accepted; make room on it");
    } else {
        tracing::info!(free_mib, "the disk has room again");
    }
    Ok(())
}

/// Accounts, paused routes, and queues that another process filled.
async fn refresh(app: &App) -> Result<(), Fault> {
    let store = &app.inner.store;
    app.inner.accounts.refresh(store).await?;
    app.inner.subscriptions.refresh(store).await?;
    app.inner.prices.refresh(store, app.inner.clock.now()).await?;
    for row in store.ask(op::route::List).await? {
        if let Some(desk) = app.inner.engine.desk(row.id) {
            desk.set_paused(row.paused);
        }
    }
    for desk in app.inner.engine.desks() {
        desk.look_at_heads().await?;
    }
    Ok(())
}

async fn gauges(app: &App) -> Result<(), pombo_store::Error> {
    let store = &app.inner.store;
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float by nature")]
    let gauge = |n: i64| n as f64;
    let uncertain = store.ask(op::uncertain::CountOpen).await?;
    metrics::gauge!("pombo_uncertain").set(gauge(uncertain));
    let unmatched = store.ask(op::unmatched::CountUnmatched).await?;
    metrics::gauge!("pombo_receipts_unmatched").set(gauge(unmatched));
    let n_disabled = i64::try_from(app.inner.subscriptions.n_disabled()).unwrap_or(i64::MAX);
    metrics::gauge!("pombo_notifications_disabled").set(gauge(n_disabled));
    let now = app.inner.clock.now();
    for desk in app.inner.engine.desks() {
        let heads = store.ask(op::queue::Heads { route: desk.id() }).await?;
        let oldest = heads.iter().map(|head| now.since(head.due)).max().unwrap_or_default();
        metrics::gauge!("pombo_oldest_ready_seconds", "route" => desk.name())
            .set(oldest.as_secs_f64());
    }
    for desk in app.inner.engine.desks() {
        look_at_health(app, desk).await?;
    }
    metrics::gauge!("pombo_store_backlog_rows")
        .set(gauge(i64::try_from(store.backlog()).unwrap_or(i64::MAX)));
    Ok(())
}

/// Tells how a route does: the gauges, and those who ask the store.
async fn look_at_health(app: &App, desk: &RouteDesk) -> Result<(), pombo_store::Error> {
    let counts = desk.look_at_health();
    let Some((_, all, _)) = counts.first() else { return Ok(()) };
    let gauge = |name: &'static str| metrics::gauge!(name, "route" => desk.name());
    gauge("pombo_route_rate").set(all.rate());
    if let Some(time) = all.answer_time() {
        gauge("pombo_route_answer_seconds").set(time.as_secs_f64());
    }
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float by nature")]
    if all.ended > 0 {
        gauge("pombo_route_delivery_ratio").set(all.delivered as f64 / all.ended as f64);
    }
    if let Some(time) = all.delivery_time() {
        gauge("pombo_route_delivery_seconds").set(time.as_secs_f64());
    }
    if desk.health_is_news(&counts) {
        let (route, now) = (desk.id(), app.inner.clock.now());
        app.inner.store.run(op::route::SetHealth { route, counts, now }).await?;
    }
    Ok(())
}

/// Sweeps a bounded piece; says whether there is more.
async fn sweep(app: &App) -> Result<bool, pombo_store::Error> {
    let longest = app.routes().iter().map(|route| route.validity_max).max().unwrap_or_default();
    let store = &app.inner.store;
    for _ in 0..SWEEPS_AT_ONCE {
        let now = app.inner.clock.now();
        let before = now.minus(longest + RECEIPT_GRACE);
        let unheard = store.ask(op::sweep::Silent { before, limit: LOOKED_AT_ONCE }).await?;
        let swept = store.run(op::sweep::Sweep { now, unheard, limit: SWEPT_AT_ONCE }).await?;
        if swept.n_silent > 0 {
            metrics::counter!("pombo_receipts_missing_total").increment(swept.n_silent as u64);
        }
        if !swept.more {
            return Ok(false);
        }
    }
    Ok(true)
}
