//! The cluster as translation sees it: one value, with the indexes that it is
//! read through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::annotation;
use crate::config::Config;
use crate::contest::{Conflict, Contest};
use crate::id::NamespacedName;
use crate::index::Index;
use crate::instance::{Instances, Rival};
use crate::kinds::claim::Claim;
use crate::kinds::installation::Installation;
use crate::resource::{
    EndpointSlice, Ingress, IngressClass, Namespace, Node, NodeSubnets, Pod, Resource, ResourceId,
    ResourceKind, Secret, Service, ServiceType,
};

/// What a translation can depend on. Reading one of these records a
/// dependency, present or not; changing an object touches the keys that its old
/// and its new version are found under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// All IngressClasses: there are few, and the default one matters to every
    /// Ingress without a class.
    IngressClasses,
    /// All Nodes: NodePort pools hold every one of them.
    Nodes,
    /// What a CNI says of the subnets of nodes.
    NodeSubnets,
    /// The instances of the cluster: there are few, and they decide on every
    /// namespace.
    Instances,
    /// What the instances say of namespaces that change hands.
    Handover,
    /// The Ingresses that name a host.
    Host(Arc<str>),
    /// One Ingress.
    Ingress(NamespacedName),
    /// One Service.
    Service(NamespacedName),
    /// The EndpointSlices of a Service, and the pods that it selects.
    Endpoints(NamespacedName),
    /// The Services of a namespace that share a VIP under a key.
    SharedVip(NamespacedName),
    /// One Secret.
    Secret(NamespacedName),
    /// One Namespace.
    Namespace(Arc<str>),
}

