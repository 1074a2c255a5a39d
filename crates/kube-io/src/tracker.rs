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

use crate::source_event::SourceEvent;

/// Follows one watch.
#[derive(Debug)]
pub(crate) struct Tracker {
    kind: ResourceKind,
    /// The objects that the snapshot holds.
    known: BTreeSet<NamespacedName>,
    /// The objects that something was found wrong with.
    flawed: BTreeSet<NamespacedName>,
    /// The objects that did not decode when they were last seen.
    undecodable: BTreeSet<NamespacedName>,
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
        Self {
            kind,
            known: BTreeSet::new(),
            flawed: BTreeSet::new(),
            undecodable: BTreeSet::new(),
            list: None,
            complete: false,
        }
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
                self.note_undecodable(&name);
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
                self.undecodable.remove(&name);
                self.known.insert(resource.id().name);
                said.push(SourceEvent::Delta(Delta::Apply(resource)));
            }
            None => said.extend(self.gone(&name)),
        }
        said.extend(self.findings(&name, converted.diagnostics));
        said
    }

    fn delete(&mut self, name: &NamespacedName) -> Vec<SourceEvent> {
        let mut said: Vec<_> = self.gone(name).into_iter().collect();
        said.extend(self.findings(name, Vec::new()));
        said
    }

    /// An object is not there any more: what the snapshot holds of it goes, and that
    /// it did not decode is over.
    fn gone(&mut self, name: &NamespacedName) -> Option<SourceEvent> {
        let was_known = self.known.remove(name);
        let was_undecodable = self.undecodable.remove(name);
        (was_known || was_undecodable).then(|| SourceEvent::Delta(Delta::Delete(self.id(name))))
    }

    /// Remembers that an object did not decode, which is a finding as well.
    fn note_undecodable(&mut self, name: &NamespacedName) {
        self.undecodable.insert(name.clone());
        self.flawed.insert(name.clone());
    }

    /// Hands a complete list on.
    ///
    /// An object in it that did not decode keeps its old version. Since a reset
    /// would remove that, such a list is handed on in single steps, except for
    /// the first one, before which there are no old versions.
    fn finish_list(&mut self) -> Vec<SourceEvent> {
        let list = self.list.take().unwrap_or_default();
        let mut live: BTreeSet<_> = list.resources.iter().map(|resource| resource.id().name).collect();
        let mut over = mem::take(&mut self.undecodable);
        over.retain(|name| !live.contains(name) && !list.undecodable.contains_key(name));
        let undecodable: Vec<_> = list.undecodable.keys().cloned().collect();
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
        // What did not decode before, and is not there any longer or none of our business
        // now. After the list, which is what removes an old version: it is no single edit.
        over.retain(|name| !(in_single_steps && gone.contains(name)));
        said.extend(over.iter().map(|name| SourceEvent::Delta(Delta::Delete(self.id(name)))));
        self.known = live;
        self.complete = true;
        let is_flawed =
            |name: &NamespacedName| list.findings.contains_key(name) || undecodable.contains(name);
        let fine_again = mem::take(&mut self.flawed).into_iter().filter(|name| !is_flawed(name));
        said.extend(fine_again.map(|name| SourceEvent::Diagnostics(self.id(&name), Vec::new())));
        for name in &undecodable {
            self.note_undecodable(name);
        }
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

#[cfg(test)]
mod tests {
    use ako_kube_types::Ingress;
    use kube::core::error_boundary::InvalidObject;

    use super::*;

    fn meta(name: &str) -> ObjectMeta {
        ObjectMeta { name: Some(name.into()), namespace: Some("ns".into()), ..ObjectMeta::default() }
    }

    fn broken(name: &str) -> DeserializeGuard<Ingress> {
        DeserializeGuard(Err(InvalidObject { error: "bad".into(), metadata: meta(name) }))
    }

    fn fine(name: &str) -> DeserializeGuard<Ingress> {
        let object = serde_json::json!({"metadata": {"name": name, "namespace": "ns"}, "spec": {}});
        DeserializeGuard(Ok(serde_json::from_value(object).unwrap()))
    }

    fn listed(tracker: &mut Tracker, objects: Vec<DeserializeGuard<Ingress>>) -> Vec<SourceEvent> {
        tracker.step::<Ingress>(Event::Init);
        for object in objects {
            tracker.step(Event::InitApply(object));
        }
        tracker.step::<Ingress>(Event::InitDone)
    }

    /// What was said about objects of that name, in short.
    fn about(said: &[SourceEvent], name: &str) -> Vec<&'static str> {
        let name = NamespacedName::new("ns", name);
        let words = said.iter().filter_map(|event| match event {
            SourceEvent::Delta(Delta::Apply(resource)) if resource.id().name == name => Some("apply"),
            SourceEvent::Delta(Delta::Delete(id)) if id.name == name => Some("delete"),
            SourceEvent::Delta(Delta::Reset(_, all)) if all.iter().any(|r| r.id().name == name) => {
                Some("listed")
            }
            SourceEvent::Delta(Delta::Reset(..)) => Some("not listed"),
            SourceEvent::Diagnostics(id, findings) if id.name == name && findings.is_empty() => Some("fine"),
            SourceEvent::Undecodable { name: broken, .. } if *broken == name => Some("undecodable"),
            _ => None,
        });
        words.collect()
    }

    #[test]
    fn an_object_that_never_decoded_leaves_nothing_behind_when_it_is_deleted() {
        let mut tracker = Tracker::new(ResourceKind::Ingress);
        assert_eq!(about(&listed(&mut tracker, vec![broken("x")]), "x"), ["undecodable", "not listed"]);
        let said = tracker.step(Event::Delete(broken("x")));
        assert_eq!(about(&said, "x"), ["delete", "fine"]);
        assert!(tracker.step(Event::Delete(broken("x"))).is_empty(), "it is said once");
        tracker.step(Event::Apply(broken("y")));
        assert_eq!(about(&tracker.step(Event::Delete(broken("y"))), "y"), ["delete", "fine"]);
    }

    #[test]
    fn an_object_that_never_decoded_leaves_nothing_behind_when_a_list_does_not_have_it() {
        let mut tracker = Tracker::new(ResourceKind::Ingress);
        listed(&mut tracker, vec![broken("x"), fine("other")]);
        assert_eq!(about(&listed(&mut tracker, vec![fine("other")]), "x"), ["not listed", "delete", "fine"]);
        assert_eq!(about(&listed(&mut tracker, vec![fine("other")]), "x"), ["not listed"]);
        // The same if another one in the list does not decode.
        listed(&mut tracker, vec![broken("x"), broken("y")]);
        let said = listed(&mut tracker, vec![broken("y")]);
        assert_eq!((about(&said, "x"), about(&said, "y")), (vec!["delete", "fine"], vec!["undecodable"]));
    }

    #[test]
    fn an_old_version_goes_by_the_list_and_not_by_a_deletion_before_it() {
        let mut tracker = Tracker::new(ResourceKind::Ingress);
        listed(&mut tracker, vec![fine("x")]);
        assert_eq!(about(&tracker.step(Event::Apply(broken("x"))), "x"), ["undecodable"]);
        assert_eq!(about(&listed(&mut tracker, vec![]), "x"), ["not listed", "delete", "fine"]);
    }

    #[test]
    fn an_object_that_decodes_again_is_fine() {
        let mut tracker = Tracker::new(ResourceKind::Ingress);
        listed(&mut tracker, vec![broken("x")]);
        assert_eq!(about(&tracker.step(Event::Apply(fine("x"))), "x"), ["apply", "fine"]);
        tracker.step(Event::Apply(broken("x")));
        assert_eq!(about(&listed(&mut tracker, vec![fine("x")]), "x"), ["listed", "fine"]);
        assert_eq!(about(&tracker.step(Event::Delete(fine("x"))), "x"), ["delete"]);
    }
}
