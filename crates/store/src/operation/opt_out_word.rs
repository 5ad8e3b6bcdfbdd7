//! Words that opt out and in, as operators set them, and what accounts answer to them.

use pombo_domain::id::AccountId;
use pombo_domain::opt_out::word::{self, Effect, Rule};
use pombo_domain::opt_out::{Address, REASON_CHARS_MAX, Source};
use pombo_domain::time::Instant;

use super::inbound::phone_of;
use super::opt_out::{Add, Remove};
use super::{Operation, Question, View};
use crate::error::Result;
use crate::sql::values;
use crate::statement::statements;
use crate::work::Work;

statements! {
    RULE = "select rule from opt_out_word where word = $1 and (account = $2 or account = 0) \
        order by account desc limit 1";
    SET = "insert into opt_out_word (account, word, rule) values ($1, $2, $3) \
        on conflict (account, word) do update set rule = excluded.rule";
    REMOVE = "delete from opt_out_word where account = $1 and word = $2";
    LIST = "select coalesce(a.name, ''), w.word, w.rule from opt_out_word w \
        left join account a on a.id = w.account order by w.account, w.word";
    ANSWERS = "select opted_out, opted_in from opt_out_answer where account = $1";
    SET_ANSWERS = "insert into opt_out_answer (account, opted_out, opted_in) values ($1, $2, $3) \
        on conflict (account) do update set opted_out = excluded.opted_out, \
        opted_in = excluded.opted_in";
}

/// Does what an answer asks for; tells what it changed. Only who has a telephone can ask.
pub(super) fn obey(
    work: &mut Work<'_>,
    account: AccountId,
    (from, text): (&str, &str),
    now: Instant,
) -> Result<Option<Effect>> {
    let Some(phone) = phone_of(from) else { return Ok(None) };
    let asked = word::effect(text, |word| {
        let own = work.prepare(RULE)?.first(values![word, account.0], |row| row.get(0))?;
        Ok::<_, crate::error::Error>(own.map(Rule::from_stored).or_else(|| word::known(word)))
    })?;
    let Some(asked) = asked else { return Ok(None) };
    let (addresses, source) = (vec![Address::Phone(phone)], Source::Recipient);
    let reason: String = text.chars().take(REASON_CHARS_MAX).collect();
    let n = match asked {
        Effect::Out => Add { account, addresses, source, reason, now }.run(work)?,
        Effect::In => Remove { account, addresses, source, reason, now }.run(work)?,
    };
    Ok((n > 0).then_some(asked))
}

/// What an account answers; empty: nothing.
pub(super) fn answer(work: &Work<'_>, account: AccountId, effect: Effect) -> Result<String> {
    let found: Option<(String, String)> =
        work.prepare(ANSWERS)?.first([account.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (out, again) = found.unwrap_or_default();
    Ok(match effect {
        Effect::Out => out,
        Effect::In => again,
    })
}

/// Says what a word does, for one account or for all.
#[derive(Debug, Clone)]
pub struct Set {
    /// For whom; `None`: for all.
    pub account: Option<AccountId>,
    /// Folded.
    pub word: String,
    /// What; `None`: as the table has it.
    pub rule: Option<Rule>,
}

impl Operation for Set {
    /// Whether anything was changed.
    type Answer = bool;

    fn run(&self, work: &mut Work<'_>) -> Result<bool> {
        let account = self.account.map_or(0, |account| account.0);
        let n = match self.rule {
            Some(rule) => work.prepare(SET)?.execute(values![account, self.word, rule as i64])?,
            None => work.prepare(REMOVE)?.execute(values![account, self.word])?,
        };
        Ok(n > 0)
    }
}

/// The words that operators set: the account's name (empty: for all), the word, what it does.
#[derive(Debug, Clone, Copy)]
pub struct List;

impl Question for List {
    type Answer = Vec<(String, String, Rule)>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<(String, String, Rule)>> {
        view.prepare(LIST)?
            .all((), |row| Ok((row.get(0)?, row.get(1)?, Rule::from_stored(row.get(2)?))))
    }
}

/// What an account answers to who opted out, and to who opted in again; empty: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// To who opted out.
    pub opted_out: String,
    /// To who opted in again.
    pub opted_in: String,
}

/// Sets an account's answers.
#[derive(Debug, Clone)]
pub struct SetAnswers {
    /// Whose.
    pub account: AccountId,
    /// What.
    pub answers: Answers,
}

impl Operation for SetAnswers {
    type Answer = ();

    fn run(&self, work: &mut Work<'_>) -> Result<()> {
        let Answers { opted_out, opted_in } = &self.answers;
        work.prepare(SET_ANSWERS)?.execute(values![self.account.0, opted_out, opted_in])?;
        Ok(())
    }
}

/// An account's answers.
#[derive(Debug, Clone, Copy)]
pub struct FindAnswers(pub AccountId);

impl Question for FindAnswers {
    type Answer = Answers;

    fn answer(self, view: &mut View<'_>) -> Result<Answers> {
        let found = view.prepare(ANSWERS)?.first([self.0.0], |row| {
            Ok(Answers { opted_out: row.get(0)?, opted_in: row.get(1)? })
        })?;
        Ok(found.unwrap_or_default())
    }
}
