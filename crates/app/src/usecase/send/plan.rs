//! Everything decided about a request before anything of it is kept.

use std::ops::Range;
use std::sync::Arc;

use pombo_domain::address::Country;
use pombo_domain::country::{Cause, Forbidden};
use pombo_domain::link;
use pombo_domain::message::{Category, Lane};
use pombo_domain::money::Money;
use pombo_domain::route::Choice;
use pombo_domain::sms::{Cut, Form, TableChoice, Unfit};
use pombo_domain::time::Instant;
use pombo_store::operation::accept::{self, Held, Recipient};

use super::opening::Openings;
use super::senders::Senders;
use super::texts::short_base;
use super::wording::{Chosen, Worded, Wordings, fit};
use super::{Fate, SendSms, Text};
use crate::App;
use crate::auth::Caller;
use crate::error::{Error, Refusal};
use crate::routing::{Map, Passenger};

/// Entries of `to` that are judged before others have a turn.
const JUDGED_AT_ONCE: usize = 256;

/// The decisions.
pub(super) struct Plan {
    /// Of all messages, or their template.
    pub(super) text: String,
    pub(super) form: Form,
    pub(super) category: Category,
    pub(super) lane: Lane,
    pub(super) due: Instant,
    /// Who of the recipients is due at a time of their own.
    pub(super) held: Vec<Held>,
    /// The texts, where countries want them otherwise than asked for.
    pub(super) chosen: Chosen,
    /// The valid recipients, in order.
    pub(super) recipients: Arc<[Recipient]>,
    /// One per entry of `to`.
    verdicts: Vec<Verdict>,
    /// Rows that each message has of its own, beside its parts: its text and its links.
    own_rows: usize,
}

/// What was decided of one entry of `to`.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    Valid,
    /// It is no number.
    NoRecipient,
    /// It is a number that is not reached.
    Unreachable(Cause),
    Unfit(Unfit),
    CodePending,
    Forbidden(Forbidden),
}

impl Plan {
    /// Decides. Others have their turn in between: a large request takes its time.
    pub(super) async fn of(
        app: &App,
        caller: &Caller,
        send: &SendSms,
        now: Instant,
    ) -> Result<Self, Error> {
        let cut = Cut { encoding: send.encoding, tables: TableChoice::Auto, split: send.split };
        let code_length = send.otp.as_ref().map_or(0, |config| config.length);
        let form = Form { cut, trans: send.trans, parts_max: send.parts_max, code_length };
        let (text, same, own_rows) = as_asked(send, form)?;
        let category = send.category.unwrap_or(caller.settings().category);
        let link = match &send.text {
            Text::Same(_) => String::new(),
            Text::Personal(..) => link::stand_in(short_base(app, caller)),
        };
        let earliest = send.schedule.map_or(now, |at| at.max(now));
        let due = send.windows.as_ref().map_or(earliest, |windows| windows.next_open(earliest));
        let countries = app.inner.countries.get();
        let senders = Senders::of(app, caller, &countries, (send, category)).await?;
        let judge = {
            let map = app.inner.routing.of(caller.account(), now);
            Judge { app, map, caller, send, now, form, category, link, senders }
        };
        let routes = &judge.map.rules.routes;
        let mut wordings = Wordings::of((&countries, routes), caller, (send, form, category));
        let mut openings = Openings::of(&countries, (send, category), (earliest, due));
        let (mut recipients, mut verdicts) = (Vec::new(), Vec::with_capacity(send.to.len()));
        for row in 0..send.to.len() {
            if row % JUDGED_AT_ONCE == JUDGED_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            let n_parts = *same.as_ref().unwrap_or(&0);
            let judged = judge.recipient(row, n_parts, wordings.as_mut());
            let judged = judged.and_then(|(recipient, country, text)| {
                openings
                    .add(recipients.len(), (recipient.to, country))
                    .map_err(Verdict::Forbidden)?;
                if let Some((wordings, text)) = wordings.as_mut().zip(text) {
                    wordings.choose(text);
                }
                Ok(recipient)
            });
            verdicts.push(match judged {
                Ok(recipient) => {
                    recipients.push(recipient);
                    Verdict::Valid
                }
                Err(verdict) => verdict,
            });
        }
        let is_reached =
            |verdict: &Verdict| !matches!(verdict, Verdict::NoRecipient | Verdict::Unreachable(_));
        if !verdicts.iter().any(is_reached) {
            return Err(Refusal::NoValidRecipients.into());
        }
        same.map_err(Refusal::from)?;
        if send.expires.is_some_and(|end| end <= due) {
            return Err(Refusal::ExpiresBeforeSending.into());
        }
        let (due, held) = openings.settle(recipients.len());
        let lane = Lane::of(send.category, send.campaign.is_some(), send.to.len());
        let chosen = wordings.map(Wordings::settle).unwrap_or_default();
        let (text, own_rows) = chosen.of_request(text, own_rows);
        let recipients = recipients.into();
        Ok(Self { text, form, category, lane, due, held, chosen, recipients, verdicts, own_rows })
    }

