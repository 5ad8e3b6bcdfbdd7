//! `pombo receipts unmatched`: receipts that belong to no part we know.

use clap::Subcommand;
use pombo_app::operate::{self, UnmatchedRow};
use serde_json::json;

use super::{Failure, open_store, out};
use crate::config::Config;

/// Rows that one listing shows.
const ROWS_MAX: i64 = 100_000;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Receipts that matched nothing, newest first.
    Unmatched {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Command, config: &Config) -> Result<(), Failure> {
    let Command::Unmatched { json } = command;
    let receipts = operate::receipts_unmatched(&open_store(config)?, ROWS_MAX)?;
    if *json {
        return out::json(&receipts.iter().map(row_json).collect::<Vec<_>>());
    }
    let rows: Vec<Vec<String>> = receipts
        .iter()
        .map(|r| {
            vec![
                r.at.iso8601(),
                r.route.clone(),
                r.carrier_id.clone(),
                r.addresses[0].clone(),
                r.addresses[1].clone(),
                r.word.clone(),
                r.text_start.clone(),
            ]
        })
        .collect();
    out::table(&["at", "route", "carrier id", "source", "destination", "state", "text"], &rows)
}

fn row_json(r: &UnmatchedRow) -> serde_json::Value {
    json!({
        "at": r.at.iso8601(),
        "route": r.route,
        "carrierId": r.carrier_id,
        "source": r.addresses[0],
        "destination": r.addresses[1],
        "state": r.word,
        "text": r.text_start,
    })
}
