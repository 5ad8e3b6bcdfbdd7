//! Runs the fuzz targets of `fuzz/` on the stable compiler.
//!
//! libFuzzer needs only the compiler's coverage instrumentation, which stable offers as plain
//! LLVM passes. What a nightly compiler would add is the address sanitizer; this workspace
//! forbids unsafe code, so that panics, hangs and memory growth are what there is to find.
//! A target is a binary of the `fuzz` workspace that uses `libfuzzer_sys::fuzz_target!`; inputs it
//! learns stay in `fuzz/corpus/TARGET`, inputs that broke it in `fuzz/artifacts/TARGET`, and
//! committed seeds are read from `fuzz/seeds/TARGET` where that folder exists.

use anyhow::{Context, Result, bail};

use crate::run::{cargo, must, program, root};

/// `-trace-compares` lets the fuzzer see what a comparison wanted; the counters are its coverage.
const INSTRUMENTATION: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Coverflow-checks=on -Cdebug-assertions=on";

/// What to run.
struct Plan {
    /// One target, or all when none is named.
    target: Option<String>,
    /// For each target.
    seconds: u32,
}

/// `fuzz [TARGET] [--seconds N]`, 60 seconds unless said.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let plan = parse(args)?;
    let known = targets()?;
    let chosen: Vec<&String> = match &plan.target {
        None => known.iter().collect(),
        Some(name) => {
            let found = known.iter().find(|target| *target == name);
            vec![found.with_context(|| format!("no target {name}; there are: {known:?}"))?]
        }
    };
    for target in &chosen {
        build(target)?;
    }
    chosen.into_iter().try_for_each(|target| fuzz(target, plan.seconds))
}

fn parse(args: &[String]) -> Result<Plan> {
    let mut plan = Plan { target: None, seconds: 60 };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--seconds" {
            let seconds = args.next().context("--seconds needs a number")?;
            plan.seconds = seconds.parse().with_context(|| format!("--seconds {seconds}"))?;
        } else if arg.starts_with('-') || plan.target.is_some() {
            bail!("usage: cargo xtask fuzz [TARGET] [--seconds N]");
        } else {
            plan.target = Some(arg.clone());
        }
    }
    Ok(plan)
}

/// The binaries that the fuzz workspace's manifest names.
fn targets() -> Result<Vec<String>> {
    let path = root().join("fuzz/Cargo.toml");
    let text = std::fs::read_to_string(&path).context("fuzz/Cargo.toml")?;
    let manifest: toml::Table = text.parse()?;
    let bins = manifest.get("bin").and_then(|bins| bins.as_array()).context("no [[bin]]")?;
    Ok(bins.iter().filter_map(|bin| bin.get("name")?.as_str().map(str::to_owned)).collect())
}

/// The machine's own target triple; naming it keeps the flags away from build scripts.
fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

fn build(target: &str) -> Result<()> {
    must(
        cargo()
            .args(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--bin", target])
            .args(["--target", &triple()])
            .arg("--target-dir")
            .arg(root().join("fuzz/target"))
            .env("RUSTFLAGS", INSTRUMENTATION),
    )
}

fn fuzz(target: &str, seconds: u32) -> Result<()> {
    let folder = root().join("fuzz");
    let corpus = folder.join("corpus").join(target);
    let artifacts = folder.join("artifacts").join(target);
    std::fs::create_dir_all(&corpus)?;
    std::fs::create_dir_all(&artifacts)?;
    let binary = folder.join("target").join(triple()).join("release").join(target);
    let mut command = program(&binary.to_string_lossy());
    command
        .arg(format!("-max_total_time={seconds}"))
        .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(corpus);
    let seeds = folder.join("seeds").join(target);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    must(&mut command)
}
