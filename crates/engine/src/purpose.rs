//! What an object of the controller is for, as its markers tell.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::{Marker, Object, ObjectKey};
use ako_core::config::ServiceMode;
use ako_core::resource::{Published, ServiceType};
use ako_core::{Config, NamespacedName, ResourceId, ResourceKind, Snapshot};

use crate::source::Source;

/// What asks for an object, as far as it decides which sources it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// Ingresses or Routes, or it cannot be told.
    Layer7,
    /// Services of type LoadBalancer.
    Layer4,
    /// Nodes.
    Routes,
}

impl Purpose {
    /// What an object is for, by its markers: those of an L4 object name a Service
    /// and no host, or the key of a shared address.
    /// Source: L7 objects, §3; L4 and network, A4.
    pub(crate) fn of(key: &ObjectKey, body: Option<&Object>) -> Self {
        if key.kind.is_borrowed() {
            return Self::Routes;
        }
        let markers = body.map(Object::markers).unwrap_or_default();
        let has = |key: &str| markers.iter().any(|marker| marker.key == key);
        let is_layer4 = (has("ServiceName") || has("GatewayName")) && !has("Host") && !has("IngressName");
        if is_layer4 { Self::Layer4 } else { Self::Layer7 }
    }

    /// What the status of an object of a kind is about.
    pub(crate) fn of_status(kind: ResourceKind) -> Self {
        if kind == ResourceKind::Service { Self::Layer4 } else { Self::Layer7 }
    }

    /// The sources that say whether something of this purpose is wanted.
    pub(crate) fn sources(self, config: &Config) -> BTreeSet<Source> {
        use ResourceKind as Kind;
        let mut kinds = BTreeSet::from(TERRITORY);
        match self {
            // Whatever else there is, what is this instance's is not wanted.
            _ if config.delete_config => {}
            Self::Routes => {
                // They name the tier-1 routers whose VRFs get routes.
                kinds.extend([Kind::Node, Kind::AviInfraSetting]);
                kinds.extend(ResourceKind::of_subnets(config));
            }
            Self::Layer4 => {
                kinds.insert(Kind::AviInfraSetting);
                kinds.extend(serving(config));
            }
            // Any kind may ask for something, unless it is known not to.
            Self::Layer7 => {
                kinds.extend(ResourceKind::ALL.into_iter().filter(|kind| !is_of_pods(*kind)));
                kinds.extend(serving(config));
            }
        }
        let watched = ResourceKind::read_with(config);
        let kinds = kinds.intersection(&watched).copied().map(Source::Kind);
        kinds.chain([Source::Configuration]).collect()
    }
}

/// The kinds that say whose a namespace is.
pub(crate) const TERRITORY: [ResourceKind; 3] =
    [ResourceKind::Namespace, ResourceKind::ConfigMap, ResourceKind::StatefulSet];

/// Whether a kind says where pods are, and nothing else.
fn is_of_pods(kind: ResourceKind) -> bool {
    use ResourceKind::{EndpointSlice, Pod};
    matches!(kind, EndpointSlice | Pod) || tells_routes(kind)
}

/// Whether static routes come from a kind.
pub(crate) fn tells_routes(kind: ResourceKind) -> bool {
    kind == ResourceKind::Node || kind.tells_subnets()
}

/// Whether objects of a kind name the tier-1 routers whose VRFs get static routes.
pub(crate) fn names_routers(kind: ResourceKind) -> bool {
    kind == ResourceKind::AviInfraSetting
}

/// The kinds that the servers of pools come from.
fn serving(config: &Config) -> [ResourceKind; 2] {
    let servers = match config.service_mode {
        ServiceMode::ClusterIp => ResourceKind::EndpointSlice,
        ServiceMode::NodePort => ResourceKind::Node,
        ServiceMode::NodePortLocal => ResourceKind::Pod,
    };
    [ResourceKind::Service, servers]
}

