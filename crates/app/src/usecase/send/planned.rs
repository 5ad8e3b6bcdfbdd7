//! What a dry run answers: what would become of each message, and which rule decides it.

use pombo_domain::address::Sender;
use pombo_domain::country::Cause;
use pombo_domain::id::{CampaignId, SendingId};
use pombo_domain::money::Money;
use pombo_domain::opt_out::REFUSED;
use pombo_domain::route::Choice;
use pombo_domain::time::Instant;
use pombo_store::operation as op;
use pombo_store::operation::accept::Recipient;

use super::plan::Plan;
use super::wording::Worded;
use super::{Fate, SendSms, Sent, opt_out};
use crate::App;
use crate::auth::Caller;
use crate::error::{Error, Refusal};
use crate::routing::Map;

/// What would become of one recipient's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its parts.
    pub n_parts: u8,
    /// What it would cost.
    pub cost: Money,
    /// By which route it would go.
    pub route: String,
    /// Why that one: `only`, `priority`, `cost`, `weight`, `others unavailable` or
    /// `none available`.
    pub route_why: &'static str,
    /// The earliest time it would leave.
    pub earliest: Instant,
    /// What decides that time.
    pub earliest_why: Cause,
    /// Its text, or its template, where that is another than was asked for.
    pub text: Option<String>,
    /// The rules by which it is, in the order in which they were applied.
    pub text_why: Vec<Cause>,
    /// Why it would end at once instead, and cost nothing.
    pub rejected: Option<&'static str>,
}

/// Looks whether it would be accepted.
pub(super) async fn dry_run(
    app: &App,
    caller: &Caller,
    send: &SendSms,
    (mut plan, now): (Plan, Instant),
) -> Result<Sent, Error> {
    let opted_out = opt_out::among(app, caller, &plan.recipients).await?;
    plan.recipients = op::opt_out::unpriced(&plan.recipients, &opted_out);
    let find = op::account::Find::Id(caller.account());
    let account = app.inner.store.ask(find).await?;
    let balance = account.as_ref().map_or(Money::ZERO, |account| account.balance);
    let Some(cost) = plan.cost().filter(|cost| *cost <= balance) else {
        return Err(Refusal::NotEnoughCredits.into());
    };
    if let Some(cap) = account.and_then(|account| account.spend_cap) {
        let spent = op::account::Spent { account: caller.account(), day: now.day() };
        if app.inner.store.ask(spent).await? + cost > cap {
            return Err(Refusal::SpendCap.into());
        }
    }
    Ok(planned((app, caller), send, (&plan, now), &opted_out))
}

/// What a dry run answers. Those who opted out end at once.
pub(super) fn planned(
    (app, caller): (&App, &Caller),
    send: &SendSms,
    (plan, now): (&Plan, Instant),
    opted_out: &[usize],
) -> Sent {
    let map = app.inner.routing.of(caller.account(), now);
    let fates = plan.fates(send, |idx, recipient| {
        let is_opted_out = opted_out.binary_search(&idx).is_ok();
        let (route, route_why) = plan.route_of(recipient, (app, &map, &send.from));
        Fate::Planned(Box::new(Planned {
            n_parts: recipient.n_parts,
            cost: recipient.cost().unwrap_or_default(),
            route,
            route_why,
            earliest: plan.held_until(idx).unwrap_or(plan.due),
            earliest_why: plan.why_then(app, (send, now), (idx, recipient)),
            text: plan.worded(idx),
            text_why: plan.chosen.causes(idx).to_vec(),
            rejected: is_opted_out.then_some(REFUSED),
        }))
    });
    Sent {
        campaign: CampaignId(0),
        sending: SendingId(0),
        fates,
        scheduled: send.schedule,
        expires: send.expires,
        category: Some(match send.category {
            Some(category) => (category, Cause::Field("category")),
            None => (plan.category, Cause::Account("category")),
        }),
    }
}

impl Plan {
    /// The name of a recipient's route, and why that one: what a dry run tells.
    fn route_of(
        &self,
        recipient: &Recipient,
        (app, map, from): (&App, &Map, &Sender),
    ) -> (String, &'static str) {
        let passenger = map.passenger(recipient.to, from, self.category);
        let engine = &app.inner.engine;
        let why = match map.choose(&passenger, |id| engine.is_fit(id, passenger.country)) {
            Some(Choice { route, why }) if route == recipient.route => why.as_str(),
            // All that take it are down or paused, or deliver too little.
            _ => "none available",
        };
        let route = map.rules.routes.iter().find(|route| route.id == recipient.route);
        (route.map(|route| route.name.clone()).unwrap_or_default(), why)
    }

    /// What decides when a recipient's message leaves.
    fn why_then(
        &self,
        app: &App,
        (send, now): (&SendSms, Instant),
        (idx, recipient): (usize, &Recipient),
    ) -> Cause {
        if let Some(held) = self.held_until(idx) {
            if send.expires == Some(held) {
                return Cause::Field("expirationDate"); // It ends before its country allows it.
            }
            let rules = app.inner.countries.get();
            let country = recipient.to.country();
            let rule = rules.of(recipient.to, country).map_or(country, |rule| rule.country);
            return Cause::Country(rule, "windows");
        }
        let earliest = send.schedule.map_or(now, |at| at.max(now));
        match (self.due > earliest, earliest > now) {
            (true, _) => Cause::Field("availableTimes"),
            (false, true) => Cause::Field("scheduleDate"),
            (false, false) => Cause::Now,
        }
    }

    /// What a recipient would get, where some rule makes it another than was asked for.
    fn worded(&self, idx: usize) -> Option<String> {
        let made = self.chosen.text(idx).filter(|_| !self.chosen.causes(idx).is_empty())?;
        Some(match made {
            Worded::Same(fitted) => fitted.text.clone(),
            Worded::Personal(template) => template.source().to_owned(),
        })
    }
}
