//! L4Rule, ako.vmware.com/v1alpha2. Source: Custom resources, §5.

use std::net::IpAddr;
use std::sync::Arc;

use ako_core::kinds::l4_rule as kept;
use ako_core::resource::{Protocol, Published};
use ako_core::{Resource, ResourceId, ResourceKind};
use kube::core::ObjectMeta;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::convert::{Convert, Converted, Stamp};
use crate::metadata;
use crate::rule::{self, Checks, HASHES, PORTS, PerformanceLimits, Place, text, texts, words};

/// An L4Rule, ako.vmware.com/v1alpha2.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct L4Rule {
    #[serde(default, deserialize_with = "metadata::slim::<L4Rule, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<rule::RuleStatus>,
}

const ANALYTICS_PROFILE: &str = "System-Analytics-Profile";
const APPLICATION_PROFILE: &str = "System-L4-Application";
const NETWORK_PROFILE: &str = "System-TCP-Proxy";
const LEAST_CONNECTIONS: &str = "LB_ALGORITHM_LEAST_CONNECTIONS";
pub(crate) const HASH: &str = "LB_ALGORITHM_CONSISTENT_HASH";
pub(crate) const CUSTOM_HEADER: &str = "LB_ALGORITHM_CONSISTENT_HASH_CUSTOM_HEADER";
pub(crate) const ALGORITHMS: [&str; 11] = [
    LEAST_CONNECTIONS,
    "LB_ALGORITHM_ROUND_ROBIN",
    "LB_ALGORITHM_FASTEST_RESPONSE",
    HASH,
    "LB_ALGORITHM_LEAST_LOAD",
    "LB_ALGORITHM_FEWEST_SERVERS",
    "LB_ALGORITHM_RANDOM",
    "LB_ALGORITHM_FEWEST_TASKS",
    "LB_ALGORITHM_NEAREST_SERVER",
    "LB_ALGORITHM_CORE_AFFINITY",
    "LB_ALGORITHM_TOPOLOGY",
];
const PROTOCOLS: [(&str, Protocol); 3] =
    [("TCP", Protocol::Tcp), ("UDP", Protocol::Udp), ("SCTP", Protocol::Sctp)];
const LISTENER_PROTOCOLS: [(&str, Protocol); 1] = [("TCP", Protocol::Tcp)];

/// What the virtual service and the pools of a Service have that names the rule in annotation
/// `ako.vmware.com/l4rule`. All profiles and policies are named as they are on the Avi
/// Controller, in the tenant of the namespace.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spec {
    /// What is recorded of the connections.
    analytics_policy: Option<AnalyticsPolicy>,
    /// The analytics profile.
    #[schemars(extend("default" = ANALYTICS_PROFILE))]
    analytics_profile_ref: Option<String>,
    /// The application profile.
    #[schemars(extend("default" = APPLICATION_PROFILE))]
    application_profile_ref: Option<String>,
    /// The network profile.
    #[schemars(extend("default" = NETWORK_PROFILE))]
    network_profile_ref: Option<String>,
    /// The network security policy.
    network_security_policy_ref: Option<String>,
    /// The security policy.
    security_policy_ref: Option<String>,
    /// The SSL profile.
    ssl_profile_ref: Option<String>,
    /// Certificates with their keys.
    ssl_key_and_certificate_refs: Option<Vec<String>>,
    /// DataScript sets, in the order in which they run.
    vs_datascript_refs: Option<Vec<String>>,
    /// The address of the virtual service, IPv4 or IPv6. What the Service asks for counts before it.
    #[serde(rename = "loadBalancerIP")]
    load_balancer_ip: Option<String>,
    /// Whether the address is no longer advertised while the virtual service is down. Only for
    /// NSX-T clouds.
    #[schemars(extend("default" = false))]
    revoke_vip_route: Option<bool>,
    /// What the virtual service takes at most.
    performance_limits: Option<PerformanceLimits>,
    /// The ports of the virtual service: one for each port of the Service.
    listener_properties: Option<Vec<Listener>>,
    /// What the pools of the ports of the Service have.
    backend_properties: Option<Vec<Backend>>,
}

/// What is recorded of the connections.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AnalyticsPolicy {
    /// Whether every connection is logged, and not only those that are out of the ordinary.
    full_client_logs: Option<FullClientLogs>,
}

/// Whether every connection is logged.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
struct FullClientLogs {
    /// Whether every connection is logged.
    #[schemars(required)]
    enabled: Option<bool>,
    /// For how many minutes every connection is logged; 0 is without end.
    #[schemars(range(min = 0, max = 65535), extend("default" = 30))]
    duration: Option<i64>,
    /// How many logs a second a service engine writes at most; 0 is without limit.
    #[schemars(range(min = 0, max = 65535), extend("default" = 10))]
    throttle: Option<i64>,
}

