//! The forms of statements for many rows at once: the same text, with lists in place of its values.

use tokio_postgres::types::Type;

use super::pipe::list_of;

/// The form of a statement that writes: one execution, as many rows as the lists are long; `before` are
/// the lists of others that go with it. `None` where it has none.
pub(super) fn write(text: &str, kinds: &[Type], before: usize) -> Option<String> {
    if looks(text) {
        return None;
    }
    let rows = rows((kinds, before), "")?;
    let named = named(text);
    if let Some((head, rest)) = named.split_once(" values (") {
        let (values, after) = closed(rest)?;
        // Where two of its rows may meet in one, it must be known when they do.
        let may_meet = after.contains("do update");
        if !text.starts_with("insert into ") || (may_meet && update_of(text).is_none()) {
            return None;
        }
        return Some(format!("{head} select {values} from {rows}{after}"));
    }
    let (what, which) = named.split_once(" where ")?;
    match text.split_once(' ')?.0 {
        "update" => {
            update_of(text)?;
            Some(format!("{what} from {rows} where {which}"))
        }
        "delete" => Some(format!("{what} using {rows} where {which}")),
        _ => None,
    }
}

/// The form of an insert that the server takes in as a stream of rows, only where all that is
/// inserted is given: it writes its log by pages then, not by rows.
pub(super) fn stream(text: &str, n_values: usize) -> Option<String> {
    let (what, values) = text.strip_prefix("insert into ")?.split_once(" values (")?;
    let given: Vec<String> = (1..=n_values).map(|n| format!("${n}")).collect();
    (values.strip_suffix(')')? == given.join(", "))
        .then(|| format!("copy {what} from stdin (format binary)"))
}

/// The form of a question: its rows, behind the number of the values that they answer.
pub(super) fn question(text: &str, kinds: &[Type]) -> Option<String> {
    let numbers =
        format!(", generate_subscripts(cast($1 as {}), 1) as n", list_of(kinds.first()?)?);
    let rows = rows((kinds, 0), &numbers)?;
    Some(format!(
        "select cast(given.n as bigint), q.* from {rows} cross join lateral ({}) as q",
        named(text)
    ))
}

/// The rows that lists behind so many others stand for, as `given`; with `more` columns. The lists are
/// taken apart in step, item by item: as functions in `from` each would be kept whole before the first
/// row.
fn rows((kinds, before): (&[Type], usize), more: &str) -> Option<String> {
    let mut items = Vec::new();
    for (idx, kind) in kinds.iter().enumerate() {
        let n = idx + 1;
        let list = before + n;
        items.push(format!("unnest(cast(${list} as {})) as a{n}", list_of(kind)?));
    }
    (!kinds.is_empty()).then(|| format!("(select {}{more}) as given", items.join(", ")))
}

/// `$N` becomes the name of a list's item.
fn named(text: &str) -> String {
    text.replace('$', "given.a")
}

/// What stands before the parenthesis that closes the one which was opened, and what after it.
fn closed(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1;
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

/// Whether a statement that writes looks at more than the row that it writes.
pub(super) fn looks(text: &str) -> bool {
    text.contains("select ")
}

/// The table that a statement writes.
pub(super) fn table_of(text: &str) -> &str {
    let rest = ["insert into ", "update ", "delete from "]
        .into_iter()
        .find_map(|verb| text.strip_prefix(verb))
        .unwrap_or(text);
    rest.split(' ').next().unwrap_or(rest)
}

/// An update of the row that one parameter names, or an insert that becomes one where the row is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Update {
    /// Which, counted from 0.
    pub(super) key: usize,
    /// Whether what it writes depends on nothing but its parameters.
    pub(super) is_plain: bool,
}

pub(super) fn update_of(text: &str) -> Option<Update> {
    if text.starts_with("insert into ") {
        return Some(Update { key: upsert_key(text)?, is_plain: false });
    }
    let (_, rest) = text.strip_prefix("update ")?.split_once(" set ")?;
    let (sets, which) = rest.split_once(" where ")?;
    let (column, key) = which.split_once(" = ")?;
    let key = parameter(key).filter(|_| !column.contains(' '))?;
    let is_plain = sets
        .split(", ")
        .all(|set| set.split_once(" = ").is_some_and(|(_, value)| parameter(value).is_some()));
    Some(Update { key, is_plain })
}

