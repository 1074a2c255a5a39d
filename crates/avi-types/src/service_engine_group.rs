//! Service engine groups, and the label that says whose routes their service
//! engines take. Source: L4 and network, B7.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::body::{Body, named};
use crate::change::FieldChange;
use crate::reference::Ref;

/// The key of the label that names a cluster.
const CLUSTER: &str = "clustername";

/// A label of a borrowed object, or of a part of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Label {
    /// Its key.
    pub key: Arc<str>,
    /// Its value.
    #[serde(default)]
    pub value: Arc<str>,
}

impl Label {
    /// The label of a cluster.
    pub fn of_cluster(cluster: impl Into<Arc<str>>) -> Self {
        Self { key: CLUSTER.into(), value: cluster.into() }
    }

    /// Whether it is the label of a cluster, to the letter: `c1` is not `c10`.
    pub fn names(&self, cluster: &str) -> bool {
        &*self.key == CLUSTER && &*self.value == cluster
    }
}

/// `/api/serviceenginegroup`, as far as it matters to us.
/// Source: Avi REST API contract, §8.11.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceEngineGroup {
    /// Its name.
    pub name: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub tenant_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub cloud_ref: Option<Ref>,
    /// At most one, says the controller.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// A label of ours that is to be taken away; none is ever read.
    #[serde(skip)]
    pub released: Option<Label>,
}

impl ServiceEngineGroup {
    /// The label that keeps a wanted one from being put there.
    pub fn claimed<'a>(&self, observed: &'a Self) -> Option<&'a Label> {
        let lacks_ours = self.labels.iter().any(|label| !observed.labels.contains(label));
        observed.labels.first().filter(|_| lacks_ours)
    }
}

impl Body for ServiceEngineGroup {
    const HAS_CREATED_BY: bool = false;
    const HAS_CLOUD: bool = true;

    named!();

    /// A label is missing, and there is room for it; or one is to go.
    fn differences(&self, observed: &Self) -> Vec<FieldChange> {
        let text = |label: &Label| Some(format!("{}={}", label.key, label.value));
        let change = |observed, wanted| FieldChange { path: "labels".to_owned(), observed, wanted };
        let missing = self.labels.iter().filter(|_| observed.labels.is_empty());
        let surplus = self.released.iter().filter(|label| observed.labels.contains(label));
        missing
            .map(|label| change(None, text(label)))
            .chain(surplus.map(|label| change(text(label), None)))
            .collect()
    }

    /// What was read, with our label if it has none.
    fn onto(&self, mut read: Value) -> Result<Value, String> {
        let labels: Vec<Label> = match read.get("labels") {
            None | Some(Value::Null) => Vec::new(),
            Some(labels) => serde_json::from_value(labels.clone()).map_err(|error| error.to_string())?,
        };
        if let Some(label) = self.claimed(&Self { labels: labels.clone(), ..Self::default() }) {
            return Err(format!("it bears the label {}={}", label.key, label.value));
        }
        let kept = labels.into_iter().filter(|label| self.released.as_ref() != Some(label));
        let all: Vec<Label> = if self.released.is_some() { kept.collect() } else { self.labels.clone() };
        if let (Some(fields), Ok(labels)) = (read.as_object_mut(), serde_json::to_value(all)) {
            fields.insert("labels".to_owned(), labels);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wanted() -> ServiceEngineGroup {
        ServiceEngineGroup { labels: vec![Label::of_cluster("c1")], ..ServiceEngineGroup::default() }
    }

    #[test]
    fn only_a_group_without_labels_is_labelled() {
        let ours = json!([{"key": "clustername", "value": "c1"}]);
        for (labels, after) in [
            (json!([]), Some(&ours)),
            (Value::Null, Some(&ours)),
            (ours.clone(), Some(&ours)),
            (json!([{"key": "clustername", "value": "c10"}]), None),
            (json!([{"key": "team", "value": "c1"}]), None),
        ] {
            let read = json!({"name": "g", "labels": labels, "max_se": 10});
            let body = wanted().onto(read);
            assert_eq!(body.as_ref().ok().map(|body| &body["labels"]), after);
            assert!(body.is_err() || body.is_ok_and(|body| body["max_se"] == 10));
        }
    }

    #[test]
    fn our_label_is_taken_away_and_no_other() {
        let ours = || Label::of_cluster("c1");
        let removal = ServiceEngineGroup { released: Some(ours()), ..ServiceEngineGroup::default() };
        for (label, left) in [(ours(), 0), (Label::of_cluster("c10"), 1)] {
            let observed = ServiceEngineGroup { labels: vec![label.clone()], ..Default::default() };
            assert_eq!(removal.differences(&observed).len(), 1 - left);
            let body = removal.onto(json!({"name": "g", "labels": [label], "max_se": 10})).unwrap();
            assert_eq!((body["labels"].as_array().map(Vec::len), &body["max_se"]), (Some(left), &json!(10)));
        }
    }

    #[test]
    fn a_label_of_somebody_else_is_no_difference() {
        let other = ServiceEngineGroup { labels: vec![Label::of_cluster("c10")], ..Default::default() };
        assert_eq!(wanted().differences(&other), []);
        assert_eq!(wanted().claimed(&other), Some(&Label::of_cluster("c10")));
        assert_eq!(wanted().differences(&ServiceEngineGroup::default()).len(), 1);
        assert_eq!(wanted().claimed(&wanted()), None);
    }
}
