//! Writes of different tables as one statement: to take a statement in, to start it, and to answer it
//! costs a server as much as several rows, and wakes both sides.

use std::future::poll_fn;
use std::sync::Arc;

use tokio_postgres::{Client, Statement};

use super::pipe::{Answer, Batch, Written, poll_all};

/// What is sent at once.
pub(super) enum Message {
    One(Batch),
    /// Batches of different tables, and the statement that writes them all.
    Together(Vec<Batch>, Statement),
}

impl Message {
    /// Sends it, and waits for what became of it.
    async fn send(&self, client: &Client) -> Written {
        match self {
            Self::One(batch) => batch.send(client).await,
            Self::Together(batches, statement) => {
                let lists: Vec<_> = batches.iter().flat_map(Batch::lists).collect();
                client.execute_raw(statement, lists).await.map(drop)
            }
        }
    }
}

/// Sends messages, in their order, and waits for what became of them all.
pub(super) async fn send_all(messages: Vec<Message>, client: Arc<Client>) -> Written {
    let mut writes = writing(&messages, &client);
    poll_fn(|context| poll_all(&mut writes, context)).await
}

/// Messages to be sent, each when it is first looked at.
pub(super) fn writing<'m>(messages: &'m [Message], client: &'m Client) -> Vec<Answer<'m>> {
    messages.iter().map(|message| -> Answer<'m> { Box::pin(message.send(client)) }).collect()
}

/// Puts batches together that may go as one statement. Such a statement runs all of its writes on what
/// was there before it, so no two of them are of one table; one that looks at what others write, and
/// one with no form for many rows, goes alone, behind what came before it and before what comes after.
pub(super) fn arranged(batches: Vec<Batch>) -> Vec<Vec<Batch>> {
    let mut groups: Vec<Vec<Batch>> = Vec::new();
    // Those before it take no more.
    let mut closed = 0;
    for batch in batches {
        if !batch.is_of_lists() {
            groups.push(vec![batch]);
            closed = groups.len();
            continue;
        }
        let is_of_its_table =
            |group: &Vec<Batch>| group.iter().any(|other| other.table() == batch.table());
        let next = groups.iter().rposition(is_of_its_table).map_or(0, |last| last + 1);
        match groups.get_mut(next.max(closed)) {
            Some(group) => group.push(batch),
            None => groups.push(vec![batch]),
        }
    }
    groups
}

/// The text of the statement that writes them all.
pub(super) fn text_of(batches: &[Batch]) -> String {
    let mut n_values = 0;
    let mut writes = batches.iter().map(|batch| {
        let text = batch.text(n_values);
        n_values += batch.lists().len();
        text
    });
    let last = writes.next().unwrap_or_default();
    let others: Vec<String> =
        writes.enumerate().map(|(n, text)| format!("w{n} as ({text})")).collect();
    format!("with {} {last}", others.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{migrated, write};
    use crate::sql::Database;

    #[test]
    fn writes_that_go_as_one_statement_have_the_effect_of_their_order() {
        let server = pombo_peers::postgres::Database::fresh();
        let (session, _) = migrated(&server.url());
        let database = Database::Postgres(&session);
        let tables = "create table a (id bigint primary key, n bigint not null); \
             create table b (id bigint primary key, n bigint not null); \
             create table c (id bigint primary key, n bigint not null)";
        database.batch(tables).expect("tables can be made");
        let mut expected: [BTreeMap<i64, i64>; 3] = Default::default();
        for round in 0..40_i64 {
            for id in round * 3..round * 3 + 3 {
                write(database, "insert into a (id, n) values ($1, $2)", [id, 1]);
                write(database, "insert into b (id, n) values ($1, $2)", [id, 2]);
                // What was written a moment ago, and what was in another round.
                write(database, "update a set n = n + $1 where id = $2", [10, id]);
                write(database, "update b set n = n + $1 where id = $2", [20, id - 3]);
                let upsert = "insert into c (id, n) values ($1, $2) \
                    on conflict (id) do update set n = c.n + excluded.n";
                write(database, upsert, [id / 2, 5]);
                write(database, "delete from a where id = $1", [id - 6]);
                expected[0].insert(id, 11);
                expected[0].remove(&(id - 6));
                expected[1].insert(id, 2);
                expected[1].entry(id - 3).and_modify(|n| *n += 20);
                *expected[2].entry(id / 2).or_default() += 5;
                if round % 4 == 3 {
                    // Sees all that came before it, and nothing that comes after.
                    let look = "insert into c (id, n) select id + 1000, n from a where id = $1";
                    write(database, look, [id]);
                    write(database, "update a set n = n + $1 where id = $2", [100, id]);
                    expected[2].insert(id + 1_000, 11);
                    expected[0].insert(id, 111);
                }
            }
            session.confirm().expect("all is written");
        }
        for (table, expected) in ["a", "b", "c"].into_iter().zip(expected) {
            let found = database
                .prepare(&format!("select id, n from {table}"))
                .expect("it is prepared")
                .all((), |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)))
                .expect("it answers");
            assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), expected, "{table}");
        }
        let n_together = database
            .prepare("select count(1) from pg_prepared_statements where statement like 'with w0 %'")
            .expect("it is prepared")
            .one((), |row| row.get::<i64>(0));
        assert!(n_together.expect("it answers") > 0, "none came often enough");
    }
}
