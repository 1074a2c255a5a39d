//! The objects and their indices: by uuid, by name, by type, and back-references.
//!
//! Every look-up that a request needs is O(1) in the number of objects; listing a
//! type is in the order of creation.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::kind::{Kind, Sharing};
use crate::reference;

/// The uuid of the provider tenant, which owns what all tenants share.
pub(crate) const ADMIN: &str = "admin";

/// The fields of an object.
pub(crate) type Fields = Map<String, Value>;

/// A stored object. It is never changed in place: a write stores a new one.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) kind: &'static Kind,
    pub(crate) uuid: Arc<str>,
    pub(crate) name: Arc<str>,
    /// The uuid of the tenant that owns it.
    pub(crate) tenant: Arc<str>,
    /// The uuid of its cloud, for types that live in one.
    pub(crate) cloud: Option<Arc<str>>,
    /// Position in lists.
    pub(crate) position: u64,
    /// `_last_modified`, microseconds since 1970.
    pub(crate) modified: u64,
    /// How many times it was written.
    pub(crate) version: u64,
    /// What clients sent, without what the Controller added.
    pub(crate) sent: Fields,
    /// The whole object, with defaults and allocations.
    pub(crate) full: Fields,
}

impl Object {
    /// Whether the Controller shipped the object; such objects cannot be deleted.
    pub(crate) fn is_system(&self) -> bool {
        let named = self.name.starts_with("System-")
            || matches!(&*self.name, "Default-Cloud" | "Default-Group" | "Default-TLS");
        let flagged = self.full.get("system_default").and_then(Value::as_bool) == Some(true);
        let provider = self.kind.path == "tenant" && &*self.uuid == ADMIN;
        &*self.tenant == ADMIN && (named || flagged || provider)
    }

    /// Whether callers working in `tenant` see the object.
    pub(crate) fn visible_to(&self, tenant: &str) -> bool {
        if &*self.tenant == tenant {
            return true;
        }
        match self.kind.sharing {
            Sharing::Own => false,
            Sharing::System => self.is_system(),
            Sharing::Always => &*self.tenant == ADMIN,
        }
    }

    /// The uuids the object refers to.
    pub(crate) fn targets(&self) -> BTreeSet<Arc<str>> {
        let mut targets = BTreeSet::new();
        for (key, value) in &self.full {
            let mut add = |text: &str| targets.extend(reference::uuid(text).map(Arc::from));
            match value {
                Value::String(text) if reference::is_reference(key) => add(text),
                Value::Array(items) if reference::is_reference(key) => {
                    items.iter().filter_map(Value::as_str).for_each(add);
                }
                _ => reference::each(value, &mut |_, text| add(text)),
            }
        }
        targets
    }
}

/// One type's objects.
#[derive(Clone, Debug, Default)]
struct Table {
    in_order: BTreeMap<u64, Arc<Object>>,
    /// All objects of a name: one per tenant and cloud at most.
    by_name: HashMap<Arc<str>, Vec<Arc<str>>>,
    generation: u64,
}

/// All objects of the Controller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    by_uuid: HashMap<Arc<str>, Arc<Object>>,
    tables: HashMap<&'static str, Table>,
    referrers: HashMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// The last position given out.
    position: u64,
    /// The last time stamp given out.
    stamp: u64,
    /// Grows with every change.
    revision: u64,
}

impl Store {
    pub(crate) fn len(&self) -> usize {
        self.by_uuid.len()
    }

    /// A `_last_modified` that is later than every one before.
    pub(crate) fn stamp(&mut self, now: u64) -> u64 {
        self.stamp = now.max(self.stamp + 1);
        self.stamp
    }

    /// Goes on counting where another store stopped: time stamps and revisions never
    /// repeat.
    pub(crate) fn continue_from(&mut self, other: &Self) {
        self.stamp = self.stamp.max(other.stamp);
        self.revision = self.revision.max(other.revision) + 1;
    }

