//! Health monitors that are made of custom resources.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::body::{Body, named};
use crate::change::{self, FieldChange};
use crate::marker::Marker;
use crate::reference::Ref;
use crate::spec::Spec;

/// `/api/healthmonitor`. Source: Custom resources, §9.3.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HealthMonitor {
    /// At most 255 bytes, unique in its tenant.
    pub name: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub tenant_ref: Option<Ref>,
    /// What it signs in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub markers: Vec<Marker>,
    /// All else.
    #[serde(flatten)]
    pub spec: Spec,
}

/// What a health monitor signs in with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authentication {
    #[allow(missing_docs)]
    #[serde(default)]
    pub username: Arc<str>,
    /// The controller never gives it back.
    #[serde(default)]
    pub password: Password,
}

/// A password. It goes into request bodies and nowhere else: its `Debug` does not show it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(Arc<str>);

impl Password {
    /// Takes the text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What the controller takes where nothing is given. Source: Avi REST API, HealthMonitor.
static KNOWN: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "send_interval": 10,
        "receive_timeout": 4,
        "successful_checks": 2,
        "failed_checks": 2,
        "monitor_port": null,
        "is_federated": false,
        "tcp_monitor": {
            "tcp_request": null,
            "tcp_response": null,
            "maintenance_response": null,
            "tcp_half_open": false,
        },
        "http_monitor": {
            "http_request": "GET / HTTP/1.0",
            "exact_http_request": false,
            "auth_type": null,
            "http_response_code": [],
            "http_response": null,
            "maintenance_code": [],
            "maintenance_response": null,
            "http_request_body": null,
            "response_size": null,
        },
    })
});

impl Body for HealthMonitor {
    const HAS_CREATED_BY: bool = false;

    named!();

    fn markers(&self) -> &[Marker] {
        &self.markers
    }

    fn secrets(&self) -> Vec<&str> {
        self.authentication.iter().map(|it| &*it.password.0).filter(|it| !it.is_empty()).collect()
    }

    fn differences(&self, observed: &Self) -> Vec<FieldChange> {
        let around = |of: &Self| {
            let username = of.authentication.as_ref().map(|it| &*it.username);
            json!({"tenant_ref": of.tenant_ref, "authentication": {"username": username}, "markers": of.markers})
        };
        let mut changes = change::between(&around(self), &around(observed));
        changes.extend(self.spec.differences(&observed.spec, &KNOWN));
        changes
    }
}
