//! One keep-alive HTTP/1.1 connection, driven by whoever uses it: a request is one write, and its answer
//! is read as far as its status and its end need it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use super::answer::{Body, Head};
use super::failure::CallFailed;
use super::stream::Wire;

/// Octets of an answer's body that are read in order to keep its connection.
const BODY_OCTETS_MAX: usize = 64 << 10;

/// Octets of an answer's head, those of interim ones included.
const HEAD_OCTETS_MAX: usize = 16 << 10;

/// Octets of one read.
const READ_OCTETS: usize = 4 << 10;

/// A connection, and what has come over it and is not read yet.
pub(super) struct Link {
    wire: Wire,
    came: BytesMut,
    /// When it was last used; kept by the pool.
    pub(super) since: Instant,
}

/// An exchange that failed.
pub(super) struct Broken {
    /// How.
    pub(super) failure: CallFailed,
    /// Whether the connection closed before any octet of an answer: where it had been idle, the
    /// server closed it for its age, and the request can go again (RFC 9110, section 9.2.2).
    pub(super) unanswered: bool,
}

impl Link {
    /// Speaks HTTP/1.1 over a connected stream. Boxed, because it moves at every call.
    pub(super) fn over(wire: Wire) -> Box<Self> {
        Box::new(Self { wire, came: BytesMut::new(), since: Instant::now() })
    }

    /// Whether it can take another request: nothing has come since the last answer, no end either.
    pub(super) async fn is_open(&mut self) -> bool {
        // Whatever else this task has read since it was woken: a look that was not made must not
        // pass for one that saw nothing.
        unconstrained(poll_fn(|context| {
            let mut one = [0; 1];
            let read = Pin::new(&mut self.wire).poll_read(context, &mut ReadBuf::new(&mut one));
            Poll::Ready(read.is_pending())
        }))
        .await
    }

    /// Sends one request and waits for the head of its answer.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> Result<Head, Broken> {
        // The buffer is empty: what came uncalled for closes a connection.
        let sent = async {
            self.wire.write_all(request).await?;
            self.wire.flush().await
        };
        // Whoever closes at once may have said why.
        let is_sent = sent.await.is_ok();
        let mut looked = 0;
        loop {
            let news = &self.came[usize::min(looked, self.came.len()).saturating_sub(3)..];
            // Looked at again when it can have ended, and not for each octet that drips in.
            let may_end = looked == 0 || news.windows(3).any(|end| end == b"\n\r\n");
            looked = self.came.len();
            match if may_end { Head::read(&self.came) } else { Ok(None) } {
                Ok(Some(mut head)) => {
                    self.came.advance(head.len);
                    head.keeps_open &= is_sent;
                    return Ok(head);
                }
                Ok(None) if self.came.len() >= HEAD_OCTETS_MAX => {
                    let failure = CallFailed::BadAnswer("its head is too long".into());
                    return Err(Broken { failure, unanswered: false });
                }
                Ok(None) => {}
                Err(bad) => {
                    let failure = CallFailed::BadAnswer(bad.0);
                    return Err(Broken { failure, unanswered: false });
                }
            }
            if !self.read().await {
                // Closed, reset, cut short: in whatever words, no status came.
                let unanswered = self.came.is_empty();
                return Err(Broken { failure: CallFailed::Closed, unanswered });
            }
        }
    }

    /// Reads what follows an answer's head; whether the connection can carry another request then: not
    /// where the rest is too long, or breaks off.
    pub(super) async fn drain(&mut self, mut head: Head) -> bool {
        let mut left = BODY_OCTETS_MAX;
        if !head.keeps_open || matches!(head.body, Body::Length(n) if n > left as u64) {
            return false;
        }
        loop {
            let Ok(taken) = head.body.take(&self.came) else { return false };
            self.came.advance(taken);
            if head.body.is_over() {
                return self.came.is_empty();
            }
            left = left.saturating_sub(taken);
            if left == 0 || !self.read().await {
                return false;
            }
        }
    }

    /// Reads what comes next; `false` where nothing more does.
    async fn read(&mut self) -> bool {
        self.came.reserve(READ_OCTETS);
        matches!(self.wire.read_buf(&mut self.came).await, Ok(n) if n > 0)
    }
}
