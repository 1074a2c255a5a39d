//! Virtual services: what listens, and what is served there.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::http_policy::PathMatch;
use crate::marker::Marker;
use crate::metadata::ServiceMetadata;
use crate::reference::Ref;

/// `/api/virtualservice`: a shared parent, its children, a dedicated or an L4
/// virtual service. Source: Avi REST API contract, §8.9.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VirtualService {
    /// At most 255 bytes, unique in its tenant.
    pub name: Arc<str>,
    /// Upstream's checksum, a decimal `u32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_config_cksum: Option<Arc<str>>,
    /// The owner, `ako-<cluster>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub tenant_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub cloud_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub se_group_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub vrf_context_ref: Option<Ref>,
    /// Absent on children, which use their parent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vsvip_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub application_profile_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub network_profile_ref: Option<Ref>,
    /// `VS_TYPE_VH_PARENT`, `VS_TYPE_VH_CHILD` or `VS_TYPE_NORMAL`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub vs_type: Option<Arc<str>>,
    /// `VS_TYPE_VH_ENHANCED` for EVH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vh_type: Option<Arc<str>>,
    /// A child's parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vh_parent_vs_ref: Option<Ref>,
    /// An SNI child's hosts. A set: kept sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vh_domain_name: Vec<Arc<str>>,
    /// An EVH child's hosts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vh_matches: Vec<VhMatch>,
    /// What listens; absent on children.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Listener>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub ssl_key_and_certificate_refs: Vec<Ref>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub http_policies: Vec<HttpPolicyAttachment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub vs_datascripts: Vec<DataScriptAttachment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub l4_policies: Vec<L4PolicyAttachment>,
    /// How many pools have to be up for the virtual service to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_pools_up: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub enable_rhi: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub traffic_enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub remove_listening_port_on_vs_down: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub east_west_placement: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub ign_pool_net_reach: Option<bool>,
    /// The link back to Kubernetes.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "ServiceMetadata::serialize_text",
        deserialize_with = "ServiceMetadata::deserialize_text"
    )]
    pub service_metadata: Option<ServiceMetadata>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub markers: Vec<Marker>,
}

/// A port that a virtual service listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// The port.
    pub port: u16,
    /// Equal to `port`; EVH parents do not send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_range_end: Option<u16>,
    /// Whether TLS ends here.
    #[serde(default)]
    pub enable_ssl: bool,
    /// Always false.
    #[serde(default)]
    pub enable_http2: bool,
    /// The network profile of a listener with another protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_network_profile_ref: Option<Ref>,
}

/// A host of an EVH child, and the paths under which it takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VhMatch {
    /// The host.
    pub host: Arc<str>,
    /// The rules.
    #[serde(default)]
    pub rules: Vec<VhMatchRule>,
}

/// One rule of a [`VhMatch`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VhMatchRule {
    /// `VHMATCHRULENAME`.
    pub name: Arc<str>,
    /// What it matches.
    pub matches: VhPathMatch,
}

/// The path of a [`VhMatchRule`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VhPathMatch {
    #[allow(missing_docs)]
    pub path: PathMatch,
}

/// Attaches an HTTP policy set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpPolicyAttachment {
    #[allow(missing_docs)]
    pub http_policy_set_ref: Ref,
    /// Its place, from 11 on.
    pub index: u32,
}

/// Attaches a datascript set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataScriptAttachment {
    #[allow(missing_docs)]
    pub vs_datascript_set_ref: Ref,
    /// Its place.
    pub index: u32,
}

/// Attaches an L4 policy set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct L4PolicyAttachment {
    #[allow(missing_docs)]
    pub l4_policy_set_ref: Ref,
    /// Its place.
    pub index: u32,
}
