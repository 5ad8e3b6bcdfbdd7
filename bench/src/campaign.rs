//! A campaign of a million from its acceptance to its report: scheduled, released, delivered,
//! exported, and told to a notification URL once more.
//!
//! Each stage has the machine to itself, but for the peer it talks to; the memory is watched over
//! all of them.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use pombo_peers::sink::{self, Sink};
use pombo_peers::smsc::{Behaviour, Receipts, Smsc};

use crate::bulk::Bulk;
use crate::journey::gateway::Running;
use crate::pombo::{ACCOUNT_NAME, Engine, Pombo, authorization};
use crate::process::{TempFolder, wait_until};
use crate::table::{Table, grouped, note};

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Recipients.
    #[arg(long, default_value_t = 1_000_000)]
    count: u64,
    /// Recipients of a request.
    #[arg(long, default_value_t = 500)]
    batch: u64,
    /// Seconds from the first request to the time for which all is scheduled.
    #[arg(long, default_value_t = 60)]
    release_s: u64,
    /// Seconds for which notifications are counted, at most.
    #[arg(long, default_value_t = 20)]
    notify_s: u64,
    /// Which engine.
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    store: Engine,
}

const NAME: &str = "million";

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = TempFolder::new("campaign")?;
    let behaviour = Behaviour { receipts: Some(Receipts::default()), ..Behaviour::default() };
    let smsc = Smsc::start(behaviour)?;
    let server = options.store.start(&folder);
    let pombo = Pombo::set_up(&folder, smsc.addr, 100, &Engine::setup(server.as_ref()))?;
    let running = Running { http: pombo.http(), processes: vec![pombo.serve()?], server };
    wait_until("the route binds", Duration::from_secs(30), || Ok(smsc.counts().binds > 0))?;
    let mut table = Table::new(&[
        "stage",
        "of",
        "seconds",
        "a second",
        "CPU ms each",
        "bytes written each",
        "RSS peak, MiB",
    ]);
    let mut stages = Stages { running: &running, table: &mut table };
    let begun = SystemTime::now();
    let release = begun + Duration::from_secs(options.release_s);

    stages.time("accepted, for later", options.count, || accept(options, &pombo, release))?;
    let left = release.duration_since(SystemTime::now()).context("not accepted in time")?;
    ensure!(smsc.counts().submits == 0, "something was sent ahead of its time");
    std::thread::sleep(left);
    let sending = only_sending(&pombo)?;
    stages.time("released and delivered", options.count, || {
        wait_until("all is delivered", Duration::from_secs(900), || {
            Ok(delivered(&pombo, sending)? >= options.count)
        })
    })?;
    ensure!(smsc.counts().submits == options.count, "sent more than once");

    let path = format!("/api/rest/sendings/{sending}/reports/events");
    // The head is no row.
    let n_rows = lines(&pombo, &path)? - 1;
    stages.time("rows of the report", n_rows, || {
        ensure!(lines(&pombo, &path)? - 1 == n_rows, "the report changed");
        Ok(())
    })?;

    let sink = Sink::start(sink::Behaviour::default());
    let url = sink.url("/events");
    pombo.command(&["account", "set", ACCOUNT_NAME, "--notify-url", &url])?;
    let from = instant(begun)?.iso8601();
    pombo.command(&["notifications", "replay", ACCOUNT_NAME, "--from", &from])?;
    wait_until("the replay begins", Duration::from_secs(30), || Ok(sink.count() > 0))?;
    let (first, span) = (sink.count(), Duration::from_secs(options.notify_s));
    let clock = Clock::start(&running)?;
    wait_until("all is told", span + Duration::from_secs(1), || {
        Ok(sink.count() >= 2 * options.count || clock.start.elapsed() >= span)
    })?;
    stages.row("events told, of a replay", sink.count() - first, &clock)?;

    running.stop()?;
    table.print();
    Ok(())
}

/// When a stage began, and what the server had used by then.
struct Clock {
    start: Instant,
    cpu_ms: f64,
    written: u64,
}

impl Clock {
    fn start(running: &Running) -> Result<Self> {
        Ok(Self { start: Instant::now(), cpu_ms: running.cpu_ms()?, written: running.written()? })
    }
}

/// Measures one stage after another.
struct Stages<'a> {
    running: &'a Running,
    table: &'a mut Table,
}

impl Stages<'_> {
    fn time(&mut self, stage: &str, n: u64, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let clock = Clock::start(self.running)?;
        work().with_context(|| stage.to_owned())?;
        self.row(stage, n, &clock)
    }

    fn row(&mut self, stage: &str, n: u64, clock: &Clock) -> Result<()> {
        let seconds = clock.start.elapsed().as_secs_f64();
        let cpu_ms = self.running.cpu_ms()? - clock.cpu_ms;
        #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
        let (n_each, written) = (n as f64, (self.running.written()? - clock.written) as f64);
        note(&format!("{stage}: {n} in {seconds:.1} s"));
        self.table.row(vec![
            stage.to_owned(),
            n.to_string(),
            grouped(seconds, 1),
            grouped(n_each / seconds, 0),
            grouped(cpu_ms / n_each, 4),
            grouped(written / n_each, 0),
            grouped(self.running.rss_peak_mib()?, 0),
        ]);
        Ok(())
    }
}

fn instant(time: SystemTime) -> Result<pombo_domain::time::Instant> {
    let micros = i64::try_from(time.duration_since(UNIX_EPOCH)?.as_micros())?;
    Ok(pombo_domain::time::Instant::from_micros(micros))
}

/// Sends the campaign's requests, all for the same time.
fn accept(options: &Options, pombo: &Pombo, release: SystemTime) -> Result<()> {
    let due = instant(release)?.civil_seconds().replace(|c: char| !c.is_ascii_digit(), "");
    let fields = format!(
        r#""from":"pombo","message":"One of a million.","campaignName":"{NAME}","scheduleDate":"{due}""#
    );
    Bulk { first: 0, n: options.count, batch: options.batch, fields }.send(pombo.http())
}

/// The number of the one sending there is.
fn only_sending(pombo: &Pombo) -> Result<u64> {
    let answer = json(pombo, "/api/rest/sendings")?;
    answer["data"][0]["id"].as_u64().context("no sending")
}

fn delivered(pombo: &Pombo, sending: u64) -> Result<u64> {
    let answer = json(pombo, &format!("/api/rest/sendings/{sending}"))?;
    answer["data"]["events"]["delivered"].as_u64().context("no totals")
}

fn json(pombo: &Pombo, path: &str) -> Result<serde_json::Value> {
    Ok(serde_json::from_reader(get(pombo.http(), path)?)?)
}

/// Lines of what is at a path.
fn lines(pombo: &Pombo, path: &str) -> Result<u64> {
    let mut body = get(pombo.http(), path)?;
    let mut n = 0;
    loop {
        let bytes = body.fill_buf()?;
        if bytes.is_empty() {
            return Ok(n);
        }
        n += bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        let read = bytes.len();
        body.consume(read);
    }
}

/// A body, as it comes: HTTP/1.0, so that it is sent in one piece and ends with the connection.
fn get(http: SocketAddr, path: &str) -> Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(http)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {http}\r\n{}\r\n\r\n", authorization())?;
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let mut status = String::new();
    reader.read_line(&mut status)?;
    ensure!(status.contains(" 200 "), "{path}: {status}");
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        ensure!(reader.read_line(&mut line)? > 0, "{path}: no body");
    }
    Ok(reader)
}
