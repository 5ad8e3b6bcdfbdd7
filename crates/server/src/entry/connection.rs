//! Accepts connections and serves HTTP/1.1 on each, until told to stop.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::House;

/// Connections at once; more wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 8_192;

/// For the headers of a request, and between two requests on one connection.
const HEADER_WAIT: Duration = Duration::from_secs(60);

/// Bytes that one connection may buffer beside a body.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// After the system has refused a connection (no more file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop` says so; then finishes the requests that have begun, until `drain` is over.
pub(crate) async fn accept(
    listener: TcpListener,
    house: Arc<House>,
    mut stop: watch::Receiver<bool>,
    drain: Duration,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut open = JoinSet::new();
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            biased;
            () = told(&mut stop) => break,
            Some(_) = open.join_next(), if !open.is_empty() => {}
            (permit, accepted) = next => match (permit, accepted) {
                (Ok(permit), Ok((stream, peer))) => {
                    let house = Arc::clone(&house);
                    open.spawn(serve(stream, peer.ip(), house, permit, stop.clone()));
                }
                (_, Err(e)) => {
                    tracing::warn!(error = %e, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                (Err(_), _) => break,
            },
        }
    }
    drop(listener);
    let all = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, all).await.is_err() {
        tracing::warn!("connections were still busy when the time to stop was over");
    }
}

/// Waits until it is time to stop, which it also is when nobody is left to say so.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Serves one connection.
async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    house: Arc<House>,
    permit: OwnedSemaphorePermit,
    mut stop: watch::Receiver<bool>,
) {
    // Answers are written whole; waiting to fill a segment would only delay them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let house = Arc::clone(&house);
        async move { Ok::<_, Infallible>(house.answer(peer, request).await) }
    });
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WAIT)
        .max_buf_size(BUFFER_BYTES_MAX)
        // A client that has said all it had to say still gets its answer, and what it asked for is
        // done to the end.
        .half_close(true);
    let mut connection = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = told(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(e) = result {
        tracing::debug!(error = %e, "a connection ended badly");
    }
    drop(permit);
}
