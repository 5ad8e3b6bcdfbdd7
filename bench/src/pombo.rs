//! pombo as the benches start it: the binary beside this program, a store, one SMPP route.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use pombo_peers::cluster::Cluster;

use crate::process::{Process, TempFolder, free_port, local, wait_until};

/// The account's name.
pub(crate) const ACCOUNT_NAME: &str = "bench";

/// The account's name and password.
const ACCOUNT: (&str, &str) = (ACCOUNT_NAME, "bench-password");

/// More than a bench can spend.
const CREDIT: &str = "100000000.00";

/// What a store runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Engine {
    /// A file.
    Sqlite,
    /// A server of the bench's own on this machine, as its package sets it up; it syncs.
    Postgres,
}

impl Engine {
    /// Its server, in a folder of that folder, where it needs one.
    pub(crate) fn start(self, folder: &TempFolder) -> Option<Cluster> {
        (self == Self::Postgres).then(|| Cluster::start(&folder.join("postgres")))
    }

    /// The setup of a pombo on that server, or on a file.
    pub(crate) fn setup(server: Option<&Cluster>) -> Setup {
        Setup { store: server.map(Cluster::url), ..Setup::default() }
    }
}

/// What differs from the usual.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    /// `store.url`; a SQLite file in the folder where absent.
    pub(crate) store: Option<String>,
    /// Lines for the route's table.
    pub(crate) route: Cow<'static, str>,
    /// Another build than that beside this program.
    pub(crate) binary: Option<PathBuf>,
}

/// A configured pombo, running or not: its store outlives its processes.
#[derive(Clone)]
pub(crate) struct Pombo {
    config: PathBuf,
    http: SocketAddr,
    log: PathBuf,
    binary: PathBuf,
}

impl Pombo {
    /// Writes the configuration and makes the account; nothing runs yet.
    pub(crate) fn prepare(folder: &TempFolder, smsc: SocketAddr, window: u32) -> Result<Self> {
        Self::set_up(folder, smsc, window, &Setup::default())
    }

    /// The same, where something differs.
    pub(crate) fn set_up(
        folder: &TempFolder,
        smsc: SocketAddr,
        window: u32,
        setup: &Setup,
    ) -> Result<Self> {
        let pombo = Self::configured(folder, "pombo", (smsc, window), setup)?;
        let (name, password) = ACCOUNT;
        pombo.command(&["migrate"])?;
        pombo.command(&["account", "add", name, "--api-password", password, "--credit", CREDIT])?;
        Ok(pombo)
    }

    /// Writes the configuration only: the store has its tables and its account.
    pub(crate) fn configured(
        folder: &TempFolder,
        name: &str,
        (smsc, window): (SocketAddr, u32),
        setup: &Setup,
    ) -> Result<Self> {
        let http = local(free_port()?);
        let config = folder.join(&format!("{name}.toml"));
        let file = format!("sqlite:{}", folder.join("pombo.db").display());
        let store = setup.store.as_ref().unwrap_or(&file);
        let route = &setup.route;
        let text = format!(
            "[http]\nlisten = \"{http}\"\n\
             [store]\nurl = \"{store}\"\n\
             [callbacks]\nallow_private_networks = true\n\
             [log]\nlevel = \"warn\"\n\
             [[sms.routes]]\nname = \"bench\"\nkind = \"smpp\"\naddress = \"{smsc}\"\n\
             system_id = \"bench\"\npassword = \"bench\"\nwindow = {window}\n{route}"
        );
        std::fs::write(&config, text)?;
        let binary = setup.binary.clone().map_or_else(binary, Ok)?;
        Ok(Self { config, http, log: folder.join(&format!("{name}.log")), binary })
    }

    /// The same, of the build beside this program from now on.
    pub(crate) fn replaced(&self) -> Result<Self> {
        Ok(Self { binary: binary()?, ..self.clone() })
    }

    /// Starts `serve`; done when it says that it answers.
    pub(crate) fn serve(&self) -> Result<Process> {
        self.serve_under(self.program())
    }

    /// The same, as the last arguments of another command: a tracer, or what runs it elsewhere.
    pub(crate) fn serve_traced(&self, tracer: &str, args: &[&str]) -> Result<Process> {
        let mut command = Command::new(tracer);
        command.args(args).arg(&self.binary);
        self.serve_under(command)
    }

    /// The same, with these variables in its environment.
    pub(crate) fn serve_with(&self, variables: &[(&str, &str)]) -> Result<Process> {
        let mut command = self.program();
        command.envs(variables.iter().copied());
        self.serve_under(command)
    }

    fn serve_under(&self, mut command: Command) -> Result<Process> {
        command.arg("serve").arg("--config").arg(&self.config);
        let mut process = Process::start(&mut command, &self.log)?;
        wait_until("pombo prints ready", Duration::from_secs(60), || {
            process.must_run().with_context(|| self.log())?;
            Ok(self.log().lines().any(|line| line.starts_with("ready ")))
        })?;
        Ok(process)
    }

    /// What it answers to a message, `STATUS RETRY-AFTER`, asked by `curl` as the last arguments of
    /// another command: of what runs elsewhere.
    pub(crate) fn answer_there(&self, tracer: &str, args: &[&str]) -> Result<String> {
        let url = format!("http://{}/api/rest/sms", self.http);
        let body = r#"{"to":["34666555444"],"from":"pombo","message":"asked there"}"#;
        let told = "%{http_code} %header{retry-after}";
        let mut command = Command::new(tracer);
        command.args(args).args(["curl", "-s", "-m", "60", "-o", "/dev/null", "-w", told]);
        let output = command.args(["-H", &authorization(), "-d", body, &url]).output()?;
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Where it listens.
    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    /// Runs one of its commands and gives what it printed.
    pub(crate) fn command(&self, args: &[&str]) -> Result<String> {
        let output = self.program().args(args).arg("--config").arg(&self.config).output()?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("pombo {}: {}: {error}", args.join(" "), output.status);
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts one of its commands, which goes on beside this.
    pub(crate) fn start_command(&self, args: &[&str]) -> Result<Process> {
        let mut command = self.program();
        command.args(args).arg("--config").arg(&self.config);
        Process::start(&mut command, &self.log.with_extension("command.log"))
    }

    /// What it printed since it was last started.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn program(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(self.config.parent().unwrap_or(Path::new(".")));
        command
    }
}

/// The header that proves the account.
pub(crate) fn authorization() -> String {
    authorization_of(ACCOUNT_NAME)
}

/// The header of another account with the same password.
pub(crate) fn authorization_of(name: &str) -> String {
    let (_, password) = ACCOUNT;
    let credentials =
        base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    format!("Authorization: Basic {credentials}")
}

/// The same build as this program, which lies beside this program.
fn binary() -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    let pombo = me.with_file_name("pombo");
    if !pombo.is_file() {
        bail!(
            "{} is not there: cargo build -p pombo, with the profile of this program",
            pombo.display()
        );
    }
    Ok(pombo)
}
