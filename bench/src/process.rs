//! Programs under test: started, measured, and never left behind.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Kernel clock ticks a second, which `/proc` counts CPU time in; fixed for user space on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running program. Dropping it kills it.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it with standard output and error in `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let file = File::create(log).with_context(|| log.display().to_string())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU milliseconds of all its threads, past ones included.
    pub(crate) fn cpu_ms(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        // The name, in parentheses, may hold spaces; user and system time are fields 14 and 15.
        let fields: Vec<&str> =
            stat.rsplit_once(')').context("no name")?.1.split_whitespace().collect();
        let ticks = |idx: usize| fields.get(idx).and_then(|field| field.parse::<f64>().ok());
        let total = ticks(11).context("utime")? + ticks(12).context("stime")?;
        Ok(total * 1000.0 / TICKS_PER_SECOND)
    }

    /// Bytes that it had the kernel write to disk: its store and its log.
    pub(crate) fn written(&self) -> Result<u64> {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.pid()))?;
        let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        Ok(line.context("no write_bytes")?.parse()?)
    }

    /// The most memory it ever had resident, in MiB.
    pub(crate) fn rss_peak_mib(&self) -> Result<f64> {
        self.status_mib("VmHWM:")
    }

    /// The memory it has resident now, in MiB.
    pub(crate) fn rss_mib(&self) -> Result<f64> {
        self.status_mib("VmRSS:")
    }

    fn status_mib(&self, field: &str) -> Result<f64> {
        status_mib(&self.pid().to_string(), field)
    }

    /// Fails when it has ended by itself.
    pub(crate) fn must_run(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended by itself: {status}", self.name),
            None => Ok(()),
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// What it printed.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it at once, as a power cut would.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop and waits; kills it after `patience`.
    pub(crate) fn stop(mut self, patience: Duration) -> Result<()> {
        Command::new("kill").arg("-TERM").arg(self.pid().to_string()).status()?;
        let start = Instant::now();
        while start.elapsed() < patience {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("{} did not stop within {patience:?}", self.name)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder below the system's temporary one, removed when dropped.
pub(crate) struct TempFolder(PathBuf);

impl TempFolder {
    pub(crate) fn new(name: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("bench-{name}-{}-{n}", std::process::id());
        let path = std::env::temp_dir().join(unique);
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

/// What is in a folder now, all the way down, in MiB.
pub(crate) fn folder_mib(folder: &Path) -> f64 {
    let (mut octets, mut folders) = (0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        // What went meanwhile has no size.
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        for (path, metadata) in entries.filter_map(|e| Some((e.path(), e.metadata().ok()?))) {
            match metadata.is_dir() {
                true => folders.push(path),
                false => octets += metadata.len(),
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a size to be read by a person")]
    let mib = octets as f64 / f64::from(1 << 20);
    mib
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        // A leftover in the temporary folder is the system's to clear.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A port of this machine's own.
pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Waits until something listens.
pub(crate) fn wait_for_port(address: SocketAddr, patience: Duration) -> Result<()> {
    let start = Instant::now();
    while TcpStream::connect(address).is_err() {
        if start.elapsed() > patience {
            bail!("nothing listens on {address} after {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The memory that this process has resident now, in MiB.
pub(crate) fn own_rss_mib() -> Result<f64> {
    status_mib("self", "VmRSS:")
}

fn status_mib(pid: &str, field: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no field")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

/// Waits until `done` says so.
pub(crate) fn wait_until(
    what: &str,
    patience: Duration,
    mut done: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let start = Instant::now();
    while !done()? {
        if start.elapsed() > patience {
            bail!("after {patience:?} still not: {what}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
