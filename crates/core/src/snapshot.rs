//! The cluster as translation sees it: one value, with the indexes that it is
//! read through.

mod tenancy;

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::Referred;

use crate::catalogue::{Catalogue, Look};
use crate::config::Config;
use crate::domains::Domains;
use crate::id::NamespacedName;
use crate::kinds::ingress::host_of;
use crate::kinds::key::{Key, Place};
use crate::resource::{
    BlockAffinity, CiliumNode, HostSubnet, Ingress, IngressClass, Installation, Namespace, NodeSubnets,
    ObjectMeta, Pod, Published, Resource, ResourceId, ResourceKind, Route, Service,
};
use crate::store::{Store, Stored, Stores};
use tenancy::Tenancy;

/// A change of the cluster.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "it is taken apart as soon as it arrives")]
pub enum Delta {
    /// An object was created or changed.
    Apply(Resource),
    /// An object was deleted.
    Delete(ResourceId),
    /// These are all objects of a kind. Only a complete list may be sent.
    Reset(ResourceKind, Vec<Resource>),
}

/// The objects of the cluster and their indexes.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The domains of generated hosts; set by [`Snapshot::act_by`].
    domains: Domains,
    /// The kinds without which nothing can be said.
    required: BTreeSet<ResourceKind>,
    complete: BTreeSet<ResourceKind>,
    /// The kinds that the API server may lack, and has.
    served: BTreeSet<ResourceKind>,
    stores: Stores,
    /// Which instance has what.
    tenancy: Tenancy,
    /// What is known of objects on the controller that objects of the cluster refer to.
    catalogue: Catalogue,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            domains: Domains::default(),
            required: ResourceKind::always(),
            complete: BTreeSet::new(),
            served: BTreeSet::new(),
            stores: Stores::default(),
            tenancy: Tenancy::default(),
            catalogue: Catalogue::default(),
        }
    }
}

impl Snapshot {
    /// Takes a change over and answers what it touched. Nothing is touched by
    /// an object that is equal to what was known.
    pub fn apply(&mut self, delta: Delta) -> BTreeSet<Key> {
        let mut touched = BTreeSet::new();
        match delta {
            Delta::Apply(resource) => self.put(resource, &mut touched),
            Delta::Delete(id) => self.remove(&id, &mut touched),
            Delta::Reset(kind, resources) => {
                let live: BTreeSet<_> = resources.iter().map(Resource::id).collect();
                for id in self.stores.ids(kind).into_iter().filter(|id| !live.contains(id)) {
                    self.remove(&id, &mut touched);
                }
                for resource in resources {
                    self.put(resource, &mut touched);
                }
                self.complete.insert(kind);
            }
        }
        touched
    }

    /// What is known of an object on the controller that is referred to.
    pub fn look(&self, referred: &Referred) -> &Look {
        self.catalogue.look(referred)
    }

    /// Takes over what was told of an object on the controller; [`Look::NotAsked`] forgets it.
    /// Answers the key, if that is news.
    pub fn learn(&mut self, referred: &Referred, look: Look) -> Option<Key> {
        self.catalogue.learn(referred, look)
    }

    /// What is known of objects on the controller.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Whether a complete list of every required kind was seen. Before that, an absent
    /// object means nothing.
    pub fn is_complete(&self) -> bool {
        self.required.is_subset(&self.complete)
    }

    /// The kinds of which no complete list was seen yet.
    pub fn incomplete_kinds(&self) -> Vec<ResourceKind> {
        self.required.difference(&self.complete).copied().collect()
    }

    /// Whether an instance of this configuration reads a kind.
    pub fn requires(&self, kind: ResourceKind) -> bool {
        self.required.contains(&kind)
    }

    /// The names of all objects of a kind.
    pub fn ids(&self, kind: ResourceKind) -> Vec<ResourceId> {
        self.stores.ids(kind)
    }

    /// Whether an object is there.
    pub fn contains(&self, id: &ResourceId) -> bool {
        self.stores.contains(id)
    }

