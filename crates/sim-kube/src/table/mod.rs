//! Tables: what `kubectl get` prints.
//! Source: Kubernetes documentation, "Kubernetes API Concepts", "Receiving resources as
//! Tables"; columns of kube-apiserver 1.36.

mod cells;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::cluster::text;
use crate::listing::partial;
use crate::resource::Resource;
use crate::store::Stored;

/// Columns of a kind: its name, whether it is only shown with `-o wide`.
fn columns(resource: &Resource) -> Vec<(&'static str, &'static str, u8)> {
    let named: &[(&str, u8)] = match (&*resource.group, &*resource.kind) {
        ("", "Namespace") => &[("Status", 0), ("Age", 0)],
        ("", "Node") => &[
            ("Status", 0),
            ("Roles", 0),
            ("Age", 0),
            ("Version", 0),
            ("Internal-IP", 1),
            ("External-IP", 1),
            ("OS-Image", 1),
            ("Kernel-Version", 1),
            ("Container-Runtime", 1),
        ],
        ("", "Service") => {
            &[("Type", 0), ("Cluster-IP", 0), ("External-IP", 0), ("Port(s)", 0), ("Age", 0), ("Selector", 1)]
        }
        ("", "Secret") => &[("Type", 0), ("Data", 0), ("Age", 0)],
        ("", "ConfigMap") => &[("Data", 0), ("Age", 0)],
        ("", "Pod") => &[
            ("Ready", 0),
            ("Status", 0),
            ("Restarts", 0),
            ("Age", 0),
            ("IP", 1),
            ("Node", 1),
            ("Nominated Node", 1),
            ("Readiness Gates", 1),
        ],
        ("discovery.k8s.io", _) => &[("AddressType", 0), ("Ports", 0), ("Endpoints", 0), ("Age", 0)],
        ("networking.k8s.io", "Ingress") => {
            &[("Class", 0), ("Hosts", 0), ("Address", 0), ("Ports", 0), ("Age", 0)]
        }
        ("networking.k8s.io", _) => &[("Controller", 0), ("Parameters", 0), ("Age", 0)],
        ("apps", "StatefulSet") => &[("Ready", 0), ("Age", 0), ("Containers", 1), ("Images", 1)],
        ("apps", "Deployment") => &[
            ("Ready", 0),
            ("Up-to-date", 0),
            ("Available", 0),
            ("Age", 0),
            ("Containers", 1),
            ("Images", 1),
            ("Selector", 1),
        ],
        ("apps", _) => &[
            ("Desired", 0),
            ("Current", 0),
            ("Ready", 0),
            ("Age", 0),
            ("Containers", 1),
            ("Images", 1),
            ("Selector", 1),
        ],
        ("coordination.k8s.io", _) => &[("Holder", 0), ("Age", 0)],
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            &[("Role", 0), ("Age", 0), ("Users", 1), ("Groups", 1), ("ServiceAccounts", 1)]
        }
        ("rbac.authorization.k8s.io" | "apiextensions.k8s.io", _) => &[("Created At", 0)],
        _ => &[("Age", 0)],
    };
    let kind = |name: &str| match (name, &*resource.kind) {
        ("Created At", _) => "date",
        ("Desired" | "Current" | "Ready", "ReplicaSet") => "integer",
        _ => "string",
    };
    named.iter().map(|&(name, priority)| (name, kind(name), priority)).collect()
}

/// A table of objects; without `headed` its columns are left out.
pub(crate) fn render(
    resource: &Resource,
    objects: &[Arc<Stored>],
    call: &Call,
    now: Timestamp,
    headed: bool,
) -> Value {
    let definition = |name: &str, kind: &str, format: &str, priority: u64| json!({"name": name, "type": kind, "format": format, "description": "", "priority": priority});
    let row = |stored: &Arc<Stored>| {
        let object = match call.query("includeObject") {
            "Object" => stored.value.clone(),
            "None" => Value::Null,
            _ => partial(&stored.value),
        };
        json!({"cells": cells_of(resource, &stored.value, now), "object": object})
    };
    let definitions: Value = if !headed {
        Value::Null
    } else if resource.is("", "Event") {
        cells::EVENT_COLUMNS
            .iter()
            .map(|&(name, priority)| {
                definition(name, "string", if name == "Name" { "name" } else { "" }, priority)
            })
            .collect()
    } else {
        let mut all = vec![definition("Name", "string", "name", 0)];
        match &resource.custom {
            Some(custom) if !custom.columns.is_empty() => all.extend(custom.columns.iter().map(|column| {
                let priority = column["priority"].as_u64().unwrap_or(0);
                definition(text(column, "name"), text(column, "type"), text(column, "format"), priority)
            })),
            Some(_) => all.push(definition("Age", "date", "", 0)),
            None => all.extend(
                columns(resource)
                    .iter()
                    .map(|&(name, kind, priority)| definition(name, kind, "", priority.into())),
            ),
        }
        Value::Array(all)
    };
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "columnDefinitions": definitions,
        "rows": objects.iter().map(row).collect::<Vec<_>>(),
    })
}

/// Adds a list's metadata.
pub(crate) fn with_metadata(mut table: Value, metadata: Value) -> Value {
    table["metadata"] = if metadata.is_null() { Value::Object(Map::new()) } else { metadata };
    table
}

fn cells_of(resource: &Resource, object: &Value, now: Timestamp) -> Vec<Value> {
    if resource.is("", "Event") {
        return cells::event(object, now);
    }
    let mut row = vec![object["metadata"]["name"].clone()];
    let age = || Value::from(cells::age(&object["metadata"]["creationTimestamp"], now));
    match &resource.custom {
        Some(custom) if !custom.columns.is_empty() => {
            row.extend(custom.columns.iter().map(|column| custom_cell(column, object, now)));
        }
        Some(_) => row.push(age()),
        None => {
            for (name, _, _) in columns(resource) {
                row.push(if name == "Age" { age() } else { cells::cell(resource, name, object) });
            }
        }
    }
    row
}

/// The value that a simple JSON path leads to: names, indexes and `[?(@.a=="b")]`.
fn custom_cell(column: &Value, object: &Value, now: Timestamp) -> Value {
    let found = cells::json_path(text(column, "jsonPath"), object);
    match (text(column, "type"), found) {
        ("date", Some(found)) => cells::age(found, now).into(),
        ("string", Some(Value::String(text))) => text.as_str().into(),
        ("string", Some(other)) => other.to_string().into(),
        (_, Some(other)) => other.clone(),
        (_, None) => Value::Null,
    }
}
