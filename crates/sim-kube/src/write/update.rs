//! Updates.

use http::StatusCode;
use serde_json::Value;

use super::{Outcome, decode, refuse_if_any, remove, validate};
use crate::apply::track_update;
use crate::call::{Call, Target};
use crate::cluster::{Cluster, text};
use crate::kinds;
use crate::resource::Resource;
use crate::status::{Cause, Granted, Refusal};
use crate::store::Stored;
use std::sync::Arc;

/// What a client cannot change.
const KEPT: [&str; 6] = [
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "generateName",
];

impl Cluster {
    pub(super) fn update(&mut self, call: &Call, target: &Target) -> Granted<Outcome> {
        let mut new = call.object()?;
        let resource = &target.resource;
        check_identity(target, &new)?;
        let Some(old) = self.store.get(&resource.key(), &target.namespace, &target.name).cloned() else {
            return self.create_by_update(call, target, new);
        };
        let warnings = decode(resource, &mut new, call)?;
        check_preconditions(resource, &old, &new)?;
        if text(&new["metadata"], "resourceVersion").is_empty() && resource.needs_resource_version() {
            let why = "must be specified for an update";
            let cause = Cause::invalid("metadata.resourceVersion", &0.into(), why);
            return Err(Refusal::invalid_plural(resource, &target.name, &[cause]));
        }
        let stored = self.replace(call, target, &old, new, false)?;
        Ok(Outcome::object(StatusCode::OK, stored, warnings))
    }

    fn create_by_update(&mut self, call: &Call, target: &Target, mut new: Value) -> Granted<Outcome> {
        let resource = &target.resource;
        if !resource.creates_on_update() || !target.subresource.is_empty() {
            return Err(Refusal::not_found(resource, &target.name));
        }
        let uid = text(&new["metadata"], "uid");
        if !uid.is_empty() {
            return Err(precondition_failed(resource, target, uid, ""));
        }
        if new["metadata"].is_null() {
            new["metadata"] = serde_json::json!({});
        }
        new["metadata"]["name"] = target.name.as_str().into();
        remove(&mut new["metadata"], "resourceVersion");
        self.create_as(call, target, new, false)
    }

