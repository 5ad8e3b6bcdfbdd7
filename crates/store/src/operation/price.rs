//! `price`: imported price lists and number prefixes. A file comes in by pieces under a number of
//! its own, and is in force, as a whole, from [`Finish`] on.

use pombo_domain::address::Country;
use pombo_domain::id::RouteId;
use pombo_domain::money::Money;
use pombo_domain::price::{Network, Prefix, Row, Scope};
use pombo_domain::time::Instant;

use super::{Operation, Question, View};
use crate::error::{Error, Result};
use crate::sql::values;
use crate::statement::statements;
use crate::work::Work;

statements! {
    NEW_IMPORT = "insert into price_import (kind, route, currency, since, at, rows, live) \
        values ($1, $2, $3, $4, $5, 0, 0) returning id";
    NEW_PRICE = "insert into price (import, country, network, since, name, price, refund) \
        values ($1, $2, $3, $4, $5, $6, $7) on conflict (import, country, network, since) do nothing";
    NEW_RANGE = "insert into number_range (import, prefix, network) values ($1, $2, $3) \
        on conflict (import, prefix) do nothing";
    FINISH = "update price_import set rows = $1, \
        live = (select coalesce(max(p.live), 0) + 1 from price_import p) \
        where id = $2 and live = 0";
    UNFINISHED = "select id from price_import where live = 0 and at < $1 limit 1";
    DROP_PRICES = "delete from price where import = $1 and (country, network, since) in \
        (select p.country, p.network, p.since from price p where p.import = $1 limit $2)";
    DROP_RANGES = "delete from number_range where import = $1 and prefix in \
        (select r.prefix from number_range r where r.import = $1 limit $2)";
    DROP_IMPORT = "delete from price_import where id = $1";
    STAMP = "select coalesce(max(live), 0) from price_import";
    IMPORTS = "select id, kind, route, currency, since, at, rows from price_import \
        where live > 0 order by live";
    PRICES = "select country, network, since, name, price, refund from price where import = $1 \
        and (country, network, since) > ($2, $3, $4) order by country, network, since limit $5";
    RANGES = "select prefix, network from number_range where import = $1 and prefix > $2 \
        order by prefix limit $3";
}

/// What a file holds. Stored as 0, 1, 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// What accounts of a currency pay.
    Sell {
        /// ISO 4217.
        currency: String,
    },
    /// What a route's carrier asks.
    Buy {
        /// The route.
        route: RouteId,
        /// ISO 4217.
        currency: String,
    },
    /// Which prefix is of which network.
    Ranges,
}

impl Kind {
    fn to_stored(&self) -> (i64, i64, &str) {
        match self {
            Self::Sell { currency } => (0, 0, currency),
            Self::Buy { route, currency } => (1, route.0, currency),
            Self::Ranges => (2, 0, ""),
        }
    }

    fn from_stored(kind: i64, route: i64, currency: String) -> Self {
        match kind {
            0 => Self::Sell { currency },
            1 => Self::Buy { route: RouteId(route), currency },
            _ => Self::Ranges,
        }
    }
}

/// A file that was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its number.
    pub id: i64,
    /// What it holds.
    pub kind: Kind,
    /// From when its rows hold, where they do not say otherwise.
    pub since: Instant,
    /// When it was imported.
    pub at: Instant,
    /// Rows: what it changed.
    pub n_rows: u64,
}

/// A file begins to come in.
#[derive(Debug, Clone)]
pub struct Begin {
    /// What it holds.
    pub kind: Kind,
    /// From when its rows hold, where they do not say otherwise.
    pub since: Instant,
    /// The time.
    pub now: Instant,
}

impl Operation for Begin {
    /// The import's number.
    type Answer = i64;

    fn run(&self, work: &mut Work<'_>) -> Result<i64> {
        work.now_is(self.now);
        let (kind, route, currency) = self.kind.to_stored();
        let (since, at) = (self.since.micros(), self.now.micros());
        work.prepare(NEW_IMPORT)?.one(values![kind, route, currency, since, at], |row| row.get(0))
    }
}

/// Rows of a price list.
#[derive(Debug, Clone)]
pub struct AddPrices {
    /// The import.
    pub import: i64,
    /// At most [`pombo_domain::limits::ROWS_PER_OPERATION_MAX`].
    pub rows: Vec<Row>,
}

impl Operation for AddPrices {
    type Answer = ();

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        let mut insert = work.prepare(NEW_PRICE)?;
        for Row { scope, name, price, refunds, since } in &self.rows {
            let network = scope.network.map_or(0, Network::to_stored);
            insert.execute(values![
                self.import,
                scope.country.as_str(),
                network,
                since.micros(),
                name,
                price.map(Money::micros),
                refunds,
            ])?;
        }
        Ok(())
    }
}

