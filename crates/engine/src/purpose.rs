//! What an object of the controller is for, as its markers tell.

use std::sync::Arc;

use ako_avi_types::Marker;
use ako_core::resource::{Ingress, ServiceType};
use ako_core::{NamespacedName, Snapshot};

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

fn values<'a>(markers: &'a [Marker], key: &str) -> &'a [Arc<str>] {
    markers.iter().find(|marker| marker.key == key).map_or(&[], |marker| &marker.values)
}