    /// Changes whenever any object is written.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn next_position(&mut self) -> u64 {
        self.position += 1;
        self.position
    }

    pub(crate) fn get(&self, uuid: &str) -> Option<&Arc<Object>> {
        self.by_uuid.get(uuid)
    }

    /// Changes whenever an object of the type is written.
    pub(crate) fn generation(&self, kind: &Kind) -> u64 {
        self.tables.get(kind.path).map_or(0, |table| table.generation)
    }

    /// Objects of a type in the order of creation.
    pub(crate) fn of_kind(&self, kind: &Kind) -> impl Iterator<Item = &Arc<Object>> {
        self.tables.get(kind.path).into_iter().flat_map(|table| table.in_order.values())
    }

    /// The object of a kind with a uuid. What vCenter says of a network was seeded with the
    /// uuid of that network.
    pub(crate) fn member(&self, kind: &Kind, uuid: &str) -> Option<&Arc<Object>> {
        let own = self.get(uuid).filter(|object| object.kind == kind);
        let is_seeded_as = |object: &&Arc<Object>| object.sent.get("uuid").is_some_and(|given| given == uuid);
        own.or_else(|| self.of_kind(kind).find(is_seeded_as))
    }

    /// All objects, in no particular order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.by_uuid.values()
    }

    /// Objects of a type and name, in all tenants and clouds.
    pub(crate) fn named(&self, kind: &Kind, name: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.tables
            .get(kind.path)
            .and_then(|table| table.by_name.get(name))
            .into_iter()
            .flatten()
            .filter_map(|uuid| self.by_uuid.get(uuid))
    }

    /// The object of a name that a tenant means: its own, else a shared one of
    /// `admin`; within `cloud` if given.
    pub(crate) fn meant(
        &self,
        kind: &Kind,
        tenant: &str,
        cloud: Option<&str>,
        name: &str,
    ) -> Option<&Arc<Object>> {
        let fits = |object: &&Arc<Object>| {
            object.visible_to(tenant)
                && (cloud.is_none() || object.cloud.is_none() || object.cloud.as_deref() == cloud)
        };
        self.named(kind, name).filter(fits).max_by_key(|object| &*object.tenant == tenant)
    }

    /// Who refers to an object.
    pub(crate) fn referrers(&self, uuid: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.referrers.get(uuid).into_iter().flatten().filter_map(|uuid| self.by_uuid.get(uuid))
    }

    /// Stores an object, in place of an older one of the same uuid.
    pub(crate) fn put(&mut self, object: Object) -> Arc<Object> {
        self.remove(&object.uuid.clone());
        let object = Arc::new(object);
        self.revision += 1;
        for target in object.targets() {
            self.referrers.entry(target).or_default().insert(object.uuid.clone());
        }
        let table = self.tables.entry(object.kind.path).or_default();
        table.generation += 1;
        table.in_order.insert(object.position, object.clone());
        table.by_name.entry(object.name.clone()).or_default().push(object.uuid.clone());
        self.by_uuid.insert(object.uuid.clone(), object.clone());
        object
    }

    pub(crate) fn remove(&mut self, uuid: &str) -> Option<Arc<Object>> {
        let object = self.by_uuid.remove(uuid)?;
        self.revision += 1;
        for target in object.targets() {
            if let Some(referrers) = self.referrers.get_mut(&target) {
                referrers.remove(uuid);
                if referrers.is_empty() {
                    self.referrers.remove(&target);
                }
            }
        }
        if let Some(table) = self.tables.get_mut(object.kind.path) {
            table.generation += 1;
            table.in_order.remove(&object.position);
            if let Some(namesakes) = table.by_name.get_mut(&object.name) {
                namesakes.retain(|other| &**other != uuid);
                if namesakes.is_empty() {
                    table.by_name.remove(&object.name);
                }
            }
        }
        Some(object)
    }
}