/// The parameter that an upsert names its row by, where it is one parameter.
fn upsert_key(text: &str) -> Option<usize> {
    let (insert, update) = text.split_once(" on conflict (")?;
    let (key, _) = update.split_once(") do update set ").filter(|(_, set)| !set.contains('$'))?;
    let (into, values) = insert.split_once(") values (")?;
    let (_, columns) = into.split_once(" (")?;
    let mut given = columns.split(", ").zip(values.strip_suffix(')')?.split(", "));
    parameter(given.find(|(column, _)| *column == key)?.1)
}

/// The number of a parameter, counted from 0, where a text is one.
fn parameter(text: &str) -> Option<usize> {
    text.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_have_forms_for_many_rows() {
        let int = || Type::INT8;
        for (text, kinds, many) in [
            (
                "insert into t (a, b, c) values ($1, 0, $2) on conflict do nothing",
                vec![int(), Type::TEXT],
                Some(
                    "insert into t (a, b, c) select given.a1, 0, given.a2 from (select unnest(cast($1 as \
                     bigint[])) as a1, unnest(cast($2 as text[])) as a2) as given on conflict do nothing",
                ),
            ),
            (
                "update t set a = $1, b = b + $2 where id = $3",
                vec![int(), int(), int()],
                Some(
                    "update t set a = given.a1, b = b + given.a2 from (select unnest(cast($1 as bigint[])) as a1, \
                     unnest(cast($2 as bigint[])) as a2, unnest(cast($3 as bigint[])) as a3) as given \
                     where id = given.a3",
                ),
            ),
            (
                "delete from t where a = $1",
                vec![Type::BYTEA],
                Some(
                    "delete from t using (select unnest(cast($1 as bytea[])) as a1) as given where a = given.a1",
                ),
            ),
            (
                "insert into t (a, b) values ($1, 0) on conflict (a) do update set b = excluded.b",
                vec![int()],
                Some(
                    "insert into t (a, b) select given.a1, 0 from (select unnest(cast($1 as bigint[])) as a1) \
                     as given on conflict (a) do update set b = excluded.b",
                ),
            ),
            (
                "insert into t (a, b) values ($1, $2) on conflict (a, b) do update set c = 1",
                vec![int(), int()],
                None,
            ),
            ("update t set a = $1 where b > $2 and c = $3", vec![int(), int(), int()], None),
            ("delete from t where a in (select b from c where d = $1)", vec![int()], None),
            ("delete from t", vec![], None),
        ] {
            assert_eq!(write(text, &kinds, 0).as_deref(), many, "{text}");
        }
        let into = "insert into t (a, b) values";
        let stream = |values: &str| super::stream(&format!("{into} {values}"), 2);
        let copy = "copy t (a, b) from stdin (format binary)";
        assert_eq!(stream("($1, $2)").as_deref(), Some(copy));
        for other in ["($1, 0, $2)", "($2, $1)", "($1, $2) on conflict do nothing", "($1, $2, $2)"]
        {
            assert_eq!(stream(other), None, "{other}");
        }
        let text = "select a from t where b = $1 order by a limit $2";
        assert_eq!(
            question(text, &[int(), int()]).as_deref(),
            Some(
                "select cast(given.n as bigint), q.* from (select unnest(cast($1 as bigint[])) as a1, \
                 unnest(cast($2 as bigint[])) as a2, generate_subscripts(cast($1 as bigint[]), 1) as n) \
                 as given cross join lateral \
                 (select a from t where b = given.a1 order by a limit given.a2) as q"
            )
        );
    }

    #[test]
    fn of_updates_the_row_and_whether_the_last_wins_are_known() {
        let update = |text: &str| update_of(text).map(|update| (update.key, update.is_plain));
        assert_eq!(update("update t set a = $1, b = $2 where id = $3"), Some((2, true)));
        assert_eq!(update("update t set a = a + $1 where id = $2"), Some((1, false)));
        assert_eq!(update("update t set a = $1 where id > $2"), None);
        let upsert =
            |rest: &str| update(&format!("insert into t (a, b, c) values (0, $1, $2) {rest}"));
        assert_eq!(upsert("on conflict (c) do update set b = excluded.b"), Some((1, false)));
        for other in ["(a) do update set b = 1", "(b, c) do update set a = 1", "do nothing"] {
            assert_eq!(upsert(&format!("on conflict {other}")), None, "{other}");
        }
        assert_eq!(upsert("on conflict (c) do update set b = $1"), None);
        assert_eq!(update("delete from t where a = $1"), None);
        assert_eq!(table_of("update part_1 set a = $1"), "part_1");
        assert_eq!(table_of("insert into t (a) values ($1)"), "t");
    }
}
