//! HealthMonitor, ako.vmware.com/v1alpha1. Source: Custom resources, §9.3.

use ako_core::Resource;
use ako_core::kinds::health_monitor as kept;
use kube::core::ObjectMeta;
use serde::Deserialize;

use crate::convert::{Convert, Converted};
use crate::metadata;
use crate::rule::text;
use crate::status::{WireCondition, is_true};

/// A HealthMonitor, ako.vmware.com/v1alpha1: what those need to know who refer to it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct HealthMonitor {
    #[serde(default, deserialize_with = "metadata::slim::<HealthMonitor, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Spec {
    #[serde(rename = "type")]
    monitor_type: Option<String>,
}

/// What the CRD operator says of it.
#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    uuid: Option<String>,
    tenant: Option<String>,
    conditions: Option<Vec<WireCondition>>,
}

impl Convert for HealthMonitor {
    fn convert(self) -> Converted {
        let monitor = kept::HealthMonitor {
            id: metadata::namespaced_name(&self.metadata),
            monitor_type: text(self.spec.and_then(|spec| spec.monitor_type)).unwrap_or_default(),
            made: self.status.and_then(made),
        };
        Converted { resource: Some(Resource::HealthMonitor(monitor)), ..Converted::default() }
    }
}

/// What was made, if the CRD operator has said anything about that.
fn made(status: Status) -> Option<kept::Made> {
    let tenant = text(status.tenant)?;
    let conditions = status.conditions.filter(|conditions| !conditions.is_empty())?;
    let uuid = text(status.uuid).filter(|_| is_true(&conditions, "Programmed"));
    Some(kept::Made { tenant, uuid })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::convert::from_json;

    fn made_of(status: &Value) -> Option<kept::Made> {
        let object = json!({"apiVersion": "ako.vmware.com/v1alpha1", "kind": "HealthMonitor",
            "metadata": {"name": "hm", "namespace": "red"},
            "spec": {"type": "HEALTH_MONITOR_TCP"}, "status": status});
        match from_json(&object).unwrap().resource {
            Some(Resource::HealthMonitor(monitor)) => {
                assert_eq!(&*monitor.monitor_type, "HEALTH_MONITOR_TCP");
                monitor.made
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_is_programmed_has_a_uuid() {
        let programmed = |status: &str| json!([{"type": "Programmed", "status": status}]);
        let status = |conditions: Value| json!({"uuid": "u-1", "tenant": "admin", "conditions": conditions});
        let made =
            |uuid: Option<&str>| Some(kept::Made { tenant: "admin".into(), uuid: uuid.map(Into::into) });
        assert_eq!(made_of(&status(programmed("True"))), made(Some("u-1")));
        assert_eq!(made_of(&status(programmed("False"))), made(None));
        assert_eq!(made_of(&status(json!([{"type": "Other", "status": "True"}]))), made(None));
        for unsaid in [Value::Null, json!({}), status(Value::Null), json!({"conditions": programmed("True")})]
        {
            assert_eq!(made_of(&unsaid), None, "{unsaid}");
        }
    }
}
