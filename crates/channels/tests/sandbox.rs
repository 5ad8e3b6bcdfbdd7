//! The simulated carrier keeps the channel contract, and every magic number its word.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pombo_channels::sandbox::{self, MAGIC, Phones};
use pombo_domain::address::{Phone, Sender};
use pombo_domain::channel::{
    Arrival, Attempt, BoxFuture, Desk, LinkState, NotStored, Outcome, Receipt, Report, SmsBody,
};
use pombo_domain::id::MessageId;
use pombo_domain::message::PartState;
use pombo_domain::sms::{Cut, Encoding, TableChoice, segment};
use pombo_domain::time::Instant;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant as Tick;

/// What a desk saw, in order.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Report(Report),
    Receipt(Receipt),
    Throttled,
}

/// A desk that hands out what the test puts on it, and notes what comes back.
struct TestDesk {
    work: Mutex<VecDeque<Attempt>>,
    more: Notify,
    seen: Mutex<Vec<(Duration, Seen)>>,
    links: Mutex<Vec<LinkState>>,
    /// So many `received` fail.
    fail: Mutex<usize>,
    rooms: Mutex<Vec<usize>>,
    /// Told to stop as soon as work is handed out.
    stop_at_work: Option<watch::Sender<bool>>,
    start: Tick,
}

impl TestDesk {
    fn new() -> Self {
        Self {
            work: Mutex::default(),
            more: Notify::new(),
            seen: Mutex::default(),
            links: Mutex::default(),
            fail: Mutex::new(0),
            rooms: Mutex::default(),
            stop_at_work: None,
            start: Tick::now(),
        }
    }

    fn give(&self, attempts: impl IntoIterator<Item = Attempt>) {
        self.work.lock().unwrap().extend(attempts);
        self.more.notify_one();
    }

    fn see(&self, seen: Seen) {
        self.seen.lock().unwrap().push((self.start.elapsed(), seen));
    }

    fn seen(&self) -> Vec<(Duration, Seen)> {
        self.seen.lock().unwrap().clone()
    }
}

impl Desk for TestDesk {
    fn next(&self, room: usize) -> BoxFuture<'_, Vec<Attempt>> {
        Box::pin(async move {
            loop {
                let taken: Vec<Attempt> = {
                    let mut work = self.work.lock().unwrap();
                    let n = room.min(work.len());
                    work.drain(..n).collect()
                };
                if !taken.is_empty() {
                    self.rooms.lock().unwrap().push(room);
                    if let Some(stop) = &self.stop_at_work {
                        stop.send_replace(true);
                    }
                    return taken;
                }
                self.more.notified().await;
            }
        })
    }

    fn report(&self, reports: Vec<Report>) {
        reports.into_iter().for_each(|report| self.see(Seen::Report(report)));
    }

    fn received(&self, arrivals: Vec<Arrival>) -> BoxFuture<'_, Result<(), NotStored>> {
        Box::pin(async move {
            {
                let mut fail = self.fail.lock().unwrap();
                if *fail > 0 {
                    *fail -= 1;
                    return Err(NotStored);
                }
            }
            for arrival in arrivals {
                if let Arrival::Receipt(receipt) = arrival {
                    self.see(Seen::Receipt(receipt));
                }
            }
            Ok(())
        })
    }

    fn throttled(&self) {
        self.see(Seen::Throttled);
    }

    fn link(&self, _: usize, state: LinkState) {
        self.links.lock().unwrap().push(state);
    }

    fn now(&self) -> Instant {
        Instant::from_micros(1_700_000_000_000_000).plus(self.start.elapsed())
    }
}

