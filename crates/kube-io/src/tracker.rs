//! What the events of one watch mean for the snapshot.
//!
//! The objects themselves are not kept here, only the names of those that the
//! snapshot holds: enough to tell which objects a list no longer has.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use ako_core::id::NamespacedName;
use ako_core::{Delta, Diagnostic, Resource, ResourceId, ResourceKind};
use ako_kube_types::Convert;
use ako_kube_types::convert::undecodable;
use kube::core::DeserializeGuard;
use kube::core::ObjectMeta;
use kube::runtime::watcher::Event;

use crate::source::SourceEvent;

/// Follows one watch.
#[derive(Debug)]
pub(crate) struct Tracker {
    kind: ResourceKind,
    /// The objects that the snapshot holds.
    known: BTreeSet<NamespacedName>,
    /// The objects that something was found wrong with.
    flawed: BTreeSet<NamespacedName>,
    /// The list that is being received.
    list: Option<List>,
    /// Whether a complete list was seen.
    complete: bool,
}

#[derive(Debug, Default)]
struct List {
    resources: Vec<Resource>,
    findings: BTreeMap<NamespacedName, Vec<Diagnostic>>,
    undecodable: BTreeMap<NamespacedName, String>,
}

impl Tracker {
    /// Nothing was seen yet.
    pub(crate) fn new(kind: ResourceKind) -> Self {
        Self { kind, known: BTreeSet::new(), flawed: BTreeSet::new(), list: None, complete: false }
    }

    /// Takes an event over and answers what to say about it.
    pub(crate) fn step<K: Convert>(&mut self, event: Event<DeserializeGuard<K>>) -> Vec<SourceEvent> {
        match event {
            Event::Init => {
                self.list = Some(List::default());
                Vec::new()
            }
            Event::InitApply(object) => {
                self.list.get_or_insert_default().add(object);
                Vec::new()
            }
            Event::InitDone => self.finish_list(),
            Event::Apply(DeserializeGuard(Ok(object))) => self.apply(object),
            Event::Apply(DeserializeGuard(Err(invalid))) => {
                let name = name_of(&invalid.metadata);
                let message = undecodable::<K>(&name.to_string(), &invalid.error);
                vec![SourceEvent::Undecodable { kind: self.kind, name, message }]
            }
            Event::Delete(object) => self.delete(&name_of(kube::Resource::meta(&object))),
        }
    }

    fn apply<K: Convert>(&mut self, object: K) -> Vec<SourceEvent> {
        let name = name_of(object.meta());
        let converted = object.convert();
        let mut said = Vec::new();
        match converted.resource {
            Some(resource) => {
                self.known.insert(resource.id().name);
                said.push(SourceEvent::Delta(Delta::Apply(resource)));
            }
            None if self.known.remove(&name) => said.push(SourceEvent::Delta(Delta::Delete(self.id(&name)))),
            None => {}
        }
        said.extend(self.findings(&name, converted.diagnostics));
        said
    }

    fn delete(&mut self, name: &NamespacedName) -> Vec<SourceEvent> {
        let mut said = Vec::new();
        if self.known.remove(name) {
            said.push(SourceEvent::Delta(Delta::Delete(self.id(name))));
        }
        said.extend(self.findings(name, Vec::new()));
        said
    }

    /// Hands a complete list on.
    ///
    /// An object in it that did not decode keeps its old version. Since a reset
    /// would remove that, such a list is handed on in single steps, except for
    /// the first one, before which there are no old versions.
    fn finish_list(&mut self) -> Vec<SourceEvent> {
        let list = self.list.take().unwrap_or_default();
        let mut live: BTreeSet<_> = list.resources.iter().map(|resource| resource.id().name).collect();
        live.extend(list.undecodable.keys().filter(|name| self.known.contains(*name)).cloned());
        let gone: Vec<_> = self.known.difference(&live).cloned().collect();
        let in_single_steps = self.complete && !list.undecodable.is_empty();
        let kind = self.kind;
        let announce = |(name, message)| SourceEvent::Undecodable { kind, name, message };
        let mut said: Vec<_> = list.undecodable.into_iter().map(announce).collect();
        if in_single_steps {
            said.extend(list.resources.into_iter().map(|r| SourceEvent::Delta(Delta::Apply(r))));
            said.extend(gone.iter().map(|name| SourceEvent::Delta(Delta::Delete(self.id(name)))));
        } else {
            said.push(SourceEvent::Delta(Delta::Reset(kind, list.resources)));
        }
        self.known = live;
        self.complete = true;
        let fine_again = mem::take(&mut self.flawed).into_iter().filter(|n| !list.findings.contains_key(n));
        said.extend(fine_again.map(|name| SourceEvent::Diagnostics(self.id(&name), Vec::new())));
        for (name, found) in list.findings {
            said.extend(self.findings(&name, found));
        }
        said
    }

    /// What to say about an object's findings: nothing if there are none and
    /// there were none.
    fn findings(&mut self, name: &NamespacedName, found: Vec<Diagnostic>) -> Option<SourceEvent> {
        let changed =
            if found.is_empty() { self.flawed.remove(name) } else { self.flawed.insert(name.clone()) };
        (changed || !found.is_empty()).then(|| SourceEvent::Diagnostics(self.id(name), found))
    }

    fn id(&self, name: &NamespacedName) -> ResourceId {
        ResourceId { kind: self.kind, name: name.clone() }
    }
}

impl List {
    fn add<K: Convert>(&mut self, object: DeserializeGuard<K>) {
        match object.0 {
            Ok(object) => {
                let name = name_of(object.meta());
                let converted = object.convert();
                self.resources.extend(converted.resource);
                if !converted.diagnostics.is_empty() {
                    self.findings.insert(name, converted.diagnostics);
                }
            }
            Err(invalid) => {
                let name = name_of(&invalid.metadata);
                let message = undecodable::<K>(&name.to_string(), &invalid.error);
                self.undecodable.insert(name, message);
            }
        }
    }
}

fn name_of(meta: &ObjectMeta) -> NamespacedName {
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().to_owned();
    NamespacedName::new(text(&meta.namespace), text(&meta.name))
}