    /// When a recipient is due, where that is later than asked for.
    pub(super) fn held_until(&self, idx: usize) -> Option<Instant> {
        let place = self.held.partition_point(|held| held.recipients.end <= idx);
        let held = self.held.get(place).filter(|held| held.recipients.contains(&idx));
        held.map(|held| held.due)
    }

    /// Whether each message has a text of its own.
    pub(super) fn has_own_texts(&self, send: &SendSms) -> bool {
        matches!(send.text, Text::Personal(..)) || !self.chosen.of.is_empty()
    }

    /// Which entries of `to` the valid recipients are.
    pub(super) fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        let valid =
            |(row, verdict): (usize, &Verdict)| matches!(verdict, Verdict::Valid).then_some(row);
        self.verdicts.iter().enumerate().filter_map(valid)
    }

    /// Leaves some of the valid recipients out, by index in rising order: a code of theirs is
    /// pending.
    pub(super) fn leave_out(&mut self, pending: &[usize]) {
        let is_out = |idx: usize| pending.binary_search(&idx).is_ok();
        let valid = |verdict: &&mut Verdict| matches!(verdict, Verdict::Valid);
        for (idx, verdict) in self.verdicts.iter_mut().filter(valid).enumerate() {
            if is_out(idx) {
                *verdict = Verdict::CodePending;
            }
        }
        let recipients = self.recipients.iter().enumerate();
        let left = recipients.filter(|(idx, _)| !is_out(*idx)).map(|(_, recipient)| *recipient);
        self.recipients = left.collect();
        let place = |idx: usize| idx - pending.partition_point(|out| *out < idx);
        for held in &mut self.held {
            held.recipients = place(held.recipients.start)..place(held.recipients.end);
        }
        self.held.retain(|held| !held.recipients.is_empty());
        self.chosen.leave_out(pending);
    }

    /// Rows of the store that it takes in all.
    pub(super) fn n_rows(&self) -> usize {
        self.recipients.iter().map(|recipient| self.rows_of(recipient)).sum()
    }

    fn rows_of(&self, recipient: &Recipient) -> usize {
        usize::from(recipient.n_parts) + self.own_rows
    }

    /// The recipients in pieces of at most `rows_max` rows.
    pub(super) fn pieces(&self, rows_max: usize) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut start = 0;
        std::iter::from_fn(move || {
            let mut rows = 0;
            let fits = |recipient: &&Recipient| {
                rows += self.rows_of(recipient);
                rows <= rows_max
            };
            let n = self.recipients[start..].iter().take_while(fits).count();
            // One that is larger by itself goes alone.
            let end = (start + n.max(1)).min(self.recipients.len());
            let piece = start..end;
            start = end;
            (!piece.is_empty()).then_some(piece)
        })
    }

    /// What all its parts cost together; `None` when that is beyond counting.
    pub(super) fn cost(&self) -> Option<Money> {
        accept::cost(&self.recipients)
    }

    /// One fate per entry of `to`: the valid recipients' by `of`, with their number.
    pub(super) fn fates(
        &self,
        send: &SendSms,
        mut of: impl FnMut(usize, &Recipient) -> Fate,
    ) -> Vec<(String, Fate)> {
        let mut valid = self.recipients.iter().enumerate();
        let fate = |verdict: &Verdict| match verdict {
            Verdict::Valid => valid.next().map(|(idx, recipient)| of(idx, recipient)),
            Verdict::NoRecipient => None,
            Verdict::Unreachable(cause) => Some(Fate::Unreachable(cause.clone())),
            Verdict::Unfit(unfit) => Some(Fate::Unfit(unfit.clone())),
            Verdict::CodePending => Some(Fate::CodePending),
            Verdict::Forbidden(why) => Some(Fate::Forbidden(why.clone())),
        };
        let fates = self.verdicts.iter().map(fate);
        let entries = send.to.iter().zip(fates);
        entries
            .map(|(entry, fate)| match (entry.phone, fate) {
                // Who is not reached finds what was written.
                (_, Some(fate @ Fate::Unreachable(_))) => (entry.written.clone(), fate),
                (Some((to, _)), Some(fate)) => (to.to_string(), fate),
                _ => (entry.written.clone(), Fate::NoValidRecipient),
            })
            .collect()
    }
}

