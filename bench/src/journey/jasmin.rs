//! Jasmin from PyPI with RabbitMQ and Redis from Debian's packages, with the settings of
//! `bench/jasmin`; installed by `cargo xtask bench journey`.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::gateway::{Running, Site};
use crate::process::{Process, free_port, local, wait_for_port, wait_until};

const CONFIG: &str = include_str!("../../jasmin/jasmin.cfg.in");

/// What an operator types into its console: a carrier, a user, a route.
const CONSOLE: &str = include_str!("../../jasmin/jcli.in");

/// What says that a callback has arrived; after any other words it is made again.
pub(super) const ACKNOWLEDGED: &str = "ACK/Jasmin";

/// What its console ends every answer with: outside of a form, and within one.
const PROMPTS: [&[u8]; 2] = [b"jcli : ", b"> "];

/// The queues of receipts and of callbacks, which their daemons make.
const CONSUMERS: [&str; 2] = ["DLRLookup-main", "dlr_thrower"];

const PATIENCE: Duration = Duration::from_secs(60);

/// Starts all six processes; done when the HTTP side listens and the carrier is configured.
pub(super) fn start(site: &Site<'_>) -> Result<Running> {
    let folder = site.folder.path();
    let (epmd, epmd_port) = start_epmd(folder)?;
    let rabbit = Rabbit::new(folder, epmd_port)?;
    let queues = rabbit.start()?;
    let (redis, redis_port) = start_redis(folder)?;
    let (http_port, jcli_port) = (free_port()?, free_port()?);
    let mut config = CONFIG
        .replace("@SITE@", &packages().display().to_string())
        .replace("@AMQP_PORT@", &rabbit.port.to_string())
        .replace("@REDIS_PORT@", &redis_port.to_string())
        .replace("@HTTP_PORT@", &http_port.to_string())
        .replace("@JCLI_PORT@", &jcli_port.to_string());
    for name in ["@ROUTER_PORT@", "@CLIENTS_PORT@", "@SERVER_PORT@", "@SERVER_PB_PORT@"] {
        config = config.replace(name, &free_port()?.to_string());
    }
    std::fs::write(folder.join("jasmin.cfg"), config)?;
    std::fs::create_dir_all(folder.join("store"))?;
    // One that was killed leaves this behind. It keeps two from one set of ports and files; this one
    // has its own. There may be none.
    let _ = std::fs::remove_file("/tmp/jasmind.lock");
    let jasmind = start_daemon("jasmind", &[], folder)?;
    wait_for_port(local(http_port), PATIENCE)?;
    wait_for_port(local(jcli_port), PATIENCE)?;
    configure(jcli_port, site.smsc).context("Jasmin's console")?;
    let id = ["-i", &format!("bench-{http_port}")];
    let dlrlookupd = start_daemon("dlrlookupd", &id, folder)?;
    let dlrd = start_daemon("dlrd", &id, folder)?;
    // Until they have made their queues, a carrier's answer is forgotten.
    let listen = || Ok(rabbit.has_consumers(&CONSUMERS));
    wait_until("Jasmin's daemons listen", PATIENCE, listen)?;
    let processes = vec![jasmind, dlrd, dlrlookupd, redis, queues, epmd];
    Ok(Running { http: local(http_port), processes, server: None })
}

/// The names of Erlang's nodes; of its own, so that none is left behind.
fn start_epmd(folder: &Path) -> Result<(Process, u16)> {
    let port = free_port()?;
    let mut command = Command::new("epmd");
    command.args(["-address", "127.0.0.1", "-port", &port.to_string()]);
    Ok((start_listening(&mut command, port, &folder.join("epmd.out"))?, port))
}

/// RabbitMQ with all its files in the site's folder.
struct Rabbit {
    port: u16,
    /// Its files.
    folder: PathBuf,
    epmd_port: u16,
    dist_port: u16,
}

