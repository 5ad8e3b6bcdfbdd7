//! The configuration as it was typed: a tree of values, each of which knows where it came from.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// A line of the file.
    Line {
        /// The file as the operator named it.
        file: String,
        /// Counted from one.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(f, "{file}:{line}"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// One typed value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    List(Vec<Node>),
    Table(Table),
    /// Something no key takes: a date, an integer beyond 64 bits.
    Odd(&'static str),
    /// From the environment: the key that reads it decides what it is.
    Untyped(String),
}

/// A value and its origin.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// Keys and their values.
pub(super) type Table = BTreeMap<String, Node>;

/// Reads a TOML text; every syntax error is one line.
pub(super) fn parse(text: &str, file: &str) -> Result<Table, Vec<String>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let tree = Tree { text, file };
    if errors.is_empty() {
        return Ok(tree.table(document.get_ref()));
    }
    let line_of = |e: &toml::de::Error| e.span().map_or(1, |span| tree.line(span.start));
    let words = |e: &toml::de::Error| e.message().replace('\n', ", ");
    Err(errors
        .iter()
        .map(|e| format!("{file}:{}: this is not TOML: {}; correct the line", line_of(e), words(e)))
        .collect())
}

/// The text under conversion.
struct Tree<'t> {
    text: &'t str,
    file: &'t str,
}

impl Tree<'_> {
    fn line(&self, offset: usize) -> usize {
        let end = offset.min(self.text.len());
        1 + self.text.as_bytes()[..end].iter().filter(|b| **b == b'\n').count()
    }

    fn origin(&self, offset: usize) -> Origin {
        Origin::Line { file: self.file.to_owned(), line: self.line(offset) }
    }

    fn table(&self, table: &DeTable<'_>) -> Table {
        let mut out = Table::new();
        for (key, value) in table {
            // Tables named by a header start where their key is typed, which is what to point at.
            let mut node = self.node(value);
            node.origin = self.origin(key.span().start);
            out.insert(key.get_ref().to_string(), node);
        }
        out
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let converted = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Boolean(yes) => Value::Bool(*yes),
            DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix())
                .map_or(Value::Odd("an integer beyond 64 bits"), Value::Integer),
            DeValue::Float(n) => n.as_str().parse().map_or(Value::Odd("a number"), Value::Float),
            DeValue::Array(items) => Value::List(items.iter().map(|i| self.node(i)).collect()),
            DeValue::Table(table) => Value::Table(self.table(table)),
            _ => Value::Odd("a date"),
        };
        Node { value: converted, origin: self.origin(value.span().start) }
    }
}

impl Node {
    /// What was typed, in the words of a complaint.
    fn kind(&self) -> &'static str {
        match &self.value {
            Value::Text(_) | Value::Untyped(_) => "text",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Odd(what) => what,
        }
    }

    fn is_not(&self, wanted: &str) -> String {
        format!("is {}, but must be {wanted}", self.kind())
    }

    /// Text.
    pub(super) fn text(&self) -> Result<String, String> {
        match &self.value {
            Value::Text(text) | Value::Untyped(text) => Ok(text.clone()),
            _ => Err(self.is_not("text in quotes")),
        }
    }

    /// A whole number.
    pub(super) fn integer(&self) -> Result<i64, String> {
        match &self.value {
            Value::Integer(n) => Ok(*n),
            Value::Untyped(text) => text.trim().parse().map_err(|_| self.is_not("an integer")),
            _ => Err(self.is_not("an integer")),
        }
    }

    /// Any number.
    pub(super) fn number(&self) -> Result<f64, String> {
        match &self.value {
            Value::Float(n) => Ok(*n),
            Value::Untyped(text) => text.trim().parse().map_err(|_| self.is_not("a number")),
            _ => self.integer().map_err(|_| self.is_not("a number")).map(lossless),
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Result<bool, String> {
        match &self.value {
            Value::Bool(yes) => Ok(*yes),
            Value::Untyped(text) => text.trim().parse().map_err(|_| self.is_not("true or false")),
            _ => Err(self.is_not("true or false")),
        }
    }

    /// A list; in the environment a TOML list, or its items with commas between.
    pub(super) fn list(&self) -> Result<Vec<Node>, String> {
        match &self.value {
            Value::List(items) => Ok(items.clone()),
            Value::Untyped(text) if text.trim_start().starts_with('[') => {
                self.reparsed(text).and_then(|node| node.list())
            }
            Value::Untyped(text) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Node {
                    value: Value::Untyped(item.to_owned()),
                    origin: self.origin.clone(),
                })
                .collect()),
            _ => Err(self.is_not("a list")),
        }
    }

    /// A table; in the environment an inline TOML table.
    pub(super) fn table(&self) -> Result<Table, String> {
        match &self.value {
            Value::Table(table) => Ok(table.clone()),
            Value::Untyped(text) if text.trim_start().starts_with('{') => {
                self.reparsed(text).and_then(|node| node.table())
            }
            _ => Err(self.is_not("a table")),
        }
    }

    /// A structured value that came as text from the environment.
    fn reparsed(&self, text: &str) -> Result<Node, String> {
        let document = format!("v = {text}");
        let table =
            DeTable::parse(&document).map_err(|_| self.is_not("a list or table in TOML"))?;
        let tree = Tree { text: &document, file: "" };
        let mut node = table
            .get_ref()
            .values()
            .next()
            .map(|value| tree.node(value))
            .ok_or_else(|| self.is_not("a list or table in TOML"))?;
        node.set_origin(&self.origin);
        Ok(node)
    }

    fn set_origin(&mut self, origin: &Origin) {
        self.origin = origin.clone();
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.set_origin(origin)),
            Value::Table(table) => table.values_mut().for_each(|node| node.set_origin(origin)),
            _ => {}
        }
    }
}

