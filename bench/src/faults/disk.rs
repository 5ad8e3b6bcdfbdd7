//! A disk that is full, and has room again.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::stage::{self, Effort, Stage};
use super::{Outcome, Scenario};
use crate::pombo::Setup;
use crate::process::TempFolder;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "disk-full",
    fault: "the disk is filled to the last octet under load, twice, and has room again",
    promise: "503 with Retry-After at the door; it goes on by itself when there is room",
    quick: true,
    run,
}];

/// The disk's size.
const DISK_MIB: usize = 48;

fn run(effort: Effort) -> Result<Outcome> {
    let disk = match Disk::mount(TempFolder::new("fault-small-disk")?) {
        Ok(disk) => disk,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let store = Some(format!("sqlite:{}", disk.0.join("pombo.db").display()));
    let stage = Stage::new("disk", stage::carrier(), &Setup { store, ..Setup::default() })?;
    let serve = stage.pombo.serve()?;
    let load = stage.load(effort);
    for _ in 0..2 {
        std::thread::sleep(effort.span / 5);
        disk.fill()?;
        std::thread::sleep(effort.span / 5);
        disk.make_room()?;
    }
    let sent = load.finish()?;
    let verdict = stage.end(serve, &sent)?;
    ensure!(sent.without_retry_after == 0, "a refusal did not say when to come again");
    let refused = sent.statuses.get(&503).copied().unwrap_or(0);
    ensure!(refused > 0, "nothing was refused while the disk was full");
    Ok(Outcome::seen(verdict, format!("{refused} answers of 503")))
}

/// A small file system in memory; unmounted when dropped.
struct Disk(TempFolder);

impl Disk {
    fn mount(folder: TempFolder) -> Result<Self, String> {
        let size = format!("size={DISK_MIB}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .output()
            .map_err(|e| format!("mount: {e}"))?;
        if mounted.status.success() {
            return Ok(Self(folder));
        }
        let why = String::from_utf8_lossy(&mounted.stderr).trim().to_owned();
        Err(format!("a small file system cannot be mounted here, which needs root: {why}"))
    }

    /// Takes all the room that is left; what comes meanwhile finds none.
    fn fill(&self) -> Result<()> {
        let mut ballast = File::create(self.ballast())?;
        for piece in [1 << 20, 4 << 10, 1] {
            while ballast.write_all(&vec![0; piece]).is_ok() {}
        }
        Ok(())
    }

    fn make_room(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: pombo may still be ending; what is left is memory, and goes with the last user.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
        std::thread::sleep(Duration::from_millis(100));
    }
}
