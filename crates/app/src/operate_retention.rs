//! What operators do about old history from the command line, beside a running `serve`.

use std::time::Duration;

use pombo_domain::time::Instant;
use pombo_store::Store;
use pombo_store::operation as op;
use pombo_store::operation::retention::{DayOfHistory, Forgotten};

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
        /// Its parts that ended, or of which something was told, a few days ago only. Both 0: its
        /// events were not all read yet.
        n_lively: u64,
    },
}

/// Days for which a message that was late stays, with its links, after the last that became of it:
/// longer than a receipt or a callback can take.
const QUIET_DAYS: i64 = 7;

/// Rows of each kind that go at a time: a few milliseconds of the writer.
const FORGOTTEN_AT_ONCE: i64 = 500;

/// Between two such pieces: after each of them a server that runs reads its memory anew.
const FORGETTING_PAUSE: Duration = Duration::from_millis(25);

/// Forgets the history of the days before the last `n_days` and today, oldest first, a piece at a
/// time. Answers how many of them stay. `progress` says whether to go on.
pub fn retention_run(
    store: &Store,
    clock: &Clock,
    n_days: u32,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<usize, Problem> {
    let today = clock.now().day();
    let (before, quiet_since) = (today - i64::from(n_days), today - QUIET_DAYS);
    let mut n_kept = 0;
    let of_handsets =
        op::inbound::Forget { before: Instant::of_day(before), limit: FORGOTTEN_AT_ONCE };
    while store.run_blocking(of_handsets)? > 0 {
        std::thread::sleep(FORGETTING_PAUSE);
    }
    for found in store.ask_blocking(op::retention::Days { before, quiet_since })? {
        let day = Instant::of_day(found.day).iso8601()[..10].to_owned();
        let DayOfHistory { n_messages, n_open, n_lively, .. } = found;
        let mut is_kept = n_open > 0 || n_lively > 0;
        if !is_kept && !progress(Progress::Day { day: day.clone(), n_messages }) {
            return Ok(n_kept);
        }
        let mut n_rows = 0;
        while !is_kept {
            let (day, limit) = (found.day, FORGOTTEN_AT_ONCE);
            match store.run_blocking(op::retention::Forget { day, limit })? {
                Forgotten::Some(n) => {
                    n_rows += n;
                    // The server's commits come first.
                    std::thread::sleep(FORGETTING_PAUSE);
                    if !progress(Progress::Rows(n_rows)) {
                        return Ok(n_kept);
                    }
                }
                Forgotten::All => break,
                Forgotten::Kept => is_kept = true,
            }
        }
        if is_kept {
            n_kept += 1;
            progress(Progress::Kept { day, n_open, n_lively });
        }
    }
    Ok(n_kept)
}
