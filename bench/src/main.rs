//! One workload per promise: `cargo xtask bench NAME`; each prints a table.

mod bulk;
mod campaign;
mod claims;
mod faketime;
mod faults;
mod growth;
mod journey;
mod life;
mod micro;
mod overload;
mod pdu;
mod pombo;
mod process;
mod queued;
mod restart;
mod retention;
mod scale;
mod segment;
mod store;
mod table;

use std::process::ExitCode;

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
    /// A message's whole life in the store: microseconds of its writer.
    Store(store::Options),
    /// Claims on PostgreSQL: nodes in turn, beside connections that skip what others have locked.
    Claims(claims::Options),
    /// HTTP to SMPP to receipt to callback, beside Kannel.
    Journey(journey::Options),
    /// Memory with a million messages waiting.
    Queued(queued::Options),
    /// A scheduled campaign of a million: accepted, released, delivered, exported, told anew.
    Campaign(campaign::Options),
    /// What a message costs when ten thousand to ten million are stored.
    Growth(growth::Options),
    /// How soon pombo serves again after a crash with a million messages waiting.
    Restart(restart::Options),
    /// Whether messages go as fast while the history of an old day goes.
    Retention(retention::Options),
    /// What a message costs where there is ten, a hundred, a thousand times as much of one thing.
    Scale(scale::Options),
    /// Codes that must not wait for a campaign of a million, on a slow route.
    Overload(overload::Options),
    /// Kill pombo while it sends, and count what arrives.
    Crash(faults::crash::Options),
    /// Everything that can break, one after another, and what became of what was accepted.
    Faults(faults::Options),
}

fn main() -> ExitCode {
    match run(Workload::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            table::note(&format!("pombo-bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(workload: Workload) -> Result<()> {
    match workload {
        Workload::Segment(effort) => segment::run(effort),
        Workload::Pdu(effort) => pdu::run(effort),
        Workload::Store(options) => store::run(&options),
        Workload::Claims(options) => claims::run(&options),
        Workload::Journey(options) => journey::run(&options),
        Workload::Queued(options) => queued::run(&options),
        Workload::Campaign(options) => campaign::run(&options),
        Workload::Growth(options) => growth::run(&options),
        Workload::Restart(options) => restart::run(&options),
        Workload::Retention(options) => retention::run(&options),
        Workload::Scale(options) => scale::run(&options),
        Workload::Overload(options) => overload::run(&options),
        Workload::Crash(options) => faults::crash::run(&options),
        Workload::Faults(options) => faults::run(&options),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn no_two_options_have_one_name() {
        super::Workload::command().debug_assert();
    }
}
