//! `pombo backup FILE`: a consistent copy of the store, taken while it is in use.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use pombo_app::operate;

use super::{Failure, open_store, out};
use crate::config::Config;

#[derive(Args)]
pub(super) struct Arguments {
    /// The file to write; it must not exist.
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    let store = open_store(config)?;
    let mut stderr = std::io::stderr();
    let shown = stderr.is_terminal();
    let mut last = 0;
    operate::backup(&store, &arguments.file, &mut |done, total| {
        let percent = (done * 100).checked_div(total).unwrap_or(100);
        if shown && percent != last {
            last = percent;
            // Progress is for those who watch; it never fails the copy.
            let _ = write!(stderr, "\r{percent} %");
        }
    })?;
    if shown {
        let _ = writeln!(stderr);
    }
    out::line(&format!(
        "{} is copied to {}",
        pombo_store::shown_url(&config.store.url),
        arguments.file.display()
    ))
}
