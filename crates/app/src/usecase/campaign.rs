//! `campaign`: campaigns and sendings, as their owner lists, reads, pauses, resumes and cancels them.

use std::num::NonZeroUsize;

use pombo_domain::campaign::{Order, Status};
use pombo_domain::id::{AccountId, RouteId, SendingId};
use pombo_domain::message::{EventKind, Lane};
use pombo_domain::money::Money;
use pombo_domain::price::charged;
use pombo_domain::time::Instant;
use pombo_store::operation::campaign::{
    self as op, Finish, Found, GiveBack, QueuePlace, SetStop, Withdraw, Withdrawn,
};
pub use pombo_store::operation::campaign::{CampaignRow, FILTER_TAGS_MAX, Which};
use pombo_store::operation::route;

use crate::App;
use crate::auth::Caller;
use crate::error::Fault;

/// Parts that one look counts, where nobody keeps the totals: a few milliseconds of a reader.
const COUNTED_AT_ONCE: usize = 5_000;

/// A campaign with its one sending.
#[derive(Debug, Clone)]
pub struct CampaignView {
    /// It, with its totals.
    pub row: CampaignRow,
    /// How its sending stands.
    pub status: Status,
}

/// What a list is filtered by.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Made before this.
    pub before: Option<Instant>,
    /// Made at or after this.
    pub after: Option<Instant>,
    /// Of this channel; empty: of any.
    pub channel: String,
    /// With all these tags, at most [`FILTER_TAGS_MAX`].
    pub tags: Vec<String>,
    /// From 1.
    pub page: NonZeroUsize,
    /// Campaigns of a page.
    pub limit: usize,
}

/// A page of campaigns.
#[derive(Debug)]
pub struct Page {
    /// Newest first.
    pub campaigns: Vec<CampaignView>,
    /// How many there are in all.
    pub total: u64,
}

/// The caller's campaigns; requests that named none are not among them.
pub async fn campaigns(app: &App, caller: &Caller, filter: Filter) -> Result<Page, Fault> {
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let list = op::List {
        account: caller.account(),
        before: filter.before.unwrap_or(Instant::from_micros(i64::MAX)),
        after: filter.after.unwrap_or(Instant::from_micros(i64::MIN)),
        channel: filter.channel,
        tags: filter.tags,
        skip: number((filter.page.get() - 1).saturating_mul(filter.limit)),
        limit: number(filter.limit),
    };
    let listed = app.inner.store.ask(list).await?;
    let view = |row: CampaignRow| CampaignView { status: Status::of_open(row.stop), row };
    Ok(Page {
        campaigns: listed.campaigns.into_iter().map(view).collect(),
        total: u64::try_from(listed.total).unwrap_or(0),
    })
}

/// One of the caller's campaigns, by its number or its sending's; also that of a request that named
/// none. `None` where it is not the caller's.
pub async fn campaign(
    app: &App,
    caller: &Caller,
    which: Which,
) -> Result<Option<CampaignView>, Fault> {
    let find = op::Find { account: Some(caller.account()), which };
    match app.inner.store.ask(find).await? {
        Some(found) => Ok(Some(view(app, found).await?)),
        None => Ok(None),
    }
}

async fn view(app: &App, Found { mut row, own }: Found) -> Result<CampaignView, Fault> {
    let Some(request) = own else {
        return Ok(CampaignView { status: Status::of_open(row.stop), row });
    };
    let mut next = Some(op::Place::default());
    while let Some(at) = next {
        let lives = op::Lives { sending: row.sending, at, limit: COUNTED_AT_ONCE };
        let page = app.inner.store.ask(lives).await?;
        row.totals += op::recount(&page.lives);
        row.totals.cost += page.lives.iter().map(cost).fold(Money::ZERO, |a, b| a + b);
        next = page.next;
    }
    let is_due = request.due <= app.inner.clock.now();
    Ok(CampaignView { status: Status::of_one_request(row.stop, &row.totals, is_due), row })
}

/// What a part costs.
fn cost(life: &op::Life) -> Money {
    let kinds: Vec<EventKind> = life.events.iter().map(|event| event.kind).collect();
    charged(life.price, life.refund, life.state, &kinds)
}

