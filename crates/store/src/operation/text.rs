//! Personal texts: what each message of a request says, where they do not all say the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pombo_domain::id::MessageId;
use pombo_domain::link::{Code, Target};
use pombo_domain::sms::personal::{CODE, CODE_SHOWN};

use super::View;
use super::request::Request;
use crate::error::Result;
use crate::sql::values;
use crate::statement::statements;
use crate::work::{Work, day_of};

statements! {
    NEW_TEXT = "insert into text_{day} (message, text) values ($1, $2)";
    NEW_LINK = "insert into link_{day} (code, message, target) values ($1, $2, $3)";
    TEXT = "select text from text_{day} where message = $1";
}

/// The texts of a request's messages.
#[derive(Debug, Clone)]
pub enum Texts {
    /// All have the request's.
    Same,
    /// Each has its own; none are here where [`super::stage`] has written them.
    Each(Arc<[OwnText]>),
}

/// One message's text.
#[derive(Debug, Clone)]
pub struct OwnText {
    /// As it is sent.
    pub text: String,
    /// The short links in it.
    pub links: Vec<NewLink>,
}

/// A short link.
#[derive(Debug, Clone)]
pub struct NewLink {
    /// What it is called.
    pub code: Code,
    /// Where it leads.
    pub target: Target,
}

impl Texts {
    /// Rows that they take.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Same => 0,
            Self::Each(texts) => texts.iter().map(|own| 1 + own.links.len()).sum(),
        }
    }

    /// Writes the texts and links of the messages from `first` on.
    pub(super) fn write(&self, work: &mut Work<'_>, first: MessageId) -> Result<()> {
        let Self::Each(texts) = self else { return Ok(()) };
        for (offset, own) in texts.iter().enumerate() {
            let message = first.plus(offset);
            work.prepare_for(NEW_TEXT, first.0)?.write(values![message.0, own.text])?;
            for NewLink { code, target } in &own.links {
                work.ensure_day(code.day())?;
                work.prepare_on(NEW_LINK, code.day())?.write(values![
                    code.key(),
                    message.0,
                    target.as_str()
                ])?;
            }
        }
        Ok(())
    }
}

/// The text of a message that has its own; `None` where it has the request's.
pub(super) fn of_message(
    work: &mut Work<'_>,
    request: &Request,
    message: MessageId,
) -> Result<Option<String>> {
    Ok(of_messages(work, std::iter::once((request, message)))?.remove(&message))
}

/// A message's text as it is shown: without its one-time code.
pub(super) fn shown(view: &mut View<'_>, request: &Request, message: MessageId) -> Result<String> {
    let text = seen(view, request, message)?.unwrap_or_else(|| request.text.clone());
    Ok(without_code(request, text))
}

/// The same for a command.
pub(super) fn shown_to_all(
    work: &mut Work<'_>,
    request: &Request,
    message: MessageId,
) -> Result<String> {
    let text = of_message(work, request, message)?.unwrap_or_else(|| request.text.clone());
    Ok(without_code(request, text))
}

fn without_code(request: &Request, text: String) -> String {
    if request.otp.is_some() { text.replace(CODE, CODE_SHOWN) } else { text }
}

/// The texts of those messages that have their own.
pub(super) fn of_messages<'r>(
    work: &mut Work<'_>,
    messages: impl Iterator<Item = (&'r Request, MessageId)>,
) -> Result<HashMap<MessageId, String>> {
    let mut days: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (_, message) in messages.filter(|(request, _)| request.personal) {
        days.entry(day_of(message.0)).or_default().push(message.0);
    }
    let mut texts = HashMap::new();
    for (day, messages) in days {
        let asked = messages.iter().map(|message| [*message]);
        let found = work.prepare_on(TEXT, day)?.first_of_each(asked, |row| row.get(0))?;
        let found = messages.into_iter().zip(found);
        texts.extend(found.filter_map(|(id, text)| Some((MessageId(id), text?))));
    }
    Ok(texts)
}

/// The text of a message that has its own, for a question.
fn seen(view: &mut View<'_>, request: &Request, message: MessageId) -> Result<Option<String>> {
    if !request.personal {
        return Ok(None);
    }
    let Some(mut text) = view.prepare_for(TEXT, message.0)? else { return Ok(None) };
    text.first([message.0], |row| row.get(0))
}
