//! What CNIs say of the subnets of nodes: BlockAffinity of Calico, HostSubnet
//! of OpenShift, CiliumNode of Cilium.
//! Source: L4 and network, "Node IP and pod CIDR".

use std::sync::Arc;

use ako_core::Resource;
use ako_core::kinds::node_subnets::{self as kept, NodeSubnets};
use kube::core::ObjectMeta;
use serde::Deserialize;

use crate::convert::{Convert, Converted};
use crate::metadata;

/// A BlockAffinity, crd.projectcalico.org/v1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct BlockAffinity {
    #[serde(default, deserialize_with = "metadata::slim::<BlockAffinity, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<BlockAffinitySpec>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct BlockAffinitySpec {
    node: Option<String>,
    cidr: Option<String>,
}

impl Convert for BlockAffinity {
    fn convert(self) -> Converted {
        let spec = self.spec.unwrap_or_default();
        converted(
            |found| Resource::BlockAffinity(kept::BlockAffinity(found)),
            &self.metadata,
            spec.node,
            spec.cidr,
        )
    }
}

/// A HostSubnet, network.openshift.io/v1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct HostSubnet {
    #[serde(default, deserialize_with = "metadata::slim::<HostSubnet, _>")]
    pub(crate) metadata: ObjectMeta,
    host: Option<String>,
    subnet: Option<String>,
}

impl Convert for HostSubnet {
    fn convert(self) -> Converted {
        converted(
            |found| Resource::HostSubnet(kept::HostSubnet(found)),
            &self.metadata,
            self.host,
            self.subnet,
        )
    }
}

/// A CiliumNode, cilium.io/v2; it is called as the node is.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct CiliumNode {
    #[serde(default, deserialize_with = "metadata::slim::<CiliumNode, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<CiliumNodeSpec>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct CiliumNodeSpec {
    ipam: Option<Ipam>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Ipam {
    #[serde(rename = "podCIDRs")]
    pod_cidrs: Option<Vec<String>>,
}

impl Convert for CiliumNode {
    fn convert(self) -> Converted {
        let cidrs = self.spec.and_then(|spec| spec.ipam).and_then(|ipam| ipam.pod_cidrs).unwrap_or_default();
        converted(
            |found| Resource::CiliumNode(kept::CiliumNode(found)),
            &self.metadata,
            self.metadata.name.clone(),
            cidrs,
        )
    }
}

/// What is not told is empty: whether a node lacks a subnet is seen when all is
/// known.
fn converted(
    of_kind: impl FnOnce(NodeSubnets) -> Resource,
    meta: &ObjectMeta,
    node: Option<String>,
    cidrs: impl IntoIterator<Item = String>,
) -> Converted {
    let subnets = NodeSubnets {
        name: metadata::name(meta),
        node: node.unwrap_or_default().into(),
        cidrs: cidrs.into_iter().map(Arc::from).collect(),
    };
    Converted { resource: Some(of_kind(subnets)), diagnostics: Vec::new() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::convert::from_json;

    use super::*;

    #[test]
    fn each_names_a_node_and_its_subnets() {
        let objects = [
            json!({"apiVersion": "crd.projectcalico.org/v1", "kind": "BlockAffinity",
                "metadata": {"name": "n1-block"}, "spec": {"node": "n1", "cidr": "10.1.0.0/26", "state": "confirmed"}}),
            json!({"apiVersion": "network.openshift.io/v1", "kind": "HostSubnet",
                "metadata": {"name": "n1"}, "host": "n1", "hostIP": "10.0.0.1", "subnet": "10.1.0.0/26"}),
            json!({"apiVersion": "cilium.io/v2", "kind": "CiliumNode",
                "metadata": {"name": "n1"}, "spec": {"ipam": {"podCIDRs": ["10.1.0.0/26"]}}}),
        ];
        for object in objects {
            let found = match from_json(&object).unwrap().resource {
                Some(Resource::BlockAffinity(found)) => found.0,
                Some(Resource::HostSubnet(found)) => found.0,
                Some(Resource::CiliumNode(found)) => found.0,
                other => panic!("{object}: {other:?}"),
            };
            assert_eq!((&*found.node, found.cidrs), ("n1", vec!["10.1.0.0/26".into()]), "{object}");
        }
    }
}
