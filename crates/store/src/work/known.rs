//! Rows that the writer has read or written lately, where to look one up is a way to a server and back:
//! a part is claimed, sent and reported within seconds, and what comes next of it is asked of nobody.
//! Whoever writes such a row keeps it true here. All is forgotten when a transaction is rolled back,
//! or another process has committed.
//!
//! The embedded engine finds a row as fast as it would be found here, so that nothing is kept for it.

use pombo_domain::id::{PartId, RouteId};

use crate::operation::part::Part;
use crate::recent::Recent;

/// Parts, and carriers' ids, that are kept (some 4 MiB): what one second leaves under way.
const KEPT_MAX: usize = 14_000;

/// Day, route and key of a carrier's id.
pub(crate) type Key = (i64, RouteId, i64);

/// What is known, also that there is nothing.
#[derive(Debug)]
pub(crate) struct Known {
    /// Whether anything is kept.
    is_on: bool,
    parts: Recent<PartId, Option<Part>>,
    carriers: Recent<Key, Filed>,
}

/// The parts to which a carrier gave ids of one key.
#[derive(Debug)]
struct Filed {
    /// The newest part first, as [`crate::operation::receipt`] reads them.
    parts: Vec<(PartId, String)>,
    /// Whether the tables have no others.
    is_whole: bool,
}

/// What is known of a carrier's id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Holders {
    /// Parts that have it, the newest first.
    pub(crate) parts: Vec<PartId>,
    /// Whether no others have.
    pub(crate) are_all: bool,
}

impl Known {
    /// Nothing; and it stays so unless `is_on`.
    pub(crate) fn new(is_on: bool) -> Self {
        Self { is_on, parts: Recent::new(KEPT_MAX), carriers: Recent::new(KEPT_MAX) }
    }

    /// A part; `None` where nothing is known of it.
    pub(crate) fn part(&mut self, id: PartId) -> Option<Option<Part>> {
        self.parts.get(&id).map(|part| *part)
    }

    pub(crate) fn keep_part(&mut self, id: PartId, part: Option<Part>) {
        if self.is_on {
            self.parts.insert(id, part);
        }
    }

    /// Tells of a change.
    pub(crate) fn set_part(&mut self, id: PartId, change: impl FnOnce(&mut Part)) {
        if let Some(Some(part)) = self.parts.get(&id) {
            change(part);
        }
    }

    /// Nothing more is to come of it.
    pub(crate) fn forget_part(&mut self, id: PartId) {
        self.parts.remove(&id);
    }

    /// The parts that have a carrier's id on a day; `None` where nothing is known of it.
    pub(crate) fn holders_of(&mut self, key: Key, id: &str) -> Option<Holders> {
        let filed = self.carriers.get(&key)?;
        let parts = filed.parts.iter().filter(|(_, known)| known == id).map(|(part, _)| *part);
        Some(Holders { parts: parts.collect(), are_all: filed.is_whole })
    }

    /// The parts that have an id of that key on a day; `None` where nothing is known of it.
    pub(crate) fn filed(&mut self, key: Key) -> Option<impl Iterator<Item = PartId>> {
        Some(self.carriers.get(&key)?.parts.iter().map(|(part, _)| *part))
    }

    /// What the tables say of it.
    pub(crate) fn keep_carrier(&mut self, key: Key, parts: Vec<(PartId, String)>) {
        if self.is_on {
            self.carriers.insert(key, Filed { parts, is_whole: true });
        }
    }

    /// Tells of a new one.
    pub(crate) fn file(&mut self, key: Key, (part, id): (PartId, &str)) {
        match self.carriers.get(&key) {
            None if !self.is_on => {}
            Some(Filed { parts, .. }) if parts.iter().any(|(known, _)| *known == part) => {}
            Some(Filed { parts, .. }) => {
                let place = parts.partition_point(|(known, _)| *known > part);
                parts.insert(place, (part, id.to_owned()));
            }
            None => {
                let parts = vec![(part, id.to_owned())];
                self.carriers.insert(key, Filed { parts, is_whole: false });
            }
        }
    }

    /// Nothing more is to come of it.
    pub(crate) fn forget_carrier(&mut self, key: Key) {
        self.carriers.remove(&key);
    }

    pub(crate) fn clear(&mut self) {
        self.parts.clear();
        self.carriers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filed_is_known_and_whether_that_is_all() {
        let mut known = Known::new(true);
        let key = (20_000, RouteId(1), 7);
        assert_eq!(known.holders_of(key, "a"), None);
        known.file(key, (PartId(16), "a"));
        known.file(key, (PartId(48), "a"));
        known.file(key, (PartId(32), "b"));
        known.file(key, (PartId(48), "a"));
        let parts = vec![PartId(48), PartId(16)];
        assert_eq!(known.holders_of(key, "a"), Some(Holders { parts, are_all: false }));
        known.keep_carrier(key, vec![(PartId(48), "a".to_owned())]);
        known.file(key, (PartId(64), "a"));
        let parts = vec![PartId(64), PartId(48)];
        assert_eq!(known.holders_of(key, "a"), Some(Holders { parts, are_all: true }));
        assert_eq!(known.holders_of(key, "c"), Some(Holders { parts: vec![], are_all: true }));
        known.forget_carrier(key);
        assert_eq!(known.holders_of(key, "a"), None);
        let mut nothing = Known::new(false);
        nothing.file(key, (PartId(16), "a"));
        assert_eq!(nothing.holders_of(key, "a"), None);
    }
}
