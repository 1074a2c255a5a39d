//! What is to be published on Kubernetes objects.
//! Source: L7 objects, §8; L4 and network, A9.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ako_avi_types::{ErrorClass, Failure, Kind, Object, ObjectKey, go_json};
use ako_core::config::ServiceMode;
use ako_core::resource::{Condition, Hold, Published, PublishedAddress, Service, ServiceType, Told, Truth};
use ako_core::{CONTROLLER_NAME, Facts, ResourceId, ResourceKind, Snapshot, annotation};
use ako_translate::{Binding, Made, Maker, State, What};

use crate::agenda::Agenda;
use crate::desired::Desired;
use crate::inventory::Inventory;
use crate::made::{Progress, tell_made};
use crate::trial::{Publish, Trials};

/// What statuses are decided by.
pub(crate) struct Known<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) inventory: &'a Inventory,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) agenda: &'a Agenda,
    pub(crate) trials: &'a Trials,
}

impl Known<'_> {
    /// What should stand on an object: addresses of the virtual services that are
    /// there. `None` if nothing can be said yet, or the object is not ours to touch. `is_known`
    /// is whether what stands there is known to be ours, by more than the object itself.
    pub(crate) fn wanted(&self, resource: &ResourceId, is_known: bool) -> Option<Published> {
        let Self { desired, snapshot, .. } = *self;
        let current = snapshot.published_on(resource)?;
        let namespace = &resource.name.namespace;
        let is_asked_for = snapshot.is_asked_for_by_another(namespace) || snapshot.selects(namespace);
        // What has no namespace is said of by one instance alone.
        if !namespace.is_empty() && !snapshot.serves(namespace) && is_asked_for {
            // Another instance's to say, though it may get nothing at present, or that of whom
            // it belonged to until now.
            return None;
        }
        let told = tell(desired.statements(resource), &|keys| self.programmed(keys));
        let (told, hold) = match desired.made(resource) {
            Some(made) => (self.tell_made(resource, made, current), self.hold(made, current)),
            None => (told, None),
        };
        let addresses = self.addresses(resource, current, is_known);
        if addresses.is_none() && told.is_none() && hold.is_none() {
            return None;
        }
        let addresses = addresses.unwrap_or_else(|| current.clone());
        let told = told.or_else(|| current.told.clone());
        Some(Published { told, hold: hold.or_else(|| current.hold.clone()), ..addresses })
    }

    fn tell_made(&self, resource: &ResourceId, made: &Made, current: &Published) -> Option<Box<Told>> {
        // Of what is to be deleted it is told where it still is.
        let is_left = |former: &&ObjectKey| made.is_deleting && self.inventory.contains(former);
        let key = made.former.as_ref().filter(is_left).unwrap_or(&made.key);
        let made = &Made { key: key.clone(), ..made.clone() };
        let work = self.agenda.get(&made.key);
        let is_in_use = |failure: &&Failure| failure.class == ErrorClass::InUse;
        let failure = work.and_then(|work| {
            let failure = work.failure.as_ref();
            failure.filter(|failure| work.is_known_refused() || is_in_use(failure))
        });
        let progress = Progress {
            uuid: self.inventory.get(&made.key).map(|observed| observed.meta.uuid.clone()),
            is_done: self.programmed(std::slice::from_ref(&made.key)) == Programmed::Yes,
            failure: failure.cloned(),
        };
        tell_made(resource.kind, made, &progress, current)
    }

    /// Whether an object is held: until it is asked to be deleted, and then until nothing is left that
    /// was made of it.
    fn hold(&self, made: &Made, current: &Published) -> Option<Box<Hold>> {
        let hold = current.hold.as_deref()?.clone();
        let may_be_there = |key| self.inventory.contains(key) || self.agenda.contains(key);
        let is_left = || [&made.key].into_iter().chain(&made.former).any(may_be_there);
        let is_held = !made.is_deleting || !self.inventory.is_complete() || is_left();
        // What was never held is not held any more once it is to go.
        let is_held = is_held && (hold.is_held || !made.is_deleting);
        Some(Box::new(Hold { is_held, ..hold }))
    }

    /// The addresses that should stand on an object, and what goes with them; `None` if what
    /// stands there stays.
    fn addresses(&self, resource: &ResourceId, current: &Published, is_known: bool) -> Option<Published> {
        let (served, is_open) = self.served(resource, current);
        if self.is_half_written(resource, current, &served) {
            return None;
        }
        if served.is_empty() {
            // Still being made: what stood there stays until it is known better.
            let is_ours = || is_known || is_ours(resource, self.desired, self.snapshot, current);
            let cleared = !is_open && !current.is_empty() && is_ours();
            return cleared.then(|| self.with_staying(Published::default(), resource, current));
        }
        let wanted = fill(served, self.desired.translator().facts());
        Some(self.with_staying(wanted, resource, current))
    }

    /// The same with what stands on an object of those hosts for which that stays.
    fn with_staying(&self, mut wanted: Published, resource: &ResourceId, current: &Published) -> Published {
        let hosts: BTreeSet<_> = self.staying(resource).collect();
        let stays = |address: &&PublishedAddress| hosts.contains(&address.hostname);
        let addresses: Vec<_> = current.addresses.iter().filter(stays).cloned().collect();
        if addresses.is_empty() {
            return wanted;
        }
        wanted.addresses.extend(addresses);
        wanted.addresses.sort();
        wanted.addresses.dedup();
        let mut all = uuids(current);
        all.retain(|host, _| hosts.contains(host));
        all.extend(uuids(&wanted));
        for (key, value) in &current.annotations {
            wanted.annotations.entry(key.clone()).or_insert_with(|| value.clone());
        }
        wanted.annotations.insert(annotation::VS_UUID_MAP.into(), go_json::marshal(&all).into());
        wanted
    }

    /// Whether an object shows by its annotations alone that a host was served whose address stays:
    /// the address is on its way, or is not understood. That of a host that is served is known.
    fn is_half_written(
        &self,
        resource: &ResourceId,
        current: &Published,
        served: &[(&Binding, ServedBy)],
    ) -> bool {
        let is_served = |host: &Arc<str>| served.iter().any(|(binding, _)| binding.hostname == *host);
        let mut staying = self.staying(resource).filter(|host| !is_served(host)).peekable();
        if staying.peek().is_none() {
            return false;
        }
        let uuids = uuids(current);
        let has_address = |host: &Arc<str>| current.addresses.iter().any(|address| address.hostname == *host);
        staying.any(|host| uuids.contains_key(host) && !has_address(host))
    }

    /// The hosts for which an object keeps the addresses that it has.
    fn staying(&self, resource: &ResourceId) -> impl Iterator<Item = &Arc<str>> {
        self.desired.statements(resource).filter_map(|what| match what {
            What::AddressStays(host) => Some(host),
            _ => None,
        })
    }

    /// Whether all of these are on the controller as they are wanted.
    fn programmed(&self, keys: &[ObjectKey]) -> Programmed {
        let works = || keys.iter().filter_map(|key| self.agenda.get(key));
        if let Some(work) = works().find(|work| work.is_known_refused()) {
            return Programmed::Refused(
                work.failure.as_ref().map(ToString::to_string).unwrap_or_default().into(),
            );
        }
        let is_there = |key| self.inventory.contains(key) && self.desired.get(key).is_some();
        if works().next().is_none() && keys.iter().all(is_there) {
            Programmed::Yes
        } else {
            Programmed::Pending
        }
    }

    /// What is served for an object, each with its addresses, and whether more may follow.
    fn served(&self, resource: &ResourceId, current: &Published) -> (Vec<(&Binding, ServedBy)>, bool) {
        let (mut served, mut is_open) = (Vec::new(), false);
        for (binding, maker) in self.desired.bindings_with_makers(resource) {
            let publish = self.publish(maker);
            let stands = || current.addresses.iter().any(|address| address.hostname == binding.hostname);
            if publish == Publish::Nothing {
                continue;
            }
            let there = self.there(binding).filter(|_| publish == Publish::Address || stands());
            is_open |= there.is_none();
            served.extend(there.map(|there| (binding, there)));
        }
        (served, is_open)
    }

    /// What there is of a binding on the controller, if it has an address.
    fn there(&self, binding: &Binding) -> Option<ServedBy> {
        let vs = self.inventory.get(&binding.vs)?;
        let vip = self.inventory.get(&binding.vsvip)?;
        let Object::VsVip(vip) = &*vip.body else { return None };
        let addresses = vip.published_addresses();
        (!addresses.is_empty()).then(|| ServedBy { uuid: vs.meta.uuid.clone(), addresses })
    }

    /// What of the addresses that a unit or a front says is to be published.
    fn publish(&self, maker: &Maker) -> Publish {
        let Self { desired, .. } = *self;
        let unit = match maker {
            Maker::Unit(unit) => Some(unit),
            Maker::Front(_) => None,
        };
        let on_fronts = unit.into_iter().flat_map(|unit| {
            desired.fronts_of(unit).map(move |front| self.trials.publish(front, unit, desired))
        });
        if let Some(publish) = on_fronts.into_iter().find(|publish| *publish != Publish::Address) {
            return publish;
        }
        let own = || desired.objects_of(maker).iter().map(|object| object.key());
        if !own().any(|key| self.agenda.is_known_refused(&key)) {
            return Publish::Address;
        }
        // People come in by a virtual service and its certificate, and get to a pool.
        let is_there = |kind| {
            let mut all = own().filter(|key| key.kind == kind).peekable();
            all.peek().is_none() || all.any(|key| self.inventory.contains(&key))
        };
        let kinds = [Kind::VirtualService, Kind::Pool, Kind::SslKeyAndCertificate];
        if kinds.into_iter().all(is_there) { Publish::Address } else { Publish::Nothing }
    }
}

