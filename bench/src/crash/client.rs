//! A client whose server keeps dying: it remembers what was accepted, and asks again where it may.
//!
//! Every other request carries an `Idempotency-Key` and is repeated until it is answered; it must
//! be accepted once. The others are asked once, as the API's older clients do: when the link dies,
//! nobody knows, and the message may or may not have been accepted.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use pombo_peers::load::{Post, ask};

use crate::pombo::authorization;

const CLIENTS: usize = 16;
const FIRST_RECIPIENT: u64 = 34_600_000_000;
const SHORT: &str = "Your code is 123456. It is good for ten minutes. Tell nobody.";
const LONG: &str = "Your parcel 1Z 999 will be with you today between 10 and 12. Somebody must \
    sign for it. If nobody is there, it waits for you at the post office around the corner from \
    tomorrow on. Bring a document.";

/// One request, and what became of it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    number: u64,
    /// To whom: every recipient occurs in one request only.
    pub(super) recipients: std::ops::Range<u64>,
    /// Parts of each of its messages.
    pub(super) n_parts: u8,
    has_key: bool,
    /// What its sender knows.
    pub(super) fate: Fate,
}

/// What the sender of a request knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was answered with 202.
    Accepted,
    /// The link died before the answer.
    Unknown,
}

/// So many messages: most alone, every tenth request with twenty, every seventh of two parts.
pub(super) fn requests(n_messages: u64) -> Vec<Request> {
    let mut requests = Vec::new();
    let (mut first, mut number) = (FIRST_RECIPIENT, 0);
    let end = FIRST_RECIPIENT + n_messages;
    while first < end {
        let next = (first + if number % 10 == 0 { 20 } else { 1 }).min(end);
        requests.push(Request {
            number,
            recipients: first..next,
            n_parts: if number % 7 == 3 { 2 } else { 1 },
            has_key: number % 2 == 0,
            fate: Fate::Unknown,
        });
        (first, number) = (next, number + 1);
    }
    requests
}

/// Sends all, evenly over `span`; gives them back with their fates.
pub(super) fn send(
    address: SocketAddr,
    requests: Vec<Request>,
    span: Duration,
) -> Result<Vec<Request>> {
    let n = u32::try_from(requests.len())?.max(1);
    let gap = span / n;
    let start = Instant::now();
    // Popped from the end, so the first comes last.
    let waiting: Vec<Request> = requests.into_iter().rev().collect();
    let waiting = Arc::new(Mutex::new(waiting));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..CLIENTS {
            let waiting = Arc::clone(&waiting);
            clients.spawn(client(address, waiting, start, gap));
        }
        let mut done = Vec::new();
        while let Some(some) = clients.join_next().await {
            done.extend(some??);
        }
        Ok(done)
    })
}

async fn client(
    address: SocketAddr,
    waiting: Arc<Mutex<Vec<Request>>>,
    start: Instant,
    gap: Duration,
) -> Result<Vec<Request>> {
    let mut done = Vec::new();
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(mut request) = next else { return Ok(done) };
        let due = start + gap * u32::try_from(request.number)?;
        tokio::time::sleep_until(due.into()).await;
        request.fate = tell(address, &request).await?;
        done.push(request);
    }
}

/// Sends one request, again and again where it has a key; fails on an answer that is no 202.
async fn tell(address: SocketAddr, request: &Request) -> Result<Fate> {
    let bytes = request.bytes(address);
    let patience = Instant::now();
    loop {
        let answer = tokio::time::timeout(Duration::from_secs(30), ask(address, &bytes)).await;
        match answer {
            Ok(Ok((202, _))) => return Ok(Fate::Accepted),
            // Its first try may still be on the way (409), or the house is full (429, 503).
            Ok(Ok((409 | 429 | 503, _))) => {}
            Ok(Ok((status, body))) => {
                bail!("answered with {status}: {}", String::from_utf8_lossy(&body));
            }
            // Nothing was sent when there was nobody to connect to.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
            Ok(Err(_)) | Err(_) if !request.has_key => return Ok(Fate::Unknown),
            Ok(Err(_)) | Err(_) => {}
        }
        if patience.elapsed() > Duration::from_secs(120) {
            bail!("request {} has no answer after two minutes", request.number);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Request {
    fn bytes(&self, address: SocketAddr) -> Vec<u8> {
        let mut headers = vec![authorization(), "Content-Type: application/json".to_owned()];
        if self.has_key {
            headers.push(format!("Idempotency-Key: crash-{}", self.number));
        }
        let to: Vec<String> = self.recipients.clone().map(|to| format!("\"{to}\"")).collect();
        let text = if self.n_parts == 1 { SHORT } else { LONG };
        let body = format!(
            r#"{{"to":[{}],"from":"pombo","message":"{text}","parts":{}}}"#,
            to.join(","),
            self.n_parts,
        );
        let mut bytes = Vec::new();
        let post = Post::new(&address.to_string(), "/api/rest/sms", &headers);
        post.append(body.as_bytes(), &mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_in_one_request() {
        let requests = requests(1_000);
        let all: Vec<u64> = requests.iter().flat_map(|r| r.recipients.clone()).collect();
        assert_eq!(all, (FIRST_RECIPIENT..FIRST_RECIPIENT + 1_000).collect::<Vec<_>>());
        assert!(requests.iter().any(|r| r.n_parts == 2 && !r.has_key));
    }

    #[test]
    fn the_long_text_has_two_parts_and_the_short_one_has_one() {
        assert!(SHORT.len() <= 160 && LONG.len() > 160 && LONG.len() <= 2 * 153);
    }
}
