//! A client whose server keeps dying: it remembers what was accepted, and asks again where it may.
//!
//! Every other request carries an `Idempotency-Key` and is repeated until it is answered; it must
//! be accepted once. The others are asked once, as the API's older clients do: when the link dies,
//! nobody knows, and the message may or may not have been accepted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use pombo_domain::time;
use pombo_peers::load::{Answer, Post, ask};

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
    pub(super) number: u64,
    /// To whom: every recipient occurs in one request only.
    pub(super) recipients: Range<u64>,
    /// Parts of each of its messages.
    pub(super) n_parts: u8,
    has_key: bool,
    /// What its sender knows.
    pub(super) fate: Fate,
}

/// All requests, and what was answered meanwhile.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) requests: Vec<Request>,
    /// When each of them that was accepted was answered.
    pub(super) accepted_at: Vec<Instant>,
    /// When each answer of 503 came.
    pub(super) refused_at: Vec<Instant>,
    /// How often each status was answered.
    pub(super) statuses: BTreeMap<u16, u64>,
    /// The longest that anyone waited for an answer.
    pub(super) slowest: Duration,
    /// The shortest that anyone waited for a 202.
    pub(super) quickest: Option<Duration>,
    /// Refusals for now that did not say when to come again.
    pub(super) without_retry_after: u64,
}

impl Sent {
    /// How long it took after that time until something was accepted.
    pub(super) fn accepted_after(&self, time: Instant) -> Option<Duration> {
        let after = self.accepted_at.iter().filter_map(|at| at.checked_duration_since(time));
        after.min()
    }

    /// Answers of 503.
    pub(super) fn n_refused(&self) -> usize {
        self.refused_at.len()
    }

    /// Those that came in that time.
    pub(super) fn n_refused_in(&self, time: Range<Instant>) -> usize {
        self.refused_at.iter().filter(|at| time.contains(at)).count()
    }
}

/// URLs that are told what became of the messages: of requests with even and with odd numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Callbacks {
    pub(super) even: Option<String>,
    pub(super) odd: Option<String>,
}

/// What a client's requests have beside their recipients and texts.
#[derive(Debug, Clone, Default)]
pub(super) struct Manner {
    pub(super) callbacks: Callbacks,
    /// Absent: each at once.
    pub(super) schedule: Option<Schedule>,
    /// A 429 is the end of a request: what its account may send in a day is used up.
    pub(super) gives_way: bool,
}

/// When messages are to leave: those of one request after the other in one second after the other,
/// round and round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    from: time::Instant,
    seconds: u64,
}

impl Schedule {
    /// From that time on, so many seconds.
    pub(super) const fn new(from: time::Instant, seconds: u64) -> Self {
        // The API's dates know no parts of a second.
        let whole = from.micros() - from.micros().rem_euclid(1_000_000);
        Self { from: time::Instant::from_micros(whole), seconds }
    }

    /// When those of the request of that number are due.
    pub(super) fn due(&self, number: u64) -> time::Instant {
        self.from.plus(Duration::from_secs(number % self.seconds))
    }
}

/// What the sender of a request knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was answered with 202.
    Accepted,
    /// The link died before the answer.
    Unknown,
    /// It was answered with 429, and was not asked again.
    Refused,
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

/// Sends all, evenly over `span`, to each of the addresses in turn; what one does not take is asked of
/// the next.
pub(super) fn send(
    addresses: Vec<SocketAddr>,
    requests: Vec<Request>,
    span: Duration,
    manner: Manner,
) -> Result<Sent> {
    let n = u32::try_from(requests.len())?.max(1);
    let work = Arc::new(Work {
        addresses,
        manner,
        start: Instant::now(),
        gap: span / n,
        // Popped from the end, so the first comes last.
        waiting: Mutex::new(requests.into_iter().rev().collect()),
        sent: Mutex::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(client(Arc::clone(&work)));
        }
        while let Some(some) = clients.join_next().await {
            some??;
        }
        anyhow::Ok(())
    })?;
    let sent = std::mem::take(&mut *lock(&work.sent));
    Ok(sent)
}