/// The uuids of virtual services that stand on an object, by host.
fn uuids(published: &Published) -> BTreeMap<Arc<str>, Arc<str>> {
    let text = published.annotations.get(annotation::VS_UUID_MAP);
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// A virtual service that is there, and its addresses.
#[derive(Clone, Debug)]
pub struct ServedBy {
    /// The uuid of the virtual service.
    pub uuid: Arc<str>,
    /// The addresses of its VsVip.
    pub addresses: Vec<Arc<str>>,
}

/// What is to stand on an object that is served by these, wherever the addresses are from. The
/// order in which they come does not matter.
pub fn fill<'a>(served: impl IntoIterator<Item = (&'a Binding, ServedBy)>, facts: &Facts) -> Published {
    let mut served: Vec<_> = served.into_iter().collect();
    served.sort_by_key(|(binding, _)| *binding);
    let mut published = Published::default();
    let mut uuids: BTreeMap<&Arc<str>, Arc<str>> = BTreeMap::new();
    let mut tenant = None;
    for (binding, ServedBy { uuid, addresses }) in served {
        let hostname = &binding.hostname;
        let addresses = addresses.into_iter();
        let addresses = addresses.map(|ip| PublishedAddress { hostname: hostname.clone(), ip });
        published.addresses.extend(addresses);
        tenant = Some(&binding.vs.tenant);
        if !hostname.is_empty() {
            uuids.insert(hostname, uuid);
        }
    }
    published.addresses.sort();
    published.addresses.dedup();
    if !uuids.is_empty() {
        published.annotations = BTreeMap::from([
            (annotation::VS_UUID_MAP.into(), go_json::marshal(&uuids).into()),
            (annotation::CLUSTER_UUID.into(), facts.cluster_uuid.clone()),
            (annotation::TENANT.into(), tenant.cloned().unwrap_or_default()),
        ]);
    }
    published
}

