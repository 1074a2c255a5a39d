//! Patches, and server-side apply.

use http::StatusCode;
use serde_json::{Value, json};

use super::update::check_preconditions;
use super::{Outcome, decode, empty, remove};
use crate::apply;
use crate::call::{Call, Target};
use crate::cluster::{Cluster, text};
use crate::patch::{json_patch, merge_patch, strategic_patch};
use crate::schema::View;
use crate::status::{Cause, Granted, Refusal};
use crate::store::Stored;
use std::sync::Arc;

impl Cluster {
    pub(super) fn patch(&mut self, call: &Call, target: &Target) -> Granted<Outcome> {
        let resource = &target.resource;
        if matches!(call.content_type(), "application/apply-patch+yaml" | "application/apply-patch+cbor") {
            return self.apply(call, target);
        }
        let old = self.get(resource, &target.namespace, &target.name)?;
        let mut new = Self::in_version(resource, &old).value.clone();
        patched(call, resource.schema.view().filter(|_| resource.custom.is_none()), &mut new)?;
        let name = text(&new["metadata"], "name");
        if name != target.name {
            let why = format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                target.name
            );
            return Err(Refusal::bad_request(why));
        }
        let warnings = decode(resource, &mut new, call)?;
        check_preconditions(resource, &old, &new)?;
        let stored = self.replace(call, target, &old, new, false)?;
        Ok(Outcome::object(StatusCode::OK, stored, warnings))
    }

    fn apply(&mut self, call: &Call, target: &Target) -> Granted<Outcome> {
        let resource = &target.resource;
        if call.query("fieldManager").is_empty() {
            let cause = Cause::required("fieldManager", "is required for apply patch");
            return Err(Refusal::invalid_options("PatchOptions", &[cause]));
        }
        let mut applied = call.object()?;
        let metadata = &applied["metadata"];
        if metadata.get("managedFields").is_some_and(|entries| !entries.is_null()) {
            return Err(Refusal::bad_request("metadata.managedFields must be nil"));
        }
        for field in ["apiVersion", "kind"] {
            if text(&applied, field).is_empty() {
                return Err(Refusal::bad_request(format!(
                    "error decoding YAML: Object '{field}' is missing"
                )));
            }
        }
        if let Some(view) = resource.schema.view().filter(|_| resource.custom.is_none()) {
            let metadata = &applied["metadata"];
            let whose = format!("{}/{}", text(metadata, "namespace"), text(metadata, "name"));
            check_declared(view, &applied, "", resource, &whose)?;
        }
        let found = self.store.get(&resource.key(), &target.namespace, &target.name).cloned();
        let live = match &found {
            Some(old) => Self::in_version(resource, old).value.clone(),
            None if target.subresource.is_empty() => {
                if text(&applied["metadata"], "name").is_empty() {
                    return Err(Refusal::bad_request(format!(
                        "the name of the object ({} based on URL) was undeterminable: name must be provided",
                        target.name
                    )));
                }
                empty(resource)
            }
            None => return Err(Refusal::not_found(resource, &target.name)),
        };
        let name = text(&applied["metadata"], "name");
        if !name.is_empty() && name != target.name {
            let why = format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                target.name
            );
            return Err(Refusal::bad_request(why));
        }
        if let Some(old) = &found {
            check_preconditions(resource, old, &applied)?;
        }
        remove(&mut applied["metadata"], "resourceVersion");
        remove(&mut applied["metadata"], "uid");
        let writer = self.writer(call, target);
        let mut merged = apply::apply(resource, &writer, &live, &applied, call.flag("force"))?;
        match found {
            None => self.create_as(call, target, merged, true),
            Some(old) => {
                let warnings = decode(resource, &mut merged, call)?;
                let stored: Arc<Stored> = self.replace(call, target, &old, merged, true)?;
                Ok(Outcome::object(StatusCode::OK, stored, warnings))
            }
        }
    }
}

/// Applies the patch of a request.
pub(super) fn patched(call: &Call, view: Option<View<'_>>, object: &mut Value) -> Granted<()> {
    let kind = call.content_type();
    let known = [
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
    ];
    if !known.contains(&kind) {
        let mut refusal = Refusal::unsupported_media("415: Unsupported Media Type");
        refusal.details = Some(json!({}));
        return Err(refusal);
    }
    let patch: Value = serde_json::from_slice(&call.body)
        .map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
    match kind {
        "application/json-patch+json" => json_patch(object, &patch).map_err(|_| Refusal::unprocessable())?,
        "application/merge-patch+json" => merge_patch(object, &patch),
        // Strategic merge patch is for built-in kinds, which have a schema of their own.
        _ if view.is_none() => {
            return Err(Refusal::unsupported_media(
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
            ));
        }
        _ => strategic_patch(view, object, &patch).map_err(Refusal::bad_request)?,
    }
    if object.is_object() { Ok(()) } else { Err(Refusal::unprocessable()) }
}

/// An applied configuration may only have fields that the kind has.
fn check_declared(
    view: View<'_>,
    applied: &Value,
    path: &str,
    resource: &crate::resource::Resource,
    whose: &str,
) -> Granted<()> {
    match applied {
        Value::Object(fields) => {
            for (name, field) in fields {
                let place = format!("{path}.{name}");
                match view.field(name) {
                    Some(view) => check_declared(view, field, &place, resource, whose)?,
                    None if view.is_struct() => {
                        return Err(Refusal::unexpected(&format!(
                            "failed to create typed patch object ({whose}; {}, Kind={}): {place}: field not declared \
                             in schema",
                            if resource.group.is_empty() { "/v1".to_owned() } else { resource.api_version() },
                            resource.kind
                        )));
                    }
                    None => {}
                }
            }
            Ok(())
        }
        Value::Array(items) => match view.item() {
            Some(view) => items.iter().try_for_each(|item| check_declared(view, item, path, resource, whose)),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}
