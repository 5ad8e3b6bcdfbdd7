//! When each message may leave by the hours of its recipient's country.

use pombo_domain::address::{Country, Phone};
use pombo_domain::country::{Forbidden, Leave, Rules, Timetable};
use pombo_domain::message::Category;
use pombo_domain::time::Instant;
use pombo_store::operation::accept::Held;

use super::SendSms;

/// Gathers those who are due later than their request.
pub(super) struct Openings<'a> {
    /// `None`: nobody is.
    table: Option<Timetable<'a>>,
    /// When the request is due, as far as its owner says.
    due: Instant,
    /// When its messages lose their worth.
    expires: Option<Instant>,
    held: Vec<Held>,
}

impl<'a> Openings<'a> {
    /// For a request that is due at `due`: `earliest`, but for the times of the week of its owner.
    pub(super) fn of(
        rules: &'a Rules,
        (send, category): (&SendSms, Category),
        (earliest, due): (Instant, Instant),
    ) -> Self {
        let may_hold = category == Category::Marketing && rules.have_hours();
        let table = may_hold.then(|| Timetable::new(rules, earliest, send.windows.clone()));
        Self { table, due, expires: send.expires, held: Vec::new() }
    }

    /// The next recipient, by its place among the valid ones. Who may not be reached before the
    /// message expires is held until then: it ends as expired, as the rules have it.
    pub(super) fn add(
        &mut self,
        idx: usize,
        (to, country): (Phone, Country),
    ) -> Result<(), Forbidden> {
        let Some(table) = self.table.as_mut() else { return Ok(()) };
        let due = match (table.leave(to, || country), self.expires) {
            (Leave::AnyTime, _) => return Ok(()),
            (Leave::Within(opening), None) => opening.at,
            (Leave::Within(opening), Some(end)) => opening.at.min(end),
            (Leave::Never, Some(end)) => end,
            (Leave::Never, None) => return Err(Forbidden::NoTime(country)),
        };
        if due <= self.due {
            return Ok(());
        }
        match self.held.last_mut() {
            Some(held) if held.due == due && held.recipients.end == idx => {
                held.recipients.end = idx + 1;
            }
            _ => self.held.push(Held { recipients: idx..idx + 1, due }),
        }
        Ok(())
    }

    /// When the first of so many recipients is due, and who is due later than asked for.
    pub(super) fn settle(self, n_recipients: usize) -> (Instant, Vec<Held>) {
        let n_held: usize = self.held.iter().map(|held| held.recipients.len()).sum();
        let first = self.held.iter().map(|held| held.due).min();
        let due = first.filter(|_| n_held == n_recipients).unwrap_or(self.due);
        (due, self.held)
    }
}
