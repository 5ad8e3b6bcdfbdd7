//! The callback caller against real sockets: fair, patient, frugal with connections.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pombo_channels::callback::{CallFailed, Caller, Config, Content};
use pombo_peers::sink::{Answer, Behaviour, Sink};
use tokio::task::JoinSet;

fn open() -> Config {
    Config { allow_private_networks: true, ..Config::default() }
}

fn caller() -> Caller {
    Caller::new(open())
}

fn recording(answer: Answer) -> Sink {
    Sink::start(Behaviour::recording(answer))
}

fn raw(text: &'static str) -> Answer {
    Answer::Raw(text.as_bytes().into())
}

/// An address where nothing listens.
async fn dead() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn a_get_carries_path_query_host_and_credentials_and_brings_the_status() {
    let sink = recording(Answer::Status(200));
    let url = format!("http://me:pass@{}/dlr?id=7&d=1#part", sink.addr);
    assert_eq!(caller().get(&url).await, Ok(200));
    let hit = sink.hits().remove(0);
    assert_eq!(hit.target, "/dlr?id=7&d=1");
    let headers = hit.headers.to_lowercase();
    assert!(headers.contains(&format!("host: {}\r\n", sink.addr)), "{headers}");
    assert!(headers.contains("user-agent: pombo/"), "{headers}");
    assert!(hit.headers.contains("Basic bWU6cGFzcw=="), "{headers}");
}

#[tokio::test]
async fn a_post_carries_its_body_and_headers_and_shares_the_connection() {
    let sink = recording(Answer::Status(200));
    let caller = caller();
    let content = Content {
        media_type: "application/json",
        headers: vec![("webhook-id", "evt_1".into()), ("webhook-odd", "a\nb".into())],
        body: "{\"a\":1}".into(),
    };
    assert_eq!(caller.post(&sink.url("/events"), content.clone()).await, Ok(200));
    assert_eq!(caller.post(&sink.url("/events"), content).await, Ok(200));
    assert_eq!(caller.get(&sink.url("/dlr")).await, Ok(200));
    let hit = sink.hits().remove(1);
    assert_eq!((hit.target.as_str(), hit.body.as_str()), ("/events", "{\"a\":1}"));
    assert_eq!(hit.header("content-type"), Some("application/json"));
    assert_eq!(hit.header("webhook-id"), Some("evt_1"));
    assert_eq!(hit.header("webhook-odd"), None, "it cannot be written");
    assert_eq!((sink.count(), sink.connections()), (3, 1));
}

#[tokio::test]
async fn every_status_is_given_back_as_it_is() {
    let choose = |_, target: &str| Answer::Status(target[1..].parse().unwrap());
    let sink =
        Sink::start(Behaviour { answer: Answer::Choose(Arc::new(choose)), ..Behaviour::default() });
    let caller = caller();
    for status in [200, 201, 204, 301, 304, 400, 404, 410, 500, 503, 599] {
        let url = sink.url(&format!("/{status}"));
        assert_eq!(caller.get(&url).await, Ok(status));
    }
    assert_eq!(sink.connections(), 1);
}

#[tokio::test]
async fn whoever_has_had_too_much_is_called_later() {
    let choose = |_, target: &str| match target {
        "/too-many" => Answer::Status(429),
        "/in-a-while" => Answer::Later(429, 7),
        _ => Answer::Later(503, 30),
    };
    let sink =
        Sink::start(Behaviour { answer: Answer::Choose(Arc::new(choose)), ..Behaviour::default() });
    let caller = caller();
    for (path, status, wait) in [
        ("/too-many", 429, None),
        ("/in-a-while", 429, Some(Duration::from_secs(7))),
        ("/closed", 503, Some(Duration::from_secs(30))),
    ] {
        let later = Err(CallFailed::Later { status, wait });
        assert_eq!(caller.get(&sink.url(path)).await, later);
    }
    assert_eq!(sink.connections(), 1, "it is not hung up on");
}

#[tokio::test]
async fn a_redirect_is_a_status_and_is_not_followed() {
    let other = recording(Answer::Status(200));
    let sink = recording(Answer::Redirect(other.url("/elsewhere")));
    assert_eq!(caller().get(&sink.url("/")).await, Ok(302));
    assert_eq!((sink.count(), other.count()), (1, 0));
}

#[tokio::test]
async fn one_after_the_other_share_one_connection() {
    let sink = recording(Answer::Body(10_000));
    let caller = caller();
    for _ in 0..50 {
        assert_eq!(caller.clone().get(&sink.url("/")).await, Ok(200));
    }
    assert_eq!((sink.count(), sink.connections()), (50, 1));
}

