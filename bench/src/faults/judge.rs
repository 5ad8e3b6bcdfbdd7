//! Compares what was accepted with what the SMSC got, what pombo calls uncertain, and its own record
//! of each part.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use pombo_domain::csv;
use pombo_peers::smsc::Part;

use super::client::{Fate, Request, Sent};

/// A recipient (each has one message) and the number of the part, from 1.
type Key = (u64, u8);

/// The parts that must arrive.
pub(super) type Expected = BTreeSet<Key>;

/// Every part that was accepted, as pombo's record has it; one of a message that was accepted twice
/// stands there twice.
pub(super) type Books = Vec<Entry>;

/// A part in pombo's record.
#[derive(Debug)]
pub(super) struct Entry {
    key: Key,
    standing: Standing,
    is_delivered: bool,
    carrier_id: String,
}

/// What a part is, of three things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing more is expected.
    Final,
    /// It waits to be sent, or for a receipt.
    Pending,
    /// It waits for a receipt or an operator to tell whether it was sent.
    Uncertain,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    accepted_parts: usize,
    submitted: usize,
    /// Accepted, and not at the SMSC.
    lost: BTreeSet<Key>,
    /// At the SMSC more than once, and listed as uncertain.
    repeated_named: usize,
    /// At the SMSC more than once, and not listed.
    repeated_silently: BTreeSet<Key>,
    /// Repeated under another concatenation reference.
    other_reference: BTreeSet<Key>,
    /// Parts listed as uncertain.
    uncertain: usize,
    /// Requests whose sender never learned their fate.
    unknown_requests: usize,
    /// Parts of those that arrived.
    unknown_arrived: usize,
    /// At the SMSC, and nobody sent it.
    invented: BTreeSet<Key>,
    /// Parts in pombo's record, by what they are.
    n_final: usize,
    n_pending: usize,
    n_uncertain: usize,
    pending: BTreeSet<Key>,
    /// Whether the SMSC has sent a receipt for each, so that none may be pending.
    has_all_receipts: bool,
    /// Accepted, and not in the record.
    unrecorded: BTreeSet<Key>,
    /// Accepted more than once.
    recorded_twice: BTreeSet<Key>,
    /// All that anyone asked for, whatever became of it.
    asked: BTreeSet<Key>,
    /// In the record, and nobody asked for it.
    unasked: BTreeSet<Key>,
    /// In the record under an id that the SMSC did not give for this recipient, or delivered under
    /// none.
    misattributed: BTreeSet<Key>,
}

/// The parts of all accepted messages.
pub(super) fn expected(sent: &[Request]) -> Expected {
    let accepted = sent.iter().filter(|request| request.fate == Fate::Accepted);
    accepted.flat_map(keys).collect()
}

/// Whether the SMSC has seen each of them.
pub(super) fn all_arrived(expected: &Expected, received: &[Part]) -> bool {
    let seen: BTreeSet<Key> = received.iter().map(key).collect();
    expected.is_subset(&seen)
}

/// Reads what `pombo cdr export` printed.
pub(super) fn books(csv: &str) -> Result<Books> {
    let mut records = csv::read(csv);
    let head = records.next().context("the record has no heading")?;
    let column = |name: &str| {
        let at = head.cells.iter().position(|cell| cell.as_str() == name);
        at.with_context(|| format!("the record has no column {name}"))
    };
    let (to, number) = (column("recipient")?, column("partNumber")?);
    let (state, carrier_id) = (column("state")?, column("carrierId")?);
    let mut books = Vec::new();
    for record in records {
        let cell = |at: usize| record.cells.get(at).map(|cell| cell.as_str()).unwrap_or_default();
        let standing = match cell(state) {
            "queued" | "sent" => Standing::Pending,
            "uncertain" => Standing::Uncertain,
            "delivered" | "undelivered" | "expired" | "rejected" | "cancelled" => Standing::Final,
            other => bail!("a part is {other:?}"),
        };
        let to = cell(to).trim_start_matches(['\'', '+']);
        books.push(Entry {
            key: (to.parse().with_context(|| to.to_owned())?, cell(number).parse()?),
            standing,
            is_delivered: cell(state) == "delivered",
            carrier_id: cell(carrier_id).trim_start_matches('\'').to_owned(),
        });
    }
    Ok(books)
}