/// A configured integer as a float; the keys that take numbers are far below 2^53.
fn lossless(n: i64) -> f64 {
    i32::try_from(n).map_or(if n < 0 { -1.0 } else { f64::from(u32::MAX) }, f64::from)
}

/// What is wrong, all of it.
#[derive(Debug, Default)]
pub(super) struct Mistakes(RefCell<Vec<String>>);

impl Mistakes {
    /// Adds a line: `where: key what; what to do`.
    pub(super) fn add(&self, origin: &Origin, key: &str, what: &str) {
        self.0.borrow_mut().push(format!("{origin}: {key} {what}"));
    }

    /// Adds a line that is complete.
    pub(super) fn add_line(&self, line: String) {
        self.0.borrow_mut().push(line);
    }

    /// Whether one was noted about a key, or about an item of it.
    pub(super) fn are_about(&self, key: &str) -> bool {
        self.0.borrow().iter().any(|line| line.contains(&format!(": {key}")))
    }

    /// All lines, in the order in which they were found.
    pub(super) fn into_lines(self) -> Vec<String> {
        self.0.into_inner()
    }
}

/// A table being read: each key is taken once, and what is left over is unknown.
pub(super) struct Section<'m> {
    path: String,
    left: Table,
    asked: Vec<&'static str>,
    mistakes: &'m Mistakes,
}

impl<'m> Section<'m> {
    /// The section at `path`, with its keys.
    pub(super) fn new(path: String, table: Table, mistakes: &'m Mistakes) -> Self {
        Self { path, left: table, asked: Vec::new(), mistakes }
    }

    /// A key's full name.
    pub(super) fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Where a key was typed; `None` where it was not.
    pub(super) fn origin(&self, key: &str) -> Option<Origin> {
        self.left.get(key).map(|node| node.origin.clone())
    }

    /// Takes a key away unread.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Node> {
        self.asked.push(key);
        self.left.remove(key)
    }

    /// Reads a key; `None` where it is absent or wrong (then the mistake is noted).
    pub(super) fn get<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node) -> Result<T, String>,
    ) -> Option<T> {
        let node = self.take(key)?;
        match read(&node) {
            Ok(value) => Some(value),
            Err(what) => {
                self.mistakes.add(&node.origin, &self.name(key), &what);
                None
            }
        }
    }

    /// Reads each item of a list; the good ones are returned, the bad ones noted.
    pub(super) fn each<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&Node) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let items = self.get(key, Node::list)?;
        let name = self.name(key);
        let mut good = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            match read(item) {
                Ok(value) => good.push(value),
                Err(what) => self.mistakes.add(&item.origin, &format!("{name}[{i}]"), &what),
            }
        }
        Some(good)
    }

    /// A section inside this one; empty where absent.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'m> {
        let table = self.get(key, Node::table).unwrap_or_default();
        Section::new(self.name(key), table, self.mistakes)
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(self) {
        for (key, node) in &self.left {
            let hint = nearest(key, &self.asked).map_or_else(
                || format!("the keys here are {}", self.asked.join(", ")),
                |near| format!("did you mean {}?", self.name(near)),
            );
            let what = format!("is not a key; {hint}");
            self.mistakes.add(&node.origin, &self.name(key), &what);
        }
    }
}

/// The known key that differs least from `typed`, where one is near enough to be meant.
fn nearest<'k>(typed: &str, known: &[&'k str]) -> Option<&'k str> {
    let near = known.iter().map(|k| (distance(typed, k), *k)).min()?;
    (near.0 <= 2.max(typed.len() / 4)).then_some(near.1)
}

/// Levenshtein's edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
