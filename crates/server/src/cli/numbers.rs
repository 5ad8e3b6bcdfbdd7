//! `pombo numbers`: whose the numbers and short codes are that people write to.

use clap::{Args, Subcommand};
use pombo_app::operate_inbound as operate;
use serde_json::json;

use super::{Failure, open_store, out};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// All that are an account's.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give a number to an account, with what was written to it before and is nobody's.
    Add {
        #[command(flatten)]
        number: Number,
        /// Whose it is.
        #[arg(long, value_name = "NAME")]
        account: String,
    },
    /// Take a number from its account; what was written to it stays the account's.
    Remove(Number),
}

#[derive(Args)]
pub(super) struct Number {
    /// Digits, with the country code unless it is a short code.
    number: String,
    /// Only as it comes by this route: two carriers may have the same short code.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
}

pub(super) fn run(command: &Command, config: &Config) -> Result<(), Failure> {
    let store = open_store(config)?;
    match command {
        Command::List { json } => list(&operate::numbers(&store)?, *json),
        Command::Add { number: Number { number, route }, account } => {
            let n = operate::give_number(&store, number, account, route.as_deref())?;
            out::line(&format!("{number} is {account}'s; {n} messages that were nobody's are too"))
        }
        Command::Remove(Number { number, route }) => {
            operate::take_number(&store, number, route.as_deref())?;
            out::line(&format!("{number} is nobody's"))
        }
    }
}

fn list(numbers: &[operate::Number], as_json: bool) -> Result<(), Failure> {
    if as_json {
        let json = |n: &operate::Number| {
            let route = Some(&n.route).filter(|route| !route.is_empty());
            json!({"number": n.number, "account": n.account, "route": route})
        };
        return out::json(&numbers.iter().map(json).collect::<Vec<_>>());
    }
    let row = |n: &operate::Number| {
        let route = Some(&n.route).filter(|route| !route.is_empty());
        vec![n.number.clone(), n.account.clone(), out::or_dash(route)]
    };
    out::table(&["number", "account", "route"], &numbers.iter().map(row).collect::<Vec<_>>())
}
