//! The states of the cluster that somebody may go by, as the API server had them.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

use ako_core::ResourceKind;
use ako_core::annotation::{self, PUBLISHED};
use ako_kube_io::CONFIG_MAP;
use ako_sim_kube::{PastChange, SimKube, StoredObject};
use serde_json::Value;
use tokio::time::Instant;

use crate::judgement::{complete, translated};
use crate::setup::Member;

/// States at most that are tried for one loss: whole ones first, then those whose
/// kinds are of different moments.
const MOST_STATES: usize = 256;

type Objects = BTreeMap<String, StoredObject>;

/// What the kinds were in the last while.
pub(super) struct Past {
    /// The path of the configuration.
    config: String,
    /// By kind: its versions, the newest first. The last kind are the configurations.
    kinds: Vec<(ResourceKind, Vec<Version>)>,
    /// Which kinds changed, the last change first.
    changes: Vec<usize>,
}

/// The objects of a kind at a moment.
struct Version {
    objects: Objects,
    hash: u64,
}

/// A state: for each kind which of its versions.
pub(super) type State = Vec<usize>;

impl Past {
    /// Reads the last while, for an instance.
    pub(super) fn read(kube: &SimKube, me: &Member, bound: Duration) -> Self {
        let config = format!("{}/{CONFIG_MAP}", me.namespace);
        let kinds = translated()
            .filter(|kind| kind.is_read_by(me.program))
            .chain([ResourceKind::StatefulSet, ResourceKind::ConfigMap]);
        let kinds: Vec<_> = kinds.collect();
        let mut now: Vec<Objects> = kinds.iter().map(|kind| objects(kube, *kind)).collect();
        let mut versions: Vec<Vec<Version>> =
            kinds.iter().zip(&now).map(|(kind, now)| vec![Version::of(*kind, now)]).collect();
        let since = Instant::now().checked_sub(bound).unwrap_or_else(Instant::now);
        let mut changes = Vec::new();
        for change in kube.changes_since(since).into_iter().rev() {
            let Some(kind) = kinds.iter().position(|kind| {
                kind.spec().group == &*change.group && kind.spec().plural == &*change.plural
            }) else {
                continue;
            };
            if kinds[kind] == ResourceKind::ConfigMap && !is_configuration(&change.path) {
                continue;
            }
            let differs = differs(kinds[kind], &change);
            match change.before {
                Some(before) => now[kind].insert(change.path, before),
                None => now[kind].remove(&change.path),
            };
            if differs {
                versions[kind].push(Version::of(kinds[kind], &now[kind]));
                changes.push(kind);
            }
        }
        Self { config, kinds: kinds.into_iter().zip(versions).collect(), changes }
    }

    /// The objects of a state that are translated.
    pub(super) fn objects(&self, state: &State) -> Vec<Value> {
        let translated = self.kinds.iter().zip(state);
        let all = translated.flat_map(|((kind, versions), version)| {
            versions[*version].objects.values().map(|object| complete(*kind, object))
        });
        all.collect()
    }

    /// The data of the ConfigMap in a state; `None` if there is none.
    pub(super) fn config(&self, state: &State) -> Option<BTreeMap<String, String>> {
        let (_, versions) = self.kinds.last()?;
        let object = versions[*state.last()?].objects.get(&self.config)?;
        serde_json::from_value(object["data"].clone()).ok()
    }

    /// The same for states that are translated to the same.
    pub(super) fn hash(&self, state: &State) -> u64 {
        let mut hasher = DefaultHasher::new();
        for ((_, versions), version) in self.kinds.iter().zip(state) {
            versions[*version].hash.hash(&mut hasher);
        }
        hasher.finish()
    }
}

fn is_configuration(path: &str) -> bool {
    path.rsplit('/').next() == Some(CONFIG_MAP)
}

