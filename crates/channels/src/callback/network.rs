//! Names and sockets, behind a trait, so that tests can put a name's changing answers in between.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use pombo_domain::channel::BoxFuture;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// What a caller needs of the operating system.
pub trait Network: Send + Sync {
    /// All addresses of a name.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;

    /// A connection to exactly this address.
    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>>;
}

/// Look-ups at a time. The system's resolver blocks a thread, for half a minute in the worst
/// case; dead names must not take all the threads that others need.
const LOOKUPS_MAX: usize = 128;

/// The operating system's own resolver and sockets.
pub(super) struct Internet {
    lookups: Arc<Semaphore>,
}

impl Internet {
    pub(super) fn new() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl Network for Internet {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let permit =
                Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
            let name = name.to_owned();
            let lookup = tokio::task::spawn_blocking(move || {
                let _held_until_the_thread_is_free = permit;
                (name.as_str(), 0).to_socket_addrs().map(|all| all.map(|one| one.ip()).collect())
            });
            lookup.await.map_err(io::Error::other)?
        })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(address))
    }
}
