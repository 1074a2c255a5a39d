//! What an object of the controller is for, as its markers tell.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::Marker;
use ako_core::resource::{Ingress, Published, ServiceType};
use ako_core::{NamespacedName, ResourceId, Snapshot};

/// Whether another instance is going to take an object over: it is for a
/// namespace of that instance, and the cluster still has what it was made for.
/// Nobody asks for it otherwise.
pub(crate) fn is_of_another(snapshot: &Snapshot, markers: &[Marker]) -> bool {
    values(markers, "Namespace")
        .iter()
        .any(|name| snapshot.is_of_another(name) && is_there(snapshot, name, markers))
}

/// Whether a namespace has what the markers name. What cannot be told counts as
/// there.
fn is_there(snapshot: &Snapshot, namespace: &Arc<str>, markers: &[Marker]) -> bool {
    let (hosts, services) = (values(markers, "Host"), values(markers, "ServiceName"));
    if hosts.is_empty() {
        let id = |name: &Arc<str>| NamespacedName::new(namespace.clone(), name.clone());
        let mut found = services.iter().map(|name| snapshot.service(&id(name)));
        return services.is_empty()
            || found.any(|s| s.is_some_and(|s| s.service_type == ServiceType::LoadBalancer));
    }
    let mut ingresses = hosts.iter().flat_map(|host| snapshot.ingresses_of(host));
    ingresses.any(|ingress| ingress.id.namespace == *namespace && is_for(ingress, markers))
}

fn is_for(ingress: &Ingress, markers: &[Marker]) -> bool {
    let (names, paths) = (values(markers, "IngressName"), values(markers, "Path"));
    let mut own = ingress.rules.iter().flat_map(|rule| rule.paths.iter().flatten());
    (names.is_empty() || names.contains(&ingress.id.name))
        && (paths.is_empty() || own.any(|path| paths.contains(&path.path)))
}

/// What a set of objects is made for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Served {
    /// Ingresses and Services.
    names: BTreeSet<NamespacedName>,
    hosts: BTreeSet<Arc<str>>,
}

impl Served {
    /// What objects with these markers are made for.
    pub(crate) fn by<'a>(objects: impl Iterator<Item = &'a [Marker]>) -> Self {
        let mut served = Self::default();
        for markers in objects {
            let names = values(markers, "IngressName").iter().chain(values(markers, "ServiceName"));
            for name in names {
                let namespaces = values(markers, "Namespace").iter();
                served.names.extend(namespaces.map(|ns| NamespacedName::new(ns.clone(), name.clone())));
            }
            served.hosts.extend(values(markers, "Host").iter().cloned());
        }
        served
    }

    /// Whether it has something of an Ingress or Service that shows this.
    pub(crate) fn contains(&self, resource: &ResourceId, shown: &Published) -> bool {
        let mut hosts = shown.addresses.iter().map(|address| &address.hostname);
        self.names.contains(&resource.name) || hosts.any(|host| self.hosts.contains(host))
    }
}

fn values<'a>(markers: &'a [Marker], key: &str) -> &'a [Arc<str>] {
    markers.iter().find(|marker| marker.key == key).map_or(&[], |marker| &marker.values)
}
