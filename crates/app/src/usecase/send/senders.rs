//! Whether a request's sender may be shown to its recipients.

use pombo_domain::address::{Approvals, Country, Phone};
use pombo_domain::country::{Forbidden, Rule, Rules};
use pombo_domain::message::Category;
use pombo_store::operation as op;

use super::SendSms;
use crate::App;
use crate::auth::Caller;
use crate::error::Fault;

/// Where the sender of a request may be shown, where somebody asks.
pub(super) struct Senders<'a> {
    approvals: Approvals,
    rules: &'a Rules,
    is_account_bound: bool,
}

impl<'a> Senders<'a> {
    /// Looks it up only where a rule of the account or of some country may ask.
    pub(super) async fn of(
        app: &App,
        caller: &Caller,
        rules: &'a Rules,
        (send, category): (&SendSms, Category),
    ) -> Result<Option<Self>, Fault> {
        let is_account_bound = caller.settings().approved_senders;
        let is_asked = category == Category::Marketing && rules.may_want_approvals();
        if !is_account_bound && !is_asked {
            return Ok(None);
        }
        let (account, sender) = (caller.account(), send.from.clone());
        let approvals = app.inner.store.ask(op::sender::Approved { account, sender }).await?;
        Ok(Some(Self { approvals, rules, is_account_bound }))
    }

    /// Whether it may be shown to a number; an approval for the country that a territory belongs to
    /// is one for the territory.
    pub(super) fn judge(
        &self,
        to: Phone,
        country: Country,
        category: Category,
    ) -> Result<(), Forbidden> {
        let rule = self.rules.of(to, country);
        let is_covered = |country| self.approvals.cover(country);
        if is_covered(country) || rule.is_some_and(|rule| is_covered(rule.country)) {
            return Ok(());
        }
        if self.is_account_bound {
            return Err(Forbidden::SenderOfAccount);
        }
        let asks = |rule: &Rule| category == Category::Marketing && self.rules.want_approval(rule);
        match rule.filter(|rule| asks(rule)) {
            Some(rule) => Err(Forbidden::Sender(rule.country)),
            None => Ok(()),
        }
    }
}
