//! HTTPRule, ako.vmware.com/v1beta1. Source: Custom resources, §4.

use ako_core::kinds::http_rule as kept;
use ako_core::resource::Published;
use ako_core::{Resource, ResourceId, ResourceKind};
use kube::core::ObjectMeta;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::convert::{Convert, Converted, Stamp};
use crate::metadata;
use crate::rule::{self, Checks, HASHES, Place, text, texts};

/// An HTTPRule, ako.vmware.com/v1beta1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct HTTPRule {
    #[serde(default, deserialize_with = "metadata::slim::<HTTPRule, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<rule::RuleStatus>,
}

const ALGORITHMS: [&str; 7] = [
    "LB_ALGORITHM_CONSISTENT_HASH",
    "LB_ALGORITHM_CORE_AFFINITY",
    "LB_ALGORITHM_FASTEST_RESPONSE",
    "LB_ALGORITHM_FEWEST_SERVERS",
    "LB_ALGORITHM_LEAST_CONNECTIONS",
    "LB_ALGORITHM_LEAST_LOAD",
    "LB_ALGORITHM_ROUND_ROBIN",
];
const TLS_TYPES: [(&str, ()); 1] = [("reencrypt", ())];

const ONE_CA: &str =
    "PKIProfile and DestinationCA fields are set in the HTTPRule. Only one of the field should be set.";

/// What the pools of the paths of a host have. It counts for Ingresses and Routes of the rule's
/// namespace. All profiles are named as they are on the Avi Controller, in the tenant of the
/// namespace.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct Spec {
    /// The host.
    #[schemars(required)]
    fqdn: Option<String>,
    /// What the pools of its paths have.
    paths: Option<Vec<WirePath>>,
}

/// Paths, and what their pools have.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct WirePath {
    /// What the paths begin with.
    #[schemars(required, regex(pattern = r"^\/.*$"))]
    target: Option<String>,
    /// Health monitors.
    health_monitors: Option<Vec<String>>,
    /// The application persistence profile.
    application_persistence: Option<String>,
    /// Whether the pools speak HTTP/2 to their servers.
    #[serde(rename = "enableHTTP2")]
    enable_http2: Option<bool>,
    /// How a pool chooses among its servers.
    load_balancer_policy: Option<LoadBalancerPolicy>,
    /// That the pools speak TLS to their servers.
    tls: Option<Tls>,
}

/// How a pool chooses among its servers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LoadBalancerPolicy {
    /// The algorithm.
    #[schemars(extend("enum" = ALGORITHMS))]
    algorithm: Option<String>,
    /// What is hashed, with LB_ALGORITHM_CONSISTENT_HASH.
    #[schemars(extend("enum" = HASHES))]
    hash: Option<String>,
    /// The header that is hashed, with LB_ALGORITHM_CONSISTENT_HASH_CUSTOM_HEADER.
    host_header: Option<String>,
}

/// That the pools speak TLS to their servers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Tls {
    /// What is done: requests are encrypted again.
    #[schemars(required, extend("enum" = rule::words(&TLS_TYPES)))]
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The SSL profile.
    ssl_profile: Option<String>,
    /// The PKI profile, which says whom the pools trust. Not with destinationCA.
    pki_profile: Option<String>,
    /// The certificates of those whom the pools trust, as PEM. Not with pkiProfile.
    #[serde(rename = "destinationCA")]
    destination_ca: Option<String>,
}

impl Convert for HTTPRule {
    fn status(wanted: &Published, current: &Published, stamp: &Stamp<'_>) -> Value {
        rule::status(wanted, current, stamp.now)
    }

    fn convert(self) -> Converted {
        let id = metadata::namespaced_name(&self.metadata);
        let mut checks = Checks::of(ResourceId { kind: ResourceKind::HTTPRule, name: id.clone() });
        let spec = self.spec.unwrap_or_default();
        let at = &mut checks.at("spec");
        let (fqdn, paths) = (at.required_text("fqdn", spec.fqdn), at.each("paths", spec.paths, path));
        let (invalid, diagnostics) = checks.finish();
        let meta = metadata::kept(&self.metadata);
        let published = rule::published(self.status);
        let rule = kept::HttpRule { id, meta, invalid, fqdn, paths, published };
        Converted { resource: Some(Resource::HTTPRule(rule)), diagnostics }
    }
}

fn path(wire: WirePath, at: &mut Place<'_>) -> kept::HttpRulePath {
    let target = at.required_text("target", wire.target);
    if !target.is_empty() && !target.starts_with('/') {
        at.say(format!("target {target:?} does not start with /"));
    }
    kept::HttpRulePath {
        target,
        health_monitors: texts(wire.health_monitors),
        application_persistence: text(wire.application_persistence),
        enable_http2: wire.enable_http2,
        load_balancer_policy: wire.load_balancer_policy.map(|policy| {
            let at = &mut at.at("loadBalancerPolicy");
            kept::LoadBalancerPolicy {
                algorithm: at.word("algorithm", policy.algorithm, &ALGORITHMS),
                hash: at.word("hash", policy.hash, &HASHES),
                host_header: text(policy.host_header),
            }
        }),
        tls: wire.tls.map(|tls| reencryption(tls, &mut at.at("tls"))),
    }
}

fn reencryption(wire: Tls, at: &mut Place<'_>) -> kept::Reencryption {
    let kind = at.required("type", wire.kind);
    at.one_of("type", kind, &TLS_TYPES);
    let tls = kept::Reencryption {
        ssl_profile: text(wire.ssl_profile),
        pki_profile: text(wire.pki_profile),
        destination_ca: text(wire.destination_ca),
    };
    if tls.pki_profile.is_some() && tls.destination_ca.is_some() {
        at.say(ONE_CA);
    }
    tls
}
