//! What operators do about old history from the command line, beside a running `serve`.

use std::time::Duration;

use pombo_domain::time::Instant;
use pombo_store::operation as op;
use pombo_store::operation::retention::{DayOfHistory, Forgotten};
use pombo_store::{Error, Store};

use crate::clock::Clock;
use crate::operate::Problem;

/// What [`retention_run`] tells while it works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A day begins to go.
    Day {
        /// `YYYY-MM-DD`.
        day: String,
        /// Its messages.
        n_messages: u64,
    },
    /// Rows of it that went so far.
    Rows(usize),
    /// A day stays.
    Kept {
        /// `YYYY-MM-DD`.
        day: String,
        /// Its parts that are not over.
        n_open: u64,
        /// Its parts that ended, or of which something was told, a few days ago only.
        n_lively: u64,
        /// Whether it tells of messages of an earlier day that stays. Not so, and both counts 0: what
        /// became of its messages was not all read yet.
        is_needed: bool,
    },
}

/// Days for which a message that was late stays, with its links, after the last that became of it:
/// longer than a receipt or a callback can take.
const QUIET_DAYS: i64 = 7;

/// Rows of each kind that go at a time: a few milliseconds of the writer.
const FORGOTTEN_AT_ONCE: i64 = 500;

/// Between two such pieces at least: after each of them a server that runs reads its memory anew.
const FORGETTING_PAUSE: Duration = Duration::from_millis(25);

/// And at least so many times what a piece took, so that where the disk is slow the server still has
/// it nearly to itself.
const PAUSE_TIMES: u32 = 9;

/// How often a day is tried whose tables others use, and how long between two tries.
const TRIES: usize = 30;
const TRY_PAUSE: Duration = Duration::from_secs(1);

/// What [`retention_run`] is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Days that are kept besides today.
    pub n_days: u32,
    /// Whether it only tells which days would go.
    pub is_dry: bool,
}

/// Forgets the history of the days before the last `n_days` and today, oldest first, a piece at a
/// time. Answers how many of them stay. `progress` says whether to go on.
pub fn retention_run(
    store: &Store,
    clock: &Clock,
    Retention { n_days, is_dry }: Retention,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<usize, Problem> {
    let today = clock.now().day();
    let (before, quiet_since) = (today - i64::from(n_days), today - QUIET_DAYS);
    let mut n_kept = 0;
    if !is_dry {
        forget_of_handsets(store, Instant::of_day(before))?;
    }
    for found in store.ask_blocking(op::retention::Days { before, quiet_since })? {
        let day = Instant::of_day(found.day).iso8601()[..10].to_owned();
        let DayOfHistory { n_messages, n_open, n_lively, is_needed, .. } = found;
        if !found.is_over() {
            n_kept += 1;
            progress(Progress::Kept { day, n_open, n_lively, is_needed });
            continue;
        }
        let goes_on = progress(Progress::Day { day: day.clone(), n_messages });
        if !goes_on || !(is_dry || forget(store, (found.day, &day), progress)?) {
            break;
        }
    }
    Ok(n_kept)
}

/// Runs a piece of the work, and tells how long the server is to have the disk to itself after it.
fn piece<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let begun = tokio::time::Instant::now();
    let done = run();
    (done, FORGETTING_PAUSE.max(begun.elapsed() * PAUSE_TIMES))
}

/// Forgets what handsets sent before that time.
fn forget_of_handsets(store: &Store, before: Instant) -> Result<(), Problem> {
    let forget = op::inbound::Forget { before, limit: FORGOTTEN_AT_ONCE };
    loop {
        let (n_rows, pause) = piece(|| store.run_blocking(forget));
        if n_rows? == 0 {
            return Ok(());
        }
        std::thread::sleep(pause);
    }
}

/// Forgets a day that is over, and so stays: nothing becomes of it any more. Answers whether to go on.
fn forget(
    store: &Store,
    (day, name): (i64, &str),
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<bool, Problem> {
    let forget = op::retention::Forget { day, limit: FORGOTTEN_AT_ONCE };
    let (mut n_rows, mut n_tries) = (0, 0);
    loop {
        let (forgotten, pause) = piece(|| store.run_blocking(forget));
        match forgotten {
            Ok(Forgotten::Some(n)) => {
                n_rows += n;
                if !progress(Progress::Rows(n_rows)) {
                    return Ok(false);
                }
                // The server's commits come first.
                std::thread::sleep(pause);
            }
            Ok(Forgotten::All | Forgotten::Kept) => return Ok(true),
            Err(Error::Unavailable(_)) if n_tries < TRIES => {
                n_tries += 1;
                std::thread::sleep(TRY_PAUSE);
            }
            Err(error @ Error::Unavailable(_)) => {
                return Err(Problem::Refused(format!(
                    "{name} cannot go now: {error}; where a backup or somebody else reads its tables, run \
                     this again once that is over"
                )));
            }
            Err(error) => return Err(error.into()),
        }
    }
}
