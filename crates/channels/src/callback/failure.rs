//! Why a callback brought no status: in words, for the operator and the customer.

use std::net::IpAddr;
use std::time::Duration;

/// A call that brought no HTTP status, or one that asks for another call. No text here holds the URL,
/// which may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailed {
    /// The URL cannot be called, whatever the network does.
    #[error("the URL cannot be called: {0}")]
    BadUrl(&'static str),
    /// The host is, or one of its addresses is, no address of the public internet.
    #[error("forbidden address {address} ({why})")]
    Forbidden {
        /// The first such address.
        address: IpAddr,
        /// What it is: private, loopback, ...
        why: &'static str,
    },
    /// The host's name has no address, or the look-up failed.
    #[error("name look-up failed: {0}")]
    Dns(String),
    /// None of the host's addresses answered in time.
    #[error("connect timeout")]
    ConnectTimeout,
    /// The host refused the connection, or there is no way to it.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The TLS handshake failed: certificate, name, version.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// Too many calls wait for this host, or for names to be looked up, or this one waited too long for its
    /// turn. Nothing was sent.
    #[error("too many calls wait")]
    Busy,
    /// The server asks to be called again, later: 429, or 503 with a time.
    #[error("asked to come later (status {status})")]
    Later {
        /// Its status.
        status: u16,
        /// How long it says to wait.
        wait: Option<Duration>,
    },
    /// The status did not come in time.
    #[error("timeout")]
    Timeout,
    /// The connection ended before the status.
    #[error("connection closed without an answer")]
    Closed,
    /// The answer is no HTTP/1.1.
    #[error("the answer is not HTTP: {0}")]
    BadAnswer(String),
}

impl CallFailed {
    /// In words for the URL's owner: nothing of what our side of the network knows.
    #[must_use]
    pub fn for_owner(&self) -> String {
        match self {
            Self::Forbidden { .. } => "forbidden address".to_owned(),
            Self::Dns(_) => "name look-up failed".to_owned(),
            Self::Connect(_) => "cannot connect".to_owned(),
            other => other.to_string(),
        }
    }

    /// One short word per kind, as a metric's label has it.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::BadUrl(_) => "bad_url",
            Self::Forbidden { .. } => "forbidden",
            Self::Dns(_) => "dns",
            Self::ConnectTimeout => "connect_timeout",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Busy => "busy",
            Self::Later { .. } => "later",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::BadAnswer(_) => "bad_answer",
        }
    }
}
