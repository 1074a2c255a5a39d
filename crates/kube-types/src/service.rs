//! Service, core/v1.

use std::collections::BTreeMap;

use ako_core::resource::{PortRef, Published, ServicePort, ServiceType, UnusedField};
use ako_core::{Reason, Resource, ResourceId, ResourceKind, annotation};
use kube::core::ObjectMeta;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::convert::{Convert, Converted, Stamp};
use crate::finding::Findings;
use crate::syntax::NumberOrText;
use crate::{metadata, status, syntax};

/// The annotations that steer us.
/// Source: L4 and network, "Annotations on Services".
const STEERING: [&str; 8] = [
    annotation::SHARED_VIP,
    annotation::LOAD_BALANCER_IP,
    annotation::APPLICATION_PROFILE,
    annotation::DISABLE_TRAFFIC,
    annotation::EXTERNAL_DNS,
    annotation::SKIP_NODE_PORT,
    annotation::INFRA_SETTING,
    annotation::L4_RULE,
];

/// The values of `appProtocol` that need nothing but HTTP/1 in plain text.
const PLAIN_HTTP: [&str; 4] = ["", "http", "kubernetes.io/ws", "tcp"];

/// A Service, core/v1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Service {
    #[serde(default, deserialize_with = "metadata::slim::<Service, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<status::LoadBalancerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "type")]
    service_type: Option<String>,
    ports: Option<Vec<WirePort>>,
    load_balancer_class: Option<String>,
    #[serde(rename = "loadBalancerIP")]
    load_balancer_ip: Option<String>,
    ip_families: Option<Vec<String>>,
    external_traffic_policy: Option<String>,
    load_balancer_source_ranges: Option<Vec<IgnoredAny>>,
    session_affinity: Option<String>,
    selector: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePort {
    name: Option<String>,
    protocol: Option<String>,
    port: Option<i64>,
    target_port: Option<NumberOrText>,
    node_port: Option<i64>,
    app_protocol: Option<String>,
}

impl Convert for Service {
    const ANNOTATIONS: &'static [&'static str] = &[
        annotation::SHARED_VIP,
        annotation::LOAD_BALANCER_IP,
        annotation::APPLICATION_PROFILE,
        annotation::DISABLE_TRAFFIC,
        annotation::EXTERNAL_DNS,
        annotation::SKIP_NODE_PORT,
        annotation::INFRA_SETTING,
        annotation::L4_RULE,
        annotation::SOURCE_RANGES,
        annotation::NODE_PORT_LOCAL_ENABLED,
        annotation::VS_UUID_MAP,
        annotation::CLUSTER_UUID,
        annotation::TENANT,
    ];

    fn status(wanted: &Published, _current: &Published, _stamp: &Stamp<'_>) -> Value {
        status::load_balancer(wanted)
    }

    fn convert(self) -> Converted {
        let id = metadata::namespaced_name(&self.metadata);
        let mut findings = Findings::about(ResourceId { kind: ResourceKind::Service, name: id.clone() });
        let spec = self.spec.unwrap_or_default();
        let unused = unused(&spec, &self.metadata);
        let (ipv4, ipv6) = families(spec.ip_families.unwrap_or_default(), &mut findings);
        let ports = spec.ports.unwrap_or_default().into_iter();
        let service = ako_core::resource::Service {
            id,
            meta: metadata::kept(&self.metadata),
            service_type: service_type(spec.service_type.as_deref(), &mut findings),
            ports: ports.filter_map(|p| port(p, &mut findings)).collect(),
            class: spec.load_balancer_class.map(Into::into),
            load_balancer_ip: spec.load_balancer_ip.filter(|ip| !ip.is_empty()).map(Into::into),
            ipv4,
            ipv6,
            local_traffic_only: spec.external_traffic_policy.as_deref() == Some("Local"),
            selector: metadata::pairs(spec.selector.as_ref()),
            unused,
            annotations: metadata::annotations::<Service>(&self.metadata, &STEERING),
            published: Published {
                node_ports: metadata::annotation::<Service>(
                    &self.metadata,
                    annotation::NODE_PORT_LOCAL_ENABLED,
                )
                .map(Into::into),
                ..status::published::<Service>(&self.metadata, self.status)
            },
        };
        Converted { resource: Some(Resource::Service(service)), diagnostics: findings.into_diagnostics() }
    }
}

