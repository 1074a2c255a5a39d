//! Label and field selectors.
//! Source: Kubernetes documentation, "Labels and Selectors", "Field Selectors".

use serde_json::Value;

use crate::resource::Resource;
use crate::status::{Granted, Refusal};

/// What objects must be like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Missing,
}

impl Selector {
    pub(crate) fn parse(resource: &Resource, labels: &str, fields: &str) -> Granted<Self> {
        let labels = parse_labels(labels)
            .map_err(|why| Refusal::bad_request(format!("unable to parse requirement: {why}")))?;
        let mut selector = Self { labels, fields: Vec::new() };
        for part in fields.split(',').filter(|part| !part.is_empty()) {
            let (key, equal, value) = if let Some((key, value)) = part.split_once("!=") {
                (key, false, value)
            } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (key, true, value)
            } else {
                let why = format!("invalid selector: '{fields}'; can't understand '{part}'");
                return Err(Refusal::bad_request(why));
            };
            if !supported(resource, key) {
                let why = format!(
                    "\"{key}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                );
                return Err(Refusal::bad_request(why));
            }
            selector.fields.push((key.to_owned(), equal, value.to_owned()));
        }
        Ok(selector)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn selects(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|requirement| requirement.holds(labels))
            && self.fields.iter().all(|(key, equal, value)| (field(object, key) == *value) == *equal)
    }
}

impl Requirement {
    fn holds(&self, labels: &Value) -> bool {
        let value = labels.get(&self.key).and_then(Value::as_str);
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.iter().any(|one| one == value)),
            Operator::NotIn(values) => !value.is_some_and(|value| values.iter().any(|one| one == value)),
            Operator::Exists => value.is_some(),
            Operator::Missing => value.is_none(),
        }
    }
}

/// Fields that selectors may name, besides those of all kinds.
fn supported(resource: &Resource, key: &str) -> bool {
    if key == "metadata.name" || (key == "metadata.namespace" && resource.namespaced) {
        return true;
    }
    let more: &[&str] = match (&*resource.group, &*resource.kind) {
        ("", "Secret") => &["type"],
        ("", "Event") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("", "Pod") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        ("", "Namespace") => &["status.phase"],
        ("", "Node") => &["spec.unschedulable"],
        ("", "Service") => &["spec.clusterIP", "spec.type"],
        _ => &[],
    };
    more.contains(&key)
}

fn field(object: &Value, key: &str) -> String {
    let key = if key == "source" { "source.component" } else { key };
    let found = key.split('.').try_fold(object, |value, part| value.get(part));
    match found {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) if key == "spec.unschedulable" || key == "spec.hostNetwork" => {
            "false".to_owned()
        }
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, String> {
    split_outside_parentheses(text).into_iter().map(|part| parse_requirement(part.trim())).collect()
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_u32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn parse_requirement(text: &str) -> Result<Requirement, String> {
    let one = |key: &str, operator| Ok(Requirement { key: key.trim().to_owned(), operator });
    let value = |value: &str| vec![value.trim().to_owned()];
    if let Some((key, rest)) = text.split_once("!=") {
        return one(key, Operator::NotIn(value(rest)));
    }
    if let Some((key, rest)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return one(key, Operator::In(value(rest)));
    }
    if let Some((head, list)) = text.split_once('(') {
        let Some(list) = list.strip_suffix(')') else {
            return Err(format!("found '{text}', expected: ',' or ')'"));
        };
        let values = list.split(',').map(|value| value.trim().to_owned()).collect();
        let words: Vec<&str> = head.split_whitespace().collect();
        return match words.as_slice() {
            [key, "in"] => one(key, Operator::In(values)),
            [key, "notin"] => one(key, Operator::NotIn(values)),
            _ => Err(format!("found '{head}', expected: in, notin, =, ==, !=, gt, lt")),
        };
    }
    let (key, operator) = match text.strip_prefix('!') {
        Some(key) => (key, Operator::Missing),
        None => (text, Operator::Exists),
    };
    if key.split_whitespace().count() == 1 {
        one(key, operator)
    } else {
        Err(format!("found '{key}', expected: in, notin, =, ==, !=, gt, lt"))
    }
}

/// Whether labels have all that a `matchLabels` or a Service's selector wants.
pub(crate) fn matches_all(wanted: &Value, labels: &Value) -> bool {
    wanted.as_object().into_iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
}
