//! Statuses as they would be written, without a controller that allocates.

use std::sync::Arc;

use ako_avi_types::{Object, ObjectKey};
use ako_core::resource::Published;
use ako_core::{ResourceId, ResourceKind};
use ako_engine::{Desired, Programmed, Progress, ServedBy, fill, tell, tell_made};
use ako_kube_types::{Stamp, status_patch};
use ako_translate::Made;
use serde_json::{Map, Value, json};

pub(super) fn render(desired: &Desired, objects: &[Value]) -> Value {
    let mut statuses = Map::new();
    for resource in desired.subjects() {
        if let Some(status) = status(desired, resource, objects) {
            statuses.insert(format!("{}/{}", resource.kind.spec().plural, resource.name), status);
        }
    }
    Value::Object(statuses)
}

/// The status of an object and our annotations, if it gets any: of one with a load balancer that
/// part alone.
fn status(desired: &Desired, resource: &ResourceId, objects: &[Value]) -> Option<Value> {
    let mut published = published(desired, resource);
    // What waits to be on the controller is taken to be there.
    published.told = match desired.made(resource) {
        Some(made) => tell_made(resource.kind, made, &there(made), &Published::default()),
        None => tell(desired.statements(resource), &|_| Programmed::Yes),
    };
    for address in &mut published.addresses {
        address.ip = shown(&address.ip).into();
    }
    let owner = desired.translator().config().owner();
    let stamp = Stamp { owner: &owner, now: "<now>" };
    let mut status = status_patch(resource.kind, &published, &Published::default(), &stamp);
    let annotations = annotations(resource, &published, objects);
    if let Some(addresses) = status.pointer("/status/loadBalancer/ingress") {
        let is_served = desired.bindings(resource).next().is_some();
        let mut addresses = addresses.as_array().cloned().unwrap_or_default();
        if resource.kind == ResourceKind::Service {
            // The API server adds it.
            for address in &mut addresses {
                address["ipMode"] = json!("VIP");
            }
        }
        return is_served
            .then(|| json!({ "annotations": annotations, "loadBalancer": { "ingress": addresses } }));
    }
    if published == Published::default() {
        return None;
    }
    // Of rules they say the same as the other fields, which is what is compared with recordings.
    if let Some(fields) = status["status"].as_object_mut().filter(|_| desired.made(resource).is_none()) {
        fields.remove("conditions");
    }
    if !annotations.is_empty() {
        status["annotations"] = Value::Object(annotations);
    }
    Some(status)
}

/// It is there, as it is wanted; with a problem, it is not.
fn there(made: &Made) -> Progress {
    let uuid = made.problem.is_none().then(|| format!("{}-UUID", made.key.kind.segment()).into());
    Progress { is_done: uuid.is_some(), uuid, failure: None }
}

fn annotations(resource: &ResourceId, published: &Published, objects: &[Value]) -> Map<String, Value> {
    let mut annotations = given_annotations(resource, objects);
    annotations.extend(published.annotations.iter().map(|(key, value)| (key.to_string(), json!(value))));
    annotations
}

fn published(desired: &Desired, resource: &ResourceId) -> Published {
    let served = desired.bindings(resource).map(|binding| {
        let addresses = addresses(desired, &binding.vsvip);
        (binding, ServedBy { uuid: "virtualservice-UUID".into(), addresses })
    });
    fill(served, desired.translator().facts())
}

/// An address; of those that the controller allocates no two are equal before they are shown.
fn shown(address: &str) -> &str {
    if address.starts_with(ALLOCATED) { ALLOCATED } else { address }
}

/// What stands for an address that the controller allocates.
const ALLOCATED: &str = "<auto>";

/// The addresses that a VsVip will have: those that it asks for, and something that begins with
/// [`ALLOCATED`] for each that the controller allocates, as no two of these are equal.
fn addresses(desired: &Desired, vsvip: &ObjectKey) -> Vec<Arc<str>> {
    let Some(Object::VsVip(vsvip)) = desired.get(vsvip).map(|object| &**object) else { return Vec::new() };
    let mut addresses = Vec::new();
    for vip in &vsvip.vip {
        let families: &[_] = match vip.auto_allocate_ip_type.as_deref() {
            Some("V4_V6") => &[&vip.ip_address, &vip.ip6_address],
            Some("V6_ONLY") => &[&vip.ip6_address],
            _ if vip.ip6_address.is_some() => &[&vip.ip6_address],
            _ => &[&vip.ip_address],
        };
        for ip in families {
            let allocated = || format!("{ALLOCATED}{}", addresses.len()).into();
            let address = ip.as_ref().map_or_else(allocated, |ip| ip.addr.clone());
            addresses.push(address);
        }
    }
    addresses
}

/// The annotations of ours that the object came with.
fn given_annotations(resource: &ResourceId, objects: &[Value]) -> Map<String, Value> {
    let same = |object: &&Value| {
        object["kind"].as_str() == Some(resource.kind.as_str())
            && object["metadata"]["name"].as_str() == Some(&resource.name.name)
            && object["metadata"]["namespace"].as_str().unwrap_or("default") == &*resource.name.namespace
    };
    let found = objects.iter().rev().find(same).and_then(|o| o["metadata"]["annotations"].as_object());
    let ours = found.into_iter().flatten().filter(|(key, _)| key.contains("ako.vmware.com/"));
    ours.map(|(key, value)| (key.clone(), value.clone())).collect()
}
