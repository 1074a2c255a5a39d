//! What clients sent, as opposed to what the Controller added.
//!
//! A client that reads an object, changes a field and writes all of it back also
//! sends the Controller's own additions. Those are not its words: [`own_words`]
//! leaves them out, so that dumps show what was configured. A body that a client built
//! itself ([`is_read_back`] is false) is taken at its word.

use serde_json::Value;

use crate::store::Fields;

/// Fields that only the Controller sets; in a body they are ignored.
pub(crate) const READ_ONLY: &[&str] = &[
    "uuid",
    "url",
    "_last_modified",
    "version",
    "vh_child_vs_uuid",
    "vip_runtime",
    "self_se_election",
    "tls_ticket_key",
    "marked_for_delete",
];

/// Whether a body was read from the Controller: it carries what only that sets, and most of what
/// that added to what was sent before. A client that knows the version of an object may well build
/// the rest itself.
pub(crate) fn is_read_back(body: &Fields, earlier: &Fields, full: &Fields) -> bool {
    let knows_version = ["_last_modified", "uuid", "url"].iter().any(|key| body.contains_key(*key));
    let is_added = |key: &&String| !READ_ONLY.contains(&key.as_str()) && !earlier.contains_key(*key);
    let added: Vec<_> = full.keys().filter(is_added).collect();
    let carried = added.iter().filter(|key| body.contains_key(**key)).count();
    knows_version && 2 * carried >= added.len()
}

/// The body without what merely repeats an addition of the Controller: a field that
/// was never sent before and has the value the Controller gave it.
pub(crate) fn own_words(body: &Fields, earlier: &Fields, full: &Fields) -> Fields {
    let mut words = Fields::new();
    for (key, value) in body {
        let (said, had) = (earlier.get(key), full.get(key));
        if said.is_none() && had == Some(value) {
            continue;
        }
        words.insert(key.clone(), value_words(value, said, had));
    }
    words
}

fn value_words(value: &Value, said: Option<&Value>, had: Option<&Value>) -> Value {
    match (value, said, had) {
        (Value::Object(new), Some(Value::Object(said)), Some(Value::Object(had))) => {
            own_words(new, said, had).into()
        }
        (Value::Array(new), Some(Value::Array(said)), Some(Value::Array(had))) => {
            let words = |(index, item): (usize, &Value)| value_words(item, said.get(index), had.get(index));
            new.iter().enumerate().map(words).collect()
        }
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_body_with_little_of_what_was_added_was_not_read_back() {
        let fields = |value: &Value| value.as_object().cloned().expect("an object");
        let said = fields(&json!({"name": "a"}));
        let full = fields(&json!({"name": "a", "uuid": "u", "enabled": true, "x": 1, "y": 2}));
        let read_back = |body: &Value| is_read_back(&fields(body), &said, &full);
        assert!(read_back(&json!({"name": "b", "uuid": "u", "enabled": true, "x": 1})));
        assert!(!read_back(&json!({"name": "b", "uuid": "u", "enabled": true})));
        assert!(!read_back(&json!({"name": "b", "enabled": true, "x": 1})));
    }

    #[test]
    fn echoes_are_dropped_and_changes_are_kept() {
        let fields = |value: &Value| value.as_object().cloned().expect("an object");
        let said = json!({"name": "a", "list": [{"x": 1}]});
        let full = json!({"name": "a", "enabled": true, "list": [{"x": 1, "y": 2}]});
        let body = json!({"name": "a", "enabled": true, "list": [{"x": 3, "y": 2}, {"y": 2}], "new": 1});
        let words = own_words(&fields(&body), &fields(&said), &fields(&full));
        assert_eq!(Value::from(words), json!({"name": "a", "list": [{"x": 3}, {"y": 2}], "new": 1}));
    }
}
