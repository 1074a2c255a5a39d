//! Fields that a custom resource gives in the words of the Avi API, and that are passed on as they
//! are.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::change::{self, FieldChange};

/// The fields of an object as somebody gives them. Holds no secrets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spec(pub Map<String, Value>);

impl Spec {
    /// What differs from them on the controller. `known` has the fields that there may be, each
    /// with what the controller takes if it is not given, or `null` if nothing then: a field that is not
    /// given any more has to be as if it had never been.
    pub(crate) fn differences(&self, observed: &Self, known: &Value) -> Vec<FieldChange> {
        let complete = |spec: &Self| complete(Some(&Value::Object(spec.0.clone())), known);
        let wanted = complete(self);
        let observed = within(complete(observed), &wanted);
        change::between(&wanted, &observed)
    }
}

/// What is given, and for what is not given what is known of that.
fn complete(given: Option<&Value>, known: &Value) -> Value {
    let given = given.filter(|given| !given.is_null());
    let Value::Object(known) = known else { return given.unwrap_or(known).clone() };
    let mut all = given.and_then(Value::as_object).cloned().unwrap_or_default();
    for (field, known) in known {
        all.insert(field.clone(), complete(all.get(field), known));
    }
    Value::Object(all)
}

/// The fields of a value that another one has as well.
fn within(value: Value, other: &Value) -> Value {
    match (value, other) {
        (Value::Object(mut fields), Value::Object(others)) => {
            fields.retain(|field, _| others.contains_key(field));
            let fields = fields.into_iter().map(|(field, value)| {
                let value = within(value, &others[&field]);
                (field, value)
            });
            Value::Object(fields.collect())
        }
        (value, _) => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::kind::Kind;
    use crate::object::Object;

    fn read(kind: Kind, body: Value) -> Object {
        Object::read(kind, body).unwrap()
    }

    fn changed(kind: Kind, wanted: Value, observed: Value) -> Vec<String> {
        read(kind, wanted).differences(&read(kind, observed)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_not_given_any_more_is_as_if_it_had_never_been() {
        let wanted =
            json!({"name": "hm", "type": "HEALTH_MONITOR_HTTP", "http_monitor": {"http_request": "GET /"}});
        let mut observed = wanted.clone();
        observed["uuid"] = "healthmonitor-1".into();
        observed["http_monitor"]["exact_http_request"] = false.into();
        observed["send_interval"] = 10.into();
        assert_eq!(changed(Kind::HealthMonitor, wanted.clone(), observed.clone()), [""; 0]);
        observed["http_monitor"]["http_response"] = "fine".into();
        observed["http_monitor"]["maintenance_code"] = json!([503]);
        observed["send_interval"] = 30.into();
        let changes = changed(Kind::HealthMonitor, wanted, observed);
        assert_eq!(
            changes,
            [
                "http_monitor.http_response: fine -> (absent)",
                "http_monitor.maintenance_code[0]: 503 -> (absent)",
                "send_interval: 30 -> 10"
            ]
        );
        let wanted = json!({"name": "ap", "http_profile": {"xff_enabled": true}});
        let observed = json!({"name": "ap", "http_profile": {"xff_enabled": true, "keepalive_header": true,
            "true_client_ip": {"direction": "LEFT"}}});
        assert_eq!(
            changed(Kind::ApplicationProfile, wanted, observed),
            [
                "http_profile.keepalive_header: true -> false",
                "http_profile.true_client_ip: {\"direction\":\"LEFT\"} -> (absent)"
            ]
        );
    }

    #[test]
    fn what_a_monitor_signs_in_with_is_compared_by_its_name_and_never_shown() {
        let with = |username: &str, password: &str| json!({"name": "hm", "authentication": {"username": username, "password": password}});
        assert_eq!(changed(Kind::HealthMonitor, with("a", "hunter2"), with("a", "<sensitive>")), [""; 0]);
        let other = changed(Kind::HealthMonitor, with("b", "hunter2"), with("a", "<sensitive>"));
        assert_eq!(other, ["authentication.username: a -> b"]);
        let gone = changed(Kind::HealthMonitor, json!({"name": "hm"}), with("a", "<sensitive>"));
        assert_eq!(gone, ["authentication.username: a -> (absent)"]);
        let monitor = read(Kind::HealthMonitor, with("a", "hunter2"));
        assert_eq!(monitor.secrets(), ["hunter2"]);
        assert!(!format!("{monitor:?}").contains("hunter2"));
        assert_eq!(monitor.body()["authentication"]["password"], "hunter2");
    }
}
