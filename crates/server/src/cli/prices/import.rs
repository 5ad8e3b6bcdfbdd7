//! `pombo prices import` and `import-ranges`: shows what a file would change, and keeps it when asked.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::Path;

use pombo_app::books::{self, Kind};
use pombo_app::clock::Clock;
use pombo_app::operate;
use pombo_app::prices::Book;
use pombo_domain::money::Money;
use pombo_domain::price::{
    BadRow, Change, FILE_BYTES_MAX, Network, Prefix, PriceFile, PriceList, RangeFile, Row,
};
use pombo_store::Store;

use super::super::{Failure, out};
use super::{Import, ImportRanges, now};

pub(super) fn prices(store: &Store, asked: Import) -> Result<(), Failure> {
    let since = asked.from.unwrap_or_else(now);
    let text = read(&asked.file)?;
    let file = PriceFile::read(&text, since).map_err(|why| unreadable(&asked.file, &why))?;
    let kind = match &asked.route {
        None => Kind::Sell { currency: asked.currency },
        Some(name) => {
            Kind::Buy { route: operate::route_named(store, name)?, currency: asked.currency }
        }
    };
    let book = Book::read(store, now())?;
    let list = match &kind {
        Kind::Buy { route, currency } => book.buy(*route, currency),
        Kind::Sell { currency } => book.sell(currency),
        Kind::Ranges => None,
    };
    let empty = PriceList::default();
    let mut rows: Vec<Row> = file.good.into_iter().map(|good| good.row).collect();
    if matches!(kind, Kind::Buy { .. }) {
        // It is accounts that are given back what they paid.
        rows.iter_mut().for_each(|row| row.refunds = false);
    }
    let changes = list.unwrap_or(&empty).changes(&rows, asked.replace.then_some(since));
    let mut shown = String::new();
    for change in &changes {
        shown.push_str(&describe(change));
        shown.push('\n');
    }
    out::text(&shown)?;
    complain(&file.bad, asked.replace && asked.apply)?;
    let rows: Vec<Row> = changes.into_iter().filter(|c| !c.stays).map(|c| c.row).collect();
    conclude(rows.len(), &file.bad, asked.apply, |progress| {
        books::import_prices(store, &Clock::system(), (kind, since), &rows, progress)
    })
}

fn describe(change: &Change) -> String {
    let Change { row, before, stays } = change;
    let before = before.map(|before| amount(before.price, before.refunds)).unwrap_or_default();
    let what = match row.price.map(|price| amount(price, row.refunds)) {
        _ if *stays => format!("{before} as before"),
        Some(after) if before.is_empty() => format!("new: {after}"),
        Some(after) => format!("{before} -> {after}"),
        None => format!("{before} ends"),
    };
    format!("{} ({}): {what}, from {}", row.scope, row.name, row.since.iso8601())
}

fn amount(price: Money, refunds: bool) -> String {
    if refunds { format!("{price} with refund") } else { price.to_string() }
}

pub(super) fn ranges(store: &Store, asked: &ImportRanges) -> Result<(), Failure> {
    let since = asked.from.unwrap_or_else(now);
    let text = read(&asked.file)?;
    let file = RangeFile::read(&text).map_err(|why| unreadable(&asked.file, &why))?;
    let book = Book::read(store, since)?;
    let before = book.prefixes();
    let named: BTreeMap<Prefix, Network> = file.good.into_iter().map(|good| good.row).collect();
    let mut rows: Vec<(Prefix, Option<Network>)> = Vec::new();
    let mut shown = String::new();
    for (prefix, network) in &named {
        let what = match before.get(prefix) {
            Some(same) if same == network => format!("{network} as before"),
            Some(other) => format!("{other} -> {network}"),
            None => format!("new: {network}"),
        };
        if before.get(prefix) != Some(network) {
            rows.push((*prefix, Some(*network)));
        }
        shown.push_str(&format!("{prefix}: {what}\n"));
    }
    if asked.replace {
        for (prefix, network) in before.iter().filter(|(prefix, _)| !named.contains_key(prefix)) {
            rows.push((*prefix, None));
            shown.push_str(&format!("{prefix}: {network} ends\n"));
        }
    }
    out::text(&shown)?;
    complain(&file.bad, asked.replace && asked.apply)?;
    conclude(rows.len(), &file.bad, asked.apply, |progress| {
        books::import_ranges(store, &Clock::system(), since, &rows, progress)
    })
}

fn read(file: &Path) -> Result<String, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::Failed(format!("{}: {why}; name a CSV file in UTF-8", file.display()))
    };
    let size = std::fs::metadata(file).map_err(|e| failed(&e))?.len();
    if size > FILE_BYTES_MAX as u64 {
        return Err(failed(&format!("it is larger than {} MiB", FILE_BYTES_MAX >> 20)));
    }
    std::fs::read_to_string(file).map_err(|e| failed(&e))
}

fn unreadable(file: &Path, why: &pombo_domain::price::Unreadable) -> Failure {
    Failure::Failed(format!("{}: {why}", file.display()))
}

/// Tells every bad row. A whole list that has some is not kept: what they name would end.
fn complain(bad: &[BadRow], is_whole: bool) -> Result<(), Failure> {
    let mut stderr = std::io::stderr().lock();
    for row in bad {
        writeln!(stderr, "pombo: {row}")?;
    }
    if is_whole && !bad.is_empty() {
        let n = bad.len();
        let why = format!("{n} rows are bad, and --replace would end what they name; mend them");
        return Err(Failure::Failed(why));
    }
    Ok(())
}

/// Keeps what was shown, where that was asked, and says so.
fn conclude(
    n: usize,
    bad: &[BadRow],
    apply: bool,
    keep: impl FnOnce(&mut dyn FnMut(usize)) -> Result<(), pombo_app::operate::Problem>,
) -> Result<(), Failure> {
    let bad = bad.len();
    if !apply {
        return out::line(&format!("{n} changes, {bad} bad rows; nothing is kept without --apply"));
    }
    if n > 0 {
        let mut stderr = std::io::stderr();
        let is_shown = stderr.is_terminal();
        keep(&mut |done| {
            if is_shown {
                // Progress is for those who watch; it never stops the work.
                let _ = write!(stderr, "\r{done} of {n}");
            }
        })?;
        if is_shown {
            let _ = writeln!(std::io::stderr());
        }
    }
    out::line(&format!("{n} changes are kept, {bad} bad rows are left out"))
}