/// What is asked for and has no effect.
fn unused(spec: &Spec, meta: &ObjectMeta) -> Vec<UnusedField> {
    let mut unused = Vec::new();
    let has_ranges = spec.load_balancer_source_ranges.as_ref().is_some_and(|ranges| !ranges.is_empty())
        || metadata::annotation::<Service>(meta, annotation::SOURCE_RANGES)
            .is_some_and(|ranges| !ranges.trim().is_empty());
    unused.extend(has_ranges.then_some(UnusedField::SourceRanges));
    unused.extend(
        (spec.session_affinity.as_deref() == Some("ClientIP")).then_some(UnusedField::SessionAffinity),
    );
    for port in spec.ports.iter().flatten() {
        let spoken = port.app_protocol.as_deref().filter(|spoken| !PLAIN_HTTP.contains(spoken));
        let number = port.port.and_then(syntax::port_number);
        unused.extend(number.zip(spoken).map(|(port, spoken)| UnusedField::AppProtocol(port, spoken.into())));
    }
    unused
}

/// A type that we do not know is of no use to us, as ExternalName is.
/// Source: L4 and network, "Selection and event handling".
fn service_type(name: Option<&str>, findings: &mut Findings) -> ServiceType {
    match name {
        None | Some("" | "ClusterIP") => ServiceType::ClusterIp,
        Some("NodePort") => ServiceType::NodePort,
        Some("LoadBalancer") => ServiceType::LoadBalancer,
        Some("ExternalName") => ServiceType::ExternalName,
        Some(other) => {
            findings.add(Reason::InvalidObject, format!("spec.type {other:?} is not known"));
            ServiceType::ExternalName
        }
    }
}

/// Whether IPv4 and IPv6 are among the families; none at all means IPv4.
fn families(names: Vec<String>, findings: &mut Findings) -> (bool, bool) {
    let (mut ipv4, mut ipv6) = (names.is_empty(), false);
    for name in names {
        match name.as_str() {
            "IPv4" => ipv4 = true,
            "IPv6" => ipv6 = true,
            _ => findings.add(Reason::InvalidObject, format!("spec.ipFamilies: {name:?} is not known")),
        }
    }
    (ipv4, ipv6)
}

/// The port. One with a bad target is left out: its traffic would go to
/// another port than the one that was meant.
fn port(wire: WirePort, findings: &mut Findings) -> Option<ServicePort> {
    let name = wire.name.unwrap_or_default();
    let mut refuse = |what: String| findings.add(Reason::InvalidObject, format!("port {name:?}: {what}"));
    let number = wire.port.unwrap_or_default();
    let Some(port) = syntax::port_number(number) else {
        refuse(syntax::not_a_port(number));
        return None;
    };
    let Some(protocol) = syntax::protocol(wire.protocol.as_deref()) else {
        refuse(format!("unknown protocol {:?}", wire.protocol.unwrap_or_default()));
        return None;
    };
    let target_port = match target_port(wire.target_port) {
        Ok(target) => target,
        Err(what) => {
            refuse(format!("targetPort: {what}"));
            return None;
        }
    };
    let node_port = match wire.node_port {
        None | Some(0) => None,
        Some(number) => {
            let port = syntax::port_number(number);
            if port.is_none() {
                refuse(format!("nodePort: {}", syntax::not_a_port(number)));
            }
            port
        }
    };
    Some(ServicePort { name: name.into(), port, target_port, protocol, node_port })
}

