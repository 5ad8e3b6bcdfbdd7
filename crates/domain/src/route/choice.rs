//! The choice among the routes that may carry a message, and why it fell as it did.

use super::{Question, Route};
use crate::id::RouteId;
use crate::money::Money;

/// What decides among routes that take a message. Weight shares what is equal by all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choose {
    /// The operator's order: the lowest priority number.
    #[default]
    Priority,
    /// The least that a carrier asks; of equal prices the lowest priority number.
    Cost,
    /// The lowest priority number; of equal ones the least that a carrier asks.
    PriorityThenCost,
}

/// The rule, and what each route's carrier asks for a part to this recipient.
#[derive(Debug, Clone, Copy)]
pub struct Order<F> {
    /// What decides.
    pub by: Choose,
    /// What a route asks; one whose price nobody knows comes after those with a price. Only asked
    /// for where cost decides.
    pub asks: F,
}

/// The lower goes first.
type Rank = (i64, i64);

impl<F: Fn(&Route) -> Option<Money>> Order<F> {
    fn rank(&self, route: &Route) -> Rank {
        let priority = i64::from(route.priority);
        let cost = || (self.asks)(route).map_or(i64::MAX, Money::micros);
        match self.by {
            Choose::Priority => (priority, 0),
            Choose::Cost => (cost(), priority),
            Choose::PriorityThenCost => (priority, cost()),
        }
    }

    /// What told two ranks apart.
    const fn difference(&self, a: Rank, b: Rank) -> Why {
        match (self.by, a.0 == b.0) {
            (Choose::Priority, _) | (Choose::Cost, true) | (Choose::PriorityThenCost, false) => {
                Why::Priority
            }
            (Choose::Cost, false) | (Choose::PriorityThenCost, true) => Why::Cost,
        }
    }
}

/// Why a route was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// No other takes the message.
    Only,
    /// Others take it, and none of them can be used now.
    OthersCannot,
    /// Its priority.
    Priority,
    /// It asks the least.
    Cost,
    /// It is one of several equals, which share by weight.
    Weight,
}

impl Why {
    /// The word that a dry run answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Only => "only",
            Self::OthersCannot => "others unavailable",
            Self::Priority => "priority",
            Self::Cost => "cost",
            Self::Weight => "weight",
        }
    }
}

/// A chosen route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Which.
    pub route: RouteId,
    /// Why.
    pub why: Why,
}

/// The best of those seen so far.
struct Best {
    rank: Rank,
    first: RouteId,
    /// How many are as good, and their weights together.
    n: usize,
    weight: u64,
    /// The best of the others.
    next: Option<Rank>,
}

/// The route to use: the first in order, shared by weight among equals, leaving out those for which
/// `usable` says no (down, paused, just tried). `None`: no route may carry it.
pub fn choose<F: Fn(&Route) -> Option<Money>>(
    routes: &[Route],
    q: &Question<'_>,
    order: &Order<F>,
    usable: impl Fn(RouteId) -> bool,
) -> Option<Choice> {
    let mut best: Option<Best> = None;
    let mut n_taking = 0;
    for route in routes.iter().filter(|route| route.takes(q)) {
        n_taking += 1;
        if !usable(route.id) {
            continue;
        }
        let rank = order.rank(route);
        let weight = u64::from(route.weight);
        match &mut best {
            Some(best) if rank == best.rank => {
                best.n += 1;
                best.weight += weight;
            }
            Some(best) if rank > best.rank => {
                best.next = Some(best.next.map_or(rank, |next| next.min(rank)));
            }
            before => {
                let next = before.as_ref().map(|best| best.rank);
                *before = Some(Best { rank, first: route.id, n: 1, weight, next });
            }
        }
    }
    let best = best?;
    let why = match best.next {
        _ if best.n > 1 => Why::Weight,
        Some(next) => order.difference(best.rank, next),
        None if n_taking > 1 => Why::OthersCannot,
        None => Why::Only,
    };
    let equals = |r: &&Route| r.takes(q) && usable(r.id) && order.rank(r) == best.rank;
    let shared = match best.n {
        1 => None,
        _ => by_weight(routes.iter().filter(equals), best.weight, q.spread),
    };
    Some(Choice { route: shared.unwrap_or(best.first), why })
}

