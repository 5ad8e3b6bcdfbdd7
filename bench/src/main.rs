//! One workload per promise: `cargo xtask bench NAME`; each prints a table.

mod journey;
mod micro;
mod pdu;
mod process;
mod segment;
mod table;

use anyhow::Result;
use clap::Parser;

/// The workloads.
#[derive(Debug, Parser)]
#[command(about, disable_help_subcommand = true)]
enum Workload {
    /// Encode and cut texts: nanoseconds a message.
    Segment(micro::Effort),
    /// Write and read SMPP PDUs: nanoseconds each.
    Pdu(micro::Effort),
    /// HTTP to SMPP to receipt to callback, beside Kannel.
    Journey(journey::Options),
}

fn main() -> Result<()> {
    match Workload::parse() {
        Workload::Segment(effort) => segment::run(effort),
        Workload::Pdu(effort) => pdu::run(effort),
        Workload::Journey(options) => journey::run(&options),
    }
}
