//! Environment variables over the file: `POMBO_HTTP__LISTEN` is `http.listen`, and
//! `POMBO_SMS__ROUTES__0__PASSWORD` is the password of the first route.

use super::raw::{Mistakes, Node, Origin, Table, Value};

/// What every variable of ours begins with.
const PREFIX: &str = "POMBO_";

/// Read by `pombo demo` alone; no key of the configuration.
const DEMO_PASSWORD: &str = "POMBO_DEMO_PASSWORD";

/// All variables whose names and values are text.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub(super) fn variables() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The apiPassword that the demo's account shall have, where one is wanted.
pub(crate) fn demo_password() -> Option<String> {
    variables()
        .into_iter()
        .find(|(name, password)| name == DEMO_PASSWORD && !password.is_empty())
        .map(|(_, password)| password)
}

/// Lays the variables over the tree, in the order of their names.
pub(super) fn overlay(root: &mut Table, variables: &[(String, String)], mistakes: &Mistakes) {
    let mut ours: Vec<_> = variables
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX) && name != DEMO_PASSWORD)
        .collect();
    ours.sort();
    for (name, text) in ours {
        let origin = Origin::Variable(name.clone());
        let path: Vec<String> =
            name[PREFIX.len()..].split("__").map(str::to_ascii_lowercase).collect();
        let leaf = Node { value: Value::Untyped(text.clone()), origin: origin.clone() };
        if let Err(what) = set(root, &path, leaf) {
            mistakes.add(&origin, &path.join("."), &what);
        }
    }
}

/// Puts `leaf` at `path`, making the tables on the way.
fn set(table: &mut Table, path: &[String], leaf: Node) -> Result<(), String> {
    let Some((key, rest)) = path.split_first() else { return Ok(()) };
    if rest.is_empty() {
        table.insert(key.clone(), leaf);
        return Ok(());
    }
    let index = rest.first().and_then(|next| next.parse::<usize>().ok());
    let empty = if index.is_some() { Value::List(Vec::new()) } else { Value::Table(Table::new()) };
    let node = table
        .entry(key.clone())
        .or_insert_with(|| Node { value: empty, origin: leaf.origin.clone() });
    match (&mut node.value, index) {
        (Value::Table(inner), _) => set(inner, rest, leaf),
        (Value::List(items), Some(index)) => {
            let item = item(items, index, &leaf.origin)?;
            if rest.len() == 1 {
                *item = leaf;
                return Ok(());
            }
            match &mut item.value {
                Value::Table(inner) => set(inner, &rest[1..], leaf),
                _ => Err(format!("names a key inside item {index} of {key}, which has no keys")),
            }
        }
        (Value::List(_), None) => {
            Err(format!("names a key inside {key}, which is a list; number its items from 0"))
        }
        _ => Err(format!("names a key inside {key}, which has no keys")),
    }
}

/// The item at `index`, made when it is the next one.
fn item<'t>(
    items: &'t mut Vec<Node>,
    index: usize,
    origin: &Origin,
) -> Result<&'t mut Node, String> {
    let next = items.len();
    if index > next {
        return Err(format!("numbers item {index}, but the next free number is {next}"));
    }
    if index == next {
        items.push(Node { value: Value::Table(Table::new()), origin: origin.clone() });
    }
    items.get_mut(index).ok_or_else(|| "cannot be placed".to_owned())
}
