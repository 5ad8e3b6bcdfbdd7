//! By what each table would be divided among many databases: `migrations/distribution.tsv` says it of
//! every table there is, and statements that need two kinds at once are known by name.

use std::collections::{BTreeMap, BTreeSet};

use crate::migration::tables;
use crate::sql::Database;
use crate::statement;

/// Statements that look at rows of accounts and at others that do not lie with them. The first three
/// are what a server does for one that died, the others what it reads when it starts, and when
/// another has written.
const ACROSS: &[&str] = &["END_INTENTS", "GIVE_UP_STAGINGS", "INTENTS", "NEWS", "SET_APART"];

/// By what a table's rows would be divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// By the account, or by what is the account's.
    Account,
    Route,
    /// Not at all: they are the same everywhere.
    All,
    /// Not at all: each database has its own.
    Own,
}

/// Each table's kind, and the column by which it is divided.
fn kinds() -> BTreeMap<&'static str, (Kind, &'static str)> {
    let rows = tables();
    rows.map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        let [table, kind, column] = cells[..] else { panic!("three cells: {line}") };
        let kind = match kind {
            "account" | "message" => Kind::Account,
            "route" => Kind::Route,
            "all" => Kind::All,
            "own" => Kind::Own,
            other => panic!("{table}: no kind is called {other}"),
        };
        (table, (kind, column))
    })
    .collect()
}

/// Whether the text names the table.
fn names(sql: &str, table: &str) -> bool {
    sql.match_indices(table).any(|(at, _)| {
        let goes_on = |c: char| c.is_ascii_alphanumeric() || "_{.".contains(c);
        let (before, after) = (&sql[..at], &sql[at + table.len()..]);
        let verbs = ["from ", "join ", "into ", "update ", "table ", ", "];
        // Behind a comma it may as well be a column; a table has its short name behind it there.
        let is_column = before.ends_with(", ")
            && !after.strip_prefix(' ').is_some_and(|rest| {
                rest.starts_with(|c: char| c.is_ascii_lowercase()) && !rest.starts_with("from")
            });
        verbs.iter().any(|verb| before.ends_with(verb)) && !is_column && !after.starts_with(goes_on)
    })
}

#[test]
fn every_table_says_by_what_it_would_be_divided() {
    let (connection, day) = crate::sqlite::migrated_in_memory();
    let server = pombo_peers::postgres::Database::fresh();
    let (session, pg_day) = crate::postgres::migrated(&server.url());
    let general = |name: &str, day: i64| match name.strip_suffix(&format!("_{day}")) {
        Some(name) => format!("{name}_{{day}}"),
        None => name.to_owned(),
    };
    let all = |database: Database<'_>, day| {
        let names = database.tables("").expect("a database lists its tables");
        names.into_iter().map(move |name| general(&name, day)).collect::<BTreeSet<_>>()
    };
    let mut there = all(Database::Sqlite(&connection), day);
    there.extend(all(Database::Postgres(&session), pg_day));
    // The embedded engine's own notes.
    there.retain(|name| !name.starts_with("sqlite_"));
    let told: BTreeSet<String> = kinds().keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(there, told, "the tables there are, and migrations/distribution.tsv");
    for (table, (kind, column)) in kinds() {
        let is_divided = matches!(kind, Kind::Account | Kind::Route);
        assert_eq!(is_divided, !column.is_empty(), "{table}: a column where it is divided");
        if is_divided {
            let sql = format!("select {column} from {table}").replace("{day}", &day.to_string());
            assert!(connection.prepare(&sql).is_ok(), "{table} has no {column}");
        }
    }
}

#[test]
fn no_statement_needs_an_accounts_rows_and_others_but_those_that_are_known() {
    let kinds = kinds();
    let mut across = BTreeSet::new();
    for statement in statement::all() {
        let named = kinds.iter().filter(|(table, _)| names(statement.sql, table));
        let mut found: BTreeSet<Kind> = named.map(|(_, (kind, _))| *kind).collect();
        assert!(!found.is_empty(), "{}: no table is known in it", statement.name);
        found.remove(&Kind::All);
        if found.len() > 1 {
            across.insert(statement.name);
        }
    }
    assert_eq!(across.into_iter().collect::<Vec<_>>(), ACROSS);
}
