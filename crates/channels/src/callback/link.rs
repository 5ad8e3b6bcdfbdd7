//! One keep-alive HTTP/1.1 connection, driven by whoever uses it: no task of its own, so a
//! request costs no hand-over between tasks.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::failure::CallFailed;
use super::stream::{Heard, Stream, Wire};

/// Bytes of an answer's body that are read in order to keep its connection.
const BODY_BYTES_MAX: u64 = 64 << 10;

/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// A connection and its two handles.
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    connection: Connection<TokioIo<Stream>, Full<Bytes>>,
    ended: bool,
    heard: Heard,
    /// When it was last used; kept by the pool.
    pub(super) since: Instant,
}

/// An exchange that failed.
pub(super) struct Broken {
    /// How.
    pub(super) failure: CallFailed,
    /// Whether the connection closed before any byte of an answer: where it had been idle, the
    /// server closed it for its age, and the request can go again (RFC 9110, section 9.2.2).
    pub(super) unanswered: bool,
}

impl Link {
    /// Speaks HTTP/1.1 over a connected stream. Boxed, because it is large and moves at every call.
    pub(super) async fn over(wire: Wire) -> Result<Box<Self>, CallFailed> {
        let heard = Heard::default();
        let io = TokioIo::new(Stream::new(wire, heard.clone()));
        let handshake = Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(io).await;
        let (sender, connection) = handshake.map_err(|error| broken_by(&error))?;
        Ok(Box::new(Self { sender, connection, ended: false, heard, since: Instant::now() }))
    }

    /// Whether it can take another request: notices what the peer did while it was idle.
    pub(super) async fn is_open(&mut self) -> bool {
        poll_fn(|cx| {
            self.ended = self.ended || Pin::new(&mut self.connection).poll(cx).is_ready();
            Poll::Ready(!self.ended && self.sender.is_ready())
        })
        .await
    }

    /// Whether it was over when it was last looked at.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Sends one request and waits for the head of its answer.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Broken> {
        self.heard.reset();
        let answer = self.sender.send_request(request);
        match self.drive(answer).await {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => {
                let failure = broken_by(&error);
                let unanswered = failure == CallFailed::Closed && !self.heard.anything();
                Err(Broken { failure, unanswered })
            }
            None => Err(Broken { failure: CallFailed::Closed, unanswered: !self.heard.anything() }),
        }
    }

    /// Reads the rest of an answer; false when it is too long, or broke off: the connection is
    /// then of no more use.
    pub(super) async fn drain(&mut self, mut body: Incoming) -> bool {
        if body.is_end_stream() {
            return true;
        }
        let mut left = BODY_BYTES_MAX;
        if body.size_hint().lower() > left {
            return false;
        }
        while let Some(Some(frame)) = self.drive(body.frame()).await {
            let Ok(frame) = frame else { return false };
            let read = frame.data_ref().map_or(0, |data| data.len() as u64);
            match left.checked_sub(read) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
        body.is_end_stream()
    }

    /// Waits for `outcome` while moving the connection's bytes; `None` when the connection ended
    /// without it.
    async fn drive<F: Future>(&mut self, outcome: F) -> Option<F::Output> {
        let mut outcome = pin!(outcome);
        poll_fn(|cx| {
            // The outcome first: it tells the connection what is wanted. Then the connection,
            // and the outcome again, which that may have completed.
            if let Poll::Ready(output) = outcome.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            self.ended = self.ended || Pin::new(&mut self.connection).poll(cx).is_ready();
            match outcome.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if self.ended => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

fn broken_by(error: &hyper::Error) -> CallFailed {
    if error.is_parse() {
        CallFailed::BadAnswer(error.to_string())
    } else {
        // Closed, reset, cut short: in whatever words, no status came.
        CallFailed::Closed
    }
}
