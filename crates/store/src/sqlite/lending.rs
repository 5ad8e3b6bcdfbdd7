//! The statements of one transaction: prepared once, and lent to whoever runs them next.
//!
//! `rusqlite` finds a prepared statement by its text, which it hashes and copies each time, and a
//! transaction runs the same few statements again and again.

use std::cell::RefCell;
use std::rc::Rc;

use rusqlite::{CachedStatement, Connection};

use crate::error::Result;

/// Statements kept; what a transaction runs beyond them is found by its text.
const KEPT_MAX: usize = 64;

/// What names a statement: [`Statement::place`](crate::statement::Statement::place), and the day that
/// it is for.
pub(crate) type Name = ((usize, usize), Option<i64>);

/// A prepared statement, of one who runs it at a time.
pub(crate) type Lent<'c> = Rc<RefCell<CachedStatement<'c>>>;

/// What one transaction has prepared.
#[derive(Default)]
pub(crate) struct Lending<'c>(RefCell<Kept<'c>>);

#[derive(Default)]
struct Kept<'c> {
    names: Vec<Name>,
    /// In the order of the names.
    statements: Vec<Lent<'c>>,
}

impl<'c> Lending<'c> {
    /// The statement of that name, prepared from its text where it is not at hand.
    pub(crate) fn lend<'t>(
        &self,
        connection: &'c Connection,
        name: Name,
        text: impl FnOnce() -> &'t str,
    ) -> Result<Lent<'c>> {
        let mut kept = self.0.borrow_mut();
        let place = kept.names.iter().position(|known| *known == name);
        if let Some(place) = place
            && let at_hand = &kept.statements[place]
            && Rc::strong_count(at_hand) == 1
        {
            return Ok(Rc::clone(at_hand));
        }
        let statement = Rc::new(RefCell::new(connection.prepare_cached(text())?));
        if place.is_none() && kept.names.len() < KEPT_MAX {
            kept.names.push(name);
            kept.statements.push(Rc::clone(&statement));
        }
        Ok(statement)
    }

    /// Gives up all that is not lent.
    pub(crate) fn forget(&self) {
        self.0.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(statement: &Lent<'_>) -> i64 {
        let mut statement = statement.borrow_mut();
        statement.query_row([], |row| row.get(0)).expect("it has a row")
    }

    #[test]
    fn a_statement_is_lent_again_once_it_is_back_and_never_to_two_at_a_time() {
        let connection = Connection::open_in_memory().expect("memory is there");
        let lending = Lending::default();
        let lend = |day: i64| {
            let text = format!("select {day}");
            lending.lend(&connection, ((1, 2), Some(day)), || &text).expect("it is SQL")
        };
        let first = lend(1);
        let address = Rc::as_ptr(&first);
        assert!(!std::ptr::eq(Rc::as_ptr(&lend(1)), address), "it is still away");
        drop(first);
        assert!(std::ptr::eq(Rc::as_ptr(&lend(1)), address), "it is back");
        assert_eq!((value(&lend(1)), value(&lend(2))), (1, 2), "each day has its own");
    }

    #[test]
    fn what_is_beyond_those_kept_runs_all_the_same() {
        let connection = Connection::open_in_memory().expect("memory is there");
        let lending = Lending::default();
        for day in (0..2 * i64::try_from(KEPT_MAX).expect("few")).cycle().take(4 * KEPT_MAX) {
            let text = format!("select {day}");
            let lent = lending.lend(&connection, ((1, 2), Some(day)), || &text).expect("it is SQL");
            assert_eq!(value(&lent), day);
        }
        assert_eq!(lending.0.borrow().statements.len(), KEPT_MAX);
        lending.forget();
        assert!(lending.0.borrow().statements.is_empty());
    }
}
