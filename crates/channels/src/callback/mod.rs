//! Outbound HTTP: customers' callbacks, many hosts at once, none of them trusted.
//!
//! - **Fair**: every server (scheme, host, port) has its own few keep-alive connections and its own
//!   bounded queue; a slow or dead one delays nobody else.
//! - **Guarded**: names are looked up here, every address must be public ([`guard`]), and the
//!   connection goes to an address that was checked: there is no second look-up to cheat with.
//!   Redirects are not followed; a 3xx is a status like any other.
//! - **Once**: a request is sent again, once, only where an idle connection proves to have been
//!   closed before any byte of an answer. Every other try is the notifier's.

pub mod answer;
pub mod guard;

mod failure;
mod host;
mod link;
mod network;
mod request;
mod stream;
mod target;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use answer::Head;
use host::Host;
use link::{Broken, Link};
use target::{Origin, Target};

pub use failure::CallFailed;
pub use network::Network;

/// Settings of a [`Caller`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Switches the address check off: for tests and closed networks only.
    pub allow_private_networks: bool,
    /// Look-up, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the first step of connecting to the status; waiting for a turn comes on top.
    pub request_timeout: Duration,
    /// Connections to one server at a time.
    pub connections_per_host: usize,
    /// Calls that may wait for one server.
    pub queue_per_host: usize,
    /// How long a call waits for its turn.
    pub queue_timeout: Duration,
    /// How long a connection without use is kept.
    pub idle_timeout: Duration,
    /// How long a look-up, with its check, is believed.
    pub lookup_ttl: Duration,
    /// The User-Agent header.
    pub user_agent: String,
    /// Certificate authorities that are trusted besides the public ones.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allow_private_networks: false,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(15),
            connections_per_host: 256,
            queue_per_host: 1024,
            queue_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(30),
            lookup_ttl: Duration::from_secs(30),
            user_agent: concat!("pombo/", env!("CARGO_PKG_VERSION")).into(),
            extra_roots: Vec::new(),
        }
    }
}

/// The server has had too many requests (RFC 6585, section 4).
const TOO_MANY: u16 = 429;
/// It cannot answer now; where it says for how long, that is a wish (RFC 9110, section 15.6.4).
const UNAVAILABLE: u16 = 503;

/// Calls URLs. Clones share connections, queues and look-ups.
#[derive(Clone)]
pub struct Caller(Arc<Shared>);

/// What the clones share.
struct Shared {
    config: Config,
    tls: TlsConnector,
    network: Box<dyn Network>,
    hosts: Mutex<HashMap<Origin, Arc<Host>>>,
    sweeping: AtomicBool,
}

/// What a POST carries.
#[derive(Debug, Clone)]
pub struct Content {
    /// The Content-Type.
    pub media_type: &'static str,
    /// More headers, in small letters.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}

impl Caller {
    /// A caller over the operating system's network.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::over(Box::new(network::Internet::new()), config)
    }

    /// A caller over another network: for tests.
    #[must_use]
    pub fn over(network: Box<dyn Network>, config: Config) -> Self {
        Self(Arc::new(Shared {
            tls: TlsConnector::from(Arc::new(tls_config(&config.extra_roots))),
            network,
            hosts: Mutex::new(HashMap::new()),
            sweeping: AtomicBool::new(false),
            config,
        }))
    }

    /// Sends one GET and gives the answer's status. Dropping the future ends the call.
    pub async fn get(&self, url: &str) -> Result<u16, CallFailed> {
        self.send(&Target::parse(url)?, None).await
    }

    /// Sends one POST, likewise. Headers whose value cannot be written are left out.
    pub async fn post(&self, url: &str, content: Content) -> Result<u16, CallFailed> {
        self.send(&Target::parse(url)?, Some(&content)).await
    }

    async fn send(&self, target: &Target, content: Option<&Content>) -> Result<u16, CallFailed> {
        let shared = &*self.0;
        let host = self.host(&target.origin);
        let request = request::written((&host.header, target), &shared.config.user_agent, content);
        let _slot = host.slot(shared).await?;
        let deadline = Instant::now() + shared.config.request_timeout;
        let mut pooled = host.idle().await;
        loop {
            let is_reused = pooled.is_some();
            let call = shared.call(&host, pooled.take(), &request);
            let Ok(called) = timeout_at(deadline, call).await else {
                return Err(CallFailed::Timeout);
            };
            match called {
                Ok((link, head)) => {
                    let (status, retry_after) = (head.status, head.retry_after);
                    finish(&host, link, head, deadline).await;
                    return match (status, retry_after) {
                        (TOO_MANY, _) | (UNAVAILABLE, Some(_)) => {
                            Err(CallFailed::Later { status, wait: retry_after })
                        }
                        _ => Ok(status),
                    };
                }
                Err(broken) if broken.unanswered && is_reused => {} // once more, on a new one
                Err(broken) => return Err(broken.failure),
            }
        }
    }

    /// The server's share, made at its first call.
    fn host(&self, origin: &Origin) -> Arc<Host> {
        if !self.0.sweeping.swap(true, Ordering::Relaxed) {
            tokio::spawn(sweep_regularly(Arc::downgrade(&self.0)));
        }
        let mut hosts = self.0.hosts();
        if let Some(host) = hosts.get(origin) {
            return Arc::clone(host);
        }
        let host = Arc::new(Host::new(origin.clone(), self.0.config.connections_per_host));
        hosts.insert(origin.clone(), Arc::clone(&host));
        host
    }
}

impl Shared {
    fn hosts(&self) -> MutexGuard<'_, HashMap<Origin, Arc<Host>>> {
        // Nothing panics while it is held, and a map of hosts is never half changed.
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One try, on the idle connection given or on a new one.
    async fn call(
        &self,
        host: &Host,
        pooled: Option<Box<Link>>,
        request: &[u8],
    ) -> Result<(Box<Link>, Head), Broken> {
        let mut link = match pooled {
            Some(link) => link,
            None => {
                host.connect(self).await.map_err(|failure| Broken { failure, unanswered: false })?
            }
        };
        let head = link.exchange(request).await?;
        Ok((link, head))
    }
}

/// Reads the rest of an answer whose status is known, and keeps the connection where it can be
/// used again. What goes wrong here changes nothing for the call.
async fn finish(host: &Host, mut link: Box<Link>, head: Head, deadline: Instant) {
    if timeout_at(deadline, link.drain(head)).await == Ok(true) {
        host.keep(link);
    }
}

/// Closes idle connections and forgets servers without use, until the last caller is gone.
async fn sweep_regularly(shared: Weak<Shared>) {
    let Some(idle_timeout) = shared.upgrade().map(|shared| shared.config.idle_timeout) else {
        return;
    };
    let pause = (idle_timeout / 4).clamp(Duration::from_millis(10), Duration::from_secs(5));
    loop {
        tokio::time::sleep(pause).await;
        let Some(shared) = shared.upgrade() else { return };
        let now = Instant::now();
        let Some(before) = now.checked_sub(idle_timeout) else { continue };
        shared.hosts().retain(|_, host| {
            // Under the map's lock nobody can come by a host that only the map holds.
            let is_unused = host.sweep(before, now) && Arc::strong_count(host) == 1;
            !is_unused
        });
    }
}

/// TLS 1.2 and 1.3 with the public certificate authorities and `extra` ones; what is no
/// certificate among them is left out, and so is trusted by nobody.
fn tls_config(extra: &[CertificateDer<'static>]) -> ClientConfig {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(extra.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}
