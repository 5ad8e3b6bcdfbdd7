//! The gate, step by step, from the quickest to the longest.

use anyhow::{Result, bail};

use crate::run::{cargo, is_installed, must, program, say, step};
use crate::{release, rights, setup, snapshots, tidy as house_rules};

/// The whole gate, or with `-- FILTER` only the tests that the filter matches.
pub(crate) fn test(args: &[String]) -> Result<()> {
    let filter: &[String] = match args.split_first() {
        Some((dashes, rest)) if dashes == "--" => rest,
        Some(_) => args,
        None => &[],
    };
    step("setup", setup::all)?;
    if !filter.is_empty() {
        return step("tests", || tests(filter));
    }
    step("fmt", || fmt(&[]))?;
    step("tidy", tidy)?;
    step("deny", deny)?;
    step("clippy", clippy)?;
    step("doc", doc)?;
    step("crash", small_crash)?;
    step("overload", small_overload)?;
    step("faults", small_faults)?;
    // Last, so that the runner's summary is what a reader sees first.
    step("tests", || tests(&[]))
}

/// rustfmt, checking only unless `--fix` is given.
pub(crate) fn fmt(args: &[String]) -> Result<()> {
    let mut command = cargo();
    command.args(["fmt", "--all"]);
    if !args.iter().any(|arg| arg == "--fix") {
        command.arg("--check");
    }
    must(&mut command)
}

/// The house rules; the same check is a test of this crate.
pub(crate) fn tidy() -> Result<()> {
    let complaints = house_rules::check()?;
    for complaint in &complaints {
        say(complaint);
    }
    if complaints.is_empty() {
        return Ok(());
    }
    bail!("{} complaints", complaints.len())
}

/// Licences, banned crates and edges, sources.
pub(crate) fn deny() -> Result<()> {
    let deny = setup::cargo_deny()?;
    must(program(&deny.to_string_lossy()).args([
        "--log-level=error",
        "--workspace",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))
}

/// Lints as errors, in tests and benches too.
pub(crate) fn clippy() -> Result<()> {
    must(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

/// Documentation with its warnings as errors; private items too, for it is read by those who work here.
pub(crate) fn doc() -> Result<()> {
    must(
        cargo()
            .args(["doc", "--no-deps", "--workspace", "--document-private-items"])
            .env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links"),
    )
}

fn tests(filter: &[String]) -> Result<()> {
    let ledger = snapshots::Ledger::start()?;
    let mut command = cargo();
    if is_installed("cargo-nextest") {
        command.args(["nextest", "run", "--workspace", "--no-fail-fast"]);
        command.args(filter);
    } else {
        command.args(["test", "--workspace", "--no-fail-fast", "--"]);
        command.args(filter);
    }
    ledger.watch(&mut command);
    let done = must(&mut command);
    setup::stop_postgres();
    done?;
    if filter.is_empty() { ledger.reject_unreferenced() } else { Ok(()) }
}

/// One workload of `bench/`, in a release build, with pombo's own release binary beside it; with
/// `--released` first, the one that `release` builds.
pub(crate) fn bench(args: &[String]) -> Result<()> {
    let (released, args) = match args.split_first() {
        Some((first, rest)) if first == "--released" => (true, rest),
        _ => (false, args),
    };
    if args.first().is_some_and(|name| name == "journey") {
        let only = args.iter().skip_while(|arg| *arg != "--only").nth(1);
        if only.is_none_or(|one| one == "kannel") {
            setup::debian(&["kannel"])?;
        }
        if only.is_none_or(|one| one == "jasmin") {
            setup::jasmin()?;
        }
    }
    if args.first().is_some_and(|name| name == "retention") {
        setup::debian(&["faketime"])?;
    }
    if released {
        let benches = release::build()?;
        return must(program(&benches.to_string_lossy()).args(args));
    }
    // The binary is a workload's subject, not its dependency: cargo does not build it by itself.
    let with_pombo = [
        "journey",
        "queued",
        "overload",
        "crash",
        "campaign",
        "growth",
        "restart",
        "retention",
        "scale",
    ];
    if args.first().is_some_and(|name| with_pombo.contains(&name.as_str())) {
        must(cargo().args(["build", "--release", "--quiet", "-p", "pombo"]))?;
    }
    must(cargo().args(["run", "--release", "--quiet", "-p", "pombo-bench", "--"]).args(args))
}

/// The crash test, small, on the debug build that the tests need anyway.
fn small_crash() -> Result<()> {
    on_debug(&["crash", "--messages", "2000", "--kills", "4", "--seconds", "10", "--traced", "20"])
}

/// Single messages beside a campaign that waits: they pass it, and it takes no more memory as it waits.
fn small_overload() -> Result<()> {
    on_debug(&[
        "overload",
        "--count",
        "20000",
        "--route-rate",
        "200",
        "--singles",
        "20",
        "--seconds",
        "10",
    ])
}

/// A workload of `bench/` on the debug build: what is promised does not depend on speed.
fn on_debug(args: &[&str]) -> Result<()> {
    must(cargo().args(["build", "--quiet", "-p", "pombo", "-p", "pombo-bench"]))?;
    must(cargo().args(["run", "--quiet", "-p", "pombo-bench", "--"]).args(args))
}

/// The crash test of `bench/`.
pub(crate) fn crash(args: &[String]) -> Result<()> {
    setup::debian(&["strace"])?;
    let mut all = vec!["crash".to_owned()];
    all.extend_from_slice(args);
    bench(&all)
}

/// The part of the fault suite that takes a few minutes. Where this process may do to the system
/// whatever it asks for, a scenario that is skipped is one that nobody noticed to be missing.
fn small_faults() -> Result<()> {
    let mut args = vec!["--quick".to_owned()];
    if rights::may_change_the_system() {
        args.push("--no-skips".to_owned());
    } else {
        say(
            "without the right to mount and to make networks (root on Linux has it) some scenarios are skipped",
        );
    }
    faults(&args)
}

/// The fault suite of `bench/`, on the debug build.
pub(crate) fn faults(args: &[String]) -> Result<()> {
    setup::debian(&["strace", "postgresql-15", "iproute2", "curl"])?;
    if args.iter().any(|arg| ["--all", "clock-jumps"].contains(&arg.as_str())) {
        setup::debian(&["faketime"])?;
    }
    let args: Vec<&str> = ["faults"].into_iter().chain(args.iter().map(String::as_str)).collect();
    on_debug(&args)
}
