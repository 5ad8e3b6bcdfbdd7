//! Finds snapshot files that no test reads any more.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::run::root;
use crate::tidy;

/// The list of snapshots that a test run read.
pub(crate) struct Ledger {
    path: PathBuf,
}

impl Ledger {
    /// Starts an empty list.
    pub(crate) fn start() -> Result<Self> {
        let path = root().join("target/snapshots-read.txt");
        std::fs::create_dir_all(root().join("target"))?;
        std::fs::write(&path, "")?;
        Ok(Self { path })
    }

    /// Makes a test run append each snapshot it reads; insta's own tool uses the same variable.
    pub(crate) fn watch(&self, command: &mut Command) {
        command.env("INSTA_SNAPSHOT_REFERENCES_FILE", &self.path);
        // A gate never accepts: a changed snapshot fails.
        command.env("INSTA_UPDATE", "no");
    }

    /// Fails when a committed snapshot was not read.
    pub(crate) fn reject_unreferenced(&self) -> Result<()> {
        let read: BTreeSet<PathBuf> = std::fs::read_to_string(&self.path)?
            .lines()
            .filter_map(|line| PathBuf::from(line).canonicalize().ok())
            .collect();
        let left: Vec<String> = tidy::files()?
            .into_iter()
            .filter(|path| path.ends_with(".snap"))
            .filter(|path| root().join(path).canonicalize().is_ok_and(|path| !read.contains(&path)))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        bail!("no test reads these snapshots; remove them:\n{}", left.join("\n"))
    }
}
