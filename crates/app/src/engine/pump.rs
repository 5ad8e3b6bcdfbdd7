//! The pump: claims what is due while there is room, lane by lane, account by account.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pombo_domain::address::Sender;
use pombo_domain::channel::{Attempt, SmsBody};
use pombo_domain::message::Lane;
use pombo_domain::sms::{Cut, TableChoice, segment};
use pombo_domain::time::Instant;
use pombo_store::operation::claim::{Claim, ClaimAll, Claimed, ClaimedMessage};
use pombo_store::operation::request::Request;

use super::RouteDesk;
use super::desk::lock;
use super::flight::Flying;

/// Accounts served in one round where each has much to send.
const ACCOUNTS_MIN: usize = 16;
/// Accounts served in one round where each has little.
const ACCOUNTS_MAX: usize = 256;
/// Parts that one claim takes at most, so that no claim keeps the writer long.
const CLAIM_MAX: usize = 1_000;
/// Looks again after this long whatever happens.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_millis(250);

/// Runs until the desk stops.
pub(super) async fn run(desk: Arc<RouteDesk>) {
    let mut breadths = [Breadth::default(); Lane::ALL.len()];
    while !desk.is_stopping() {
        let rung = desk.bell.notified();
        put_fresh(&desk);
        let wait = match round(&desk, &mut breadths).await {
            Ok(Some(wait)) => wait,
            Ok(None) => continue,
            Err(error) => {
                tracing::warn!(route = desk.route().name, %error, "claiming failed; trying again");
                STORE_PAUSE
            }
        };
        // Whatever the reason, a bell ends the wait.
        let _ = tokio::time::timeout(wait, rung).await;
    }
    // What is just being claimed is given back with all else that lies on the desk.
    while !lock(&desk.fresh).is_none() {
        let rung = desk.bell.notified();
        put_fresh(&desk);
        let _ = tokio::time::timeout(STORE_PAUSE, rung).await;
    }
}

/// Puts on the desk what was claimed when it was accepted.
fn put_fresh(desk: &RouteDesk) {
    let fresh = lock(&desk.fresh).take();
    for (claim, claimed) in fresh {
        let Ok(claimed) = claimed else {
            desk.claim_is_off(&claim);
            continue;
        };
        if let Some(due) = claimed.next_due {
            desk.ring(claim.lane, claim.account, due);
        }
        put_on_desk(desk, &claim, claimed.work);
        lock(&desk.fresh).done(&claim);
    }
}

/// How many accounts a round serves. A few, so that each hands over a good piece at a time; ever
/// more while one piece is all that they have, so that a commit carries more than a few messages
/// where thousands of accounts send one now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Breadth(usize);

impl Default for Breadth {
    fn default() -> Self {
        Self(ACCOUNTS_MIN)
    }
}

impl Breadth {
    /// Learns from a round: of so many accounts, so many had nothing left that is due.
    fn learn(&mut self, n_accounts: usize, n_emptied: usize) {
        let is_thin = n_emptied * 2 > n_accounts;
        self.0 = match is_thin {
            true if n_accounts < self.0 => self.0, // There were no more.
            true => (self.0 * 2).min(ACCOUNTS_MAX),
            false => (self.0 / 2).max(ACCOUNTS_MIN),
        };
    }
}

/// One round; `Some` is how long to wait where nothing could be claimed.
async fn round(
    desk: &RouteDesk,
    breadths: &mut [Breadth; Lane::ALL.len()],
) -> Result<Option<Duration>, pombo_store::Error> {
    let room = desk.room();
    if room.is_none() {
        return Ok(Some(PATIENCE));
    }
    let now = desk.clock.now();
    let mut held_back = PATIENCE;
    let turn = lock(&desk.heads).turn(
        now,
        |lane| room.of(lane).min(breadths[lane as usize].0),
        |account| desk.paces.allowance((account, desk.id), now) > 0,
    );
    let Some((lane, accounts)) = turn else {
        if let Some(due) = lock(&desk.heads).next_due(|lane| room.of(lane) > 0) {
            // Not due yet, or due and held back by its account's pace.
            held_back = held_back.min(due.since(now).max(Duration::from_millis(10)));
        }
        return Ok(Some(held_back));
    };
    let share = (room.of(lane) / accounts.len()).clamp(1, CLAIM_MAX);
    let rules = desk.countries.get();
    let claims: Arc<[Claim]> = accounts
        .iter()
        .map(|&account| {
            let room = desk.paces.reserve((account, desk.id), share, now);
            let (route, rules) = (desk.id, Arc::clone(&rules));
            Claim { route, lane, account, room, rules, now }
        })
        .collect();
    let (mut failed, mut n_emptied) = (None, 0);
    for (claim, claimed) in claims.iter().zip(claim_meanwhile(desk, Arc::clone(&claims)).await) {
        match claimed {
            Ok(claimed) => {
                n_emptied += usize::from(claimed.next_due.is_none_or(|due| due > now));
                let queue = (claim.lane, claim.account);
                lock(&desk.heads).looked(queue, now, claimed.next_due);
                put_on_desk(desk, claim, claimed.work);
            }
            Err(error) => {
                lock(&desk.heads).missed(claim.lane, claim.account);
                desk.paces.claimed((claim.account, desk.id), claim.room, 0);
                failed = Some(error);
            }
        }
    }
    breadths[lane as usize].learn(accounts.len(), n_emptied);
    failed.map_or(Ok(None), Err)
}

