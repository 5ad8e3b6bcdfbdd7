//! `pombo senders`: what accounts want to show as their sender, and what the operator decides.

use clap::Subcommand;
use pombo_app::clock::Clock;
use pombo_app::operate_senders::{self as operate, OfAccount};
use pombo_domain::address::{Country, Sender, Standing};
use pombo_domain::limits::SENDER_REASON_CHARS_MAX;
use pombo_store::Store;
use serde_json::json;

use super::{Failure, open_store, out};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// What was asked for, oldest first.
    List {
        /// Only by this account.
        name: Option<String>,
        /// Only what stands so: pending, approved or rejected.
        #[arg(long, value_parser = standing)]
        status: Option<Standing>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Approve a sender that its account need not have asked for.
    Add {
        name: String,
        #[arg(value_parser = sender)]
        sender: Sender,
        /// To this country only, as in ES.
        #[arg(long, value_name = "ISO", value_parser = country)]
        country: Option<Country>,
    },
    /// Let accounts show senders, by their numbers.
    Approve {
        #[arg(required = true, value_name = "NUMBER")]
        ids: Vec<i64>,
    },
    /// Let accounts not show senders, by their numbers.
    Reject {
        #[arg(required = true, value_name = "NUMBER")]
        ids: Vec<i64>,
        /// Why; the account reads it.
        #[arg(long, value_name = "TEXT", default_value = "", value_parser = reason)]
        reason: String,
    },
}

fn standing(word: &str) -> Result<Standing, String> {
    Standing::parse(word).ok_or_else(|| "write pending, approved or rejected".to_owned())
}

fn sender(text: &str) -> Result<Sender, String> {
    Sender::parse(text).map_err(|e| e.to_string())
}

fn country(letters: &str) -> Result<Country, String> {
    Country::parse(letters)
        .filter(|country| country.row().is_some())
        .ok_or_else(|| "write a country by two letters, as in ES".to_owned())
}

fn reason(text: &str) -> Result<String, String> {
    match text.chars().count() > SENDER_REASON_CHARS_MAX {
        true => Err(format!("write at most {SENDER_REASON_CHARS_MAX} characters")),
        false => Ok(text.to_owned()),
    }
}

pub(super) fn run(command: Command, config: &Config) -> Result<(), Failure> {
    let store = open_store(config)?;
    let clock = Clock::system();
    match command {
        Command::List { name, status, json } => {
            list(&operate::list(&store, name.as_deref(), status)?, json)
        }
        Command::Add { name, sender, country } => {
            let entry = operate::add((&store, &clock), &name, sender, country)?;
            out::line(&format!("{name} may show {} (number {})", entry.sender, entry.id))
        }
        Command::Approve { ids } => decide((&store, &clock), &ids, Standing::Approved, ""),
        Command::Reject { ids, reason } => {
            decide((&store, &clock), &ids, Standing::Rejected, &reason)
        }
    }
}

fn decide(
    at: (&Store, &Clock),
    ids: &[i64],
    standing: Standing,
    reason: &str,
) -> Result<(), Failure> {
    for id in ids {
        let entry = operate::decide(at, *id, standing, reason)?;
        out::line(&format!("{id} ({}) is {}", entry.sender, standing.as_str()))?;
    }
    Ok(())
}

fn list(found: &[OfAccount], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return out::json(&found.iter().map(row_json).collect::<Vec<_>>());
    }
    let row = |OfAccount { account, entry }: &OfAccount| {
        vec![
            entry.id.to_string(),
            account.clone(),
            entry.sender.to_string(),
            entry.country.map_or_else(|| "all".to_owned(), |country| country.to_string()),
            entry.standing.as_str().to_owned(),
            entry.asked.iso8601(),
            out::or_dash(entry.decided.map(|at| at.iso8601())),
            out::or_dash(Some(&entry.reason).filter(|reason| !reason.is_empty())),
        ]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    let headings =
        ["number", "account", "sender", "country", "status", "asked", "decided", "reason"];
    out::table(&headings, &rows)
}

fn row_json(OfAccount { account, entry }: &OfAccount) -> serde_json::Value {
    json!({
        "id": entry.id,
        "account": account,
        "sender": entry.sender.as_str(),
        "type": entry.sender.kind().as_str(),
        "countryIso": entry.country.map(|country| country.to_string()),
        "status": entry.standing.as_str(),
        "askedAt": entry.asked.iso8601(),
        "decidedAt": entry.decided.map(|at| at.iso8601()),
        "reason": entry.reason,
    })
}
