//! The pump: claims what is due while there is room, lane by lane, account by account.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pombo_domain::address::Sender;
use pombo_domain::channel::{Attempt, SmsBody};
use pombo_domain::id::AccountId;
use pombo_domain::message::Lane;
use pombo_domain::sms::{Cut, TableChoice, segment};
use pombo_domain::time::Instant;
use pombo_store::operation::claim::{Claim, Claimed, ClaimedMessage};
use pombo_store::operation::request::Request;

use super::RouteDesk;
use super::desk::lock;
use super::flight::Flying;

/// Accounts served in one round.
const ACCOUNTS_PER_ROUND: usize = 16;
/// Parts that one claim takes at most, so that no claim keeps the writer long.
const CLAIM_MAX: usize = 1_000;
/// Looks again after this long whatever happens.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_millis(250);

/// Runs until the desk stops.
pub(super) async fn run(desk: Arc<RouteDesk>) {
    while !desk.is_stopping() {
        let rung = desk.bell.notified();
        let wait = match round(&desk).await {
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
}

/// One round; `Some` is how long to wait where nothing could be claimed.
async fn round(desk: &RouteDesk) -> Result<Option<Duration>, pombo_store::Error> {
    let room = desk.room();
    if Lane::ALL.iter().all(|lane| room.of(*lane) == 0) {
        return Ok(Some(PATIENCE));
    }
    let now = desk.clock.now();
    let mut held_back = PATIENCE;
    let turn = lock(&desk.heads).turn(
        now,
        |lane| room.of(lane).min(ACCOUNTS_PER_ROUND),
        |account| desk.paces.allowance(account, now).0 > 0,
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
    let claims = accounts.iter().map(|&account| {
        let allowed = desk.paces.allowance(account, now).0;
        let (route, room, rules) = (desk.id, share.min(allowed), Arc::clone(&rules));
        desk.store.run(Claim { route, lane, account, room, rules, now })
    });
    let mut failed = None;
    // Sent off together, so that they share a commit. Where one fails, what the others claimed is
    // ours all the same.
    for (account, claimed) in accounts.iter().zip(join_all(claims).await) {
        match claimed {
            Ok(claimed) => put_on_desk(desk, lane, *account, claimed),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(None), Err)
}

fn put_on_desk(desk: &RouteDesk, lane: Lane, account: AccountId, claimed: Claimed) {
    lock(&desk.heads).looked(lane, account, claimed.next_due);
    if claimed.work.is_empty() {
        return;
    }
    let mut bodies: Option<(i64, Arc<SmsBody>)> = None;
    let mut attempts = Vec::with_capacity(claimed.work.len());
    let now = desk.clock.now();
    let mut flight = lock(&desk.flight);
    let mut n_parts = 0;
    for message in claimed.work {
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
    desk.paces.took(account, n_parts);
    desk.stock(lane, attempts);
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
