//! Objects, and what happened to them.
//!
//! One counter numbers all changes, as in etcd. Objects are shared, never changed in
//! place; their JSON is written once, however many clients read it.
//! Source: Kubernetes documentation, "Kubernetes API Concepts", "Resource versions".

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::Value;
use tokio::sync::watch;

use crate::past::Past;
use crate::resource::Key;

/// How many objects were stored, of all stores.
static STORED: AtomicU64 = AtomicU64::new(0);

/// An object in one version.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) value: Value,
    pub(crate) revision: u64,
    /// Tells it from all others, for ever.
    pub(crate) serial: u64,
    json: OnceLock<Bytes>,
    bare: OnceLock<Bytes>,
}

/// An object without `kind` and `apiVersion`, as items of built-in lists are.
struct Bare<'a>(&'a Value);

impl Serialize for Bare<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.0.as_object().into_iter().flatten();
        serializer.collect_map(fields.filter(|(name, _)| !matches!(name.as_str(), "kind" | "apiVersion")))
    }
}

impl Stored {
    pub(crate) fn new(value: Value, revision: u64) -> Self {
        let serial = STORED.fetch_add(1, Ordering::Relaxed);
        Self { value, revision, serial, json: OnceLock::new(), bare: OnceLock::new() }
    }

    /// Its JSON without `kind` and `apiVersion`.
    pub(crate) fn bare(&self) -> &Bytes {
        // Serializing a JSON value into memory does not fail.
        self.bare.get_or_init(|| Bytes::from(serde_json::to_vec(&Bare(&self.value)).unwrap_or_default()))
    }

    /// Its JSON.
    pub(crate) fn json(&self) -> &Bytes {
        self.json.get_or_init(|| Bytes::from(self.value.to_string()))
    }

    pub(crate) fn name(&self) -> &str {
        self.value["metadata"]["name"].as_str().unwrap_or_default()
    }

    pub(crate) fn namespace(&self) -> &str {
        self.value["metadata"]["namespace"].as_str().unwrap_or_default()
    }
}

/// Something that happened: `new` without `old` is a creation, `old` without `new`
/// a deletion.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) path: String,
    pub(crate) old: Option<Arc<Stored>>,
    /// A deleted object in its last state, with the revision of the deletion.
    pub(crate) new: Arc<Stored>,
    pub(crate) deleted: bool,
}

/// The objects of one resource, in the order of etcd's keys: `namespace/name`.
#[derive(Debug)]
pub(crate) struct Collection {
    objects: BTreeMap<String, Arc<Stored>>,
    history: VecDeque<Change>,
    /// Changes up to this one are forgotten.
    compacted: u64,
    /// How far watchers are told that nothing else happened.
    progress: u64,
    wake: watch::Sender<u64>,
}

impl Default for Collection {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            compacted: 0,
            progress: 0,
            wake: watch::Sender::new(0),
        }
    }
}

/// What a key in a collection is.
pub(crate) fn path(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

impl Collection {
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Stored>> {
        self.objects.get(&path(namespace, name))
    }

    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Arc<Stored>)> {
        self.objects.iter()
    }

    /// Objects of a namespace, or of all if it is empty, after a path.
    pub(crate) fn range<'a>(
        &'a self,
        namespace: &str,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'a String, &'a Arc<Stored>)> + use<'a> {
        let prefix = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
        let from = match after {
            Some(after) if after >= prefix.as_str() => Bound::Excluded(after.to_owned()),
            _ => Bound::Included(prefix.clone()),
        };
        self.objects.range((from, Bound::Unbounded)).take_while(move |(path, _)| path.starts_with(&prefix))
    }

    /// The collection as it was; `None` if that is forgotten.
    pub(crate) fn at(&self, revision: u64) -> Option<BTreeMap<String, Arc<Stored>>> {
        if revision < self.compacted {
            return None;
        }
        let mut objects = self.objects.clone();
        for change in self.history.iter().rev().take_while(|change| change.revision > revision) {
            match &change.old {
                Some(old) => objects.insert(change.path.clone(), old.clone()),
                None => objects.remove(&change.path),
            };
        }
        Some(objects)
    }

    pub(crate) fn changed_after(&self, revision: u64) -> bool {
        self.history.back().is_some_and(|change| change.revision > revision)
    }

    /// Changes after a revision, at most so many; `None` if some are forgotten.
    pub(crate) fn changes_after(&self, revision: u64, most: usize) -> Option<Vec<Change>> {
        if revision < self.compacted {
            return None;
        }
        let from = self.history.partition_point(|change| change.revision <= revision);
        Some(self.history.iter().skip(from).take(most).cloned().collect())
    }

    pub(crate) fn compacted(&self) -> u64 {
        self.compacted
    }

    /// How far watchers are told that nothing else happened: up to the last change of
    /// the kind, or to a version that a client asked for since. An API server does not
    /// know more of a kind in which nothing happens.
    pub(crate) fn progress(&self) -> u64 {
        let last = self.history.back().map_or(0, |change| change.revision);
        self.progress.max(last)
    }

    /// A client was told the objects as they are at a version.
    pub(crate) fn read_at(&mut self, revision: u64) {
        self.progress = self.progress.max(revision);
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.wake.subscribe()
    }

    fn record(&mut self, change: Change, most: usize) {
        let revision = change.revision;
        self.history.push_back(change);
        while self.history.len() > most
            && let Some(oldest) = self.history.pop_front()
        {
            self.compacted = oldest.revision;
        }
        self.wake.send_replace(revision);
    }

    fn compact(&mut self, revision: u64) {
        while self.history.front().is_some_and(|change| change.revision <= revision) {
            self.history.pop_front();
        }
        self.compacted = self.compacted.max(revision);
        self.wake.send_replace(revision);
    }
}

