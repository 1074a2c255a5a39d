//! Kinds that need little.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{default, items, refuse_all, unchangeable};
use crate::cluster::text;
use crate::resource::Resource;
use crate::status::Cause;
use crate::syntax;

/// Bytes of a ConfigMap or a Secret at most.
const MOST_DATA: usize = 1024 * 1024;

pub(crate) fn default_secret(object: &mut Value) {
    default(object, "type", "Opaque");
    let Some(fields) = object.as_object_mut() else { return };
    if let Some(Value::Object(plain)) = fields.remove("stringData") {
        let data = fields.entry("data").or_insert_with(|| json!({}));
        for (key, value) in plain {
            data[key] = STANDARD.encode(value.as_str().unwrap_or_default()).into();
        }
    }
}

pub(crate) fn default_namespace(object: &mut Value) {
    let name = object["metadata"]["name"].clone();
    if name.is_string() {
        if !object["metadata"]["labels"].is_object() {
            object["metadata"]["labels"] = json!({});
        }
        object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
    }
}

pub(crate) fn default_event(object: &mut Value) {
    for key in ["firstTimestamp", "lastTimestamp", "eventTime"] {
        if object.get(key).is_none() {
            object[key] = Value::Null;
        }
    }
    default(object, "source", json!({}));
    default(object, "reportingComponent", "");
    default(object, "reportingInstance", "");
}

pub(crate) fn default_role(kind: &str, object: &mut Value) {
    if kind.ends_with("Role") && object.get("rules").is_none() {
        object["rules"] = Value::Null;
    }
    if kind.ends_with("Binding") {
        default(&mut object["roleRef"], "apiGroup", "");
        if object["roleRef"]["apiGroup"] == "" {
            object["roleRef"]["apiGroup"] = "rbac.authorization.k8s.io".into();
        }
        for subject in object["subjects"].as_array_mut().into_iter().flatten() {
            if matches!(text(subject, "kind"), "User" | "Group") {
                default(subject, "apiGroup", "rbac.authorization.k8s.io");
            }
        }
    }
}

pub(crate) fn default_ingress_class(object: &mut Value) {
    let parameters = &mut object["spec"]["parameters"];
    if parameters.is_object() {
        default(parameters, "scope", "Cluster");
    } else if let Some(spec) = object["spec"].as_object_mut() {
        spec.remove("parameters");
    }
}

pub(crate) fn validate_ingress_class(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let controller = text(&new["spec"], "controller");
    if let Some(old) = old {
        unchangeable("spec.controller", &new["spec"]["controller"], &old["spec"]["controller"], &mut causes);
    } else if controller.is_empty() {
        causes.push(Cause::required("spec.controller", ""));
    } else if !controller.contains('/') {
        let why = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        causes.push(Cause::invalid("spec.controller", &new["spec"]["controller"], why));
    }
    causes
}

pub(crate) fn validate_data(resource: &Resource, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut size = 0;
    for part in ["data", "binaryData"] {
        for (key, value) in new[part].as_object().into_iter().flatten() {
            let fine = !key.is_empty()
                && key.len() <= 253
                && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
            if !fine {
                let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. \
                           'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is \
                           '[-._a-zA-Z0-9]+')";
                causes.push(Cause::invalid(format!("{part}[{key}]"), &Value::from(key.as_str()), why));
            }
            size += value.as_str().unwrap_or_default().len();
        }
    }
    if size > MOST_DATA {
        let message = format!("Too long: may not be more than {MOST_DATA} bytes");
        let field = if &*resource.kind == "Secret" { "data" } else { "" };
        causes.push(Cause { reason: "FieldValueTooLong", field: field.to_owned(), message });
    }
    if text(new, "type") == "kubernetes.io/tls" {
        for key in ["tls.crt", "tls.key"] {
            if new["data"].get(key).is_none() {
                causes.push(Cause::required(format!("data[{key}]"), ""));
            }
        }
    }
    if let Some(old) = old {
        if &*resource.kind == "Secret" {
            unchangeable("type", &new["type"], &old["type"], &mut causes);
        }
        if old["immutable"] == true && new["data"] != old["data"] {
            causes.push(Cause::forbidden("data", "field is immutable when `immutable` is set"));
        }
    }
    causes
}

pub(crate) fn validate_lease(new: &Value) -> Vec<Cause> {
    let spec = &new["spec"];
    let mut causes = Vec::new();
    if spec["leaseDurationSeconds"].as_i64().is_some_and(|seconds| seconds <= 0) {
        let value = &spec["leaseDurationSeconds"];
        causes.push(Cause::invalid("spec.leaseDurationSeconds", value, "must be greater than 0"));
    }
    if spec["leaseTransitions"].as_i64().is_some_and(|count| count < 0) {
        let why = "must be greater than or equal to 0";
        causes.push(Cause::invalid("spec.leaseTransitions", &spec["leaseTransitions"], why));
    }
    causes
}

pub(crate) fn validate_binding(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let role = &new["roleRef"];
    if let Some(old) = old
        && role != &old["roleRef"]
    {
        causes.push(Cause::invalid("roleRef", role, "cannot change roleRef"));
    }
    if !matches!(text(role, "kind"), "Role" | "ClusterRole") {
        let supported = ["Role", "ClusterRole"];
        causes.push(Cause::unsupported("roleRef.kind", &Value::from(text(role, "kind")), &supported));
    }
    if text(role, "name").is_empty() {
        causes.push(Cause::required("roleRef.name", ""));
    }
    for (at, subject) in items(&new["subjects"]) {
        let name = text(subject, "name");
        if name.is_empty() {
            causes.push(Cause::required(format!("subjects[{at}].name"), ""));
        }
        if text(subject, "kind") == "ServiceAccount" {
            refuse_all(&format!("subjects[{at}].name"), name, syntax::subdomain(name), &mut causes);
            if text(subject, "namespace").is_empty() {
                causes.push(Cause::required(format!("subjects[{at}].namespace"), ""));
            }
        }
    }
    causes
}
