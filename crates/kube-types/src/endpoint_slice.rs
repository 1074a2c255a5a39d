//! EndpointSlice, discovery.k8s.io/v1.

use std::net::IpAddr;

use ako_core::resource::{Endpoint, SlicePort};
use ako_core::{NamespacedName, Reason, Resource, ResourceId, ResourceKind};
use kube::core::ObjectMeta;
use serde::Deserialize;

use crate::convert::{Convert, Converted};
use crate::finding::Findings;
use crate::{metadata, syntax};

/// The label that names a slice's Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// An EndpointSlice, discovery.k8s.io/v1.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSlice {
    #[serde(default, deserialize_with = "metadata::slim::<EndpointSlice, _>")]
    pub(crate) metadata: ObjectMeta,
    address_type: Option<String>,
    endpoints: Option<Vec<WireEndpoint>>,
    ports: Option<Vec<WirePort>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEndpoint {
    addresses: Option<Vec<String>>,
    conditions: Option<Conditions>,
    node_name: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Conditions {
    ready: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct WirePort {
    name: Option<String>,
    protocol: Option<String>,
    port: Option<i64>,
}

impl Convert for EndpointSlice {
    fn convert(self) -> Converted {
        let id = metadata::namespaced_name(&self.metadata);
        let mut findings =
            Findings::about(ResourceId { kind: ResourceKind::EndpointSlice, name: id.clone() });
        let service = self.metadata.labels.as_ref().and_then(|labels| labels.get(SERVICE_NAME));
        let service = service.filter(|name| !name.is_empty());
        let service = service.map(|name| NamespacedName::new(id.namespace.clone(), name.as_str()));
        let is_ipv6 = self.address_type.as_deref() == Some("IPv6");
        let endpoints = self.endpoints.unwrap_or_default().into_iter();
        let ports = self.ports.unwrap_or_default().into_iter();
        let slice = ako_core::resource::EndpointSlice {
            id,
            service,
            is_ipv6,
            endpoints: endpoints.filter_map(|e| endpoint(e, is_ipv6, &mut findings)).collect(),
            ports: ports.filter_map(|p| port(p, &mut findings)).collect(),
        };
        Converted { resource: Some(Resource::EndpointSlice(slice)), diagnostics: findings.into_diagnostics() }
    }
}

/// The first address with the conditions. An address of another family than
/// the slice's, or none at all (a slice of type FQDN), is of no use.
fn endpoint(wire: WireEndpoint, is_ipv6: bool, findings: &mut Findings) -> Option<Endpoint> {
    let address = wire.addresses.unwrap_or_default().into_iter().next().unwrap_or_default();
    if !address.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6() == is_ipv6) {
        let family = if is_ipv6 { "IPv6" } else { "IPv4" };
        findings.add(Reason::InvalidAddress, format!("endpoint {address:?} is not an {family} address"));
        return None;
    }
    let conditions = wire.conditions.unwrap_or_default();
    Some(Endpoint {
        address: address.into(),
        ready: conditions.ready.unwrap_or(true),
        terminating: conditions.terminating.unwrap_or(false),
        node: wire.node_name.filter(|name| !name.is_empty()).map(Into::into),
    })
}

fn port(wire: WirePort, findings: &mut Findings) -> Option<SlicePort> {
    let name = wire.name.unwrap_or_default();
    let Some(protocol) = syntax::protocol(wire.protocol.as_deref()) else {
        findings.add(
            Reason::InvalidObject,
            format!("port {name:?}: unknown protocol {:?}", wire.protocol.unwrap_or_default()),
        );
        return None;
    };
    let port = match wire.port {
        None => None,
        Some(number) => {
            let port = syntax::port_number(number);
            if port.is_none() {
                findings.add(Reason::InvalidObject, format!("port {name:?}: {}", syntax::not_a_port(number)));
                return None;
            }
            port
        }
    };
    Some(SlicePort { name: name.into(), port, protocol })
}

#[cfg(test)]
mod tests {
    use ako_core::resource::Protocol;
    use serde_json::{Value, json};

    use super::*;

    fn convert(fields: &Value) -> (ako_core::resource::EndpointSlice, Vec<Reason>) {
        let mut object = json!({"addressType": "IPv4", "metadata": {"name": "web-1", "namespace": "ns",
            "labels": {"kubernetes.io/service-name": "web"}}});
        for (key, value) in fields.as_object().unwrap() {
            object[key] = value.clone();
        }
        let converted = serde_json::from_value::<EndpointSlice>(object).unwrap().convert();
        let Some(Resource::EndpointSlice(slice)) = converted.resource else { panic!("no slice") };
        (slice, converted.diagnostics.iter().map(|d| d.reason).collect())
    }

    #[test]
    fn absent_conditions_mean_ready() {
        let (slice, findings) = convert(&json!({
            "endpoints": [{"addresses": ["10.0.0.1", "10.0.0.2"], "nodeName": "n1"},
                {"addresses": ["10.0.0.3"], "conditions": {"ready": false, "terminating": true}}],
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}, {}]}));
        let endpoint = |address: &str, ready, terminating, node: Option<&str>| Endpoint {
            address: address.into(),
            ready,
            terminating,
            node: node.map(Into::into),
        };
        let expected =
            [endpoint("10.0.0.1", true, false, Some("n1")), endpoint("10.0.0.3", false, true, None)];
        assert_eq!(slice.endpoints, expected);
        let port = |name: &str, port| SlicePort { name: name.into(), port, protocol: Protocol::Tcp };
        assert_eq!(slice.ports, [port("http", Some(8080)), port("", None)]);
        assert_eq!(slice.service, Some(NamespacedName::new("ns", "web")));
        assert!(findings.is_empty());
    }

    #[test]
    fn null_lists_are_empty() {
        let (slice, findings) = convert(&json!({"endpoints": null, "ports": null}));
        assert_eq!((slice.endpoints.len(), slice.ports.len(), findings.len()), (0, 0, 0));
    }

    #[test]
    fn what_is_of_no_use_is_named() {
        let (slice, findings) = convert(&json!({
            "endpoints": [{"addresses": ["a.example"]}, {"addresses": null}, {"addresses": ["fd00::1"]}],
            "ports": [{"port": 70000}, {"port": 80, "protocol": "QUIC"}]}));
        assert_eq!((slice.endpoints.len(), slice.ports.len(), findings.len()), (0, 0, 5));
    }
}
