//! pombo: the release binary, a SQLite store in the run's folder, one SMPP route to the carrier.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;

use super::gateway::{Running, Site};
use crate::process::{Process, free_port, wait_until};

/// The account's name and password.
const ACCOUNT: (&str, &str) = ("bench", "bench-password");

/// A configured pombo, running or not: its store outlives its processes.
pub(crate) struct Pombo {
    config: PathBuf,
    http: SocketAddr,
    log: PathBuf,
}

impl Pombo {
    /// Writes the configuration and makes the account.
    pub(crate) fn prepare(site: &Site<'_>) -> Result<Self> {
        let http = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let config = site.folder.join("pombo.toml");
        let store = site.folder.join("pombo.db");
        let text = format!(
            "[http]\nlisten = \"{http}\"\n\
             [store]\nurl = \"sqlite:{}\"\n\
             [callbacks]\nallow_private_networks = true\n\
             [log]\nlevel = \"warn\"\n\
             [[sms.routes]]\nname = \"bench\"\nkind = \"smpp\"\naddress = \"{}\"\n\
             system_id = \"bench\"\npassword = \"bench\"\nwindow = {}\n",
            store.display(),
            site.smsc,
            site.window,
        );
        std::fs::write(&config, text)?;
        let pombo = Self { config, http, log: site.folder.join("pombo.log") };
        let (name, password) = ACCOUNT;
        pombo.command(&["account", "add", name, "--api-password", password])?;
        pombo.command(&["account", "credit", name, "100000000.00"])?;
        Ok(pombo)
    }

    /// Starts `serve`; done when it says that it answers.
    pub(crate) fn serve(&self) -> Result<Process> {
        let mut process = Process::start(
            self.program()?.arg("serve").arg("--config").arg(&self.config),
            &self.log,
        )?;
        wait_until("pombo prints ready", Duration::from_secs(30), || {
            process.must_run().with_context(|| self.log())?;
            Ok(self.log().lines().any(|line| line.starts_with("ready ")))
        })?;
        Ok(process)
    }

    /// Where it listens.
    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    /// Runs one of its commands and gives what it printed.
    pub(crate) fn command(&self, args: &[&str]) -> Result<String> {
        let output = self.program()?.args(args).arg("--config").arg(&self.config).output()?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("pombo {}: {}: {error}", args.join(" "), output.status);
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What it printed since it was last started.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn program(&self) -> Result<Command> {
        let mut command = Command::new(binary()?);
        command.current_dir(self.config.parent().unwrap_or(Path::new(".")));
        Ok(command)
    }
}

/// Starts pombo for one run.
pub(super) fn start(site: &Site<'_>) -> Result<Running> {
    let pombo = Pombo::prepare(site)?;
    let serve = pombo.serve()?;
    Ok(Running { http: pombo.http(), processes: vec![serve] })
}

/// The header that proves the account.
pub(crate) fn authorization() -> String {
    let (name, password) = ACCOUNT;
    let credentials =
        base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    format!("Authorization: Basic {credentials}")
}

/// The release build, which lies beside this program.
pub(crate) fn binary() -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    let pombo = me.with_file_name("pombo");
    if !pombo.is_file() {
        bail!("{} is not there: cargo build --release -p pombo", pombo.display());
    }
    Ok(pombo)
}
