//! `recover`: what nodes left that are no more. Open intents become uncertain, half-staged requests go.

use std::collections::HashMap;

use pombo_domain::channel::Cause;
use pombo_domain::id::{AccountId, PartId, RouteId};
use pombo_domain::message::{Category, Lane};
use pombo_domain::route::{UncertainPolicies, UncertainPolicy};
use pombo_domain::time::Instant;

use super::intent::unpack;
use super::uncertain::{self, Doubt};
use super::{Operation, part, request};
use crate::error::Result;
use crate::statement::statements;
use crate::work::Work;

statements! {
    INTENTS = "select id, route, lane, account, tries, parts from intent \
        where node not in (select id from node) order by id";
    END_INTENTS = "delete from intent where node not in (select id from node)";
    /// As [`super::sweep`] does, which drops what they have written, a piece at a time: it may be much.
    GIVE_UP_STAGINGS = "update staging set first = first + 1 \
        where node not in (select id from node) and (first & 15) = 0";
}

/// Parts that are read together.
const READ_AT_ONCE: usize = 2_000;

/// Runs before anything is claimed, and when a node has gone. Where only one can serve, nobody else
/// is one; there it must not run later.
#[derive(Debug, Clone)]
pub struct Recover {
    /// Each route's policy for parts in doubt; a route that is no longer configured holds them.
    pub policies: HashMap<RouteId, UncertainPolicies>,
    /// The time.
    pub now: Instant,
}

/// What was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Parts that were being submitted.
    pub n_uncertain: usize,
    /// Requests that were never accepted.
    pub n_unstaged: usize,
}

struct Intent {
    route: RouteId,
    lane: Lane,
    account: AccountId,
    tries: u8,
    parts: Vec<PartId>,
}

impl Operation for Recover {
    type Answer = Recovered;

    fn run(&self, work: &mut Work<'_>) -> Result<Recovered> {
        work.now_is(self.now);
        let mut found = Recovered::default();
        let intents: Vec<Intent> = work.prepare(INTENTS)?.all((), |row| {
            Ok(Intent {
                route: RouteId(row.get(1)?),
                lane: Lane::from_stored(row.get(2)?),
                account: AccountId(row.get(3)?),
                tries: row.get(4)?,
                parts: unpack(&row.get::<Vec<u8>>(5)?),
            })
        })?;
        let text = "stopped between submitting and storing the answer".to_owned();
        let cause = Cause { code: String::new(), text };
        let held = UncertainPolicies::from(UncertainPolicy::Hold);
        let left: Vec<(PartId, &Intent)> =
            intents.iter().flat_map(|i| i.parts.iter().map(move |part| (*part, i))).collect();
        for piece in left.chunks(READ_AT_ONCE) {
            let parts = piece.iter().map(|(part, _)| *part);
            part::read_ahead(work, parts.clone())?;
            request::read_ahead(work, parts.map(PartId::message))?;
            for &(part, intent) in piece {
                let request = request::of_message(work, part.message())?;
                let category = request.map_or(Category::Transactional, |r| r.category);
                let doubt = Doubt {
                    part,
                    route: intent.route,
                    account: intent.account,
                    lane: intent.lane,
                    tries: intent.tries,
                    policy: self.policies.get(&intent.route).unwrap_or(&held).of(category),
                    at: self.now,
                };
                if uncertain::doubt(work, &doubt, &cause)?.is_some() {
                    found.n_uncertain += 1;
                }
            }
        }
        work.prepare(END_INTENTS)?.execute(())?;
        found.n_unstaged = work.prepare(GIVE_UP_STAGINGS)?.execute(())?;
        Ok(found)
    }
}
