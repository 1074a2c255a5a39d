//! What is to be published on Kubernetes objects.
//! Source: L7 objects, §8; L4 and network, A9.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_avi_types::{Object, go_json};
use ako_core::config::ServiceMode;
use ako_core::resource::{Published, PublishedAddress, Service, ServiceType};
use ako_core::{CONTROLLER_NAME, ResourceId, ResourceKind, Snapshot, annotation};

use crate::controller::Controller;
use crate::desired::Desired;

/// What should stand on an object: addresses of the virtual services that are
/// there. `None` if nothing can be said yet, or the object is not ours to touch. `is_known` is
/// whether what stands there is known to be ours, by more than the object itself.
pub(crate) fn wanted(
    resource: &ResourceId,
    desired: &Desired,
    controller: &Controller,
    snapshot: &Snapshot,
    is_known: bool,
) -> Option<Published> {
    let current = current(resource, snapshot)?;
    let namespace = &resource.name.namespace;
    let is_asked_for = snapshot.is_asked_for_by_another(namespace) || snapshot.selects(namespace);
    if !snapshot.serves(namespace) && is_asked_for {
        // Another instance's to say, though it may get nothing at present, or that of whom
        // it belonged to until now.
        return None;
    }
    let bindings: Vec<_> = desired.bindings(resource).collect();
    if bindings.is_empty() {
        let is_ours = is_known || is_ours(resource, desired, snapshot, current);
        let cleared = is_ours && !current.is_empty();
        return cleared.then(Published::default);
    }
    let mut published = Published::default();
    let mut uuids: BTreeMap<&Arc<str>, &Arc<str>> = BTreeMap::new();
    let mut tenant = None;
    for binding in bindings {
        let Some(vs) = controller.get(&binding.vs) else { continue };
        let Some(Object::VsVip(vip)) = controller.get(&binding.vsvip).map(|o| &*o.body) else { continue };
        for ip in vip.published_addresses() {
            published.addresses.push(PublishedAddress { hostname: binding.hostname.clone(), ip });
        }
        tenant = Some(&binding.vs.tenant);
        if !binding.hostname.is_empty() {
            uuids.insert(&binding.hostname, &vs.meta.uuid);
        }
    }
    if published.addresses.is_empty() {
        // Still being made: what stood there stays until it is known better.
        return None;
    }
    published.addresses.sort();
    published.addresses.dedup();
    if !uuids.is_empty() {
        let facts = desired.translator().facts();
        published.annotations = BTreeMap::from([
            (annotation::VS_UUID_MAP.into(), go_json::marshal(&uuids).into()),
            (annotation::CLUSTER_UUID.into(), facts.cluster_uuid.clone()),
            (annotation::TENANT.into(), tenant.cloned().unwrap_or_default()),
        ]);
    }
    Some(published)
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

/// What stands on an object now.
pub(crate) fn current<'a>(resource: &ResourceId, snapshot: &'a Snapshot) -> Option<&'a Published> {
    match resource.kind {
        ResourceKind::Ingress => snapshot.ingress(&resource.name).map(|ingress| &ingress.published),
        ResourceKind::Service => snapshot.service(&resource.name).map(|service| &service.published),
        _ => None,
    }
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
    same_addresses(a, b) && a.node_ports == b.node_ports
}

/// Whether two statuses are the same, and the annotations that go with them.
pub(crate) fn same_addresses(a: &Published, b: &Published) -> bool {
    let sorted = |p: &Published| {
        let mut addresses = p.addresses.clone();
        addresses.sort();
        addresses
    };
    sorted(a) == sorted(b) && a.annotations == b.annotations
}