/// Messages that were accepted.
pub(super) fn n_messages(books: &Books) -> usize {
    books.iter().map(|entry| entry.key.0).collect::<BTreeSet<_>>().len()
}

/// Parts of which nothing more is expected.
pub(super) fn n_over(books: &Books) -> usize {
    books.iter().filter(|entry| entry.standing == Standing::Final).count()
}

/// Judges a run. `uncertain` is what `pombo uncertain list --json` printed.
pub(super) fn compare(
    sent: &Sent,
    expected: &Expected,
    received: &[Part],
    uncertain: &str,
) -> Result<Verdict> {
    let named = named(uncertain)?;
    let sent = &sent.requests;
    // What was refused was as good as never asked for.
    let asked = sent.iter().filter(|request| request.fate != Fate::Refused);
    let asked: BTreeSet<Key> = asked.flat_map(keys).collect();
    let mut arrived: BTreeMap<Key, Vec<&Part>> = BTreeMap::new();
    for part in received {
        arrived.entry(key(part)).or_default().push(part);
    }
    let mut verdict = Verdict {
        accepted_parts: expected.len(),
        submitted: received.len(),
        uncertain: named.len(),
        unknown_requests: sent.iter().filter(|request| request.fate == Fate::Unknown).count(),
        lost: expected.iter().filter(|key| !arrived.contains_key(key)).copied().collect(),
        ..Verdict::default()
    };
    for (key, parts) in arrived {
        if !asked.contains(&key) {
            verdict.invented.insert(key);
        } else if !expected.contains(&key) {
            verdict.unknown_arrived += 1;
        }
        if parts.len() > 1 {
            if named.contains(&key) {
                verdict.repeated_named += 1;
            } else {
                verdict.repeated_silently.insert(key);
            }
            let reference = |part: &Part| part.piece.map(|(reference, ..)| reference);
            if parts.iter().any(|part| reference(part) != reference(parts[0])) {
                verdict.other_reference.insert(key);
            }
        }
    }
    verdict.asked = asked;
    Ok(verdict)
}

fn keys(request: &Request) -> impl Iterator<Item = Key> + use<> {
    let n_parts = request.n_parts;
    request.recipients.clone().flat_map(move |to| (1..=n_parts).map(move |number| (to, number)))
}

fn key(part: &Part) -> Key {
    (part.destination, part.piece.map_or(1, |(_, _, number)| number))
}

/// The `to` and `partNumber` of each entry of the list.
fn named(json: &str) -> Result<BTreeSet<Key>> {
    let entries: Vec<serde_json::Value> = serde_json::from_str(json)?;
    let key = |entry: &serde_json::Value| {
        let to = entry.get("to")?.as_str()?.trim_start_matches('+').parse().ok()?;
        let number = u8::try_from(entry.get("partNumber")?.as_u64()?).ok()?;
        Some((to, number))
    };
    Ok(entries.iter().filter_map(key).collect())
}

impl Verdict {
    /// The same, after a look into pombo's record. That accepted = final + pending + uncertain is
    /// seen part by part: each that was accepted has one row, of one of the three kinds, and no row
    /// is of anything else.
    pub(super) fn with_books(mut self, expected: &Expected, books: &Books, list: &[Part]) -> Self {
        let given: BTreeSet<(u64, String)> =
            list.iter().map(|part| (part.destination, part.id.to_string())).collect();
        let mut seen = BTreeSet::new();
        for entry in books {
            match entry.standing {
                Standing::Final => self.n_final += 1,
                Standing::Pending => {
                    self.n_pending += 1;
                    self.pending.insert(entry.key);
                }
                Standing::Uncertain => self.n_uncertain += 1,
            }
            if !seen.insert(entry.key) {
                self.recorded_twice.insert(entry.key);
            }
            if !self.asked.contains(&entry.key) {
                self.unasked.insert(entry.key);
            }
            let id = (entry.key.0, entry.carrier_id.clone());
            let has_one = entry.is_delivered || !entry.carrier_id.is_empty();
            if has_one && !given.contains(&id) {
                self.misattributed.insert(entry.key);
            }
        }
        self.unrecorded = expected.difference(&seen).copied().collect();
        self
    }

