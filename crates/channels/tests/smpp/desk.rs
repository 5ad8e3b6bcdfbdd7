//! A desk for tests: gives out work, keeps everything it is told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pombo_channels::sharing::Taker;
use pombo_channels::sms::smpp::{self, Config, Timings};
use pombo_domain::address::{Phone, Sender};
use pombo_domain::channel::{
    Arrival, Attempt, BoxFuture, Desk, Inbound, LinkState, NotStored, Outcome, Receipt, Report,
    SmsBody,
};
use pombo_domain::id::MessageId;
use pombo_domain::sms::{Cut, Encoding, TableChoice, segment};
use pombo_domain::time::Instant;
use pombo_peers::smsc::Smsc;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Longer than anything here takes on a busy machine; only a broken promise waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a store that is stuck looks whether it still is.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

#[derive(Default)]
pub(crate) struct TestDesk {
    work: Mutex<VecDeque<Attempt>>,
    bell: Notify,
    reports: Mutex<Vec<Report>>,
    arrivals: Mutex<Vec<Arrival>>,
    links: Mutex<Vec<(usize, LinkState)>>,
    pub(crate) n_throttled: AtomicUsize,
    /// So many stores fail.
    pub(crate) n_failing: AtomicUsize,
    /// The store does not finish as long as this is so.
    pub(crate) is_stuck: AtomicBool,
    /// So often it was asked to store something.
    pub(crate) n_asked: AtomicUsize,
}

impl Desk for TestDesk {
    fn next(&self, room: usize) -> BoxFuture<'_, Vec<Attempt>> {
        Box::pin(async move {
            loop {
                let bell = self.bell.notified();
                {
                    let mut work = self.work.lock().unwrap();
                    let mut taken = Vec::new();
                    let mut n = 0;
                    while let Some(front) = work.front() {
                        n += front.n_parts();
                        if n > room && !taken.is_empty() {
                            break;
                        }
                        taken.extend(work.pop_front());
                    }
                    if !taken.is_empty() {
                        return taken;
                    }
                }
                bell.await;
            }
        })
    }

    fn report(&self, reports: Vec<Report>) {
        self.reports.lock().unwrap().extend(reports);
    }

    fn received(&self, arrivals: Vec<Arrival>) -> BoxFuture<'_, Result<(), NotStored>> {
        Box::pin(async move {
            self.n_asked.fetch_add(1, Ordering::SeqCst);
            while self.is_stuck.load(Ordering::SeqCst) {
                sleep(LOOK_AGAIN).await;
            }
            let failing = self.n_failing.load(Ordering::SeqCst);
            if failing > 0 {
                self.n_failing.store(failing - 1, Ordering::SeqCst);
                return Err(NotStored);
            }
            self.arrivals.lock().unwrap().extend(arrivals);
            Ok(())
        })
    }

    fn throttled(&self) {
        self.n_throttled.fetch_add(1, Ordering::SeqCst);
    }

    fn link(&self, link: usize, state: LinkState) {
        self.links.lock().unwrap().push((link, state));
    }

    #[expect(clippy::disallowed_methods, reason = "a desk is where the time comes from")]
    fn now(&self) -> Instant {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Instant::from_micros(i64::try_from(since.as_micros()).unwrap())
    }
}

impl TestDesk {
    pub(crate) fn give(&self, attempts: impl IntoIterator<Item = Attempt>) {
        self.work.lock().unwrap().extend(attempts);
        self.bell.notify_waiters();
    }

    pub(crate) fn n_waiting(&self) -> usize {
        self.work.lock().unwrap().len()
    }

    pub(crate) fn reports(&self) -> Vec<Report> {
        self.reports.lock().unwrap().clone()
    }

    pub(crate) fn links(&self) -> Vec<(usize, LinkState)> {
        self.links.lock().unwrap().clone()
    }

    pub(crate) fn receipts(&self) -> Vec<Receipt> {
        let arrivals = self.arrivals.lock().unwrap();
        let receipt = |arrival: &Arrival| match arrival {
            Arrival::Receipt(receipt) => Some(receipt.clone()),
            Arrival::Inbound(_) => None,
        };
        arrivals.iter().filter_map(receipt).collect()
    }

    pub(crate) fn inbound(&self) -> Vec<Inbound> {
        let arrivals = self.arrivals.lock().unwrap();
        let inbound = |arrival: &Arrival| match arrival {
            Arrival::Inbound(inbound) => Some(inbound.clone()),
            Arrival::Receipt(_) => None,
        };
        arrivals.iter().filter_map(inbound).collect()
    }
}