fn objects(kube: &SimKube, kind: ResourceKind) -> Objects {
    let mut objects = kube.objects(kind.spec().group, kind.spec().plural);
    if kind == ResourceKind::ConfigMap {
        objects.retain(|path, _| is_configuration(path));
    }
    objects
}

impl Version {
    fn of(kind: ResourceKind, objects: &Objects) -> Self {
        let mut hasher = DefaultHasher::new();
        for (path, object) in objects {
            path.hash(&mut hasher);
            if kind == ResourceKind::StatefulSet {
                // What it says of namespaces changes with every step of a hand-over.
                asked(kind, object).to_string().hash(&mut hasher);
            } else {
                object.identity().hash(&mut hasher);
            }
        }
        Self { objects: objects.clone(), hash: hasher.finish() }
    }
}

/// Whether a change changes what is asked for: a status and what we publish do not.
fn differs(kind: ResourceKind, change: &PastChange) -> bool {
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => asked(kind, before) != asked(kind, after),
        _ => true,
    }
}

fn asked(kind: ResourceKind, object: &StoredObject) -> Value {
    let mut object: Value = (**object).clone();
    let Some(fields) = object.as_object_mut() else { return object };
    // The addresses of a Node are in its status.
    if !fields.contains_key("spec") || fields["spec"]["podCIDR"].is_null() {
        fields.remove("status");
    }
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["resourceVersion", "managedFields", "generation", "finalizers"] {
            metadata.remove(field);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            let ours = [annotation::HANDOVER, annotation::REMOVAL, annotation::CONTROLLER];
            // Of a namespace, people say which tenant it is of.
            let is_published = |key: &str| kind != ResourceKind::Namespace && PUBLISHED.contains(&key);
            annotations.retain(|key, _| !is_published(key) && !ours.contains(&key.as_str()));
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    object
}

/// The states to try: those that there were, the newest first, and then those whose
/// kinds are of different moments.
pub(super) struct States {
    whole: Vec<State>,
    tried: usize,
    /// The next of the mixed ones; `None` when there are no more.
    mixed: Option<State>,
    versions: Vec<usize>,
}

impl States {
    pub(super) fn of(past: &Past) -> Self {
        let versions: Vec<usize> = past.kinds.iter().map(|(_, versions)| versions.len()).collect();
        let mut state = vec![0; versions.len()];
        let mut whole = vec![state.clone()];
        for kind in &past.changes {
            state[*kind] += 1;
            whole.push(state.clone());
        }
        Self { whole, tried: 0, mixed: Some(vec![0; versions.len()]), versions }
    }

    /// Counts up, the first kind fastest.
    fn next_mixed(&mut self) -> Option<State> {
        let current = self.mixed.take()?;
        let mut next = current.clone();
        for (index, count) in next.iter_mut().zip(&self.versions) {
            *index += 1;
            if *index < *count {
                self.mixed = Some(next);
                return Some(current);
            }
            *index = 0;
        }
        Some(current)
    }
}

impl Iterator for States {
    type Item = State;

    fn next(&mut self) -> Option<State> {
        if self.tried >= MOST_STATES {
            return None;
        }
        self.tried += 1;
        if let Some(state) = self.whole.get(self.tried - 1) {
            return Some(state.clone());
        }
        loop {
            let state = self.next_mixed()?;
            if !self.whole.contains(&state) {
                return Some(state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_states_come_first_and_every_mixture_once() {
        // The first kind changed last, and before that the second one, twice.
        let states = States {
            whole: vec![vec![0, 0], vec![1, 0], vec![1, 1], vec![1, 2]],
            tried: 0,
            mixed: Some(vec![0, 0]),
            versions: vec![2, 3],
        };
        let states: Vec<State> = states.collect();
        assert_eq!(states[..4], [vec![0, 0], vec![1, 0], vec![1, 1], vec![1, 2]]);
        assert_eq!(states[4..], [vec![0, 1], vec![0, 2]]);
    }
}