/// A running sandbox.
struct Bench {
    desk: Arc<TestDesk>,
    phones: Arc<Phones>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Bench {
    fn start() -> Self {
        Self::with(TestDesk::new(), sandbox::Config::default(), watch::channel(false).0)
    }

    fn with(desk: TestDesk, config: sandbox::Config, stop: watch::Sender<bool>) -> Self {
        let (desk, phones) = (Arc::new(desk), Arc::new(Phones::default()));
        let run =
            sandbox::run(config, Arc::clone(&desk) as _, Arc::clone(&phones), stop.subscribe());
        Self { task: tokio::spawn(run), desk, phones, stop }
    }

    /// Lets the paused clock run on.
    async fn pass(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }

    async fn stop(self) -> Arc<TestDesk> {
        self.stop.send_replace(true);
        self.task.await.unwrap();
        self.desk
    }

    /// Sends one part to magic number `nn`, again at every `Deferred` or `Unknown` as an engine
    /// would, and gives what was seen after `span`.
    async fn play(nn: u8, span: Duration) -> (Vec<(Duration, Seen)>, Arc<Phones>) {
        let bench = Self::start();
        let end = Tick::now() + span;
        let mut answered = 0;
        bench.desk.give([attempt(1, magic(nn), "hola", 1)]);
        while Tick::now() < end {
            bench.pass(Duration::from_millis(10)).await;
            let reports: Vec<Report> = bench.reports();
            for report in &reports[answered..] {
                let again = match &report.outcome {
                    Outcome::Deferred { tries_max, .. } => {
                        tries_max.is_none_or(|max| report.try_number <= max)
                    }
                    Outcome::Unknown { .. } => true,
                    _ => false,
                };
                if again {
                    bench.desk.give([attempt(1, magic(nn), "hola", report.try_number + 1)]);
                }
            }
            answered = reports.len();
        }
        let seen = bench.desk.seen();
        let phones = Arc::clone(&bench.phones);
        bench.stop().await;
        (seen, phones)
    }

    fn reports(&self) -> Vec<Report> {
        reports(&self.desk.seen())
    }
}

fn magic(nn: u8) -> Phone {
    Phone::from_stored(34_699_000_000 + u64::from(nn))
}

fn body(text: &str, split: bool) -> Arc<SmsBody> {
    let cut = Cut { encoding: Encoding::Gsm, tables: TableChoice::Auto, split };
    let segmented = segment(text, cut).unwrap();
    Arc::new(SmsBody { from: Sender::parse("pombo").unwrap(), segmented, flash: false })
}

fn attempt(message: i64, to: Phone, text: &str, try_number: u8) -> Attempt {
    attempt_of(message, to, body(text, false), try_number)
}

fn attempt_of(message: i64, to: Phone, body: Arc<SmsBody>, try_number: u8) -> Attempt {
    let parts = u16::try_from((1_u32 << body.segmented.n_parts()) - 1).unwrap();
    Attempt {
        message: MessageId(message),
        to,
        body,
        concat_ref: 7,
        parts,
        try_number,
        expires: None,
    }
}

fn reports(seen: &[(Duration, Seen)]) -> Vec<Report> {
    let report = |(_, seen): &(_, Seen)| match seen {
        Seen::Report(report) => Some(report.clone()),
        _ => None,
    };
    seen.iter().filter_map(report).collect()
}

fn receipts(seen: &[(Duration, Seen)]) -> Vec<(Duration, Receipt)> {
    let receipt = |(at, seen): &(Duration, Seen)| match seen {
        Seen::Receipt(receipt) => Some((*at, receipt.clone())),
        _ => None,
    };
    seen.iter().filter_map(receipt).collect()
}

fn accepted_id(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Accepted { carrier_id } => carrier_id,
        other => panic!("not accepted: {other:?}"),
    }
}

