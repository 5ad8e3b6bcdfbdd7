//! Names and sockets, behind a trait, so that tests can put a name's changing answers in between.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use pombo_domain::channel::BoxFuture;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a caller needs of the operating system.
pub trait Network: Send + Sync {
    /// All addresses of a name. `is_known`: it had some when it was last looked up, not long ago.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] where it was not looked up: too many others are.
    fn resolve<'a>(
        &'a self,
        name: &'a str,
        is_known: bool,
    ) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;

    /// A connection to exactly this address.
    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>>;
}

/// Look-ups at a time. The system's resolver blocks a thread, for half a minute in the worst
/// case; dead names must not take all the threads that others need.
const LOOKUPS_MAX: usize = 128;
/// Of names that are not known to have addresses, so that those which nobody answers for leave the
/// others theirs.
const STRANGERS_MAX: usize = LOOKUPS_MAX / 2;
/// How long a look-up waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(1);

/// The operating system's own resolver and sockets.
pub(super) struct Internet {
    lookups: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

impl Internet {
    pub(super) fn new() -> Self {
        let [lookups, strangers] =
            [LOOKUPS_MAX, STRANGERS_MAX].map(|n| Arc::new(Semaphore::new(n)));
        Self { lookups, strangers }
    }

    /// A turn, which lasts until it is dropped.
    async fn turn(&self, is_known: bool) -> io::Result<[Option<OwnedSemaphorePermit>; 2]> {
        let of = |turns: &Arc<Semaphore>| Arc::clone(turns).acquire_owned();
        let both = async {
            let stranger = if is_known { None } else { of(&self.strangers).await.ok() };
            [stranger, of(&self.lookups).await.ok()]
        };
        let busy = |_| io::Error::from(io::ErrorKind::ResourceBusy);
        tokio::time::timeout(TURN_WAIT, both).await.map_err(busy)
    }
}

impl Network for Internet {
    fn resolve<'a>(
        &'a self,
        name: &'a str,
        is_known: bool,
    ) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let turn = self.turn(is_known).await?;
            let name = name.to_owned();
            let lookup = tokio::task::spawn_blocking(move || {
                let _held_until_the_thread_is_free = turn;
                (name.as_str(), 0).to_socket_addrs().map(|all| all.map(|one| one.ip()).collect())
            });
            lookup.await.map_err(io::Error::other)?
        })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn names_that_nobody_answers_for_leave_known_ones_their_turns() {
        let internet = Internet::new();
        let mut held = Vec::new();
        for _ in 0..STRANGERS_MAX {
            held.push(internet.turn(false).await.expect("it is free"));
        }
        let refused = internet.turn(false).await.expect_err("there is none for strangers");
        assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy);
        assert!(internet.turn(true).await.is_ok());
        held.pop();
        assert!(internet.turn(false).await.is_ok());
    }
}
