//! Application profiles that are made of custom resources.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::body::{Body, named};
use crate::change::{self, FieldChange};
use crate::marker::Marker;
use crate::reference::Ref;
use crate::spec::Spec;

/// `/api/applicationprofile`. Source: Custom resources, §9.4.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ApplicationProfile {
    /// At most 255 bytes, unique in its tenant.
    pub name: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub tenant_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub markers: Vec<Marker>,
    /// All else.
    #[serde(flatten)]
    pub spec: Spec,
}

/// What the controller takes where nothing is given. Source: Avi REST API, HTTPApplicationProfile.
static KNOWN: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "http_profile": {
            "client_body_timeout": 30000,
            "client_max_body_size": 0,
            "close_server_side_connection_on_error": false,
            "connection_multiplexing_enabled": true,
            "enable_chunk_merge": true,
            "http_upstream_buffer_size": 0,
            "keepalive_header": false,
            "keepalive_timeout": 30000,
            "max_header_count": 256,
            "max_keepalive_requests": 100,
            "reset_conn_http_on_ssl_port": false,
            "true_client_ip": null,
            "use_app_keepalive_timeout": false,
            "use_true_client_ip": false,
            "x_forwarded_proto_enabled": false,
            "xff_alternate_name": "X-Forwarded-For",
            "xff_enabled": true,
            "xff_update": "REPLACE_XFF_HEADERS",
        },
    })
});

impl Body for ApplicationProfile {
    const HAS_CREATED_BY: bool = false;

    named!();

    fn markers(&self) -> &[Marker] {
        &self.markers
    }

    fn differences(&self, observed: &Self) -> Vec<FieldChange> {
        let around = |of: &Self| json!({"tenant_ref": of.tenant_ref, "markers": of.markers});
        let mut changes = change::between(&around(self), &around(observed));
        changes.extend(self.spec.differences(&observed.spec, &KNOWN));
        changes
    }
}
