//! Avi objects in the form that people compare: no uuids, plain references,
//! sorted keys.

use std::collections::BTreeMap;

use ako_avi_types::{ObjectKey, Ref};
use serde_json::{Map, Value};

/// `{type: {"<tenant>/<name>": object}}`.
pub fn objects<'a>(objects: impl IntoIterator<Item = (&'a ObjectKey, Value)>) -> Value {
    let mut kinds: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for (key, body) in objects {
        let name = format!("{}/{}", key.tenant, key.name);
        kinds.entry(key.kind.segment()).or_default().insert(name, plain(body));
    }
    Value::Object(kinds.into_iter().map(|(kind, map)| (kind.to_owned(), Value::Object(map))).collect())
}

/// Replaces escaped references by plain ones.
fn plain(value: Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("/api/") => Value::String(Ref::parse(&text).plain()),
        Value::Array(list) => Value::Array(list.into_iter().map(plain).collect()),
        Value::Object(map) => Value::Object(map.into_iter().map(|(k, v)| (k, plain(v))).collect()),
        other => other,
    }
}
