//! What becomes of a message from a handset: it is told to its account, with what it answers, and
//! answered where it opted out.

use std::time::Duration;

use pombo_domain::campaign::Totals;
use pombo_domain::id::{AccountId, MessageId, PartId};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::message::EventKind;
use pombo_domain::opt_out::word::Effect;
use pombo_domain::time::Instant;

use super::super::part::{self, Step};
use super::super::{Operation, Question, View, opt_out_word};
use super::{Message, effect_number, phone_of};
use crate::error::Result;
use crate::sql::values;
use crate::statement::statements;
use crate::work::Work;

/// Nobody is answered again within this time.
pub(crate) const ANSWERED_ONCE: Duration = Duration::from_secs(24 * 3_600);

statements! {
    /// The index has only what is to be done, and is found by these very words.
    WAITING = "select id, account, route, sender, recipient, text, at, pieces, missing, message, \
        effect, answer from inbound where todo > 0 and todo = $1 order by id limit $2";
    WAITS = "select id, account, route, sender, recipient, text, at, pieces, missing, message, \
        effect, answer from inbound where todo = 1 and id = $1";
    DONE = "update inbound set account = $1, message = $2, effect = $3, todo = $4 where id = $5";
    ANSWERED = "update inbound set todo = 0, answer = $1 where id = $2 and todo = 2";
    LAST_ANSWER = "select at from opt_out_answered where account = $1 and phone = $2";
    NEW_ANSWER = "insert into opt_out_answered (account, phone, at) values ($1, $2, $3) \
        on conflict (account, phone) do update set at = excluded.at";
    IS_OURS = "select account from inbound_number where number = $1 limit 1";
    FORGET_ANSWERS = "delete from opt_out_answered where (account, phone) in \
        (select account, phone from opt_out_answered where at < $1 limit $2)";
}

/// Messages that something is to be done about, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    /// Those that are owed an answer; else those that are to be looked at.
    pub for_answer: bool,
    /// At most.
    pub limit: i64,
}

impl Question for Waiting {
    type Answer = Vec<Message>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<Message>> {
        let todo = if self.for_answer { 2 } else { 1 };
        view.prepare(WAITING)?.all([todo, self.limit], Message::from_row)
    }
}

/// Tells what was found out about messages; what was told before stays as it is.
#[derive(Debug, Clone)]
pub struct Resolve {
    /// Each with the message that it answers, and whose that is, where there is one.
    pub messages: Vec<(i64, Option<(AccountId, MessageId)>)>,
    /// When.
    pub now: Instant,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Messages that are an account's.
    pub n_owned: usize,
    /// Messages that are nobody's.
    pub n_unowned: usize,
    /// Recipients who opted out.
    pub n_out: usize,
    /// Messages that are owed an answer.
    pub n_to_answer: usize,
}

impl Operation for Resolve {
    type Answer = Resolved;

    fn rows(&self) -> usize {
        (3 * self.messages.len()).min(ROWS_PER_OPERATION_MAX)
    }

    fn run(&self, work: &mut Work<'_>) -> Result<Resolved> {
        work.now_is(self.now);
        let mut done = Resolved::default();
        for (id, found) in &self.messages {
            let waits = work.prepare(WAITS)?.first([*id], Message::from_row)?;
            if let Some(message) = waits {
                self.resolve(work, &message, *found, &mut done)?;
            }
        }
        Ok(done)
    }
}

