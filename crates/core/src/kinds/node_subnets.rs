//! What CNIs say of the subnets of nodes. Source: L4 and network, B5.

use std::sync::Arc;

use crate::id::NamespacedName;
use crate::kinds::kept::Kept;

/// The subnets that a CNI gave to a node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeSubnets {
    /// The object's name.
    pub name: Arc<str>,
    /// The node's name.
    pub node: Arc<str>,
    /// The subnets, as they are written.
    pub cidrs: Vec<Arc<str>>,
}

/// Of Calico.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockAffinity(pub NodeSubnets);

/// Of OpenShift's SDN.
#[derive(Clone, Debug, PartialEq)]
pub struct HostSubnet(pub NodeSubnets);

/// Of Cilium.
#[derive(Clone, Debug, PartialEq)]
pub struct CiliumNode(pub NodeSubnets);

impl Kept for BlockAffinity {
    fn id(&self) -> NamespacedName {
        NamespacedName::cluster(self.0.name.clone())
    }
}

impl Kept for HostSubnet {
    fn id(&self) -> NamespacedName {
        NamespacedName::cluster(self.0.name.clone())
    }
}

impl Kept for CiliumNode {
    fn id(&self) -> NamespacedName {
        NamespacedName::cluster(self.0.name.clone())
    }
}
