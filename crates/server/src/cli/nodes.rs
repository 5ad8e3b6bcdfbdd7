//! `pombo nodes`: who serves from the database.

use clap::Subcommand;
use pombo_app::operate_nodes::{NodeRow, node_list};
use serde_json::json;

use super::{Failure, open_store, out};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Those that serve, in the order in which they came; takes a moment.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Command, config: &Config) -> Result<(), Failure> {
    let Command::List { json } = command;
    let nodes = node_list(&open_store(config)?)?;
    if *json {
        let row = |node: &NodeRow| {
            json!({
                "node": node.id, "alive": node.is_alive, "share": node.has_share, "up": node.up,
            })
        };
        return out::json(&nodes.iter().map(row).collect::<Vec<_>>());
    }
    let rows: Vec<Vec<String>> = nodes
        .iter()
        .map(|node| {
            let (alive, share) = (out::yes_no(node.is_alive), out::yes_no(node.has_share));
            vec![node.id.to_string(), alive, share, node.up.join(", ")]
        })
        .collect();
    out::table(&["node", "alive", "has its share", "has links of"], &rows)
}
