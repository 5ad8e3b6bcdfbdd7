//! What a sink does with a request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// How a sink behaves.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// What it answers.
    pub answer: Answer,
    /// How long it waits before each answer.
    pub delay: Duration,
    /// Whether it keeps every request; it always counts them.
    pub record: bool,
}

/// One answer.
#[derive(Clone)]
pub enum Answer {
    /// This status with an empty body.
    Status(u16),
    /// This status, and to come again after so many seconds.
    Later(u16, u32),
    /// 302 to this URL.
    Redirect(String),
    /// 200 with so many bytes of body.
    Body(usize),
    /// 200 with these words.
    Words(&'static str),
    /// This status and `Connection: close`.
    Last(u16),
    /// These bytes, whatever they are; the connection closes after them.
    Raw(Bytes),
    /// Nothing, and the connection stays open.
    Hang,
    /// Nothing, and the connection closes.
    Close,
    /// As the function says, for the request's number (from 0) and target.
    Choose(Choose),
}

/// Picks the answer to one request.
pub type Choose = Arc<dyn Fn(u64, &str) -> Answer + Send + Sync>;

impl Default for Behaviour {
    /// 200 at once, counted only.
    fn default() -> Self {
        Self { answer: Answer::Status(200), delay: Duration::ZERO, record: false }
    }
}

impl Behaviour {
    /// This answer at once, every request recorded.
    #[must_use]
    pub fn recording(answer: Answer) -> Self {
        Self { answer, delay: Duration::ZERO, record: true }
    }

    /// The same, slower.
    #[must_use]
    pub fn delayed(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "Status({status})"),
            Self::Later(status, seconds) => write!(f, "Later({status}, {seconds})"),
            Self::Redirect(url) => write!(f, "Redirect({url})"),
            Self::Body(bytes) => write!(f, "Body({bytes})"),
            Self::Words(words) => write!(f, "Words({words})"),
            Self::Last(status) => write!(f, "Last({status})"),
            Self::Raw(bytes) => write!(f, "Raw({} bytes)", bytes.len()),
            Self::Hang => f.write_str("Hang"),
            Self::Close => f.write_str("Close"),
            Self::Choose(_) => f.write_str("Choose"),
        }
    }
}

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Stay,
    Close,
    Hang,
}

impl Answer {
    /// Appends the answer's bytes.
    pub(super) fn write(&self, number: u64, target: &str, out: &mut Vec<u8>) -> Then {
        match self {
            Self::Status(200) => {
                out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                Then::Stay
            }
            Self::Status(status) => {
                push(out, &format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"));
                Then::Stay
            }
            Self::Later(status, seconds) => {
                let head = format!("HTTP/1.1 {status} X\r\nRetry-After: {seconds}\r\n");
                push(out, &format!("{head}content-length: 0\r\n\r\n"));
                Then::Stay
            }
            Self::Redirect(url) => {
                push(
                    out,
                    &format!("HTTP/1.1 302 X\r\nlocation: {url}\r\ncontent-length: 0\r\n\r\n"),
                );
                Then::Stay
            }
            Self::Body(bytes) => {
                push(out, &format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n"));
                out.resize(out.len() + bytes, b'x');
                Then::Stay
            }
            Self::Words(words) => {
                let n = words.len();
                push(out, &format!("HTTP/1.1 200 OK\r\ncontent-length: {n}\r\n\r\n{words}"));
                Then::Stay
            }
            Self::Last(status) => {
                push(out, &format!("HTTP/1.1 {status} X\r\nconnection: close\r\n\r\n"));
                Then::Close
            }
            Self::Raw(bytes) => {
                out.extend_from_slice(bytes);
                Then::Close
            }
            Self::Hang => Then::Hang,
            Self::Close => Then::Close,
            Self::Choose(choose) => choose(number, target).write(number, target, out),
        }
    }
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}
