//! The nodes that serve from one store, as one of them sees the others.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pombo_domain::id::RouteId;
use pombo_domain::share::Share;
use tokio::sync::{Notify, watch};

use crate::tenure::Tenure;

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its number; whoever came later has a higher one.
    pub id: i64,
    /// The newest node by whose joining it acts.
    pub seen: i64,
    /// The routes that it has a link of.
    pub up: BTreeSet<RouteId>,
}

/// All nodes, this one among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes {
    own: i64,
    all: Vec<Node>,
    /// Whether this is what was known when the store was last reached, and others may have taken over
    /// since.
    is_old: bool,
}

impl Nodes {
    /// Of one that serves alone.
    #[must_use]
    pub fn alone() -> Self {
        Self::seen_by(0, vec![Node { id: 0, seen: 0, up: BTreeSet::new() }])
    }

    /// As `own` sees them, in the order of their numbers.
    pub(crate) const fn seen_by(own: i64, all: Vec<Node>) -> Self {
        Self { own, all, is_old: false }
    }

    /// This one's number.
    #[must_use]
    pub const fn own(&self) -> i64 {
        self.own
    }

    /// All of them, in the order in which they came.
    #[must_use]
    pub fn all(&self) -> &[Node] {
        &self.all
    }

    /// What this one may do of what all may do together: nothing, until all others act by its
    /// joining, and nothing while it does not know whether they have taken over.
    #[must_use]
    pub fn share(&self) -> Share {
        if self.is_old {
            return Share::NONE;
        }
        let knows = |node: &Node| node.id == self.own || node.seen >= self.own;
        match self.all.iter().position(|node| node.id == self.own) {
            Some(rank) if self.all.iter().all(knows) => Share::new(rank, self.all.len()),
            _ => Share::NONE,
        }
    }

    /// The newest of them.
    #[must_use]
    pub fn newest(&self) -> i64 {
        self.all.last().map_or(self.own, |node| node.id)
    }

    /// Whether this one came first: it does what needs doing only once.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.all.first().is_some_and(|node| node.id == self.own)
    }

    /// Whether another one has a link of that route.
    #[must_use]
    pub fn is_up_elsewhere(&self, route: RouteId) -> bool {
        self.all.iter().any(|node| node.id != self.own && node.up.contains(&route))
    }

    /// Whether one that was there `before` is not any more.
    #[must_use]
    pub fn lack_one_of(&self, before: &Self) -> bool {
        before.all.iter().any(|node| !self.all.iter().any(|now| now.id == node.id))
    }
}

/// What the threads of one node share of its being one.
#[derive(Debug)]
pub(crate) struct Membership {
    /// Its number; 0 where only one can serve, or it does not.
    own: i64,
    pub(crate) tenure: Tenure,
    nodes: watch::Sender<Arc<Nodes>>,
    /// Counts how often others have said that they committed.
    woken: watch::Sender<u64>,
    acts_by: AtomicI64,
    up: Mutex<BTreeSet<RouteId>>,
    has_left: AtomicBool,
    pub(crate) leaving: Notify,
}

impl Membership {
    /// Of one that serves alone, or not at all.
    pub(crate) fn alone() -> Self {
        Self::of(Nodes::alone(), Tenure::for_ever())
    }

    /// Of a node that has just joined, and has seen nobody yet.
    pub(crate) fn joined(own: i64) -> Self {
        Self::of(Nodes::seen_by(own, Vec::new()), Tenure::new())
    }

    fn of(nodes: Nodes, tenure: Tenure) -> Self {
        Self {
            own: nodes.own,
            tenure,
            acts_by: AtomicI64::new(nodes.own),
            nodes: watch::Sender::new(Arc::new(nodes)),
            woken: watch::Sender::new(0),
            up: Mutex::default(),
            has_left: AtomicBool::new(false),
            leaving: Notify::new(),
        }
    }

    pub(crate) const fn own(&self) -> i64 {
        self.own
    }

    pub(crate) fn nodes(&self) -> watch::Receiver<Arc<Nodes>> {
        self.nodes.subscribe()
    }

    pub(crate) fn saw(&self, nodes: Nodes) {
        self.nodes.send_if_modified(|known| {
            let is_news = **known != nodes;
            if is_news {
                *known = Arc::new(nodes);
            }
            is_news
        });
    }

