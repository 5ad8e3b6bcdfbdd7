//! `pombo prices`: what parts cost accounts, what carriers ask, and which number is whose network.

mod import;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pombo_app::books::{self, Kind};
use pombo_app::clock::Clock;
use pombo_app::operate;
use pombo_domain::address::Country;
use pombo_domain::time::Instant;
use serde_json::json;

use super::{Failure, open_store, out};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Read a price list (CSV) and show what it would change; keeps it only with --apply.
    Import(Import),
    /// Read a table of number prefixes (CSV) the same way: which prefix is of which network.
    ImportRanges(ImportRanges),
    /// The files that were imported.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// The prices in force, or those of one number or country.
    Show(Show),
    /// What is left of each price when the carrier is paid, by route; the cheapest first.
    Margin(Margin),
}

#[derive(Args)]
pub(super) struct Import {
    file: PathBuf,
    /// Whose accounts pay it, or in what the carrier is paid.
    #[arg(long, default_value = "EUR", value_parser = currency)]
    currency: String,
    /// What the carrier of this route asks, rather than what accounts pay.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// From when rows hold that do not say, as in 2026-12-31 (UTC); now where absent.
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<Instant>,
    /// The file is the whole list: prices that it does not name end.
    #[arg(long)]
    replace: bool,
    /// Keep it.
    #[arg(long, visible_alias = "yes")]
    apply: bool,
}

#[derive(Args)]
pub(super) struct ImportRanges {
    file: PathBuf,
    /// From when it holds, as in 2026-12-31 (UTC); now where absent.
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<Instant>,
    /// The file is the whole table: prefixes that it does not name are nobody's.
    #[arg(long)]
    replace: bool,
    /// Keep it.
    #[arg(long, visible_alias = "yes")]
    apply: bool,
}

#[derive(Args)]
pub(super) struct Show {
    /// What a part to this number costs.
    #[arg(long)]
    number: Option<String>,
    /// Only this country, by its two letters.
    #[arg(long, value_parser = country)]
    country: Option<Country>,
    #[arg(long, default_value = "EUR", value_parser = currency)]
    currency: String,
    /// What the carrier of this route asks, rather than what accounts pay.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// At this time, as in 2026-12-31 (UTC); now where absent.
    #[arg(long, value_name = "DAY", value_parser = day)]
    at: Option<Instant>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Margin {
    #[arg(long, default_value = "EUR", value_parser = currency)]
    currency: String,
    /// Only this country, by its two letters.
    #[arg(long, value_parser = country)]
    country: Option<Country>,
    /// Only what loses money.
    #[arg(long)]
    negative: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

fn currency(text: &str) -> Result<String, String> {
    let fits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_alphabetic());
    if fits {
        Ok(text.to_ascii_uppercase())
    } else {
        Err("write three letters, as in EUR".to_owned())
    }
}

fn country(text: &str) -> Result<Country, String> {
    Country::parse(text)
        .filter(|country| country.row().is_some())
        .ok_or_else(|| "write a country's two letters, as in ES".to_owned())
}

/// Reads a day, or an instant.
pub(super) fn day(text: &str) -> Result<Instant, String> {
    Instant::parse_day(text).map_err(|_| "write a day as in 2026-12-31".to_owned())
}

pub(super) fn run(command: Command, config: &Config) -> Result<(), Failure> {
    let store = open_store(config)?;
    match command {
        Command::Import(asked) => import::prices(&store, asked),
        Command::ImportRanges(asked) => import::ranges(&store, &asked),
        Command::List { json } => list(&store, json),
        Command::Show(asked) => show::prices(&store, config, asked),
        Command::Margin(asked) => show::margins(&store, config, &asked),
    }
}

fn list(store: &pombo_store::Store, as_json: bool) -> Result<(), Failure> {
    let numbers = operate::route_numbers(store)?;
    let mut rows = Vec::new();
    for import in books::imports(store)? {
        let (what, of) = match import.kind {
            Kind::Sell { currency } => ("prices", currency),
            Kind::Buy { route, currency } => {
                let name =
                    numbers.iter().find(|(_, id)| **id == route).map(|(name, _)| name.as_str());
                ("carrier", format!("{} {currency}", name.unwrap_or("-")))
            }
            Kind::Ranges => ("ranges", "-".to_owned()),
        };
        rows.push(vec![
            import.id.to_string(),
            what.to_owned(),
            of,
            import.n_rows.to_string(),
            import.since.iso8601(),
            import.at.iso8601(),
        ]);
    }
    if as_json {
        let rows: Vec<_> = rows
            .iter()
            .map(|r| {
                json!({"id": r[0], "what": r[1], "of": r[2], "changes": r[3], "from": r[4], "importedAt": r[5]})
            })
            .collect();
        return out::json(&rows);
    }
    out::table(&["id", "what", "of", "changes", "from", "imported"], &rows)
}

/// The time of a command.
fn now() -> Instant {
    Clock::system().now()
}
