//! A PostgreSQL server of the tests' own, from the installed binaries: started once, shared by all
//! that run, stopped when the gate is through with its tests. It syncs nothing, so it is no place for tests of that.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A database of its own that goes away when dropped.
#[derive(Debug)]
pub struct Database {
    name: String,
}

impl Database {
    /// Makes one, empty; starts the server where it does not run.
    ///
    /// # Panics
    /// Where PostgreSQL is not installed or does not start: a test that needs it cannot go on.
    #[must_use]
    pub fn fresh() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        start();
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{n}", std::process::id());
        tell(&format!("drop database if exists {name} with (force)"));
        tell(&format!("create database {name}"));
        Self { name }
    }

    /// As `store.url` names it.
    #[must_use]
    pub fn url(&self) -> String {
        let socket = folder().display().to_string().replace('/', "%2F");
        format!("postgres://pombo@{socket}/{}", self.name)
    }

    /// As `store.url` names it by way of a port.
    #[must_use]
    pub fn url_by(&self, address: SocketAddr) -> String {
        format!("postgres://pombo@{address}/{}", self.name)
    }

    /// The server's socket.
    #[must_use]
    pub fn socket() -> PathBuf {
        folder().join(".s.PGSQL.5432")
    }

    /// Runs SQL in it, beside whoever uses it.
    pub fn run(&self, sql: &str) -> String {
        ask(&folder(), None, &self.name, sql)
    }

    /// Runs SQL that somebody else may end.
    pub fn run_until_ended(&self, sql: &str) {
        psql(&folder(), None, &self.name, sql);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        tell(&format!("drop database if exists {} with (force)", self.name));
    }
}

/// Starts the server where it does not run. Processes that start together take turns.
///
/// # Panics
/// Where it cannot be started.
pub fn start() {
    let folder = folder();
    let lock = File::create(folder.with_extension("lock"))
        .expect("the system's folder for temporary files can be written");
    lock.lock().expect("a lock file can be locked");
    if folder.join(".s.PGSQL.5432").exists() && control(&["status"]) {
        return;
    }
    if !folder.join("PG_VERSION").exists() {
        // A start that was broken off may have left half of it.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).expect("it is ours");
        if is_root() {
            assert!(run(Command::new("chown").arg("postgres").arg(&folder)), "chown postgres");
        }
        let mut initdb = program("initdb");
        initdb.arg("-D").arg(&folder).args(["-A", "trust", "-U", "pombo", "-N"]);
        assert!(run(&mut initdb), "initdb makes a cluster in {}", folder.display());
    }
    let options = format!(
        "-c listen_addresses='' -c unix_socket_directories='{}' -c fsync=off -c max_connections=300",
        folder.display()
    );
    let log = folder.join("log");
    let log = log.display().to_string();
    assert!(control(&["start", "-w", "-o", &options, "-l", &log]), "see {log}");
}

fn folder() -> PathBuf {
    std::env::temp_dir().join("pombo-test-postgres")
}

fn control(args: &[&str]) -> bool {
    run(program("pg_ctl").arg("-D").arg(folder()).args(args))
}

fn tell(sql: &str) {
    ask(&folder(), None, "postgres", sql);
}

pub(crate) fn ask(socket: &Path, port: Option<&str>, database: &str, sql: &str) -> String {
    let out = psql(socket, port, database, sql);
    assert!(out.status.success(), "{sql}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

pub(crate) fn psql(
    socket: &Path,
    port: Option<&str>,
    database: &str,
    sql: &str,
) -> std::process::Output {
    Command::new("psql")
        .args(["-qAtX", "-U", "pombo", "-v", "ON_ERROR_STOP=1", "-p", port.unwrap_or("5432"), "-h"])
        .arg(socket)
        .args(["-c", sql, database])
        .output()
        .expect("psql is installed: apt-get install postgresql-15")
}

/// A program of the server. It refuses to run as root, so root lends it to its own user.
pub(crate) fn program(name: &str) -> Command {
    let path = newest(Path::new("/usr/lib/postgresql"))
        .map_or_else(|| PathBuf::from(name), |version| version.join("bin").join(name));
    // It outlives whoever starts it: a descriptor of theirs that it had, with a lock on it, would be
    // held as long.
    let mut command = Command::new("sh");
    let close = "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec \"$0\" \"$@\"";
    command.args(["-c", close]).current_dir("/");
    if is_root() {
        command.args(["runuser", "-u", "postgres", "--"]);
    }
    command.arg(path);
    command
}

fn newest(versions: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(versions).ok()?;
    entries.filter_map(|entry| Some(entry.ok()?.path())).max()
}

pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

pub(crate) fn run(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
