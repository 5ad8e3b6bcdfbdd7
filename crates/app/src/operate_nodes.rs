//! What operators ask of the nodes that serve from one store.

use std::time::Duration;

use pombo_store::Store;
use pombo_store::operation as op;

use crate::operate::Problem;

/// Between two looks at a node's beat: more than twice its pause.
const LOOK_AGAIN: Duration = Duration::from_millis(1_500);

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Its number; whoever came later has a higher one.
    pub id: i64,
    /// Whether it is heard of. One that is not is taken over after a few seconds.
    pub is_alive: bool,
    /// Whether it has its share of the links and rates: all others act by its joining.
    pub has_share: bool,
    /// The routes that it has a link of.
    pub up: Vec<String>,
}

/// All nodes, in the order in which they came; looks twice, so it takes a moment.
pub fn node_list(store: &Store) -> Result<Vec<NodeRow>, Problem> {
    let before = store.ask_blocking(op::node::List)?;
    if before.is_empty() {
        return Ok(Vec::new());
    }
    std::thread::sleep(LOOK_AGAIN);
    let now = store.ask_blocking(op::node::List)?;
    let routes = store.ask_blocking(op::route::List)?;
    let row = |op::node::NodeRow { node, beat, .. }: &op::node::NodeRow| {
        let is_alive = before.iter().all(|was| was.node.id != node.id || was.beat != *beat);
        let has_share = now.iter().all(|other| other.node.seen >= node.id);
        let up = routes.iter().filter(|route| node.up.contains(&route.id));
        NodeRow { id: node.id, is_alive, has_share, up: up.map(|r| r.name.clone()).collect() }
    };
    Ok(now.iter().map(row).collect())
}