/// The target; 0 is how Go writes an absent one.
fn target_port(wire: Option<NumberOrText>) -> Result<Option<PortRef>, String> {
    match wire {
        None | Some(NumberOrText::Number(0)) => Ok(None),
        Some(target) => syntax::port_ref(&target).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use ako_core::resource::{Protocol, PublishedAddress};
    use serde_json::json;

    use super::*;

    fn convert(spec: &Value) -> (ako_core::resource::Service, Vec<String>) {
        let annotations = json!({annotation::SHARED_VIP: "k", "other": "x", annotation::TENANT: "t",
            annotation::NODE_PORT_LOCAL_ENABLED: "true"});
        let object = json!({"spec": spec,
            "metadata": {"name": "web", "namespace": "ns", "creationTimestamp": "1970-01-01T00:01:00Z",
                "annotations": annotations, "managedFields": [{"manager": "kubectl"}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}});
        let converted = serde_json::from_value::<Service>(object).unwrap().convert();
        let Some(Resource::Service(service)) = converted.resource else { panic!("no service") };
        (service, converted.diagnostics.iter().map(|d| d.message.to_string()).collect())
    }

    #[test]
    fn what_is_asked_for_without_effect_is_remembered() {
        let unused = |spec: &Value| convert(spec).0.unused;
        assert_eq!(unused(&json!({"loadBalancerSourceRanges": [], "sessionAffinity": "None"})), []);
        let ports = json!([{"port": 80, "appProtocol": "http"}, {"port": 443, "appProtocol": "https"}]);
        let spec = json!({"loadBalancerSourceRanges": ["10.0.0.0/8"], "sessionAffinity": "ClientIP", "ports": ports});
        let expected = [
            UnusedField::SourceRanges,
            UnusedField::SessionAffinity,
            UnusedField::AppProtocol(443, "https".into()),
        ];
        assert_eq!(unused(&spec), expected);
    }

    #[test]
    fn defaults() {
        let (service, findings) = convert(&json!({"ports": null}));
        assert_eq!(service.service_type, ServiceType::ClusterIp);
        assert_eq!((service.ipv4, service.ipv6, service.local_traffic_only), (true, false, false));
        assert_eq!(service.meta.created, 60);
        assert_eq!(service.annotations.keys().map(|k| &**k).collect::<Vec<_>>(), [annotation::SHARED_VIP]);
        let address = PublishedAddress { hostname: "".into(), ip: "1.2.3.4".into() };
        assert_eq!(service.published.addresses, [address]);
        assert_eq!(
            service.published.annotations.keys().map(|k| &**k).collect::<Vec<_>>(),
            [annotation::TENANT]
        );
        assert_eq!(service.published.node_ports.as_deref(), Some("true"));
        assert!(findings.is_empty(), "{findings:?}");
    }

    #[test]
    fn all_fields() {
        let (service, findings) = convert(&json!({"type": "LoadBalancer", "loadBalancerClass": "c",
            "loadBalancerIP": "10.0.0.9", "ipFamilies": ["IPv6"], "externalTrafficPolicy": "Local",
            "ports": [{"name": "dns", "port": 53, "targetPort": "dns", "protocol": "UDP", "nodePort": 30053},
                {"port": 80, "targetPort": 8080}, {"port": 81, "targetPort": 0, "nodePort": 0}]}));
        assert_eq!(service.service_type, ServiceType::LoadBalancer);
        assert_eq!((service.ipv4, service.ipv6, service.local_traffic_only), (false, true, true));
        assert_eq!(service.class.as_deref(), Some("c"));
        assert_eq!(service.load_balancer_ip.as_deref(), Some("10.0.0.9"));
        let dns = ServicePort {
            name: "dns".into(),
            port: 53,
            target_port: Some(PortRef::Name("dns".into())),
            protocol: Protocol::Udp,
            node_port: Some(30053),
        };
        assert_eq!(service.ports[0], dns);
        assert_eq!(service.ports[1].target_port, Some(PortRef::Number(8080)));
        assert_eq!((&service.ports[2].target_port, service.ports[2].node_port), (&None, None));
        assert!(findings.is_empty(), "{findings:?}");
    }

    #[test]
    fn bad_parts_are_left_out_and_named() {
        let (service, findings) = convert(&json!({"type": "Magic", "ipFamilies": ["IPv9"], "ports": [
            {"port": 70000}, {"port": 80, "targetPort": "_"}, {"port": 80, "targetPort": -1},
            {"port": 80, "protocol": "QUIC"}, {"name": "kept", "port": 80, "nodePort": 99999}]}));
        assert_eq!(service.service_type, ServiceType::ExternalName);
        assert_eq!(service.ports.len(), 1);
        assert_eq!(&*service.ports[0].name, "kept");
        assert_eq!(findings.len(), 7, "{findings:?}");
    }
}
