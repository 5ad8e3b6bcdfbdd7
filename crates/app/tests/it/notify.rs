//! Callbacks: one for each end, again when they fail, in order, and no host in another's way.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use pombo_app::auth::Caller;
use pombo_app::clock::Clock;
use pombo_app::usecase::send::{Callbacks, SendSms, Text};
use pombo_app::{Config, notify};
use pombo_domain::callback::Template;
use pombo_domain::channel::{Arrival, BoxFuture};
use pombo_domain::id::MessageId;
use pombo_domain::money::Money;
use pombo_domain::time::Instant;
use pombo_store::operation::callback_due::{Deferred, Due, Endpoint};

use crate::carrier::{Carrier, Says, delivered};
use crate::house::{Folder, House, NOON, a_while, long_text, route, sms, until};

/// How a host behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Host {
    Answers(u16),
    Refuses,
    Hangs,
    /// Too many calls wait for it.
    IsCrowded,
    /// It asks to come again after so many seconds.
    IsSated(u64),
    /// Answers every third request with 500, the others with 200.
    Flaky,
}

/// Hosts that do as told, and what they were asked.
#[derive(Default)]
pub(crate) struct Sink {
    hosts: Mutex<HashMap<String, Host>>,
    seen: Mutex<Vec<String>>,
    letters: Mutex<Vec<(String, notify::Letter)>>,
    n_flaky: AtomicU64,
    this: Weak<Self>,
    /// The letters that were taken.
    taken: Mutex<Vec<notify::Letter>>,
}

impl Sink {
    fn path(&self, name: &str, path: &str, host: Host) {
        self.host(&format!("{name}{path}"), host);
    }

    pub(crate) fn host(&self, name: &str, host: Host) {
        self.hosts.lock().unwrap().insert(name.into(), host);
    }

    /// The letters that were taken, in order.
    pub(crate) fn taken(&self) -> Vec<notify::Letter> {
        self.taken.lock().unwrap().clone()
    }

    /// The letters to a host, in order.
    pub(crate) fn letters(&self, host: &str) -> Vec<notify::Letter> {
        let start = format!("http://{host}/");
        let letters = self.letters.lock().unwrap();
        let told = letters.iter().filter(|(url, _)| url.starts_with(&start));
        told.map(|(_, letter)| letter.clone()).collect()
    }

    /// The requests to a host, in order.
    pub(crate) fn seen(&self, host: &str) -> Vec<String> {
        let start = format!("http://{host}/");
        let seen = self.seen.lock().unwrap();
        let told = seen.iter().filter_map(|url| url.strip_prefix(&start));
        told.map(|told| told.trim_start_matches('?').to_owned()).collect()
    }
}

impl Sink {
    fn answer(&self, url: &str) -> BoxFuture<'static, Result<u16, notify::Unanswered>> {
        let name = url.split('/').nth(2).unwrap().to_owned();
        let path = url.trim_start_matches("http://").to_owned();
        let hosts = self.hosts.lock().unwrap();
        let of_path = hosts.iter().find(|(told, _)| path.starts_with(told.as_str()));
        let host = of_path.map(|(_, host)| *host);
        let host = host.or(hosts.get(&name).copied()).unwrap_or(Host::Answers(200));
        drop(hosts);
        let is_odd = || self.n_flaky.fetch_add(1, Ordering::Relaxed).is_multiple_of(3);
        let host = match host {
            Host::Flaky if is_odd() => Host::Answers(500),
            Host::Flaky => Host::Answers(200),
            host => host,
        };
        Box::pin(async move {
            match host {
                Host::Flaky => Err(notify::Unanswered::Failed("it is one or the other".into())),
                Host::Answers(status) => Ok(status),
                Host::Refuses => Err(notify::Unanswered::Failed("connection refused".into())),
                Host::IsCrowded => Err(notify::Unanswered::Unsent),
                Host::IsSated(seconds) => {
                    Err(notify::Unanswered::Later(Some(Duration::from_secs(seconds))))
                }
                Host::Hangs => std::future::pending().await,
            }
        })
    }
}

impl notify::Post for Sink {
    fn get(&self, url: String) -> BoxFuture<'static, Result<u16, notify::Unanswered>> {
        let answer = self.answer(&url);
        self.seen.lock().unwrap().push(url);
        answer
    }

    fn post(
        &self,
        url: String,
        letter: notify::Letter,
    ) -> BoxFuture<'static, Result<u16, notify::Unanswered>> {
        let answer = self.answer(&url);
        let taken = letter.clone();
        self.letters.lock().unwrap().push((url, letter));
        let sink = self.this.upgrade().unwrap();
        Box::pin(async move {
            let answer = answer.await;
            if answer == Ok(200) {
                sink.taken.lock().unwrap().push(taken);
            }
            answer
        })
    }
}