/// The words of the receipts, and whether the handset shows the message.
async fn told(nn: u8, span_s: u64) -> (Vec<&'static str>, bool) {
    let (seen, phones) = Bench::play(nn, Duration::from_secs(span_s)).await;
    let words = receipts(&seen).into_iter().map(|(_, receipt)| receipt.word).collect();
    (words, !phones.snapshot().is_empty())
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_number_is_delivered_within_two_seconds() {
    let bench = Bench::start();
    let to = Phone::from_stored(34_600_000_000);
    bench.desk.give([attempt(5, to, "hola, ¿qué tal?", 3)]);
    bench.pass(Duration::from_secs(2)).await;
    let seen = bench.desk.seen();
    let (report, (_, receipt)) = (&reports(&seen)[0], &receipts(&seen)[0]);
    assert_eq!((report.part, report.try_number), (MessageId(5).part(0), 3));
    assert_eq!(receipt.carrier_id, accepted_id(report));
    assert_eq!((receipt.state, receipt.word), (PartState::Delivered, "DELIVRD"));
    assert_eq!(receipt.addresses[0], "34600000000");
    assert_eq!(receipt.text, "hola, ¿qué tal?");
    assert_eq!(bench.phones.snapshot()[0].messages[0].text, "hola, ¿qué tal?");
    assert_eq!(seen.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_words_of_each_magic_number_are_those_of_the_table() {
    let table: &[(u8, u64, &[&str], bool)] = &[
        (0, 1, &["DELIVRD"], true),
        (1, 2, &["DELIVRD"], true),
        (2, 2, &["UNDELIV"], false),
        (3, 2, &["EXPIRED"], false),
        (4, 2, &["REJECTD"], false),
        (5, 5, &[], false),
        (6, 5, &["DELIVRD"], true),
        (7, 9, &["DELIVRD"], true),
        (8, 29, &[], true),
        (8, 31, &["DELIVRD"], true),
        (9, 2, &["DELIVRD", "DELIVRD"], true),
        (10, 2, &["DELIVRD"], true),
        (11, 120, &[], true),
        (12, 2, &["DELIVRD"], true),
        (13, 5, &["DELIVRD"], true),
        (14, 3, &["UNKNOWN", "DELIVRD"], true),
        (15, 3, &["ACCEPTD", "DELIVRD"], true),
        (16, 2, &["DELETED"], false),
        (17, 3, &["EXPIRED", "DELIVRD"], true),
        (18, 9, &[], false),
    ];
    for &(nn, span_s, words, shows) in table {
        assert_eq!(told(nn, span_s).await, (words.to_vec(), shows), "{nn:02} after {span_s} s");
    }
    let documented = MAGIC.iter().map(|row| row.0);
    assert!(documented.eq((0..=18).filter(|nn| table.iter().any(|row| row.0 == *nn))));
}

#[tokio::test(start_paused = true)]
async fn each_receipt_leaves_at_its_time() {
    for (nn, after_ms) in [(0, 0), (1, 1_000), (2, 300), (8, 30_000)] {
        let (seen, _) = Bench::play(nn, Duration::from_secs(31)).await;
        let (at, _) = receipts(&seen)[0];
        let due = Duration::from_millis(after_ms);
        assert!(at >= due && at < due + Duration::from_millis(50), "{nn:02}: {at:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn states_and_errors_come_with_their_words() {
    use PartState::*;
    let table = [
        (2, vec![(Undelivered, "27")]),
        (3, vec![(Expired, "")]),
        (4, vec![(Rejected, "1")]),
        (14, vec![(Undelivered, ""), (Delivered, "")]),
        (15, vec![(Sent, ""), (Delivered, "")]),
        (16, vec![(Undelivered, "")]),
        (17, vec![(Expired, ""), (Delivered, "")]),
    ];
    for (nn, expected) in table {
        let (seen, _) = Bench::play(nn, Duration::from_secs(3)).await;
        let receipts = receipts(&seen);
        let told: Vec<_> = receipts.iter().map(|(_, r)| (r.state, r.error.as_str())).collect();
        assert_eq!(told, expected, "{nn:02}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final_and_named() {
    let (seen, _) = Bench::play(5, Duration::from_secs(5)).await;
    let [report] = &reports(&seen)[..] else { panic!("{seen:?}") };
    let Outcome::Refused { state, cause } = &report.outcome else { panic!("{report:?}") };
    assert_eq!((state, cause.text.as_str()), (&PartState::Rejected, "ESME_RINVDSTADR"));
}

#[tokio::test(start_paused = true)]
async fn throttling_asks_for_less_speed_and_costs_no_try() {
    let (seen, _) = Bench::play(6, Duration::from_secs(5)).await;
    let reports = reports(&seen);
    assert!(matches!(&reports[0].outcome, Outcome::Deferred { tries_max: None, .. }));
    assert!(matches!(&reports[1].outcome, Outcome::Accepted { .. }));
    let n_throttled = seen.iter().filter(|(_, seen)| *seen == Seen::Throttled).count();
    assert_eq!((reports.len(), n_throttled), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn temporary_errors_end_after_two_tries_or_never() {
    let outcomes = |seen: &[_]| {
        let accepted = |report: &Report| matches!(report.outcome, Outcome::Accepted { .. });
        reports(seen).iter().map(accepted).collect::<Vec<_>>()
    };
    let (seen, _) = Bench::play(7, Duration::from_secs(9)).await;
    assert_eq!(outcomes(&seen), [false, false, true]);
    let (seen, _) = Bench::play(18, Duration::from_secs(9)).await;
    assert_eq!(outcomes(&seen), [false, false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_can_overtake_the_response() {
    let (seen, _) = Bench::play(10, Duration::from_secs(2)).await;
    let [(_, Seen::Receipt(receipt)), (_, Seen::Report(report))] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!(receipt.carrier_id, accepted_id(report));
}

#[tokio::test(start_paused = true)]
async fn a_receipt_can_spell_the_id_in_another_way() {
    let (seen, _) = Bench::play(12, Duration::from_secs(2)).await;
    let id: u64 = accepted_id(&reports(&seen)[0]).parse().unwrap();
    assert_eq!(receipts(&seen)[0].1.carrier_id, format!("{id:020}"));
}

#[tokio::test(start_paused = true)]
async fn silence_is_unknown_and_the_message_got_lost() {
    let (seen, phones) = Bench::play(13, Duration::from_secs(5)).await;
    let reports = reports(&seen);
    assert!(matches!(&reports[0].outcome, Outcome::Unknown { .. }));
    assert!(matches!(&reports[1].outcome, Outcome::Accepted { .. }));
    assert_eq!(phones.snapshot()[0].messages.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_part_has_its_own_id_report_and_receipt() {
    let bench = Bench::start();
    bench.desk.give([attempt(9, Phone::from_stored(34_600_000_001), &"a".repeat(400), 1)]);
    bench.pass(Duration::from_secs(2)).await;
    let seen = bench.desk.seen();
    let ids: Vec<String> = reports(&seen).iter().map(|r| accepted_id(r).to_owned()).collect();
    let told: Vec<String> = receipts(&seen).into_iter().map(|(_, r)| r.carrier_id).collect();
    assert_eq!(ids, told);
    assert_eq!(ids.len(), 3);
    let message = &bench.phones.snapshot()[0].messages[0];
    assert_eq!((message.text.len(), message.is_pending()), (400, false));
}

#[tokio::test(start_paused = true)]
async fn only_the_parts_asked_for_are_sent() {
    let bench = Bench::start();
    let mut some = attempt(9, Phone::from_stored(34_600_000_001), &"a".repeat(400), 1);
    some.parts = 0b101;
    bench.desk.give([some]);
    bench.pass(Duration::from_secs(2)).await;
    let parts: Vec<_> = bench.reports().iter().map(|report| report.part.idx()).collect();
    assert_eq!(parts, [0, 2]);
    assert!(bench.phones.snapshot()[0].messages[0].is_pending());
}

#[tokio::test(start_paused = true)]
async fn what_the_desk_could_not_keep_comes_again() {
    let bench = Bench::start();
    *bench.desk.fail.lock().unwrap() = 2;
    bench.desk.give([attempt(1, magic(0), "hola", 1)]);
    bench.pass(Duration::from_secs(5)).await;
    assert_eq!(receipts(&bench.desk.seen()).len(), 1);
    assert_eq!(bench.phones.snapshot()[0].messages.len(), 1, "the handset gets it once");
}

#[tokio::test(start_paused = true)]
async fn what_it_owes_is_bounded() {
    let config = sandbox::Config { owed_max: 10, ..sandbox::Config::default() };
    let bench = Bench::with(TestDesk::new(), config, watch::channel(false).0);
    bench.desk.give((0..25).map(|n| attempt(n, magic(8), "hola", 1)));
    bench.pass(Duration::from_millis(200)).await;
    assert!(bench.reports().len() < 15, "{}", bench.reports().len());
    bench.pass(Duration::from_secs(240)).await;
    assert_eq!(receipts(&bench.desk.seen()).len(), 25, "and all get their turn");
}

#[tokio::test(start_paused = true)]
async fn a_stop_sends_at_once_what_is_owed_and_says_so() {
    let bench = Bench::start();
    bench.desk.give([8, 10, 13, 11].map(|nn| attempt(nn.into(), magic(nn), "hola", 1)));
    bench.pass(Duration::from_millis(100)).await;
    let desk = bench.stop().await;
    let seen = desk.seen();
    assert_eq!(reports(&seen).len(), 4, "each attempt is reported once");
    assert_eq!(receipts(&seen).len(), 2);
    let links = desk.links.lock().unwrap().clone();
    assert!(matches!(links[..], [LinkState::Up, LinkState::Down { misconfigured: false, .. }]));
}

#[tokio::test(start_paused = true)]
async fn a_stop_reports_everything_even_where_nothing_can_be_kept() {
    let bench = Bench::start();
    *bench.desk.fail.lock().unwrap() = usize::MAX;
    bench.desk.give([8, 10, 13, 11].map(|nn| attempt(nn.into(), magic(nn), "hola", 1)));
    bench.pass(Duration::from_millis(100)).await;
    let seen = bench.stop().await.seen();
    assert_eq!((reports(&seen).len(), receipts(&seen).len()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn work_that_comes_with_the_stop_is_given_back_unsent() {
    let stop = watch::channel(false).0;
    let desk = TestDesk { stop_at_work: Some(stop.clone()), ..TestDesk::new() };
    let bench = Bench::with(desk, sandbox::Config::default(), stop);
    bench.desk.give([attempt(1, magic(0), &"a".repeat(200), 4)]);
    bench.pass(Duration::from_millis(1)).await;
    let seen = bench.stop().await.seen();
    let reports = reports(&seen);
    assert_eq!((seen.len(), reports.len()), (2, 2));
    assert!(reports.iter().all(|r| r.outcome == Outcome::Unsent && r.try_number == 4));
}

#[tokio::test(start_paused = true)]
async fn a_stop_before_any_work_ends_it() {
    let bench = Bench::start();
    drop(bench.stop);
    bench.task.await.unwrap();
    assert!(bench.desk.seen().is_empty());
}

/// Not a promise of a time: a figure to read.
#[tokio::test]
#[ignore = "a measurement"]
async fn measure_the_cost_of_a_part() {
    const PARTS: i64 = 200_000;
    let bench = Bench::start();
    let body = body("hola, ¿qué tal?", false);
    let to = |n: i64| Phone::from_stored(34_600_000_000 + u64::try_from(n).unwrap());
    let work: Vec<_> = (0..PARTS).map(|n| attempt_of(n, to(n), Arc::clone(&body), 1)).collect();
    let start = Tick::now();
    bench.desk.give(work);
    while bench.desk.seen.lock().unwrap().len() < 2 * usize::try_from(PARTS).unwrap() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let spent = start.elapsed().as_nanos() / u128::try_from(PARTS).unwrap();
    println!("{spent} ns a part, accepted, shown and delivered");
    bench.stop().await;
}
