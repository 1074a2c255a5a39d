//! Statuses: what is read of them, and what is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_core::annotation;
use ako_core::resource::{Condition, Part, Published, PublishedAddress, Truth};
use kube::core::ObjectMeta;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::convert::Convert;
use crate::metadata;

/// `status` of a kind that has addresses as Ingresses and Services have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoadBalancerStatus {
    load_balancer: Option<LoadBalancer>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct LoadBalancer {
    ingress: Option<Vec<Address>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Address {
    ip: Option<String>,
    hostname: Option<String>,
}

/// What was published on an object, in its status and its annotations.
pub(crate) fn published<K: Convert>(meta: &ObjectMeta, status: Option<LoadBalancerStatus>) -> Published {
    let addresses = status.and_then(|s| s.load_balancer).and_then(|l| l.ingress).unwrap_or_default();
    let text = |text: Option<String>| text.unwrap_or_default().into();
    Published {
        addresses: addresses
            .into_iter()
            .map(|a| PublishedAddress { hostname: text(a.hostname), ip: text(a.ip) })
            .collect(),
        annotations: metadata::annotations::<K>(meta, &annotation::PUBLISHED),
        ..Published::default()
    }
}

/// The addresses of such a kind, for a merge patch of its status. Other parts of the status,
/// such as a Service's conditions, belong to others: they stay, unlike in upstream, which
/// clears with `{"status":null}`.
pub(crate) fn load_balancer(published: &Published) -> Value {
    let entry = |address: &PublishedAddress| {
        if address.hostname.is_empty() {
            json!({"ip": &*address.ip})
        } else {
            json!({"ip": &*address.ip, "hostname": &*address.hostname})
        }
    };
    let entries: Vec<_> = published.addresses.iter().map(entry).collect();
    let entries = if entries.is_empty() { Value::Null } else { Value::Array(entries) };
    json!({"loadBalancer": {"ingress": entries}})
}

/// Whether something is so of the object.
// Source: Kubernetes API, `Condition` of meta/v1.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireCondition {
    /// What may be so.
    #[serde(rename = "type")]
    #[schemars(required)]
    kind: Option<String>,
    /// Whether it is so: True, False, or Unknown.
    #[schemars(required, extend("enum" = ["True", "False", "Unknown"]))]
    status: Option<String>,
    /// Why, in one word for programs.
    #[schemars(required)]
    reason: Option<String>,
    /// Why, for people.
    #[schemars(required)]
    message: Option<String>,
    /// The generation of the object that this was found out of.
    observed_generation: Option<i64>,
    /// Since when it has this status.
    #[schemars(required, extend("format" = "date-time"))]
    last_transition_time: Option<String>,
}

/// Whether a condition stands there and is true.
pub(crate) fn is_true(conditions: &[WireCondition], kind: &str) -> bool {
    let is_so = |condition: &WireCondition| condition.status.as_deref() == Some("True");
    conditions.iter().any(|condition| condition.kind.as_deref() == Some(kind) && is_so(condition))
}

/// The conditions of a part of an object as they stand there.
pub fn conditions_of(
    part: &Part,
    conditions: Vec<WireCondition>,
) -> impl Iterator<Item = ((Part, Arc<str>), Condition)> {
    let read = move |wire: WireCondition| {
        let text = |text: Option<String>| text.unwrap_or_default().into();
        let status = match wire.status.as_deref() {
            Some("True") => Truth::True,
            Some("False") => Truth::False,
            _ => Truth::Unknown,
        };
        let condition = Condition {
            status,
            reason: text(wire.reason),
            message: text(wire.message),
            generation: wire.observed_generation.unwrap_or_default(),
            since: wire.last_transition_time.map(Into::into),
        };
        ((part.clone(), text(wire.kind)), condition)
    };
    conditions.into_iter().map(read)
}

/// The conditions of a part of an object as they are to be written: the whole list, in order of
/// their types. One whose status stands there already keeps its time; the others have it since
/// `now`.
pub fn conditions_for(part: &Part, wanted: &Published, current: &Published, now: &str) -> Value {
    let of_part = |published: &Published| -> BTreeMap<Arc<str>, Condition> {
        let all = published.told.iter().flat_map(|told| &told.conditions);
        let own = all.filter(|((other, _), _)| other == part);
        own.map(|((_, kind), condition)| (kind.clone(), condition.clone())).collect()
    };
    let before = of_part(current);
    let entry = |(kind, condition): (Arc<str>, Condition)| {
        let old = before.get(&kind).filter(|old| old.status == condition.status);
        let since = old.and_then(|old| old.since.clone()).unwrap_or_else(|| now.into());
        json!({
            "type": &*kind,
            "status": condition.status.as_str(),
            "reason": &*condition.reason,
            "message": &*condition.message,
            "observedGeneration": condition.generation,
            "lastTransitionTime": &*since,
        })
    };
    of_part(wanted).into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use ako_core::resource::Told;

    use super::*;

    fn told(status: Truth, since: Option<&str>) -> Published {
        let condition = Condition {
            status,
            reason: "Accepted".into(),
            message: "".into(),
            generation: 3,
            since: since.map(Into::into),
        };
        let conditions = [((Part::Whole, "Accepted".into()), condition)].into();
        Published::telling(Told { conditions, ..Told::default() })
    }

    #[test]
    fn a_time_is_set_when_a_status_flips_and_only_then() {
        let since = |wanted: &Published, current: &Published| {
            let list = conditions_for(&Part::Whole, wanted, current, "now");
            list[0]["lastTransitionTime"].as_str().unwrap_or_default().to_owned()
        };
        let wanted = told(Truth::True, None);
        let nothing = Published::default();
        assert_eq!(since(&wanted, &nothing), "now");
        assert_eq!(since(&wanted, &told(Truth::True, Some("before"))), "before");
        assert_eq!(since(&wanted, &told(Truth::False, Some("before"))), "now");
        let other = conditions_for(&Part::Listener("a".into()), &wanted, &nothing, "now");
        assert!(other.as_array().is_some_and(Vec::is_empty));
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let wanted = told(Truth::Unknown, Some("before"));
        let list = conditions_for(&Part::Whole, &wanted, &wanted, "now");
        let wire: Vec<WireCondition> = serde_json::from_value(list).unwrap_or_default();
        let conditions = conditions_of(&Part::Whole, wire).collect();
        assert_eq!(Published::telling(Told { conditions, ..Told::default() }), wanted);
    }
}
