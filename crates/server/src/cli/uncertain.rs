//! `pombo uncertain`: parts that may have been sent and were never answered.

use clap::{Args, Subcommand};
use pombo_app::clock::Clock;
use pombo_app::operate::{self, Selection, UncertainRow};
use pombo_domain::id::PartId;
use serde_json::json;

use super::{Failure, open_store, out};
use crate::config::Config;

/// Rows that one listing shows.
const ROWS_MAX: i64 = 100_000;

#[derive(Subcommand)]
pub(super) enum Command {
    /// All of them, with what was done about each.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Send parts again: the recipient may get them twice.
    Resend(Which),
    /// Give parts up: they count as undelivered.
    Drop(Which),
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// Every part that is still in doubt.
    #[arg(long)]
    all: bool,
    /// Those of one route.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// The `part` numbers of the list.
    #[arg(value_name = "PART", value_parser = part)]
    parts: Vec<PartId>,
}

fn part(text: &str) -> Result<PartId, String> {
    PartId::parse(text).map_err(|_| "write a part number of `pombo uncertain list`".to_owned())
}

impl From<Which> for Selection {
    fn from(which: Which) -> Self {
        match which {
            Which { route: Some(name), .. } => Self::Route(name),
            Which { all: true, .. } => Self::All,
            Which { parts, .. } => Self::Parts(parts),
        }
    }
}

pub(super) fn run(command: Command, config: &Config) -> Result<(), Failure> {
    let store = open_store(config)?;
    let clock = Clock::system();
    match command {
        Command::List { json } => list(&operate::uncertain_list(&store, ROWS_MAX)?, json),
        Command::Resend(which) => {
            let n = operate::uncertain_resend(&store, &clock, which.into())?;
            out::line(&format!("{n} parts will be sent again"))
        }
        Command::Drop(which) => {
            let n = operate::uncertain_drop(&store, &clock, which.into())?;
            out::line(&format!("{n} parts are given up"))
        }
    }
}

fn list(parts: &[UncertainRow], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return out::json(&parts.iter().map(row_json).collect::<Vec<_>>());
    }
    let rows: Vec<Vec<String>> = parts
        .iter()
        .map(|u| {
            vec![
                u.part.to_string(),
                u.part.message().to_string(),
                part_number(u).to_string(),
                u.account.clone(),
                u.route.clone(),
                u.to.clone(),
                u.since.iso8601(),
                u.resolution.as_str().to_owned(),
                u.reason.clone(),
            ]
        })
        .collect();
    let headings =
        ["part", "message", "number", "account", "route", "to", "since", "resolution", "reason"];
    out::table(&headings, &rows)
}

/// Counted from one, as in callbacks.
fn part_number(u: &UncertainRow) -> u8 {
    u.part.idx() + 1
}

fn row_json(u: &UncertainRow) -> serde_json::Value {
    json!({
        "part": u.part.to_string(),
        "message": u.part.message().to_string(),
        "partNumber": part_number(u),
        "account": u.account,
        "route": u.route,
        "to": u.to,
        "since": u.since.iso8601(),
        "resolution": u.resolution.as_str(),
        "reason": u.reason,
    })
}
