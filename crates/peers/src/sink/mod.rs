//! A fast callback sink for tests and benches: an HTTP/1.1 server that counts requests, and answers
//! them as told, well or badly. It runs on a thread of its own, so its cost can be told apart.

mod answer;
mod serve;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::watch;

pub use answer::{Answer, Behaviour, Choose};

/// One request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Path and query, as the request line had them.
    pub target: String,
    /// The header lines, as they came.
    pub headers: String,
    /// The body; empty where the request has none.
    pub body: String,
    /// When its last byte came.
    pub at: Instant,
}

impl Hit {
    /// A header's value, by its name in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A running sink. Dropping it stops it.
pub struct Sink {
    /// Where it listens, on loopback.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// What the sink's thread and its owner share.
struct Shared {
    behaviour: Mutex<Behaviour>,
    count: AtomicU64,
    connections: AtomicU64,
    hits: Mutex<Vec<Hit>>,
}

impl Sink {
    /// Listens on a free port of loopback.
    ///
    /// # Panics
    /// Where there is no free port or no thread: there is no test without a sink.
    #[must_use]
    pub fn start(behaviour: Behaviour) -> Self {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), behaviour)
    }

    /// Listens at this address.
    ///
    /// # Panics
    /// Where it is taken.
    #[must_use]
    pub fn start_at(addr: SocketAddr, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind(addr).expect("the sink's address is free");
        let addr = listener.local_addr().expect("a listener has an address");
        listener.set_nonblocking(true).expect("a listener can be made nonblocking");
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(behaviour),
            count: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            hits: Mutex::new(Vec::new()),
        });
        let (stop, stopped) = watch::channel(false);
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("sink".into())
            .spawn(move || serve::run(listener, for_thread, stopped))
            .expect("a thread can be started");
        Self { addr, shared, stop, thread: Some(thread) }
    }

    /// `http://127.0.0.1:PORT` and this path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Requests that came so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.shared.count.load(Ordering::Relaxed)
    }

    /// Connections that were opened so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// The requests, in the order they came; empty unless the behaviour records.
    #[must_use]
    pub fn hits(&self) -> Vec<Hit> {
        self.shared.hits().clone()
    }

    /// The requests' targets, in the order they came; empty unless the behaviour records.
    #[must_use]
    pub fn targets(&self) -> Vec<String> {
        self.shared.hits().iter().map(|hit| hit.target.clone()).collect()
    }

    /// Behaves differently from the next request on.
    pub fn set(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// Closes the port and every connection, and waits until that is done.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn hits(&self) -> MutexGuard<'_, Vec<Hit>> {
        self.hits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn behaviour(&self) -> Behaviour {
        self.behaviour.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
