//! `pombo migrate`: bring the store to this version's form.

use super::{Failure, make_store, out};
use crate::config::Config;

pub(super) fn run(config: &Config) -> Result<(), Failure> {
    // Opening migrates.
    let _store = make_store(config)?;
    out::line(&format!("{} is up to date", pombo_store::shown_url(&config.store.url)))
}
