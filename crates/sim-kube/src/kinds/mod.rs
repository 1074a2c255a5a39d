//! What the built-in kinds have of their own: defaults and checks.
//! Source: Kubernetes API reference; behaviour of kube-apiserver 1.36.

mod endpoint_slice;
mod ingress;
mod metadata;
mod others;
pub(crate) mod service;
pub(crate) mod workload;

use serde_json::{Value, json};

use crate::resource::Resource;
use crate::status::Cause;

pub(crate) use metadata::{unchangeable, validate_metadata};

/// Sets a field that is missing.
pub(crate) fn default(object: &mut Value, key: &str, value: impl Into<Value>) {
    if object.is_null() {
        *object = json!({});
    }
    if object.get(key).is_none_or(Value::is_null) {
        object[key] = value.into();
    }
}

/// Fills in what a client left out.
pub(crate) fn set_defaults(resource: &Resource, object: &mut Value) {
    match (&*resource.group, &*resource.kind) {
        ("", "Service") => service::set_defaults(object),
        ("", "Pod") => workload::default_pod(object),
        ("", "Secret") => others::default_secret(object),
        ("", "Namespace") => others::default_namespace(object),
        ("", "Event") => others::default_event(object),
        ("apps", "StatefulSet") => workload::default_stateful_set(object),
        ("apps", "Deployment") => workload::default_deployment(object),
        ("apps", "ReplicaSet") => workload::default_replica_set(object),
        ("discovery.k8s.io", "EndpointSlice") => endpoint_slice::set_defaults(object),
        ("rbac.authorization.k8s.io", kind) => others::default_role(kind, object),
        ("networking.k8s.io", "IngressClass") => others::default_ingress_class(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => crate::custom::default_definition(object),
        _ => {}
    }
}

/// What a new object of a kind begins with, whatever the client says.
pub(crate) fn begin(resource: &Resource, object: &mut Value) {
    if resource.status && !resource.is("", "Node") {
        let status = match &*resource.kind {
            "Namespace" => json!({"phase": "Active"}),
            "Pod" => json!({"phase": "Pending", "qosClass": "BestEffort"}),
            "Service" | "Ingress" => json!({"loadBalancer": {}}),
            "StatefulSet" => json!({"replicas": 0, "availableReplicas": 0}),
            "ReplicaSet" => json!({"replicas": 0}),
            "Deployment" => json!({}),
            "CustomResourceDefinition" => {
                json!({"conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": null})
            }
            _ => Value::Null,
        };
        if status.is_null() {
            if let Some(fields) = object.as_object_mut() {
                fields.remove("status");
            }
        } else {
            object["status"] = status;
        }
    }
}

/// What is wrong with an object; `old` is what it replaces.
pub(crate) fn validate(resource: &Resource, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    match (&*resource.group, &*resource.kind) {
        ("", "Service") => service::validate(new, old),
        ("", "ConfigMap" | "Secret") => others::validate_data(resource, new, old),
        ("", "Pod") => workload::validate_pod(new),
        ("apps", _) => workload::validate(new, old),
        ("coordination.k8s.io", "Lease") => others::validate_lease(new),
        ("discovery.k8s.io", "EndpointSlice") => endpoint_slice::validate(new, old),
        ("networking.k8s.io", "Ingress") => ingress::validate(new),
        ("networking.k8s.io", "IngressClass") => others::validate_ingress_class(new, old),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            others::validate_binding(new, old)
        }
        _ => Vec::new(),
    }
}

/// A status as the kind's own writers give it.
pub(crate) fn complete_status(resource: &Resource, object: &mut Value) {
    if resource.is("", "Service") {
        service::default_ip_modes(object);
    }
}

/// A port number of a field.
pub(crate) fn check_port(field: &str, value: &Value, causes: &mut Vec<Cause>) {
    if !value.as_i64().is_some_and(|port| (1..=65535).contains(&port)) {
        causes.push(Cause::invalid(field, value, "must be between 1 and 65535, inclusive"));
    }
}

/// Adds everything that is wrong with a text.
pub(crate) fn refuse_all(field: &str, text: &str, wrong: Vec<String>, causes: &mut Vec<Cause>) {
    causes.extend(wrong.into_iter().map(|why| Cause::invalid(field, &Value::from(text), why)));
}

/// The items of a list.
pub(crate) fn items(value: &Value) -> impl Iterator<Item = (usize, &Value)> {
    value.as_array().into_iter().flatten().enumerate()
}