/// Rows of a table of number prefixes; one without a network ends.
#[derive(Debug, Clone)]
pub struct AddRanges {
    /// The import.
    pub import: i64,
    /// At most [`pombo_domain::limits::ROWS_PER_OPERATION_MAX`].
    pub rows: Vec<(Prefix, Option<Network>)>,
}

impl Operation for AddRanges {
    type Answer = ();

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        let mut insert = work.prepare(NEW_RANGE)?;
        for (prefix, network) in &self.rows {
            let network = network.map(Network::to_stored);
            insert.execute(values![self.import, prefix.digits().cast_signed(), network])?;
        }
        Ok(())
    }
}

/// A file is all there: its rows are in force.
#[derive(Debug, Clone, Copy)]
pub struct Finish {
    /// The import.
    pub import: i64,
    /// Its rows.
    pub n_rows: usize,
}

impl Operation for Finish {
    type Answer = ();

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        let n_rows = i64::try_from(self.n_rows).unwrap_or(i64::MAX);
        if work.prepare(FINISH)?.execute(values![n_rows, self.import])? == 0 {
            let why = "the import took so long that it was given up; run it again";
            return Err(Error::Refused(why.to_owned()));
        }
        Ok(())
    }
}

/// Drops rows of an import that began before and never came into force; says whether there is more.
pub(super) fn drop_unfinished(work: &mut Work<'_>, before: Instant, limit: i64) -> Result<bool> {
    let Some(import) =
        work.prepare(UNFINISHED)?.first([before.micros()], |row| row.get::<i64>(0))?
    else {
        return Ok(false);
    };
    let n_rows = work.prepare(DROP_PRICES)?.execute([import, limit])?
        + work.prepare(DROP_RANGES)?.execute([import, limit])?;
    if n_rows == 0 {
        work.prepare(DROP_IMPORT)?.execute([import])?;
    }
    Ok(true)
}

/// A number that grows with every file that comes into force.
#[derive(Debug, Clone, Copy)]
pub struct Stamp;

impl Question for Stamp {
    type Answer = i64;

    fn answer(self, view: &mut View<'_>) -> Result<i64> {
        view.prepare(STAMP)?.one((), |row| row.get(0))
    }
}

/// The files in force, in the order in which they came.
#[derive(Debug, Clone, Copy)]
pub struct Imports;

impl Question for Imports {
    type Answer = Vec<Import>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<Import>> {
        view.prepare(IMPORTS)?.all((), |row| {
            let n_rows: i64 = row.get(6)?;
            Ok(Import {
                id: row.get(0)?,
                kind: Kind::from_stored(row.get(1)?, row.get(2)?, row.get(3)?),
                since: Instant::from_micros(row.get(4)?),
                at: Instant::from_micros(row.get(5)?),
                n_rows: u64::try_from(n_rows).unwrap_or(0),
            })
        })
    }
}

/// A page of a price list's rows, in order.
#[derive(Debug, Clone)]
pub struct Prices {
    /// The import.
    pub import: i64,
    /// The last row of the page before.
    pub after: Option<(Scope, Instant)>,
    /// Rows of a page.
    pub limit: i64,
}

impl Question for Prices {
    type Answer = Vec<Row>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<Row>> {
        let (country, network, since) = match &self.after {
            None => ("", 0, i64::MIN),
            Some((Scope { country, network }, since)) => {
                (country.as_str(), network.map_or(0, Network::to_stored), since.micros())
            }
        };
        let rows = view.prepare(PRICES)?.all(
            values![self.import, country, network, since, self.limit],
            |row| {
                let country: String = row.get(0)?;
                let (network, since): (i64, i64) = (row.get(1)?, row.get(2)?);
                let price: Option<i64> = row.get(4)?;
                Ok(Row {
                    scope: Scope {
                        country: Country::parse(&country).unwrap_or(Country::NONE),
                        network: if network == 0 { None } else { Network::from_stored(network) },
                    },
                    name: row.get(3)?,
                    price: price.map(Money::from_micros),
                    refunds: row.get(5)?,
                    since: Instant::from_micros(since),
                })
            },
        )?;
        Ok(rows)
    }
}

/// A page of a prefix table's rows, in order.
#[derive(Debug, Clone, Copy)]
pub struct Ranges {
    /// The import.
    pub import: i64,
    /// The last prefix of the page before; 0 for the first.
    pub after: u64,
    /// Rows of a page.
    pub limit: i64,
}

impl Question for Ranges {
    type Answer = Vec<(Prefix, Option<Network>)>;

    fn answer(self, view: &mut View<'_>) -> Result<Self::Answer> {
        let values = [self.import, self.after.cast_signed(), self.limit];
        view.prepare(RANGES)?.all(values, |row| {
            let (prefix, network): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
            Ok((Prefix::from_stored(prefix.unsigned_abs()), network.and_then(Network::from_stored)))
        })
    }
}
