//! Rows that the writer has read or written lately: a part is claimed, sent and reported within
//! seconds, and what comes next of it is asked of no table. To look one up is a way to a server and
//! back; the embedded engine takes some microseconds for it, a sixteenth of all that a message takes.
//! Whoever writes such a row keeps it true here. All is forgotten when a transaction is rolled back, or
//! the server had to be called again; when another process has committed, all but the parts of which
//! that wrote no event.

use pombo_domain::id::{AccountId, PartId, RouteId};

use crate::operation::campaign::join::Joined;
use crate::operation::key::Seen;
use crate::operation::part::Part;
use crate::recent::Recent;
use crate::sql::storable;

/// Parts, and carriers' ids, that are kept (some 4 MiB): what one second leaves under way.
const KEPT_MAX: usize = 14_000;

/// Parts that are kept of one carrier's id: those of a message, and one more.
const FILED_MAX: usize = 16;

/// Callers' keys, and campaigns, that are kept: nearly always more than a transaction has.
const NAMES_KEPT_MAX: usize = 2_048;

/// Day, route and key of a carrier's id.
pub(crate) type Key = (i64, RouteId, i64);

/// What is known, also that there is nothing.
#[derive(Debug)]
pub(crate) struct Known {
    parts: Recent<PartId, Option<Part>>,
    carriers: Recent<Key, Filed>,
    /// What came with callers' keys, also where that is nothing.
    keys: Recent<(AccountId, String), Option<Seen>>,
    /// Campaigns, by their names as they are stored.
    campaigns: Recent<(AccountId, String), Joined>,
}

/// The parts to which a carrier gave ids of one key.
#[derive(Debug)]
struct Filed {
    /// The newest part first, as [`crate::operation::receipt`] reads them.
    parts: Vec<(PartId, String)>,
    /// Whether the tables have no others.
    is_whole: bool,
    /// Whether each is the only part of its message: some carriers give one id to all its parts.
    are_single: bool,
}

/// What is known of a carrier's id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Holders {
    /// Parts that have it, the newest first.
    pub(crate) parts: Vec<PartId>,
    /// Whether no others have.
    pub(crate) are_all: bool,
    /// Whether no others of their messages have.
    pub(crate) are_whole_messages: bool,
}

impl Filed {
    /// Some carriers give one id again and again: the tables have the others.
    fn shorten(&mut self) {
        if self.parts.len() > FILED_MAX {
            self.parts.truncate(FILED_MAX);
            self.is_whole = false;
        }
    }

    fn holders(&self, parts: Vec<PartId>) -> Holders {
        let are_all = self.is_whole;
        Holders { parts, are_all, are_whole_messages: are_all || self.are_single }
    }
}

