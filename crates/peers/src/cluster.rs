//! A PostgreSQL server for one test alone, that syncs, and can be stopped, killed and started again; and
//! a standby of it, that can be promoted.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::postgres::{ask, is_root, program, psql, run};

/// The server; it ends when dropped.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    /// Beside the socket in its folder, where it has one.
    door: Option<Door>,
}

/// A port.
#[derive(Debug, Clone, Copy)]
struct Door {
    address: Ipv4Addr,
    port: u16,
    is_encrypted: bool,
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
        make(folder);
        let mut initdb = program("initdb");
        initdb.arg("-D").arg(folder).args(["-A", "trust", "-U", "pombo", "-N"]);
        assert!(run(&mut initdb), "initdb makes a cluster in {}", folder.display());
        let cluster = Self { folder: folder.to_owned(), door: None };
        cluster.start_again();
        cluster
    }

    /// The same, with a port on which it speaks TLS as `localhost`, by a certificate of its own:
    /// `server.crt` in the folder.
    ///
    /// # Panics
    /// Where openssl is not installed, and as [`Cluster::start`].
    #[must_use]
    pub fn encrypted(folder: &Path) -> Self {
        let mut cluster = Self::start(folder);
        cluster.stop();
        let (certificate, key) = (folder.join("server.crt"), folder.join("server.key"));
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-days", "2", "-subj", "/CN=localhost"]).args(curve);
        openssl.args(["-addext", "subjectAltName=DNS:localhost"]);
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        openssl.arg("-out").arg(&certificate).arg("-keyout").arg(&key);
        assert!(run(&mut openssl), "openssl makes a certificate: apt-get install openssl");
        if is_root() {
            assert!(run(Command::new("chown").arg("postgres").arg(&key)), "chown postgres");
        }
        let address = Ipv4Addr::LOCALHOST;
        cluster.door = Some(Door { address, port: free_port(address), is_encrypted: true });
        cluster.start_again();
        cluster
    }

    /// The same, with a port without TLS at an address of this machine, for its network: a prefix of
    /// 24 bits.
    ///
    /// # Panics
    /// As [`Cluster::start`].
    #[must_use]
    pub fn at(folder: &Path, address: Ipv4Addr) -> Self {
        let mut cluster = Self::start(folder);
        cluster.stop();
        let rules = OpenOptions::new().append(true).open(folder.join("pg_hba.conf"));
        let rule = format!("host all all {address}/24 trust\n");
        let written = rules.and_then(|mut rules| rules.write_all(rule.as_bytes()));
        written.expect("its rules can be written");
        cluster.door = Some(Door { address, port: free_port(address), is_encrypted: false });
        cluster.start_again();
        cluster
    }

    /// Makes a standby of it in this folder, which must not exist, and starts it. From then on a commit
    /// has its answer when it is on the standby's disk too.
    ///
    /// # Panics
    /// As [`Cluster::start`].
    #[must_use]
    pub fn standby(&self, folder: &Path) -> Self {
        make(folder);
        let mut copy = program("pg_basebackup");
        copy.arg("-D").arg(folder).arg("-h").arg(&self.folder);
        copy.args(["-U", "pombo", "-c", "fast", "-X", "stream", "-R", "-N"]);
        assert!(run(&mut copy), "pg_basebackup makes a standby in {}", folder.display());
        // The primary's socket lies in its folder, and so its lock was copied.
        let lock = std::fs::remove_file(folder.join(".s.PGSQL.5432.lock"));
        lock.expect("a primary has a lock on its socket");
        let standby = Self { folder: folder.to_owned(), door: None };
        standby.start_again();
        // After the copy, because the standby is not to wait for one when it is promoted.
        let _ = self.run("alter system set synchronous_standby_names = '*'");
        let _ = self.run("select pg_reload_conf()");
        let start = Instant::now();
        while self.run("select count(1) from pg_stat_replication where sync_state = 'sync'") != "1"
        {
            assert!(start.elapsed() < PATIENCE, "a standby does not follow");
            std::thread::sleep(Duration::from_millis(50));
        }
        standby
    }

    /// Makes a primary of a standby; done when it can be written.
    ///
    /// # Panics
    /// Where it is none.
    pub fn promote(&self) {
        assert!(self.control(&["promote", "-w"]), "a standby can be promoted");
    }

    /// Commits without waiting for a standby from now on.
    pub fn stand_alone(&self) {
        let _ = self.run("alter system reset synchronous_standby_names");
        let _ = self.run("select pg_reload_conf()");
    }

    /// As `store.url` names its database on any of these servers.
    #[must_use]
    pub fn url_of_all(clusters: &[&Self]) -> String {
        let hosts: Vec<String> = clusters.iter().map(|cluster| cluster.host()).collect();
        format!("postgres://pombo@{}/postgres", hosts.join(","))
    }

    /// As `store.url` names its database by the port that it has.
    ///
    /// # Panics
    /// Where it has none.
    #[must_use]
    pub fn url_by_port(&self, host: &str) -> String {
        let door = self.door.expect("it was started with one");
        format!("postgres://pombo@{host}:{}/postgres", door.port)
    }

    /// As `store.url` names its database.
    #[must_use]
    pub fn url(&self) -> String {
        Self::url_of_all(&[self])
    }

    /// Its socket.
    fn host(&self) -> String {
        let socket = self.folder.display().to_string().replace('/', "%2F");
        let port = self.door.map(|door| format!(":{}", door.port)).unwrap_or_default();
        format!("{socket}{port}")
    }

    /// Runs SQL in its database, beside whoever uses it.
    ///
    /// # Panics
    /// Where it is refused.
    #[must_use]
    pub fn run(&self, sql: &str) -> String {
        let port = self.door.map(|door| door.port.to_string());
        ask(&self.folder, port.as_deref(), "postgres", sql)
    }

    /// Runs SQL by which it may end.
    pub fn run_until_ended(&self, sql: &str) {
        let port = self.door.map(|door| door.port.to_string());
        psql(&self.folder, port.as_deref(), "postgres", sql);
    }

    /// Runs a transaction again and again on so many connections, by the server's own `pgbench`; how
    /// often a second.
    ///
    /// # Panics
    /// Where it is refused.
    #[must_use]
    pub fn repeat(&self, sql: &str, connections: u32, span: Duration) -> f64 {
        let script = self.folder.join("repeated.sql");
        std::fs::write(&script, sql).expect("the server's folder can be written");
        let port = self.door.map_or_else(|| "5432".to_owned(), |door| door.port.to_string());
        let out = program("pgbench")
            .args(["-n", "-j", "1", "-U", "pombo", "-p", &port, "-h"])
            .arg(&self.folder)
            .args(["-c", &connections.to_string(), "-T", &span.as_secs().to_string(), "-f"])
            .arg(script)
            .arg("postgres")
            .output()
            .expect("pgbench comes with the server: apt-get install postgresql-15");
        let words = String::from_utf8_lossy(&out.stdout);
        let rate = words.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
        let rate = rate.and_then(|rate| rate.parse().ok());
        rate.unwrap_or_else(|| panic!("{sql}: {words}{}", String::from_utf8_lossy(&out.stderr)))
    }

    /// Whether it has not ended, by itself or otherwise.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.control(&["status"])
    }

    /// CPU time of its processes that are there.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        let nanos = |pid: &String| {
            let stat =
                std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
            stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
        };
        Duration::from_nanos(self.processes().iter().skip(1).map(nanos).sum())
    }

    /// The numbers of its processes that are there, that of the others' parent first.
    #[must_use]
    pub fn processes(&self) -> Vec<String> {
        let pid = std::fs::read_to_string(self.folder.join("postmaster.pid")).unwrap_or_default();
        let pid = pid.lines().next().unwrap_or_default().to_owned();
        let children = children(&pid);
        std::iter::once(pid).chain(children).collect()
    }

    /// Starts it where it does not run.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_again(&self) {
        let folder = self.folder.display();
        let door = match self.door {
            Some(Door { address, port, is_encrypted }) => {
                let ssl = if is_encrypted { "on" } else { "off" };
                format!("-c listen_addresses={address} -p {port} -c ssl={ssl}")
            }
            None => "-c listen_addresses=''".to_owned(),
        };
        let options = format!("{door} -c unix_socket_directories='{folder}'");
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
        let processes = self.processes();
        for victim in &processes {
            run(Command::new("kill").args(["-KILL", victim]));
        }
        let start = Instant::now();
        while processes.iter().any(|pid| is_running(pid)) {
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

/// Makes the folder of a server.
fn make(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder can be made");
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700)).expect("it is ours");
    if is_root() {
        assert!(run(Command::new("chown").arg("postgres").arg(folder)), "chown postgres");
    }
}

fn free_port(address: Ipv4Addr) -> u16 {
    let free = TcpListener::bind((address, 0)).and_then(|free| free.local_addr());
    free.expect("a port is free").port()
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
