//! Outlets: where the messages of a route leave for its carrier, as the writer sees them. What an
//! outlet has room for is claimed in the transaction that accepts it, and never stands in a queue.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use pombo_domain::id::{AccountId, RouteId};
use pombo_domain::message::Lane;
use pombo_domain::time::Instant;

use crate::error::{Error, Result};
use crate::operation::claim::{Claim, Claimed};
use crate::operation::queue::Queued;

/// Where the messages of one route leave. The writer asks it, and waits for its answers.
pub trait Outlet: Debug + Send + Sync {
    /// Which of the parts that were just accepted have room: so many of each account, by lane. What is
    /// answered is claimed before their transaction ends, and [`Self::claimed`] tells of each claim.
    fn claims(&self, fresh: &[(Lane, AccountId, usize)]) -> Vec<Claim>;

    /// What was claimed, now that it is durable; or why nothing was, as far as anybody knows.
    fn claimed(&self, claim: Claim, claimed: Result<Claimed>);

    /// Something that was accepted waits in a queue.
    fn queued(&self, lane: Lane, account: AccountId, due: Instant);
}

/// The outlets by their routes, as long as anybody else has them; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outlets(Arc<RwLock<BTreeMap<RouteId, Weak<dyn Outlet>>>>);

impl Outlets {
    pub(crate) fn set(&self, route: RouteId, outlet: Weak<dyn Outlet>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(route, outlet);
    }

    fn of(&self, route: RouteId) -> Option<Arc<dyn Outlet>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&route)?.upgrade()
    }
}

/// What a transaction has for the outlets, and tells them when it has ended.
#[derive(Debug)]
pub(crate) struct Leaving {
    outlets: Outlets,
    /// Whether anything may leave at once.
    may: bool,
    /// What was accepted and stands in no queue yet.
    fresh: Vec<Queued>,
    /// Whether outlets were asked.
    has_begun: bool,
    claims: Vec<(Arc<dyn Outlet>, Claim, Option<Claimed>)>,
    /// When the first is due of what was accepted into each queue.
    queued: BTreeMap<(RouteId, Lane, AccountId), i64>,
}

impl Leaving {
    /// Nothing yet. Where nothing `may` leave at once, all goes to its queue.
    pub(crate) fn by(outlets: &Outlets, may: bool) -> Self {
        let (fresh, claims, queued) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { outlets: outlets.clone(), may, fresh, has_begun: false, claims, queued }
    }

    /// What was accepted and stands in no queue yet.
    pub(crate) const fn fresh(&mut self) -> &mut Vec<Queued> {
        &mut self.fresh
    }

    /// Whether outlets were asked: what goes wrong after that need not be for the commands.
    pub(crate) const fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Asks a route's outlet what of this has room; answers its claims, and the number of the first. It is
    /// told of each of them, whether they are run or not.
    pub(crate) fn ask(
        &mut self,
        route: RouteId,
        fresh: &[(Lane, AccountId, usize)],
    ) -> (usize, Vec<Claim>) {
        let first = self.claims.len();
        let Some(outlet) = self.outlets.of(route).filter(|_| self.may) else {
            return (first, Vec::new());
        };
        self.has_begun = true;
        let claims = outlet.claims(fresh);
        let asked = claims.iter().map(|claim| (Arc::clone(&outlet), claim.clone(), None));
        self.claims.extend(asked);
        (first, claims)
    }

    /// A claim was run.
    pub(crate) fn claimed(&mut self, number: usize, claimed: Claimed) {
        if let Some((.., its)) = self.claims.get_mut(number) {
            *its = Some(claimed);
        }
    }

    /// Something was accepted into a queue.
    pub(crate) fn queued(&mut self, queue: (RouteId, Lane, AccountId), due: i64) {
        let first = self.queued.entry(queue).or_insert(due);
        *first = due.min(*first);
    }

    /// The transaction has ended.
    pub(crate) fn tell(self, ended: &Result<()>) {
        for (outlet, claim, claimed) in self.claims {
            let not_run = || Error::Failed("a claim was not run".into());
            outlet.claimed(claim, ended.clone().and_then(|()| claimed.ok_or_else(not_run)));
        }
        if ended.is_err() {
            return;
        }
        for ((route, lane, account), due) in self.queued {
            if let Some(outlet) = self.outlets.of(route) {
                outlet.queued(lane, account, Instant::from_micros(due));
            }
        }
    }
}
