//! SMPP 3.4 as an ESME: binds to a carrier, submits parts, takes receipts and messages in.
//!
//! One task per connection (`link` keeps it up, `session` speaks over it). `submit` turns attempts
//! into PDUs, `inbound` turns the carrier's PDUs into arrivals, `status` says what errors mean.

mod backoff;
mod config;
mod inbound;
mod inbox;
mod link;
mod meter;
mod pace;
mod session;
pub mod status;
mod submit;
mod tls;
mod trace;
mod window;

use std::sync::Arc;

use pombo_domain::channel::Desk;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use config::{Bind, Config, DefaultEncoding, Flash, Long, Secret, Timings, Tls, TonNpi};
pub use trace::Trace;

use link::{Link, Side};
use pombo_wire::smpp::BindKind;

/// What all links of a route share.
struct Route {
    config: Config,
    desk: Arc<dyn Desk>,
    meter: meter::Meter,
}

/// Keeps the route's links up until `stop` becomes true (or its sender is gone), then drains:
/// takes no more work, gives back what was not written, waits for open answers, unbinds, and
/// reports the rest as it is. Returns when all links are closed.
pub async fn run(config: Config, desk: Arc<dyn Desk>, stop: watch::Receiver<bool>) {
    let meter = meter::Meter::new(&config.route);
    let route = Arc::new(Route { config, desk, meter });
    let mut links = JoinSet::new();
    for number in 0..route.config.binds {
        let standing = Arc::new(link::Standing::new(number, route.config.bind));
        let kinds: &[(BindKind, Side)] = match route.config.bind {
            Bind::Transceiver => &[(BindKind::Transceiver, Side::First)],
            Bind::Pair => {
                &[(BindKind::Transmitter, Side::First), (BindKind::Receiver, Side::Second)]
            }
        };
        for &(kind, side) in kinds {
            let (route, standing) = (Arc::clone(&route), Arc::clone(&standing));
            let link = Link { route, standing, kind, side };
            links.spawn(link.run(stop.clone()));
        }
    }
    while let Some(ended) = links.join_next().await {
        if let Err(error) = ended {
            tracing::error!(route = route.config.route, %error, "a link's task has failed");
        }
    }
}
