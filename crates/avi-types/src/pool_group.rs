//! Pool groups: pools with weights or priority labels.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::marker::Marker;
use crate::reference::Ref;

/// `/api/poolgroup`. Source: Avi REST API contract, §8.3.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolGroup {
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
    /// Whether the longest priority label that is a prefix of the asked one
    /// wins.
    #[serde(default)]
    pub implicit_priority_labels: bool,
    /// A set: kept sorted by pool and label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<PoolGroupMember>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub markers: Vec<Marker>,
}

/// One pool of a [`PoolGroup`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PoolGroupMember {
    #[allow(missing_docs)]
    pub pool_ref: Ref,
    /// What a datascript selects the member by: lower-case host and path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_label: Option<Arc<str>>,
    /// Its weight.
    #[serde(default)]
    pub ratio: u32,
}
