//! The statement registry: every SQL text is a named constant that a test prepares.
//!
//! Text that names a day's table says `{day}`. SQL is lower case; `$N` are numbered by first
//! appearance, which both engines agree on.

/// One named SQL text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement {
    /// Its name in the code, for the tests' messages.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests speak of it"))]
    pub name: &'static str,
    /// Its text; `{day}` stands for the number of a day.
    pub sql: &'static str,
}

impl Statement {
    /// Where its text lies, and how long it is: what lies where never changes, so that this names it.
    pub(crate) fn place(self) -> (usize, usize) {
        (self.sql.as_ptr().addr(), self.sql.len())
    }
}

/// Declares statements and the list `STATEMENTS` of all of them.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $(
            $(#[$doc])*
            const $name: $crate::statement::Statement =
                $crate::statement::Statement { name: stringify!($name), sql: $sql };
        )*
        /// Every statement of this file, for the test that prepares them.
        #[cfg(test)]
        pub(crate) const STATEMENTS: &[$crate::statement::Statement] = &[$($name),*];
    };
}
pub(crate) use statements;

/// All statements of the store.
#[cfg(test)]
pub(crate) fn all() -> Vec<Statement> {
    use crate::operation as op;
    use crate::work;
    [
        op::accept::STATEMENTS,
        op::account::STATEMENTS,
        op::audit::STATEMENTS,
        op::callback::STATEMENTS,
        op::callback_due::STATEMENTS,
        op::campaign::STATEMENTS,
        op::campaign::join::STATEMENTS,
        op::campaign::life::STATEMENTS,
        op::campaign::stop::STATEMENTS,
        op::cdr::STATEMENTS,
        op::certificate::STATEMENTS,
        op::claim::STATEMENTS,
        op::divert::STATEMENTS,
        op::expire::STATEMENTS,
        op::failover::STATEMENTS,
        op::history::STATEMENTS,
        op::hurry::STATEMENTS,
        op::inbound::STATEMENTS,
        op::inbound::conversation::STATEMENTS,
        op::inbound::join::STATEMENTS,
        op::inbound::number::STATEMENTS,
        op::inbound::resolve::STATEMENTS,
        op::intent::STATEMENTS,
        op::key::STATEMENTS,
        op::link::STATEMENTS,
        op::node::STATEMENTS,
        op::notification::STATEMENTS,
        op::notification::dead::STATEMENTS,
        op::notification::owed::STATEMENTS,
        op::opt_out::STATEMENTS,
        op::opt_out_word::STATEMENTS,
        op::otp::STATEMENTS,
        op::otp::TEXT_STATEMENTS,
        op::otp::GUARD_STATEMENTS,
        op::otp::RECENT_STATEMENTS,
        op::part::STATEMENTS,
        op::price::STATEMENTS,
        op::queue::STATEMENTS,
        op::receipt::STATEMENTS,
        op::recover::STATEMENTS,
        op::request::STATEMENTS,
        op::retention::STATEMENTS,
        op::route::STATEMENTS,
        op::schedule::STATEMENTS,
        op::sender::STATEMENTS,
        op::stage::STATEMENTS,
        op::status::STATEMENTS,
        op::sweep::STATEMENTS,
        op::text::STATEMENTS,
        op::uncertain::STATEMENTS,
        op::unmatched::STATEMENTS,
        work::STATEMENTS,
        work::money::STATEMENTS,
        work::totals::STATEMENTS,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    #[test]
    fn parameters_are_numbered_by_first_appearance() {
        for statement in super::all() {
            let mut seen = 0;
            for piece in statement.sql.split('$').skip(1) {
                let digits: String = piece.chars().take_while(char::is_ascii_digit).collect();
                let number: u32 = digits.parse().unwrap_or_else(|_| panic!("{}", statement.name));
                assert!(number <= seen + 1, "{}: ${number} comes too early", statement.name);
                seen = seen.max(number);
            }
        }
    }

    #[test]
    fn every_statement_can_be_prepared_on_a_migrated_store() {
        let (connection, day) = crate::sqlite::migrated_in_memory();
        for statement in super::all() {
            let text = statement.sql.replace("{day}", &day.to_string());
            if let Err(why) = connection.prepare(&text) {
                panic!("{}: {why}", statement.name);
            }
        }
    }

    #[test]
    fn every_statement_can_be_prepared_on_postgresql_and_its_numbers_are_wide() {
        let server = pombo_peers::postgres::Database::fresh();
        let (session, day) = crate::postgres::migrated(&server.url());
        for statement in super::all() {
            let text = statement.sql.replace("{day}", &day.to_string());
            // In its forms for many rows too.
            let prepared = match session.prepare(&text) {
                Ok(prepared) => prepared,
                Err(why) => panic!("{}: {why}", statement.name),
            };
            let columns = prepared.columns().iter().map(|column| column.type_().name());
            for kind in prepared.params().iter().map(|kind| kind.name()).chain(columns) {
                assert!(["int8", "text", "bytea"].contains(&kind), "{}: {kind}", statement.name);
            }
        }
    }

    #[test]
    fn sql_is_lower_case_and_names_its_columns() {
        for statement in super::all() {
            assert!(!statement.sql.contains("select *"), "{}", statement.name);
            let lower = statement.sql.to_lowercase();
            assert_eq!(statement.sql, lower, "{}", statement.name);
        }
    }
}
