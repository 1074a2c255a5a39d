//! String groups: texts that HTTP policies match by, such as patterns of paths.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::body::{Body, named};
use crate::marker::Marker;
use crate::reference::Ref;

/// The marker that names the owner, which has no field of its own.
const OWNER: &str = "created_by";

/// `/api/stringgroup`. Source: L7 objects, §2, §4.1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StringGroup {
    /// At most 255 bytes, unique in its tenant.
    pub name: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub tenant_ref: Option<Ref>,
    /// `SG_TYPE_STRING`.
    #[serde(rename = "type", default)]
    pub group_type: Arc<str>,
    /// The texts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kv: Vec<KeyText>,
    /// Whether of several that match the longest counts.
    #[serde(default)]
    pub longest_match: bool,
    /// The owner is one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub markers: Vec<Marker>,
}

/// One text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyText {
    /// The text.
    #[serde(default)]
    pub key: Arc<str>,
}

impl StringGroup {
    /// The marker that names an owner.
    pub fn owner_marker(owner: Arc<str>) -> Marker {
        Marker { key: OWNER.into(), values: vec![owner] }
    }
}

impl Body for StringGroup {
    const HAS_CREATED_BY: bool = false;

    named!();

    fn created_by(&self) -> Option<&Arc<str>> {
        self.markers.iter().find(|marker| marker.key == OWNER)?.values.first()
    }

    fn markers(&self) -> &[Marker] {
        &self.markers
    }
}
