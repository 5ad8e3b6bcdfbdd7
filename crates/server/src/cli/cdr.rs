//! `pombo cdr export`: a line for every part, for reconciling with carriers.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use pombo_app::books::{self, Record};
use pombo_app::clock::Clock;
use pombo_app::prices::Book;
use pombo_domain::csv;
use pombo_domain::time::Instant;

use super::{Failure, open_store, out};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Write every part that was accepted in a time as CSV, oldest first.
    Export(Export),
}

#[derive(Args)]
pub(super) struct Export {
    /// Accepted on this day or later, as in 2026-12-01 (UTC).
    #[arg(long, value_name = "DAY", value_parser = super::prices::day)]
    from: Instant,
    /// Accepted before this day.
    #[arg(long, value_name = "DAY", value_parser = super::prices::day)]
    to: Instant,
    /// Only of this account.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Only by this route.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// A new file; standard output where absent.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

const HEADINGS: [&str; 27] = [
    "part",
    "message",
    "partNumber",
    "parts",
    "account",
    "campaignId",
    "category",
    "sender",
    "recipient",
    "countryIso",
    "network",
    "route",
    "carrierId",
    "acceptedAt",
    "sentAt",
    "doneAt",
    "state",
    "status",
    "errorCode",
    "price",
    "charged",
    "currency",
    "buyPrice",
    "encoding",
    "flash",
    "try",
    "refunded",
];

pub(super) fn run(command: Command, config: &Config) -> Result<(), Failure> {
    let Command::Export(asked) = command;
    let store = open_store(config)?;
    let book = Book::read(&store, Clock::system().now())?;
    let mut sink: Box<dyn Write> = match &asked.output {
        None => Box::new(BufWriter::new(io::stdout().lock())),
        Some(file) => {
            let made = File::create_new(file).map_err(|e| {
                Failure::Failed(format!("{}: {e}; name a new file", file.display()))
            })?;
            Box::new(BufWriter::new(made))
        }
    };
    let mut line = Vec::new();
    csv::row(&mut line, HEADINGS);
    sink.write_all(&line)?;
    let (mut n, mut broken) = (0_u64, None);
    books::cdr(&store, (asked.from, asked.to), &mut |record| {
        let is_meant = asked.account.as_ref().is_none_or(|name| *name == record.account_name)
            && asked.route.as_ref().is_none_or(|name| *name == record.route_name);
        if !is_meant {
            return true;
        }
        n += 1;
        line.clear();
        csv::row(&mut line, cells(record, &book, config).iter().map(String::as_str));
        broken = sink.write_all(&line).err();
        broken.is_none()
    })?;
    if let Some(error) = broken {
        return Err(error.into());
    }
    sink.flush()?;
    match asked.output {
        Some(file) => out::line(&format!("{n} parts are in {}", file.display())),
        None => Ok(()),
    }
}

fn cells(record: &Record, book: &Book, config: &Config) -> [String; 27] {
    let request = &record.request;
    let instant = |at: Option<Instant>| at.map(Instant::iso8601).unwrap_or_default();
    let (country, network) = (record.to.country(), book.network(record.to));
    let listed = book
        .buy(record.route, &record.currency)
        .and_then(|list| list.quote(country, network, request.created))
        .map(|quote| quote.price);
    let of_route = || config.routes.iter().find(|r| r.name == record.route_name)?.buy_price;
    let buy = listed.or_else(of_route);
    [
        record.part.to_string(),
        record.part.message().to_string(),
        (record.part.idx() + 1).to_string(),
        request.n_parts.to_string(),
        record.account_name.clone(),
        request.campaign.to_string(),
        request.category.as_str().to_owned(),
        request.sender.clone(),
        record.to.to_string(),
        country.to_string(),
        network.map(|network| network.to_string()).unwrap_or_default(),
        record.route_name.clone(),
        record.carrier_id.clone(),
        request.created.iso8601(),
        instant(record.sent),
        instant(record.done),
        record.state.as_str().to_owned(),
        record.word.clone(),
        record.code.clone(),
        record.price.to_string(),
        record.charged.to_string(),
        record.currency.clone(),
        buy.map(|buy| buy.to_string()).unwrap_or_default(),
        request.encoding.as_str().to_owned(),
        if request.flash { "1" } else { "0" }.to_owned(),
        record.try_number.to_string(),
        record.refunded.to_string(),
    ]
}