/// Pauses, resumes or cancels it; answers how it stands then. `None` where it is not the caller's.
pub async fn order(
    app: &App,
    caller: &Caller,
    which: Which,
    order: Order,
) -> Result<Option<CampaignView>, Fault> {
    let account = caller.account();
    let find = op::Find { account: Some(account), which: which.clone() };
    let Some(found) = app.inner.store.ask(find).await? else { return Ok(None) };
    let sending = found.row.sending;
    let now = app.inner.clock.now();
    app.inner.store.run(SetStop { account, sending, order, now }).await?;
    match order {
        Order::Pause => {}
        Order::Resume => give_back(app).await?,
        Order::Cancel => {
            give_back(app).await?;
            withdraw(app, sending, account).await?;
        }
    }
    campaign(app, caller, which).await
}

/// Puts back into the queues what is held and need not be.
async fn give_back(app: &App) -> Result<(), Fault> {
    while give_some_back(app).await? {}
    Ok(())
}

/// The same, a piece of it; whether there is more.
async fn give_some_back(app: &App) -> Result<bool, Fault> {
    let now = app.inner.clock.now();
    let given = app.inner.store.run(GiveBack { now }).await?;
    for (route, lane, account) in given.queues {
        app.inner.engine.ring(route, lane, account, now);
    }
    Ok(given.more)
}

/// Ends what waits of a cancelled sending.
async fn withdraw(app: &App, sending: SendingId, account: AccountId) -> Result<(), Fault> {
    let routes = app.inner.store.ask(route::List).await?;
    let mut walk = Walk::new(routes.iter().map(|route| route.id), sending, account);
    while let Some(piece) = walk.next(app.inner.clock.now()) {
        let withdrawn = app.inner.store.run(piece).await?;
        walk.took(&withdrawn);
    }
    app.inner.store.run(Finish { sending }).await?;
    Ok(())
}

/// Pieces of what is left over that are done in one look, so that the watch has time for the rest.
const PIECES_AT_ONCE: usize = 10;

/// Goes on with what a stop, a crash or another process left to be done, a few pieces a look.
#[derive(Default)]
pub(crate) struct LeftOver {
    walk: Option<Walk>,
}

impl LeftOver {
    pub(crate) async fn look(&mut self, app: &App) -> Result<(), Fault> {
        let store = &app.inner.store;
        for _ in 0..PIECES_AT_ONCE {
            let now = app.inner.clock.now();
            if let Some(walk) = &mut self.walk {
                match walk.next(now) {
                    Some(piece) => walk.took(&store.run(piece).await?),
                    None => {
                        store.run(Finish { sending: walk.sending }).await?;
                        self.walk = None;
                    }
                }
                continue;
            }
            let unfinished = store.ask(op::Unfinished { now }).await?;
            if unfinished.to_give_back {
                give_some_back(app).await?;
            } else if let Some(&(sending, account)) = unfinished.to_withdraw.first() {
                let routes = store.ask(route::List).await?;
                let ids = routes.iter().map(|route| route.id);
                self.walk = Some(Walk::new(ids, sending, account));
            } else {
                break;
            }
        }
        Ok(())
    }
}

/// A walk through an account's queues, a piece at a time.
pub(crate) struct Walk {
    queues: Vec<(RouteId, Lane)>,
    at: QueuePlace,
    sending: SendingId,
    account: AccountId,
}

impl Walk {
    /// Through the queues of these routes.
    pub(crate) fn new(
        routes: impl Iterator<Item = RouteId>,
        sending: SendingId,
        account: AccountId,
    ) -> Self {
        let queues = routes.flat_map(|route| Lane::ALL.map(|lane| (route, lane))).collect();
        Self { queues, at: QueuePlace::default(), sending, account }
    }

    /// The next piece; `None`: that was all.
    pub(crate) fn next(&self, now: Instant) -> Option<Withdraw> {
        let &(route, lane) = self.queues.last()?;
        let (account, sending, at) = (self.account, self.sending, self.at);
        Some(Withdraw { account, sending, route, lane, at, now })
    }

    /// What came of it.
    pub(crate) fn took(&mut self, withdrawn: &Withdrawn) {
        self.at = withdrawn.next.unwrap_or_default();
        if withdrawn.next.is_none() {
            self.queues.pop();
        }
    }
}
