//! Times a small piece of work, many times over.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::table::Runs;

/// How often, and for how long each time.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Effort {
    /// Runs of each case.
    #[arg(long, default_value_t = 7)]
    runs: u32,
    /// Milliseconds of one run.
    #[arg(long, default_value_t = 200)]
    ms: u64,
}

/// Nanoseconds that `work` takes, over several runs.
pub(crate) fn nanos<T>(effort: Effort, mut work: impl FnMut() -> T) -> Runs {
    let mut runs = Runs::default();
    let mut n: u32 = 1;
    // Doubling until a run is long enough also warms caches and the branch predictor.
    while time(n, &mut work) < Duration::from_millis(effort.ms) && n < u32::MAX / 2 {
        n *= 2;
    }
    for _ in 0..effort.runs {
        runs.push(time(n, &mut work).as_secs_f64() * 1e9 / f64::from(n));
    }
    runs
}

fn time<T>(n: u32, work: &mut impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        black_box(work());
    }
    start.elapsed()
}
