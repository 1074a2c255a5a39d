//! A map from keys to small sets.

use std::collections::BTreeMap;

/// Several values under each key, sorted and without duplicates.
///
/// Most keys have one or two values, and there are tens of thousands of keys:
/// a list of exactly the right length takes a fraction of what a tree would.
#[derive(Clone, Debug)]
pub struct Index<K, V>(BTreeMap<K, Vec<V>>);

impl<K, V> Default for Index<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord, V: Ord> Index<K, V> {
    /// Adds a value under a key.
    pub fn insert(&mut self, key: K, value: V) {
        let Some(values) = self.0.get_mut(&key) else {
            self.0.insert(key, vec![value]);
            return;
        };
        if let Err(place) = values.binary_search(&value) {
            values.insert(place, value);
        }
    }

    /// Removes a value from under a key, and the key with its last value.
    pub fn remove(&mut self, key: &K, value: &V) {
        let Some(values) = self.0.get_mut(key) else { return };
        if let Ok(place) = values.binary_search(value) {
            values.remove(place);
        }
        if values.is_empty() {
            self.0.remove(key);
        }
    }

    /// The values under a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> &[V]
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// The keys that have values.
    pub fn keys(&self) -> impl Iterator<Item = &K> + Clone {
        self.0.keys()
    }

    /// The same, the last one first.
    pub fn keys_from_the_end(&self) -> impl Iterator<Item = &K> {
        self.0.keys().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::Index;

    #[test]
    fn values_are_a_sorted_set_and_keys_end_with_them() {
        let mut index = Index::default();
        for value in [3, 1, 3, 2] {
            index.insert("a", value);
        }
        assert_eq!(index.get("a"), [1, 2, 3]);
        for value in [1, 2, 3, 4] {
            index.remove(&"a", &value);
        }
        assert_eq!(index.keys().count(), 0);
    }
}
