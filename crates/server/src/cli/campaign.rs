//! `pombo campaign`: what was sent under each name; pause, resume and cancel.

use clap::{Args, Subcommand};
use pombo_app::clock::Clock;
use pombo_app::operate::{self, CampaignOfAccount};
use pombo_domain::campaign::{Order, Status};
use serde_json::json;

use super::{Failure, open_store, out};
use crate::config::Config;

/// Campaigns that one listing shows.
const ROWS_MAX: i64 = 10_000;

#[derive(Subcommand)]
pub(super) enum Command {
    /// The newest campaigns of all accounts, with their totals.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Hold what waits to be sent; what is on its way is finished.
    Pause(Number),
    /// Let a paused campaign go on, or a cancelled one take messages again.
    Resume(Number),
    /// End what waits, give back what it had reserved, and accept nothing more.
    Cancel(Number),
}

#[derive(Args)]
pub(super) struct Number {
    /// The number of the campaign, or of its sending.
    number: i64,
}

pub(super) fn run(command: &Command, config: &Config) -> Result<(), Failure> {
    let store = open_store(config)?;
    let clock = Clock::system();
    let give = |Number { number }: &Number, order| {
        operate::campaign_order(&store, &clock, *number, order).map(|()| *number)
    };
    match command {
        Command::List { json } => list(&operate::campaign_list(&store, ROWS_MAX)?, *json),
        Command::Pause(number) => {
            let number = give(number, Order::Pause)?;
            out::line(&format!("{number} is paused"))
        }
        Command::Resume(number) => {
            let number = give(number, Order::Resume)?;
            out::line(&format!("{number} goes on"))
        }
        Command::Cancel(number) => {
            let number = give(number, Order::Cancel)?;
            out::line(&format!("{number} is cancelled; what waited has ended"))
        }
    }
}

fn list(campaigns: &[CampaignOfAccount], as_json: bool) -> Result<(), Failure> {
    let status = |c: &CampaignOfAccount| Status::of_open(c.campaign.stop).as_str();
    if as_json {
        let row = |c: &CampaignOfAccount| {
            let (row, totals) = (&c.campaign, &c.campaign.totals);
            json!({
                "campaign": row.id.0, "sending": row.sending.0, "account": c.account,
                "name": row.name, "tags": row.tags, "status": status(c),
                "created": row.created.iso8601(), "messages": totals.messages,
                "waiting": totals.waiting, "sent": totals.sent, "delivered": totals.delivered,
                "cancelled": totals.cancelled,
                "cost": totals.cost.to_string(),
            })
        };
        return out::json(&campaigns.iter().map(row).collect::<Vec<_>>());
    }
    let rows: Vec<Vec<String>> = campaigns
        .iter()
        .map(|c| {
            let (row, totals) = (&c.campaign, &c.campaign.totals);
            vec![
                row.id.to_string(),
                c.account.clone(),
                row.name.clone(),
                status(c).to_owned(),
                totals.messages.to_string(),
                totals.waiting.to_string(),
                totals.sent.to_string(),
                totals.delivered.to_string(),
                totals.cost.to_string(),
            ]
        })
        .collect();
    let headings = [
        "campaign",
        "account",
        "name",
        "status",
        "messages",
        "waiting",
        "sent",
        "delivered",
        "cost",
    ];
    out::table(&headings, &rows)
}
