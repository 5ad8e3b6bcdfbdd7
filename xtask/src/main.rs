//! Chores: `cargo xtask VERB`; `cargo xtask test` is the whole gate.

mod fuzz;
mod gate;
mod release;
mod rights;
mod run;
mod setup;
mod snapshots;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask VERB

  test [-- FILTER]   the whole gate; with a filter, only the tests it matches
  setup              install what the tests need, where it is missing
  fmt [--fix]        rustfmt
  tidy               the house rules that are not clippy's
  deny               licences, banned crates, sources
  clippy             lints as errors
  doc                documentation warnings as errors
  fuzz [TARGET] [--seconds N]    run one fuzz target, or each in turn
  release            the binary to install, in target/released: compiled twice, the second time
                     for what the first was seen to do (some 15 minutes on two cores)
  bench [--released] NAME [OPTION...]    run one workload of bench/, or with that binary
  crash [OPTION...]              kill pombo while it sends, and count what arrives
  faults [NAME...|--all|--list]  break everything under load, and compare with what is promised";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match verb(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::say(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn verb(args: &[String]) -> Result<()> {
    let (name, rest) = match args.split_first() {
        Some((name, rest)) => (name.as_str(), rest),
        None => ("help", args),
    };
    match name {
        "test" => gate::test(rest),
        "setup" => setup::all(),
        "fmt" => gate::fmt(rest),
        "tidy" => gate::tidy(),
        "deny" => gate::deny(),
        "clippy" => gate::clippy(),
        "doc" => gate::doc(),
        "fuzz" => fuzz::run(rest),
        "release" => release::build().map(drop),
        "bench" => gate::bench(rest),
        "crash" => gate::crash(rest),
        "faults" => gate::faults(rest),
        "help" | "--help" | "-h" => {
            run::say(USAGE);
            Ok(())
        }
        other => bail!("no such verb: {other}\n\n{USAGE}"),
    }
}
