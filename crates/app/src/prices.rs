//! The price lists in force, in memory: what a part costs, and what its carrier asks. Read anew when
//! a file was imported, or when number prefixes change hands.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pombo_domain::address::{Country, Phone};
use pombo_domain::id::RouteId;
use pombo_domain::money::Money;
use pombo_domain::price::{Network, Prefix, PriceList, Quote, Ranges};
use pombo_domain::route::Route;
use pombo_domain::time::Instant;
use pombo_store::Store;
use pombo_store::operation as op;
use pombo_store::operation::price::{Import, Kind};

use crate::current::Current;

/// Rows that one question reads.
const PAGE: i64 = 10_000;

/// All lists, as the store has them.
#[derive(Debug, Default)]
pub struct Book {
    /// Grows with every import.
    stamp: i64,
    sell: HashMap<String, PriceList>,
    buy: HashMap<RouteId, HashMap<String, PriceList>>,
    prefixes: BTreeMap<Prefix, Network>,
    ranges: Ranges,
    /// When prefixes change hands next.
    until: Option<Instant>,
}

impl Book {
    /// Reads everything; blocks.
    pub fn read(store: &Store, now: Instant) -> Result<Self, pombo_store::Error> {
        let mut book = Self { stamp: store.ask_blocking(op::price::Stamp)?, ..Self::default() };
        let mut tables = Vec::new();
        for Import { id, kind, since, .. } in store.ask_blocking(op::price::Imports)? {
            match kind {
                Kind::Sell { currency } => {
                    read_prices(store, id, book.sell.entry(currency).or_default())?;
                }
                Kind::Buy { route, currency } => {
                    read_prices(
                        store,
                        id,
                        book.buy.entry(route).or_default().entry(currency).or_default(),
                    )?;
                }
                Kind::Ranges if since > now => {
                    book.until = Some(book.until.map_or(since, |until| until.min(since)));
                }
                Kind::Ranges => tables.push((since, id)),
            }
        }
        // Stable: of two that hold from one time on the later import counts.
        tables.sort_by_key(|(since, _)| *since);
        for (_, import) in tables {
            read_ranges(store, import, &mut book.prefixes)?;
        }
        book.ranges =
            Ranges::new(book.prefixes.iter().map(|(prefix, network)| (*prefix, *network)));
        Ok(book)
    }

    /// The network of a number, where the operator's table knows it.
    #[must_use]
    pub fn network(&self, phone: Phone) -> Option<Network> {
        self.ranges.network(phone)
    }

    /// The table of prefixes in force.
    #[must_use]
    pub fn prefixes(&self) -> &BTreeMap<Prefix, Network> {
        &self.prefixes
    }

    /// What accounts of a currency pay.
    #[must_use]
    pub fn sell(&self, currency: &str) -> Option<&PriceList> {
        self.sell.get(currency)
    }

    /// What a route's carrier asks, in a currency.
    #[must_use]
    pub fn buy(&self, route: RouteId, currency: &str) -> Option<&PriceList> {
        self.buy.get(&route)?.get(currency)
    }

    /// What a route's carrier asks for a part, in a currency: by its list, else its one price.
    #[must_use]
    pub fn asks(
        &self,
        route: &Route,
        currency: &str,
        (country, network): (Country, Option<Network>),
        now: Instant,
    ) -> Option<Money> {
        let listed = self.buy(route.id, currency).and_then(|l| l.quote(country, network, now));
        listed.map(|quote| quote.price).or(route.buy_price)
    }

    /// What an account of this currency pays for a part, where its list says.
    #[must_use]
    pub fn quote(
        &self,
        currency: &str,
        (country, network): (Country, Option<Network>),
        now: Instant,
    ) -> Option<Quote<'_>> {
        self.sell(currency)?.quote(country, network, now)
    }
}

fn read_prices(store: &Store, import: i64, list: &mut PriceList) -> Result<(), pombo_store::Error> {
    let mut after = None;
    loop {
        let rows = store.ask_blocking(op::price::Prices { import, after, limit: PAGE })?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some((last.scope, last.since));
        rows.into_iter().for_each(|row| list.add(row));
    }
}

fn read_ranges(
    store: &Store,
    import: i64,
    prefixes: &mut BTreeMap<Prefix, Network>,
) -> Result<(), pombo_store::Error> {
    let mut after = 0;
    loop {
        let rows = store.ask_blocking(op::price::Ranges { import, after, limit: PAGE })?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after = last.digits();
        for (prefix, network) in rows {
            match network {
                Some(network) => prefixes.insert(prefix, network),
                None => prefixes.remove(&prefix),
            };
        }
    }
}

/// The newest book; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prices {
    current: Current<Book>,
}

impl Prices {
    pub(crate) fn book(&self) -> Arc<Book> {
        self.current.get()
    }

    /// Reads everything anew where something has changed.
    pub(crate) async fn refresh(
        &self,
        store: &Store,
        now: Instant,
    ) -> Result<(), pombo_store::Error> {
        let stamp = store.ask(op::price::Stamp).await?;
        if stamp == self.book().stamp && !self.is_over(now) {
            return Ok(());
        }
        let store = store.clone();
        let read = tokio::task::spawn_blocking(move || Book::read(&store, now)).await;
        let book = read.map_err(|_| pombo_store::Error::Closed)??;
        self.current.set(book);
        Ok(())
    }

    /// Whether prefixes have changed hands since it was read.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.book().until.is_some_and(|until| until <= now)
    }
}
