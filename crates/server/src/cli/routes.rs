//! `pombo routes`: how carriers stand; pause and resume one; check that it lets us in.

use std::time::Duration;

use clap::Subcommand;
use pombo_app::operate;
use pombo_domain::health::MINUTES;
use serde_json::json;

use super::out::{or_dash, yes_no};
use super::{Failure, open_store, out};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// All routes, with what waits on each.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// How each carrier did in the last 15 minutes, in all and by country.
    Health {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Send nothing more over a route; what is on its way is finished.
    Pause { name: String },
    /// Send over it again.
    Resume { name: String },
    /// Connect to each carrier, or to one, and say how it answered.
    Check { name: Option<String> },
}

pub(super) fn run(command: Command, config: &Config) -> Result<(), Failure> {
    match command {
        Command::List { json } => list(config, json),
        Command::Health { json } => health(config, json),
        Command::Pause { name } => pause(config, &name, true),
        Command::Resume { name } => pause(config, &name, false),
        Command::Check { name } => check(config, name.as_deref()),
    }
}

fn pause(config: &Config, name: &str, paused: bool) -> Result<(), Failure> {
    operate::routes_pause(&open_store(config)?, name, paused)?;
    out::line(&format!("{name} is {}", if paused { "paused" } else { "resumed" }))
}

fn list(config: &Config, as_json: bool) -> Result<(), Failure> {
    let routes = operate::routes_list(&open_store(config)?)?;
    if as_json {
        let rows: Vec<_> = routes
            .iter()
            .map(|r| {
                json!({
                    "name": r.name, "paused": r.paused, "link": r.link,
                    "queued": r.queued, "inFlight": r.in_flight, "uncertain": r.uncertain,
                })
            })
            .collect();
        return out::json(&rows);
    }
    let rows: Vec<Vec<String>> = routes
        .iter()
        .map(|r| {
            vec![
                r.name.clone(),
                or_dash(Some(&r.link).filter(|link| !link.is_empty())),
                yes_no(r.paused),
                r.queued.to_string(),
                r.in_flight.to_string(),
                r.uncertain.to_string(),
            ]
        })
        .collect();
    out::table(&["name", "link", "paused", "queued", "in flight", "uncertain"], &rows)
}

fn health(config: &Config, as_json: bool) -> Result<(), Failure> {
    let rows = operate::routes_health(&open_store(config)?)?;
    let seconds = |time: Option<Duration>| time.map(|time| format!("{:.1}", time.as_secs_f64()));
    if as_json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let counts = row.counts;
                json!({
                    "route": row.route,
                    "countryIso": Some(&row.country).filter(|country| !country.is_empty()),
                    "at": row.at.iso8601(),
                    "minutes": MINUTES,
                    "answered": counts.answered,
                    "taken": counts.taken,
                    "answerSeconds": counts.answer_time().map(|time| time.as_secs_f64()),
                    "ended": counts.ended,
                    "delivered": counts.delivered,
                    "deliverySeconds": counts.delivery_time().map(|time| time.as_secs_f64()),
                    "isBelowMinimum": row.is_below,
                })
            })
            .collect();
        return out::json(&rows);
    }
    let percent =
        |row: &operate::HealthRow| row.counts.delivered_percent().map(|n| format!("{n} %"));
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.route.clone(),
                if row.country.is_empty() { "all".to_owned() } else { row.country.clone() },
                format!("{:.2}", row.counts.rate()),
                or_dash(seconds(row.counts.answer_time())),
                row.counts.ended.to_string(),
                or_dash(percent(row)),
                or_dash(seconds(row.counts.delivery_time())),
                yes_no(row.is_below),
                row.at.iso8601(),
            ]
        })
        .collect();
    let headings = [
        "route",
        "country",
        "parts/s",
        "answer s",
        "ended",
        "delivered",
        "delivery s",
        "too little",
        "at",
    ];
    out::table(&headings, &rows)
}

fn check(config: &Config, name: Option<&str>) -> Result<(), Failure> {
    let chosen: Vec<_> =
        config.routes.iter().filter(|r| name.is_none_or(|name| name == r.name)).collect();
    if let (Some(name), true) = (name, chosen.is_empty()) {
        return Err(Failure::usage(format!(
            "{name} is no route of the configuration; `pombo config check` lists them"
        )));
    }
    if chosen.is_empty() {
        return out::line("no routes are configured; `pombo config example` shows how");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut n_failed = 0;
    for route in chosen {
        let verdict = match runtime.block_on(crate::channel::check(route)) {
            Ok(how) => format!("ok: {how}"),
            Err(why) => {
                n_failed += 1;
                format!("FAILED: {why}")
            }
        };
        out::line(&format!("{}: {verdict}", route.name))?;
    }
    if n_failed > 0 {
        return Err(Failure::Failed(format!("{n_failed} of the routes cannot be used now")));
    }
    Ok(())
}
