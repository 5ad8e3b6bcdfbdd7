//! The doors: what speaks HTTP to integrators and operators.
//!
//! A request of a dialect is answered by that dialect's own function, with nothing in between but
//! the path; everything else goes through one small router.

mod body;
mod connection;
mod failing;
mod link;
pub mod nrs360;
mod ops;
mod sandbox;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, StatusCode};
use pombo_app::App;
use pombo_app::auth::Cidr;
use pombo_app::clock::Clock;
use tower::ServiceExt;

use crate::config::Brand;

pub(crate) use body::Budget;
pub(crate) use connection::accept;
pub(crate) use ops::{Doors, metrics_recorder, router};

/// A whole answer, or one that streams.
pub(crate) type Body = Either<Full<Bytes>, axum::body::Body>;

/// What every door answers with.
pub(crate) type Response = hyper::Response<Body>;

/// What the doors share.
pub(crate) struct House {
    pub(crate) app: App,
    pub(crate) clock: Clock,
    /// In links; without a slash at its end.
    pub(crate) public_url: String,
    pub(crate) brand: Brand,
    pub(crate) trusted_proxies: Vec<Cidr>,
    /// Bytes of request bodies that may be in memory at once.
    pub(crate) bodies: Budget,
    /// Turns for requests with many recipients, which unfold to many times their body.
    pub(crate) large: tokio::sync::Semaphore,
    pub(crate) counters: nrs360::Counters,
    pub(crate) router: axum::Router,
}

impl House {
    /// Answers one request.
    pub(crate) async fn answer(
        self: Arc<Self>,
        peer: IpAddr,
        request: Request<Incoming>,
    ) -> Response {
        if nrs360::is_ours(request.uri().path()) {
            return nrs360::answer(&self, peer, request).await;
        }
        let request = request.map(axum::body::Body::new);
        match Box::pin(self.router.clone().oneshot(request)).await {
            Ok(response) => response.map(Either::Right),
            Err(never) => match never {},
        }
    }
}

/// An answer of JSON.
pub(crate) fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(body))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