#[tokio::test]
async fn thousands_at_once_use_few_connections_and_all_arrive() {
    let sink = Sink::start(Behaviour::default());
    let caller = Caller::new(Config { connections_per_host: 8, queue_per_host: 5_000, ..open() });
    let mut calls = JoinSet::new();
    for n in 0..3_000 {
        let (caller, url) = (caller.clone(), sink.url(&format!("/{n}")));
        calls.spawn(async move { caller.get(&url).await });
    }
    assert!(calls.join_all().await.iter().all(|called| *called == Ok(200)));
    assert_eq!(sink.count(), 3_000);
    assert!(sink.connections() <= 8, "{}", sink.connections());
}

#[tokio::test]
async fn a_host_that_hangs_delays_no_other() {
    let hanging = Sink::start(Behaviour { answer: Answer::Hang, ..Behaviour::default() });
    let good = Sink::start(Behaviour::default());
    let caller = Caller::new(Config { connections_per_host: 2, ..open() });
    let mut stuck = JoinSet::new();
    for _ in 0..100 {
        let (caller, url) = (caller.clone(), hanging.url("/"));
        stuck.spawn(async move { caller.get(&url).await });
    }
    while hanging.count() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for _ in 0..100 {
        assert_eq!(caller.get(&good.url("/")).await, Ok(200));
    }
    assert!(stuck.try_join_next().is_none(), "the hanging calls still hang");
    assert_eq!(hanging.count(), 2, "no more than its connections");
}

#[tokio::test]
async fn beyond_the_queue_of_a_host_a_call_is_refused_at_once_and_in_it_after_a_while() {
    let hanging = Sink::start(Behaviour { answer: Answer::Hang, ..Behaviour::default() });
    let caller = Caller::new(Config {
        connections_per_host: 1,
        queue_per_host: 1,
        queue_timeout: Duration::from_millis(50),
        ..open()
    });
    let first = tokio::spawn({
        let (caller, url) = (caller.clone(), hanging.url("/"));
        async move { caller.get(&url).await }
    });
    while hanging.count() < 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let url = hanging.url("/");
    let (queued, beyond) = tokio::join!(caller.get(&url), caller.get(&url));
    assert_eq!((queued, beyond), (Err(CallFailed::Busy), Err(CallFailed::Busy)));
    assert_eq!(hanging.count(), 1);
    first.abort();
    let _ = first.await;
    hanging.set(Behaviour::default());
    assert_eq!(caller.get(&url).await, Ok(200), "an ended call gives its turn back");
}

#[tokio::test]
async fn a_status_that_does_not_come_in_time_is_a_timeout() {
    let sink = Sink::start(Behaviour { answer: Answer::Hang, ..Behaviour::default() });
    let caller = Caller::new(Config { request_timeout: Duration::from_millis(50), ..open() });
    assert_eq!(caller.get(&sink.url("/")).await, Err(CallFailed::Timeout));
    sink.set(Behaviour::default());
    assert_eq!(caller.get(&sink.url("/")).await, Ok(200));
}

#[tokio::test]
async fn a_dead_host_and_a_dead_name_are_told_in_words() {
    let refused = caller().get(&format!("http://{}/", dead().await)).await.unwrap_err();
    assert!(matches!(refused, CallFailed::Connect(_)), "{refused}");
    // A resolver may say no, or say nothing: both are a failed look-up.
    let hasty = Caller::new(Config { connect_timeout: Duration::from_millis(200), ..open() });
    let unknown = hasty.get("http://no-such-host.invalid/").await.unwrap_err();
    assert!(matches!(unknown, CallFailed::Dns(_)), "{unknown}");
}

#[tokio::test]
async fn a_huge_body_costs_the_connection_and_not_the_call() {
    let sink = recording(Answer::Body(1 << 20));
    let caller = caller();
    assert_eq!(caller.get(&sink.url("/")).await, Ok(200));
    assert_eq!(caller.get(&sink.url("/")).await, Ok(200));
    assert_eq!(sink.connections(), 2);
}

#[tokio::test]
async fn a_body_without_end_is_read_up_to_its_limit_only() {
    let chunks = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", {
        let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
        chunk.repeat(20)
    });
    let sink = recording(Answer::Raw(chunks.into()));
    assert_eq!(caller().get(&sink.url("/")).await, Ok(200));
}

#[tokio::test]
async fn an_answer_cut_in_its_body_counts_by_its_status() {
    let sink = recording(raw("HTTP/1.1 201 X\r\ncontent-length: 100\r\n\r\nonly this"));
    let caller = caller();
    assert_eq!(caller.get(&sink.url("/")).await, Ok(201));
    assert_eq!(caller.get(&sink.url("/")).await, Ok(201));
    assert_eq!(sink.connections(), 2);
}

