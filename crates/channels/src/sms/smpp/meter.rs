//! The route's counters; whether it is up, the engine tells for every kind of channel. Handles are kept: nothing is looked up by label per message.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use metrics::Counter;

use super::status;

/// Vendors' status codes that get a label of their own; the rest share one, so that a carrier
/// cannot make the number of series grow.
const STATUSES_MAX: usize = 100;

/// Counters of one route.
pub(super) struct Meter {
    route: String,
    ok: Counter,
    timeout: Counter,
    lost: Counter,
    pdu_errors: Counter,
    others: Mutex<HashMap<u32, Counter>>,
}

impl Meter {
    pub(super) fn new(route: &str) -> Self {
        let submit = |status: &'static str| {
            let route = route.to_owned();
            metrics::counter!("pombo_route_submit_total", "route" => route, "status" => status)
        };
        Self {
            route: route.to_owned(),
            ok: submit("ESME_ROK"),
            timeout: submit("timeout"),
            lost: submit("link lost"),
            pdu_errors: metrics::counter!("pombo_pdu_errors_total", "route" => route.to_owned()),
            others: Mutex::new(HashMap::new()),
        }
    }

    /// `n` submissions were accepted.
    pub(super) fn accepted(&self, n: u64) {
        self.ok.increment(n);
    }

    /// One submission was answered with an error.
    pub(super) fn refused(&self, code: u32) {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let key =
            if others.len() < STATUSES_MAX || others.contains_key(&code) { code } else { u32::MAX };
        let counter = others.entry(key).or_insert_with(|| {
            let name = if key == u32::MAX { "other".to_owned() } else { status::name(key) };
            let route = self.route.clone();
            metrics::counter!("pombo_route_submit_total", "route" => route, "status" => name)
        });
        counter.increment(1);
    }

    /// One submission was not answered in time.
    pub(super) fn timed_out(&self) {
        self.timeout.increment(1);
    }

    /// One submission lost its link before its answer.
    pub(super) fn lost(&self) {
        self.lost.increment(1);
    }

    /// A PDU could not be read, or made no sense here.
    pub(super) fn pdu_error(&self) {
        self.pdu_errors.increment(1);
    }
}