/// The namespaces of other instances that an object was made for, where the cluster
/// still has what it was made for: that instance is going to take it over. Nobody asks
/// for it otherwise.
pub(crate) fn those_of_another(snapshot: &Snapshot, markers: &[Marker]) -> BTreeSet<Arc<str>> {
    let named = values(markers, "Namespace").iter();
    named.filter(|name| snapshot.is_of_another(name) && is_there(snapshot, name, markers)).cloned().collect()
}

/// The namespaces of other instances that have one of these hosts.
pub(crate) fn hosts_of_another<'a>(
    snapshot: &Snapshot,
    hosts: impl IntoIterator<Item = &'a Arc<str>>,
) -> BTreeSet<Arc<str>> {
    let namespaces = hosts.into_iter().flat_map(|host| snapshot.namespaces_naming(host));
    namespaces.filter(|name| snapshot.is_of_another(name)).cloned().collect()
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
    let mut routes = hosts.iter().flat_map(|host| snapshot.routes_of(host));
    ingresses.any(|ingress| {
        let paths = ingress.rules.iter().flat_map(|rule| rule.paths.iter().flatten());
        is_for(&ingress.id, namespace, paths.map(|path| &path.path), markers)
    }) || routes.any(|route| is_for(&route.id, namespace, std::iter::once(&route.path), markers))
}

/// Whether something of a namespace with these paths is what the markers name.
fn is_for<'a>(
    id: &NamespacedName,
    namespace: &Arc<str>,
    mut own: impl Iterator<Item = &'a Arc<str>>,
    markers: &[Marker],
) -> bool {
    let (names, paths) = (values(markers, "IngressName"), values(markers, "Path"));
    id.namespace == *namespace
        && (names.is_empty() || names.contains(&id.name))
        && (paths.is_empty() || own.any(|path| paths.contains(path)))
}

/// What a set of objects is made for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Served {
    /// Ingresses, Routes and Services.
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

    /// Whether it has something of an Ingress, a Route or a Service that shows this.
    pub(crate) fn contains(&self, resource: &ResourceId, shown: &Published) -> bool {
        let mut hosts = shown.addresses.iter().map(|address| &address.hostname);
        self.names.contains(&resource.name) || hosts.any(|host| self.hosts.contains(host))
    }
}

/// The values of a marker; none if there is no such marker.
pub(crate) fn values<'a>(markers: &'a [Marker], key: &str) -> &'a [Arc<str>] {
    markers.iter().find(|marker| marker.key == key).map_or(&[], |marker| &marker.values)
}

#[cfg(test)]
mod tests {
    use ako_avi_types::{Kind, Pool};

    use super::*;

    fn marked(keys: &[&str]) -> Object {
        let markers: Vec<_> =
            keys.iter().map(|key| serde_json::json!({"key": key, "values": ["x"]})).collect();
        let body = serde_json::json!({"name": "p", "markers": markers});
        Object::Pool(serde_json::from_value::<Pool>(body).unwrap_or_default())
    }

    #[test]
    fn what_is_not_known_to_be_of_a_service_needs_everything() {
        let key = ObjectKey::new(Kind::Pool, "admin", "p");
        let of = |keys: &[&str]| Purpose::of(&key, Some(&marked(keys)));
        assert_eq!(of(&["clustername", "Namespace", "ServiceName"]), Purpose::Layer4);
        assert_eq!(of(&["clustername", "Namespace", "GatewayName"]), Purpose::Layer4);
        assert_eq!(of(&["clustername", "Namespace", "ServiceName", "Host"]), Purpose::Layer7);
        assert_eq!(of(&["clustername"]), Purpose::Layer7);
        assert_eq!(Purpose::of(&key, None), Purpose::Layer7);
        let layer4 = Purpose::Layer4.sources(&Config::default());
        assert!(layer4.is_subset(&Purpose::Layer7.sources(&Config::default())));
        assert!(!layer4.contains(&Source::Kind(ResourceKind::Secret)));
    }
}