/// A port of the virtual service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Listener {
    /// Its number.
    #[schemars(required, range(min = 0, max = 65535))]
    port: Option<i64>,
    /// Its protocol.
    #[schemars(required, extend("enum" = words(&LISTENER_PROTOCOLS)))]
    protocol: Option<String>,
    /// Whether it has TLS.
    #[schemars(extend("default" = false))]
    enable_ssl: Option<bool>,
}

/// What the pool of a port of the Service has.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([
    {"rule": format!("self.lbAlgorithm != '{HASH}' || has(self.lbAlgorithmHash)"), "message": hash_needed()},
    {"rule": format!("self.lbAlgorithm == '{HASH}' || !has(self.lbAlgorithmHash)"),
        "message": "lbAlgorithmHash is only for LB_ALGORITHM_CONSISTENT_HASH"},
    {"rule": format!("!has(self.lbAlgorithmHash) || self.lbAlgorithmHash != '{CUSTOM_HEADER}' || \
                      has(self.lbAlgorithmConsistentHashHdr)"),
        "message": header_needed()},
])))]
struct Backend {
    /// The port of the Service.
    #[schemars(required, range(min = 1, max = 65535))]
    port: Option<i64>,
    /// Its protocol.
    #[schemars(required, extend("enum" = words(&PROTOCOLS)))]
    protocol: Option<String>,
    /// Whether the pool takes traffic.
    #[schemars(extend("default" = true))]
    enabled: Option<bool>,
    /// How many servers have to be up for the pool to be up.
    #[schemars(range(min = 0, max = 65535))]
    min_servers_up: Option<i64>,
    /// What is measured.
    analytics_policy: Option<BackendAnalyticsPolicy>,
    /// The application persistence profile.
    application_persistence_profile_ref: Option<String>,
    /// The PKI profile, which says whom the pool trusts.
    pki_profile_ref: Option<String>,
    /// The certificate with its key that the pool shows to its servers.
    ssl_key_and_certificate_ref: Option<String>,
    /// The SSL profile, with which the pool speaks TLS to its servers.
    ssl_profile_ref: Option<String>,
    /// Health monitors.
    health_monitor_refs: Option<Vec<String>>,
    /// Health monitors that are objects of the cluster: names of HealthMonitors of the same
    /// namespace.
    health_monitor_crd_refs: Option<Vec<String>>,
    /// How the pool chooses among its servers.
    #[schemars(extend("enum" = ALGORITHMS, "default" = LEAST_CONNECTIONS))]
    lb_algorithm: Option<String>,
    /// What is hashed, with LB_ALGORITHM_CONSISTENT_HASH.
    #[schemars(extend("enum" = HASHES))]
    lb_algorithm_hash: Option<String>,
    /// The header that is hashed, with LB_ALGORITHM_CONSISTENT_HASH_CUSTOM_HEADER.
    lb_algorithm_consistent_hash_hdr: Option<String>,
}

/// What is measured.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct BackendAnalyticsPolicy {
    /// Whether it is measured at once, and not every few minutes.
    #[schemars(extend("default" = false))]
    enable_realtime_metrics: Option<bool>,
}

fn hash_needed() -> String {
    format!("lbAlgorithmHash must be specified when lbAlgorithm is \"{HASH}\"")
}

fn header_needed() -> String {
    format!("lbAlgorithmConsistentHashHdr must be specified when lbAlgorithmHash is \"{CUSTOM_HEADER}\"")
}

impl Convert for L4Rule {
    fn status(wanted: &Published, current: &Published, stamp: &Stamp<'_>) -> Value {
        rule::status(wanted, current, stamp.now)
    }

    fn convert(self) -> Converted {
        let id = metadata::namespaced_name(&self.metadata);
        let mut checks = Checks::of(ResourceId { kind: ResourceKind::L4Rule, name: id.clone() });
        let rule = spec(self.spec.unwrap_or_default(), &mut checks.at("spec"));
        let (invalid, diagnostics) = checks.finish();
        let meta = metadata::kept(&self.metadata);
        let rule = kept::L4Rule { id, meta, invalid, published: rule::published(self.status), ..rule };
        Converted { resource: Some(Resource::L4Rule(rule)), diagnostics }
    }
}