/// How far objects of the controller are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Programmed {
    /// All are there as they are wanted.
    Yes,
    /// Not yet.
    Pending,
    /// The controller refused one, for this reason.
    Refused(Arc<str>),
}

/// What the status of an object is to tell beside addresses, in whatever order it is said;
/// `None` if nothing is said of that.
pub fn tell<'a>(
    statements: impl IntoIterator<Item = &'a What>,
    programmed: &dyn Fn(&[ObjectKey]) -> Programmed,
) -> Option<Box<Told>> {
    let mut told = Told::default();
    for what in statements {
        match what {
            What::Address(_) | What::AddressStays(_) | What::NodePorts | What::Made(_) => {}
            What::Condition { part, kind, state, generation } => {
                let condition = condition(state, *generation, programmed);
                let key = (part.clone(), (*kind).into());
                let worst = match told.conditions.remove(&key) {
                    Some(other) => condition.or_worse(other),
                    None => condition,
                };
                told.conditions.insert(key, worst);
            }
            What::Field(name, text) => {
                let held = told.fields.entry((*name).into()).or_insert_with(|| text.clone());
                if text < held {
                    *held = text.clone();
                }
            }
            What::Count(part) => *told.counts.entry(part.clone()).or_default() += 1,
        }
    }
    (!told.is_empty()).then(|| Box::new(told))
}

