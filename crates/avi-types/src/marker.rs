//! Markers (Avi's RBAC labels): who an object belongs to and why it is there.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One label of an object: a key and its values.
///
/// The keys that we write, in this order: `clustername`, `Namespace`, `Host`,
/// `InfrasettingName`, `ServiceName`, `Path`, `Port`, `Protocol`,
/// `IngressName`, `GatewayName`. Source: L7 objects, §4.1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Marker {
    /// The label's key.
    pub key: Cow<'static, str>,
    /// Its values; their order has no meaning to Avi.
    #[serde(default)]
    pub values: Vec<Arc<str>>,
}
