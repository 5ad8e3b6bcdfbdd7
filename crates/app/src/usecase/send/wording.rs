//! The text of marketing as each recipient's country wants it, and whether it has anything against it.

use pombo_domain::address::{Country, Phone};
use pombo_domain::country::{Content, Rules, Sender};
use pombo_domain::message::Category;
use pombo_domain::sms::personal::{Template, fit_code};
use pombo_domain::sms::{Fitted, Form, Unfit};

use super::plan::Verdict;
use super::{SendSms, Text};
use crate::auth::Caller;

/// A text as it is sent, with or without a place for a code.
pub(super) fn fit(text: &str, form: Form) -> Result<Fitted, Unfit> {
    match form.code_length {
        0 => form.fit(text),
        _ => fit_code(text, form),
    }
}

/// What a request's text became.
#[derive(Debug)]
pub(super) enum Worded {
    /// The same for all of a country.
    Same(Fitted),
    /// A template, whose texts are judged one by one.
    Personal(Template),
}

/// The texts of a request, each made once.
pub(super) struct Wordings<'a> {
    rules: &'a Rules,
    send: &'a SendSms,
    form: Form,
    sender: Sender<'a>,
    /// By whose rule it is.
    found: Vec<(Option<Country>, Result<usize, Verdict>)>,
    texts: Vec<Worded>,
    /// The texts of the recipients so far, by their places in `texts`.
    chosen: Vec<usize>,
}

/// What was found, where texts differ from what was asked for.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// All of them.
    pub(super) texts: Vec<Worded>,
    /// By recipient; empty where all have the first of `texts`, or none was made.
    pub(super) of: Vec<usize>,
}

impl<'a> Wordings<'a> {
    /// `None` where no country and no account asks anything of the text.
    pub(super) fn of(
        rules: &'a Rules,
        caller: &'a Caller,
        (send, form, category): (&'a SendSms, Form, Category),
    ) -> Option<Self> {
        let account = caller.settings();
        let sender = Sender {
            has_verified_ages: account.ages_verified,
            opt_out: account.opt_out_text.as_deref(),
        };
        let asks = || sender.opt_out.is_some() || rules.ask_of_texts();
        (category == Category::Marketing && asks()).then(|| Self {
            rules,
            send,
            form,
            sender,
            found: Vec::new(),
            texts: Vec::new(),
            chosen: Vec::new(),
        })
    }

    /// The text for a recipient, by its place.
    pub(super) fn find(&mut self, to: Phone, country: Country) -> Result<usize, Verdict> {
        let rule = self.rules.of(to, country);
        let whose = rule.map(|rule| rule.country);
        if let Some((_, found)) = self.found.iter().find(|(its, _)| *its == whose) {
            return found.clone();
        }
        let nothing = Content::default();
        let content = rule.map_or(&nothing, |rule| &rule.content);
        let made = self.make(whose.unwrap_or(country), content).map(|worded| {
            self.texts.push(worded);
            self.texts.len() - 1
        });
        self.found.push((whose, made.clone()));
        made
    }

    fn make(&self, country: Country, content: &Content) -> Result<Worded, Verdict> {
        let worded = |text: &str| {
            let text = self.rules.with_way_out(country, content, text, self.sender);
            let text = text.map_err(Verdict::Forbidden)?;
            content.worded(country, &text).map_err(Verdict::Forbidden)
        };
        match &self.send.text {
            Text::Same(text) => {
                let fitted = fit(&worded(text)?, self.form).map_err(Verdict::Unfit)?;
                let judged = content.judge(country, &fitted.text, self.sender);
                judged.map_err(Verdict::Forbidden)?;
                Ok(Worded::Same(fitted))
            }
            Text::Personal(template, _) => {
                let template = Template::parse(&worded(template.source())?);
                template.map(Worded::Personal).map_err(|_| Verdict::Unfit(Unfit::TooLong))
            }
        }
    }

    pub(super) fn text(&self, idx: usize) -> &Worded {
        &self.texts[idx]
    }

    /// Whether a recipient's own text may be sent.
    pub(super) fn judge(&self, to: Phone, country: Country, text: &str) -> Result<(), Verdict> {
        let Some(rule) = self.rules.of(to, country) else { return Ok(()) };
        rule.content.judge(rule.country, text, self.sender).map_err(Verdict::Forbidden)
    }

    /// The next recipient has this text.
    pub(super) fn choose(&mut self, idx: usize) {
        self.chosen.push(idx);
    }

    /// What the valid recipients have.
    pub(super) fn settle(mut self) -> Chosen {
        let first = self.chosen.first().copied().unwrap_or(0);
        if self.chosen.iter().any(|idx| *idx != first) {
            return Chosen { texts: self.texts, of: self.chosen };
        }
        let texts =
            if self.texts.is_empty() { Vec::new() } else { vec![self.texts.swap_remove(first)] };
        Chosen { texts, of: Vec::new() }
    }
}

impl Chosen {
    /// Leaves recipients out, by index in rising order.
    pub(super) fn leave_out(&mut self, out: &[usize]) {
        let mut idx = 0..;
        self.of.retain(|_| idx.next().is_some_and(|idx| out.binary_search(&idx).is_err()));
    }

    /// The text that the request is stored with, and the rows that each message has of its own:
    /// `asked` and `own_rows`, but where the recipients have another.
    pub(super) fn of_request(&self, asked: String, own_rows: usize) -> (String, usize) {
        match self.text(0) {
            Some(Worded::Same(_)) if !self.of.is_empty() => (asked, 1),
            Some(Worded::Same(fitted)) => (fitted.text.clone(), 0),
            Some(Worded::Personal(template)) => (template.source().to_owned(), own_rows),
            None => (asked, own_rows),
        }
    }

    /// What a recipient's text is made of; `None`: what was asked for.
    pub(super) fn text(&self, idx: usize) -> Option<&Worded> {
        let place = self.of.get(idx).copied().unwrap_or(0);
        self.texts.get(place)
    }
}