fn condition(state: &State, generation: i64, programmed: &dyn Fn(&[ObjectKey]) -> Programmed) -> Condition {
    let (status, reason, message) = match state {
        State::Known(status, reason, message) => (*status, *reason, message.clone()),
        State::WhenProgrammed(keys) => match programmed(keys) {
            Programmed::Yes => (Truth::True, "Programmed", Arc::default()),
            Programmed::Pending => {
                (Truth::Unknown, "Pending", "it is not yet on the Avi Controller as it is wanted".into())
            }
            Programmed::Refused(why) => {
                (Truth::False, "Refused", format!("the Avi Controller refuses it: {why}").into())
            }
        },
    };
    Condition { status, reason: reason.into(), message, generation, since: None }
}

/// Whether what stands on an object, in a namespace that nobody asks for, may be ours or
/// another instance's.
pub(crate) fn is_stray(
    resource: &ResourceId,
    desired: &Desired,
    snapshot: &Snapshot,
    current: &Published,
) -> bool {
    let namespace = &resource.name.namespace;
    let is_asked_for = snapshot.is_asked_for_by_another(namespace) || snapshot.selects(namespace);
    let cluster = &desired.translator().facts().cluster_uuid;
    snapshot.may_share_controller()
        && !is_asked_for
        && desired.bindings(resource).next().is_none()
        && current.annotations.get(annotation::CLUSTER_UUID) == Some(cluster)
}

/// Whether what stands on an object was written by us, so that it is ours to
/// remove: our annotation says so, or the object asks for nobody else.
fn is_ours(resource: &ResourceId, desired: &Desired, snapshot: &Snapshot, current: &Published) -> bool {
    // In a namespace that nobody serves, others may be asked as well, and other instances
    // write the same annotation.
    let serves = snapshot.serves(&resource.name.namespace);
    if current.annotations.contains_key(annotation::VS_UUID_MAP) {
        return serves || !snapshot.may_share_controller();
    }
    if !serves {
        return false;
    }
    let config = desired.translator().config();
    match resource.kind {
        ResourceKind::Ingress => {
            let class = snapshot.ingress(&resource.name).and_then(|ingress| ingress.class.as_ref());
            let found = snapshot.classes().find(|c| class == Some(&c.name));
            found.is_some_and(|c| &*c.controller == CONTROLLER_NAME)
        }
        // Only entries of ours are read of the status of a Route.
        ResourceKind::Route => true,
        ResourceKind::Service => {
            let asks_us = |service: &Arc<Service>| match &service.class {
                Some(class) => &**class == CONTROLLER_NAME,
                None => config.default_lb_controller && !config.layer7_only,
            };
            let service = snapshot.service(&resource.name);
            service.is_some_and(|s| s.service_type == ServiceType::LoadBalancer && asks_us(s))
        }
        _ => false,
    }
}

/// Whether a request for node ports may be taken back from a Service that
/// nothing of ours leads to any more: not where requests are somebody else's
/// business, nor in a namespace that is not ours.
pub(crate) fn may_take_back(service: &ResourceId, desired: &Desired, snapshot: &Snapshot) -> bool {
    let config = desired.translator().config();
    config.service_mode == ServiceMode::NodePortLocal
        && config.auto_annotate
        && snapshot.serves(&service.name.namespace)
}

/// Whether addresses that stand somewhere would not any more.
pub(crate) fn loses(current: &Published, wanted: &Published) -> bool {
    current.addresses.iter().any(|address| !wanted.addresses.contains(address))
}

/// Whether what is published on two objects is the same to its readers.
pub(crate) fn same(a: &Published, b: &Published) -> bool {
    same_addresses(a, b) && a.node_ports == b.node_ports && a.tells_same(b) && a.holds_same(b)
}

/// Whether two statuses are the same, and the annotations that go with them.
pub(crate) fn same_addresses(a: &Published, b: &Published) -> bool {
    let sorted = |p: &Published| {
        let mut addresses = p.addresses.clone();
        addresses.sort();
        addresses
    };
    sorted(a) == sorted(b) && a.annotations == b.annotations && a.is_mixed == b.is_mixed
}
