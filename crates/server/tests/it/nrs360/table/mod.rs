//! Every row of the API document's parameter tables: which spellings are taken, and what exactly is
//! said of the others. [`rows`] holds these tables against the document's and against ours.

mod account;
mod answers;
mod codes;
mod lists;
mod older;
mod rows;
mod sms;
mod windows;

use std::collections::BTreeMap;

use crate::house::{Answer, House};

/// One row of a parameter table.
struct Row {
    /// Its name; that of an object inside has a dot, that of a list's items a star.
    name: &'static str,
    /// Where its spelling stands in the request; `$` is the spelling.
    place: Place,
    good: Vec<(String, String)>,
    bad: Vec<(String, u16, String)>,
}

/// Where a parameter stands.
#[derive(Clone)]
enum Place {
    Body(String),
    Query(String),
    Path,
    Header,
}

/// A parameter of the body.
fn field(name: &'static str) -> Row {
    Row::at(name, Place::Body(format!("\"{name}\":$")))
}

/// A parameter of the query.
fn query(name: &'static str) -> Row {
    Row::at(name, Place::Query(format!("{name}=$")))
}

/// The parameter of the path.
fn path(name: &'static str) -> Row {
    Row::at(name, Place::Path)
}

impl Row {
    const fn at(name: &'static str, place: Place) -> Self {
        Self { name, place, good: Vec::new(), bad: Vec::new() }
    }

    /// A parameter of the body inside another, or with others beside it.
    fn within(self, body: &str) -> Self {
        Self { place: Place::Body(body.to_owned()), ..self }
    }

    /// A parameter of the query with others beside it, or under another spelling of its name.
    fn with(self, query: &str) -> Self {
        Self { place: Place::Query(query.to_owned()), ..self }
    }

    /// These spellings are taken.
    fn takes<S: AsRef<str>>(mut self, spellings: &[S]) -> Self {
        let taken = spellings.iter().map(|spelling| (spelling.as_ref().to_owned(), String::new()));
        self.good.extend(taken);
        self
    }

    /// This spelling is taken, and the answer holds these words.
    fn gives(mut self, spelling: &str, words: &str) -> Self {
        self.good.push((spelling.to_owned(), words.to_owned()));
        self
    }

    /// These spellings are refused with a code of the error table, in the table's own words.
    fn refuses<S: AsRef<str>>(self, code: u16, spellings: &[S]) -> Self {
        let (_, words) = errors()[&code].clone();
        self.says(code, &words, spellings)
    }

    /// These spellings are refused with a code and words of their own.
    fn says<S: AsRef<str>>(mut self, code: u16, words: &str, spellings: &[S]) -> Self {
        let refused = spellings.iter().map(|s| (s.as_ref().to_owned(), code, words.to_owned()));
        self.bad.extend(refused);
        self
    }
}