impl Rabbit {
    fn new(folder: &Path, epmd_port: u16) -> Result<Self> {
        let folder = folder.join("rabbit");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("plugins"), "[].")?;
        Ok(Self { port: free_port()?, folder, epmd_port, dist_port: free_port()? })
    }

    fn start(&self) -> Result<Process> {
        let log = self.folder.join("server.out");
        start_listening(&mut self.command("rabbitmq-server"), self.port, &log)
    }

    /// Whether all these queues are there, and somebody takes from each.
    fn has_consumers(&self, queues: &[&str]) -> bool {
        let mut list = self.command("rabbitmqctl");
        list.args(["--quiet", "list_queues", "--no-table-headers", "name", "consumers"]);
        let listed = list.output().map(|output| output.stdout).unwrap_or_default();
        let listed = String::from_utf8_lossy(&listed);
        let rows = || listed.lines().filter_map(|line| line.split_once('\t'));
        let has = |queue| rows().any(|(name, n)| name == queue && n.trim() != "0");
        queues.iter().all(|queue| has(*queue))
    }

    /// One of its programs. Those on the path would go over to a user of their own.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(Path::new("/usr/lib/rabbitmq/bin").join(program));
        let file = |name: &str| self.folder.join(name);
        command
            .env("HOME", &self.folder)
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .env("RABBITMQ_NODENAME", format!("bench-{}@localhost", self.port))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", self.dist_port.to_string())
            .env("RABBITMQ_MNESIA_BASE", file("mnesia"))
            .env("RABBITMQ_LOG_BASE", file("log"))
            .env("RABBITMQ_CONFIG_FILE", file("rabbitmq"))
            .env("RABBITMQ_CONF_ENV_FILE", file("rabbitmq-env.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", file("plugins"))
            // What is started becomes the server, instead of waiting for it.
            .env("RUNNING_UNDER_SYSTEMD", "true");
        command
    }
}

fn start_redis(folder: &Path) -> Result<(Process, u16)> {
    let port = free_port()?;
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"]).arg(folder);
    Ok((start_listening(&mut command, port, &folder.join("redis.out"))?, port))
}

/// Done when it listens.
fn start_listening(command: &mut Command, port: u16, log: &Path) -> Result<Process> {
    let process = Process::start(command, log)?;
    wait_for_port(local(port), PATIENCE)?;
    Ok(process)
}

/// One of Jasmin's own daemons.
fn start_daemon(name: &str, args: &[&str], folder: &Path) -> Result<Process> {
    let program = packages().join("bin").join(format!("{name}.py"));
    if !program.is_file() {
        bail!("no {}: `cargo xtask bench journey` installs it", program.display());
    }
    let mut command = Command::new("python3");
    command
        .arg(program)
        .args(args)
        .arg("-c")
        .arg(folder.join("jasmin.cfg"))
        .env("PYTHONPATH", packages())
        .env("CONFIG_PATH", folder)
        .env("STORE_PATH", folder.join("store"))
        .env("LOG_PATH", folder);
    Process::start(&mut command, &folder.join(format!("{name}.out")))
}

/// Types [`CONSOLE`] in, a line after each prompt; it begins without one.
fn configure(port: u16, smsc: SocketAddr) -> Result<()> {
    let stream = TcpStream::connect(local(port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let mut said = Vec::new();
    for line in CONSOLE.replace("@SMSC_PORT@", &smsc.port().to_string()).lines() {
        said.clear();
        (&stream).write_all(format!("{line}\r\n").as_bytes())?;
        wait_for_prompt(&mut answers, &mut said)?;
        let said = String::from_utf8_lossy(&said);
        if ["Error", "Unknown", "Failed", "Incorrect"].iter().any(|word| said.contains(word)) {
            bail!("to `{line}` it says: {said}");
        }
    }
    Ok(())
}

/// Reads until a prompt.
fn wait_for_prompt(answers: &mut impl BufRead, said: &mut Vec<u8>) -> Result<()> {
    while !PROMPTS.iter().any(|prompt| said.ends_with(prompt)) {
        let octets = answers.fill_buf()?;
        if octets.is_empty() {
            bail!("it has hung up after: {}", String::from_utf8_lossy(said));
        }
        said.extend_from_slice(octets);
        let n = octets.len();
        answers.consume(n);
    }
    Ok(())
}

/// Where its packages are.
fn packages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("jasmin/site")
}
