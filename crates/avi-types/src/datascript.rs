//! Datascripts: what shared virtual services run to choose a pool.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::body::{self, Body, named, owned};
use crate::marker::Marker;
use crate::reference::Ref;

/// `/api/vsdatascriptset`. Source: Avi REST API contract, §8.8.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VsDataScriptSet {
    /// At most 255 bytes, unique in its tenant.
    pub name: Arc<str>,
    /// The owner, `ako-<cluster>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub tenant_ref: Option<Ref>,
    /// The scripts, one an event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datascript: Vec<DataScript>,
    /// The pool groups that the scripts name. A set: kept sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pool_group_refs: Vec<Ref>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub protocol_parser_refs: Vec<Ref>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub markers: Vec<Marker>,
}

impl Body for VsDataScriptSet {
    named!();
    owned!();

    fn references(&self) -> Vec<&Ref> {
        self.pool_group_refs.iter().collect()
    }

    fn normalise(&mut self) {
        self.pool_group_refs.sort();
    }

    fn take_out(&mut self, is_missing: &dyn Fn(&Ref) -> bool) -> bool {
        self.pool_group_refs.retain(|group| !is_missing(group));
        true
    }

    fn keep(&mut self, old: &Self, is_kept: &dyn Fn(&Ref) -> bool, _is_kept_host: &dyn Fn(&str) -> bool) {
        body::keep(&mut self.pool_group_refs, &old.pool_group_refs, is_kept, Ref::matches);
    }
}

/// A Lua script and the event that it runs at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataScript {
    /// `VS_DATASCRIPT_EVT_HTTP_REQ` or `VS_DATASCRIPT_EVT_L4_REQUEST`.
    pub evt: Arc<str>,
    /// The Lua text.
    #[serde(default)]
    pub script: Arc<str>,
}