pub(crate) async fn told(submitted: bool) -> (House, Caller, Arc<Sink>) {
    on(Arc::new(Folder::new()), submitted).await
}

pub(crate) async fn on(folder: Arc<Folder>, submitted: bool) -> (House, Caller, Arc<Sink>) {
    let config = Config {
        sms_default_price: Money::ZERO,
        sms_certified_price: Money::ZERO,
        public_url: "https://sms.example.com".into(),
        callbacks_submitted: submitted,
        otp_limits: pombo_domain::otp::Guard::default(),
        choose: pombo_domain::route::Choose::Priority,
        countries: pombo_domain::country::Rules::default(),
        routes: vec![route("a")],
    };
    let house = House::with(folder, Clock::held(NOON), config).await;
    let sink = Arc::new_cyclic(|this| Sink { this: Weak::clone(this), ..Sink::default() });
    house.app.start_notifier(Arc::clone(&sink) as Arc<dyn notify::Post>);
    let caller = house.account("one").await;
    (house, caller, sink)
}

/// A request whose callbacks tell the report, the part and the recipient.
fn to(host: &str, n: usize) -> SendSms {
    let template = Template::parse(&format!("http://{host}/?%d-%n-%i")).unwrap();
    SendSms { callbacks: Callbacks::One(template), ..sms(n) }
}

pub(crate) async fn delivers(house: &House, id: MessageId, parts: std::ops::Range<u8>) {
    let desk = house.desk("a");
    let to = pombo_domain::address::Phone::from_digits(34_600_000_000).unwrap();
    let receipt = |idx| Arrival::Receipt(delivered(&id.part(idx).to_string(), to, desk.now()));
    desk.received(parts.map(receipt).collect()).await.unwrap();
}

