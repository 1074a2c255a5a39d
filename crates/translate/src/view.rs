//! The snapshot as a unit sees it: every look is recorded.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use ako_core::instance::Rival;
use ako_core::resource::{
    EndpointSlice, Ingress, IngressClass, Namespace, Node, NodeSubnets, Pod, Secret, Service,
};
use ako_core::{Key, NamespacedName, ResourceKind, Snapshot};

/// Reads a snapshot and remembers what was asked for.
#[derive(Debug)]
pub(crate) struct View<'a> {
    snapshot: &'a Snapshot,
    reads: RefCell<BTreeSet<Key>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, reads: RefCell::default() }
    }

    /// What was looked at so far, sorted.
    pub(crate) fn into_reads(self) -> Vec<Key> {
        self.reads.into_inner().into_iter().collect()
    }

    pub(crate) fn note(&self, key: Key) {
        self.reads.borrow_mut().insert(key);
    }

    pub(crate) fn ingress(&self, id: &NamespacedName) -> Option<&'a Arc<Ingress>> {
        self.note(Key::Ingress(id.clone()));
        self.snapshot.ingress(id)
    }

    pub(crate) fn ingresses_of(&self, host: &Arc<str>) -> Vec<&'a Arc<Ingress>> {
        self.note(Key::Host(host.clone()));
        self.snapshot.ingresses_of(host).collect()
    }

    /// The host that a rule stands for. It depends on the rule's Ingress, which
    /// is found under the host, and on the sub-domain, which is part of it.
    pub(crate) fn host_of(&self, ingress: &Ingress, host: Option<&Arc<str>>) -> Option<Arc<str>> {
        self.snapshot.host_of(&ingress.id, host)
    }

    pub(crate) fn classes(&self) -> impl Iterator<Item = &'a IngressClass> + use<'a> {
        self.note(Key::IngressClasses);
        self.snapshot.classes()
    }

    pub(crate) fn namespace(&self, name: &str) -> Option<&'a Namespace> {
        self.note(Key::Namespace(name.into()));
        self.snapshot.namespace(name)
    }

    /// Whether objects of a namespace are this instance's to serve.
    pub(crate) fn serves(&self, namespace: &Arc<str>) -> bool {
        self.note(Key::Instances);
        self.note(Key::Namespace(namespace.clone()));
        self.snapshot.serves(namespace)
    }

    /// Whether a namespace is this instance's own, served yet or not.
    pub(crate) fn owns(&self, namespace: &Arc<str>) -> bool {
        self.note(Key::Instances);
        self.note(Key::Namespace(namespace.clone()));
        self.snapshot.is_own(namespace)
    }

    /// The other instance on the same controller that serves a namespace.
    pub(crate) fn rival(&self, namespace: &Arc<str>) -> Option<Rival<'a>> {
        self.note(Key::Instances);
        self.note(Key::Namespace(namespace.clone()));
        self.snapshot.rival(namespace)
    }

    pub(crate) fn service(&self, id: &NamespacedName) -> Option<&'a Arc<Service>> {
        self.note(Key::Service(id.clone()));
        self.snapshot.service(id)
    }

    pub(crate) fn slices_of(
        &self,
        id: &NamespacedName,
    ) -> impl Iterator<Item = &'a Arc<EndpointSlice>> + Clone + use<'a> {
        self.note(Key::Endpoints(id.clone()));
        let slices: Vec<_> = self.snapshot.slices_of(id).collect();
        slices.into_iter()
    }

    /// The pods that a Service selects.
    pub(crate) fn pods_of<'s>(
        &'s self,
        service: &'s Service,
    ) -> impl Iterator<Item = &'s Arc<Pod>> + use<'s, 'a> {
        self.note(Key::Endpoints(service.id.clone()));
        self.snapshot.pods_of(service)
    }

    pub(crate) fn shared_vip(&self, key: &NamespacedName) -> Vec<&'a Arc<Service>> {
        self.note(Key::SharedVip(key.clone()));
        self.snapshot.shared_vip(key).collect()
    }

    pub(crate) fn secret(&self, id: &NamespacedName) -> Option<&'a Arc<Secret>> {
        self.note(Key::Secret(id.clone()));
        self.snapshot.secret(id)
    }

    /// What a CNI says of the subnets of nodes, by object.
    pub(crate) fn subnets(&self, kind: ResourceKind) -> impl Iterator<Item = &'a NodeSubnets> + use<'a> {
        self.note(Key::NodeSubnets);
        self.snapshot.subnets(kind)
    }

    /// Whether the static routes are an instance's to write.
    pub(crate) fn owns_routes(&self, me: &str) -> bool {
        self.note(Key::Instances);
        self.snapshot.instances().owns_routes(me)
    }

    /// Whether another instance leaves an instance nothing.
    pub(crate) fn is_barred(&self, me: &str) -> bool {
        self.note(Key::Instances);
        self.snapshot.instances().barred(me).is_some()
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &'a Node> + use<'a> {
        self.note(Key::Nodes);
        self.snapshot.nodes()
    }
}
