//! The final texts of a request, made piece by piece as they are stored.
//!
//! A text is rendered twice: to be judged, and to be kept. So no more than a piece of them is ever
//! in memory, whatever a template makes of its values.

use std::sync::Arc;

use pombo_domain::link::{Code, Target, short_url};
use pombo_domain::sms::Unfit;
use pombo_domain::time::Instant;
use pombo_store::operation::text::{NewLink, OwnText, Texts};

use super::plan::Plan;
use super::wording::Worded;
use super::{SendSms, Text};
use crate::App;
use crate::auth::{self, Caller};
use crate::error::Refusal;

/// What an account's short links begin with: its own domain, or this server's address.
pub(super) fn short_base<'a>(app: &'a App, caller: &'a Caller) -> &'a str {
    let own = caller.settings().link_url.as_ref();
    own.unwrap_or(&app.inner.public_url)
}

/// The texts that are still to be made.
pub(super) struct FinalTexts<'a> {
    send: &'a SendSms,
    plan: &'a Plan,
    /// The entries of `to` that are still to come, with the valid recipients' numbers.
    rows: Box<dyn Iterator<Item = (usize, usize)> + Send + 'a>,
    base: &'a str,
    /// The day whose tables hold the links.
    day: i64,
}

impl<'a> FinalTexts<'a> {
    pub(super) fn of(
        app: &'a App,
        caller: &'a Caller,
        send: &'a SendSms,
        (plan, now): (&'a Plan, Instant),
    ) -> Self {
        let rows = Box::new(plan.rows().enumerate());
        Self { send, plan, rows, base: short_base(app, caller), day: now.day() }
    }

    /// The next `n` recipients' texts, where each has its own.
    pub(super) fn next(&mut self, n: usize) -> Result<Texts, Refusal> {
        let (asked, values) = match &self.send.text {
            Text::Personal(template, values) => (template, values),
            Text::Same(_) if self.plan.has_own_texts(self.send) => return Ok(self.chosen(n)),
            Text::Same(_) => return Ok(Texts::Same),
        };
        let mut texts = Vec::with_capacity(n);
        for (idx, row) in self.rows.by_ref().take(n) {
            let mut links = Vec::new();
            let mut link = |target: Target| {
                let code = Code::new(self.day, u64::from_le_bytes(auth::random()));
                links.push(NewLink { code, target });
                short_url(self.base, code)
            };
            let template = match self.plan.chosen.text(idx) {
                Some(Worded::Personal(worded)) => worded,
                _ => asked,
            };
            let fitted = template.render(values.row(row), self.plan.form, &mut link)?;
            // A link is as long as the one it was judged with, but for a letter of it that an
            // accent of the text makes another.
            if fitted.n_parts != self.plan.recipients[idx].n_parts {
                return Err(Unfit::TooLong.into());
            }
            texts.push(OwnText { text: fitted.text, links });
        }
        Ok(Texts::Each(Arc::from(texts)))
    }

    /// Those that countries want.
    fn chosen(&mut self, n: usize) -> Texts {
        let text = |(idx, _): (usize, usize)| match self.plan.chosen.text(idx) {
            Some(Worded::Same(fitted)) => fitted.text.clone(),
            _ => self.plan.text.clone(),
        };
        let own = |text: String| OwnText { text, links: Vec::new() };
        Texts::Each(self.rows.by_ref().take(n).map(text).map(own).collect())
    }
}
