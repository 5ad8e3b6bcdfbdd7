//! A way to a server on this machine that can fall silent, as a network does: it takes what is said and
//! passes nothing on.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The way; its threads end with the process.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    silent: Arc<AtomicBool>,
}

impl Proxy {
    /// To a socket in the file system.
    ///
    /// # Panics
    /// Where this machine has no free port.
    #[must_use]
    pub fn to(socket: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let silent = Arc::new(AtomicBool::new(false));
        let (socket, told) = (socket.to_owned(), Arc::clone(&silent));
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let (socket, told) = (socket.clone(), Arc::clone(&told));
                std::thread::spawn(move || connect(&near, &socket, &told));
            }
        });
        Self { address, silent }
    }

    /// Where it begins.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Passes nothing on from now on, or passes on again.
    pub fn be_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }
}

fn connect(near: &TcpStream, socket: &PathBuf, silent: &AtomicBool) {
    wait_while(silent);
    let Ok(far) = UnixStream::connect(socket) else { return };
    let (Ok(near_in), Ok(far_in)) = (near.try_clone(), far.try_clone()) else { return };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pass(&near_in, &far, silent);
            let _ = far.shutdown(Shutdown::Both);
        });
        pass(&far_in, near, silent);
        let _ = near.shutdown(Shutdown::Both);
    });
}

fn pass(mut from: impl Read, mut to: impl Write, silent: &AtomicBool) {
    let mut octets = [0; 8_192];
    while let Ok(n) = from.read(&mut octets) {
        if n == 0 {
            break;
        }
        if !silent.load(Ordering::Relaxed) && to.write_all(&octets[..n]).is_err() {
            break;
        }
    }
    // Nobody at the other end learns of the end either.
    wait_while(silent);
}

fn wait_while(silent: &AtomicBool) {
    while silent.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
    }
}
