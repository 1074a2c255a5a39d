//! The subresources `scale` and `finalize`.

use http::StatusCode;
use serde_json::{Value, json};

use super::Outcome;
use super::patch::patched;
use super::update::check_preconditions;
use crate::call::{Call, Target};
use crate::cluster::{Cluster, text};
use crate::resource::{Resource, Scale};
use crate::status::{Cause, Granted, Refusal};

impl Cluster {
    /// The scale of an object.
    pub(crate) fn read_scale(&self, target: &Target) -> Granted<Value> {
        let resource = &target.resource;
        let Some(scale) = &resource.scale else { return Err(Refusal::no_path()) };
        let stored = self.get(resource, &target.namespace, &target.name)?;
        Ok(shown(resource, scale, &stored.value))
    }

    pub(super) fn write_scale(&mut self, call: &Call, target: &Target) -> Granted<Outcome> {
        let resource = &target.resource;
        let Some(scale) = &resource.scale else { return Err(Refusal::no_path()) };
        let old = self.get(resource, &target.namespace, &target.name)?;
        let mut wanted = shown(resource, scale, &old.value);
        if call.method == http::Method::PUT {
            wanted = call.object()?;
        } else {
            patched(call, None, &mut wanted)?;
        }
        check_preconditions(resource, &old, &wanted)?;
        let replicas = wanted["spec"]["replicas"].as_i64().unwrap_or(0);
        if replicas < 0 {
            let why = "must be greater than or equal to 0";
            let cause = Cause::invalid("spec.replicas", &replicas.into(), why);
            return Err(Refusal::invalid(resource, &target.name, &[cause]));
        }
        let mut new = old.value.clone();
        if let Some(place) = new.pointer_mut(&pointer(&scale.spec_replicas)) {
            *place = replicas.into();
        } else {
            new["spec"]["replicas"] = replicas.into();
        }
        let stored = self.replace(call, target, &old, new, false)?;
        Ok(Outcome::value(StatusCode::OK, shown(resource, scale, &stored.value)))
    }

    pub(super) fn finalize(&mut self, call: &Call, target: &Target) -> Granted<Outcome> {
        let resource = &target.resource;
        if !resource.is("", "Namespace") {
            return Err(Refusal::no_path());
        }
        let old = self.get(resource, "", &target.name)?;
        let wanted = call.object()?;
        check_preconditions(resource, &old, &wanted)?;
        let mut new = old.value.clone();
        match wanted["spec"]
            .get("finalizers")
            .filter(|list| list.as_array().is_some_and(|list| !list.is_empty()))
        {
            Some(finalizers) => new["spec"]["finalizers"] = finalizers.clone(),
            None => super::remove(&mut new["spec"], "finalizers"),
        }
        let stored = self.store_update(resource, &old, new, call.dry_run())?;
        Ok(Outcome::object(StatusCode::OK, stored, Vec::new()))
    }
}

/// `.spec.replicas` as a JSON pointer.
fn pointer(path: &str) -> String {
    path.replace('.', "/")
}

fn shown(resource: &Resource, scale: &Scale, object: &Value) -> Value {
    let number = |path: &str| object.pointer(&pointer(path)).and_then(Value::as_i64).unwrap_or(0);
    let metadata = &object["metadata"];
    let mut status = json!({"replicas": number(&scale.status_replicas)});
    let selector = match &scale.selector {
        Some(path) => object.pointer(&pointer(path)).and_then(Value::as_str).map(str::to_owned),
        None if resource.custom.is_none() => Some(labels(&object["spec"]["selector"]["matchLabels"])),
        None => None,
    };
    if let Some(selector) = selector {
        status["selector"] = selector.into();
    }
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": text(metadata, "name"),
            "namespace": text(metadata, "namespace"),
            "uid": text(metadata, "uid"),
            "resourceVersion": text(metadata, "resourceVersion"),
            "creationTimestamp": text(metadata, "creationTimestamp"),
        },
        "spec": {"replicas": number(&scale.spec_replicas)},
        "status": status,
    })
}

fn labels(labels: &Value) -> String {
    let pairs = labels.as_object().into_iter().flatten();
    let pairs = pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    pairs.collect::<Vec<_>>().join(",")
}
