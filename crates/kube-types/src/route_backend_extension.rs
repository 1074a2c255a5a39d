//! RouteBackendExtension, ako.vmware.com/v1alpha1. Source: Custom resources, §9.6.

use std::sync::Arc;

use ako_core::kinds::route_backend_extension as kept;
use ako_core::resource::{Part, Published, Told};
use ako_core::{Resource, ResourceId, ResourceKind};
use kube::core::ObjectMeta;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::convert::{Convert, Converted, Stamp};
use crate::l4_rule::{ALGORITHMS, CUSTOM_HEADER, HASH};
use crate::metadata;
use crate::profile::cel;
use crate::rule::{Checks, HASHES, Place};
use crate::status::{WireCondition, conditions_for, conditions_of};

/// A RouteBackendExtension, ako.vmware.com/v1alpha1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct RouteBackendExtension {
    #[serde(default, deserialize_with = "metadata::slim::<RouteBackendExtension, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<ExtensionStatus>,
}

const PERSISTENCE: [&str; 4] = [
    "System-Persistence-Client-IP",
    "System-Persistence-Http-Cookie",
    "System-Persistence-TLS",
    "System-Persistence-App-Cookie",
];
const HASH_NEEDED: &str =
    "lbAlgorithmHash must be set if and only if lbAlgorithm is LB_ALGORITHM_CONSISTENT_HASH";
const HEADER_NEEDED: &str = "lbAlgorithmConsistentHashHdr must be set if and only if lbAlgorithmHash is \
                             LB_ALGORITHM_CONSISTENT_HASH_CUSTOM_HEADER";
const NAMES_NEED_CHECK: &str = "domainName can only be configured when hostCheckEnabled is set to true";
const OF_CONTROLLER: [&str; 1] = ["AVIREF"];
const OF_CLUSTER: [&str; 1] = ["CRD"];

/// What the pool of a backend of an HTTPRoute has that names it as a filter. What it names on the
/// Avi Controller is in the tenant of the namespace.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([
    cel("(has(self.lbAlgorithm) && self.lbAlgorithm == 'LB_ALGORITHM_CONSISTENT_HASH') == has(self.lbAlgorithmHash)",
        HASH_NEEDED),
    cel("!has(self.lbAlgorithmHash) || (self.lbAlgorithmHash == 'LB_ALGORITHM_CONSISTENT_HASH_CUSTOM_HEADER') == \
         has(self.lbAlgorithmConsistentHashHdr)",
        HEADER_NEEDED),
])))]
pub(crate) struct Spec {
    /// How a server is chosen.
    #[schemars(extend("enum" = ALGORITHMS))]
    lb_algorithm: Option<String>,
    /// What is hashed to choose a server.
    #[schemars(extend("enum" = HASHES))]
    lb_algorithm_hash: Option<String>,
    /// The header that is hashed.
    lb_algorithm_consistent_hash_hdr: Option<String>,
    /// How a client stays with its server.
    #[schemars(extend("enum" = PERSISTENCE))]
    persistence_profile: Option<String>,
    /// The health monitors of the pool.
    health_monitor: Option<Vec<Monitor>>,
    /// How the servers are spoken to in TLS.
    #[serde(rename = "backendTLS")]
    backend_tls: Option<BackendTls>,
}

/// A health monitor.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
struct Monitor {
    /// AVIREF: on the Avi Controller.
    #[schemars(required, extend("enum" = OF_CONTROLLER))]
    kind: Option<String>,
    /// Its name.
    #[schemars(required)]
    name: Option<String>,
}

/// How the servers are spoken to in TLS.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([
    cel("!has(self.domainName) || has(self.hostCheckEnabled) && self.hostCheckEnabled == true",
        NAMES_NEED_CHECK),
])))]
struct BackendTls {
    /// Whether the certificates have to be for one of the names.
    host_check_enabled: Option<bool>,
    /// The names.
    domain_name: Option<Vec<String>>,
    /// What the certificates are verified with.
    pki_profile: Option<PkiProfile>,
}

