//! HealthMonitor, ako.vmware.com/v1alpha1. Source: Custom resources, §9.3.

use ako_core::kinds::health_monitor as kept;
use ako_core::resource::Published;
use ako_core::{Resource, ResourceKind};
use kube::core::ObjectMeta;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::convert::{Convert, Converted, Stamp};
use crate::metadata;
use crate::profile::{self, ProfileStatus, cel, immutable};
use crate::rule::text;
use crate::status::is_true;

/// A HealthMonitor, ako.vmware.com/v1alpha1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct HealthMonitor {
    #[serde(default, deserialize_with = "metadata::slim::<HealthMonitor, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Map<String, Value>>,
    status: Option<ProfileStatus>,
}

const TYPES: [&str; 3] = ["HEALTH_MONITOR_TCP", "HEALTH_MONITOR_PING", "HEALTH_MONITOR_HTTP"];
const SIGN_INS: [&str; 2] = ["AUTH_BASIC", "AUTH_NTLM"];
const CODES: [&str; 6] = ["HTTP_ANY", "HTTP_1XX", "HTTP_2XX", "HTTP_3XX", "HTTP_4XX", "HTTP_5XX"];
/// The field that names a Secret, in place of which its content is passed on.
const AUTHENTICATION: &str = "authentication";

/// A health monitor on the Avi Controller, in the tenant of the namespace. Its fields are those of
/// the Avi API.
#[derive(JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = json!([
    cel("!has(self.http_monitor) || !has(self.http_monitor.auth_type) || has(self.authentication.secret_ref)",
        "If auth_type is set, secret_ref must be set in authentication"),
    cel("has(oldSelf.monitor_port) == has(self.monitor_port)", "monitor_port is immutable"),
    cel("has(oldSelf.is_federated) == has(self.is_federated)", "is_federated is immutable"),
])))]
#[allow(dead_code, reason = "the definition is made of it; what is read is passed on as it is")]
pub(crate) struct Spec {
    /// How servers are asked.
    #[schemars(rename = "type", required, extend("enum" = TYPES,
        "x-kubernetes-validations" = immutable("type is immutable")))]
    monitor_type: Option<String>,
    /// Every how many seconds a server is asked.
    #[schemars(range(min = 1, max = 3600), extend("default" = 10))]
    send_interval: Option<i64>,
    /// After how many seconds without an answer a check has failed.
    #[schemars(range(min = 1, max = 2400), extend("default" = 4))]
    receive_timeout: Option<i64>,
    /// After how many checks in a row that succeed a server is up.
    #[schemars(range(min = 1, max = 50), extend("default" = 2))]
    successful_checks: Option<i64>,
    /// After how many checks in a row that fail a server is down.
    #[schemars(range(min = 1, max = 50), extend("default" = 2))]
    failed_checks: Option<i64>,
    /// The port that is asked, if that is not the one of the server.
    #[schemars(range(min = 0, max = 65535), extend(
        "x-kubernetes-validations" = immutable("monitor port is immutable")))]
    monitor_port: Option<i64>,
    /// Whether it is replicated to other sites of GSLB.
    #[schemars(extend("x-kubernetes-validations" = immutable("is_federated is immutable")))]
    is_federated: Option<bool>,
    /// What it signs in with.
    authentication: Option<Authentication>,
    /// How servers are asked by TCP.
    tcp_monitor: Option<TcpMonitor>,
    /// How servers are asked by HTTP.
    http_monitor: Option<HttpMonitor>,
}

/// What a health monitor signs in with.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct Authentication {
    /// A Secret of the namespace, of type ako.vmware.com/basic-auth, with username and password.
    #[schemars(required)]
    secret_ref: Option<String>,
}

/// How servers are asked by TCP.
#[derive(JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = json!([
    cel("!has(self.tcp_half_open) || !self.tcp_half_open || (!has(self.tcp_request) && \
         !has(self.tcp_response) && !has(self.maintenance_response))",
        "If tcp_half_open is true, tcp_request, tcp_response, and maintenance_response must not be set"),
])))]
#[allow(dead_code)]
struct TcpMonitor {
    /// What is sent.
    #[schemars(length(max = 1024))]
    tcp_request: Option<String>,
    /// What is looked for in the first 2 KB of the answer.
    #[schemars(length(max = 512))]
    tcp_response: Option<String>,
    /// What in the answer says that the server is disabled.
    #[schemars(length(max = 512))]
    maintenance_response: Option<String>,
    /// Whether the connection is closed before it is established.
    tcp_half_open: Option<bool>,
}

/// How servers are asked by HTTP.
#[derive(JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = json!([
    cel("(has(self.auth_type) && (!has(self.exact_http_request) || !self.exact_http_request)) || \
         !(has(self.auth_type))",
        "if auth_type is set, exact_http_request must be set to false"),
])))]
#[allow(dead_code)]
struct HttpMonitor {
    /// What is asked.
    #[schemars(length(max = 1024), extend("default" = "GET / HTTP/1.0"))]
    http_request: Option<String>,
    /// Whether exactly that is sent, without headers of the service engine.
    #[schemars(extend("default" = false))]
    exact_http_request: Option<bool>,
    /// How it signs in.
    #[schemars(extend("enum" = SIGN_INS))]
    auth_type: Option<String>,
    /// The codes of answers that say that the server is up.
    #[schemars(length(min = 1), extend("items" = json!({"type": "string", "enum": CODES})))]
    http_response_code: Option<Vec<String>>,
    /// What is looked for in the first 2 KB of the answer.
    #[schemars(length(max = 512))]
    http_response: Option<String>,
    /// The codes of answers that say that the server is disabled.
    #[schemars(length(max = 4), inner(range(min = 101, max = 599)))]
    maintenance_code: Option<Vec<i64>>,
    /// What in the answer says that the server is disabled.
    maintenance_response: Option<String>,
    /// The body of the request.
    http_request_body: Option<String>,
    /// How many bytes of the answer are read.
    #[schemars(range(min = 2048, max = 16384))]
    response_size: Option<i64>,
}

impl Convert for HealthMonitor {
    fn status(wanted: &Published, current: &Published, stamp: &Stamp<'_>) -> Value {
        profile::status(wanted, current, stamp)
    }

    fn convert(self) -> Converted {
        let mut spec = self.spec.unwrap_or_default();
        let authentication = spec.remove(AUTHENTICATION);
        let secret = authentication.as_ref().and_then(|it| it.get("secret_ref")?.as_str());
        let monitor_type = spec.get("type").and_then(Value::as_str).unwrap_or_default();
        let monitor = kept::HealthMonitor {
            id: metadata::namespaced_name(&self.metadata),
            meta: metadata::kept(&self.metadata),
            monitor_type: monitor_type.into(),
            made: self.status.clone().and_then(made),
            secret: secret.filter(|name| !name.is_empty()).map(Into::into),
            spec: profile::passed_on(Some(spec)),
            published: profile::published(ResourceKind::HealthMonitor, &self.metadata, self.status),
        };
        Converted { resource: Some(Resource::HealthMonitor(monitor)), ..Converted::default() }
    }
}

/// What was made, if the CRD operator has said anything about that.
fn made(status: ProfileStatus) -> Option<kept::Made> {
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