/// A channel at work for a test.
pub(crate) struct Channel {
    pub(crate) desk: Arc<TestDesk>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// A route to `address` whose pauses are short.
pub(crate) fn config(address: impl ToString) -> Config {
    Config {
        timings: Timings {
            bind_timeout: Duration::from_secs(5),
            reconnect_min: Duration::from_millis(20),
            reconnect_max: Duration::from_millis(200),
            throttle_min: Duration::from_millis(50),
            throttle_max: Duration::from_millis(400),
            drain: Duration::from_secs(5),
            unbind: Duration::from_secs(1),
        },
        ..Config::new("test", &address.to_string(), "pombo", "secret")
    }
}

impl Channel {
    pub(crate) fn start(config: Config) -> Self {
        let desk = Arc::new(TestDesk::default());
        let (stop, stopped) = watch::channel(false);
        let for_channel: Arc<dyn Desk> = Arc::clone(&desk) as _;
        let task = tokio::spawn(smpp::run(config, for_channel, Taker::of_all(), stopped));
        Self { desk, stop, task }
    }

    pub(crate) fn to(smsc: &Smsc) -> Self {
        Self::start(config(smsc.addr))
    }

    /// Waits until `done` holds.
    pub(crate) async fn until(&self, what: &str, done: impl Fn(&TestDesk) -> bool) {
        let start = tokio::time::Instant::now();
        while !done(&self.desk) {
            let reports = self.desk.reports();
            let (n, links) = (reports.len(), self.desk.links());
            assert!(start.elapsed() < PATIENCE, "{what}: {n} reports, {links:?}");
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits for `n` reports in all, and gives them out.
    pub(crate) async fn reports(&self, n: usize) -> Vec<Report> {
        self.until(&format!("{n} reports"), |desk| desk.reports().len() >= n).await;
        self.desk.reports()
    }

    pub(crate) async fn receipts(&self, n: usize) -> Vec<Receipt> {
        self.until(&format!("{n} receipts"), |desk| desk.receipts().len() >= n).await;
        self.desk.receipts()
    }

    pub(crate) async fn up(&self) {
        self.until("up", |desk| desk.links().iter().any(|(_, s)| *s == LinkState::Up)).await;
    }

    /// Stops the channel, and gives out all that it has reported.
    pub(crate) async fn stop(self) -> Vec<Report> {
        self.stop.send(true).unwrap();
        tokio::time::timeout(PATIENCE, self.task).await.expect("stops in time").unwrap();
        self.desk.reports()
    }
}

/// The number of test recipient `n`.
pub(crate) fn number(n: u64) -> u64 {
    34_600_000_000 + n
}

/// A message with this text to recipient `n`, whose message id is `n` too.
pub(crate) fn message(n: u64, text: &str, encoding: Encoding) -> Attempt {
    let cut = Cut { encoding, tables: TableChoice::Auto, split: false };
    let segmented = segment(text, cut).unwrap();
    let parts = u16::try_from((1_u32 << segmented.n_parts()) - 1).unwrap();
    let from = Sender::parse("TEST").unwrap();
    Attempt {
        message: MessageId(i64::try_from(n).unwrap()),
        to: Phone::from_stored(number(n)),
        body: Arc::new(SmsBody { from, segmented, flash: false }),
        concat_ref: u16::try_from(n % 256).unwrap(),
        parts,
        try_number: 1,
        expires: None,
    }
}

/// Messages of one part each to the recipients `1..=n`.
pub(crate) fn messages(n: u64) -> Vec<Attempt> {
    let first = message(1, "hello", Encoding::Gsm);
    let with = |n| {
        let body = Arc::clone(&first.body);
        Attempt { body, ..message(n, "", Encoding::Gsm) }
    };
    (1..=n).map(|n| Attempt { parts: 1, ..with(n) }).collect()
}

/// The message's number of each report with its carrier's id, where it was accepted.
pub(crate) fn accepted(reports: &[Report]) -> Vec<(u64, String)> {
    let accepted = |report: &Report| match &report.outcome {
        Outcome::Accepted { carrier_id } => {
            Some((u64::try_from(report.part.message().0).unwrap(), carrier_id.clone()))
        }
        _ => None,
    };
    reports.iter().filter_map(accepted).collect()
}

/// Checks that each of `n` messages of one part was reported exactly once.
pub(crate) fn assert_each_once(reports: &[Report], n: u64) {
    let mut parts: Vec<i64> = reports.iter().map(|report| report.part.message().0).collect();
    parts.sort_unstable();
    let expected: Vec<i64> = (1..=i64::try_from(n).unwrap()).collect();
    assert_eq!(parts, expected);
}
