//! Everything that a store holds, to be compared with another's.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use pombo_store::operation::copy::{Cell, Page, Shape, Shapes};

use crate::world::{World, on_every_store};

/// The tables of a store in a file; those of a database are the same.
pub(crate) fn shapes(w: &World) -> Vec<Arc<Shape>> {
    w.ask(Shapes).into_iter().map(Arc::new).collect()
}

/// All rows of all tables, by table, in the order of their keys.
pub(crate) fn everything(w: &World, shapes: &[Arc<Shape>]) -> BTreeMap<String, Vec<Vec<Cell>>> {
    shapes.iter().map(|shape| (shape.name.clone(), rows(w, shape))).collect()
}

/// The same, but for what the engines number each in its own way: a file gives the number of a row
/// that went away once more, and a database does not. These rows keep their order.
fn logically(w: &World, shapes: &[Arc<Shape>]) -> BTreeMap<String, Vec<Vec<Cell>>> {
    let mut all = everything(w, shapes);
    for table in ["intent", "unmatched", "opt_out"] {
        for row in all.get_mut(table).into_iter().flatten() {
            row.remove(0);
        }
    }
    // Whose they are comes last.
    for table in ["intent", "staging"] {
        for row in all.get_mut(table).into_iter().flatten() {
            row.pop();
        }
    }
    all
}

/// The same life on every engine: all hold the same after it.
pub(crate) fn alike_on_every_store(live: impl Fn(World) -> World) {
    // The embedded engine comes first, and tells which tables there are.
    let (tables, dumps) = (OnceCell::new(), RefCell::new(Vec::new()));
    on_every_store(|world| {
        let world = live(world);
        let tables = tables.get_or_init(|| shapes(&world));
        dumps.borrow_mut().push(logically(&world, tables));
    });
    let dumps = dumps.into_inner();
    for (table, rows) in &dumps[0] {
        assert_eq!(rows, &dumps[1][table], "{table} differs between the engines");
    }
}

fn rows(w: &World, shape: &Arc<Shape>) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    loop {
        let after = rows.last().map(|last: &Vec<Cell>| shape.key_of(last));
        // Pages of a few rows, so that keys lie across them.
        let page = w.ask(Page { shape: Arc::clone(shape), after, limit: 7 });
        if page.is_empty() {
            break;
        }
        rows.extend(page);
    }
    // Texts stand in an order of each engine's own.
    rows.sort_by_key(|row| shape.key_of(row));
    rows
}
