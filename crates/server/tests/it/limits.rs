//! Sizes: what is large is served, what is too large is refused, and nobody else is harmed.

use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use pombo_store::operation::Operation;
use pombo_store::{Error, Work};

use crate::house::{CREDENTIALS, House};

#[test]
fn a_hundred_thousand_recipients_go_in_one_request() {
    let house = House::with(|config| {
        config.prices.sms_default = pombo_domain::money::Money::from_micros(100);
    });
    let to: Vec<String> = (0..100_000).map(|n| format!("\"346000{n:05}\"")).collect();
    let json = format!(r#"{{"to":[{}],"from":"TEST","message":"x"}}"#, to.join(","));
    let answer = house.send(&json);
    assert_eq!(answer.status, 202);
    let answer = answer.json();
    let result = answer["result"].as_array().unwrap();
    assert_eq!(result.len(), 100_000);
    let number = |i: usize| result[i]["id"].as_str().unwrap().parse::<i64>().unwrap();
    assert_eq!(number(99_999) - number(0), 99_999, "one block of ids, in order");
    assert_eq!(result[99_999]["to"], "34600099999");
}

#[test]
fn a_body_beyond_the_limit_is_413() {
    let house = House::open();
    let head = format!(
        "POST /api/rest/sms HTTP/1.1\r\nHost: pombo\r\nAuthorization: {CREDENTIALS}\r\n\
         Content-Length: {}\r\n\r\n",
        (32 << 20) + 1
    );
    let mut stream = house.connect();
    stream.write_all(head.as_bytes()).unwrap();
    let mut start = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[test]
fn a_chunked_body_is_read() {
    let house = House::open();
    let json = r#"{"to":["34666555444"],"from":"TEST","message":"in chunks"}"#;
    let (one, two) = json.split_at(20);
    let raw = format!(
        "POST /api/rest/sms HTTP/1.1\r\nHost: pombo\r\nAuthorization: {CREDENTIALS}\r\n\
         Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
        one.len(),
        two.len()
    );
    let answer = String::from_utf8(house.raw(raw.as_bytes())).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

#[test]
fn octets_that_are_no_http_end_their_own_connection_only() {
    let house = House::open();
    for noise in
        [&b"\x00\x01\x02\r\n\r\n"[..], b"GET\r\n\r\n", b"POST /api/rest/sms HTTP/9.9\r\n\r\n"]
    {
        house.raw(noise);
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: pombo\r\n\r\n", "a".repeat(200_000));
    let answer = String::from_utf8_lossy(&house.raw(long.as_bytes())).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(house.call("GET", "/api/rest/account", "").status, 200);
}

#[test]
fn a_connection_carries_many_requests() {
    let house = House::open();
    let json = r#"{"to":["34666555444"],"from":"TEST","message":"again"}"#;
    let one = format!(
        "POST /api/rest/sms HTTP/1.1\r\nHost: pombo\r\nAuthorization: {CREDENTIALS}\r\n\
         Content-Length: {}\r\n\r\n{json}",
        json.len()
    );
    let last = one.replace("Host", "Connection: close\r\nHost");
    let answers = house.raw(format!("{one}{one}{last}").as_bytes());
    let answers = String::from_utf8(answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 202 Accepted").count(), 3, "{answers}");
}

#[test]
fn a_client_that_has_finished_speaking_still_gets_its_answer() {
    let house = House::open();
    let json = r#"{"to":["34666555444"],"from":"TEST","message":"over"}"#;
    let mut stream = house.connect();
    let request = format!(
        "POST /api/rest/sms HTTP/1.1\r\nHost: pombo\r\nAuthorization: {CREDENTIALS}\r\n\
         Content-Length: {}\r\n\r\n{json}",
        json.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer:?}");
}

#[test]
fn what_is_no_http_is_told_so() {
    let house = House::open();
    for (head, status) in [
        ("GET / HTTP/1.1\r\nHost: x\r\nX Y: 1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        ("GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n", 400),
    ] {
        assert_eq!(status_of(&house.raw(head.as_bytes())), status, "{head}");
    }
    let lines: String = (0..150).map(|n| format!("A{n}: 1\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
    assert_eq!(status_of(&house.raw(many.as_bytes())), 431);
}

fn status_of(answer: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(answer);
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

/// A command of so many rows that says when it begins, and takes until it is told to end.
struct Slow {
    rows: usize,
    begun: Sender<()>,
    until: Mutex<Receiver<()>>,
}

impl Operation for Slow {
    type Answer = ();

    fn rows(&self) -> usize {
        self.rows
    }

    fn run(&self, _work: &mut Work<'_>) -> Result<(), Error> {
        // Whoever listens or tells may have gone away: then it ends too.
        let _ = self.begun.send(());
        let _ = self.until.lock().unwrap().recv();
        Ok(())
    }
}

#[test]
fn while_too_much_waits_for_the_store_requests_are_429_and_what_was_taken_before_goes_on() {
    let house = House::open();
    let (tell, until) = channel();
    let (begun, begins) = channel();
    let slow = |rows, until| Slow { rows, begun: begun.clone(), until: Mutex::new(until) };
    let json = r#"{"to":["34666555444"],"from":"TEST","message":"busy"}"#;
    // More rows than whatever else may stand in the line.
    let to: Vec<String> = (0..100).map(|n| format!("346665550{n:02}")).collect();
    let many = format!(r#"{{"to":{to:?},"from":"TEST","message":"busy"}}"#);
    std::thread::scope(|threads| {
        let store = house.store.clone();
        let first = slow(1, until);
        threads.spawn(move || store.run_blocking(first));
        begins.recv().unwrap();
        // It stands in the line, before the next, and is taken.
        let before = threads.spawn(|| house.send(&many));
        wait_until(|| house.store.backlog() > 100);
        let store = house.store.clone();
        let (end, ended) = channel();
        let second = slow(200_001, ended);
        threads.spawn(move || store.run_blocking(second));
        wait_until(|| house.store.backlog() > 200_000);
        let refused = house.send(json);
        assert_eq!(refused.status, 429, "{}", refused.body);
        assert_eq!(refused.header("retry-after"), Some("1"));
        drop((tell, end));
        assert_eq!(before.join().unwrap().status, 202);
    });
    wait_until(|| house.store.backlog() == 0);
    assert_eq!(house.send(json).status, 202, "it goes on by itself");
}

fn wait_until(done: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("ten seconds have passed");
}

#[test]
fn bodies_that_are_too_large_together_are_429_and_those_on_their_way_are_read_on() {
    const LARGE: usize = 27 << 20;
    let house = House::open();
    let head = |bytes: usize| {
        format!(
            "POST /api/rest/sms HTTP/1.1\r\nHost: pombo\r\nAuthorization: {CREDENTIALS}\r\n\
             Connection: close\r\nContent-Length: {bytes}\r\n\r\n"
        )
    };
    let json = r#"{"to":["34666555444"],"from":"TEST","message":"large"}"#;
    // White space around JSON is nothing but bytes.
    let body = format!("{json}{}", " ".repeat(LARGE - json.len()));
    let mut on_their_way: Vec<_> = (0..2).map(|_| house.connect()).collect();
    for stream in &mut on_their_way {
        stream.write_all(head(LARGE).as_bytes()).unwrap();
        stream.write_all(&body.as_bytes()[..LARGE - 1]).unwrap();
    }
    let third = format!("{}{}", head(8 << 20), " ".repeat(8 << 20));
    let mut refused = String::new();
    for _ in 0..100 {
        // The other two may still be on their way through the system's buffers.
        refused = String::from_utf8_lossy(&house.raw(third.as_bytes())).into_owned();
        if status_of(refused.as_bytes()) == 429 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    assert!(refused.to_lowercase().contains("\r\nretry-after: "), "{refused}");
    assert_eq!(house.send(json).status, 202, "a small one gets in");
    for mut stream in on_their_way {
        stream.write_all(b" ").unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }
}
