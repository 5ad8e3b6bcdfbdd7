//! Which route a message goes by: the rules, the prices and the state of the routes, put together.

use std::sync::Arc;

use pombo_domain::address::{Country, Phone, Sender};
use pombo_domain::id::{AccountId, RouteId};
use pombo_domain::message::Category;
use pombo_domain::price::Network;
use pombo_domain::route::{Choice, Choose, Order, Question, Route, choose, order};
use pombo_domain::time::Instant;

use crate::Rules;
use crate::accounts::Accounts;
use crate::current::Current;
use crate::prices::{Book, Prices};

/// What a choice needs, in force; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Routing {
    rules: Current<Rules>,
    prices: Prices,
    accounts: Accounts,
}

impl Routing {
    pub(crate) fn new(rules: Rules, prices: Prices, accounts: Accounts) -> Self {
        Self { rules: Current::new(rules), prices, accounts }
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.get()
    }

    pub(crate) fn set(&self, rules: Rules) {
        self.rules.set(rules);
    }

    /// All that holds for messages of an account at one time.
    pub(crate) fn of(&self, account: AccountId, now: Instant) -> Map {
        let rules = self.rules();
        // Nobody else asks for the currency.
        let currency = match rules.choose {
            Choose::Priority => String::new(),
            Choose::Cost | Choose::PriorityThenCost => {
                self.accounts.by_id(account).map(|a| a.currency.clone()).unwrap_or_default()
            }
        };
        Map { rules, book: self.prices.book(), account, currency, now }
    }
}

/// The rules and prices of one moment, for one account.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) rules: Arc<Rules>,
    pub(crate) book: Arc<Book>,
    account: AccountId,
    currency: String,
    now: Instant,
}

/// What is known of a message where its route is chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passenger<'a> {
    pub(crate) to: Phone,
    pub(crate) country: Country,
    /// See [`Book::network`].
    pub(crate) network: Option<Network>,
    pub(crate) sender: &'a Sender,
    pub(crate) category: Category,
}

impl Map {
    /// What is known of a message to this number.
    pub(crate) fn passenger<'a>(
        &self,
        to: Phone,
        sender: &'a Sender,
        category: Category,
    ) -> Passenger<'a> {
        let (country, network) = (to.country(), self.book.network(to));
        Passenger { to, country, network, sender, category }
    }

    /// The route to use among the usable ones.
    pub(crate) fn choose(
        &self,
        passenger: &Passenger<'_>,
        usable: impl Fn(RouteId) -> bool,
    ) -> Option<Choice> {
        choose(&self.rules.routes, &self.question(passenger), &self.order_for(passenger), usable)
    }

    /// All usable routes, in the order in which they are tried.
    pub(crate) fn order(
        &self,
        passenger: &Passenger<'_>,
        usable: impl Fn(RouteId) -> bool,
    ) -> Vec<RouteId> {
        order(&self.rules.routes, &self.question(passenger), &self.order_for(passenger), usable)
    }

    fn question<'a>(&self, passenger: &'a Passenger<'_>) -> Question<'a> {
        Question {
            account: self.account,
            country: passenger.country.as_str(),
            network: passenger.network,
            sender: passenger.sender,
            category: passenger.category,
            spread: passenger.to.digits(),
        }
    }

    fn order_for(
        &self,
        passenger: &Passenger<'_>,
    ) -> Order<impl Fn(&Route) -> Option<pombo_domain::money::Money>> {
        let place = (passenger.country, passenger.network);
        let asks = move |route: &Route| self.book.asks(route, &self.currency, place, self.now);
        Order { by: self.rules.choose, asks }
    }
}
