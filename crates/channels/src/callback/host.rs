//! One server's share of the caller: its checked addresses, its few connections, its queue.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};
use url::Host as UrlHost;

use super::failure::CallFailed;
use super::link::Link;
use super::stream::Wire;
use super::target::Origin;
use super::{Shared, guard};

/// How long a failed look-up is believed.
const FAILED_LOOKUP_TTL: Duration = Duration::from_secs(5);

/// Addresses of a name that are tried, at most.
const ADDRESSES_MAX: usize = 4;

/// Connections that wait for their next request, the one used last at the end.
type Idle = Vec<Box<Link>>;

/// A server and what is kept for it.
pub(super) struct Host {
    origin: Origin,
    /// The Host header of every request to it.
    pub(super) header: String,
    slots: Semaphore,
    waiting: AtomicUsize,
    idle: Mutex<Idle>,
    /// Held during a look-up, so that one serves all who wait for it.
    lookup: tokio::sync::Mutex<Option<Lookup>>,
}

/// The last look-up, with the guard's verdict.
struct Lookup {
    until: Instant,
    result: Result<Vec<IpAddr>, CallFailed>,
}

/// Counts one that waits, for as long as it waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Host {
    pub(super) fn new(origin: Origin, connections_max: usize) -> Self {
        Self {
            header: origin.host_header(),
            origin,
            slots: Semaphore::new(connections_max.clamp(1, Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
            idle: Mutex::new(Vec::new()),
            lookup: tokio::sync::Mutex::new(None),
        }
    }

    /// Waits for the right to use one connection, in turn.
    pub(super) async fn slot(&self, shared: &Shared) -> Result<SemaphorePermit<'_>, CallFailed> {
        if let Ok(permit) = self.slots.try_acquire() {
            return Ok(permit);
        }
        let already = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if already >= shared.config.queue_per_host {
            return Err(CallFailed::Busy);
        }
        match timeout(shared.config.queue_timeout, self.slots.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(CallFailed::Busy),
        }
    }

    /// An idle connection that is still open, the one used last first.
    pub(super) async fn idle(&self) -> Option<Box<Link>> {
        loop {
            let mut link = self.idle_links().pop()?;
            if link.is_open().await {
                return Some(link);
            }
        }
    }

    /// Keeps a connection for the next request.
    pub(super) fn keep(&self, mut link: Box<Link>) {
        link.since = Instant::now();
        self.idle_links().push(link);
    }

    /// Closes connections that were idle since `before`; tells whether the host can be forgotten.
    pub(super) fn sweep(&self, before: Instant, now: Instant) -> bool {
        let mut idle = self.idle_links();
        idle.retain(|link| link.since > before);
        let lookup_over = self
            .lookup
            .try_lock()
            .is_ok_and(|lookup| lookup.as_ref().is_none_or(|lookup| lookup.until <= now));
        idle.is_empty() && lookup_over
    }

    /// A new connection to an address that was checked.
    pub(super) async fn connect(&self, shared: &Shared) -> Result<Box<Link>, CallFailed> {
        let deadline = Instant::now() + shared.config.connect_timeout;
        let addresses = self.addresses(shared, deadline).await?;
        let tcp = self.connect_to_one_of(&addresses, shared, deadline).await?;
        // A callback is one small write: nothing to gain by waiting for more.
        let _ = tcp.set_nodelay(true);
        if !self.origin.tls {
            return Ok(Link::over(Wire::Plain(tcp)));
        }
        let handshake = shared.tls.connect(self.server_name()?, tcp);
        match timeout_at(deadline, handshake).await {
            Ok(Ok(tls)) => Ok(Link::over(Wire::Tls(Box::new(tls)))),
            Ok(Err(error)) => Err(CallFailed::Tls(error.to_string())),
            Err(_) => Err(CallFailed::Tls("timeout".into())),
        }
    }

    /// Tries the addresses in order; each gets its share of the time that is left.
    async fn connect_to_one_of(
        &self,
        addresses: &[IpAddr],
        shared: &Shared,
        deadline: Instant,
    ) -> Result<TcpStream, CallFailed> {
        let mut failure = CallFailed::Dns("the name has no address".into());
        let n_tried = addresses.len().min(ADDRESSES_MAX);
        for (idx, &address) in addresses.iter().take(n_tried).enumerate() {
            let n_left = u32::try_from(n_tried - idx).unwrap_or(1);
            let share = deadline.saturating_duration_since(Instant::now()) / n_left;
            let connecting = shared.network.connect(SocketAddr::new(address, self.origin.port));
            match timeout(share, connecting).await {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(error)) => failure = CallFailed::Connect(error.to_string()),
                Err(_) => failure = CallFailed::ConnectTimeout,
            }
        }
        Err(failure)
    }

    /// The host's addresses, all of them public; looked up when the last look-up is too old.
    async fn addresses(
        &self,
        shared: &Shared,
        deadline: Instant,
    ) -> Result<Vec<IpAddr>, CallFailed> {
        let name = match &self.origin.host {
            UrlHost::Domain(name) => name,
            UrlHost::Ipv4(v4) => return checked(vec![IpAddr::V4(*v4)], shared),
            UrlHost::Ipv6(v6) => return checked(vec![IpAddr::V6(*v6)], shared),
        };
        let mut last = self.lookup.lock().await;
        if let Some(known) = last.as_ref().filter(|known| known.until > Instant::now()) {
            return known.result.clone();
        }
        let is_known = last.as_ref().is_some_and(|last| last.result.is_ok());
        let result = match timeout_at(deadline, shared.network.resolve(name, is_known)).await {
            Ok(Ok(addresses)) => checked(addresses, shared),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ResourceBusy => {
                return Err(CallFailed::Busy);
            }
            Ok(Err(error)) => Err(CallFailed::Dns(error.to_string())),
            Err(_) => Err(CallFailed::Dns("timeout".into())),
        };
        let ttl = match result {
            Err(CallFailed::Dns(_)) => FAILED_LOOKUP_TTL.min(shared.config.lookup_ttl),
            _ => shared.config.lookup_ttl,
        };
        *last = Some(Lookup { until: Instant::now() + ttl, result: result.clone() });
        result
    }

    fn server_name(&self) -> Result<ServerName<'static>, CallFailed> {
        match &self.origin.host {
            UrlHost::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
                .map_err(|_| CallFailed::Tls("the host's name cannot be in a certificate".into())),
            UrlHost::Ipv4(v4) => Ok(ServerName::from(IpAddr::V4(*v4))),
            UrlHost::Ipv6(v6) => Ok(ServerName::from(IpAddr::V6(*v6))),
        }
    }

    fn idle_links(&self) -> MutexGuard<'_, Idle> {
        // Nothing panics while it is held, and a list of connections is never half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All of the addresses, or the first that is forbidden: a name with one bad address is not
/// trusted with its good ones.
fn checked(addresses: Vec<IpAddr>, shared: &Shared) -> Result<Vec<IpAddr>, CallFailed> {
    if addresses.is_empty() {
        return Err(CallFailed::Dns("the name has no address".into()));
    }
    if !shared.config.allow_private_networks {
        for &address in &addresses {
            if let Some(why) = guard::forbidden(address) {
                return Err(CallFailed::Forbidden { address, why });
            }
        }
    }
    Ok(addresses)
}
