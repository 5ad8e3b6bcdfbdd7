//! The sink's server: one thread, one task per connection, answers in the order of the requests.

use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::answer::{Behaviour, Then};
use super::{Hit, Shared};

/// Bytes of one request; more closes the connection.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// Serves until told to stop.
pub(super) fn run(listener: StdListener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime of one thread can be built");
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener).expect("the listener is nonblocking");
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stop.wait_for(|stopped| *stopped) => return,
            };
            let Ok((tcp, _)) = accepted else { continue };
            shared.connections.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(connection(tcp, Arc::clone(&shared)));
        }
    });
    // Dropping the runtime drops every connection's task, and with it the connection.
}

async fn connection(mut tcp: TcpStream, shared: Arc<Shared>) {
    let _ = tcp.set_nodelay(true);
    let mut input = Vec::with_capacity(16 << 10);
    let mut out = Vec::with_capacity(4 << 10);
    loop {
        let mut used = 0;
        let mut then = Then::Stay;
        while then == Then::Stay {
            let Some((head, body)) = request(&input[used..]) else { break };
            used += head.len() + body.len();
            let behaviour = shared.behaviour();
            if !behaviour.delay.is_zero() {
                tokio::time::sleep(behaviour.delay).await;
            }
            then = answer((head, body), &behaviour, &shared, &mut out);
        }
        input.drain(..used);
        if !out.is_empty() && tcp.write_all(&out).await.is_err() {
            return;
        }
        out.clear();
        match then {
            Then::Stay => {}
            Then::Close => return,
            Then::Hang => return wait_for_the_end(tcp).await,
        }
        if input.len() > REQUEST_BYTES_MAX {
            return;
        }
        match tcp.read_buf(&mut input).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Counts the request before its answer leaves, so that whoever got the answer sees it counted.
fn answer(
    (head, body): (&[u8], &[u8]),
    behaviour: &Behaviour,
    shared: &Shared,
    out: &mut Vec<u8>,
) -> Then {
    let number = shared.count.fetch_add(1, Ordering::Relaxed);
    let (target, headers) = split(head);
    if behaviour.record {
        let at = Instant::now().into_std();
        let body = String::from_utf8_lossy(body).into_owned();
        let hit = Hit { target: target.into(), headers: headers.into(), body, at };
        shared.hits().push(hit);
    }
    behaviour.answer.write(number, target, out)
}

/// The head and the body of a whole request at the start of `input`.
fn request(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = input.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)?;
    let (head, rest) = input.split_at(len);
    Some((head, rest.get(..body_len(head))?))
}

/// Bytes of the body, as the head tells them. A GET says nothing of it, and that costs no look.
fn body_len(head: &[u8]) -> usize {
    if head.starts_with(b"GET ") {
        return 0;
    }
    let lines = std::str::from_utf8(head).unwrap_or("").lines();
    let mut lengths = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    lengths.next().unwrap_or(0)
}

/// The target and the header lines of a head.
fn split(head: &[u8]) -> (&str, &str) {
    let text = std::str::from_utf8(head).unwrap_or("");
    let (line, headers) = text.split_once("\r\n").unwrap_or((text, ""));
    (line.split(' ').nth(1).unwrap_or(""), headers)
}

async fn wait_for_the_end(mut tcp: TcpStream) {
    let mut ignored = [0; 1024];
    while let Ok(1..) = tcp.read(&mut ignored).await {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_its_head_and_as_much_body_as_the_head_tells() {
        assert_eq!(request(b""), None);
        assert_eq!(request(b"GET / HTTP/1.1\r\nhost: x\r\n"), None);
        let get = b"GET / HTTP/1.1\r\n\r\n";
        assert_eq!(request(&[&get[..], get].concat()), Some((&get[..], &b""[..])));
        let post = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n";
        assert_eq!(request(&[&post[..], b"ab"].concat()), None);
        assert_eq!(request(&[&post[..], b"abcGET"].concat()), Some((&post[..], &b"abc"[..])));
    }

    #[test]
    fn the_target_is_the_second_word() {
        let head = b"GET /dlr?id=1 HTTP/1.1\r\nhost: x\r\n\r\n";
        assert_eq!(split(head), ("/dlr?id=1", "host: x\r\n\r\n"));
        assert_eq!(split(b"\xff\r\n\r\n"), ("", ""));
    }
}
