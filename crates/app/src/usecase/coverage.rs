//! `coverage`: where an account can send to, and what a part costs there.

use pombo_domain::address::{Country, CountryRow, countries};
use pombo_domain::money::Money;
use pombo_domain::price::{DEFAULT, Network};
use pombo_domain::route::Route;

use crate::App;
use crate::auth::Caller;

/// A network that can be reached, or all others of a country.
#[derive(Debug, Clone)]
pub struct Covered {
    /// The country.
    pub country: CountryRow,
    /// The network's name; `Default` for the others.
    pub name: String,
    /// The network; `None` for the others.
    pub network: Option<Network>,
    /// What a part costs.
    pub cost: Money,
}

/// What the caller can reach, by country, its default first.
#[derive(Debug, Clone)]
pub struct Coverage {
    /// The networks.
    pub networks: Vec<Covered>,
    /// The currency of what they cost: ISO 4217.
    pub currency: String,
}

/// What the caller can reach now, in all countries or in one: where it may send to and some route
/// carries to, at the price that a send would cost.
#[must_use]
pub fn coverage(app: &App, caller: &Caller, only: Option<Country>) -> Coverage {
    let (rules, book) = (app.rules(), app.inner.prices.book());
    let (now, settings) = (app.inner.clock.now(), caller.settings());
    let list = book.sell(&settings.currency);
    let is_allowed =
        |country: Country| only.is_none_or(|only| only == country) && settings.may_reach(country);
    let is_reached = |country: Country, network: Option<Network>| {
        let carries = |route: &Route| {
            route.reaches(caller.account(), country.as_str()) && route.reaches_network(network)
        };
        rules.routes.iter().any(carries)
    };
    let mut networks = Vec::new();
    let mut quotes = list.into_iter().flat_map(|list| list.quotes(now)).peekable();
    for row in countries() {
        let mut own = Vec::new();
        while let Some(quote) = quotes.next_if(|quote| quote.scope.country <= row.country) {
            if quote.scope.country == row.country {
                own.push(quote);
            }
        }
        if !is_allowed(row.country) {
            continue;
        }
        if is_reached(row.country, None) {
            let default = own.iter().find(|quote| quote.scope.network.is_none());
            let cost = default.map_or(rules.sms_default_price, |quote| quote.price);
            networks.push(Covered { country: row, name: DEFAULT.to_owned(), network: None, cost });
        }
        let named = own.into_iter().filter(|quote| {
            quote.scope.network.is_some_and(|network| is_reached(row.country, Some(network)))
        });
        networks.extend(named.map(|quote| {
            let (name, network) = (quote.name.to_owned(), quote.scope.network);
            Covered { country: row, name, network, cost: quote.price }
        }));
    }
    Coverage { networks, currency: settings.currency.clone() }
}