#[tokio::test]
async fn garbage_and_half_answers_fail_without_a_second_try() {
    let sink = recording(raw("SSH-2.0-OpenSSH_9.6\r\n"));
    let garbage = caller().get(&sink.url("/")).await.unwrap_err();
    assert!(matches!(garbage, CallFailed::BadAnswer(_)), "{garbage}");
    sink.set(Behaviour::recording(raw("HTTP/1.1 200 OK\r\ncontent-le")));
    assert_eq!(caller().get(&sink.url("/")).await, Err(CallFailed::Closed));
    sink.set(Behaviour::recording(Answer::Close));
    assert_eq!(caller().get(&sink.url("/")).await, Err(CallFailed::Closed));
    assert_eq!(sink.count(), 3);
}

#[tokio::test]
async fn an_idle_connection_that_died_costs_one_more_try_at_once() {
    // Closes on the connection's second request, before any byte: what a server does whose
    // keep-alive time ends just then.
    let choose = |n, _: &str| if n == 1 { Answer::Close } else { Answer::Status(200) };
    let sink = Sink::start(Behaviour::recording(Answer::Choose(Arc::new(choose))));
    let caller = caller();
    assert_eq!(caller.get(&sink.url("/0")).await, Ok(200));
    assert_eq!(caller.get(&sink.url("/1")).await, Ok(200));
    assert_eq!(sink.targets(), ["/0", "/1", "/1"]);
    assert_eq!(sink.connections(), 2);
}

#[tokio::test]
async fn a_reused_connection_cut_inside_its_answer_is_not_tried_again() {
    let choose = |n, _: &str| if n == 1 { raw("HTTP/1.1 2") } else { Answer::Status(200) };
    let sink = Sink::start(Behaviour::recording(Answer::Choose(Arc::new(choose))));
    let caller = caller();
    assert_eq!(caller.get(&sink.url("/0")).await, Ok(200));
    assert_eq!(caller.get(&sink.url("/1")).await, Err(CallFailed::Closed));
    assert_eq!(sink.count(), 2);
}

#[tokio::test]
async fn a_server_that_restarts_between_two_calls_is_not_noticed() {
    let sink = recording(Answer::Status(200));
    let (addr, caller) = (sink.addr, caller());
    assert_eq!(caller.get(&sink.url("/")).await, Ok(200));
    sink.stop();
    let sink = Sink::start_at(addr, Behaviour::recording(Answer::Status(204)));
    assert_eq!(caller.get(&sink.url("/")).await, Ok(204));
}

#[tokio::test]
async fn a_connection_that_the_server_wants_closed_is_not_used_again() {
    let sink = recording(Answer::Last(200));
    let caller = caller();
    assert_eq!(caller.get(&sink.url("/")).await, Ok(200));
    assert_eq!(caller.get(&sink.url("/")).await, Ok(200));
    assert_eq!((sink.count(), sink.connections()), (2, 2));
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_a_while() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let caller = Caller::new(Config { idle_timeout: Duration::from_millis(50), ..open() });
    let server = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let _ = tcp.read(&mut request).await.unwrap();
        tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        tcp.read(&mut request).await.unwrap()
    });
    assert_eq!(caller.get(&url).await, Ok(200));
    assert_eq!(server.await.unwrap(), 0, "the end of the connection, and no more bytes");
}

#[tokio::test]
async fn what_is_no_tls_fails_as_tls() {
    use tokio::io::AsyncWriteExt as _;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        tcp
    });
    let failed = caller().get(&url).await.unwrap_err();
    assert!(matches!(failed, CallFailed::Tls(_)), "{failed}");
    drop(server.await.unwrap());
}

/// Not a promise of a time: a figure to read. `cargo test --release -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn measure_the_cost_of_a_get() {
    const CALLS: u32 = 200_000;
    const TASKS: u32 = 16;
    let sink = Sink::start(Behaviour::default());
    let caller = caller();
    let url = sink.url("/dlr?id=123456789012&estado=1&tel=34699000000&part=1");
    let (cpu, wall) = (thread_cpu(), tokio::time::Instant::now());
    let mut calls = JoinSet::new();
    for _ in 0..TASKS {
        let (caller, url) = (caller.clone(), url.clone());
        calls.spawn(async move {
            for _ in 0..CALLS / TASKS {
                assert_eq!(caller.get(&url).await, Ok(200));
            }
        });
    }
    calls.join_all().await;
    let per_call = |span: Duration| span.as_nanos() / u128::from(CALLS);
    println!(
        "{} ns of caller CPU, {} ns of time a GET; {} connections",
        per_call(thread_cpu() - cpu),
        per_call(wall.elapsed()),
        sink.connections()
    );
}

/// CPU time of this thread, which runs the caller alone.
fn thread_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}
