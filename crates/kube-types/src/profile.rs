//! What the wire forms of HealthMonitors, ApplicationProfiles and PKIProfiles have in common: what is
//! passed on to the controller, and their status. Source: Custom resources, §9.2.
//!
//! The doc comments of their fields are the descriptions in the CustomResourceDefinitions.

use std::sync::Arc;

use ako_core::ResourceKind;
use ako_core::resource::{Hold, Part, Published, Spec, Told};
use kube::core::ObjectMeta;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::convert::Stamp;
use crate::status::{WireCondition, conditions_for, conditions_of};

/// What of the controller was made of the object.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProfileStatus {
    /// The uuid of the object on the Avi Controller; empty while there is none.
    pub(crate) uuid: Option<String>,
    /// The name of the object on the Avi Controller.
    pub(crate) backend_object_name: Option<String>,
    /// The tenant of the object on the Avi Controller.
    pub(crate) tenant: Option<String>,
    /// Who makes objects of the Avi Controller of these: AKOCRDController.
    pub(crate) controller: Option<String>,
    /// The generation that this is about.
    #[allow(dead_code, reason = "the condition tells it")]
    observed_generation: Option<i64>,
    /// When this was written.
    #[schemars(extend("format" = "date-time"))]
    #[allow(dead_code, reason = "it is for people")]
    last_updated: Option<String>,
    /// Changes with the Secret that the object names.
    pub(crate) dependency_sum: Option<i64>,
    /// Whether there is an object on the Avi Controller as this one asks for, in the form that all of
    /// Kubernetes has.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub(crate) conditions: Option<Vec<WireCondition>>,
}

/// The fields of the status that hold a text.
const FIELDS: [&str; 4] = ["uuid", "backendObjectName", "tenant", "controller"];
/// The field that holds a number, and is kept as its digits.
const SUM: &str = "dependencySum";

/// What is published on an object of a kind that is held.
pub(crate) fn published(kind: ResourceKind, meta: &ObjectMeta, status: Option<ProfileStatus>) -> Published {
    let status = status.unwrap_or_default();
    let texts = [status.uuid, status.backend_object_name, status.tenant, status.controller];
    let fields = FIELDS.into_iter().zip(texts);
    let sum = status.dependency_sum.map(|sum| (Arc::from(SUM), Arc::from(sum.to_string())));
    let fields = fields.filter_map(|(name, text)| Some((name.into(), text?.into()))).chain(sum).collect();
    let conditions = conditions_of(&Part::Whole, status.conditions.unwrap_or_default()).collect();
    let hold = Some(Box::new(hold(kind, meta)));
    Published { hold, ..Published::telling(Told { conditions, fields, ..Told::default() }) }
}

/// The finalizers of an object.
fn hold(kind: ResourceKind, meta: &ObjectMeta) -> Hold {
    let ours = Hold::finalizer(kind);
    let all = meta.finalizers.iter().flatten();
    let (own, others): (Vec<_>, Vec<_>) = all.partition(|name| **name == ours);
    Hold {
        is_held: !own.is_empty(),
        others: others.into_iter().map(|name| name.as_str().into()).collect(),
        version: meta.resource_version.as_deref().unwrap_or_default().into(),
    }
}

/// The status, as a merge patch makes it what is wanted.
pub(crate) fn status(wanted: &Published, current: &Published, stamp: &Stamp<'_>) -> Value {
    let Some(told) = &wanted.told else { return Value::Null };
    let field = |name: &str| told.fields.get(name).map(|text| Value::from(&**text));
    let mut status: Map<_, _> =
        FIELDS.into_iter().map(|name| (name.to_owned(), field(name).into())).collect();
    let sum = told.fields.get(SUM).and_then(|digits| digits.parse::<i64>().ok());
    if sum.is_some() || current.told.as_ref().is_some_and(|told| told.fields.contains_key(SUM)) {
        status.insert(SUM.to_owned(), sum.into());
    }
    let generation = told.conditions.values().map(|condition| condition.generation).max();
    status.insert("observedGeneration".to_owned(), generation.into());
    status.insert("lastUpdated".to_owned(), stamp.now.into());
    status.insert("conditions".to_owned(), conditions_for(&Part::Whole, wanted, current, stamp.now));
    Value::Object(status)
}

/// The fields that are passed on, without those that are null.
pub(crate) fn passed_on(spec: Option<Map<String, Value>>) -> Spec {
    Spec(spec.map(without_null).unwrap_or_default())
}

fn without_null(fields: Map<String, Value>) -> Map<String, Value> {
    let rest = fields.into_iter().filter(|(_, value)| !value.is_null());
    let rest = rest.map(|(name, value)| match value {
        Value::Object(fields) => (name, Value::Object(without_null(fields))),
        value => (name, value),
    });
    rest.collect()
}

/// A rule of the Common Expression Language, with what is said where it is broken.
pub(crate) fn cel(rule: &str, message: &str) -> Value {
    json!({"rule": rule, "message": message})
}

/// One that forbids to change a field.
pub(crate) fn immutable(message: &str) -> Value {
    json!([cel("self == oldSelf", message)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finalizers_of_others_are_told_apart() {
        let meta = ObjectMeta {
            finalizers: Some(vec!["them/here".into(), "healthmonitor.ako.vmware.com/finalizer".into()]),
            resource_version: Some("7".into()),
            ..ObjectMeta::default()
        };
        let expected = Hold { is_held: true, others: vec!["them/here".into()], version: "7".into() };
        assert_eq!(hold(ResourceKind::HealthMonitor, &meta), expected);
        assert!(!hold(ResourceKind::PKIProfile, &meta).is_held);
    }
}
