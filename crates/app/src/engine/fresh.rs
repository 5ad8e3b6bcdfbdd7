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
    /// Parts that room is set apart for, by lane.
    pub(super) reserved: [usize; 2],
    /// What became of the claims.
    claims: Vec<(Claim, Result<Claimed, Error>)>,
}

impl Fresh {
    /// Whether nothing is on its way to the desk.
    pub(super) fn is_none(&self) -> bool {
        self.reserved == [0; 2]
    }

    /// What has come; the room for it stays set apart until it lies on the desk.
    pub(super) fn take(&mut self) -> Vec<(Claim, Result<Claimed, Error>)> {
        std::mem::take(&mut self.claims)
    }

    /// It lies on the desk, or never will.
    pub(super) fn done(&mut self, claim: &Claim) {
        self.reserved[claim.lane as usize] -= claim.room;
    }
}

impl Outlet for RouteDesk {
    fn claims(&self, fresh: &[(Lane, AccountId, usize)]) -> Vec<Claim> {
        let room = self.room();
        if room.is_none() {
            return Vec::new();
        }
        let now = self.clock.now();
        let may = |account| self.paces.allowance((account, self.id), now) > 0;
        let behind = lock(&self.heads).behind(now, may);
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
                lock(&self.fresh).reserved[lane as usize] += room;
                let (route, rules) = (self.id, self.countries.get());
                claims.push(Claim { route, lane, account, room, rules, now });
            }
        }
        // A pump that stops waits for what is set apart by then.
        if self.is_stopping() {
            claims.drain(..).for_each(|claim| self.claim_is_off(&claim));
        }
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

impl RouteDesk {
    /// Gives back what was set apart for a claim.
    pub(super) fn claim_is_off(&self, claim: &Claim) {
        self.paces.claimed((claim.account, self.id), claim.room, 0);
        lock(&self.fresh).done(claim);
    }
}
