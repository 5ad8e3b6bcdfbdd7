//! A PostgreSQL server for one test alone, that syncs, and can be stopped, killed and started again.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::postgres::{is_root, program, run};

/// The server; it ends when dropped.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
}

/// How long a killed server's processes may take to notice.
const PATIENCE: Duration = Duration::from_secs(30);

impl Cluster {
    /// Makes one in this folder, which must not exist, and starts it.
    ///
    /// # Panics
    /// Where PostgreSQL is not installed or does not start: a test that needs it cannot go on.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("a folder can be made");
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700)).expect("it is ours");
        if is_root() {
            assert!(run(Command::new("chown").arg("postgres").arg(folder)), "chown postgres");
        }
        let mut initdb = program("initdb");
        initdb.arg("-D").arg(folder).args(["-A", "trust", "-U", "pombo", "-N"]);
        assert!(run(&mut initdb), "initdb makes a cluster in {}", folder.display());
        let cluster = Self { folder: folder.to_owned() };
        cluster.start_again();
        cluster
    }

    /// As `store.url` names its database.
    #[must_use]
    pub fn url(&self) -> String {
        let socket = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://pombo@{socket}/postgres")
    }

    /// Starts it where it does not run.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_again(&self) {
        let folder = self.folder.display();
        let options = format!("-c listen_addresses='' -c unix_socket_directories='{folder}'");
        let log = format!("{folder}/log");
        let start = Instant::now();
        // A process of one that was killed may hold its memory a little longer.
        while !self.control(&["start", "-w", "-o", &options, "-l", &log]) {
            assert!(start.elapsed() < PATIENCE, "see {log}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Stops it as an operator does: open transactions are undone, connections ended.
    pub fn stop(&self) {
        self.control(&["stop", "-w", "-m", "fast"]);
    }

    /// Ends it as a power cut would, with SIGKILL to each of its processes.
    ///
    /// # Panics
    /// Where its processes do not end.
    pub fn kill(&self) {
        let pid = std::fs::read_to_string(self.folder.join("postmaster.pid")).unwrap_or_default();
        let pid = pid.lines().next().unwrap_or_default().to_owned();
        let children = children(&pid);
        for victim in std::iter::once(&pid).chain(&children) {
            run(Command::new("kill").args(["-KILL", victim]));
        }
        let start = Instant::now();
        while children.iter().chain([&pid]).any(|pid| is_running(pid)) {
            assert!(start.elapsed() < PATIENCE, "a killed server still runs");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn control(&self, args: &[&str]) -> bool {
        run(program("pg_ctl").arg("-D").arg(&self.folder).args(args))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.control(&["stop", "-w", "-m", "immediate"]);
    }
}

fn children(pid: &str) -> Vec<String> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    list.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// Whether a process is there, and no mere entry of one that ended.
fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
