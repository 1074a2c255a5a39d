//! What CNIs say of the subnets of nodes.

use std::sync::Arc;

use crate::kinds::table::ResourceKind;

/// The subnets that a CNI gave to a node: one BlockAffinity, HostSubnet or
/// CiliumNode. Source: L4 and network, B5.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeSubnets {
    /// Which of the three.
    pub kind: ResourceKind,
    /// The object's name.
    pub name: Arc<str>,
    /// The node's name.
    pub node: Arc<str>,
    /// The subnets, as they are written.
    pub cidrs: Vec<Arc<str>>,
}
