//! What the open operation will look at, read ahead of it in few answers: where each answer is a way to
//! a server and back, a thousand looks take long. Whoever writes such a row keeps it true here.

use std::collections::HashMap;

use pombo_domain::id::{PartId, RouteId};

use crate::operation::part::Part;

/// Day, route and key of a carrier's id.
type Key = (i64, RouteId, i64);

/// What was read, also that there is nothing.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    parts: HashMap<PartId, Option<Part>>,
    /// Newest part first, as [`crate::operation::receipt`] reads them.
    carriers: HashMap<Key, Vec<(PartId, String)>>,
}

impl Ahead {
    /// A part; `None` where it was not read.
    pub(crate) fn part(&self, id: PartId) -> Option<Option<Part>> {
        self.parts.get(&id).copied()
    }

    pub(crate) fn keep_part(&mut self, id: PartId, part: Option<Part>) {
        self.parts.insert(id, part);
    }

    /// Tells of a change.
    pub(crate) fn set_part(&mut self, id: PartId, change: impl FnOnce(&mut Part)) {
        if let Some(Some(part)) = self.parts.get_mut(&id) {
            change(part);
        }
    }

    /// The parts that have a carrier's id on a day; `None` where that was not read.
    pub(crate) fn parts_of(&self, key: Key, id: &str) -> Option<Vec<PartId>> {
        let known = self.carriers.get(&key)?.iter();
        Some(known.filter(|(_, known)| known == id).map(|(part, _)| *part).collect())
    }

    pub(crate) fn keep_carrier(&mut self, key: Key, parts: Vec<(PartId, String)>) {
        self.carriers.insert(key, parts);
    }

    /// Tells of a new one.
    pub(crate) fn file(&mut self, key: Key, (part, id): (PartId, &str)) {
        if let Some(known) = self.carriers.get_mut(&key)
            && !known.iter().any(|(known, _)| *known == part)
        {
            let place = known.partition_point(|(known, _)| *known > part);
            known.insert(place, (part, id.to_owned()));
        }
    }

    /// The next operation looks for itself.
    pub(crate) fn clear(&mut self) {
        self.parts.clear();
        self.carriers.clear();
    }
}
