//! A disk that is full, under the file or under PostgreSQL, and has room again.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pombo_peers::cluster::Cluster;

use super::stage::{self, Effort, Stage};
use super::{Outcome, Scenario};
use crate::pombo::Setup;
use crate::process::TempFolder;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "disk-full",
        fault: "the disk is filled to the last octet under load, twice, and has room again",
        promise: "503 with Retry-After at the door; it goes on by itself when there is room",
        quick: true,
        run,
    },
    Scenario {
        name: "postgres-disk-full",
        fault: "the disk of PostgreSQL is filled to the last octet under load, twice, and has room \
                again; the second time its log finds no room either, by which it ends",
        promise: "the same; it connects again by itself when PostgreSQL is there",
        quick: true,
        run: under_postgres,
    },
];

/// The disk's size, for a file, and for a server.
const DISK_MIB: usize = 48;
const SERVER_DISK_MIB: usize = 256;

/// That a server's log takes no more of it than it must, and is soon at an end.
const SMALL_LOG: [&str; 2] =
    ["alter system set min_wal_size = '32MB'", "alter system set max_wal_size = '64MB'"];

/// The segments of a log that is so small.
const LOG_SEGMENTS: usize = 6;

fn run(effort: Effort) -> Result<Outcome> {
    let disk = match Disk::mount(DISK_MIB, TempFolder::new("fault-small-disk")?) {
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
    let refused = sent.n_refused();
    ensure!(refused > 0, "nothing was refused while the disk was full");
    Ok(Outcome::seen(verdict, format!("{refused} answers of 503")))
}

fn under_postgres(effort: Effort) -> Result<Outcome> {
    let disk = match Disk::mount(SERVER_DISK_MIB, TempFolder::new("fault-server-disk")?) {
        Ok(disk) => disk,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let cluster = Cluster::start(&disk.0.join("data"));
    for setting in SMALL_LOG {
        let _ = cluster.run(setting);
    }
    let _ = cluster.run("select pg_reload_conf()");
    let setup = Setup { store: Some(cluster.url()), ..Setup::default() };
    let stage = Stage::new("server-disk", stage::carrier(), &setup)?;
    let serve = stage.pombo.serve()?;
    let load = stage.load(effort);

    std::thread::sleep(effort.span / 5);
    let full = Instant::now();
    disk.fill()?;
    std::thread::sleep(effort.span / 5);
    disk.make_room()?;
    let room = Instant::now();
    std::thread::sleep(effort.span / 5);

    let before = life(&cluster);
    let full_again = Instant::now();
    disk.fill()?;
    for _ in 0..LOG_SEGMENTS {
        cluster.run_until_ended("select pg_logical_emit_message(false, '', ''), pg_switch_wal()");
    }
    std::thread::sleep(effort.span / 5);
    disk.make_room()?;
    let has_ended = !cluster.is_running();
    if has_ended {
        cluster.start_again();
    }
    let there = Instant::now();

    let sent = load.finish()?;
    let verdict = stage.end(serve, &sent)?;
    ensure!(before != life(&cluster), "the server did not end by its full disk");
    let refused = [sent.n_refused_in(full..room), sent.n_refused_in(full_again..there)];
    ensure!(!refused.contains(&0), "nothing was refused while the disk was full: {refused:?}");
    let ms = |since| sent.accepted_after(since).map(|after| after.as_millis());
    let words = format!(
        "{} and {} answers of 503; the first 202 came {} ms after there was room, and {} ms after \
         the server, which {}, was there again; {}",
        refused[0],
        refused[1],
        ms(room).context("nothing was accepted when there was room")?,
        ms(there).context("nothing was accepted when the server was there again")?,
        if has_ended { "had to be started" } else { "began anew" },
        verdict.doubts()
    );
    Ok(Outcome::seen(verdict, words))
}

/// One of a server's processes, which lives as long as it has not begun anew.
fn life(cluster: &Cluster) -> String {
    cluster.run("select pid from pg_stat_activity where backend_type = 'checkpointer'")
}

/// A small file system in memory; unmounted when dropped.
struct Disk(TempFolder);

impl Disk {
    fn mount(mib: usize, folder: TempFolder) -> Result<Self, String> {
        let size = format!("size={mib}m");
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
