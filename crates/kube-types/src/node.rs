//! Node, core/v1.

use std::net::IpAddr;
use std::sync::Arc;

use ako_core::{NamespacedName, Reason, Resource, ResourceId, ResourceKind, annotation};
use kube::core::ObjectMeta;
use serde::Deserialize;

use crate::convert::{Convert, Converted};
use crate::finding::Findings;
use crate::metadata;

/// A Node, core/v1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Node {
    #[serde(default, deserialize_with = "metadata::slim::<Node, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "podCIDR")]
    pod_cidr: Option<String>,
    #[serde(rename = "podCIDRs")]
    pod_cidrs: Option<Vec<String>>,
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

impl Convert for Node {
    const ANNOTATIONS: &'static [&'static str] = &[
        annotation::CALICO_IPV4,
        annotation::CALICO_IPV6,
        annotation::ANTREA_ADDRESSES,
        annotation::POD_CIDRS,
        annotation::OVN_SUBNETS,
    ];

    fn convert(self) -> Converted {
        let name = metadata::name(&self.metadata);
        let id = ResourceId { kind: ResourceKind::Node, name: NamespacedName::cluster(name.clone()) };
        let mut findings = Findings::about(id);
        let addresses = self.status.and_then(|status| status.addresses).unwrap_or_default();
        let internal = addresses.into_iter().filter(|a| a.kind.as_deref() == Some("InternalIP"));
        let internal = internal.filter_map(|a| ip(&a.address.unwrap_or_default(), &mut findings));
        let internal_ips = internal.map(|ip| ip.to_string().into()).collect();
        let spec = self.spec.unwrap_or_default();
        let pod_cidrs = spec.pod_cidrs.unwrap_or_default().into_iter();
        let pod_cidrs: Vec<_> = pod_cidrs.filter(|cidr| !cidr.is_empty()).map(Arc::from).collect();
        let only = spec.pod_cidr.filter(|cidr| pod_cidrs.is_empty() && !cidr.is_empty()).map(Arc::from);
        let node = ako_core::resource::Node {
            name,
            meta: metadata::kept(&self.metadata),
            pod_cidrs: pod_cidrs.into_iter().chain(only).collect(),
            annotated_cidrs: metadata::annotation::<Node>(&self.metadata, annotation::POD_CIDRS).map(list),
            ovn_cidrs: ovn_cidrs(&self.metadata, &mut findings),
            labels: metadata::labels(&self.metadata),
            internal_ips,
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
        let address = metadata::annotation::<Node>(meta, key).unwrap_or_default();
        announced.extend(ip(address.split('/').next().unwrap_or_default(), findings));
    }
    let antrea = metadata::annotation::<Node>(meta, annotation::ANTREA_ADDRESSES).unwrap_or_default();
    let antrea: Vec<IpAddr> = antrea.split(',').filter_map(|address| ip(address, findings)).collect();
    announced.extend(antrea.into_iter().rev());
    let first = |v4: bool| announced.iter().find(|ip| ip.is_ipv4() == v4);
    [first(true), first(false)].into_iter().flatten().map(|ip| ip.to_string().into()).collect()
}

/// The parts of a list that is separated by commas.
fn list(text: &str) -> Vec<Arc<str>> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Arc::from).collect()
}

/// The subnets of OVN-Kubernetes's default network: one, or a list of them.
/// Source: L4 and network, "Node IP and pod CIDR".
fn ovn_cidrs(meta: &ObjectMeta, findings: &mut Findings) -> Option<Vec<Arc<str>>> {
    #[derive(Deserialize)]
    struct Networks {
        default: OneOrMore,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        One(Arc<str>),
        More(Vec<Arc<str>>),
    }
    let text = metadata::annotation::<Node>(meta, annotation::OVN_SUBNETS)?;
    match serde_json::from_str(text) {
        Ok(Networks { default: OneOrMore::One(cidr) }) => Some(vec![cidr]),
        Ok(Networks { default: OneOrMore::More(cidrs) }) => Some(cidrs),
        Err(error) => {
            let message = format!("annotation {} is not understood: {error}", annotation::OVN_SUBNETS);
            findings.add(Reason::InvalidObject, message);
            None
        }
    }
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
    fn pod_cidrs_of_the_node_and_of_annotations() {
        let of = |object: serde_json::Value| {
            let converted = serde_json::from_value::<Node>(object).unwrap().convert();
            let Some(Resource::Node(node)) = converted.resource else { panic!("no node") };
            (node, converted.diagnostics.len())
        };
        let texts = |cidrs: &[Arc<str>]| cidrs.iter().map(ToString::to_string).collect::<Vec<_>>();
        let both = json!({"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24", "fd00::/64"]});
        let (node, _) = of(json!({"metadata": {"name": "n", "uid": "u"}, "spec": both}));
        assert_eq!(
            (texts(&node.pod_cidrs), &*node.meta.uid),
            (vec!["10.1.0.0/24".into(), "fd00::/64".into()], "u")
        );
        let (node, _) = of(json!({"metadata": {"name": "n"}, "spec": {"podCIDR": "10.1.0.0/24"}}));
        assert_eq!(texts(&node.pod_cidrs), ["10.1.0.0/24"]);
        assert_eq!((node.annotated_cidrs, node.ovn_cidrs), (None, None));
        let annotated = |ovn: &str| json!({annotation::POD_CIDRS: " 10.2.0.0/24,10.3.0.0/24,", annotation::OVN_SUBNETS: ovn});
        let (node, _) = convert(&annotated(r#"{"default":"10.4.0.0/24"}"#));
        assert_eq!(texts(&node.annotated_cidrs.unwrap()), ["10.2.0.0/24", "10.3.0.0/24"]);
        assert_eq!(texts(&node.ovn_cidrs.unwrap()), ["10.4.0.0/24"]);
        let (node, _) = convert(&annotated(r#"{"default":["10.4.0.0/24","fd04::/64"]}"#));
        assert_eq!(texts(&node.ovn_cidrs.unwrap()), ["10.4.0.0/24", "fd04::/64"]);
        assert_eq!(convert(&annotated("[]")).1, 1);
    }

    #[test]
    fn what_is_no_address_is_named() {
        let (node, findings) = convert(&json!({annotation::CALICO_IPV4: "ten/24"}));
        assert_eq!((node.cni_ips.len(), findings), (0, 1));
    }
}
