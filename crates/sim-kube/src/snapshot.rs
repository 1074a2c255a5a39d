//! What the cluster holds as a whole: looked at, saved and restored from outside.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::time::Instant;

use crate::SimKube;
use crate::addresses::Addresses;
use crate::cluster::Cluster;
use crate::past::{PastChange, StoredObject};
use crate::resource::Registry;
use crate::store::{self, Objects};

/// All objects at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    objects: Objects,
    revision: u64,
}

impl Snapshot {
    /// Leaves a resource as it is then: what controllers bring back at once.
    #[must_use]
    pub fn without(mut self, group: &str, plural: &str) -> Self {
        let key = (group.into(), plural.into());
        self.objects.0.remove(&key);
        self.objects.1.insert(key);
        self
    }
}

impl SimKube {
    /// The changes since a moment, the oldest first, as far as they are remembered.
    pub fn changes_since(&self, since: Instant) -> Vec<PastChange> {
        self.with(|cluster| cluster.store.past.since(since))
    }

    /// The objects of a resource by their paths: `namespace/name`, or the name alone.
    pub fn objects(&self, group: &str, plural: &str) -> BTreeMap<String, StoredObject> {
        let key = (group.into(), plural.into());
        self.with(|cluster| {
            let objects = cluster.store.collection(&key).into_iter().flat_map(store::Collection::iter);
            objects.map(|(path, stored)| (path.clone(), StoredObject(stored.clone()))).collect()
        })
    }

    /// All objects as they are now.
    pub fn snapshot(&self) -> Snapshot {
        self.with(|cluster| Snapshot { objects: cluster.store.objects(), revision: cluster.store.revision() })
    }

    /// Makes all objects what they were. Versions go on growing, and watchers see what
    /// changes.
    pub fn restore(&self, snapshot: &Snapshot) {
        self.with(|cluster| {
            cluster.store.restore(&snapshot.objects);
            adopt(cluster);
        });
    }

    /// Restores etcd from a backup as it is: the counter of versions goes back, too,
    /// and every watch breaks. What a client knows may have a version that is given
    /// again to something else, or that is newer than all there are.
    pub fn set_back(&self, snapshot: &Snapshot) {
        self.with(|cluster| {
            cluster.store.set_back(&snapshot.objects, snapshot.revision);
            adopt(cluster);
            // All of them: every name contains nothing.
            cluster.network.disconnect("");
        });
    }
}

/// Takes over what comes with objects that were restored: addresses, definitions.
fn adopt(cluster: &mut Cluster) {
    cluster.addresses = Addresses::default();
    cluster.registry = Registry::built_in();
    let all = |cluster: &Cluster, group: &str, plural: &str| -> Vec<Value> {
        let found = cluster.store.collection(&(group.into(), plural.into()));
        found.into_iter().flat_map(store::Collection::iter).map(|(_, one)| one.value.clone()).collect()
    };
    for service in all(cluster, "", "services") {
        cluster.addresses.adopt(&service);
    }
    for definition in all(cluster, "apiextensions.k8s.io", "customresourcedefinitions") {
        cluster.serve_definition(&definition, false);
    }
}
