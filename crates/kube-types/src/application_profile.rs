//! ApplicationProfile, ako.vmware.com/v1alpha1. Source: Custom resources, §9.4.

use ako_core::kinds::application_profile as kept;
use ako_core::resource::Published;
use ako_core::{Resource, ResourceKind};
use kube::core::ObjectMeta;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::convert::{Convert, Converted, Stamp};
use crate::metadata;
use crate::profile::{self, ProfileStatus, cel, immutable};

/// An ApplicationProfile, ako.vmware.com/v1alpha1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ApplicationProfile {
    #[serde(default, deserialize_with = "metadata::slim::<ApplicationProfile, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Map<String, Value>>,
    status: Option<ProfileStatus>,
}

const TYPES: [&str; 1] = ["APPLICATION_PROFILE_TYPE_HTTP"];
const UPDATES: [&str; 3] = ["REPLACE_XFF_HEADERS", "APPEND_TO_THE_XFF_HEADER", "ADD_NEW_XFF_HEADER"];
const DIRECTIONS: [&str; 2] = ["LEFT", "RIGHT"];

/// An application profile on the Avi Controller, in the tenant of the namespace. Its fields are
/// those of the Avi API.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "the definition is made of it; what is read is passed on as it is")]
pub(crate) struct Spec {
    /// What it is for.
    #[schemars(rename = "type", required, extend("enum" = TYPES,
        "x-kubernetes-validations" = immutable("applicatio_profile_type is immutable")))]
    profile_type: Option<String>,
    /// How HTTP is spoken.
    http_profile: Option<HttpProfile>,
}

/// How HTTP is spoken.
#[derive(JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = json!([
    cel("!has(self.true_client_ip) || self.use_true_client_ip",
        "true_client_ip can only be configured if use_true_client_ip is true"),
    cel("self.xff_enabled || (!has(self.xff_alternate_name) && !has(self.xff_update))",
        "xff_alternate_name and xff_update can only be configured if xff_enabled is true"),
    cel("!(has(self.xff_update) && self.xff_update == 'APPEND_TO_THE_XFF_HEADER' && has(self.xff_alternate_name))",
        "if xff_update is APPEND_TO_THE_XFF_HEADER, xff_alternate_name must be an empty string."),
])))]
#[allow(dead_code)]
struct HttpProfile {
    /// For how many milliseconds a client may be silent within the body of a request; 0 is for ever.
    #[schemars(range(min = 0, max = 100_000_000))]
    client_body_timeout: Option<i64>,
    /// How many KB the body of a request has at most; 0 is without limit.
    client_max_body_size: Option<i64>,
    /// Whether the connection to the server is closed when a request fails.
    close_server_side_connection_on_error: Option<bool>,
    /// Whether requests of several clients go over one connection to a server.
    connection_multiplexing_enabled: Option<bool>,
    /// Whether the chunks of a body are merged.
    #[schemars(extend("default" = true))]
    enable_chunk_merge: Option<bool>,
    /// How many KB of an answer are buffered; 0 is the default of the service engine.
    #[schemars(range(min = 0, max = 256))]
    http_upstream_buffer_size: Option<i64>,
    /// Whether clients are sent the header Keep-Alive.
    keepalive_header: Option<bool>,
    /// For how many milliseconds a connection without requests is kept.
    #[schemars(range(min = 10, max = 100_000_000))]
    keepalive_timeout: Option<i64>,
    /// How many headers a request has at most; 0 is without limit.
    #[schemars(range(min = 0, max = 4096), extend("default" = 256))]
    max_header_count: Option<i64>,
    /// How many requests one connection takes at most; 0 is without limit.
    #[schemars(range(min = 0, max = 1_000_000))]
    max_keepalive_requests: Option<i64>,
    /// Whether the connection of a client that speaks plain HTTP to a TLS port is reset.
    reset_conn_http_on_ssl_port: Option<bool>,
    /// How the address of the client is found in a header.
    true_client_ip: Option<TrueClientIp>,
    /// Whether the Keep-Alive timeout of the server counts.
    use_app_keepalive_timeout: Option<bool>,
    /// Whether the address of the client is found in a header.
    use_true_client_ip: Option<bool>,
    /// Whether servers are sent the header X-Forwarded-Proto.
    x_forwarded_proto_enabled: Option<bool>,
    /// The header that the address of the client is sent in.
    xff_alternate_name: Option<String>,
    /// Whether the address of the client is sent in a header.
    xff_enabled: Option<bool>,
    /// What becomes of such a header that a client sends.
    #[schemars(extend("enum" = UPDATES))]
    xff_update: Option<String>,
}

/// How the address of the client is found in a header.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct TrueClientIp {
    /// The header.
    #[schemars(length(max = 1), extend("x-kubernetes-validations" = json!([
        cel("self.all(header, size(header) <= 128)", "Each header name must be at most 128 characters long.")])))]
    headers: Option<Vec<String>>,
    /// Which of the addresses in it counts.
    #[schemars(range(min = 1, max = 1000))]
    index_in_header: Option<i64>,
    /// From which end they are counted.
    #[schemars(extend("enum" = DIRECTIONS))]
    direction: Option<String>,
}

impl Convert for ApplicationProfile {
    fn status(wanted: &Published, current: &Published, stamp: &Stamp<'_>) -> Value {
        profile::status(wanted, current, stamp)
    }

    fn convert(self) -> Converted {
        let profile = kept::ApplicationProfile {
            id: metadata::namespaced_name(&self.metadata),
            meta: metadata::kept(&self.metadata),
            spec: profile::passed_on(self.spec),
            published: profile::published(ResourceKind::ApplicationProfile, &self.metadata, self.status),
        };
        Converted { resource: Some(Resource::ApplicationProfile(profile)), ..Converted::default() }
    }
}