impl Resolve {
    fn resolve(
        &self,
        work: &mut Work<'_>,
        inbound: &Message,
        found: Option<(AccountId, MessageId)>,
        done: &mut Resolved,
    ) -> Result<()> {
        let Some(account) = inbound.account.or(found.map(|(account, _)| account)) else {
            done.n_unowned += 1;
            work.prepare(DONE)?.execute([0, 0, 0, 0, inbound.id])?;
            return Ok(());
        };
        done.n_owned += 1;
        let effect = match (inbound.account, inbound.effect) {
            // It was obeyed when it came.
            (Some(_), Some(effect)) => Some(effect),
            _ => {
                let said = (inbound.from.as_str(), inbound.text.as_str());
                opt_out_word::obey(work, account, said, self.now)?
            }
        };
        let answers = found.filter(|(whose, _)| *whose == account).map(|(_, message)| message);
        tell(work, inbound, answers, effect)?;
        done.n_out += usize::from(effect == Some(Effect::Out));
        let is_owed = match effect {
            Some(effect) => self.owes_answer(work, (account, effect), inbound)?,
            None => false,
        };
        done.n_to_answer += usize::from(is_owed);
        let todo = if is_owed { 2 } else { 0 };
        let message = answers.map_or(0, |message| message.0);
        work.prepare(DONE)?.execute([
            account.0,
            message,
            effect_number(effect),
            todo,
            inbound.id,
        ])?;
        Ok(())
    }

    /// Whether its account answers: once a day to each telephone, and never to a number of ours or
    /// what is no telephone, which may be a machine that answers too.
    fn owes_answer(
        &self,
        work: &mut Work<'_>,
        (account, effect): (AccountId, Effect),
        inbound: &Message,
    ) -> Result<bool> {
        let Some(phone) = phone_of(&inbound.from) else { return Ok(false) };
        if opt_out_word::answer(work, account, effect)?.is_empty() {
            return Ok(false);
        }
        let digits = phone.to_string();
        let is_ours = work.prepare(IS_OURS)?.first(values![digits], |_| Ok(()))?.is_some();
        let key = [account.0, phone.digits().cast_signed()];
        let last: Option<i64> = work.prepare(LAST_ANSWER)?.first(key, |row| row.get(0))?;
        let is_early = last.is_some_and(|at| at > self.now.minus(ANSWERED_ONCE).micros());
        if is_ours || is_early {
            return Ok(false);
        }
        work.prepare(NEW_ANSWER)?.execute([key[0], key[1], self.now.micros()])?;
        Ok(true)
    }
}

/// Writes the events: of the message that it answers, or of itself.
fn tell(
    work: &mut Work<'_>,
    inbound: &Message,
    answers: Option<MessageId>,
    effect: Option<Effect>,
) -> Result<()> {
    let did = effect.map(|effect| match effect {
        Effect::Out => EventKind::Unsubscribed,
        Effect::In => EventKind::Resubscribed,
    });
    let detail = inbound.id.to_string();
    for kind in [Some(EventKind::Inbound), did].into_iter().flatten() {
        let step = Step {
            part: PartId(-inbound.id),
            kind,
            route: inbound.route,
            at: inbound.at,
            word: "",
            code: "",
            detail: &detail,
        };
        let first = answers.map(|message| message.part(0));
        let before = match first {
            Some(part) => part::find(work, part)?.map(|before| (part, before)),
            None => None,
        };
        let Some((part, before)) = before else {
            part::log(work, &step)?;
            continue;
        };
        part::advance(work, &before, before.state, &Step { part, route: before.route, ..step })?;
        if let (EventKind::Unsubscribed, Some((sending, _))) = (kind, before.tally.sending()) {
            work.totals().add(sending, Totals { unsubscribed: 1, ..Totals::default() });
        }
    }
    Ok(())
}

/// A message was answered, or cannot be.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// Which.
    pub id: i64,
    /// Our answer.
    pub by: Option<MessageId>,
}

impl Operation for Answered {
    type Answer = ();

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        let by = self.by.map_or(0, |message| message.0);
        work.prepare(ANSWERED)?.execute([by, self.id])?;
        Ok(())
    }
}

/// Forgets whom was answered long ago.
pub(crate) fn sweep(work: &Work<'_>, now: Instant, limit: i64) -> Result<()> {
    let before = now.minus(ANSWERED_ONCE).micros();
    work.prepare(FORGET_ANSWERS)?.execute([before, limit])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_done_is_found_without_reading_what_was_done() {
        let (connection, _) = crate::sqlite::migrated_in_memory();
        let explained = format!("explain query plan {}", WAITING.sql);
        let plan: String = connection
            .query_row(&explained, [1_i64, 100], |row| row.get(3))
            .expect("the statement is explained");
        assert!(plan.contains("inbound_todo"), "{plan}");
    }
}
