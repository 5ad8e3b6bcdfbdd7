//! A load client: HTTP/1.1 over keep-alive connections, cheap enough to leave the CPU to its subject.
//!
//! Two loops: *closed*, where each connection sends when it has its answer (finds the peak), and
//! *open*, where requests are due at a fixed rate whatever the answers do (finds the latency at
//! that rate; a late request counts from when it was due, so that a slow server cannot hide).

mod histogram;
mod request;
mod response;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

pub use histogram::Histogram;
pub use request::{Get, Post, percent_encode};
use response::{Garbage, Response, parse};

/// What to send, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server.
    pub address: SocketAddr,
    /// Keep-alive connections, each with one request at a time.
    pub connections: usize,
    /// Requests in all.
    pub requests: u64,
    /// No request begins later than this after the first.
    pub time_max: Duration,
    /// Requests a second, over all connections; `None` is a closed loop.
    pub rate: Option<f64>,
    /// A request without an answer for this long has failed; its connection is opened anew.
    pub answer_max: Duration,
}

/// What the requests say, and who reads the answers.
pub trait Traffic: Send + 'static {
    /// Appends the bytes of request number `idx`, which was due at `due`.
    fn request(&mut self, idx: u64, due: Instant, buffer: &mut Vec<u8>);

    /// Reads the answer to request number `idx`.
    fn answer(&mut self, idx: u64, status: u16, body: &[u8]) {
        let _ = (idx, status, body);
    }
}

/// What came of a plan.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer: the link was lost or the time was up.
    pub failed: u64,
    /// From when a request was due to its answer.
    pub latency: Histogram,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

impl Outcome {
    /// Answers of a class: 2 for all successes.
    #[must_use]
    pub fn of_class(&self, class: u16) -> u64 {
        self.statuses.iter().filter(|(status, _)| *status / 100 == class).map(|(_, n)| n).sum()
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Whether it says after how many seconds to come again.
    pub has_retry_after: bool,
    /// Its body.
    pub body: Vec<u8>,
}

/// Sends one request on a connection of its own.
///
/// # Errors
/// Where there is no connection, or it ends before the answer does.
pub async fn ask(address: SocketAddr, request: &[u8]) -> io::Result<Answer> {
    let mut stream = connect(address).await?;
    let mut buffer = request.to_vec();
    let response = exchange(&mut stream, &mut buffer).await?;
    let Response { status, has_retry_after, body, .. } = response;
    Ok(Answer { status, has_retry_after, body })
}

/// Carries a plan out. Fails only when no connection can be opened at the start.
pub async fn run<T: Traffic>(plan: Plan, traffic: Arc<Mutex<T>>) -> io::Result<Outcome> {
    let shared = Arc::new(Shared { plan, start: Instant::now(), next: AtomicU64::new(0) });
    let mut connections = JoinSet::new();
    for _ in 0..shared.plan.connections {
        let stream = connect(shared.plan.address).await?;
        connections.spawn(connection(stream, Arc::clone(&shared), Arc::clone(&traffic)));
    }
    let mut outcome = Outcome::default();
    while let Some(one) = connections.join_next().await {
        let one = one.map_err(io::Error::other)?;
        for (status, count) in one.statuses {
            *outcome.statuses.entry(status).or_default() += count;
        }
        outcome.failed += one.failed;
        outcome.latency.merge(&one.latency);
    }
    outcome.elapsed = shared.start.elapsed();
    Ok(outcome)
}

struct Shared {
    plan: Plan,
    start: Instant,
    next: AtomicU64,
}

impl Shared {
    /// The next request's number, and when it is due in an open loop.
    fn take(&self) -> Option<(u64, Option<Instant>)> {
        let idx = self.next.fetch_add(1, Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "2^53 requests take years")]
        let after = self.plan.rate.map(|rate| Duration::from_secs_f64(idx as f64 / rate));
        let is_over = after.unwrap_or_else(|| self.start.elapsed()) > self.plan.time_max;
        (idx < self.plan.requests && !is_over).then(|| (idx, after.map(|after| self.start + after)))
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One connection's requests, one after another.
async fn connection<T: Traffic>(
    mut stream: TcpStream,
    shared: Arc<Shared>,
    traffic: Arc<Mutex<T>>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut buffer = Vec::with_capacity(64 << 10);
    while let Some((idx, due)) = shared.take() {
        if let Some(due) = due {
            tokio::time::sleep_until(due.into()).await;
        }
        let due = due.unwrap_or_else(Instant::now);
        buffer.clear();
        lock(&traffic).request(idx, due, &mut buffer);
        let exchange = exchange(&mut stream, &mut buffer);
        match tokio::time::timeout(shared.plan.answer_max, exchange).await {
            Ok(Ok(response)) => {
                outcome.latency.record(due.elapsed());
                *outcome.statuses.entry(response.status).or_default() += 1;
                lock(&traffic).answer(idx, response.status, &response.body);
                if !response.closes {
                    continue;
                }
            }
            Ok(Err(_)) | Err(_) => outcome.failed += 1,
        }
        let Ok(fresh) = connect(shared.plan.address).await else {
            break;
        };
        stream = fresh;
    }
    outcome
}

/// Sends what `buffer` holds, then reads one answer into it.
async fn exchange(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Response> {
    stream.write_all(buffer).await?;
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match parse(buffer) {
            Ok(Some(response)) => return Ok(response),
            Ok(None) => {}
            Err(Garbage) => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// A panic in a caller's `Traffic` shows in its own task; the others may go on.
fn lock<T>(traffic: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    traffic.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
