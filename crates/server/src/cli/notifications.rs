//! `pombo notifications`: where accounts' events are told, and what to do where that fails.

use std::time::Duration;

use clap::Subcommand;
use pombo_app::clock::Clock;
use pombo_app::operate_notifications::{self as operate, DeadLetter, Found, OVERLAP};
use pombo_domain::time::Instant;
use serde_json::json;

use super::out::{or_dash, yes_no};
use super::{Failure, open_store, out};
use crate::config::Config;

/// Dead letters shown, at most.
const ROWS_MAX: i64 = 10_000;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Every account with a notification URL, and how it does.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tell an account's events again from now on, after its endpoint was disabled.
    Enable { name: String },
    /// Tell an account's events no more; they can be replayed later.
    Disable { name: String },
    /// Tell an account's events anew from a time on, and enable them.
    Replay {
        name: String,
        /// ISO 8601, for example 2026-03-24T12:00:00Z.
        #[arg(long, value_name = "TIME", value_parser = time)]
        from: Instant,
    },
    /// Give an account a new signing secret; the one before signs too for a while.
    Rotate {
        name: String,
        /// How long, in hours; at most 720.
        #[arg(long, value_name = "N", default_value_t = OVERLAP.as_secs() / 3_600)]
        overlap_hours: u64,
    },
    /// What six tries did not deliver, oldest first.
    Dead {
        name: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

fn time(text: &str) -> Result<Instant, String> {
    Instant::parse_iso8601(text).map_err(|_| "write a date as 2026-03-24T12:00:00Z".to_owned())
}

pub(super) fn run(command: Command, config: &Config) -> Result<(), Failure> {
    let store = open_store(config)?;
    let clock = Clock::system();
    match command {
        Command::List { json } => list(&operate::list(&store)?, json),
        Command::Enable { name } => {
            operate::enable(&store, &clock, &name, true)?;
            out::line(&format!("{name} is notified again"))
        }
        Command::Disable { name } => {
            operate::enable(&store, &clock, &name, false)?;
            out::line(&format!("{name} is not notified any more"))
        }
        Command::Replay { name, from } => {
            operate::replay(&store, &name, from)?;
            out::line(&format!("{name} is notified anew of all since {}", from.iso8601()))
        }
        Command::Rotate { name, overlap_hours } => {
            let overlap = Duration::from_secs(overlap_hours.saturating_mul(3_600));
            let secret = operate::rotate(&store, &clock, &name, overlap)?;
            out::line(&format!("secret {secret}"))
        }
        Command::Dead { name, json } => {
            dead(&operate::dead_letters(&store, &name, ROWS_MAX)?, json)
        }
    }
}

fn list(rows: &[(String, Found)], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return out::json(&rows.iter().map(row_json).collect::<Vec<_>>());
    }
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|(name, Found { settings, n_waiting, n_dead })| {
            let disabled = settings.disabled.as_ref();
            vec![
                name.clone(),
                settings.url.clone(),
                settings.format.as_str().to_owned(),
                settings.events.join(","),
                or_dash(disabled.map(|(since, _)| since.iso8601())),
                yes_no(settings.replay.is_some()),
                n_waiting.to_string(),
                n_dead.to_string(),
                or_dash(disabled.map(|(_, reason)| reason)),
            ]
        })
        .collect();
    let headings = [
        "account",
        "url",
        "format",
        "more events",
        "disabled since",
        "replaying",
        "waiting",
        "dead letters",
        "reason",
    ];
    out::table(&headings, &rows)
}

fn row_json((name, Found { settings, n_waiting, n_dead }): &(String, Found)) -> serde_json::Value {
    let disabled = settings.disabled.as_ref();
    json!({
        "account": name,
        "url": settings.url,
        "format": settings.format.as_str(),
        "events": settings.events,
        "enabled": disabled.is_none(),
        "disabledAt": disabled.map(|(since, _)| since.iso8601()),
        "disabledReason": disabled.map(|(_, reason)| reason),
        "replaying": settings.replay.is_some(),
        "waiting": n_waiting,
        "deadLetters": n_dead,
    })
}

fn dead(letters: &[DeadLetter], as_json: bool) -> Result<(), Failure> {
    let told = |letter: &DeadLetter| {
        let told = letter.told.as_ref();
        let message = told.map(|(message, ..)| message.to_string());
        (message, told.map(|(_, kind, _)| kind.as_str()), told.map(|(.., at)| at.iso8601()))
    };
    if as_json {
        let json = |letter: &DeadLetter| {
            let (id, name, date) = told(letter);
            json!({
                "event": format!("evt_{}", letter.event.0),
                "id": id,
                "name": name,
                "eventDate": date,
                "tries": letter.tries,
                "lastTry": letter.at.iso8601(),
                "error": letter.failure,
            })
        };
        return out::json(&letters.iter().map(json).collect::<Vec<_>>());
    }
    let rows: Vec<Vec<String>> = letters
        .iter()
        .map(|letter| {
            let (id, name, date) = told(letter);
            vec![
                format!("evt_{}", letter.event.0),
                or_dash(id),
                or_dash(name),
                or_dash(date),
                letter.tries.to_string(),
                letter.at.iso8601(),
                letter.failure.clone(),
            ]
        })
        .collect();
    out::table(&["event", "message", "name", "date", "tries", "last try", "error"], &rows)
}
