//! `pombo prices show` and `margin`: the prices in force, and what is left of them.

use pombo_app::operate;
use pombo_app::prices::Book;
use pombo_domain::address::Phone;
use pombo_domain::id::RouteId;
use pombo_domain::money::Money;
use pombo_domain::price::{DEFAULT, Network, PriceList, Quote, Scope, margin};
use pombo_domain::time::Instant;
use pombo_store::Store;
use serde_json::json;

use super::super::{Failure, out};
use super::{Margin, Show, now};
use crate::config::{Config, RouteConfig};

pub(super) fn prices(store: &Store, config: &Config, asked: Show) -> Result<(), Failure> {
    let at = asked.at.unwrap_or_else(now);
    let book = Book::read(store, at)?;
    let list = match &asked.route {
        None => book.sell(&asked.currency),
        Some(name) => book.buy(operate::route_named(store, name)?, &asked.currency),
    };
    if let Some(number) = &asked.number {
        return number_price(&book, list, (config, number, &asked), at);
    }
    let quotes: Vec<Quote<'_>> = list
        .into_iter()
        .flat_map(|list| list.quotes(at))
        .filter(|quote| asked.country.is_none_or(|country| country == quote.scope.country))
        .collect();
    if asked.json {
        let rows: Vec<_> = quotes.iter().map(|q| quote_json(q, &asked.currency)).collect();
        return out::json(&rows);
    }
    let row = |quote: &Quote<'_>| {
        let mut row = cells(quote);
        row.push(if quote.refunds { "yes" } else { "-" }.to_owned());
        row
    };
    let rows: Vec<Vec<String>> = quotes.iter().map(row).collect();
    out::table(&["country", "network", "mcc-mnc", "price", "refund"], &rows)
}

fn cells(quote: &Quote<'_>) -> Vec<String> {
    vec![
        quote.scope.country.to_string(),
        quote.name.to_owned(),
        quote.scope.network.map_or_else(|| "-".to_owned(), |network| network.to_string()),
        quote.price.to_string(),
    ]
}

fn quote_json(quote: &Quote<'_>, currency: &str) -> serde_json::Value {
    json!({
        "countryIso": quote.scope.country.to_string(),
        "networkName": quote.name,
        "network": quote.scope.network.map(|network| network.to_string()),
        "price": quote.price.to_string(),
        "refund": quote.refunds,
        "currency": currency,
    })
}

/// What a part to one number costs, and why.
fn number_price(
    book: &Book,
    list: Option<&PriceList>,
    (config, number, asked): (&Config, &str, &Show),
    at: Instant,
) -> Result<(), Failure> {
    let (phone, country) = Phone::parse_with_country(number).map_err(|_| {
        Failure::usage(format!("{number:?} is no telephone number with its country code"))
    })?;
    let network = book.network(phone);
    let own = list.and_then(|list| list.at(Scope { country, network }, at));
    let listed =
        own.or_else(|| list.and_then(|list| list.at(Scope { country, network: None }, at)));
    let (price, from) = match (listed, asked.route.is_some()) {
        (Some(quote), _) => (Some(quote.price), quote.name.to_owned()),
        (None, false) => (Some(config.prices.sms_default), "prices.sms_default".to_owned()),
        (None, true) => (None, "no price".to_owned()),
    };
    if asked.json {
        return out::json(&json!({
            "number": phone.to_string(),
            "countryIso": country.to_string(),
            "network": network.map(|network| network.to_string()),
            "price": price.map(|price| price.to_string()),
            "refund": listed.is_some_and(|quote| quote.refunds),
            "currency": asked.currency,
            "from": from,
        }));
    }
    let network = network.map_or_else(|| "unknown network".to_owned(), |n| n.to_string());
    let price = out::or_dash(price);
    out::line(&format!("{phone}: {country}, {network}: {price} {} ({from})", asked.currency))
}

/// A price, a route that carries there, and what it asks.
struct Line<'b> {
    quote: Quote<'b>,
    route: &'b str,
    buy: Option<Money>,
}

pub(super) fn margins(store: &Store, config: &Config, asked: &Margin) -> Result<(), Failure> {
    let at = now();
    let book = Book::read(store, at)?;
    let numbers = operate::route_numbers(store)?;
    let routes: Vec<(&RouteConfig, Option<RouteId>)> =
        config.routes.iter().map(|route| (route, numbers.get(&route.name).copied())).collect();
    let mut lines = Vec::new();
    let quotes = book.sell(&asked.currency).into_iter().flat_map(|list| list.quotes(at));
    for quote in quotes.filter(|q| asked.country.is_none_or(|c| c == q.scope.country)) {
        let mut own: Vec<Line<'_>> = routes
            .iter()
            .filter(|(route, _)| carries_to(route, quote.scope))
            .map(|(route, id)| {
                let list = id.and_then(|id| book.buy(id, &asked.currency));
                let Scope { country, network } = quote.scope;
                let listed = list.and_then(|list| list.quote(country, network, at));
                let buy = listed.map(|own| own.price).or(route.buy_price);
                Line { quote, route: &route.name, buy }
            })
            .filter(|line| !asked.negative || line.buy.is_some_and(|buy| buy > quote.price))
            .collect();
        // The cheapest first; those whose price nobody knows last.
        own.sort_by_key(|line| (line.buy.is_none(), line.buy));
        lines.extend(own);
    }
    if asked.json {
        let rows: Vec<_> = lines.iter().map(|line| line_json(line, &asked.currency)).collect();
        return out::json(&rows);
    }
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let mut row = cells(&line.quote);
            let left = line.buy.map(|buy| margin(line.quote.price, buy));
            row.extend([line.route.to_owned(), out::or_dash(line.buy), out::or_dash(left)]);
            row
        })
        .collect();
    out::table(&["country", "network", "mcc-mnc", "price", "route", "asks", "margin"], &rows)
}

fn line_json(line: &Line<'_>, currency: &str) -> serde_json::Value {
    let mut json = quote_json(&line.quote, currency);
    json["route"] = line.route.into();
    json["buyPrice"] = line.buy.map(|buy| buy.to_string()).into();
    json["margin"] = line.buy.map(|buy| margin(line.quote.price, buy).to_string()).into();
    json["isDefault"] = (line.quote.name == DEFAULT).into();
    json
}

fn carries_to(route: &RouteConfig, scope: Scope) -> bool {
    let country = scope.country.to_string();
    let country_fits = route.countries.is_empty()
        || route.countries.iter().any(|c| c == "*" || c.eq_ignore_ascii_case(&country));
    // The default price is for the networks that no list names: any of them may be its.
    let network_fits = |network: Network| {
        route.networks.is_empty() || route.networks.iter().any(|own| own.hold(network))
    };
    country_fits && scope.network.is_none_or(network_fits)
}