/// What certificates are verified with.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
struct PkiProfile {
    /// CRD: a PKIProfile of the namespace.
    #[schemars(required, extend("enum" = OF_CLUSTER))]
    kind: Option<String>,
    /// Its name.
    #[schemars(required)]
    name: Option<String>,
}

/// What is said of the object.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct ExtensionStatus {
    /// Who says it: AKOCRDController.
    controller: Option<String>,
    /// Why the object is rejected; empty if it is not.
    error: Option<String>,
    /// Accepted or Rejected; absent until somebody has looked at the object.
    status: Option<String>,
    /// What is said of the object, in the form that all of Kubernetes has.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    conditions: Option<Vec<WireCondition>>,
}

/// The fields of the status that hold a text.
const FIELDS: [&str; 3] = ["controller", "error", "status"];

impl Convert for RouteBackendExtension {
    fn status(wanted: &Published, current: &Published, stamp: &Stamp<'_>) -> Value {
        let field = |name: &str| wanted.told.as_ref()?.fields.get(name).map(|text| Value::from(&**text));
        let fields = FIELDS.into_iter().map(|name| (name.to_owned(), field(name).into()));
        let conditions = conditions_for(&Part::Whole, wanted, current, stamp.now);
        fields.chain([("conditions".to_owned(), conditions)]).collect()
    }

    fn convert(self) -> Converted {
        let id = metadata::namespaced_name(&self.metadata);
        let about = ResourceId { kind: ResourceKind::RouteBackendExtension, name: id.clone() };
        let mut checks = Checks::of(about);
        let spec = self.spec.unwrap_or_default();
        let at = &mut checks.at("spec");
        check_hash(&spec, at);
        at.word("lbAlgorithm", spec.lb_algorithm, &ALGORITHMS);
        at.word("lbAlgorithmHash", spec.lb_algorithm_hash, &HASHES);
        at.word("persistenceProfile", spec.persistence_profile, &PERSISTENCE);
        let health_monitors = at.each("healthMonitor", spec.health_monitor, |monitor, at| {
            at.word("kind", monitor.kind, &OF_CONTROLLER);
            at.required_text("name", monitor.name)
        });
        if let Some(tls) = &spec.backend_tls
            && tls.domain_name.is_some()
            && tls.host_check_enabled != Some(true)
        {
            at.say(NAMES_NEED_CHECK);
        }
        let pki_profile = spec.backend_tls.and_then(|tls| tls.pki_profile).map(|profile| {
            let at = &mut at.at("backendTLS.pkiProfile");
            at.word("kind", profile.kind, &OF_CLUSTER);
            at.required_text("name", profile.name)
        });
        let (invalid, diagnostics) = checks.finish();
        let extension = kept::RouteBackendExtension {
            id,
            meta: metadata::kept(&self.metadata),
            invalid,
            health_monitors,
            pki_profile,
            published: published(self.status),
        };
        Converted { resource: Some(Resource::RouteBackendExtension(extension)), diagnostics }
    }
}

/// What has to go together of how a server is chosen.
fn check_hash(spec: &Spec, at: &mut Place<'_>) {
    let is_hash = spec.lb_algorithm.as_deref() == Some(HASH);
    if is_hash != spec.lb_algorithm_hash.is_some() {
        at.say(HASH_NEEDED);
    }
    let is_header = spec.lb_algorithm_hash.as_deref() == Some(CUSTOM_HEADER);
    if spec.lb_algorithm_hash.is_some() && is_header != spec.lb_algorithm_consistent_hash_hdr.is_some() {
        at.say(HEADER_NEEDED);
    }
}

fn published(status: Option<ExtensionStatus>) -> Published {
    let status = status.unwrap_or_default();
    let texts = [status.controller, status.error, status.status].map(|field| field.map(Arc::from));
    let fields = FIELDS.into_iter().zip(texts).filter_map(|(name, text)| Some((name.into(), text?)));
    let conditions = conditions_of(&Part::Whole, status.conditions.unwrap_or_default()).collect();
    Published::telling(Told { conditions, fields: fields.collect(), ..Told::default() })
}
