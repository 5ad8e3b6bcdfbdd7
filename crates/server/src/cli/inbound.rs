//! `pombo inbound`: what recipients wrote back, also what is nobody's.

use clap::Subcommand;
use pombo_app::operate_inbound::{self as operate, Row};
use pombo_domain::opt_out::word::Effect;
use serde_json::json;

use super::{Failure, open_store, out};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// The newest messages from handsets.
    List {
        /// Of this account only.
        #[arg(long, value_name = "NAME", conflicts_with = "unassigned")]
        account: Option<String>,
        /// Only those that are nobody's; `pombo numbers add` gives them to an account.
        #[arg(long)]
        unassigned: bool,
        /// So many at most.
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        limit: i64,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Command, config: &Config) -> Result<(), Failure> {
    let store = open_store(config)?;
    let Command::List { account, unassigned, limit, json } = command;
    let of = if *unassigned { Some("") } else { account.as_deref() };
    list(&operate::list(&store, of, *limit)?, *json)
}

fn did(effect: Option<Effect>) -> Option<&'static str> {
    effect.map(|effect| match effect {
        Effect::Out => "unsubscribed",
        Effect::In => "resubscribed",
    })
}

fn list(rows: &[Row], as_json: bool) -> Result<(), Failure> {
    if as_json {
        let json = |Row { account, route, message: m }: &Row| {
            json!({
                "id": m.id,
                "account": Some(account).filter(|account| !account.is_empty()),
                "route": route,
                "from": m.from,
                "to": m.to,
                "text": m.text,
                "receivedAt": m.at.iso8601(),
                "parts": m.n_pieces,
                "missing": m.n_missing,
                "answers": m.answers.map(|message| message.to_string()),
                "effect": did(m.effect),
                "answeredBy": m.answered_by.map(|message| message.to_string()),
            })
        };
        return out::json(&rows.iter().map(json).collect::<Vec<_>>());
    }
    let row = |Row { account, route, message: m }: &Row| {
        vec![
            m.at.iso8601(),
            out::or_dash(Some(account).filter(|account| !account.is_empty())),
            route.clone(),
            m.from.clone(),
            m.to.clone(),
            out::or_dash(did(m.effect)),
            out::or_dash(m.answers),
            // A line of a table stays a line.
            m.text.replace(|c: char| c.is_control(), " "),
        ]
    };
    let headings = ["received", "account", "route", "from", "to", "effect", "answers", "text"];
    out::table(&headings, &rows.iter().map(row).collect::<Vec<_>>())
}
