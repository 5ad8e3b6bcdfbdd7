//! What a route takes at once: messages that are claimed in the transaction that accepts them, while
//! nothing that may leave before them waits, and its links have room.

use pombo_domain::id::AccountId;
use pombo_domain::message::Lane;
use pombo_domain::time::Instant;
use pombo_store::operation::claim::{Claim, Claimed};
use pombo_store::{Error, Outlet};

use super::RouteDesk;
use super::desk::lock;

/// Claims that the writer runs, or has run and the pump has not seen.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    /// Parts that room is set apart for.
    pub(super) n_reserved: usize,
    /// What became of the claims.
    pub(super) claims: Vec<(Claim, Result<Claimed, Error>)>,
}

impl Outlet for RouteDesk {
    fn claims(&self, fresh: &[(Lane, AccountId, usize)]) -> Vec<Claim> {
        let now = self.clock.now();
        let may = |account| self.paces.allowance((account, self.id), now) > 0;
        let behind = lock(&self.heads).behind(now, may);
        let room = self.room();
        let mut n_reserved = 0;
        let mut claims = Vec::with_capacity(fresh.len());
        for &(lane, account, n_parts) in fresh {
            if behind.is_some_and(|behind| behind <= lane) {
                break; // Whoever waits goes first.
            }
            let most = room.of(lane).saturating_sub(n_reserved).min(n_parts);
            let room = self.paces.reserve((account, self.id), most, now);
            if room > 0 {
                n_reserved += room;
                let (route, rules) = (self.id, self.countries.get());
                claims.push(Claim { route, lane, account, room, rules, now });
            }
        }
        lock(&self.fresh).n_reserved += n_reserved;
        claims
    }

    fn claimed(&self, claim: Claim, claimed: Result<Claimed, Error>) {
        lock(&self.fresh).claims.push((claim, claimed));
        self.bell.notify_one();
    }

    fn queued(&self, lane: Lane, account: AccountId, due: Instant) {
        self.ring(lane, account, due);
    }
}