    /// The same, where the SMSC has sent a receipt for each part.
    pub(super) fn with_all_receipts(self) -> Self {
        Self { has_all_receipts: true, ..self }
    }

    /// Whether a promise was not kept.
    pub(super) fn is_broken(&self) -> bool {
        self.violations().any(|(_, set)| !set.is_empty()) || self.accepted_parts == 0
    }

    fn violations(&self) -> impl Iterator<Item = (&'static str, &BTreeSet<Key>)> {
        let pending =
            self.has_all_receipts.then_some(("pending in spite of its receipt", &self.pending));
        [
            ("accepted and lost", &self.lost),
            ("repeated silently", &self.repeated_silently),
            ("repeated under another reference", &self.other_reference),
            ("at the SMSC and sent by nobody", &self.invented),
            ("accepted and not in the record", &self.unrecorded),
            ("in the record twice", &self.recorded_twice),
            ("in the record, asked for by nobody", &self.unasked),
            ("in the record under a foreign id", &self.misattributed),
        ]
        .into_iter()
        .chain(pending)
    }

    /// What is broken, in words.
    pub(super) fn broken(&self) -> String {
        let broken = self.violations().filter(|(_, set)| !set.is_empty());
        let words: Vec<String> =
            broken.map(|(what, set)| format!("{what}: {}", first(set))).collect();
        if self.accepted_parts == 0 { "nothing was accepted".to_owned() } else { words.join("; ") }
    }

    /// How many parts are named as uncertain, in words.
    pub(super) fn doubts(&self) -> String {
        match self.uncertain {
            0 => "none was in doubt".to_owned(),
            n => format!("{n} were in doubt and are named"),
        }
    }

    /// The same, where some must be.
    pub(super) fn with_doubts(&self) -> Result<String> {
        ensure!(self.uncertain > 0, "nothing was in doubt");
        Ok(self.doubts())
    }

    /// The same, where none may be: after an orderly restart.
    pub(super) fn without_doubts(&self) -> Result<String> {
        let words = self.doubts();
        ensure!(self.uncertain == 0, "a restart left something in doubt: {words}");
        Ok(words)
    }

    /// The figures of a row: accepted, at the SMSC, lost, repeated and named, repeated silently.
    pub(super) fn counts(&self) -> [usize; 5] {
        [
            self.accepted_parts,
            self.submitted,
            self.lost.len() + self.unrecorded.len(),
            self.repeated_named,
            self.repeated_silently.len() + self.recorded_twice.len(),
        ]
    }

    /// How many parts wait for an operator, where some do and none was sent again.
    pub(super) fn held(&self) -> Result<usize> {
        ensure!(
            self.repeated_named == 0,
            "{} were sent again in spite of the hold",
            self.repeated_named
        );
        ensure!(self.n_uncertain > 0, "nothing is held");
        ensure!(
            self.n_uncertain == self.uncertain,
            "{} are held, and {} are named",
            self.n_uncertain,
            self.uncertain
        );
        Ok(self.n_uncertain)
    }

    /// Parts in pombo's record: final, pending, uncertain.
    pub(super) fn standings(&self) -> [usize; 3] {
        [self.n_final, self.n_pending, self.n_uncertain]
    }
}

