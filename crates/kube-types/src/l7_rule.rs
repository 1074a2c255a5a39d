//! L7Rule, ako.vmware.com/v1alpha2. Source: Custom resources, §6.

use std::sync::Arc;

use ako_core::kinds::l7_rule as kept;
use ako_core::resource::Published;
use ako_core::{Resource, ResourceId, ResourceKind};
use kube::core::ObjectMeta;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::convert::{Convert, Converted, Stamp};
use crate::metadata;
use crate::rule::{self, AnalyticsPolicy, Checks, HttpPolicy, PerformanceLimits, Place, text, words};

/// An L7Rule, ako.vmware.com/v1alpha2.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct L7Rule {
    #[serde(default, deserialize_with = "metadata::slim::<L7Rule, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<rule::RuleStatus>,
}

const REF_KINDS: [(&str, ()); 1] = [("AviRef", ())];

/// What the virtual services have of those that refer to it: HostRules of the same namespace, and
/// HTTPRoutes. All profiles and policies are named as they are on the Avi Controller, in the
/// tenant of the namespace.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spec {
    /// Whether requests with a client certificate that is not valid are taken, too.
    #[schemars(extend("default" = false))]
    allow_invalid_client_cert: Option<bool>,
    /// Whether connections are closed when the virtual service changes.
    #[schemars(extend("default" = false))]
    close_client_conn_on_config_update: Option<bool>,
    /// Whether the virtual service is placed on service engines, too, that cannot reach the servers
    /// of its pools.
    #[schemars(extend("default" = false))]
    ign_pool_net_reach: Option<bool>,
    /// Whether connections are refused while the virtual service is down.
    #[schemars(extend("default" = false))]
    remove_listening_port_on_vs_down: Option<bool>,
    /// The bot detection policy.
    bot_policy_ref: Option<String>,
    /// The host name that the servers are told, instead of the one that clients asked for.
    host_name_xlate: Option<String>,
    /// The security policy.
    security_policy_ref: Option<String>,
    /// The traffic clone profile.
    traffic_clone_profile_ref: Option<String>,
    /// How many pools have to be up for the virtual service to be up.
    #[schemars(range(min = 0, max = 65535))]
    min_pools_up: Option<i64>,
    /// How many TLS sessions a service engine is to have room for, on average.
    #[schemars(range(min = 1024, max = 16383), extend("default" = 1024))]
    ssl_sess_cache_avg_size: Option<i64>,
    /// What the virtual service takes at most.
    performance_limits: Option<PerformanceLimits>,
    /// The analytics profile.
    analytics_profile: Option<Reference>,
    /// The application profile.
    application_profile: Option<Reference>,
    /// The WAF policy.
    waf_policy: Option<Reference>,
    /// The ICAP profile.
    icap_profile: Option<Reference>,
    /// The error page profile.
    error_page_profile: Option<Reference>,
    /// What is recorded of the requests.
    analytics_policy: Option<AnalyticsPolicy>,
    /// HTTP policy sets.
    http_policy: Option<HttpPolicy>,
}

/// An object of the Avi Controller.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
struct Reference {
    /// Where it is: AviRef, on the Avi Controller.
    #[schemars(required, extend("enum" = words(&REF_KINDS), "default" = "AviRef"))]
    kind: Option<String>,
    /// Its name.
    #[schemars(required)]
    name: Option<String>,
}

impl Convert for L7Rule {
    fn status(wanted: &Published, current: &Published, stamp: &Stamp<'_>) -> Value {
        rule::status(wanted, current, stamp.now)
    }

    fn convert(self) -> Converted {
        let id = metadata::namespaced_name(&self.metadata);
        let mut checks = Checks::of(ResourceId { kind: ResourceKind::L7Rule, name: id.clone() });
        let rule = spec(self.spec.unwrap_or_default(), &mut checks.at("spec"));
        let (invalid, diagnostics) = checks.finish();
        let meta = metadata::kept(&self.metadata);
        let rule = kept::L7Rule { id, meta, invalid, published: rule::published(self.status), ..rule };
        Converted { resource: Some(Resource::L7Rule(rule)), diagnostics }
    }
}

fn spec(wire: Spec, at: &mut Place<'_>) -> kept::L7Rule {
    kept::L7Rule {
        allow_invalid_client_cert: wire.allow_invalid_client_cert.unwrap_or_default(),
        close_client_conn_on_config_update: wire.close_client_conn_on_config_update.unwrap_or_default(),
        ign_pool_net_reach: wire.ign_pool_net_reach.unwrap_or_default(),
        remove_listening_port_on_vs_down: wire.remove_listening_port_on_vs_down.unwrap_or_default(),
        bot_policy: text(wire.bot_policy_ref),
        host_name_xlate: text(wire.host_name_xlate),
        security_policy: text(wire.security_policy_ref),
        traffic_clone_profile: text(wire.traffic_clone_profile_ref),
        min_pools_up: at.number("minPoolsUp", wire.min_pools_up, 0..=65535),
        ssl_sess_cache_avg_size: at
            .number("sslSessCacheAvgSize", wire.ssl_sess_cache_avg_size, 1024..=16383)
            .unwrap_or(1024),
        performance_limits: wire.performance_limits.map(|l| l.convert(&mut at.at("performanceLimits"))),
        analytics_profile: reference("analyticsProfile", wire.analytics_profile, at),
        application_profile: reference("applicationProfile", wire.application_profile, at),
        waf_policy: reference("wafPolicy", wire.waf_policy, at),
        icap_profile: reference("icapProfile", wire.icap_profile, at),
        error_page_profile: reference("errorPageProfile", wire.error_page_profile, at),
        analytics_policy: wire.analytics_policy.map(|policy| policy.convert(&mut at.at("analyticsPolicy"))),
        http_policy: wire.http_policy.map(Into::into),
        ..kept::L7Rule::default()
    }
}

/// The name of an object of the controller.
fn reference(field: &str, wire: Option<Reference>, at: &mut Place<'_>) -> Option<Arc<str>> {
    let wire = wire?;
    let at = &mut at.at(field);
    at.one_of("kind", wire.kind, &REF_KINDS);
    Some(at.required_text("name", wire.name))
}
