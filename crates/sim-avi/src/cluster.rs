//! What is there once per Controller: cluster, version, system configuration (Avi
//! REST API contract, §1.1 and §2).

use serde_json::{Value, json};

/// Facts of the Controller that no object holds.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) uuid: String,
    pub(crate) version: String,
    pub(crate) licence: String,
    pub(crate) started: String,
}

impl Cluster {
    fn version_fields(&self) -> Value {
        json!({
            "Version": self.version, "Tag": format!("{}-9000-20250102.030405", self.version),
            "build": 9000, "min_version": 18.2, "Product": "controller",
            "ProductName": "Avi Cloud Controller", "Date": "2025-01-02T03:04:05+00:00",
        })
    }

    /// `GET /api/initial-data`.
    pub(crate) fn initial_data(&self) -> Value {
        json!({ "version": self.version_fields(), "session_cookie_name": "avi-sessionid", "user_initialized": true })
    }

    /// The reply to a log-in.
    pub(crate) fn welcome(&self, username: &str, origin: &str) -> Value {
        let tenant = format!("{origin}/api/tenant/admin");
        json!({
            "user_initialized": true,
            "version": self.version_fields(),
            "user": {
                "is_superuser": true, "default_tenant_ref": tenant, "name": username,
                "username": username, "full_name": "System Administrator", "email": "",
                "local": true, "uuid": "user-1",
            },
            "tenants": [{ "url": tenant, "uuid": "admin", "name": "admin", "local": true }],
            "system_config": { "default_license_tier": self.licence },
            "controller": { "api_idle_timeout": 15 },
            "session_cookie_name": "avi-sessionid",
        })
    }

    /// `GET /api/cluster`.
    pub(crate) fn identity(&self) -> Value {
        json!({
            "uuid": self.uuid, "name": self.uuid,
            "nodes": [{ "name": "10.0.0.10", "ip": { "addr": "10.0.0.10", "type": "V4" }, "vm_uuid": "node-1" }],
        })
    }

    /// `GET /api/cluster/version`.
    pub(crate) fn version(&self) -> Value {
        self.version_fields()
    }

    fn state() -> Value {
        json!({ "state": "CLUSTER_UP_NO_HA", "progress": 100 })
    }

    /// `GET /api/cluster/status`.
    pub(crate) fn status(&self) -> Value {
        json!({ "cluster_state": Self::state(), "node_states": self.node_states() })
    }

    fn node_states(&self) -> Value {
        json!([{
            "name": "10.0.0.10", "mgmt_ip": "10.0.0.10", "role": "CLUSTER_LEADER",
            "state": "CLUSTER_ACTIVE", "up_since": self.started,
        }])
    }

    /// `GET /api/cluster/runtime`.
    pub(crate) fn runtime(&self) -> Value {
        json!({
            "node_info": {
                "uuid": "node-1", "version": self.version, "mgmt_ip": "10.0.0.10", "cluster_uuid": self.uuid,
            },
            "node_states": self.node_states(),
            "cluster_state": Self::state(),
        })
    }

    /// `GET /api/systemconfiguration`.
    pub(crate) fn system_configuration(&self, origin: &str) -> Value {
        json!({
            "uuid": "default", "url": format!("{origin}/api/systemconfiguration"),
            "default_license_tier": self.licence,
            "portal_configuration": { "allow_basic_authentication": false },
        })
    }
}