/// A request and its parameters.
struct Table {
    method: &'static str,
    /// `{…}` stands for the parameter of the path.
    path: &'static str,
    /// What stands there where the row tries another parameter.
    fixed: Vec<(&'static str, String)>,
    /// The status of an answer without complaint.
    ok: u16,
    /// What the query or the body holds besides: of a key given twice the last counts.
    besides: &'static str,
    /// Whether answers are lines of text, as in the older form.
    lines: bool,
    rows: Vec<Row>,
}

/// What a house has that rows can name; empty where nobody asks the house.
#[derive(Default)]
struct Ids {
    /// Two messages that were sent, to 34666555444 and 34666555333.
    messages: [String; 2],
    /// Their campaign, with the tags `a` and `b`, and its sending.
    campaign: String,
    sending: String,
    /// A certified message that was delivered.
    certified: String,
    /// Three messages that wait for their time.
    scheduled: [String; 3],
}

impl Ids {
    fn of(house: &House) -> Self {
        let send = |to: &str, more: &str| {
            let json = format!(r#"{{"to":[{to}],"from":"TEST","message":"x",{more}}}"#);
            let answer = house.send(&json);
            assert_eq!(answer.status, 202, "{}", answer.body);
            answer.json()
        };
        let id = |sent: &serde_json::Value, i: usize| {
            sent["result"][i]["id"].as_str().unwrap().to_owned()
        };
        let to = "\"34666555444\",\"34666555333\"";
        let sent = send(to, r#""campaignName":"Spring","tags":["a","b"]"#);
        let to = format!("{to},\"34666555222\"");
        let later = send(&to, r#""scheduleDate":"20990101120000""#);
        let certified = id(&send("\"34666555444\"", r#""certified":true"#), 0);
        house.until(&certified, |message| message["isDelivered"] == true);
        Self {
            messages: [id(&sent, 0), id(&sent, 1)],
            certified,
            campaign: sent["campaignId"].to_string(),
            sending: sent["sendingId"].to_string(),
            scheduled: [id(&later, 0), id(&later, 1), id(&later, 2)],
        }
    }
}

impl Table {
    fn new(method: &'static str, path: &'static str, ok: u16, rows: Vec<Row>) -> Self {
        Self { method, path, fixed: Vec::new(), ok, besides: "", lines: false, rows }
    }

    fn besides(self, besides: &'static str) -> Self {
        Self { besides, ..self }
    }

    /// What a parameter of the path is while the row tries another.
    fn of(mut self, name: &'static str, value: &str) -> Self {
        self.fixed.push((name, value.to_owned()));
        self
    }

    /// Sends every spelling of every row.
    fn check(&self, house: &House) {
        for row in &self.rows {
            assert!(row.good.len() + row.bad.len() > 0, "{}: nothing is tried", row.name);
            let what = |spelling: &str| {
                format!("{} {}: {} = {spelling}", self.method, self.path, row.name)
            };
            for (spelling, words) in &row.good {
                let answer = self.send(house, row, spelling);
                let is_so = answer.status == self.ok && answer.body.contains(words.as_str());
                assert!(
                    is_so,
                    "{} is not {} with {words:?}: {} {}",
                    what(spelling),
                    self.ok,
                    answer.status,
                    answer.body
                );
            }
            for (spelling, code, words) in &row.bad {
                let answer = self.send(house, row, spelling);
                match self.lines {
                    true => {
                        let line = format!("{code}: {words}");
                        assert_eq!((answer.status, answer.body), (200, line), "{}", what(spelling));
                    }
                    false => assert_refused(&answer, *code, words, &what(spelling)),
                }
            }
        }
    }

    fn send(&self, house: &House, row: &Row, spelling: &str) -> Answer {
        let mut header = None;
        let mut target = self.path.to_owned();
        let is_query = self.lines || matches!(self.method, "GET" | "DELETE");
        let (mut query, mut body) = match is_query {
            true => (self.besides.to_owned(), String::new()),
            false => (String::new(), self.besides.to_owned()),
        };
        let join = |to: &mut String, by: &str, place: &str, spelling: &str| {
            to.push_str(if to.is_empty() { "" } else { by });
            to.push_str(&place.replace('$', spelling));
        };
        match &row.place {
            Place::Path => target = target.replace(&format!("{{{}}}", row.name), spelling),
            Place::Header => header = Some((row.name, spelling)),
            Place::Query(place) => join(&mut query, "&", place, &escaped(spelling)),
            Place::Body(place) => join(&mut body, ",", place, spelling),
        }
        for (name, value) in &self.fixed {
            target = target.replace(&format!("{{{name}}}"), value);
        }
        if !query.is_empty() {
            target = format!("{target}?{query}");
        }
        if !body.is_empty() {
            body = format!("{{{body}}}");
        }
        let known = ("Authorization", crate::house::CREDENTIALS);
        let headers: Vec<(&str, &str)> =
            header.into_iter().chain((!self.lines).then_some(known)).collect();
        house.call_with(self.method, &target, &headers, body.as_bytes())
    }
}

/// The answer is this refusal, byte for byte.
fn assert_refused(answer: &Answer, code: u16, words: &str, what: &str) {
    let http = errors().get(&code).map_or(code, |(http, _)| *http);
    let words = serde_json::to_string(words).unwrap();
    let body = format!("{{\"error\":{{\"code\":{code},\"description\":{words}}}}}");
    assert_eq!((answer.status, answer.body.as_str()), (http, body.as_str()), "{what}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
}

/// A value as a query carries it.
fn escaped(value: &str) -> String {
    let mut out = String::new();
    for octet in value.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(octet));
            }
            _ => out.push_str(&format!("%{octet:02X}")),
        }
    }
    out
}

/// The document's error table: code, status, description.
fn errors() -> BTreeMap<u16, (u16, String)> {
    let table = include_str!("../../../../data/errors.tsv");
    let rows = table.lines().filter(|line| !line.starts_with('#')).skip(1);
    rows.map(|line| {
        let cells: Vec<&str> = line.splitn(3, '\t').collect();
        (cells[0].parse().unwrap(), (cells[1].parse().unwrap(), cells[2].to_owned()))
    })
    .collect()
}

/// Every table of the SMS side.
fn tables(ids: &Ids) -> Vec<Table> {
    [sms::tables(ids), lists::tables(ids), account::tables(), older::tables()]
        .into_iter()
        .flatten()
        .collect()
}

/// Checks the tables of some paths, each in the order in which it stands here.
fn check(begins: &[&str]) {
    let house = House::open();
    let ids = Ids::of(&house);
    let is_meant = |table: &&Table| begins.iter().any(|begin| table.path.starts_with(begin));
    let tables = tables(&ids);
    let meant: Vec<&Table> = tables.iter().filter(is_meant).collect();
    assert!(meant.len() >= begins.len(), "{begins:?}");
    for table in meant {
        table.check(&house);
    }
}
