//! Pool groups: pools with weights or priority labels.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::body::{self, Body, named, owned};
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

impl Body for PoolGroup {
    const HAS_CLOUD: bool = true;

    named!();
    owned!();

    fn checksum_mut(&mut self) -> Option<&mut Option<Arc<str>>> {
        Some(&mut self.cloud_config_cksum)
    }

    fn references(&self) -> Vec<&Ref> {
        self.members.iter().map(|member| &member.pool_ref).collect()
    }

    fn normalise(&mut self) {
        self.members.sort();
    }

    fn take_out(&mut self, is_missing: &dyn Fn(&Ref) -> bool) -> bool {
        self.members.retain(|member| !is_missing(&member.pool_ref));
        true
    }

    fn keep(&mut self, old: &Self, is_kept: &dyn Fn(&Ref) -> bool, _is_kept_host: &dyn Fn(&str) -> bool) {
        let same = |a: &PoolGroupMember, b: &PoolGroupMember| a.pool_ref.matches(&b.pool_ref);
        body::keep(&mut self.members, &old.members, |member| is_kept(&member.pool_ref), same);
    }
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