impl Known {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            parts: Recent::new(KEPT_MAX),
            carriers: Recent::new(KEPT_MAX),
            keys: Recent::new(NAMES_KEPT_MAX),
            campaigns: Recent::new(NAMES_KEPT_MAX),
        }
    }

    /// A part; `None` where nothing is known of it.
    pub(crate) fn part(&mut self, id: PartId) -> Option<Option<Part>> {
        self.parts.get(&id).map(|part| *part)
    }

    pub(crate) fn keep_part(&mut self, id: PartId, part: Option<Part>) {
        self.parts.insert(id, part);
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
        let parts = parts.collect();
        Some(filed.holders(parts))
    }

    /// The parts that have an id of that key on a day; `None` where nothing is known of it.
    pub(crate) fn filed(&mut self, key: Key) -> Option<Holders> {
        let filed = self.carriers.get(&key)?;
        let parts = filed.parts.iter().map(|(part, _)| *part).collect();
        Some(filed.holders(parts))
    }

    /// What the tables say of it.
    pub(crate) fn keep_carrier(&mut self, key: Key, parts: Vec<(PartId, String)>) {
        let mut filed = Filed { parts, is_whole: true, are_single: false };
        filed.shorten();
        self.carriers.insert(key, filed);
    }

    /// Tells of a new one, and whether it is its message's only part.
    pub(crate) fn file(&mut self, key: Key, (part, id): (PartId, &str), is_single: bool) {
        match self.carriers.get(&key) {
            Some(Filed { parts, .. }) if parts.iter().any(|(known, _)| *known == part) => {}
            Some(filed) => {
                filed.are_single &= is_single;
                let place = filed.parts.partition_point(|(known, _)| *known > part);
                filed.parts.insert(place, (part, id.to_owned()));
                filed.shorten();
            }
            None => {
                let parts = vec![(part, id.to_owned())];
                self.carriers.insert(key, Filed { parts, is_whole: false, are_single: is_single });
            }
        }
    }

    /// Nothing more is to come of it.
    pub(crate) fn forget_carrier(&mut self, key: Key) {
        self.carriers.remove(&key);
    }

    /// What came with a caller's key; `None` where nothing is known of it.
    pub(crate) fn key(&mut self, account: AccountId, key: &str) -> Option<Option<Seen>> {
        self.keys.get(&(account, key.to_owned())).cloned()
    }

    pub(crate) fn keep_key(&mut self, account: AccountId, key: &str, seen: Option<Seen>) {
        self.keys.insert((account, key.to_owned()), seen);
    }

    /// The account's campaign of that name; `None` where nothing is known of it.
    pub(crate) fn campaign(&mut self, account: AccountId, name: &str) -> Option<Joined> {
        self.campaigns.get(&(account, storable(name).into_owned())).cloned()
    }

    pub(crate) fn keep_campaign(&mut self, account: AccountId, name: &str, campaign: &Joined) {
        self.campaigns.insert((account, storable(name).into_owned()), campaign.clone());
    }

    pub(crate) fn clear(&mut self) {
        self.parts.clear();
        self.clear_but_parts();
    }

    pub(crate) fn clear_but_parts(&mut self) {
        self.carriers.clear();
        self.keys.clear();
        self.campaigns.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filed_is_known_and_whether_that_is_all() {
        let mut known = Known::new();
        let key = (20_000, RouteId(1), 7);
        assert_eq!(known.holders_of(key, "a"), None);
        known.file(key, (PartId(16), "a"), true);
        known.file(key, (PartId(48), "a"), true);
        known.file(key, (PartId(32), "b"), true);
        known.file(key, (PartId(48), "a"), true);
        let parts = vec![PartId(48), PartId(16)];
        let some = Holders { parts, are_all: false, are_whole_messages: true };
        assert_eq!(known.holders_of(key, "a"), Some(some));
        known.file(key, (PartId(33), "b"), false);
        let some = Holders {
            parts: vec![PartId(33), PartId(32)],
            are_all: false,
            are_whole_messages: false,
        };
        assert_eq!(known.holders_of(key, "b"), Some(some));
        known.keep_carrier(key, vec![(PartId(48), "a".to_owned())]);
        known.file(key, (PartId(64), "a"), true);
        let parts = vec![PartId(64), PartId(48)];
        let all = |parts| Some(Holders { parts, are_all: true, are_whole_messages: true });
        assert_eq!(known.holders_of(key, "a"), all(parts));
        assert_eq!(known.holders_of(key, "c"), all(vec![]));
        known.forget_carrier(key);
        assert_eq!(known.holders_of(key, "a"), None);
        for n in 0..1_000 {
            known.file(key, (PartId(n), "0"), true);
        }
        let holders = known.holders_of(key, "0").expect("it is filed");
        assert_eq!((holders.parts.len(), holders.parts[0]), (FILED_MAX, PartId(999)));
        known.keep_carrier(key, (0..100).rev().map(|n| (PartId(n), "0".to_owned())).collect());
        let holders = known.holders_of(key, "0").expect("it is filed");
        assert_eq!(
            (holders.parts[0], holders.are_all),
            (PartId(99), false),
            "the tables have more"
        );
    }
}