    /// Puts a version of an object in the place of another; `applied` tells that its
    /// `managedFields` are complete.
    pub(super) fn replace(
        &mut self,
        call: &Call,
        target: &Target,
        old: &Arc<Stored>,
        mut new: Value,
        applied: bool,
    ) -> Granted<Arc<Stored>> {
        let resource = &target.resource;
        let before = Self::in_version(resource, old);
        let before = &before.value;
        if target.subresource == "status" {
            new = with_status(resource, before, new);
        } else if resource.status {
            match before.get("status") {
                Some(status) => new["status"] = status.clone(),
                None => remove(&mut new, "status"),
            }
        }
        for field in KEPT {
            match before["metadata"].get(field) {
                Some(kept) => new["metadata"][field] = kept.clone(),
                None => remove(&mut new["metadata"], field),
            }
        }
        if resource.namespaced {
            new["metadata"]["namespace"] = target.namespace.as_str().into();
        }
        new["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
        kinds::set_defaults(resource, &mut new);
        kinds::complete_status(resource, &mut new);
        if !applied {
            if new["metadata"]["managedFields"].is_null() {
                new["metadata"]["managedFields"] = before["metadata"]["managedFields"].clone();
            }
            let writer = self.writer(call, target);
            track_update(resource, &writer, before, &mut new);
        }
        // Whose a field was is noted before the kind's own rules take it away.
        if resource.is("", "Service") {
            kinds::service::prepare_update(&mut new, before);
        }
        validate(resource, &new, Some(before))?;
        self.store_update(resource, old, new, call.dry_run())
    }

    /// Keeps a new version of an object, or lets it go if it was waiting to.
    pub(crate) fn store_update(
        &mut self,
        resource: &Resource,
        old: &Arc<Stored>,
        mut new: Value,
        dry_run: bool,
    ) -> Granted<Arc<Stored>> {
        let before = Self::in_version(resource, old);
        if without_times(&new) == without_times(&before.value) {
            return Ok(before);
        }
        let relabelled = resource.is("discovery.k8s.io", "EndpointSlice")
            && new["metadata"]["labels"] != before.value["metadata"]["labels"];
        if resource.has_generation() && (relabelled || specified(&new) != specified(&before.value)) {
            let generation = before.value["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
            new["metadata"]["generation"] = generation.into();
        }
        if resource.is("", "Service") {
            self.readdress(resource, &before.value, &mut new, dry_run)?;
        }
        if resource.is("apiextensions.k8s.io", "CustomResourceDefinition") {
            self.establish(&mut new)?;
        }
        if dry_run {
            return Ok(Arc::new(Stored::new(new, old.revision)));
        }
        if is_over(resource, &new) {
            let last = self.store.put(&resource.key(), new);
            self.take_out(resource, &last);
            return Ok(last);
        }
        let stored = self.store.put(&resource.key(), new);
        self.settle(resource, &stored, false);
        Ok(stored)
    }

    fn readdress(&mut self, resource: &Resource, old: &Value, new: &mut Value, dry_run: bool) -> Granted<()> {
        let wants = |service: &Value| {
            let spec = &service["spec"];
            (spec["type"].clone(), spec["clusterIP"].clone(), spec["ports"].clone())
        };
        if wants(old) == wants(new) {
            return Ok(());
        }
        self.addresses.release(old);
        let outcome = self.addresses.allocate(new);
        if dry_run {
            self.addresses.release(new);
        }
        if dry_run || outcome.is_err() {
            self.addresses.adopt(old);
        }
        match outcome {
            Ok(()) => Ok(()),
            Err(causes) => refuse_if_any(resource, text(&new["metadata"], "name"), &causes),
        }
    }
}

/// The old object with a new status. Built-in kinds take metadata too.
fn with_status(resource: &Resource, old: &Value, mut new: Value) -> Value {
    let mut object = old.clone();
    match new.get_mut("status") {
        Some(status) => object["status"] = status.take(),
        None => remove(&mut object, "status"),
    }
    if resource.custom.is_some() {
        object["metadata"]["managedFields"] = new["metadata"]["managedFields"].take();
    } else {
        object["metadata"] = new["metadata"].take();
    }
    object
}

/// Everything but metadata and status.
fn specified(object: &Value) -> Vec<(&String, &Value)> {
    let fields = object.as_object().into_iter().flatten();
    fields.filter(|(name, _)| !matches!(name.as_str(), "metadata" | "status")).collect()
}

/// An object without the times of its `managedFields`: these alone are no change.
fn without_times(object: &Value) -> Value {
    let mut object = object.clone();
    for entry in
        object["metadata"].get_mut("managedFields").and_then(Value::as_array_mut).into_iter().flatten()
    {
        remove(entry, "time");
    }
    object
}

/// Whether nothing holds back an object that is to be deleted.
pub(super) fn is_over(resource: &Resource, object: &Value) -> bool {
    let metadata = &object["metadata"];
    let none = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    metadata["deletionTimestamp"].is_string()
        && none(&metadata["finalizers"])
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
        && (!resource.is("", "Namespace") || none(&object["spec"]["finalizers"]))
}

fn check_identity(target: &Target, new: &Value) -> Granted<()> {
    let metadata = &new["metadata"];
    let (name, namespace) = (text(metadata, "name"), text(metadata, "namespace"));
    if name.is_empty() {
        let why = format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            target.name
        );
        return Err(Refusal::bad_request(why));
    }
    if name != target.name {
        let why =
            format!("the name of the object ({name}) does not match the name on the URL ({})", target.name);
        return Err(Refusal::bad_request(why));
    }
    if !namespace.is_empty() && namespace != target.namespace {
        let why = format!(
            "the namespace of the object ({namespace}) does not match the namespace on the URL ({})",
            target.namespace
        );
        return Err(Refusal::bad_request(why));
    }
    Ok(())
}

/// The version and the identity that a write names must be those of the object.
pub(super) fn check_preconditions(resource: &Resource, old: &Arc<Stored>, new: &Value) -> Granted<()> {
    let metadata = &new["metadata"];
    let uid = text(metadata, "uid");
    let own = text(&old.value["metadata"], "uid");
    if !uid.is_empty() && uid != own {
        let target_name = old.name();
        let key = crate::store::path(old.namespace(), target_name);
        return Err(Refusal::conflict(resource, target_name, &uid_mismatch(resource, &key, uid, own)));
    }
    let version = text(metadata, "resourceVersion");
    if !matches!(version, "" | "0") && version != old.revision.to_string() {
        return Err(Refusal::stale(resource, old.name()));
    }
    Ok(())
}

fn precondition_failed(resource: &Resource, target: &Target, wanted: &str, own: &str) -> Refusal {
    let key = crate::store::path(&target.namespace, &target.name);
    Refusal::conflict(resource, &target.name, &uid_mismatch(resource, &key, wanted, own))
}

fn uid_mismatch(resource: &Resource, key: &str, wanted: &str, own: &str) -> String {
    format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{}/{key}, ResourceVersion: 0, \
         AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object meta: {own}",
        resource.plural
    )
}
