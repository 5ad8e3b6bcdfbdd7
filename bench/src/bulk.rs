//! Messages to many recipients, all of which must be accepted.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use pombo_peers::load::{self, Plan, Post, Traffic};

use crate::journey::ledger::Ledger;
use crate::pombo::authorization;

/// Keep-alive connections, as in the journey: as many requests are accepted together.
const CONNECTIONS: usize = 32;

/// Requests of some recipients each.
pub(crate) struct Bulk {
    /// The number of the first message.
    pub(crate) first: u64,
    /// Messages.
    pub(crate) n: u64,
    /// Recipients of a request.
    pub(crate) batch: u64,
    /// The fields of each request beside its recipients, as JSON without brackets.
    pub(crate) fields: String,
}

impl Bulk {
    /// Sends them all.
    pub(crate) fn send(self, http: SocketAddr) -> Result<()> {
        let headers = [authorization(), "Content-Type: application/json".to_owned()];
        let plan = Plan {
            address: http,
            connections: CONNECTIONS,
            requests: self.n / self.batch,
            time_max: Duration::from_secs(600),
            rate: None,
            answer_max: Duration::from_secs(120),
        };
        let post = Post::new(&http.to_string(), "/api/rest/sms", &headers);
        let requests = Requests { post, bulk: self, body: String::new() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let outcome = runtime.block_on(load::run(plan, Arc::new(Mutex::new(requests))))?;
        if outcome.statuses.keys().any(|status| *status != 202) || outcome.failed > 0 {
            bail!("not all accepted: {:?}, {} failed", outcome.statuses, outcome.failed);
        }
        Ok(())
    }
}

struct Requests {
    post: Post,
    bulk: Bulk,
    body: String,
}

impl Traffic for Requests {
    fn request(&mut self, idx: u64, _due: Instant, buffer: &mut Vec<u8>) {
        let Bulk { first, batch, fields, .. } = &self.bulk;
        let first = Ledger::recipient(first + idx * batch);
        self.body.clear();
        self.body.push('{');
        self.body.push_str(fields);
        self.body.push_str(r#","to":["#);
        for to in first..first + batch {
            let comma = if to > first { "," } else { "" };
            self.body.push_str(&format!("{comma}\"{to}\""));
        }
        self.body.push_str("]}");
        self.post.append(self.body.as_bytes(), buffer);
    }
}
