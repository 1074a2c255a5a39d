//! Statuses as they would be written, without a controller that allocates.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_avi_types::{IpAddress, Object, ObjectKey, go_json};
use ako_core::{ResourceId, ResourceKind, annotation};
use ako_engine::Desired;
use serde_json::{Map, Value, json};

pub(super) fn render(desired: &Desired, objects: &[Value]) -> Value {
    let mut statuses = Map::new();
    for resource in desired.bound() {
        let section = match resource.kind {
            ResourceKind::Ingress => "ingresses",
            _ => "services",
        };
        statuses.insert(format!("{section}/{}", resource.name), status(desired, resource, objects));
    }
    Value::Object(statuses)
}

fn status(desired: &Desired, resource: &ResourceId, objects: &[Value]) -> Value {
    let mut annotations = given_annotations(resource, objects);
    let mut uuids: BTreeMap<Arc<str>, &str> = BTreeMap::new();
    let mut entries = Vec::new();
    let mut tenant = None;
    for binding in desired.bindings(resource) {
        if !binding.hostname.is_empty() {
            uuids.insert(binding.hostname.clone(), "virtualservice-UUID");
        }
        for address in addresses(desired, &binding.vsvip) {
            let mut entry = Map::new();
            if !binding.hostname.is_empty() {
                entry.insert("hostname".into(), json!(binding.hostname));
            }
            entry.insert("ip".into(), json!(address));
            if resource.kind == ResourceKind::Service {
                // The API server adds it.
                entry.insert("ipMode".into(), json!("VIP"));
            }
            entries.push(Value::Object(entry));
        }
        tenant = Some(binding.vs.tenant.clone());
    }
    if !uuids.is_empty() {
        let t = desired.translator();
        annotations.insert(annotation::VS_UUID_MAP.into(), json!(go_json::marshal(&uuids)));
        annotations.insert(annotation::CLUSTER_UUID.into(), json!(t.facts().cluster_uuid));
        annotations.insert(annotation::TENANT.into(), json!(tenant));
    }
    json!({ "annotations": annotations, "loadBalancer": { "ingress": entries } })
}

/// The addresses that a VsVip will have: those that it asks for, and `<auto>` for each that
/// the controller allocates.
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
        let address =
            |ip: &&Option<IpAddress>| ip.as_ref().map_or_else(|| "<auto>".into(), |ip| ip.addr.clone());
        addresses.extend(families.iter().map(address));
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
