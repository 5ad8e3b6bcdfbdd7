//! `node`: who serves from the store, as commands see it.

use std::collections::BTreeSet;

use pombo_domain::id::RouteId;

use super::{Question, View};
use crate::error::Result;
use crate::node::routes;
use crate::statement::statements;

statements! {
    LIST = "select id, seen, beat, up from node order by id";
}

/// All nodes, in the order in which they came; in a file there are none.
#[derive(Debug, Clone, Copy)]
pub struct List;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Its number.
    pub id: i64,
    /// The newest node by whose joining it acts.
    pub seen: i64,
    /// Rises as long as it lives, twice a second.
    pub beat: i64,
    /// The routes that it has a link of.
    pub up: BTreeSet<RouteId>,
}

impl Question for List {
    type Answer = Vec<NodeRow>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<NodeRow>> {
        view.prepare(LIST)?.all((), |row| {
            let up = routes(&row.get::<String>(3)?);
            Ok(NodeRow { id: row.get(0)?, seen: row.get(1)?, beat: row.get(2)?, up })
        })
    }
}