/// The text as it was asked for, its parts where it is everybody's, and the rows that each message
/// has of its own.
fn as_asked(send: &SendSms, form: Form) -> Result<(String, Result<u8, Unfit>, usize), Refusal> {
    Ok(match &send.text {
        Text::Same(text) => match fit(text, form) {
            Ok(fitted) => (fitted.text, Ok(fitted.n_parts), 0),
            // Said before anything about recipients.
            Err(Unfit::Empty) => return Err(Unfit::Empty.into()),
            Err(unfit) => (String::new(), Err(unfit), 0),
        },
        Text::Personal(template, _) => {
            (template.source().to_owned(), Ok(0), 1 + template.n_links())
        }
    })
}

/// Looks at one entry of `to` after the other.
struct Judge<'a> {
    app: &'a App,
    map: Map,
    caller: &'a Caller,
    send: &'a SendSms,
    now: Instant,
    form: Form,
    category: Category,
    /// As long as every link will be; empty where texts have none.
    link: String,
    /// Which senders may be shown; `None`: all.
    senders: Option<Senders<'a>>,
}

impl Judge<'_> {
    fn recipient(
        &self,
        row: usize,
        n_parts: u8,
        mut wordings: Option<&mut Wordings<'_>>,
    ) -> Result<(Recipient, Country, Option<usize>), Verdict> {
        let Some((to, country)) = self.send.to[row].phone else {
            return Err(Verdict::NoRecipient);
        };
        if !self.caller.settings().may_reach(country) {
            return Err(Verdict::Unreachable(Cause::Account("countries")));
        }
        let network = self.map.book.network(to);
        let (sender, category) = (&self.send.from, self.category);
        let passenger = Passenger { to, country, network, sender, category };
        let route = self.choose(&passenger).ok_or(Verdict::Unreachable(Cause::Routes))?.route;
        if let Some(senders) = &self.senders {
            senders.judge(to, country, category).map_err(Verdict::Forbidden)?;
        }
        let text =
            wordings.as_mut().map(|wordings| wordings.find((to, country), route)).transpose()?;
        let wordings = wordings.as_deref();
        let worded = wordings.zip(text).map(|(wordings, text)| wordings.text(text));
        let n_parts = match (&self.send.text, worded) {
            (Text::Same(_), Some(Worded::Same(fitted))) => fitted.n_parts,
            (Text::Same(_), _) => n_parts,
            (Text::Personal(template, values), worded) => {
                let template = match worded {
                    Some(Worded::Personal(worded)) => worded,
                    _ => template,
                };
                let mut link = |_| self.link.clone();
                let fitted = template.render(values.row(row), self.form, &mut link);
                let fitted = fitted.map_err(Verdict::Unfit)?;
                if let Some(wordings) = wordings {
                    wordings.judge(to, country, &fitted.text)?;
                }
                fitted.n_parts
            }
        };
        let place = (country, network);
        let listed = self.map.book.quote(&self.caller.settings().currency, place, self.now);
        let price = listed.map_or(self.map.rules.sms_default_price, |quote| quote.price);
        let refunds = listed.is_some_and(|quote| quote.refunds);
        let extra =
            if self.send.certified { self.map.rules.sms_certified_price } else { Money::ZERO };
        Ok((Recipient { to, route, price, refunds, extra, n_parts }, country, text))
    }

    /// A route that is down now may be up before the message is due: better late than never.
    fn choose(&self, passenger: &Passenger<'_>) -> Option<Choice> {
        let engine = &self.app.inner.engine;
        let fit = self.map.choose(passenger, |id| engine.is_fit(id, passenger.country));
        let now = fit.or_else(|| self.map.choose(passenger, |id| engine.is_usable(id)));
        now.or_else(|| self.map.choose(passenger, |_| true))
    }
}
