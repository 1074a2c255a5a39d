//! Route, route.openshift.io/v1. Source: OpenShift API reference, Route; L7 objects, §5.5, §8.

use std::sync::Arc;

use ako_core::hostname::is_host;
use ako_core::resource::{
    Condition, InsecurePolicy, Others, Part, PortRef, Published, PublishedAddress, RouteBackend, RouteTls,
    Termination, Told, Truth,
};
use ako_core::secret::Redacted;
use ako_core::{Resource, annotation, certificate};
use kube::core::ObjectMeta;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::convert::{Convert, Converted, Stamp};
use crate::status::WireCondition;
use crate::syntax::NumberOrText;
use crate::{metadata, syntax};

/// The condition that a router sets on a Route.
const ADMITTED: &str = "Admitted";
/// How the names of routers begin that are ours.
const ROUTER: &str = "ako-";
/// The field of what is told that has the host of a Route that is not admitted.
const HOST: &str = "host";
/// The weight of a backend that has none. Source: OpenShift API reference, RouteTargetReference.
const WEIGHT: i64 = 100;
/// The largest weight. Source: as above.
const MAX_WEIGHT: i64 = 256;

/// A Route, route.openshift.io/v1. It may hold a private key, so that its text is shown nowhere.
#[derive(Clone, Default, Deserialize)]
pub struct Route {
    #[serde(default, deserialize_with = "metadata::slim::<Route, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<Status>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    host: Option<String>,
    subdomain: Option<String>,
    path: Option<String>,
    to: Option<WireBackend>,
    alternate_backends: Option<Vec<WireBackend>>,
    port: Option<WirePort>,
    tls: Option<WireTls>,
    wildcard_policy: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
struct WireBackend {
    kind: Option<String>,
    name: Option<String>,
    weight: Option<i64>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePort {
    target_port: Option<NumberOrText>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTls {
    termination: Option<String>,
    insecure_edge_termination_policy: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    ca_certificate: Option<String>,
    #[serde(rename = "destinationCACertificate")]
    destination_ca_certificate: Option<String>,
    external_certificate: Option<WireReference>,
}

#[derive(Clone, Default, Deserialize)]
struct WireReference {
    name: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
struct Status {
    ingress: Option<Vec<Value>>,
}

/// What one router says of a Route.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Entry {
    host: String,
    router_name: String,
    conditions: Option<Vec<WireCondition>>,
}

impl Convert for Route {
    const ANNOTATIONS: &'static [&'static str] =
        &[annotation::VS_UUID_MAP, annotation::CLUSTER_UUID, annotation::TENANT, annotation::INFRA_SETTING];

    const SECRET: bool = true;

    fn convert(self) -> Converted {
        let id = metadata::namespaced_name(&self.metadata);
        let published = published(&self.metadata, self.status.unwrap_or_default());
        let mut route = ako_core::resource::Route {
            id,
            meta: metadata::kept(&self.metadata),
            setting: metadata::filled::<Route>(&self.metadata, annotation::INFRA_SETTING),
            published,
            ..ako_core::resource::Route::default()
        };
        if let Err(what) = fill(&mut route, self.spec.unwrap_or_default()) {
            // Who translates it tells, where the Route is ours.
            route.invalid = Some(what.into());
        }
        Converted { resource: Some(Resource::Route(route)), diagnostics: Vec::new() }
    }

    fn status(wanted: &Published, current: &Published, stamp: &Stamp<'_>) -> Value {
        let others = current.others.iter().flat_map(|others| &others.entries);
        let others = others.filter_map(|entry| serde_json::from_str::<Value>(entry).ok());
        let entries: Vec<_> = others.chain(entries(wanted, current, stamp)).collect();
        json!({ "ingress": if entries.is_empty() { Value::Null } else { Value::Array(entries) } })
    }
}

/// Takes over what the specification says; an error says what of it cannot be understood.
fn fill(route: &mut ako_core::resource::Route, spec: Spec) -> Result<(), String> {
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    route.host = text(spec.host).map(Into::into);
    if let Some(host) = route.host.as_deref().filter(|host| !is_host(host)) {
        let message = format!("spec.host {host:?} is not a DNS name");
        route.host = None;
        return Err(message);
    }
    route.subdomain = text(spec.subdomain).map(Into::into);
    if let Some(start) = route.subdomain.as_deref().filter(|start| !is_host(start)) {
        let message = format!("spec.subdomain {start:?} is not a DNS name");
        route.subdomain = None;
        return Err(message);
    }
    route.is_wildcard = match spec.wildcard_policy.as_deref() {
        None | Some("" | "None") => false,
        Some("Subdomain") => true,
        Some(other) => return Err(format!("spec.wildcardPolicy {other:?} is not known")),
    };
    let path = spec.path.unwrap_or_default();
    if !path.is_empty() && !path.starts_with('/') {
        return Err(format!("spec.path {path:?} does not start with /"));
    }
    route.path = path.into();
    let to = spec.to.ok_or("spec.to is missing")?;
    for (index, backend) in std::iter::once(to).chain(spec.alternate_backends.unwrap_or_default()).enumerate()
    {
        let place = match index {
            0 => "spec.to".to_owned(),
            _ => format!("spec.alternateBackends[{}]", index - 1),
        };
        route.backends.push(route_backend(backend).map_err(|what| format!("{place}{what}"))?);
    }
    route.target_port = target_port(spec.port)?;
    route.tls = spec.tls.map(route_tls).transpose()?;
    Ok(())
}

fn route_backend(backend: WireBackend) -> Result<RouteBackend, String> {
    match backend.kind.as_deref() {
        None | Some("" | "Service") => {}
        Some(other) => return Err(format!(".kind {other:?} is not supported, only Service is")),
    }
    let name = backend.name.filter(|name| !name.is_empty()).ok_or(".name is missing")?;
    let weight = backend.weight.unwrap_or(WEIGHT);
    let is_weight = (0..=MAX_WEIGHT).contains(&weight);
    let weight = u32::try_from(weight).ok().filter(|_| is_weight);
    let weight = weight.ok_or_else(|| format!(".weight is not a number from 0 to {MAX_WEIGHT}"))?;
    Ok(RouteBackend { service: name.into(), weight })
}

/// An empty target port is an absent one.
fn target_port(port: Option<WirePort>) -> Result<Option<PortRef>, String> {
    match port.and_then(|port| port.target_port) {
        None | Some(NumberOrText::Number(0)) => Ok(None),
        Some(NumberOrText::Text(name)) if name.is_empty() => Ok(None),
        Some(port) => {
            syntax::port_ref(&port).map(Some).map_err(|what| format!("spec.port.targetPort: {what}"))
        }
    }
}

fn route_tls(tls: WireTls) -> Result<RouteTls, String> {
    let termination = match tls.termination.as_deref() {
        Some("edge") => Termination::Edge,
        Some("reencrypt") => Termination::Reencrypt,
        Some("passthrough") => Termination::Passthrough,
        None | Some("") => return Err("spec.tls.termination is missing".to_owned()),
        Some(other) => return Err(format!("spec.tls.termination {other:?} is not known")),
    };
    let insecure = match tls.insecure_edge_termination_policy.as_deref() {
        None | Some("") => None,
        Some("None") => Some(InsecurePolicy::None),
        Some("Allow") => Some(InsecurePolicy::Allow),
        Some("Redirect") => Some(InsecurePolicy::Redirect),
        Some(other) => return Err(format!("spec.tls.insecureEdgeTerminationPolicy {other:?} is not known")),
    };
    let text = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Arc::<str>::from);
    // What is shown to everybody who may look at a certificate holds nothing else.
    let certificates = |field: Option<String>| {
        text(field).map(|pem| match certificate::only_certificates(&pem) {
            Some(only) if !only.is_empty() => only.into(),
            _ => pem,
        })
    };
    let key = Redacted::new(tls.key.unwrap_or_default());
    Ok(RouteTls {
        termination,
        insecure,
        certificate: certificates(tls.certificate),
        key: certificate::only_key(&key).filter(|only| !only.is_empty()).unwrap_or(key),
        ca: certificates(tls.ca_certificate),
        destination_ca: certificates(tls.destination_ca_certificate),
        external_certificate: text(tls.external_certificate.and_then(|reference| reference.name)),
    })
}

/// What was published on a Route. An entry of the status is ours by the name of its router: of
/// the instances of a cluster only one serves a Route, and takes the place of another one.
fn published(meta: &ObjectMeta, status: Status) -> Published {
    let annotations = metadata::annotations::<Route>(meta, &annotation::PUBLISHED);
    let mut published = Published { annotations, ..Published::default() };
    let mut told = Told::default();
    let mut others = Vec::new();
    for raw in status.ingress.unwrap_or_default() {
        let entry = Entry::deserialize(&raw).unwrap_or_default();
        if !entry.router_name.starts_with(ROUTER) {
            others.push(raw.to_string().into());
            continue;
        }
        let host: Arc<str> = entry.host.into();
        for ((part, kind), condition) in
            crate::status::conditions_of(&Part::Whole, entry.conditions.unwrap_or_default())
        {
            if &*kind != ADMITTED {
                continue;
            }
            if condition.status == Truth::True {
                published.is_mixed |= *condition.reason != *reason(&published);
                let ip = condition.message;
                published.addresses.push(PublishedAddress { hostname: host.clone(), ip });
                continue;
            }
            told.conditions.insert((part, kind), condition);
            told.fields.insert(HOST.into(), host.clone());
        }
    }
    published.told = (!told.is_empty()).then(|| Box::new(told));
    let version = meta.resource_version.as_deref().unwrap_or_default().into();
    published.others = (!others.is_empty()).then(|| Box::new(Others { entries: others, version }));
    published
}

/// Our entries: one for each address, or one that says why there is none.
fn entries(wanted: &Published, current: &Published, stamp: &Stamp<'_>) -> Vec<Value> {
    let entry = |host: &str, condition: Map<String, Value>| json!({ "host": host, "routerName": stamp.owner, "conditions": [condition] });
    if !wanted.addresses.is_empty() {
        let reason = reason(wanted);
        let admitted = |address: &PublishedAddress| {
            let condition = Condition {
                status: Truth::True,
                reason: reason.as_str().into(),
                message: address.ip.clone(),
                generation: 0,
                since: None,
            };
            entry(&address.hostname, written(&condition, stamp.now))
        };
        return wanted.addresses.iter().map(admitted).collect();
    }
    let conditions = |published: &Published| {
        let told = published.told.as_deref()?;
        let condition = told.conditions.get(&(Part::Whole, ADMITTED.into()))?.clone();
        Some((told.fields.get(HOST).cloned().unwrap_or_default(), condition))
    };
    let Some((host, refused)) = conditions(wanted) else { return Vec::new() };
    let before = conditions(current).filter(|(_, before)| before.status == refused.status);
    let since = before.and_then(|(_, before)| before.since);
    vec![entry(&host, written(&refused, since.as_deref().unwrap_or(stamp.now)))]
}

/// The annotations, which are the reason of our condition as well.
fn reason(published: &Published) -> String {
    let all = published.annotations.iter().map(|(key, value)| (key.to_string(), json!(&**value)));
    Value::Object(all.collect()).to_string()
}

/// A condition of a Route. One that says nothing for people has no message.
fn written(condition: &Condition, since: &str) -> Map<String, Value> {
    let mut written = Map::from_iter([
        ("type".to_owned(), json!(ADMITTED)),
        ("status".to_owned(), json!(condition.status.as_str())),
        ("reason".to_owned(), json!(&*condition.reason)),
        ("lastTransitionTime".to_owned(), json!(since)),
    ]);
    if !condition.message.is_empty() {
        written.insert("message".to_owned(), json!(&*condition.message));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp<'static> = Stamp { owner: "ako-c1", now: "now" };

    fn route(object: &Value) -> ako_core::resource::Route {
        let converted = serde_json::from_value::<Route>(object.clone()).unwrap().convert();
        let Some(Resource::Route(route)) = converted.resource else { panic!("no Route") };
        route
    }

    fn of_spec(spec: &Value) -> ako_core::resource::Route {
        route(&json!({"metadata": {"name": "r", "namespace": "ns"}, "spec": spec}))
    }

    #[test]
    fn all_fields() {
        let route = of_spec(&json!({"host": "a.com", "path": "/x", "wildcardPolicy": "Subdomain",
            "to": {"kind": "Service", "name": "web", "weight": 0},
            "alternateBackends": [{"name": "api"}], "port": {"targetPort": "http"},
            "tls": {"termination": "reencrypt", "insecureEdgeTerminationPolicy": "Allow", "certificate": "c",
                "key": "k", "caCertificate": "ca", "destinationCACertificate": "d",
                "externalCertificate": {"name": "s"}}}));
        assert_eq!(
            (route.invalid.as_deref(), route.host.as_deref(), &*route.path),
            (None, Some("a.com"), "/x")
        );
        assert!(route.is_wildcard);
        let backends: Vec<_> = route.backends.iter().map(|b| (&*b.service, b.weight)).collect();
        assert_eq!(backends, [("web", 0), ("api", 100)]);
        assert_eq!(route.target_port, Some(PortRef::Name("http".into())));
        let tls = route.tls.unwrap();
        assert_eq!((tls.termination, tls.insecure), (Termination::Reencrypt, Some(InsecurePolicy::Allow)));
        assert_eq!((tls.ca.as_deref(), tls.destination_ca.as_deref()), (Some("ca"), Some("d")));
        assert_eq!(tls.external_certificate.as_deref(), Some("s"));
    }

    #[test]
    fn a_key_is_shown_nowhere() {
        let spec = json!({"to": {"name": "web"}, "tls": {"termination": "edge", "key": "secret-text"}});
        let wire: Route = serde_json::from_value(json!({"metadata": {"name": "r"}, "spec": spec})).unwrap();
        assert!(!format!("{wire:?} {:?}", of_spec(&spec)).contains("secret-text"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |spec: Value| of_spec(&spec).invalid.unwrap_or_default().to_string();
        assert_eq!(wrong(json!({})), "spec.to is missing");
        assert_eq!(wrong(json!({"to": {}})), "spec.to.name is missing");
        let alternate = json!({"to": {"name": "a"}, "alternateBackends": [{"name": "b", "weight": -1}]});
        assert_eq!(wrong(alternate), "spec.alternateBackends[0].weight is not a number from 0 to 256");
        let port = json!({"to": {"name": "a"}, "port": {"targetPort": 70000}});
        assert_eq!(wrong(port), "spec.port.targetPort: 70000 is not a port, use 1 to 65535");
        assert_eq!(wrong(json!({"to": {"name": "a"}, "tls": {}})), "spec.tls.termination is missing");
    }

    fn published(ip: &str) -> Published {
        let addresses = vec![PublishedAddress { hostname: "a.com".into(), ip: ip.into() }];
        let annotations = [(annotation::TENANT.into(), "admin".into())].into();
        Published { addresses, annotations, ..Published::default() }
    }

    /// Writes what is wanted over what stands there, and reads it again.
    fn written(wanted: &Published, before: &Value) -> (Published, Value) {
        let current = route(before).published;
        let mut object = before.clone();
        object["status"] = Route::status(wanted, &current, &STAMP);
        object["metadata"]["annotations"] =
            wanted.annotations.iter().map(|(k, v)| (k.to_string(), json!(&**v))).collect();
        (route(&object).published, object)
    }

    fn object(status: &Value) -> Value {
        json!({"metadata": {"name": "r", "namespace": "ns", "resourceVersion": "7"},
            "spec": {"host": "a.com", "to": {"name": "web"}}, "status": status})
    }

    #[test]
    fn what_is_written_is_read_again() {
        let (read, object) = written(&published("1.2.3.4"), &object(&json!({})));
        assert_eq!(read, published("1.2.3.4"));
        let entry = &object["status"]["ingress"][0];
        assert_eq!((&entry["host"], &entry["routerName"]), (&json!("a.com"), &json!("ako-c1")));
        let condition = &entry["conditions"][0];
        assert_eq!((&condition["type"], &condition["message"]), (&json!("Admitted"), &json!("1.2.3.4")));
        assert_eq!(condition["reason"], r#"{"ako.vmware.com/tenant-name":"admin"}"#);
    }

    #[test]
    fn entries_of_other_routers_stay() {
        let other = json!({"routerName": "default", "host": "a.com", "conditions": [], "more": 1});
        let stale = json!({"routerName": "ako-c1-blue", "host": "a.com"});
        let (read, object) = written(&published("1.2.3.4"), &object(&json!({"ingress": [stale, other]})));
        assert_eq!(object["status"]["ingress"][0], other);
        assert_eq!(object["status"]["ingress"].as_array().map(Vec::len), Some(2));
        assert_eq!(read.others.unwrap().version, "7".into());
        let (_, object) = written(&Published::default(), &object);
        assert_eq!(object["status"]["ingress"], json!([other]));
    }

    #[test]
    fn a_refusal_keeps_its_time_and_gives_way_to_addresses() {
        let condition = Condition {
            status: Truth::False,
            reason: "InvalidRoute".into(),
            message: "why".into(),
            generation: 0,
            since: None,
        };
        let told = Told {
            conditions: [((Part::Whole, ADMITTED.into()), condition)].into(),
            fields: [(HOST.into(), "a.com".into())].into(),
            ..Told::default()
        };
        let wanted = Published::telling(told);
        let (read, object) = written(&wanted, &object(&json!({})));
        assert!(read.tells_same(&wanted));
        let later = Route::status(&wanted, &read, &Stamp { now: "later", ..STAMP });
        assert_eq!(later["ingress"][0]["conditions"][0]["lastTransitionTime"], "now");
        let (read, _) = written(&Published { told: wanted.told, ..published("1.2.3.4") }, &object);
        assert_eq!(read, published("1.2.3.4"));
    }

    #[test]
    fn an_admission_for_another_reason_is_written_again_and_keeps_its_address() {
        let (read, mut object) = written(&published("1.2.3.4"), &object(&json!({})));
        assert!(!read.is_mixed);
        object["metadata"]["annotations"][annotation::TENANT] = json!("other");
        let mixed = route(&object).published;
        assert!(mixed.is_mixed);
        assert_eq!(mixed.addresses, published("1.2.3.4").addresses);
    }
}
