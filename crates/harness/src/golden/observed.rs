//! Statuses of a cluster, in the form in which they were recorded.

use anyhow::Context as _;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::discovery::pinned_kind;
use kube::{Client, Error};
use serde_json::{Map, Value, json};

/// Kinds whose status or annotations the operator writes. Of the first two only
/// `loadBalancer` was recorded, of the others the whole status.
const KINDS: [(&str, &str, &str); 9] = [
    ("networking.k8s.io", "v1", "Ingress"),
    ("", "v1", "Service"),
    ("route.openshift.io", "v1", "Route"),
    ("ako.vmware.com", "v1beta1", "HostRule"),
    ("ako.vmware.com", "v1beta1", "HTTPRule"),
    ("ako.vmware.com", "v1beta1", "AviInfraSetting"),
    ("ako.vmware.com", "v1alpha2", "L4Rule"),
    ("ako.vmware.com", "v1alpha2", "L7Rule"),
    ("ako.vmware.com", "v1alpha2", "SSORule"),
];

/// The statuses and the operator's annotations of everything in the cluster, to
/// be compared with `status` of a recorded step. Kinds that the cluster does not
/// serve, and objects without either, are left out.
pub async fn observed_status(client: &Client) -> anyhow::Result<Value> {
    let mut found = Map::new();
    for (group, version, kind) in KINDS {
        let gvk = GroupVersionKind::gvk(group, version, kind);
        let Ok((resource, _)) = pinned_kind(client, &gvk).await else { continue };
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let objects = match api.list(&ListParams::default()).await {
            Ok(objects) => objects,
            Err(Error::Api(status)) if status.code == 404 => continue,
            Err(error) => return Err(error).with_context(|| format!("listing {kind}")),
        };
        for object in objects {
            let mut key = format!("{}/", resource.plural);
            if let Some(namespace) = &object.metadata.namespace {
                key.push_str(namespace);
                key.push('/');
            }
            key.push_str(object.metadata.name.as_deref().unwrap_or_default());
            if let Some(entry) = entry(kind, object) {
                found.insert(key, entry);
            }
        }
    }
    Ok(Value::Object(found))
}

fn entry(kind: &str, object: DynamicObject) -> Option<Value> {
    let annotations: Map<String, Value> = object
        .metadata
        .annotations
        .unwrap_or_default()
        .into_iter()
        .filter(|(key, _)| key.split_once('/').is_some_and(|(domain, _)| domain.ends_with("ako.vmware.com")))
        .map(|(key, value)| (key, Value::String(value)))
        .collect();
    let status = object.data.get("status").cloned().unwrap_or_else(|| json!({}));
    // As recorded: an annotated Ingress or Service shows its load balancer even
    // if that is empty, other kinds show what they have.
    let (key, status, always) = match kind {
        "Ingress" | "Service" => ("loadBalancer", status["loadBalancer"].clone(), !annotations.is_empty()),
        _ => ("status", status, false),
    };
    let mut entry = Map::new();
    if always || status.as_object().is_some_and(|fields| !fields.is_empty()) {
        entry.insert(key.to_owned(), if status.is_null() { json!({}) } else { status });
    }
    if !annotations.is_empty() {
        entry.insert("annotations".to_owned(), Value::Object(annotations));
    }
    (!entry.is_empty()).then_some(Value::Object(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(kind: &str, object: Value) -> Option<Value> {
        entry(kind, serde_json::from_value(object).unwrap())
    }

    #[test]
    fn untouched_objects_are_left_out() {
        let service = json!({
            "metadata": {"name": "a", "annotations": {"team": "x"}},
            "status": {"loadBalancer": {}},
        });
        assert_eq!(observed("Service", service), None);
    }

    #[test]
    fn an_annotated_service_shows_its_empty_load_balancer() {
        let annotations = json!({"ako.vmware.com/tenant-name": "admin"});
        let service = json!({"metadata": {"name": "a", "annotations": annotations}, "status": {}});
        assert_eq!(
            observed("Service", service),
            Some(json!({"annotations": annotations, "loadBalancer": {}}))
        );
    }

    #[test]
    fn a_rule_shows_its_whole_status() {
        let rule = json!({"metadata": {"name": "a"}, "status": {"status": "Accepted"}});
        assert_eq!(observed("HostRule", rule), Some(json!({"status": {"status": "Accepted"}})));
    }
}
