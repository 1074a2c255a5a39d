//! Pod, core/v1, as far as NodePortLocal is concerned.

use ako_core::resource::NodePort;
use ako_core::{Reason, Resource, ResourceId, ResourceKind, annotation};
use kube::core::ObjectMeta;
use serde::Deserialize;

use crate::convert::{Convert, Converted};
use crate::finding::Findings;
use crate::{metadata, syntax};

/// A Pod, core/v1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Pod {
    #[serde(default, deserialize_with = "metadata::slim::<Pod, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Spec {
    containers: Option<Vec<Container>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Container {
    ports: Option<Vec<ContainerPort>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerPort {
    name: Option<String>,
    container_port: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(rename = "podIPs")]
    pod_ips: Option<Vec<PodIp>>,
    conditions: Option<Vec<Condition>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct PodIp {
    ip: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: Option<String>,
    status: Option<String>,
}

impl Convert for Pod {
    const ANNOTATIONS: &'static [&'static str] = &[annotation::NODE_PORT_LOCAL];

    /// Pods that Antrea did not make reachable are of no use to us, nor are
    /// those that are not ready.
    fn convert(self) -> Converted {
        let Some(text) = metadata::annotation::<Pod>(&self.metadata, annotation::NODE_PORT_LOCAL) else {
            return Converted::default();
        };
        let id = metadata::namespaced_name(&self.metadata);
        let mut findings = Findings::about(ResourceId { kind: ResourceKind::Pod, name: id.clone() });
        let node_ports = node_ports(text, &mut findings);
        let status = self.status.unwrap_or_default();
        let mut conditions = status.conditions.into_iter().flatten();
        let unready =
            conditions.any(|c| c.kind.as_deref() == Some("Ready") && c.status.as_deref() == Some("False"));
        let addresses = status.pod_ips.into_iter().flatten().filter_map(|pod_ip| pod_ip.ip).map(Into::into);
        let containers = self.spec.and_then(|spec| spec.containers).unwrap_or_default();
        let ports = containers.into_iter().filter_map(|container| container.ports).flatten();
        let pod = ako_core::resource::Pod {
            id,
            labels: metadata::labels(&self.metadata),
            addresses: addresses.collect(),
            port_names: ports
                .filter_map(|port| Some((port.name?.into(), syntax::port_number(port.container_port?)?)))
                .collect(),
            node_ports,
        };
        let resource = (!unready).then_some(Resource::Pod(pod));
        Converted { resource, diagnostics: findings.into_diagnostics() }
    }
}

/// The annotation of Antrea; entries that cannot be read are left out.
fn node_ports(text: &str, findings: &mut Findings) -> Vec<NodePort> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry {
        pod_port: i64,
        #[serde(rename = "nodeIP")]
        node_ip: String,
        node_port: i64,
        protocol: Option<String>,
    }
    let entries: Vec<Entry> = match serde_json::from_str(text) {
        Ok(entries) => entries,
        Err(error) => {
            let message = format!("annotation {} is not understood: {error}", annotation::NODE_PORT_LOCAL);
            findings.add(Reason::InvalidObject, message);
            return Vec::new();
        }
    };
    let mut read = |entry: Entry| {
        let (pod, node) = (syntax::port_number(entry.pod_port), syntax::port_number(entry.node_port));
        let address: Option<std::net::IpAddr> = entry.node_ip.trim().parse().ok();
        let (Some(pod_port), Some(node_port), Some(address)) = (pod, node, address) else {
            let message = format!(
                "annotation {}: {}:{} for port {} cannot be reached",
                annotation::NODE_PORT_LOCAL,
                entry.node_ip,
                entry.node_port,
                entry.pod_port
            );
            findings.add(Reason::InvalidAddress, message);
            return None;
        };
        // Antrea writes it in small letters.
        let protocol = entry.protocol.and_then(|name| syntax::protocol(Some(&name.to_ascii_uppercase())));
        Some(NodePort { pod_port, protocol, node_ip: address.to_string().into(), node_port })
    };
    let mut ports: Vec<_> = entries.into_iter().filter_map(&mut read).collect();
    ports.sort();
    ports.dedup();
    ports
}

#[cfg(test)]
mod tests {
    use ako_core::resource::Protocol;
    use serde_json::{Value, json};

    use super::*;

    fn convert(annotation: &str, ready: &str) -> (Option<ako_core::resource::Pod>, usize) {
        let object: Value = json!({
            "metadata": {"name": "p", "namespace": "ns", "labels": {"app": "web"},
                "annotations": {annotation::NODE_PORT_LOCAL: annotation}},
            "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}, {"containerPort": 1}]}]},
            "status": {"podIPs": [{"ip": "10.1.0.5"}], "conditions": [{"type": "Ready", "status": ready}]},
        });
        let converted = serde_json::from_value::<Pod>(object).unwrap().convert();
        let pod = converted.resource.map(|resource| match resource {
            Resource::Pod(pod) => pod,
            other => panic!("{other:?}"),
        });
        (pod, converted.diagnostics.len())
    }

    #[test]
    fn where_its_ports_are_reached() {
        let text = r#"[{"podPort":8080,"nodeIP":"10.0.0.1","nodePort":61000,"protocol":"tcp"}]"#;
        let (pod, findings) = convert(text, "True");
        let pod = pod.unwrap();
        let expected = NodePort {
            pod_port: 8080,
            protocol: Some(Protocol::Tcp),
            node_ip: "10.0.0.1".into(),
            node_port: 61000,
        };
        assert_eq!((pod.node_ports, findings), (vec![expected], 0));
        let untold = r#"[{"podPort":8080,"nodeIP":"10.0.0.1","nodePort":61000}]"#;
        assert_eq!(convert(untold, "True").0.unwrap().node_ports[0].protocol, None);
        assert_eq!(pod.addresses, ["10.1.0.5".into()]);
        assert_eq!(pod.port_names.get("http"), Some(&8080));
        assert_eq!(convert(text, "False").0, None);
    }

    #[test]
    fn bad_entries_are_left_out_and_named() {
        let text =
            r#"[{"podPort":80,"nodeIP":"ten","nodePort":1},{"podPort":80,"nodeIP":"10.0.0.1","nodePort":2}]"#;
        let (pod, findings) = convert(text, "True");
        assert_eq!((pod.unwrap().node_ports.len(), findings), (1, 1));
        assert_eq!(convert("{}", "True").1, 1);
    }
}
