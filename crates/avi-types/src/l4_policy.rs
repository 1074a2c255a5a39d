//! L4 policy sets: which pool serves which port and protocol.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::body::{Body, named, owned};
use crate::marker::Marker;
use crate::reference::Ref;

/// `/api/l4policyset`. Source: Avi REST API contract, §8.7.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct L4PolicySet {
    /// At most 255 bytes, unique in its tenant.
    pub name: Arc<str>,
    /// The owner, `ako-<cluster>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub tenant_ref: Option<Ref>,
    /// The policy.
    #[serde(default)]
    pub l4_connection_policy: L4ConnectionPolicy,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub markers: Vec<Marker>,
}

impl Body for L4PolicySet {
    named!();
    owned!();

    fn references(&self) -> Vec<&Ref> {
        self.l4_connection_policy.rules.iter().map(|rule| &rule.action.select_pool.pool_ref).collect()
    }
}

/// The rules, tried in order of their index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct L4ConnectionPolicy {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub rules: Vec<L4Rule>,
}

/// One rule: connections to these ports go to this pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct L4Rule {
    /// Upstream uses the pool's reference as the name.
    pub name: Arc<str>,
    /// Its place.
    pub index: u32,
    /// What it applies to.
    #[serde(rename = "match")]
    pub matches: L4Match,
    /// What it does.
    pub action: L4Action,
}

/// A port and a protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct L4Match {
    #[allow(missing_docs)]
    pub port: PortMatch,
    #[allow(missing_docs)]
    pub protocol: ProtocolMatch,
}

/// `IS_IN` a list of ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMatch {
    /// `IS_IN`.
    pub match_criteria: Arc<str>,
    /// The ports.
    #[serde(default)]
    pub ports: Vec<u16>,
}

/// `IS_IN` a protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolMatch {
    /// `IS_IN`.
    pub match_criteria: Arc<str>,
    /// `PROTOCOL_TCP`, `PROTOCOL_UDP` or `PROTOCOL_SCTP`.
    pub protocol: Arc<str>,
}

/// What an [`L4Rule`] does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct L4Action {
    #[allow(missing_docs)]
    pub select_pool: SelectPool,
}

/// Sends connections to a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelectPool {
    /// `L4_RULE_ACTION_SELECT_POOL`.
    pub action_type: Arc<str>,
    #[allow(missing_docs)]
    pub pool_ref: Ref,
}
