//! `pombo store copy`: from a file into a PostgreSQL database.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use pombo_store::copy::{self, Progress};

use super::{Failure, out};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Copy the store of store.url, a file, into an empty PostgreSQL database, and compare the two.
    ///
    /// Stop `serve` before. A copy that was broken off goes on where it was when it is run again.
    Copy(Copy),
}

#[derive(Args)]
pub(super) struct Copy {
    /// The database, as store.url will name it: postgres://USER:PASSWORD@HOST/DATABASE.
    #[arg(long, value_name = "URL")]
    to: String,
}

pub(super) fn run(command: &Command, config: &Config) -> Result<(), Failure> {
    let Command::Copy(Copy { to }) = command;
    let Some(from) = config.store.url.strip_prefix("sqlite:").map(PathBuf::from) else {
        return Err(Failure::usage("store.url is no file; only a store in a file can be copied"));
    };
    if !to.starts_with("postgres://") && !to.starts_with("postgresql://") {
        return Err(Failure::usage(
            "--to is no postgres:// URL; `pombo backup` copies into a file",
        ));
    }
    let mut shown = Shown::default();
    let copied = copy::copy(&from, to, &mut |progress| shown.tell(progress));
    shown.end();
    let copied = copied.map_err(|error| Failure::Failed(error.to_string()))?;
    let again = if copied.was_begun { ", part of them before it was broken off" } else { "" };
    out::line(&format!(
        "{} rows of {} tables are copied{again} and found to be the same; set store.url to {}",
        copied.rows,
        copied.tables,
        pombo_store::shown_url(to)
    ))
}

/// Progress on standard error: in place for those who watch, else a line for each table.
#[derive(Default)]
struct Shown {
    table: String,
    is_comparing: bool,
    is_open: bool,
}

impl Shown {
    fn tell(&mut self, progress: Progress<'_>) {
        let Progress { table, done, total, is_comparing } = progress;
        let mut stderr = std::io::stderr().lock();
        let is_new = table != self.table || is_comparing != self.is_comparing;
        if is_new {
            (self.table, self.is_comparing) = (table.to_owned(), is_comparing);
        }
        let verb = if is_comparing { "comparing" } else { "copying" };
        let line = format!("{verb} {table}: {done} of {total} rows");
        // Progress is for those who watch; it never fails the copy.
        if stderr.is_terminal() {
            let _ = write!(stderr, "\r\x1b[K{line}");
            self.is_open = true;
        } else if is_new {
            let _ = writeln!(stderr, "{line}");
        }
    }

    fn end(&self) {
        if self.is_open {
            let _ = writeln!(std::io::stderr());
        }
    }
}