    /// The keys under which whoever depends on an object read it.
    pub fn keys_of(&self, id: &ResourceId) -> BTreeSet<Key> {
        let mut keys = self.stores.keys_of(id, &self.domains);
        if id.kind == ResourceKind::Pod
            && let Some(pod) = self.get::<Pod>(&id.name)
        {
            self.touch_services_of(pod, &mut keys);
        }
        keys
    }

    /// How many objects of a kind there are.
    pub fn count(&self, kind: ResourceKind) -> usize {
        self.stores.count(kind)
    }

    /// Looks at the cluster as the instance with this configuration does:
    /// which kinds it needs, which namespaces are its own, and the sub-domain
    /// under which hosts are generated for Ingress rules without one. Answers
    /// what that touched.
    pub fn act_by(&mut self, config: &Config, subdomain: Option<Arc<str>>) -> BTreeSet<Key> {
        let mut touched = BTreeSet::new();
        self.required = ResourceKind::read_with(config);
        self.claim(config, &mut touched);
        let of_routes = Some(config.default_domain.trim_start_matches('.')).filter(|d| !d.is_empty());
        let domains = Domains { of_ingresses: subdomain, of_routes: of_routes.map(Into::into) };
        if self.domains != domains {
            self.stores.move_to(&self.domains, &domains, &mut touched);
            self.domains = domains;
        }
        touched
    }

    /// The API server has a kind that it may lack, or has it not. Answers what that touched.
    pub fn serve(&mut self, kind: ResourceKind, served: bool) -> BTreeSet<Key> {
        let is_news = kind.may_be_unserved()
            && if served { self.served.insert(kind) } else { self.served.remove(&kind) };
        is_news.then_some(Key::Served(kind)).into_iter().collect()
    }

    /// Whether the API server has a kind that it may lack.
    pub fn is_served(&self, kind: ResourceKind) -> bool {
        self.served.contains(&kind)
    }

    /// The host of an Ingress rule: its own, or `<ingress>.<namespace>.<sub-domain>`.
    pub fn host_of(&self, ingress: &NamespacedName, host: Option<&Arc<str>>) -> Option<Arc<str>> {
        host_of(ingress, host, &self.domains)
    }

    /// One object.
    pub fn get<T: Stored>(&self, id: &NamespacedName) -> Option<&Arc<T>> {
        self.store_of::<T>().get(&id.namespace, &id.name)
    }

    /// All objects of a kind, by name.
    pub fn all<T: Stored>(&self) -> impl Iterator<Item = &Arc<T>> + Clone {
        self.store_of::<T>().all()
    }