fn first(set: &BTreeSet<Key>) -> String {
    match set.first() {
        Some(first) => format!("{}, the first {first:?}", set.len()),
        None => "0".to_owned(),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "accepted parts                      {}", self.accepted_parts)?;
        writeln!(f, "submit_sm at the SMSC               {}", self.submitted)?;
        writeln!(f, "repeated, named as uncertain        {}", self.repeated_named)?;
        writeln!(f, "named as uncertain                  {}", self.uncertain)?;
        writeln!(f, "requests of unknown fate            {}", self.unknown_requests)?;
        writeln!(f, "parts of those that arrived         {}", self.unknown_arrived)?;
        let [over, pending, uncertain] = self.standings();
        writeln!(f, "final + pending + uncertain         {over} + {pending} + {uncertain}")?;
        self.violations().try_for_each(|(what, set)| writeln!(f, "{what:<36}{}", first(set)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::client::requests;
    use super::*;

    fn part((destination, number): Key, reference: u16) -> Part {
        Part {
            connection: 1,
            sequence: 1,
            destination,
            id: 1,
            status: 0,
            text_hash: 0,
            piece: Some((reference, 2, number)),
            at: Duration::ZERO,
            whole: None,
        }
    }

    fn accepted() -> Sent {
        let mut requests = requests(30);
        requests.iter_mut().for_each(|request| request.fate = Fate::Accepted);
        Sent { requests, ..Sent::default() }
    }

    #[test]
    fn a_part_that_never_came_is_lost() {
        let sent = accepted();
        let expected = expected(&sent.requests);
        let received: Vec<Part> = expected.iter().skip(1).map(|key| part(*key, 7)).collect();
        let verdict = compare(&sent, &expected, &received, "[]").unwrap();
        assert_eq!(verdict.lost.len(), 1);
        assert!(verdict.is_broken());
    }

    #[test]
    fn a_repetition_must_be_named_and_keep_its_reference() {
        let sent = accepted();
        let expected = expected(&sent.requests);
        let mut received: Vec<Part> = expected.iter().map(|key| part(*key, 7)).collect();
        let twice = *expected.first().unwrap();
        received.push(part(twice, 7));
        let silent = compare(&sent, &expected, &received, "[]").unwrap();
        assert!(silent.is_broken());
        let list = format!(r#"[{{"to":"+{}","partNumber":{}}}]"#, twice.0, twice.1);
        assert!(!compare(&sent, &expected, &received, &list).unwrap().is_broken());
        received.push(part(twice, 8));
        assert!(compare(&sent, &expected, &received, &list).unwrap().is_broken());
    }

    #[test]
    fn the_record_must_have_each_part_once_under_an_id_of_the_smsc() {
        let sent = accepted();
        let expected = expected(&sent.requests);
        let received: Vec<Part> = expected.iter().map(|key| part(*key, 7)).collect();
        let judged = |change: &dyn Fn(&mut String)| {
            let mut record = "recipient,partNumber,state,carrierId\n".to_owned();
            for (to, number) in &expected {
                record.push_str(&format!("{to},{number},delivered,1\n"));
            }
            change(&mut record);
            let books = books(&record).unwrap();
            let verdict = compare(&sent, &expected, &received, "[]").unwrap();
            verdict.with_books(&expected, &books, &received)
        };
        assert!(!judged(&|_| {}).is_broken());
        assert_eq!(judged(&|_| {}).standings(), [expected.len(), 0, 0]);
        let (to, number) = expected.first().unwrap();
        let line = format!("{to},{number},delivered,1\n");
        assert!(judged(&|record| *record = record.replace(&line, "")).is_broken());
        assert!(judged(&|record| record.push_str(&line)).is_broken());
        let foreign = line.replace(",1\n", ",2\n");
        assert!(judged(&|record| *record = record.replace(&line, &foreign)).is_broken());
        let pending = foreign.replace("delivered", "sent");
        assert!(judged(&|record| *record = record.replace(&line, &pending)).is_broken());
        assert!(judged(&|record| record.push_str("1,1,queued,\n")).is_broken());
    }
}