/// Claims for all of them, and puts on the desk what comes meanwhile.
async fn claim_meanwhile(
    desk: &RouteDesk,
    claims: Arc<[Claim]>,
) -> Vec<Result<Claimed, pombo_store::Error>> {
    let mut claimed = std::pin::pin!(claim_all(desk, claims));
    loop {
        tokio::select! {
            biased;
            claimed = &mut claimed => {
                put_fresh(desk); // It was claimed before.
                return claimed;
            }
            () = desk.bell.notified() => put_fresh(desk),
        }
    }
}

/// Claims for all of them; where that fails, for each alone, so that no account stops the others.
async fn claim_all(
    desk: &RouteDesk,
    claims: Arc<[Claim]>,
) -> Vec<Result<Claimed, pombo_store::Error>> {
    match desk.store.run(ClaimAll { claims: Arc::clone(&claims) }).await {
        Ok(claimed) => claimed.into_iter().map(Ok).collect(),
        Err(error) if claims.len() == 1 || error.is_passing() => {
            claims.iter().map(|_| Err(error.clone())).collect()
        }
        Err(_) => join_all(claims.iter().map(|claim| desk.store.run(claim.clone()))).await,
    }
}

/// Puts on the desk what was claimed, of the room that was set apart for it.
fn put_on_desk(desk: &RouteDesk, claim: &Claim, work: Vec<ClaimedMessage>) {
    let (lane, account) = (claim.lane, claim.account);
    if work.is_empty() {
        return desk.paces.claimed((account, desk.id), claim.room, 0);
    }
    let mut bodies: Option<(i64, Arc<SmsBody>)> = None;
    let mut attempts = Vec::with_capacity(work.len());
    let now = desk.clock.now();
    let mut flight = lock(&desk.flight);
    let mut n_parts = 0;
    for message in work {
        let body = match (&bodies, &message.text) {
            (_, Some(own)) => Arc::new(body_of(&message.request, own)),
            (Some((request, body)), _) if *request == message.request.id.0 => Arc::clone(body),
            _ => {
                let body = Arc::new(body_of(&message.request, &message.request.text));
                bodies = Some((message.request.id.0, Arc::clone(&body)));
                body
            }
        };
        let attempt = Attempt {
            message: message.message,
            to: message.to,
            concat_ref: message.request.concat_ref_of(message.message),
            parts: message.parts,
            try_number: message.tries,
            expires: validity_end(&message),
            body,
        };
        for idx in attempt.part_idxs() {
            flight.depart(attempt.message.part(idx), flying(&message, &attempt, now));
            n_parts += 1;
        }
        attempts.push(attempt);
    }
    drop(flight);
    desk.paces.claimed((account, desk.id), claim.room, n_parts);
    desk.stock(lane, account, attempts);
}

fn flying(message: &ClaimedMessage, attempt: &Attempt, since: Instant) -> Flying {
    let n_parts = attempt.body.segmented.n_parts();
    Flying {
        intent: message.intent,
        account: message.request.account,
        lane: message.request.lane,
        category: message.request.category,
        tries: message.tries,
        expires: message.request.expires,
        to: message.to,
        since,
        body: Arc::clone(&attempt.body),
        alone: n_parts == 1,
        whole: attempt.n_parts() == n_parts,
        tally: message.request.tally(u8::try_from(n_parts).unwrap_or(u8::MAX)),
    }
}

/// When the carrier must stop trying: when the message expires, or when its recipient's country
/// stops allowing it. What still lies on the desk then goes back to its queue, and waits.
fn validity_end(message: &ClaimedMessage) -> Option<Instant> {
    [message.request.expires, message.closes].into_iter().flatten().min()
}

/// Cuts the text again, as it was cut when it was accepted.
fn body_of(request: &Request, text: &str) -> SmsBody {
    let cut = Cut { encoding: request.encoding, tables: TableChoice::Auto, split: request.split };
    let segmented = match segment(text, cut) {
        Ok(segmented) => segmented,
        // It was encodable when it was accepted; UTF-16 carries everything.
        Err(_) => {
            let encoding = pombo_domain::sms::Encoding::Utf16;
            segment(text, Cut { encoding, ..cut }).unwrap_or_default()
        }
    };
    SmsBody { from: Sender::from_stored(&request.sender), segmented, flash: request.flash }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_widen_while_accounts_have_little_and_narrow_again() {
        let mut breadth = Breadth::default();
        for (n_accounts, n_emptied, then) in [
            (3, 3, 16),   // there are no more
            (16, 16, 32), // one piece was all they had
            (32, 17, 64), // of most of them
            (64, 32, 32), // half have more
            (32, 0, 16),  // all have more
            (16, 0, 16),  // and never fewer
        ] {
            breadth.learn(n_accounts, n_emptied);
            assert_eq!(breadth, Breadth(then), "after {n_accounts}, {n_emptied} emptied");
        }
        for _ in 0..10 {
            let n_accounts = breadth.0;
            breadth.learn(n_accounts, n_accounts);
        }
        assert_eq!(breadth, Breadth(ACCOUNTS_MAX));
    }
}
