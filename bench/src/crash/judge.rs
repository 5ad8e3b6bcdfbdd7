//! Compares what was accepted with what the SMSC got and what pombo calls uncertain.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Result;
use pombo_peers::smsc::Part;

use super::client::{Fate, Request};

/// A recipient (each has one message) and the number of the part, from 1.
type Key = (u64, u8);

/// The parts that must arrive.
pub(super) type Expected = BTreeSet<Key>;

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

/// Judges a run. `uncertain` is what `pombo uncertain list --json` printed.
pub(super) fn compare(
    sent: &[Request],
    expected: &Expected,
    received: &[Part],
    uncertain: &str,
) -> Result<Verdict> {
    let named = named(uncertain)?;
    let asked: BTreeSet<Key> = sent.iter().flat_map(keys).collect();
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
    /// Whether a promise was not kept.
    pub(super) fn is_broken(&self) -> bool {
        let sets = [&self.lost, &self.repeated_silently, &self.other_reference, &self.invented];
        sets.iter().any(|set| !set.is_empty()) || self.accepted_parts == 0
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = |set: &BTreeSet<Key>| match set.first() {
            Some(first) => format!("{}, the first {first:?}", set.len()),
            None => "0".to_owned(),
        };
        writeln!(f, "accepted parts                      {}", self.accepted_parts)?;
        writeln!(f, "submit_sm at the SMSC               {}", self.submitted)?;
        writeln!(f, "accepted and lost                   {}", first(&self.lost))?;
        writeln!(f, "repeated, named as uncertain        {}", self.repeated_named)?;
        writeln!(f, "repeated silently                   {}", first(&self.repeated_silently))?;
        writeln!(f, "repeated under another reference    {}", first(&self.other_reference))?;
        writeln!(f, "named as uncertain                  {}", self.uncertain)?;
        writeln!(f, "requests of unknown fate            {}", self.unknown_requests)?;
        writeln!(f, "parts of those that arrived         {}", self.unknown_arrived)?;
        writeln!(f, "at the SMSC and sent by nobody      {}", first(&self.invented))
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

    fn accepted() -> Vec<Request> {
        let mut sent = requests(30);
        sent.iter_mut().for_each(|request| request.fate = Fate::Accepted);
        sent
    }

    #[test]
    fn a_part_that_never_came_is_lost() {
        let sent = accepted();
        let expected = expected(&sent);
        let received: Vec<Part> = expected.iter().skip(1).map(|key| part(*key, 7)).collect();
        let verdict = compare(&sent, &expected, &received, "[]").unwrap();
        assert_eq!(verdict.lost.len(), 1);
        assert!(verdict.is_broken());
    }

    #[test]
    fn a_repetition_must_be_named_and_keep_its_reference() {
        let sent = accepted();
        let expected = expected(&sent);
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
}
