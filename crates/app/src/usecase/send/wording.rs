//! The text of marketing as each recipient's country wants it, and whether it has anything against it.

use pombo_domain::address::{Country, Phone};
use pombo_domain::country::{Affixes, Cause, Content, Rules, Sender};
use pombo_domain::id::RouteId;
use pombo_domain::message::Category;
use pombo_domain::route::Route;
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

fn has_affixes(route: &Route) -> bool {
    route.affixes != Affixes::default()
}

/// What a request's text became.
#[derive(Debug, PartialEq)]
pub(super) enum Worded {
    /// The same for all of a country.
    Same(Fitted),
    /// A template, whose texts are judged one by one.
    Personal(Template),
}

/// A text, and the rules by which it is another than was asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Made {
    worded: Worded,
    causes: Vec<Cause>,
}

/// Whose rules a text is made by: those of a country, and of a route that wants something.
type Whose = (Option<Country>, Option<RouteId>);

/// The texts of a request, each made once.
pub(super) struct Wordings<'a> {
    rules: &'a Rules,
    routes: &'a [Route],
    send: &'a SendSms,
    form: Form,
    sender: Sender<'a>,
    found: Vec<(Whose, Result<usize, Verdict>)>,
    texts: Vec<Made>,
    /// The texts of the recipients so far, by their places in `texts`.
    chosen: Vec<usize>,
}

/// What was found, where texts differ from what was asked for.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// All of them.
    pub(super) texts: Vec<Made>,
    /// By recipient; empty where all have the first of `texts`, or none was made.
    pub(super) of: Vec<usize>,
}

impl<'a> Wordings<'a> {
    /// `None` where no country, no account and no route asks anything of the text.
    pub(super) fn of(
        (rules, routes): (&'a Rules, &'a [Route]),
        caller: &'a Caller,
        (send, form, category): (&'a SendSms, Form, Category),
    ) -> Option<Self> {
        let account = caller.settings();
        let sender = Sender {
            from: send.from.as_str(),
            has_verified_ages: account.ages_verified,
            opt_out: account.opt_out_text.as_deref(),
        };
        let asks =
            || sender.opt_out.is_some() || rules.ask_of_texts() || routes.iter().any(has_affixes);
        (category == Category::Marketing && asks()).then(|| Self {
            rules,
            routes,
            send,
            form,
            sender,
            found: Vec::new(),
            texts: Vec::new(),
            chosen: Vec::new(),
        })
    }

    /// The text for a recipient who is reached by a route, by its place.
    pub(super) fn find(
        &mut self,
        (to, country): (Phone, Country),
        route: RouteId,
    ) -> Result<usize, Verdict> {
        let rule = self.rules.of(to, country);
        let route = self.routes.iter().find(|its| its.id == route && has_affixes(its));
        let whose = (rule.map(|rule| rule.country), route.map(|route| route.id));
        if let Some((_, found)) = self.found.iter().find(|(its, _)| *its == whose) {
            return found.clone();
        }
        let nothing = Content::default();
        let content = rule.map_or(&nothing, |rule| &rule.content);
        let made = self.make((whose.0.unwrap_or(country), content), route).map(|made| {
            // Where all come to one text, the request has it.
            self.texts.iter().position(|known| *known == made).unwrap_or_else(|| {
                self.texts.push(made);
                self.texts.len() - 1
            })
        });
        self.found.push((whose, made.clone()));
        made
    }

    fn make(&self, of: (Country, &Content), route: Option<&Route>) -> Result<Made, Verdict> {
        let (country, content) = of;
        let word =
            |text: &str| self.rules.word(of, text, self.sender, route).map_err(Verdict::Forbidden);
        match &self.send.text {
            Text::Same(text) => {
                let wording = word(text)?;
                let fitted = fit(&wording.text, self.form).map_err(Verdict::Unfit)?;
                let judged = content.judge(country, &fitted.text, self.sender);
                judged.map_err(Verdict::Forbidden)?;
                Ok(Made { worded: Worded::Same(fitted), causes: wording.causes })
            }
            Text::Personal(template, _) => {
                let wording = word(template.source())?;
                // It has the placeholders of the one that was asked for.
                let template = Template::parse(&wording.text);
                let template = template.map_err(|_| Verdict::Unfit(Unfit::TooLong))?;
                Ok(Made { worded: Worded::Personal(template), causes: wording.causes })
            }
        }
    }

    pub(super) fn text(&self, idx: usize) -> &Worded {
        &self.texts[idx].worded
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
        self.made(idx).map(|made| &made.worded)
    }

    /// By which rules it is another than was asked for.
    pub(super) fn causes(&self, idx: usize) -> &[Cause] {
        self.made(idx).map_or(&[], |made| &made.causes)
    }

    fn made(&self, idx: usize) -> Option<&Made> {
        self.texts.get(self.of.get(idx).copied().unwrap_or(0))
    }
}