    /// The objects of a kind that are found under a key, by name.
    pub fn under<T: Stored>(&self, key: &Key) -> impl Iterator<Item = &Arc<T>> + Clone + use<'_, T> {
        self.store_of::<T>().under(key)
    }

    fn store_of<T: Stored>(&self) -> &Store<T> {
        T::store(&self.stores)
    }

    /// The Ingresses that name a host.
    pub fn ingresses_of(&self, host: &str) -> impl Iterator<Item = &Arc<Ingress>> {
        self.under(&Key::Under(Place::Host, NamespacedName::cluster(host)))
    }

    /// The Routes that name a host.
    pub fn routes_of(&self, host: &str) -> impl Iterator<Item = &Arc<Route>> {
        self.under(&Key::Under(Place::Host, NamespacedName::cluster(host)))
    }

    /// The namespaces of the Ingresses and Routes that name a host.
    pub fn namespaces_naming(&self, host: &str) -> impl Iterator<Item = &Arc<str>> {
        let ingresses = self.ingresses_of(host).map(|ingress| &ingress.id.namespace);
        ingresses.chain(self.routes_of(host).map(|route| &route.id.namespace))
    }

    /// Every host that an Ingress or a Route names.
    pub fn hosts(&self) -> impl Iterator<Item = &Arc<str>> {
        let keys = self.store_of::<Ingress>().keys().chain(self.store_of::<Route>().keys());
        let host = |key| match key {
            &Key::Under(Place::Host, ref host) => Some(&host.name),
            _ => None,
        };
        keys.filter_map(host).collect::<BTreeSet<_>>().into_iter()
    }

    /// The host that a Route names.
    pub fn host_of_route(&self, route: &Route) -> Option<Arc<str>> {
        route.host(&self.domains)
    }

    /// The Routes that name no host, and get none.
    pub fn routes_without_host(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.all::<Route>().filter(|route| route.host(&self.domains).is_none())
    }

    /// The Ingresses that name no host, and get none.
    pub fn ingresses_without_host(&self) -> impl Iterator<Item = &Arc<Ingress>> {
        let has_host = |ingress: &Ingress| {
            ingress.rules.iter().any(|rule| self.domains.of_ingresses.is_some() || rule.host.is_some())
        };
        self.all::<Ingress>().filter(move |ingress| !has_host(ingress))
    }

    /// Every key under which Services share a VIP.
    pub fn shared_vip_keys(&self) -> impl Iterator<Item = &NamespacedName> {
        self.store_of::<Service>().keys().filter_map(|key| match key {
            Key::Under(Place::SharedVip, shared) => Some(shared),
            _ => None,
        })
    }

    /// One Ingress.
    pub fn ingress(&self, id: &NamespacedName) -> Option<&Arc<Ingress>> {
        self.get(id)
    }

    /// One Service.
    pub fn service(&self, id: &NamespacedName) -> Option<&Arc<Service>> {
        self.get(id)
    }

    /// One Namespace.
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.store_of::<Namespace>().get("", name).map(|namespace| &**namespace)
    }

    /// All IngressClasses, by name.
    pub fn classes(&self) -> impl Iterator<Item = &IngressClass> {
        self.all::<IngressClass>().map(|class| &**class)
    }

    /// All Namespaces, by name.
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.all::<Namespace>().map(|namespace| &**namespace)
    }

    /// The pods that a Service selects, by name: those that NodePortLocal made
    /// reachable.
    pub fn pods_of<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Arc<Pod>> {
        let pods = self.store_of::<Pod>().of_namespace(&service.id.namespace);
        pods.filter(|pod| service.selects(&pod.labels))
    }

    /// What the CNI says of nodes' subnets in objects of a kind, by name.
    pub fn subnets(&self, kind: ResourceKind) -> Vec<&NodeSubnets> {
        match kind {
            ResourceKind::BlockAffinity => self.all::<BlockAffinity>().map(|found| &found.0).collect(),
            ResourceKind::HostSubnet => self.all::<HostSubnet>().map(|found| &found.0).collect(),
            ResourceKind::CiliumNode => self.all::<CiliumNode>().map(|found| &found.0).collect(),
            _ => Vec::new(),
        }
    }

    /// All Services, by name.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.all()
    }

    /// What is known of an object beside its name: `None` if it is not there, or of a kind of
    /// which that is not kept.
    pub fn meta_of(&self, id: &ResourceId) -> Option<&ObjectMeta> {
        self.stores.meta_of(id)
    }

    /// What was published on an object, as it was last seen: `None` if it is not there, or of a
    /// kind on which nothing is published.
    pub fn published_on(&self, id: &ResourceId) -> Option<&Published> {
        self.stores.published_on(id)
    }

    /// The objects on which something was published.
    pub fn published(&self) -> impl Iterator<Item = ResourceId> {
        self.stores.published()
    }

    fn put(&mut self, resource: Resource, touched: &mut BTreeSet<Key>) {
        let id = resource.id();
        self.change(&id, touched, |stores, domains, touched| stores.put(resource, domains, touched));
    }

    fn remove(&mut self, id: &ResourceId, touched: &mut BTreeSet<Key>) {
        self.change(id, touched, |stores, domains, touched| stores.remove(id, domains, touched));
    }

    /// Changes one object, and what depends on it beside what it is found under.
    fn change(
        &mut self,
        id: &ResourceId,
        touched: &mut BTreeSet<Key>,
        change: impl FnOnce(&mut Stores, &Domains, &mut BTreeSet<Key>) -> bool,
    ) {
        match id.kind {
            // Nobody reads these but the instances that they make.
            ResourceKind::ConfigMap => {
                change(&mut self.stores, &self.domains, &mut BTreeSet::new());
                self.judge(touched);
            }
            ResourceKind::StatefulSet => {
                let before = self.get::<Installation>(&id.name).cloned();
                change(&mut self.stores, &self.domains, &mut BTreeSet::new());
                let word = |found: Option<&Arc<Installation>>| found.map(|found| found.word.clone());
                let after = word(self.get(&id.name));
                if word(before.as_ref()).unwrap_or_default() != after.clone().unwrap_or_default()
                    || (before.is_some() && after.is_none())
                {
                    touched.insert(Key::Handover);
                }
                self.judge(touched);
            }
            // They are found by the Services that select them.
            ResourceKind::Pod => {
                let before = self.get::<Pod>(&id.name).cloned();
                if change(&mut self.stores, &self.domains, &mut BTreeSet::new()) {
                    let after = self.get::<Pod>(&id.name).cloned();
                    for pod in before.iter().chain(&after) {
                        self.touch_services_of(pod, touched);
                    }
                }
            }
            _ => {
                change(&mut self.stores, &self.domains, touched);
            }
        }
    }

    fn touch_services_of(&self, pod: &Pod, touched: &mut BTreeSet<Key>) {
        let services = self.store_of::<Service>().of_namespace(&pod.id.namespace);
        let selecting = services.filter(|service| service.selects(&pod.labels));
        touched.extend(selecting.map(|service| Key::Under(Place::Endpoints, service.id.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{IngressRule, Published, PublishedAddress};

    fn ingress(name: &str, host: Option<&str>) -> Ingress {
        let rules = vec![IngressRule { host: host.map(Arc::from), paths: Some(Vec::new()) }];
        Ingress { id: NamespacedName::new("ns", name), rules, ..Ingress::default() }
    }

    fn apply(snapshot: &mut Snapshot, ingress: Ingress) -> BTreeSet<Key> {
        snapshot.apply(Delta::Apply(Resource::Ingress(ingress)))
    }

    #[test]
    fn a_move_touches_the_old_and_the_new_place() {
        let mut snapshot = Snapshot::default();
        apply(&mut snapshot, ingress("a", Some("one.com")));
        let touched = apply(&mut snapshot, ingress("a", Some("two.com")));
        assert!(touched.contains(&Key::host(&"one.com".into())));
        assert!(touched.contains(&Key::host(&"two.com".into())));
        assert_eq!(snapshot.hosts().map(|h| &**h).collect::<Vec<_>>(), ["two.com"]);
    }

    #[test]
    fn an_equal_object_touches_nothing() {
        let mut snapshot = Snapshot::default();
        apply(&mut snapshot, ingress("a", Some("one.com")));
        assert!(apply(&mut snapshot, ingress("a", Some("one.com"))).is_empty());
    }

    #[test]
    fn our_own_status_does_not_touch_the_host() {
        let mut snapshot = Snapshot::default();
        apply(&mut snapshot, ingress("a", Some("one.com")));
        let address = PublishedAddress { hostname: "one.com".into(), ip: "1.2.3.4".into() };
        let published = Published { addresses: vec![address], ..Published::default() };
        let touched = apply(&mut snapshot, Ingress { published, ..ingress("a", Some("one.com")) });
        assert_eq!(
            touched,
            BTreeSet::from([Key::One(ResourceKind::Ingress, NamespacedName::new("ns", "a"))])
        );
    }

    #[test]
    fn a_complete_list_removes_what_it_does_not_hold() {
        let mut snapshot = Snapshot::default();
        apply(&mut snapshot, ingress("a", Some("one.com")));
        assert!(!snapshot.is_complete());
        let list = vec![Resource::Ingress(ingress("b", Some("two.com")))];
        let touched = snapshot.apply(Delta::Reset(ResourceKind::Ingress, list));
        assert!(touched.contains(&Key::host(&"one.com".into())));
        assert_eq!(snapshot.count(ResourceKind::Ingress), 1);
    }

    #[test]
    fn hosts_are_generated_under_the_subdomain() {
        let mut snapshot = Snapshot::default();
        apply(&mut snapshot, ingress("a", None));
        assert_eq!(snapshot.hosts().count(), 0);
        let touched = snapshot.act_by(&Config::default(), Some("avi.internal".into()));
        assert!(touched.contains(&Key::host(&"a.ns.avi.internal".into())));
    }
}
