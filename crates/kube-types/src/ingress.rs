//! Ingress, networking.k8s.io/v1.

use std::sync::Arc;

use ako_core::hostname::is_host;
use ako_core::resource::{Backend, IngressPath, IngressRule, IngressTls, PathType, PortRef, Published};
use ako_core::{Reason, Resource, ResourceId, ResourceKind, annotation};
use kube::core::ObjectMeta;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::convert::{Convert, Converted, Stamp};
use crate::finding::Findings;
use crate::syntax::NumberOrText;
use crate::{metadata, status, syntax};

/// An Ingress, networking.k8s.io/v1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Ingress {
    #[serde(default, deserialize_with = "metadata::slim::<Ingress, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<status::LoadBalancerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    ingress_class_name: Option<String>,
    rules: Option<Vec<WireRule>>,
    tls: Option<Vec<WireTls>>,
    default_backend: Option<IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct WireRule {
    host: Option<String>,
    http: Option<WireHttp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct WireHttp {
    paths: Option<Vec<WirePath>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePath {
    path: Option<String>,
    path_type: Option<String>,
    backend: Option<WireBackend>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct WireBackend {
    service: Option<WireService>,
    resource: Option<IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct WireService {
    name: Option<String>,
    port: Option<WirePort>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct WirePort {
    name: Option<String>,
    number: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTls {
    hosts: Option<Vec<String>>,
    secret_name: Option<String>,
}

impl Convert for Ingress {
    const ANNOTATIONS: &'static [&'static str] = &[
        annotation::ENABLE_TLS,
        annotation::PASSTHROUGH,
        annotation::INGRESS_CLASS,
        annotation::VS_UUID_MAP,
        annotation::CLUSTER_UUID,
        annotation::TENANT,
    ];

    fn status(wanted: &Published, _current: &Published, _stamp: &Stamp<'_>) -> Value {
        status::load_balancer(wanted)
    }

    fn convert(self) -> Converted {
        let id = metadata::namespaced_name(&self.metadata);
        let mut findings = Findings::about(ResourceId { kind: ResourceKind::Ingress, name: id.clone() });
        let spec = self.spec.unwrap_or_default();
        let is_true = |key: &str| metadata::annotation::<Ingress>(&self.metadata, key) == Some("true");
        let (enable_tls, passthrough) = (is_true(annotation::ENABLE_TLS), is_true(annotation::PASSTHROUGH));
        // The admission plugin for default classes leaves Ingresses with it alone, too.
        let annotated_class = || {
            let class = metadata::annotation::<Ingress>(&self.metadata, annotation::INGRESS_CLASS);
            class.filter(|class| !class.is_empty()).map(str::to_owned)
        };
        let rules = spec.rules.unwrap_or_default().into_iter().enumerate();
        let tls = spec.tls.unwrap_or_default().into_iter().enumerate();
        let ingress = ako_core::resource::Ingress {
            id,
            meta: metadata::kept(&self.metadata),
            class: spec.ingress_class_name.or_else(annotated_class).map(Into::into),
            enable_tls,
            passthrough,
            rules: rules.filter_map(|(index, rule)| ingress_rule(index, rule, &mut findings)).collect(),
            tls: tls.map(|(index, entry)| ingress_tls(index, entry, &mut findings)).collect(),
            has_default_backend: spec.default_backend.is_some(),
            published: status::published::<Ingress>(&self.metadata, self.status),
        };
        Converted { resource: Some(Resource::Ingress(ingress)), diagnostics: findings.into_diagnostics() }
    }
}

/// The rule; one for a host that is no DNS name is left out. An empty host is
/// an absent one, as in the API.
fn ingress_rule(index: usize, rule: WireRule, findings: &mut Findings) -> Option<IngressRule> {
    let host = rule.host.filter(|host| !host.is_empty());
    if let Some(host) = host.as_deref().filter(|host| !is_host(host)) {
        findings.add(Reason::InvalidRule, format!("spec.rules[{index}]: host {host:?} is not a DNS name"));
        return None;
    }
    let paths = rule.http.map(|http| {
        let paths = http.paths.unwrap_or_default().into_iter().enumerate();
        paths
            .filter_map(|(number, path)| {
                ingress_path(path)
                    .map_err(|what| {
                        let place = format!("spec.rules[{index}].http.paths[{number}]");
                        findings.add(Reason::InvalidRule, format!("{place}: {what}"));
                    })
                    .ok()
            })
            .collect()
    });
    Some(IngressRule { host: host.map(Into::into), paths })
}

/// The path; an error says why it is left out.
fn ingress_path(path: WirePath) -> Result<IngressPath, String> {
    let text = path.path.unwrap_or_default();
    let path_type = match path.path_type.as_deref() {
        None | Some("" | "ImplementationSpecific") => PathType::ImplementationSpecific,
        Some("Exact") => PathType::Exact,
        Some("Prefix") => PathType::Prefix,
        Some(other) => return Err(format!("pathType {other:?} is not known")),
    };
    let is_allowed_empty = text.is_empty() && path_type == PathType::ImplementationSpecific;
    if !text.starts_with('/') && !is_allowed_empty {
        return Err(format!("path {text:?} does not start with /"));
    }
    let backend = path.backend.unwrap_or_default();
    let backend = match backend.service {
        Some(service) => Some(ingress_backend(service)?),
        None if backend.resource.is_some() => None,
        None => return Err("there is no backend".to_owned()),
    };
    Ok(IngressPath { path: text.into(), path_type, backend })
}

/// The backend's Service and port, by number if both are given.
fn ingress_backend(service: WireService) -> Result<Backend, String> {
    let name = service.name.unwrap_or_default();
    if name.is_empty() {
        return Err("the backend names no Service".to_owned());
    }
    let port = service.port.unwrap_or_default();
    let port = match (port.number, port.name) {
        (None | Some(0), Some(name)) if !name.is_empty() => NumberOrText::Text(name),
        (None | Some(0), _) => return Err(format!("the backend {name} has no port")),
        (Some(number), _) => NumberOrText::Number(number),
    };
    let port: PortRef = syntax::port_ref(&port).map_err(|what| format!("the backend {name}: {what}"))?;
    Ok(Backend { service: name.into(), port })
}

/// The TLS entry. One without a Secret is kept: its hosts must not be served
/// in plain text.
fn ingress_tls(index: usize, tls: WireTls, findings: &mut Findings) -> IngressTls {
    let secret: Arc<str> = tls.secret_name.unwrap_or_default().into();
    if secret.is_empty() {
        findings.add(Reason::InvalidRule, format!("spec.tls[{index}] has no secretName"));
    }
    let (mut hosts, mut has_bad_hosts) = (Vec::new(), false);
    for host in tls.hosts.unwrap_or_default() {
        if is_host(&host) {
            hosts.push(host.into());
        } else {
            has_bad_hosts = true;
            findings.add(Reason::InvalidRule, format!("spec.tls[{index}]: host {host:?} is not a DNS name"));
        }
    }
    IngressTls { hosts, has_bad_hosts, secret }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn convert(spec: &Value) -> (ako_core::resource::Ingress, Vec<String>) {
        let annotations = json!({annotation::ENABLE_TLS: "true", annotation::PASSTHROUGH: "True"});
        let object = json!({"spec": spec, "metadata": {"name": "web", "namespace": "ns",
            "creationTimestamp": "1970-01-01T00:01:00Z", "annotations": annotations}});
        let converted = serde_json::from_value::<Ingress>(object).unwrap().convert();
        let Some(Resource::Ingress(ingress)) = converted.resource else { panic!("no ingress") };
        (ingress, converted.diagnostics.iter().map(|d| d.message.to_string()).collect())
    }

    fn path(path: &Value) -> Value {
        json!({"rules": [{"host": "a.com", "http": {"paths": [path]}}]})
    }

    #[test]
    fn all_fields() {
        let (ingress, findings) = convert(&json!({"ingressClassName": "avi", "defaultBackend": {},
            "rules": [{"host": "*.a.com", "http": {"paths": [
                {"path": "/x", "pathType": "Exact",
                    "backend": {"service": {"name": "s", "port": {"number": 80}}}},
                {"pathType": "ImplementationSpecific",
                    "backend": {"service": {"name": "s", "port": {"name": "http"}}}},
                {"path": "/r", "pathType": "Prefix", "backend": {"resource": {"kind": "Bucket"}}}]}},
                {"host": ""}, {"http": {"paths": null}}],
            "tls": [{"hosts": ["a.com"], "secretName": "crt"}]}));
        assert_eq!(ingress.class.as_deref(), Some("avi"));
        assert!(ingress.enable_tls && !ingress.passthrough && ingress.has_default_backend);
        let backend = |port| Some(Backend { service: "s".into(), port });
        let of = |path: &str, path_type, backend| IngressPath { path: path.into(), path_type, backend };
        let paths = vec![
            of("/x", PathType::Exact, backend(PortRef::Number(80))),
            of("", PathType::ImplementationSpecific, backend(PortRef::Name("http".into()))),
            of("/r", PathType::Prefix, None),
        ];
        let rule = |host: Option<&str>, paths| IngressRule { host: host.map(Into::into), paths };
        let rules = [rule(Some("*.a.com"), Some(paths)), rule(None, None), rule(None, Some(Vec::new()))];
        assert_eq!(ingress.rules, rules);
        let tls = IngressTls { hosts: vec!["a.com".into()], has_bad_hosts: false, secret: "crt".into() };
        assert_eq!(ingress.tls, [tls]);
        assert!(findings.is_empty(), "{findings:?}");
    }

    #[test]
    fn the_class_is_that_of_the_spec_else_that_of_the_annotation() {
        let class = |value: Option<&str>, name: Option<&str>| {
            let annotations: serde_json::Map<_, _> =
                value.map(|class| (annotation::INGRESS_CLASS.to_owned(), json!(class))).into_iter().collect();
            let object =
                json!({"spec": {"ingressClassName": name}, "metadata": {"annotations": annotations}});
            let converted = serde_json::from_value::<Ingress>(object).unwrap().convert();
            let Some(Resource::Ingress(ingress)) = converted.resource else { panic!("no ingress") };
            ingress.class.map(|class| class.to_string())
        };
        for (annotation, name, expected) in [
            (None, None, None),
            (Some(""), None, None),
            (Some("nginx"), None, Some("nginx")),
            (None, Some("avi-lb"), Some("avi-lb")),
            (Some("nginx"), Some("avi-lb"), Some("avi-lb")),
        ] {
            assert_eq!(class(annotation, name).as_deref(), expected, "{annotation:?} {name:?}");
        }
    }

    #[test]
    fn null_lists_are_empty() {
        let (ingress, findings) = convert(&json!({"rules": null, "tls": null, "defaultBackend": null}));
        assert_eq!((ingress.rules.len(), ingress.tls.len(), findings.len()), (0, 0, 0));
        assert!(!ingress.has_default_backend);
    }

    #[test]
    fn bad_paths_are_left_out_and_named() {
        let service = |port: Value| json!({"service": {"name": "s", "port": port}});
        let good = service(json!({"number": 80}));
        for bad in [
            json!({"path": "x", "backend": good}),
            json!({"path": "", "pathType": "Prefix", "backend": good}),
            json!({"path": "/", "pathType": "Regex", "backend": good}),
            json!({"path": "/", "backend": service(json!({"number": 70000}))}),
            json!({"path": "/", "backend": service(json!({"name": "A_B"}))}),
            json!({"path": "/", "backend": service(json!(null))}),
            json!({"path": "/", "backend": {"service": {"port": {"number": 80}}}}),
            json!({"path": "/", "backend": {}}),
            json!({"path": "/"}),
        ] {
            let (ingress, findings) = convert(&path(&bad));
            assert_eq!(ingress.rules[0].paths, Some(Vec::new()), "{bad}");
            assert_eq!(findings.len(), 1, "{bad}: {findings:?}");
        }
    }

    #[test]
    fn bad_hosts_are_left_out_and_named() {
        let (ingress, findings) = convert(&json!({"rules": [{"host": "a_b"}, {"host": "b.com"}],
            "tls": [{"hosts": ["", "c.com"], "secretName": ""}]}));
        assert_eq!(ingress.rules.len(), 1);
        let tls = IngressTls { hosts: vec!["c.com".into()], has_bad_hosts: true, secret: "".into() };
        assert_eq!(ingress.tls, [tls]);
        assert_eq!(findings.len(), 3, "{findings:?}");
    }
}