/// A change of the cluster.
#[derive(Clone, Debug)]
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
    /// The sub-domain of generated hosts; set by [`Snapshot::act_by`].
    subdomain: Option<Arc<str>>,
    /// The kinds without which nothing can be said.
    required: BTreeSet<ResourceKind>,
    complete: BTreeSet<ResourceKind>,
    namespaces: BTreeMap<Arc<str>, Namespace>,
    nodes: BTreeMap<Arc<str>, Node>,
    classes: BTreeMap<Arc<str>, IngressClass>,
    secrets: BTreeMap<NamespacedName, Arc<Secret>>,
    services: BTreeMap<NamespacedName, Arc<Service>>,
    slices: BTreeMap<NamespacedName, Arc<EndpointSlice>>,
    ingresses: BTreeMap<NamespacedName, Arc<Ingress>>,
    pods: BTreeMap<NamespacedName, Arc<Pod>>,
    subnets: BTreeMap<(ResourceKind, Arc<str>), NodeSubnets>,
    claims: BTreeMap<Arc<str>, Claim>,
    installations: BTreeMap<Arc<str>, Installation>,
    /// What this instance claims by the configuration that it acts by.
    own: Option<Claim>,
    /// The uuid of the controller that it is logged in to.
    controller_id: Option<Arc<str>>,
    /// What follows from all that.
    instances: Instances,
    /// Namespaces of this instance that another one may still be writing for.
    awaited: BTreeSet<Arc<str>>,
    slices_of: Index<NamespacedName, NamespacedName>,
    ingresses_of: Index<Arc<str>, NamespacedName>,
    shared_vips: Index<NamespacedName, NamespacedName>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            subdomain: None,
            required: ResourceKind::always(),
            complete: BTreeSet::new(),
            namespaces: BTreeMap::new(),
            nodes: BTreeMap::new(),
            classes: BTreeMap::new(),
            secrets: BTreeMap::new(),
            services: BTreeMap::new(),
            slices: BTreeMap::new(),
            ingresses: BTreeMap::new(),
            pods: BTreeMap::new(),
            subnets: BTreeMap::new(),
            claims: BTreeMap::new(),
            installations: BTreeMap::new(),
            own: None,
            controller_id: None,
            instances: Instances::default(),
            awaited: BTreeSet::new(),
            slices_of: Index::default(),
            ingresses_of: Index::default(),
            shared_vips: Index::default(),
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
                for id in self.ids(kind).into_iter().filter(|id| !live.contains(id)) {
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

    /// Whether a complete list of every required kind was seen. Before that, an absent
    /// object means nothing.
    pub fn is_complete(&self) -> bool {
        self.required.is_subset(&self.complete)
    }

    /// The kinds of which no complete list was seen yet.
    pub fn incomplete_kinds(&self) -> Vec<ResourceKind> {
        self.required.difference(&self.complete).copied().collect()
    }

    /// How many objects of a kind there are.
    pub fn count(&self, kind: ResourceKind) -> usize {
        match kind {
            ResourceKind::Namespace => self.namespaces.len(),
            ResourceKind::Node => self.nodes.len(),
            ResourceKind::IngressClass => self.classes.len(),
            ResourceKind::Secret => self.secrets.len(),
            ResourceKind::Service => self.services.len(),
            ResourceKind::EndpointSlice => self.slices.len(),
            ResourceKind::Ingress => self.ingresses.len(),
            ResourceKind::Pod => self.pods.len(),
            ResourceKind::BlockAffinity | ResourceKind::HostSubnet | ResourceKind::CiliumNode => {
                self.subnets.keys().filter(|(of, _)| *of == kind).count()
            }
            ResourceKind::ConfigMap => self.claims.len(),
            ResourceKind::StatefulSet => self.installations.len(),
        }
    }

    /// Looks at the cluster as the instance with this configuration does:
    /// which kinds it needs, which namespaces are its own, and the sub-domain
    /// under which hosts are generated for Ingress rules without one. Answers
    /// what that touched.
    pub fn act_by(&mut self, config: &Config, subdomain: Option<Arc<str>>) -> BTreeSet<Key> {
        let mut touched = BTreeSet::new();
        self.required = ResourceKind::read_with(config);
        self.own = Some(Claim { controller_id: self.controller_id.clone(), ..Claim::of(config, i64::MAX) });
        self.judge(&mut touched);
        if self.subdomain == subdomain {
            return touched;
        }
        let ingresses: Vec<_> = self.ingresses.values().cloned().collect();
        for ingress in &ingresses {
            self.unindex_ingress(ingress, &mut touched);
        }
        self.subdomain = subdomain;
        for ingress in &ingresses {
            self.index_ingress(ingress, &mut touched);
        }
        touched
    }

    /// Says which controller this instance is logged in to, by its uuid. Answers what that
    /// touched.
    pub fn act_on(&mut self, controller_id: &Arc<str>) -> BTreeSet<Key> {
        let mut touched = BTreeSet::new();
        self.controller_id = Some(controller_id.clone()).filter(|id| !id.is_empty());
        if let Some(own) = &mut self.own {
            own.controller_id.clone_from(&self.controller_id);
        }
        self.judge(&mut touched);
        touched
    }

    /// The uuid of the controller that others have to know, as they call it something else;
    /// `None` if there is nobody who does, or if it is said already.
    pub fn unsaid_controller(&self) -> Option<&Arc<str>> {
        let own = self.own.as_ref()?;
        let id = self.controller_id.as_ref()?;
        let is_said = self.installations.get(&own.namespace)?.controller_id.as_ref() == Some(id);
        let mut others = self.instances.others(&own.namespace);
        (!is_said && others.any(|other| other.controller != own.controller)).then_some(id)
    }

    /// The instance that a namespace belongs to; nobody's if none selects it.
    pub fn owner_of(&self, namespace: &str) -> Option<&Arc<str>> {
        let labels = self.namespaces.get(namespace).map(|namespace| &namespace.labels);
        self.instances.owner_of(namespace, labels)
    }

    /// Whether other instances may have objects of the same cluster on the
    /// controller. Each other one may: its ConfigMap can name another controller or
    /// another cluster by now, while it goes on as it was started.
    pub fn may_share_controller(&self) -> bool {
        self.own.as_ref().is_some_and(|own| self.instances.others(&own.namespace).next().is_some())
    }

    /// The other instance on the same controller that a namespace belongs to.
    pub fn rival(&self, namespace: &str) -> Option<Rival<'_>> {
        self.instances.rival(&self.own.as_ref()?.namespace, self.owner_of(namespace)?)
    }

    /// Whether a namespace belongs to this instance.
    pub fn is_own(&self, namespace: &str) -> bool {
        self.own.as_ref().is_none_or(|own| self.owner_of(namespace) == Some(&own.namespace))
    }

    /// Whether a namespace belongs to another instance.
    pub fn is_of_another(&self, namespace: &str) -> bool {
        !self.is_own(namespace) && self.owner_of(namespace).is_some()
    }

    /// Whether another instance asks for a namespace, even if it gets nothing.
    pub fn is_asked_for_by_another(&self, namespace: &str) -> bool {
        let labels = self.namespaces.get(namespace).map(|namespace| &namespace.labels);
        self.own.as_ref().is_some_and(|own| {
            self.instances.others(&own.namespace).any(|claim| claim.scope.accepts(namespace, labels))
        })
    }

    /// Whether this instance asks for a namespace, whoever it belongs to.
    pub fn selects(&self, namespace: &str) -> bool {
        let labels = self.namespaces.get(namespace).map(|namespace| &namespace.labels);
        self.own.as_ref().is_none_or(|own| own.scope.accepts(namespace, labels))
    }

    /// Whether this instance serves a namespace now: it is its own, and its
    /// former owner is gone.
    pub fn serves(&self, namespace: &str) -> bool {
        self.is_own(namespace) && !self.awaited.contains(namespace)
    }

    /// Why an earlier instance leaves this one nothing, if one does.
    pub fn barred(&self) -> Option<Contest> {
        self.instances.barred(&self.own.as_ref()?.namespace).map(|(_, contest)| *contest)
    }

    /// Whether another instance's objects cannot be told from this one's.
    pub fn shares_owner(&self) -> bool {
        self.own.as_ref().is_some_and(|own| self.instances.shares_owner(&own.namespace))
    }

    /// What this instance and others cannot both have, sorted.
    pub fn conflicts(&self) -> Vec<Conflict> {
        let Some(own) = &self.own else { return Vec::new() };
        self.instances.conflicts(&own.namespace, self.namespaces.values())
    }

    /// Leaves a namespace that is this instance's own to the instance that it
    /// belonged to, or does so no longer. Answers what that touched.
    pub fn await_namespace(&mut self, namespace: &Arc<str>, awaited: bool) -> BTreeSet<Key> {
        let changed =
            if awaited { self.awaited.insert(namespace.clone()) } else { self.awaited.remove(namespace) };
        changed.then(|| Key::Namespace(namespace.clone())).into_iter().collect()
    }

    /// The host of an Ingress rule: its own, or `<ingress>.<namespace>.<sub-domain>`.
    pub fn host_of(&self, ingress: &NamespacedName, host: Option<&Arc<str>>) -> Option<Arc<str>> {
        match (host, &self.subdomain) {
            (Some(host), _) => Some(host.clone()),
            (None, Some(domain)) => Some(format!("{}.{}.{domain}", ingress.name, ingress.namespace).into()),
            (None, None) => None,
        }
    }

    /// The Ingresses that name a host.
    pub fn ingresses_of(&self, host: &str) -> impl Iterator<Item = &Arc<Ingress>> {
        self.ingresses_of.get(host).iter().filter_map(|id| self.ingresses.get(id))
    }

    /// Every host that an Ingress names.
    pub fn hosts(&self) -> impl Iterator<Item = &Arc<str>> {
        self.ingresses_of.keys()
    }

    /// The Ingresses that name no host, and get none.
    pub fn ingresses_without_host(&self) -> impl Iterator<Item = &Arc<Ingress>> {
        let has_host = |ingress: &Ingress| {
            ingress.rules.iter().any(|rule| self.subdomain.is_some() || rule.host.is_some())
        };
        self.ingresses.values().filter(move |ingress| !has_host(ingress))
    }

    /// The slices of a Service, by name.
    pub fn slices_of(&self, service: &NamespacedName) -> impl Iterator<Item = &Arc<EndpointSlice>> {
        self.slices_of.get(service).iter().filter_map(|id| self.slices.get(id))
    }

    /// The Services that share a VIP under a key (in the place of the name).
    pub fn shared_vip(&self, key: &NamespacedName) -> impl Iterator<Item = &Arc<Service>> {
        self.shared_vips.get(key).iter().filter_map(|id| self.services.get(id))
    }

    /// Every key under which Services share a VIP.
    pub fn shared_vip_keys(&self) -> impl Iterator<Item = &NamespacedName> {
        self.shared_vips.keys()
    }

    /// One Ingress.
    pub fn ingress(&self, id: &NamespacedName) -> Option<&Arc<Ingress>> {
        self.ingresses.get(id)
    }

    /// One Service.
    pub fn service(&self, id: &NamespacedName) -> Option<&Arc<Service>> {
        self.services.get(id)
    }

    /// One Secret.
    pub fn secret(&self, id: &NamespacedName) -> Option<&Arc<Secret>> {
        self.secrets.get(id)
    }

    /// One Namespace.
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name)
    }

    /// All IngressClasses, by name.
    pub fn classes(&self) -> impl Iterator<Item = &IngressClass> {
        self.classes.values()
    }

    /// All Namespaces, by name.
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.namespaces.values()
    }

    /// The namespace of this instance, once its configuration is known.
    pub fn me(&self) -> Option<&Arc<str>> {
        self.own.as_ref().map(|own| &own.namespace)
    }

    /// The instances of the cluster.
    pub fn instances(&self) -> &Instances {
        &self.instances
    }

    /// The StatefulSet of the instance of a namespace: this one's, or one that counts.
    pub fn installation(&self, namespace: &str) -> Option<&Installation> {
        let is_own = self.me().is_some_and(|me| **me == *namespace);
        self.installations.get(namespace).filter(|found| is_own || found.disregarded().is_none())
    }

    /// The pods that a Service selects, by name: those that NodePortLocal made
    /// reachable.
    pub fn pods_of<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Arc<Pod>> {
        let start = NamespacedName::new(service.id.namespace.clone(), "");
        let pods = self.pods.range(start..).map(|(_, pod)| pod);
        let pods = pods.take_while(|pod| pod.id.namespace == service.id.namespace);
        pods.filter(|pod| selects(service, &pod.labels))
    }

    /// What the CNI says of nodes' subnets in objects of a kind, by name.
    pub fn subnets(&self, kind: ResourceKind) -> impl Iterator<Item = &NodeSubnets> {
        self.subnets.values().filter(move |subnets| subnets.kind == kind)
    }

    /// All Nodes, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// All Ingresses, by name.
    pub fn ingresses(&self) -> impl Iterator<Item = &Arc<Ingress>> {
        self.ingresses.values()
    }

    /// All Services, by name.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }

    /// The Ingresses and Services on which something was published.
    pub fn published(&self) -> impl Iterator<Item = ResourceId> {
        let ingresses = self.ingresses.values().filter(|ingress| !ingress.published.is_empty());
        let services = self.services.values().filter(|service| !service.published.is_empty());
        let ingresses = ingresses.map(|ingress| (ResourceKind::Ingress, &ingress.id));
        let all = ingresses.chain(services.map(|service| (ResourceKind::Service, &service.id)));
        all.map(|(kind, name)| ResourceId { kind, name: name.clone() })
    }

    fn ids(&self, kind: ResourceKind) -> Vec<ResourceId> {
        let cluster =
            |names: Vec<&Arc<str>>| names.into_iter().map(|n| NamespacedName::cluster(n.clone())).collect();
        let names: Vec<NamespacedName> = match kind {
            ResourceKind::Namespace => cluster(self.namespaces.keys().collect()),
            ResourceKind::Node => cluster(self.nodes.keys().collect()),
            ResourceKind::IngressClass => cluster(self.classes.keys().collect()),
            ResourceKind::Secret => self.secrets.keys().cloned().collect(),
            ResourceKind::Service => self.services.keys().cloned().collect(),
            ResourceKind::EndpointSlice => self.slices.keys().cloned().collect(),
            ResourceKind::Ingress => self.ingresses.keys().cloned().collect(),
            ResourceKind::Pod => self.pods.keys().cloned().collect(),
            ResourceKind::BlockAffinity | ResourceKind::HostSubnet | ResourceKind::CiliumNode => {
                cluster(self.subnets.keys().filter(|(of, _)| *of == kind).map(|(_, name)| name).collect())
            }
            ResourceKind::ConfigMap => {
                self.claims.keys().map(|ns| NamespacedName::new(ns.clone(), Claim::CONFIG_MAP)).collect()
            }
            ResourceKind::StatefulSet => {
                let name = |ns: &Arc<str>| NamespacedName::new(ns.clone(), Installation::STATEFUL_SET);
                self.installations.keys().map(name).collect()
            }
        };
        names.into_iter().map(|name| ResourceId { kind, name }).collect()
    }

    fn put(&mut self, resource: Resource, touched: &mut BTreeSet<Key>) {
        match resource {
            Resource::Namespace(x) => {
                if self.namespaces.get(&x.name) != Some(&x) {
                    touched.insert(Key::Namespace(x.name.clone()));
                    self.namespaces.insert(x.name.clone(), x);
                }
            }
            Resource::Node(x) => {
                if self.nodes.get(&x.name) != Some(&x) {
                    touched.insert(Key::Nodes);
                    self.nodes.insert(x.name.clone(), x);
                }
            }
            Resource::IngressClass(x) => {
                if self.classes.get(&x.name) != Some(&x) {
                    touched.insert(Key::IngressClasses);
                    self.classes.insert(x.name.clone(), x);
                }
            }
            Resource::Secret(x) => {
                if self.secrets.get(&x.id).map(|o| &**o) != Some(&x) {
                    touched.insert(Key::Secret(x.id.clone()));
                    self.secrets.insert(x.id.clone(), Arc::new(x));
                }
            }
            Resource::Service(x) => self.put_service(x, touched),
            Resource::EndpointSlice(x) => self.put_slice(x, touched),
            Resource::Ingress(x) => self.put_ingress(x, touched),
            Resource::Pod(x) => self.put_pod(x, touched),
            Resource::NodeSubnets(x) => {
                let key = (x.kind, x.name.clone());
                if self.subnets.get(&key) != Some(&x) {
                    touched.insert(Key::NodeSubnets);
                    self.subnets.insert(key, x);
                }
            }
            Resource::Claim(x) => {
                self.claims.insert(x.namespace.clone(), x);
                self.judge(touched);
            }
            Resource::Installation(x) => {
                let word = x.word.clone();
                let old = self.installations.insert(x.namespace.clone(), x);
                if old.map(|old| old.word).unwrap_or_default() != word {
                    touched.insert(Key::Handover);
                }
                self.judge(touched);
            }
        }
    }

    /// Sorts the instances out anew.
    fn judge(&mut self, touched: &mut BTreeSet<Key>) {
        let instances = Instances::of(self.claims.values(), &self.installations, self.own.as_ref());
        if instances != self.instances {
            touched.insert(Key::Instances);
            self.instances = instances;
        }
    }

    fn put_pod(&mut self, pod: Pod, touched: &mut BTreeSet<Key>) {
        if self.pods.get(&pod.id).is_some_and(|old| **old == pod) {
            return;
        }
        if let Some(old) = self.pods.get(&pod.id).cloned() {
            self.touch_services_of(&old, touched);
        }
        self.touch_services_of(&pod, touched);
        self.pods.insert(pod.id.clone(), Arc::new(pod));
    }

    fn touch_services_of(&self, pod: &Pod, touched: &mut BTreeSet<Key>) {
        let start = NamespacedName::new(pod.id.namespace.clone(), "");
        let services = self.services.range(start..).take_while(|(id, _)| id.namespace == pod.id.namespace);
        let selecting = services.filter(|(_, service)| selects(service, &pod.labels));
        touched.extend(selecting.map(|(id, _)| Key::Endpoints(id.clone())));
    }

    fn put_service(&mut self, service: Service, touched: &mut BTreeSet<Key>) {
        let id = service.id.clone();
        if self.services.get(&id).is_some_and(|old| **old == service) {
            return;
        }
        if let Some(old) = self.services.get(&id).and_then(|s| shared_vip_key(s)) {
            self.shared_vips.remove(&old, &id);
            touched.insert(Key::SharedVip(old));
        }
        if let Some(key) = shared_vip_key(&service) {
            self.shared_vips.insert(key.clone(), id.clone());
            touched.insert(Key::SharedVip(key));
        }
        touched.insert(Key::Service(id.clone()));
        self.services.insert(id, Arc::new(service));
    }

    fn put_slice(&mut self, slice: EndpointSlice, touched: &mut BTreeSet<Key>) {
        let id = slice.id.clone();
        if self.slices.get(&id).is_some_and(|old| **old == slice) {
            return;
        }
        if let Some(service) = self.slices.get(&id).and_then(|s| s.service.clone()) {
            self.slices_of.remove(&service, &id);
            touched.insert(Key::Endpoints(service));
        }
        if let Some(service) = &slice.service {
            self.slices_of.insert(service.clone(), id.clone());
            touched.insert(Key::Endpoints(service.clone()));
        }
        self.slices.insert(id, Arc::new(slice));
    }

    fn put_ingress(&mut self, ingress: Ingress, touched: &mut BTreeSet<Key>) {
        let id = ingress.id.clone();
        let old = self.ingresses.get(&id).cloned();
        if old.as_ref().is_some_and(|old| **old == ingress) {
            return;
        }
        let ingress = Arc::new(ingress);
        // What we published on it ourselves changes nothing for its hosts.
        let only_published = old.as_ref().is_some_and(|old| {
            Ingress { published: ingress.published.clone(), ..(**old).clone() } == *ingress
        });
        if only_published {
            self.ingresses.insert(id.clone(), ingress);
        } else {
            if let Some(old) = old {
                self.unindex_ingress(&old, touched);
            }
            self.ingresses.insert(id.clone(), ingress.clone());
            self.index_ingress(&ingress, touched);
        }
        touched.insert(Key::Ingress(id));
    }

    fn remove(&mut self, id: &ResourceId, touched: &mut BTreeSet<Key>) {
        let name = &id.name;
        match id.kind {
            ResourceKind::Namespace => {
                if self.namespaces.remove(&name.name).is_some() {
                    touched.insert(Key::Namespace(name.name.clone()));
                }
            }
            ResourceKind::Node => {
                if self.nodes.remove(&name.name).is_some() {
                    touched.insert(Key::Nodes);
                }
            }
            ResourceKind::IngressClass => {
                if self.classes.remove(&name.name).is_some() {
                    touched.insert(Key::IngressClasses);
                }
            }
            ResourceKind::Secret => {
                if self.secrets.remove(name).is_some() {
                    touched.insert(Key::Secret(name.clone()));
                }
            }
            ResourceKind::Service => {
                if let Some(old) = self.services.remove(name) {
                    if let Some(key) = shared_vip_key(&old) {
                        self.shared_vips.remove(&key, name);
                        touched.insert(Key::SharedVip(key));
                    }
                    touched.insert(Key::Service(name.clone()));
                }
            }
            ResourceKind::EndpointSlice => {
                if let Some(service) = self.slices.remove(name).and_then(|s| s.service.clone()) {
                    self.slices_of.remove(&service, name);
                    touched.insert(Key::Endpoints(service));
                }
            }
            ResourceKind::Ingress => {
                if let Some(old) = self.ingresses.remove(name) {
                    self.unindex_ingress(&old, touched);
                    touched.insert(Key::Ingress(name.clone()));
                }
            }
            ResourceKind::Pod => {
                if let Some(old) = self.pods.remove(name) {
                    self.touch_services_of(&old, touched);
                }
            }
            ResourceKind::BlockAffinity | ResourceKind::HostSubnet | ResourceKind::CiliumNode => {
                if self.subnets.remove(&(id.kind, name.name.clone())).is_some() {
                    touched.insert(Key::NodeSubnets);
                }
            }
            ResourceKind::ConfigMap => {
                self.claims.remove(&name.namespace);
                self.judge(touched);
            }
            ResourceKind::StatefulSet => {
                if self.installations.remove(&name.namespace).is_some() {
                    touched.insert(Key::Handover);
                }
                self.judge(touched);
            }
        }
    }

    fn index_ingress(&mut self, ingress: &Ingress, touched: &mut BTreeSet<Key>) {
        for rule in &ingress.rules {
            let Some(host) = self.host_of(&ingress.id, rule.host.as_ref()) else { continue };
            self.ingresses_of.insert(host.clone(), ingress.id.clone());
            touched.insert(Key::Host(host));
        }
    }

    fn unindex_ingress(&mut self, ingress: &Ingress, touched: &mut BTreeSet<Key>) {
        for rule in &ingress.rules {
            let Some(host) = self.host_of(&ingress.id, rule.host.as_ref()) else { continue };
            self.ingresses_of.remove(&host, &ingress.id);
            touched.insert(Key::Host(host));
        }
    }
}