fn spec(wire: Spec, at: &mut Place<'_>) -> kept::L4Rule {
    let load_balancer_ip = text(wire.load_balancer_ip);
    if let Some(ip) = load_balancer_ip.as_deref().filter(|ip| ip.parse::<IpAddr>().is_err()) {
        at.say(format!("loadBalancerIP {ip} is not valid"));
    }
    kept::L4Rule {
        analytics_policy: wire.analytics_policy.map(|policy| kept::L4AnalyticsPolicy {
            full_client_logs: policy
                .full_client_logs
                .map(|logs| full_client_logs(&logs, &mut at.at("analyticsPolicy.fullClientLogs"))),
        }),
        analytics_profile: text_or(ANALYTICS_PROFILE, wire.analytics_profile_ref),
        application_profile: text_or(APPLICATION_PROFILE, wire.application_profile_ref),
        network_profile: text_or(NETWORK_PROFILE, wire.network_profile_ref),
        network_security_policy: text(wire.network_security_policy_ref),
        security_policy: text(wire.security_policy_ref),
        ssl_profile: text(wire.ssl_profile_ref),
        certificates: texts(wire.ssl_key_and_certificate_refs),
        datascripts: texts(wire.vs_datascript_refs),
        load_balancer_ip,
        revoke_vip_route: wire.revoke_vip_route.unwrap_or_default(),
        performance_limits: wire.performance_limits.map(|l| l.convert(&mut at.at("performanceLimits"))),
        listeners: at.each("listenerProperties", wire.listener_properties, listener),
        backends: at.each("backendProperties", wire.backend_properties, backend),
        ..kept::L4Rule::default()
    }
}

/// A text as it is given, or the one that the API server fills in.
fn text_or(default: &str, given: Option<String>) -> Option<Arc<str>> {
    text(given.or_else(|| Some(default.to_owned())))
}

fn full_client_logs(wire: &FullClientLogs, at: &mut Place<'_>) -> kept::L4FullClientLogs {
    kept::L4FullClientLogs {
        enabled: at.required("enabled", wire.enabled).unwrap_or_default(),
        duration: at.number("duration", wire.duration, 0..=65535).unwrap_or(30),
        throttle: at.number("throttle", wire.throttle, 0..=65535).unwrap_or(10),
    }
}

fn listener(wire: Listener, at: &mut Place<'_>) -> kept::L4Listener {
    let protocol = at.required("protocol", wire.protocol);
    at.one_of("protocol", protocol, &LISTENER_PROTOCOLS);
    kept::L4Listener {
        port: at.required_number("port", wire.port, 0..=65535),
        enable_ssl: wire.enable_ssl.unwrap_or_default(),
    }
}

fn backend(wire: Backend, at: &mut Place<'_>) -> kept::L4Backend {
    let protocol = at.required("protocol", wire.protocol);
    let metrics = |policy: BackendAnalyticsPolicy| policy.enable_realtime_metrics.unwrap_or_default();
    let backend = kept::L4Backend {
        port: at.required_number("port", wire.port, PORTS),
        protocol: at.one_of("protocol", protocol, &PROTOCOLS).unwrap_or_default(),
        enabled: wire.enabled.unwrap_or(true),
        min_servers_up: at.number("minServersUp", wire.min_servers_up, 0..=65535),
        realtime_metrics: wire.analytics_policy.map(metrics),
        application_persistence: text(wire.application_persistence_profile_ref),
        pki_profile: text(wire.pki_profile_ref),
        certificate: text(wire.ssl_key_and_certificate_ref),
        ssl_profile: text(wire.ssl_profile_ref),
        health_monitors: texts(wire.health_monitor_refs),
        health_monitor_objects: texts(wire.health_monitor_crd_refs),
        lb_algorithm: at
            .word("lbAlgorithm", wire.lb_algorithm, &ALGORITHMS)
            .unwrap_or_else(|| LEAST_CONNECTIONS.into()),
        lb_algorithm_hash: at.word("lbAlgorithmHash", wire.lb_algorithm_hash, &HASHES),
        lb_algorithm_header: text(wire.lb_algorithm_consistent_hash_hdr),
    };
    check_hash(&backend, at);
    backend
}

/// What is hashed is said where something is, and only there.
fn check_hash(backend: &kept::L4Backend, at: &mut Place<'_>) {
    let algorithm = &backend.lb_algorithm;
    if &**algorithm != HASH {
        let given = [
            ("lbAlgorithmHash", &backend.lb_algorithm_hash),
            ("lbAlgorithmConsistentHashHdr", &backend.lb_algorithm_header),
        ];
        for (field, _) in given.into_iter().filter(|(_, value)| value.is_some()) {
            at.say(format!("{field} must not be specified when lbAlgorithm is \"{algorithm}\""));
        }
    } else if backend.lb_algorithm_hash.is_none() {
        at.say(hash_needed());
    } else if backend.lb_algorithm_hash.as_deref() == Some(CUSTOM_HEADER)
        && backend.lb_algorithm_header.is_none()
    {
        at.say(header_needed());
    }
}
