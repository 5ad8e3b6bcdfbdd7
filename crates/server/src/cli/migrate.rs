//! `pombo migrate`: bring the store to this version's form.

use super::{Failure, open_store, out};
use crate::config::Config;

pub(super) fn run(config: &Config) -> Result<(), Failure> {
    // Opening migrates.
    let _store = open_store(config)?;
    out::line(&format!("{} is up to date", config.store.url))
}
