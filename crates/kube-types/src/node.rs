//! Node, core/v1.

use std::net::IpAddr;
use std::sync::Arc;

use ako_core::{NamespacedName, Reason, Resource, ResourceId, ResourceKind, annotation};
use kube::core::ObjectMeta;
use serde::Deserialize;

use crate::convert::{Convert, Converted};
use crate::finding::Findings;
use crate::{kubernetes_resource, metadata};

/// A Node, core/v1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Node {
    #[serde(default, deserialize_with = "metadata::slim")]
    metadata: ObjectMeta,
    status: Option<Status>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    addresses: Option<Vec<Address>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Address {
    #[serde(rename = "type")]
    kind: Option<String>,
    address: Option<String>,
}

kubernetes_resource!(Node, "", "nodes", ClusterResourceScope);

impl Convert for Node {
    const KIND: ResourceKind = ResourceKind::Node;

    fn convert(self) -> Converted {
        let name = metadata::name(&self.metadata);
        let id = ResourceId { kind: Self::KIND, name: NamespacedName::cluster(name.clone()) };
        let mut findings = Findings::about(id);
        let addresses = self.status.and_then(|status| status.addresses).unwrap_or_default();
        let internal = addresses.into_iter().filter(|a| a.kind.as_deref() == Some("InternalIP"));
        let internal = internal.filter_map(|a| ip(&a.address.unwrap_or_default(), &mut findings));
        let node = ako_core::resource::Node {
            name,
            labels: metadata::labels(&self.metadata),
            internal_ips: internal.map(|ip| ip.to_string().into()).collect(),
            cni_ips: cni_ips(&self.metadata, &mut findings),
        };
        Converted { resource: Some(Resource::Node(node)), diagnostics: findings.into_diagnostics() }
    }
}

/// The addresses that Calico or Antrea announce, one of each family at most.
/// Of several of Antrea's the last counts.
/// Source: L4 and network, "Node IP and pod CIDR".
fn cni_ips(meta: &ObjectMeta, findings: &mut Findings) -> Vec<Arc<str>> {
    let mut announced = Vec::new();
    for key in [annotation::CALICO_IPV4, annotation::CALICO_IPV6] {
        let address = metadata::annotation(meta, key).unwrap_or_default();
        announced.extend(ip(address.split('/').next().unwrap_or_default(), findings));
    }
    let antrea = metadata::annotation(meta, annotation::ANTREA_ADDRESSES).unwrap_or_default();
    let antrea: Vec<IpAddr> = antrea.split(',').filter_map(|address| ip(address, findings)).collect();
    announced.extend(antrea.into_iter().rev());
    let first = |v4: bool| announced.iter().find(|ip| ip.is_ipv4() == v4);
    [first(true), first(false)].into_iter().flatten().map(|ip| ip.to_string().into()).collect()
}

/// The address; nothing is said about one that is not there.
fn ip(text: &str, findings: &mut Findings) -> Option<IpAddr> {
    let text = text.trim();
    let parsed = text.parse().ok();
    if parsed.is_none() && !text.is_empty() {
        findings.add(Reason::InvalidAddress, format!("{text:?} is not an IP address"));
    }
    parsed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn convert(annotations: &serde_json::Value) -> (ako_core::resource::Node, usize) {
        let addresses = json!([
            {"type": "Hostname", "address": "n1"},
            {"type": "InternalIP", "address": "10.0.0.1"},
            {"type": "InternalIP", "address": "fd00::1"},
        ]);
        let node = json!({"metadata": {"name": "n1", "labels": {"a": "b"}, "annotations": annotations},
            "status": {"addresses": addresses}});
        let converted = serde_json::from_value::<Node>(node).unwrap().convert();
        let Some(Resource::Node(node)) = converted.resource else { panic!("no node") };
        (node, converted.diagnostics.len())
    }

    #[test]
    fn internal_addresses_and_labels() {
        let (node, findings) = convert(&json!(null));
        assert_eq!(node.internal_ips, ["10.0.0.1".into(), "fd00::1".into()]);
        assert_eq!((node.cni_ips.len(), node.labels.len(), findings), (0, 1, 0));
    }

    #[test]
    fn calico_without_masks() {
        let calico = json!({annotation::CALICO_IPV4: "10.1.0.1/24", annotation::CALICO_IPV6: "fd01::1/64"});
        assert_eq!(convert(&calico).0.cni_ips, ["10.1.0.1".into(), "fd01::1".into()]);
    }

    #[test]
    fn the_last_of_antrea_of_each_family() {
        let antrea = json!({annotation::ANTREA_ADDRESSES: "fd02::1,10.2.0.1, 10.2.0.2"});
        assert_eq!(convert(&antrea).0.cni_ips, ["10.2.0.2".into(), "fd02::1".into()]);
    }

    #[test]
    fn what_is_no_address_is_named() {
        let (node, findings) = convert(&json!({annotation::CALICO_IPV4: "ten/24"}));
        assert_eq!((node.cni_ips.len(), findings), (0, 1));
    }
}
