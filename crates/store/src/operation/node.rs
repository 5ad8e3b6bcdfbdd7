//! `node`: who serves from the store, as commands see it.

use super::{Question, View};
use crate::error::Result;
use crate::node::{Node, routes};
use crate::sql::Database;
use crate::statement::statements;

statements! {
    LIST = "select id, seen, beat, up, process from node order by id";
}

/// All nodes, in the order in which they came; in a file there are none.
#[derive(Debug, Clone, Copy)]
pub struct List;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// As the others see it.
    pub node: Node,
    /// Rises as long as it lives, twice a second.
    pub beat: i64,
    /// Which process it is; empty where it does not know.
    pub(crate) process: String,
}

impl Question for List {
    type Answer = Vec<NodeRow>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<NodeRow>> {
        list(view.database)
    }
}

/// The same, for whoever has a connection.
pub(crate) fn list(database: Database<'_>) -> Result<Vec<NodeRow>> {
    database.prepare(LIST.sql)?.all((), |row| {
        let up = routes(&row.get::<String>(3)?);
        let node = Node { id: row.get(0)?, seen: row.get(1)?, up };
        Ok(NodeRow { node, beat: row.get(2)?, process: row.get(4)? })
    })
}
