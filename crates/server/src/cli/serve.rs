//! `pombo serve`: run until told to stop.

use std::path::PathBuf;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{Failure, out};
use crate::boot::{self, Order, Start};
use crate::config::Config;

/// Open files: 8,192 connections, 2,000 callbacks, carriers, the store.
const DESCRIPTORS: u64 = 12_288;

pub(super) fn run(config: Config, file: Option<PathBuf>) -> Result<(), Failure> {
    crate::log::start(&config.log);
    let store =
        boot::open_store(&config, &pombo_store::Options::default()).map_err(Failure::Failed)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let listener = listen(&config).await?;
        let start = Start { config, file, store, listener, demo: false };
        until_told(start, &[]).await
    })
}

/// The runtime that everything runs on. Connections and callbacks need more descriptors than the
/// 1,024 that a shell gives; where the system allows no more, accepting waits for free ones.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    allow_descriptors();
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn allow_descriptors() {
    let allowed = getrlimit(Resource::Nofile);
    // No maximum is no limit.
    let maximum = allowed.maximum.unwrap_or(u64::MAX);
    let wanted = DESCRIPTORS.min(maximum);
    if maximum < DESCRIPTORS {
        tracing::warn!(maximum, "few open files are allowed; raise the hard limit (ulimit -Hn)");
    }
    if allowed.current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..allowed })
    {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}

/// Takes the port, or says who has it.
pub(super) async fn listen(config: &Config) -> Result<TcpListener, Failure> {
    let address = config.http.listen;
    TcpListener::bind(address).await.map_err(|e| {
        let what_to_do = match e.kind() {
            std::io::ErrorKind::AddrInUse => "stop what listens there, or choose another port",
            _ => "choose an address of this machine and a port you may use",
        };
        Failure::Failed(format!("http.listen: cannot listen on {address}: {e}; {what_to_do}"))
    })
}

/// Runs the server, says `ready URL` and the lines after it, and passes signals on.
pub(super) async fn until_told(start: Start, greeting: &[String]) -> Result<(), Failure> {
    let orders = orders()?;
    let ready = |url: &str| {
        // A closed standard output must not stop the server.
        let _ = out::line(&format!("ready {url}"));
        for line in greeting {
            let _ = out::line(line);
        }
    };
    boot::run(start, orders, ready).await.map_err(Failure::Failed)
}

/// SIGTERM and SIGINT stop, SIGHUP reloads, SIGUSR1 writes the traces to the log.
fn orders() -> Result<mpsc::Receiver<Order>, Failure> {
    let (tell, orders) = mpsc::channel(8);
    let signals = [
        (SignalKind::terminate(), Order::Stop),
        (SignalKind::interrupt(), Order::Stop),
        (SignalKind::hangup(), Order::Reload),
        (SignalKind::user_defined1(), Order::Trace),
    ];
    for (kind, order) in signals {
        let mut signal = signal(kind)?;
        let tell = tell.clone();
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                if tell.send(order).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(orders)
}
