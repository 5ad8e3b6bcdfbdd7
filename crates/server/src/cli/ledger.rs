//! `pombo ledger audit`: whether the money adds up.

use std::io::{IsTerminal, Write};

use clap::Subcommand;
use pombo_app::books::{self, AccountBooks, Audit};
use serde_json::json;

use super::{Failure, open_store, out};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Check every account: balance = opening + credits - reservations + releases + refunds,
    /// and each reservation against its request and its parts. Exit code 1 where something does not
    /// add up.
    Audit {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Command, config: &Config) -> Result<(), Failure> {
    let Command::Audit { json } = command;
    let store = open_store(config)?;
    let mut stderr = std::io::stderr();
    let is_shown = stderr.is_terminal();
    let audit = books::audit(&store, &mut |n| {
        if is_shown {
            // Progress is for those who watch; it never stops the work.
            let _ = write!(stderr, "\r{n} requests");
        }
    })?;
    if is_shown {
        let _ = writeln!(std::io::stderr());
    }
    show(&audit, *json)?;
    if audit.is_clean() {
        return Ok(());
    }
    let off = audit.accounts.iter().filter(|a| a.is_off || a.requests_are_off).count();
    let (requests, stray) = (audit.requests.len(), audit.n_stray);
    Err(Failure::Failed(format!(
        "{off} accounts and {requests} requests do not add up, {stray} rows of the ledger are nobody's; keep a copy of the store (`pombo backup`) and look into it"
    )))
}

fn show(audit: &Audit, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return out::json(&json!({
            "accounts": audit.accounts.iter().map(row_json).collect::<Vec<_>>(),
            "requests": audit.requests.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "requestsChecked": audit.n_requests,
            "strayRows": audit.n_stray,
            "addsUp": audit.is_clean(),
        }));
    }
    let rows: Vec<Vec<String>> = audit.accounts.iter().map(row).collect();
    let headings = [
        "account", "opening", "credits", "reserved", "released", "refunded", "balance", "currency",
        "verdict",
    ];
    out::table(&headings, &rows)?;
    for request in &audit.requests {
        out::line(&format!("request {request}: its parts do not cost what was set aside"))?;
    }
    out::line(&format!("{} requests were checked", audit.n_requests))
}

fn verdict(books: &AccountBooks) -> &'static str {
    match (books.is_off, books.requests_are_off) {
        (false, false) => "adds up",
        (true, _) => "BALANCE AND LEDGER DIFFER",
        (false, true) => "LEDGER AND REQUESTS DIFFER",
    }
}

fn row(books: &AccountBooks) -> Vec<String> {
    let sums = &books.sums;
    vec![
        books.name.clone(),
        sums.opening.to_string(),
        sums.credits.to_string(),
        sums.reserved.to_string(),
        sums.released.to_string(),
        sums.refunded.to_string(),
        books.balance.to_string(),
        books.currency.clone(),
        verdict(books).to_owned(),
    ]
}

fn row_json(books: &AccountBooks) -> serde_json::Value {
    let sums = &books.sums;
    json!({
        "account": books.name,
        "opening": sums.opening.to_string(),
        "credits": sums.credits.to_string(),
        "reserved": sums.reserved.to_string(),
        "released": sums.released.to_string(),
        "refunded": sums.refunded.to_string(),
        "balance": books.balance.to_string(),
        "currency": books.currency,
        "verdict": verdict(books),
    })
}