/// Each of the equals has as much of the line as it weighs; one of no weight is never met.
fn by_weight<'r>(
    equals: impl Iterator<Item = &'r Route>,
    total: u64,
    spread: u64,
) -> Option<RouteId> {
    let mut at = spread.checked_rem(total)?;
    for route in equals {
        let weight = u64::from(route.weight);
        if at < weight {
            return Some(route.id);
        }
        at -= weight;
    }
    None
}

/// All routes that may carry it and that `usable` lets through, in the order in which they are tried.
pub fn order<F: Fn(&Route) -> Option<Money>>(
    routes: &[Route],
    q: &Question<'_>,
    order: &Order<F>,
    usable: impl Fn(RouteId) -> bool,
) -> Vec<RouteId> {
    let fits = |r: &&Route| r.takes(q) && usable(r.id);
    let mut found: Vec<(Rank, RouteId)> =
        routes.iter().filter(fits).map(|route| (order.rank(route), route.id)).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, route)| route).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Networks, SenderPattern};
    use super::*;
    use crate::address::Sender;
    use crate::id::AccountId;
    use crate::message::Category;
    use crate::price::Network;

    fn route(id: i64, priority: u32, weight: u32) -> Route {
        Route { id: RouteId(id), priority, weight, ..Route::to_all(&format!("route-{id}")) }
    }

    fn asking(id: i64, priority: u32, micros: i64) -> Route {
        Route { buy_price: Some(Money::from_micros(micros)), ..route(id, priority, 1) }
    }

    fn question(sender: &Sender, spread: u64) -> Question<'_> {
        Question {
            account: AccountId(1),
            country: "ES",
            network: Network::parse("214", "07"),
            sender,
            category: Category::Transactional,
            spread,
        }
    }

    const fn by(by: Choose) -> Order<fn(&Route) -> Option<Money>> {
        Order { by, asks: |route| route.buy_price }
    }

    fn test() -> Sender {
        Sender::parse("TEST").expect("a sender")
    }

    #[test]
    fn the_rule_decides_and_says_why() {
        use Choose::{Cost, Priority, PriorityThenCost};
        let sender = test();
        let q = question(&sender, 0);
        let dear_first = [asking(1, 10, 30), asking(2, 20, 20)];
        let cheap_last = [asking(1, 10, 30), asking(2, 10, 20), asking(3, 20, 10)];
        let same_price = [asking(1, 20, 30), asking(2, 10, 30)];
        let unknown = [route(1, 10, 1), asking(2, 20, 90)];
        for (what, routes, rule, route, why) in [
            ("priority", &dear_first[..], Priority, 1, Why::Priority),
            ("cost", &dear_first, Cost, 2, Why::Cost),
            ("priority before cost", &dear_first, PriorityThenCost, 1, Why::Priority),
            ("equals share", &cheap_last, Priority, 1, Why::Weight),
            ("cheapest of all", &cheap_last, Cost, 3, Why::Cost),
            ("cheapest of the first", &cheap_last, PriorityThenCost, 2, Why::Cost),
            ("priority of equal prices", &same_price, Cost, 2, Why::Priority),
            ("a known price first", &unknown, Cost, 2, Why::Cost),
            ("the only one", &dear_first[..1], Cost, 1, Why::Only),
        ] {
            let choice = choose(routes, &q, &by(rule), |_| true);
            assert_eq!(choice, Some(Choice { route: RouteId(route), why }), "{what}");
        }
    }

    #[test]
    fn the_first_is_used_until_it_cannot_be() {
        let sender = test();
        let routes = [route(1, 20, 1), route(2, 10, 1)];
        let chosen = |usable: &dyn Fn(RouteId) -> bool| {
            choose(&routes, &question(&sender, 0), &by(Choose::Priority), usable)
        };
        let choice = |route, why| Some(Choice { route: RouteId(route), why });
        assert_eq!(chosen(&|_| true), choice(2, Why::Priority));
        assert_eq!(chosen(&|r| r != RouteId(2)), choice(1, Why::OthersCannot));
        assert_eq!(chosen(&|_| false), None);
    }

    #[test]
    fn equals_share_by_weight() {
        let sender = test();
        let routes = [route(1, 10, 3), route(2, 10, 1), route(3, 10, 0)];
        let n = |id| {
            let is_its = |i: &u64| {
                let q = question(&sender, *i);
                choose(&routes, &q, &by(Choose::Priority), |_| true).map(|c| c.route)
                    == Some(RouteId(id))
            };
            (0..400).filter(is_its).count()
        };
        assert_eq!([n(1), n(2), n(3)], [300, 100, 0]);
    }

    #[test]
    fn a_route_carries_only_what_it_was_given() {
        let sender = test();
        let all = || route(1, 10, 1);
        let networks = |text| Networks::parse(text).into_iter().collect::<Vec<_>>();
        for (what, route, takes) in [
            ("all", all(), true),
            ("another country", Route { countries: vec!["FR".into()], ..all() }, false),
            (
                "another sender",
                Route { senders: vec![SenderPattern::new("OTHER")], ..all() },
                false,
            ),
            ("a pattern", Route { senders: vec![SenderPattern::new("T*")], ..all() }, true),
            ("another kind", Route { categories: vec![Category::Marketing], ..all() }, false),
            ("another account", Route { accounts: vec![AccountId(2)], ..all() }, false),
            ("its network", Route { networks: networks("214-07"), ..all() }, true),
            ("its networks", Route { networks: networks("214"), ..all() }, true),
            ("another network", Route { networks: networks("21401"), ..all() }, false),
        ] {
            assert_eq!(route.takes(&question(&sender, 0)), takes, "{what}");
        }
        let unknown = Question { network: None, ..question(&sender, 0) };
        assert!(all().takes(&unknown));
        assert!(!Route { networks: networks("214"), ..all() }.takes(&unknown));
    }

    #[test]
    fn networks_are_written_in_three_ways() {
        let one = Network::parse("214", "07").map(Networks::One);
        for (text, read) in [
            ("214", Some(Networks::Country(214))),
            ("214-07", one),
            ("21407", one),
            ("214-7", one),
            ("214-", None),
            ("21", None),
            ("199", None),
            ("2140007", None),
            ("214x", None),
            ("€€", None),
        ] {
            assert_eq!(Networks::parse(text), read, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_better_is_left_and_the_order_begins_with_it(
            given in prop::collection::vec((0_u32..3, 0_u32..3, prop::option::of(0_i64..4), any::<bool>()), 0..8),
            rule in prop_oneof![
                Just(Choose::Priority), Just(Choose::Cost), Just(Choose::PriorityThenCost)
            ],
            spread: u64,
        ) {
            let sender = test();
            let routes: Vec<Route> = (0..).zip(&given).map(|(id, (priority, weight, asks, _))| Route {
                buy_price: asks.map(Money::from_micros), ..route(id, *priority, *weight)
            }).collect();
            let usable = |id: RouteId| usize::try_from(id.0).is_ok_and(|at| given[at].3);
            let q = question(&sender, spread);
            let all = order(&routes, &q, &by(rule), usable);
            let choice = choose(&routes, &q, &by(rule), usable);
            prop_assert_eq!(choice.is_some(), given.iter().any(|(.., usable)| *usable));
            prop_assert_eq!(all.len(), given.iter().filter(|(.., usable)| *usable).count());
            let Some(choice) = choice else { return Ok(()) };
            let rank = |id: RouteId| by(rule).rank(&routes[usize::try_from(id.0).unwrap_or(0)]);
            prop_assert!(usable(choice.route));
            prop_assert!(all.iter().all(|other| rank(choice.route) <= rank(*other)));
            prop_assert!(all.windows(2).all(|pair| rank(pair[0]) <= rank(pair[1])));
            prop_assert_eq!(rank(all[0]), rank(choice.route));
        }
    }
}
