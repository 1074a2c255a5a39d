//! Statuses as they would be written, without a controller that allocates.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_avi_types::{Object, ObjectKey, go_json};
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
        let mut entry = Map::new();
        if !binding.hostname.is_empty() {
            uuids.insert(binding.hostname.clone(), "virtualservice-UUID");
            entry.insert("hostname".into(), json!(binding.hostname));
        }
        entry.insert(
            "ip".into(),
            json!(fixed_address(desired, &binding.vsvip).unwrap_or_else(|| "<auto>".into())),
        );
        if resource.kind == ResourceKind::Service {
            // The API server adds it.
            entry.insert("ipMode".into(), json!("VIP"));
        }
        entries.push(Value::Object(entry));
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

/// An address that the VsVip asks for.
fn fixed_address(desired: &Desired, vsvip: &ObjectKey) -> Option<Arc<str>> {
    match &**desired.get(vsvip)? {
        Object::VsVip(vsvip) => vsvip.published_addresses().first().cloned(),
        _ => None,
    }
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
