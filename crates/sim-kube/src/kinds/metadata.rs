//! `metadata` of all kinds.

use serde_json::Value;

use super::refuse_all;
use crate::cluster::text;
use crate::resource::Resource;
use crate::status::Cause;
use crate::syntax;

/// Bytes of all annotations at most.
const MOST_ANNOTATIONS: usize = 256 * 1024;

pub(crate) fn validate_metadata(resource: &Resource, object: &Value) -> Vec<Cause> {
    let metadata = &object["metadata"];
    let mut causes = Vec::new();
    let name = text(metadata, "name");
    let generated = text(metadata, "generateName");
    if name.is_empty() && generated.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else if !name.is_empty() {
        let wrong = match (&*resource.group, &*resource.kind) {
            ("rbac.authorization.k8s.io", _) => syntax::path_segment(name),
            // Since 1.36 the names of Services may begin with a digit.
            ("", "Namespace" | "Service") => syntax::label(name),
            _ => syntax::subdomain(name),
        };
        refuse_all("metadata.name", name, wrong, &mut causes);
    }
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        refuse_all("metadata.labels", key, syntax::qualified_name(key), &mut causes);
        if let Some(value) = value.as_str() {
            refuse_all("metadata.labels", value, syntax::label_value(value), &mut causes);
        }
    }
    let mut size = 0;
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        refuse_all("metadata.annotations", key, syntax::qualified_name(&key.to_lowercase()), &mut causes);
        size += key.len() + value.as_str().unwrap_or_default().len();
    }
    if size > MOST_ANNOTATIONS {
        let message = format!("Too long: may not be more than {MOST_ANNOTATIONS} bytes");
        causes.push(Cause { reason: "FieldValueTooLong", field: "metadata.annotations".to_owned(), message });
    }
    for (at, finalizer) in super::items(&metadata["finalizers"]) {
        let name = finalizer.as_str().unwrap_or_default();
        let field = format!("metadata.finalizers[{at}]");
        let known = matches!(name, "orphan" | "foregroundDeletion" | "kubernetes");
        refuse_all(&field, name, syntax::qualified_name(name), &mut causes);
        if !known && !name.contains('/') && syntax::qualified_name(name).is_empty() {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(Cause::invalid(field, finalizer, why));
        }
    }
    causes
}

/// A field that must stay what it was.
pub(crate) fn unchangeable(field: &str, new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    if new != old {
        causes.push(Cause::invalid(field, new, "field is immutable"));
    }
}
