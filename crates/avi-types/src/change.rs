//! What differs between a wanted and an observed object, field by field.

use std::fmt;

use serde_json::Value;

use crate::reference::Ref;

/// How much of a value is shown in a plan.
const SHOWN: usize = 120;

/// The fields that hold secrets, wherever they are: how an authorization server knows us, and what a
/// health monitor signs in with.
const SECRETS: [&str; 3] = ["client_secret", "server_secret", "password"];

/// One field that is not as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// Where, as in `servers[2].enabled`.
    pub path: String,
    /// What the controller holds; `None` if it holds nothing there.
    pub observed: Option<String>,
    /// What is wanted; `None` if nothing is.
    pub wanted: Option<String>,
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |v: &Option<String>| v.clone().unwrap_or_else(|| "(absent)".into());
        write!(f, "{}: {} -> {}", self.path, show(&self.observed), show(&self.wanted))
    }
}

/// The differences between two serialised objects of one kind.
pub(crate) fn between(wanted: &Value, observed: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    compare("", wanted, observed, &mut changes);
    changes
}

fn compare(path: &str, wanted: &Value, observed: &Value, changes: &mut Vec<FieldChange>) {
    match (wanted, observed) {
        (Value::Object(w), Value::Object(o)) => {
            for (key, value) in w {
                // The controller answers `<sensitive>` instead.
                if path.is_empty() && key == "key" || SECRETS.contains(&&**key) {
                    continue;
                }
                compare(&join(path, key), value, o.get(key).unwrap_or(&Value::Null), changes);
            }
            for (key, value) in o.iter().filter(|(k, v)| !w.contains_key(*k) && is_filled_list(v)) {
                push(&join(path, key), None, Some(value), changes);
            }
        }
        (Value::Array(w), Value::Array(o)) => {
            for (i, value) in w.iter().enumerate() {
                compare(&format!("{path}[{i}]"), value, o.get(i).unwrap_or(&Value::Null), changes);
            }
            for (i, value) in o.iter().enumerate().skip(w.len()) {
                push(&format!("{path}[{i}]"), None, Some(value), changes);
            }
        }
        // An empty object asks for nothing; so may the controller's answer.
        (Value::Object(w), Value::Null) if w.is_empty() => {}
        (Value::String(w), Value::String(o)) if same_text(w, o) => {}
        (w, o) if w == o => {}
        (w, o) => push(path, (!w.is_null()).then_some(w), (!o.is_null()).then_some(o), changes),
    }
}

fn same_text(wanted: &str, observed: &str) -> bool {
    wanted == observed || (wanted.starts_with("/api/") && Ref::parse(wanted).matches(&Ref::parse(observed)))
}

fn is_filled_list(value: &Value) -> bool {
    value.as_array().is_some_and(|list| !list.is_empty())
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn push(path: &str, wanted: Option<&Value>, observed: Option<&Value>, changes: &mut Vec<FieldChange>) {
    changes.push(FieldChange {
        path: path.to_owned(),
        observed: observed.map(show),
        wanted: wanted.map(show),
    });
}

/// The same without what is secret.
fn redacted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let shown = fields.iter().map(|(key, value)| {
                let is_secret = SECRETS.contains(&&**key);
                (key.clone(), if is_secret { "[redacted]".into() } else { redacted(value) })
            });
            Value::Object(shown.collect())
        }
        Value::Array(values) => values.iter().map(redacted).collect(),
        other => other.clone(),
    }
}

/// A value on one line, cut to a readable length.
fn show(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.replace('\n', "\\n"),
        other => redacted(other).to_string(),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_neither_compared_nor_shown() {
        let with = |secret: &str| json!({"oauth_vs_config": {"oauth_settings": [{"client_secret": secret}]}});
        assert_eq!(between(&with("hunter2"), &with("<sensitive>")), []);
        let new = between(&with("hunter2"), &json!({}));
        assert!(new.len() == 1 && !format!("{new:?}").contains("hunter2"), "{new:?}");
    }

    #[test]
    fn unsent_fields_are_the_controllers() {
        let wanted = json!({"name": "p", "servers": [{"port": 80}]});
        let observed = json!({"name": "p", "servers": [{"port": 80, "enabled": true}], "enabled": true});
        assert_eq!(between(&wanted, &observed), []);
    }

    #[test]
    fn a_list_that_is_not_sent_has_to_be_empty() {
        let changes = between(&json!({"name": "v"}), &json!({"name": "v", "http_policies": [1]}));
        assert_eq!(changes[0].to_string(), "http_policies: [1] -> (absent)");
    }

    #[test]
    fn each_changed_field_is_named() {
        let wanted = json!({"pool_ref": "/api/pool?name=a", "servers": [{"port": 80}]});
        let observed = json!({"pool_ref": "https://c/api/pool/u#a", "servers": [{"port": 81}, {"port": 82}]});
        let changes: Vec<_> = between(&wanted, &observed).iter().map(ToString::to_string).collect();
        assert_eq!(changes, ["servers[0].port: 81 -> 80", "servers[1]: {\"port\":82} -> (absent)"]);
    }
}
