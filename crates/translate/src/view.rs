//! The snapshot and the catalogue as a unit or a front sees them: every look is recorded.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::Referred;
use ako_core::instance::Rival;
use ako_core::resource::{Ingress, Namespace, NodeSubnets, Pod, Route, Service};
use ako_core::{Config, Key, Look, NamespacedName, Place, ResourceKind, Snapshot, Stored};

/// Reads a snapshot and remembers what was asked for.
#[derive(Debug)]
pub(crate) struct View<'a> {
    snapshot: &'a Snapshot,
    /// The namespace whose Secrets alone are read where Routes are served, if that is configured.
    secrets_with_routes: Option<Arc<str>>,
    reads: RefCell<BTreeSet<Key>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(config: &Config, snapshot: &'a Snapshot) -> Self {
        let own = config.default_secrets_only.then(|| config.operator_namespace.clone());
        Self { snapshot, secrets_with_routes: own, reads: RefCell::default() }
    }

    /// What was looked at so far, sorted.
    pub(crate) fn into_reads(self) -> Vec<Key> {
        self.reads.into_inner().into_iter().collect()
    }

    pub(crate) fn note(&self, key: Key) {
        self.reads.borrow_mut().insert(key);
    }

    /// One object.
    pub(crate) fn get<T: Stored>(&self, id: &NamespacedName) -> Option<&'a Arc<T>> {
        self.note(Key::One(T::KIND, id.clone()));
        let is_withheld = T::KIND == ResourceKind::Secret && self.secret_withheld(&id.namespace).is_some();
        self.snapshot.get(id).filter(|_| !is_withheld)
    }

    /// Why Secrets of a namespace are not read, if they are not.
    pub(crate) fn secret_withheld(&self, namespace: &Arc<str>) -> Option<String> {
        let own = self.secrets_with_routes.as_ref().filter(|own| *own != namespace)?;
        self.has_routes().then(|| format!("secret handling is restricted to {own} namespace only"))
    }

    /// All objects of a kind, by name.
    pub(crate) fn all<T: Stored>(&self) -> impl Iterator<Item = &'a Arc<T>> + Clone + use<'a, T> {
        self.note(Key::All(T::KIND));
        self.snapshot.all()
    }

    /// The objects of a kind that are found in a place, by name.
    pub(crate) fn under<T: Stored>(
        &self,
        place: Place,
        name: &NamespacedName,
    ) -> impl Iterator<Item = &'a Arc<T>> + Clone + use<'a, T> {
        let key = Key::Under(place, name.clone());
        let found = self.snapshot.under(&key);
        self.note(key);
        found
    }

    /// The Ingresses that name a host.
    pub(crate) fn ingresses_of(&self, host: &Arc<str>) -> impl Iterator<Item = &'a Arc<Ingress>> + use<'a> {
        self.under(Place::Host, &NamespacedName::cluster(host.clone()))
    }

    /// The Routes that name a host.
    pub(crate) fn routes_of(&self, host: &Arc<str>) -> impl Iterator<Item = &'a Arc<Route>> + use<'a> {
        self.under(Place::Host, &NamespacedName::cluster(host.clone()))
    }

    /// Whether the cluster has Routes.
    pub(crate) fn has_routes(&self) -> bool {
        self.note(Key::Served(ResourceKind::Route));
        self.snapshot.is_served(ResourceKind::Route)
    }

    /// The host of a Route. It depends on the Route, which is found under it, and on the
    /// configuration.
    pub(crate) fn host_of_route(&self, route: &Route) -> Option<Arc<str>> {
        self.snapshot.host_of_route(route)
    }

    /// The host that a rule stands for. It depends on the rule's Ingress, which
    /// is found under the host, and on the sub-domain, which is part of it.
    pub(crate) fn host_of(&self, ingress: &Ingress, host: Option<&Arc<str>>) -> Option<Arc<str>> {
        self.snapshot.host_of(&ingress.id, host)
    }

    pub(crate) fn namespace(&self, name: &Arc<str>) -> Option<&'a Arc<Namespace>> {
        self.get(&NamespacedName::cluster(name.clone()))
    }

    /// Whether objects of a namespace are this instance's to serve.
    pub(crate) fn serves(&self, namespace: &Arc<str>) -> bool {
        self.note(Key::Instances);
        self.note(Key::namespace(namespace));
        self.snapshot.serves(namespace)
    }

    /// Whether rules of a namespace count here: unless it is another instance's.
    pub(crate) fn heeds(&self, namespace: &Arc<str>) -> bool {
        self.serves(namespace) || self.rival(namespace).is_none()
    }

    /// Whether a namespace is this instance's own, served yet or not.
    pub(crate) fn owns(&self, namespace: &Arc<str>) -> bool {
        self.note(Key::Instances);
        self.note(Key::namespace(namespace));
        self.snapshot.is_own(namespace)
    }

    /// The other instance on the same controller that serves a namespace.
    pub(crate) fn rival(&self, namespace: &Arc<str>) -> Option<Rival<'a>> {
        self.note(Key::Instances);
        self.note(Key::namespace(namespace));
        self.snapshot.rival(namespace)
    }

    /// The pods that a Service selects.
    pub(crate) fn pods_of<'s>(
        &'s self,
        service: &'s Service,
    ) -> impl Iterator<Item = &'s Arc<Pod>> + use<'s, 'a> {
        self.note(Key::Under(Place::Endpoints, service.id.clone()));
        self.snapshot.pods_of(service)
    }

    /// What a CNI says of the subnets of nodes, by object.
    pub(crate) fn subnets(&self, kind: ResourceKind) -> Vec<&'a NodeSubnets> {
        self.note(Key::All(kind));
        self.snapshot.subnets(kind)
    }

    /// What is known of an object on the controller that is referred to.
    pub(crate) fn look_up(&self, referred: Referred) -> &'a Look {
        let look = self.snapshot.look(&referred);
        self.note(Key::Controller(referred));
        look
    }

    /// Whether the static routes are an instance's to write.
    pub(crate) fn owns_routes(&self, me: &str) -> bool {
        self.note(Key::Instances);
        self.snapshot.instances().owns_routes(me)
    }

    /// The instance that writes the statuses of what has no namespace.
    pub(crate) fn writer_of_cluster_statuses(&self) -> Option<&'a Arc<str>> {
        self.note(Key::Instances);
        self.snapshot.instances().writer_of_cluster_statuses()
    }

    /// Whether another instance leaves an instance nothing.
    pub(crate) fn is_barred(&self, me: &str) -> bool {
        self.note(Key::Instances);
        self.snapshot.instances().barred(me).is_some()
    }
}