    /// It may not send any more, and cannot ask. Where others may take over, it leaves its share to
    /// them; who serves alone keeps it, so that a restart of the server closes no links.
    pub(crate) fn lose_touch(&self) {
        self.nodes.send_if_modified(|known| {
            let is_news = known.all.len() > 1 && !known.is_old;
            if is_news {
                *known = Arc::new(Nodes { is_old: true, ..Nodes::clone(known) });
            }
            is_news
        });
    }

    pub(crate) fn has_others(&self) -> bool {
        self.nodes.borrow().all.len() > 1
    }

    pub(crate) fn woken(&self) -> watch::Receiver<u64> {
        self.woken.subscribe()
    }

    pub(crate) fn wake(&self) {
        self.woken.send_modify(|times| *times = times.wrapping_add(1));
    }

    pub(crate) fn act_by(&self, newest: i64) {
        self.acts_by.fetch_max(newest, Ordering::AcqRel);
    }

    pub(crate) fn acts_by(&self) -> i64 {
        self.acts_by.load(Ordering::Acquire)
    }

    pub(crate) fn tell_up(&self, routes: BTreeSet<RouteId>) {
        *self.up.lock().unwrap_or_else(PoisonError::into_inner) = routes;
    }

    /// As its row has it.
    pub(crate) fn up(&self) -> String {
        let up = self.up.lock().unwrap_or_else(PoisonError::into_inner);
        up.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    /// It takes leave.
    pub(crate) fn leave(&self) {
        self.tenure.suspend();
        self.has_left.store(true, Ordering::Release);
        self.leaving.notify_one();
    }

    pub(crate) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Acquire)
    }
}

/// The routes of a row.
pub(crate) fn routes(up: &str) -> BTreeSet<RouteId> {
    up.split(',').filter_map(|id| RouteId::parse(id).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(own: i64, all: &[(i64, i64)]) -> Nodes {
        let node = |&(id, seen): &(i64, i64)| Node { id, seen, up: routes(&format!("{id},9")) };
        Nodes::seen_by(own, all.iter().map(node).collect())
    }

    #[test]
    fn a_newcomer_begins_when_all_others_act_by_its_joining() {
        assert_eq!(nodes(4, &[(2, 2), (3, 4), (4, 4)]).share(), Share::NONE);
        assert_eq!(nodes(4, &[(2, 5), (3, 4), (4, 4)]).share(), Share::new(2, 3));
        assert_eq!(nodes(2, &[(2, 2), (3, 3), (4, 4)]).share(), Share::new(0, 3), "who was there");
        assert_eq!(nodes(5, &[(2, 9)]).share(), Share::NONE, "who is not there any more");
        assert_eq!(Nodes::alone().share(), Share::ALL);
    }

    #[test]
    fn who_has_lost_touch_leaves_its_share_to_others_where_there_are_some() {
        let two = nodes(3, &[(2, 3), (3, 3)]);
        let membership = Membership::joined(3);
        membership.saw(two.clone());
        let mut seen = membership.nodes();
        let mut share = || seen.borrow_and_update().share();
        membership.lose_touch();
        assert_eq!(share(), Share::NONE);
        membership.saw(two);
        assert_eq!(share(), Share::new(1, 2));
        membership.saw(nodes(3, &[(3, 3)]));
        membership.lose_touch();
        assert_eq!(share(), Share::ALL, "it serves alone");
    }

    #[test]
    fn who_came_first_and_who_went_is_known() {
        let before = nodes(3, &[(2, 2), (3, 3)]);
        assert!(!before.is_first() && Nodes::alone().is_first());
        let after = nodes(3, &[(3, 3), (4, 4)]);
        assert!(after.is_first() && after.lack_one_of(&before) && !before.lack_one_of(&before));
        assert_eq!((before.newest(), after.newest()), (3, 4));
    }

    #[test]
    fn a_link_of_ones_own_is_not_elsewhere() {
        let two = nodes(3, &[(2, 3), (3, 3)]);
        let is_up = |route| two.is_up_elsewhere(RouteId(route));
        assert_eq!((is_up(2), is_up(3), is_up(9)), (true, false, true));
        assert_eq!(routes(""), BTreeSet::new());
    }
}