/// What the clients share.
struct Work {
    addresses: Vec<SocketAddr>,
    manner: Manner,
    start: Instant,
    gap: Duration,
    waiting: Mutex<Vec<Request>>,
    sent: Mutex<Sent>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn client(work: Arc<Work>) -> Result<()> {
    loop {
        let next = lock(&work.waiting).pop();
        let Some(mut request) = next else { return Ok(()) };
        let due = work.start + work.gap * u32::try_from(request.number)?;
        tokio::time::sleep_until(due.into()).await;
        request.fate = work.tell(&request).await?;
        lock(&work.sent).requests.push(request);
    }
}

impl Work {
    /// Sends one request, again and again where it has a key; fails on an answer that is neither
    /// 202 nor a refusal for now.
    async fn tell(&self, request: &Request) -> Result<Fate> {
        let patience = Instant::now();
        let first = usize::try_from(request.number)? % self.addresses.len();
        for &address in self.addresses.iter().cycle().skip(first) {
            let bytes = request.bytes(address, &self.manner);
            let asked = Instant::now();
            let asking = ask(address, &bytes);
            let answer = tokio::time::timeout(Duration::from_secs(30), asking).await;
            if let Ok(Ok(answer)) = &answer {
                self.note(answer, asked.elapsed());
            }
            match answer {
                Ok(Ok(answer)) if answer.status == 202 => return Ok(Fate::Accepted),
                Ok(Ok(answer)) if answer.status == 429 && self.manner.gives_way => {
                    return Ok(Fate::Refused);
                }
                // Its first try may still be on the way (409), or the house is full (429, 503).
                Ok(Ok(answer)) if [409, 429, 503].contains(&answer.status) => {}
                Ok(Ok(answer)) => {
                    let words = String::from_utf8_lossy(&answer.body).into_owned();
                    bail!("answered with {}: {words}", answer.status);
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
        bail!("there is nobody to ask")
    }

    fn note(&self, answer: &Answer, waited: Duration) {
        let mut sent = lock(&self.sent);
        *sent.statuses.entry(answer.status).or_default() += 1;
        if answer.status == 202 {
            sent.accepted_at.push(Instant::now());
            sent.quickest = Some(sent.quickest.map_or(waited, |quickest| quickest.min(waited)));
        }
        if answer.status == 503 {
            sent.refused_at.push(Instant::now());
        }
        sent.slowest = sent.slowest.max(waited);
        if [429, 503].contains(&answer.status) && !answer.has_retry_after {
            sent.without_retry_after += 1;
        }
    }
}

impl Request {
    fn bytes(&self, address: SocketAddr, manner: &Manner) -> Vec<u8> {
        let mut headers = vec![authorization(), "Content-Type: application/json".to_owned()];
        if self.has_key {
            headers.push(format!("Idempotency-Key: crash-{}", self.number));
        }
        let to: Vec<String> = self.recipients.clone().map(|to| format!("\"{to}\"")).collect();
        let text = if self.n_parts == 1 { SHORT } else { LONG };
        let Manner { callbacks, schedule, .. } = manner;
        let callback = if self.number.is_multiple_of(2) { &callbacks.even } else { &callbacks.odd };
        let callback = callback.as_ref().map(|url| format!(r#","notificationUrl":"{url}""#));
        let date = schedule.map(|schedule| {
            let mut date = schedule.due(self.number).civil_seconds();
            date.retain(|c| c.is_ascii_digit());
            format!(r#","scheduleDate":"{date}""#)
        });
        let body = format!(
            r#"{{"to":[{}],"from":"pombo","message":"{text}","parts":{}{}{}}}"#,
            to.join(","),
            self.n_parts,
            callback.unwrap_or_default(),
            date.unwrap_or_default(),
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