/// All collections.
#[derive(Debug)]
pub(crate) struct Store {
    revision: u64,
    collections: BTreeMap<Key, Collection>,
    most_changes: usize,
    pub(crate) past: Past,
}

/// All objects at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Objects(
    pub(crate) BTreeMap<Key, BTreeMap<String, Arc<Stored>>>,
    /// Resources that are left as they are.
    pub(crate) BTreeSet<Key>,
);

impl Store {
    pub(crate) fn new(most_changes: usize, remember: Duration) -> Self {
        let past = Past::keeping(remember);
        Self { revision: 1, collections: BTreeMap::new(), most_changes, past }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn collection(&self, key: &Key) -> Option<&Collection> {
        self.collections.get(key)
    }

    /// The collection, which is there from then on.
    pub(crate) fn collection_mut(&mut self, key: &Key) -> &mut Collection {
        self.collections.entry(key.clone()).or_default()
    }

    pub(crate) fn get(&self, key: &Key, namespace: &str, name: &str) -> Option<&Arc<Stored>> {
        self.collections.get(key)?.get(namespace, name)
    }

    pub(crate) fn len(&self) -> usize {
        self.collections.values().map(Collection::len).sum()
    }

    /// Keeps an object, whose `resourceVersion` becomes that of the change.
    pub(crate) fn put(&mut self, key: &Key, mut value: Value) -> Arc<Stored> {
        self.revision += 1;
        let revision = self.revision;
        value["metadata"]["resourceVersion"] = revision.to_string().into();
        let stored = Arc::new(Stored::new(value, revision));
        let path = path(stored.namespace(), stored.name());
        let most = self.most_changes;
        let collection = self.collection_mut(key);
        let old = collection.objects.insert(path.clone(), stored.clone());
        self.past.note(key, &path, old.as_ref(), Some(&stored));
        let collection = self.collection_mut(key);
        collection.record(Change { revision, path, old, new: stored.clone(), deleted: false }, most);
        stored
    }

    /// Takes an object out; what watchers see of it last has the number of the change.
    pub(crate) fn remove(&mut self, key: &Key, namespace: &str, name: &str) -> Option<Arc<Stored>> {
        let most = self.most_changes;
        let path = path(namespace, name);
        let old = self.collections.get_mut(key)?.objects.remove(&path)?;
        self.past.note(key, &path, Some(&old), None);
        self.revision += 1;
        let revision = self.revision;
        let mut value = old.value.clone();
        value["metadata"]["resourceVersion"] = revision.to_string().into();
        let new = Arc::new(Stored::new(value, revision));
        let change = Change { revision, path, old: Some(old), new: new.clone(), deleted: true };
        self.collection_mut(key).record(change, most);
        Some(new)
    }

    /// Forgets all changes so far: watches from earlier versions are refused.
    pub(crate) fn compact(&mut self) {
        let revision = self.revision;
        self.collections.values_mut().for_each(|collection| collection.compact(revision));
    }

    pub(crate) fn objects(&self) -> Objects {
        let all = self.collections.iter().map(|(key, all)| (key.clone(), all.objects.clone()));
        Objects(all.collect(), BTreeSet::new())
    }

    /// Makes the objects what they were, and the counter too: versions that were given
    /// since then are given again, to something else. What happened before is forgotten.
    pub(crate) fn set_back(&mut self, objects: &Objects, revision: u64) {
        self.restore(objects);
        for (key, collection) in &mut self.collections {
            if let Some(then) = objects.0.get(key) {
                // Kept as they were, with their versions.
                collection.objects.clone_from(then);
            }
            collection.history.clear();
            collection.compacted = revision;
            collection.progress = revision;
            collection.wake.send_replace(revision);
        }
        self.revision = revision;
    }

    /// Makes the objects what they were, by as many changes as that takes: watchers
    /// see deletions, creations and updates, and versions go on growing.
    pub(crate) fn restore(&mut self, objects: &Objects) {
        let keys: BTreeSet<Key> = self.collections.keys().chain(objects.0.keys()).cloned().collect();
        for key in keys.into_iter().filter(|key| !objects.1.contains(key)) {
            let now = self.collection_mut(&key).objects.clone();
            let then = objects.0.get(&key).cloned().unwrap_or_default();
            for (path, stored) in &now {
                if !then.contains_key(path) {
                    self.remove(&key, stored.namespace(), stored.name());
                }
            }
            for (path, stored) in then {
                if now.get(&path).is_none_or(|now| now.revision != stored.revision) {
                    self.put(&key, stored.value.clone());
                }
            }
        }
    }
}