pub(crate) fn minutes(n: u64) -> Instant {
    NOON.plus(Duration::from_secs(60 * n))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_and_each_end_is_told_once_and_acceptance_is_not() {
    let (house, caller, sink) = told(false).await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    let send = SendSms { text: Text::Same(long_text()), ..to("sink.example", 1) };
    let id = house.send(&caller, send).await[0];
    until("it is sent", || carrier.n_taken() == 3).await;
    delivers(&house, id, 0..3).await;
    delivers(&house, id, 0..3).await;
    until("three are told", || sink.seen("sink.example").len() == 3).await;
    a_while().await;
    let mut seen = sink.seen("sink.example");
    seen.sort();
    assert_eq!(seen, [1, 2, 3].map(|part| format!("1-{part}-{id}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn acceptance_is_told_before_the_end_where_that_is_asked_for() {
    let (house, caller, sink) = told(true).await;
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    let ids = house.send(&caller, to("sink.example", 1)).await;
    house.until_event(&caller, ids[0], pombo_domain::message::EventKind::Sent).await;
    delivers(&house, ids[0], 0..1).await;
    until("both are told", || sink.seen("sink.example").len() == 2).await;
    assert_eq!(sink.seen("sink.example"), [4, 1].map(|d| format!("{d}-1-{}", ids[0])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_4_is_not_repeated_after_the_end() {
    let (house, caller, sink) = told(true).await;
    sink.host("sink.example", Host::Answers(500));
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    let id = house.send(&caller, to("sink.example", 1)).await[0];
    filed(&house, minutes(1)).await;
    sink.host("sink.example", Host::Answers(200));
    delivers(&house, id, 0..1).await;
    until("the end is told", || sink.seen("sink.example").len() == 2).await;
    house.clock.move_to(minutes(1));
    none_filed(&house).await;
    assert_eq!(sink.seen("sink.example"), [4, 1].map(|d| format!("{d}-1-{id}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_not_told_while_a_4_is_repeated_and_is_safe_meanwhile() {
    let (house, caller, sink) = told(true).await;
    sink.host("sink.example", Host::Answers(500));
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    let id = house.send(&caller, to("sink.example", 1)).await[0];
    filed(&house, minutes(1)).await;
    sink.host("sink.example", Host::Hangs);
    house.clock.move_to(minutes(1));
    until("it is repeated", || sink.seen("sink.example").len() == 2).await;
    delivers(&house, id, 0..1).await;
    let end = format!("1-1-{id}");
    let mut is_filed = false;
    for _ in 0..6_000 {
        is_filed = all_filed(&house).await.iter().any(|filed| filed.url.ends_with(&end));
        if is_filed {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(is_filed);
    assert_eq!(sink.seen("sink.example"), [4, 4].map(|d| format!("{d}-1-{id}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_callback_is_repeated_five_times_and_given_up() {
    let (house, caller, sink) = told(false).await;
    sink.host("sink.example", Host::Answers(500));
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Refuse);
    house.send(&caller, to("sink.example", 1)).await;
    let mut at = 0;
    for (tries, wait) in [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)] {
        until("it is tried", || sink.seen("sink.example").len() == tries).await;
        // Filed, so that its time counts from now.
        filed(&house, minutes(at + wait)).await;
        at += wait;
        house.clock.move_to(minutes(at));
    }
    until("the last try", || sink.seen("sink.example").len() == 6).await;
    none_filed(&house).await;
    house.clock.move_to(minutes(at + 60));
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(sink.seen("sink.example").len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_finds_too_many_waiting_for_its_host_goes_again_soon_and_it_is_no_try() {
    let (house, caller, sink) = told(false).await;
    sink.host("sink.example", Host::IsCrowded);
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Refuse);
    house.send(&caller, to("sink.example", 1)).await;
    // More often than there are tries.
    for second in 1..=6 {
        filed(&house, NOON.plus(Duration::from_secs(second))).await;
        assert_eq!(all_filed(&house).await[0].tries, 0);
        house.clock.move_to(NOON.plus(Duration::from_secs(second)));
    }
    until("it is tried seven times", || sink.seen("sink.example").len() == 7).await;
    sink.host("sink.example", Host::Answers(200));
    house.clock.move_to(NOON.plus(Duration::from_secs(7)));
    none_filed(&house).await;
    assert_eq!(sink.seen("sink.example").len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_asks_to_come_later_is_left_in_peace_until_then_and_loses_nothing() {
    let (house, caller, sink) = told(false).await;
    sink.host("sink.example", Host::IsSated(30));
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Refuse);
    house.send(&caller, to("sink.example", 100)).await;
    for round in 1..=8 {
        until("it is asked", || sink.seen("sink.example").len() >= 4 * round).await;
        while all_filed(&house).await.len() < 100 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(all_filed(&house).await.iter().all(|filed| filed.tries == 0), "it is no try");
        assert_eq!(sink.seen("sink.example").len(), 4 * round, "no more than were on their way");
        let seconds = u64::try_from(round).unwrap() * 31;
        house.clock.move_to(NOON.plus(Duration::from_secs(seconds)));
    }
    sink.host("sink.example", Host::Answers(200));
    house.clock.move_to(minutes(10));
    none_filed(&house).await;
    let told: HashSet<_> = sink.seen("sink.example").into_iter().collect();
    assert_eq!(told.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_day_to_be_asked_to_come_later_counts_as_a_try() {
    let (house, caller, sink) = told(false).await;
    sink.host("sink.example", Host::IsSated(3_600));
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Refuse);
    house.send(&caller, to("sink.example", 1)).await;
    filed(&house, minutes(60)).await;
    house.clock.move_to(minutes(25 * 60));
    filed(&house, minutes(25 * 60 + 1)).await;
    assert_eq!(all_filed(&house).await[0].tries, 1);
}

/// Everything that is filed.
pub(crate) async fn all_filed(house: &House) -> Vec<Deferred> {
    let mut found = Vec::new();
    let mut after = Some(Endpoint::first());
    while let Some(at) = after {
        let question = Due {
            now: NOON.plus(Duration::from_secs(864_000)),
            after: at,
            limit: usize::MAX,
            rooms: HashMap::new(),
            room: 100_000,
            busy: HashSet::new(),
            disabled: HashSet::new(),
        };
        let due = house.store.ask(question).await.unwrap();
        found.extend(due.callbacks.into_iter().map(|due| due.callback));
        after = due.next;
    }
    found
}

async fn next_due(house: &House) -> Option<Instant> {
    all_filed(house).await.iter().map(|filed| filed.due).min()
}

/// Waits until the next filed callback is due then.
pub(crate) async fn filed(house: &House, due: Instant) {
    for _ in 0..6_000 {
        if next_due(house).await == Some(due) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{due:?} is not next: {:?}", next_due(house).await);
}

pub(crate) async fn none_filed(house: &House) {
    for _ in 0..6_000 {
        if next_due(house).await.is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("still filed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_hangs_delays_no_other() {
    let (house, caller, sink) = told(false).await;
    sink.host("slow.example", Host::Hangs);
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Refuse);
    house.send(&caller, to("slow.example", 5_000)).await;
    house.send(&caller, to("quick.example", 50)).await;
    until("the quick host is told all", || sink.seen("quick.example").len() == 50).await;
    assert!(sink.seen("slow.example").len() <= 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_hangs_delays_no_other_of_its_host_and_no_other_account() {
    let (house, caller, sink) = told(false).await;
    sink.path("shared.example", "/slow", Host::Hangs);
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Refuse);
    house.send(&caller, to("shared.example/slow", 500)).await;
    house.send(&caller, to("shared.example/quick", 50)).await;
    let quick =
        |n| move |seen: Vec<String>| seen.iter().filter(|u| u.starts_with("quick/")).count() == n;
    until("the quick path is told all", || quick(50)(sink.seen("shared.example"))).await;
    let other = house.account("two").await;
    sink.path("shared.example", "/slow", Host::Answers(200));
    house.send(&other, to("shared.example/slow", 5)).await;
    until("the other account is told all", || {
        let seen = sink.seen("shared.example");
        seen.iter().filter(|url| url.starts_with("slow/")).count() >= 4 + 5
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_to_a_dead_host_are_filed_and_each_is_told_when_it_is_back() {
    const N: usize = 3_000;
    let (house, caller, sink) = told(false).await;
    sink.host("dead.example", Host::Refuses);
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Refuse);
    house.send(&caller, to("dead.example", N)).await;
    house.send(&caller, to("quick.example", 50)).await;
    until("the quick host is told all", || sink.seen("quick.example").len() == 50).await;
    until("all have failed", || house.row("a").queued == 0).await;
    let mut n_filed = 0;
    for _ in 0..6_000 {
        let filed = all_filed(&house).await;
        n_filed = filed.iter().filter(|filed| filed.endpoint.base.contains("dead.example")).count();
        if n_filed == N {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(n_filed, N);
    assert!(sink.seen("dead.example").len() < 1_000, "{}", sink.seen("dead.example").len());
    // It comes back within the hour: each of them is told.
    sink.host("dead.example", Host::Answers(204));
    house.clock.move_to(minutes(50));
    none_filed(&house).await;
    let told: HashSet<_> = sink.seen("dead.example").into_iter().collect();
    assert_eq!(told.len(), N);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_host_did_not_take_for_an_hour_is_given_up() {
    let (house, caller, sink) = told(false).await;
    sink.host("dead.example", Host::Refuses);
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Refuse);
    house.send(&caller, to("dead.example", 40)).await;
    let n_filed = async || all_filed(&house).await.len();
    for _ in 0..6_000 {
        if n_filed().await == 40 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    house.clock.move_to(minutes(120));
    // A few are tried once more, and show that it is dead; the others are not worth waiting for.
    for _ in 0..6_000 {
        if n_filed().await < 20 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{} are still filed", n_filed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_urls_refusals_cost_another_of_the_same_host_nothing() {
    let (house, caller, sink) = told(false).await;
    sink.host("shared.example", Host::Answers(404));
    let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Refuse);
    house.send(&caller, to("shared.example", 100)).await;
    until("all are tried", || sink.seen("shared.example").len() == 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_was_under_way_at_a_hard_stop_is_told_again() {
    let folder = Arc::new(Folder::new());
    let first = Arc::clone(&folder);
    let ids = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let ids = runtime.block_on(async {
            let (house, caller, sink) = on(first, false).await;
            sink.host("sink.example", Host::Hangs);
            let _carrier = Carrier::start(house.desk("a"), |_, _| Says::Refuse);
            let mut ids = house.send(&caller, to("other.example", 5)).await;
            until("some are told", || sink.seen("other.example").len() == 5).await;
            ids = [ids, house.send(&caller, to("sink.example", 4)).await].concat();
            until("all are under way", || sink.seen("sink.example").len() == 4).await;
            a_while().await;
            ids
        });
        drop(runtime);
        ids
    })
    .await
    .unwrap();
    let (_house, _caller, sink) = on(folder, false).await;
    until("all are told", || sink.seen("sink.example").len() == 4).await;
    let mut seen = sink.seen("sink.example");
    seen.sort();
    let mut expected: Vec<_> = ids[5..].iter().map(|id| format!("16-1-{id}")).collect();
    expected.sort();
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_before_a_clean_stop_is_not_told_again() {
    let (house, caller, sink) = told(false).await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Refuse);
    house.send(&caller, to("sink.example", 20)).await;
    until("all are told", || sink.seen("sink.example").len() == 20).await;
    let folder = Arc::clone(&house.folder);
    carrier.stop(&Says::Accept);
    house.app.stop(Duration::from_secs(10)).await;
    drop((house, caller));
    let (_house, _caller, sink) = on(folder, false).await;
    a_while().await;
    assert_eq!(sink.seen("sink.example").len(), 0);
}
