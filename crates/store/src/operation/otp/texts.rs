//! The codes in texts. One is made when its message is handed to a carrier, and its time begins
//! then: what is scheduled, paused or held loses none of it.

use std::time::Duration;

use pombo_domain::address::Phone;
use pombo_domain::id::{AccountId, MessageId};
use pombo_domain::message::PartState;
use pombo_domain::opt_out::Address;
use pombo_domain::otp::{Config, Otp, Reason, Seed};
use pombo_domain::sms::personal::CODE;
use pombo_domain::time::Instant;

use super::super::accept::Accept;
use super::super::request::Request;
use super::super::{Question, View};
use super::{AWAITS, FIND, PENDING, find, key, put};
use crate::error::Result;
use crate::statement::statements;
use crate::work::Work;

/// How long after it is due a message keeps others from getting a code.
const AWAITED: Duration = Duration::from_secs(86_400);

statements! {
    STATE = "select state from part_{day} where id = $1";
    AGAIN = "update otp set created = $1, updated = $1, expires = $2 where id = $3";
}

/// Which of some recipients have a code that is pending, or a message that waits with one, by index;
/// at most a thousand at a time.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Whose.
    pub account: AccountId,
    /// For which `appId`.
    pub app: String,
    /// Whom to look for.
    pub recipients: Vec<Phone>,
    /// The time.
    pub now: Instant,
}

impl Question for Pending {
    type Answer = Vec<usize>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<usize>> {
        let mut pending = Vec::new();
        for (idx, to) in self.recipients.into_iter().enumerate() {
            let to = Address::Phone(to);
            let place = (self.account, self.app.as_str(), &to);
            let Some(found) = find(&mut view.prepare(FIND)?, place)? else { continue };
            let mut waits = |message: MessageId| match view.prepare_for(STATE, message.0)? {
                Some(mut state) => state.first([message.part(0).0], |row| row.get(0)),
                None => Ok(None),
            };
            if found.is_pending(self.now, |message| Ok(waits(message)? == Some(WAITS)))? {
                pending.push(idx);
            }
        }
        Ok(pending)
    }
}

/// Whether a message is still to leave.
pub(super) fn waits(work: &mut Work<'_>, message: MessageId) -> Result<bool> {
    if !work.has_day_of(message.0) {
        return Ok(false);
    }
    let part = [message.part(0).0];
    let state = work.prepare_for(STATE, message.0)?.first(part, |row| row.get(0))?;
    Ok(state == Some(WAITS))
}

const WAITS: i64 = PartState::Queued as i64;

/// Whether a request that makes no code where one is pending meets one.
pub(in crate::operation) fn is_any_pending(work: &mut Work<'_>, asked: &Accept) -> Result<bool> {
    let Some(config) = asked.otp.as_ref().filter(|config| config.reject_if_pending) else {
        return Ok(false);
    };
    for recipient in asked.recipients.iter() {
        let to = Address::Phone(recipient.to);
        let place = (asked.account, config.app.as_str(), &to);
        let Some(found) = find(&mut work.prepare(FIND)?, place)? else { continue };
        if found.is_pending(asked.now, |message| waits(work, message))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Keeps the places of the codes that an accepted request will make, where it would make none while
/// one is pending: of two such requests at once, one is accepted.
pub(in crate::operation) fn await_codes(
    work: &Work<'_>,
    asked: &Accept,
    first: MessageId,
) -> Result<()> {
    let config = asked.otp.as_ref().filter(|config| config.reject_if_pending);
    let Some(config) = config.filter(|_| asked.staged.is_none()) else { return Ok(()) };
    let expires = asked.due.plus(AWAITED);
    let otp = Otp { expires, ..Otp::new(config.clone(), asked.now) };
    for (idx, recipient) in asked.recipients.iter().enumerate() {
        let to = Address::Phone(recipient.to);
        let place = (asked.account, config.app.as_str(), &to);
        put(work, place, (first.plus(idx), b""), (&otp, AWAITS))?;
    }
    Ok(())
}

/// Begins the time of a message's code, which leaves now. A code that the recipient had is over.
///
/// What is handed over again has the same code. Where its time ran out meanwhile that begins anew,
/// with the attempts that are left; where a newer message has taken its place, that stays.
pub(in crate::operation) fn hand_over(
    work: &Work<'_>,
    request: &Request,
    (message, to): (MessageId, Phone),
    (is_first, now): (bool, Instant),
) -> Result<()> {
    let Some(config) = &request.otp else { return Ok(()) };
    let to = Address::Phone(to);
    let place = (request.account, config.app.as_str(), &to);
    match find(&mut work.prepare(FIND)?, place)? {
        Some(found) if found.message == message && !found.awaits => {
            if found.otp.over(now) == Some(Reason::Expired) {
                let (at, end) = (now.micros(), config.end(now).micros());
                work.prepare(AGAIN)?.execute([at, end, found.id])?;
            }
            Ok(())
        }
        Some(found) if found.message != message && !is_first => Ok(()),
        _ => put(work, place, (message, b""), (&Otp::new(config.clone(), now), PENDING)),
    }
}

/// A message's text with its code, where it has one; `text` is its own, where it has one of these.
pub(in crate::operation) fn with_code(
    work: &Work<'_>,
    request: &Request,
    (message, text): (MessageId, Option<String>),
) -> Result<Option<String>> {
    let Some(config) = &request.otp else { return Ok(text) };
    let code = code_of(work, (request.account, message), config)?;
    Ok(Some(text.as_ref().unwrap_or(&request.text).replace(CODE, &code)))
}

fn code_of(
    work: &Work<'_>,
    (account, message): (AccountId, MessageId),
    config: &Config,
) -> Result<String> {
    Ok(key(work)?.code(Seed { account, message, salt: b"" }, config))
}
