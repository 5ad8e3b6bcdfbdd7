//! What was used lately, and no more of it than may be kept.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Cheap for short keys, and seeded anew in each process: of some keys strangers choose a part.
type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Two generations: what the older one holds and nobody asks for goes when the younger one is full.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    half: usize,
    young: Map<K, V>,
    old: Map<K, V>,
}

impl<K: Hash + Eq, V> Recent<K, V> {
    /// Keeps at most so many.
    pub(crate) fn new(max: usize) -> Self {
        Self { half: (max / 2).max(1), young: Map::default(), old: Map::default() }
    }

    pub(crate) fn get<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if !self.old.is_empty()
            && !self.young.contains_key(key)
            && let Some((key, value)) = self.old.remove_entry(key)
        {
            self.insert(key, value);
        }
        self.young.get_mut(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.half {
            // The room of the older one is used again.
            self.old.clear();
            std::mem::swap(&mut self.old, &mut self.young);
        }
        self.young.insert(key, value);
    }

    pub(crate) fn remove<Q>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.young.remove(key);
        self.old.remove(key);
    }

    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut recent = Recent::new(8);
        for n in 0..1_000 {
            recent.insert(n, n);
            if n >= 3 {
                assert_eq!(recent.get(&3), Some(&mut 3), "after {n}");
            }
            assert!(recent.young.len() + recent.old.len() <= 8);
        }
        assert_eq!(recent.get(&5), None);
        recent.remove(&999);
        assert_eq!(recent.get(&999), None);
        recent.clear();
        assert_eq!(recent.get(&3), None);
    }
}
