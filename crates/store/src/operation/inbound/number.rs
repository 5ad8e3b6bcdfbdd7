//! Whose the numbers are that people write to.

use pombo_domain::id::{AccountId, RouteId};

use super::super::{Operation, Question, View};
use crate::error::Result;
use crate::sql::values;
use crate::statement::statements;
use crate::work::Work;

statements! {
    SET = "insert into inbound_number (number, route, account) values ($1, $2, $3) \
        on conflict (number, route) do update set account = excluded.account";
    /// What came before anybody knew whose it is, is looked at again.
    GIVE = "update inbound set account = $1, todo = 1 where account = 0 and recipient = $2 \
        and (route = $3 or $3 = 0)";
    REMOVE = "delete from inbound_number where number = $1 and route = $2";
    LIST = "select n.number, coalesce(r.name, ''), coalesce(a.name, '') from inbound_number n \
        left join route r on r.id = n.route left join account a on a.id = n.account \
        order by n.number, n.route";
}

/// Gives a number to an account, with what was written to it before and is nobody's.
#[derive(Debug, Clone)]
pub struct Set {
    /// Digits.
    pub number: String,
    /// By this route only; `None`: by whatever route it comes.
    pub route: Option<RouteId>,
    /// Whose it is now.
    pub account: AccountId,
}

impl Operation for Set {
    /// How many messages that were nobody's are the account's now.
    type Answer = usize;

    fn run(&self, work: &mut Work<'_>) -> Result<usize> {
        let (account, route) = (self.account.0, self.route.map_or(0, |route| route.0));
        work.prepare(SET)?.execute(values![self.number, route, account])?;
        work.prepare(GIVE)?.execute(values![account, self.number, route])
    }
}

/// Takes a number from its account; what was written to it stays the account's.
#[derive(Debug, Clone)]
pub struct Remove {
    /// Digits.
    pub number: String,
    /// As it was given.
    pub route: Option<RouteId>,
}

impl Operation for Remove {
    /// Whether it was somebody's.
    type Answer = bool;

    fn run(&self, work: &mut Work<'_>) -> Result<bool> {
        let route = self.route.map_or(0, |route| route.0);
        Ok(work.prepare(REMOVE)?.execute(values![self.number, route])? > 0)
    }
}

/// Every number that is somebody's.
#[derive(Debug, Clone, Copy)]
pub struct List;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// Digits.
    pub number: String,
    /// The route's name; empty: whatever route it comes by.
    pub route: String,
    /// The account's name.
    pub account: String,
}

impl Question for List {
    type Answer = Vec<Number>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<Number>> {
        view.prepare(LIST)?.all((), |row| {
            Ok(Number { number: row.get(0)?, route: row.get(1)?, account: row.get(2)? })
        })
    }
}