/// Whether a Service selects pods with such labels; one without a selector
/// selects none.
fn selects(service: &Service, labels: &BTreeMap<Arc<str>, Arc<str>>) -> bool {
    let wanted = &service.selector;
    !wanted.is_empty() && wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// The key under which a Service shares a VIP, if it does.
pub fn shared_vip_key(service: &Service) -> Option<NamespacedName> {
    let key = service.annotations.get(annotation::SHARED_VIP).filter(|key| !key.is_empty())?;
    (service.service_type == ServiceType::LoadBalancer)
        .then(|| NamespacedName::new(service.id.namespace.clone(), key.clone()))
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
        assert!(touched.contains(&Key::Host("one.com".into())));
        assert!(touched.contains(&Key::Host("two.com".into())));
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
        assert_eq!(touched, BTreeSet::from([Key::Ingress(NamespacedName::new("ns", "a"))]));
    }

    #[test]
    fn a_complete_list_removes_what_it_does_not_hold() {
        let mut snapshot = Snapshot::default();
        apply(&mut snapshot, ingress("a", Some("one.com")));
        assert!(!snapshot.is_complete());
        let list = vec![Resource::Ingress(ingress("b", Some("two.com")))];
        let touched = snapshot.apply(Delta::Reset(ResourceKind::Ingress, list));
        assert!(touched.contains(&Key::Host("one.com".into())));
        assert_eq!(snapshot.count(ResourceKind::Ingress), 1);
    }

    #[test]
    fn hosts_are_generated_under_the_subdomain() {
        let mut snapshot = Snapshot::default();
        apply(&mut snapshot, ingress("a", None));
        assert_eq!(snapshot.hosts().count(), 0);
        let touched = snapshot.act_by(&Config::default(), Some("avi.internal".into()));
        assert!(touched.contains(&Key::Host("a.ns.avi.internal".into())));
    }
}
