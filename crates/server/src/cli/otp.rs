//! `pombo otp`: whether the one-time codes that accounts have made are used.

use clap::Subcommand;
use pombo_app::clock::Clock;
use pombo_app::operate_otp::{RangeUse, ranges};
use serde_json::json;

use super::{Failure, open_store, out};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// How many recipients of each range had a code in the last hour, and how many used it.
    Ranges {
        /// Of this account; without one: of all.
        #[arg(value_name = "NAME")]
        account: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: Command, config: &Config) -> Result<(), Failure> {
    let Command::Ranges { account, json } = command;
    let found = ranges((&open_store(config)?, &Clock::system()), account.as_deref())?;
    if json {
        return out::json(&found.iter().map(row_json).collect::<Vec<_>>());
    }
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    out::table(&["account", "range", "recipients", "used", "pending", "unused"], &rows)
}

fn row(range: &RangeUse) -> Vec<String> {
    let counts = [range.n_recipients, range.n_used, range.n_pending, range.n_unused()];
    let names = [range.account.clone(), range.range.clone()];
    names.into_iter().chain(counts.map(|count| count.to_string())).collect()
}

fn row_json(range: &RangeUse) -> serde_json::Value {
    json!({
        "account": range.account,
        "range": range.range,
        "recipients": range.n_recipients,
        "used": range.n_used,
        "pending": range.n_pending,
        "unused": range.n_unused(),
    })
}
