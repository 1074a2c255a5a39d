//! What L4Rules make of the virtual services and the pools of Services.
//! Source: Custom resources, §5; L4 and network, A10.

use std::sync::Arc;

use ako_avi_types::virtual_service::{
    AnalyticsPolicy, DataScriptAttachment, FullClientLogs, Listener, PerformanceLimits,
};
use ako_avi_types::{Kind, Ref, go_json};
use ako_core::kinds::l4_rule::{L4AnalyticsPolicy, L4Backend};
use ako_core::resource::{L4Rule, Protocol};

use crate::context::Context;
use crate::pool::Ruled;
use crate::rules::l4_rule::{self, L4_APPLICATION};
use crate::view::View;
use crate::virtual_service::{self as vs, Draft};

/// The application profile of Services with TLS.
const SSL_APPLICATION: &str = "System-SSL-Application";

/// Whether TLS ends at the virtual service.
pub(crate) fn has_ssl(rule: &L4Rule) -> bool {
    rule.listeners.iter().any(|listener| listener.enable_ssl)
}

/// What the pool of a port is to be, if the rule says something of it.
pub(crate) fn of_backend(
    context: &Context,
    view: &View<'_>,
    rule: &L4Rule,
    protocol: Protocol,
    port: u16,
) -> Option<Ruled> {
    let backend =
        rule.backends.iter().find(|backend| (backend.protocol, backend.port) == (protocol, port))?;
    let L4Backend { lb_algorithm, lb_algorithm_hash, lb_algorithm_header, .. } = backend;
    let by_name = |kind, name: &Option<Arc<str>>| name.clone().map(|name| Ref::named(kind, name));
    Some(Ruled {
        health_monitors: l4_rule::health_monitors(context, view, rule, backend),
        lb_algorithm: Some(lb_algorithm.clone()),
        lb_algorithm_hash: lb_algorithm_hash.clone(),
        lb_algorithm_header: lb_algorithm_header.clone(),
        persistence: by_name(Kind::ApplicationPersistenceProfile, &backend.application_persistence),
        enable_http2: None,
        ssl_profile: by_name(Kind::SslProfile, &backend.ssl_profile),
        pki_profile: by_name(Kind::PkiProfile, &backend.pki_profile),
        certificate: by_name(Kind::SslKeyAndCertificate, &backend.certificate),
        enabled: Some(backend.enabled),
        min_servers_up: backend.min_servers_up.map(u32::from),
        realtime_metrics: backend.realtime_metrics,
    })
}

/// Makes a virtual service what a rule asks for, and the checksum what covers that. `only_tcp`
/// says whether no other protocol is spoken.
pub(crate) fn shape(context: &Context, rule: &L4Rule, only_tcp: bool, draft: &mut Draft) {
    let by_name = |kind, name: &Option<Arc<str>>| name.clone().map(|name| Ref::named(kind, name));
    let application = match rule.application_profile.as_deref() {
        Some(L4_APPLICATION) if has_ssl(rule) => Some(vs::application_profile(SSL_APPLICATION)),
        _ => by_name(Kind::ApplicationProfile, &rule.application_profile),
    };
    let analytics = by_name(Kind::AnalyticsProfile, &rule.analytics_profile);
    let ssl = by_name(Kind::SslProfile, &rule.ssl_profile);
    // A rule that names no network profile has that of TCP, which other protocols cannot go by.
    let is_wish = only_tcp || rule.network_profile.as_deref() != Some(vs::SYSTEM_TCP_PROXY);
    let network = by_name(Kind::NetworkProfile, &rule.network_profile).filter(|_| is_wish);
    let refs = |kind, names: &[Arc<str>]| -> Vec<Ref> {
        names.iter().map(|name| Ref::named(kind, name.clone())).collect()
    };
    let scripts = refs(Kind::VsDataScriptSet, &rule.datascripts);
    let certificates = refs(Kind::SslKeyAndCertificate, &rule.certificates);
    let limits = rule.performance_limits.map(|limits| PerformanceLimits {
        max_concurrent_connections: limits.max_concurrent_connections.map(u32::from),
        max_throughput: limits.max_throughput.map(u32::from),
    });
    let network_security = by_name(Kind::NetworkSecurityPolicy, &rule.network_security_policy);
    let security = by_name(Kind::SecurityPolicy, &rule.security_policy);

    let mut covered: String =
        [&application, &analytics, &ssl].into_iter().flatten().map(Ref::plain).collect();
    for list in [&scripts, &certificates] {
        if !list.is_empty() {
            covered.push_str(&go_json::marshal(&list.iter().map(Ref::plain).collect::<Vec<_>>()));
        }
    }
    draft.covered.references.insert_str(0, &covered);
    draft.covered.generated.extend(network.iter().chain(&network_security).map(Ref::plain));
    draft.covered.generated.extend(limits.as_ref().map(go_json::marshal));
    draft.covered.generated.extend(security.iter().map(Ref::plain));

    if !rule.listeners.is_empty() {
        draft.body.services = rule.listeners.iter().map(|l| listener(l.port, l.enable_ssl)).collect();
    }
    if application.is_some() {
        draft.body.application_profile_ref = application;
    }
    if network.is_some() {
        draft.body.network_profile_ref = network;
    }
    draft.body.ssl_profile_ref = ssl;
    draft.body.ssl_key_and_certificate_refs = certificates;
    draft.body.vs_datascripts = scripts
        .into_iter()
        .zip(0..)
        .map(|(vs_datascript_set_ref, index)| DataScriptAttachment { vs_datascript_set_ref, index })
        .collect();
    if let Some(policy) = rule.analytics_policy.as_ref().map(analytics_policy) {
        draft.cover_analytics(context, &policy);
        draft.body.shaped_mut().analytics_policy = Some(policy);
    }
    let shaped = draft.body.shaped_mut();
    shaped.analytics_profile_ref = analytics;
    shaped.network_security_policy_ref = network_security;
    shaped.security_policy_ref = security;
    shaped.performance_limits = limits;
    shaped.revoke_vip_route = Some(rule.revoke_vip_route);
}

fn listener(port: u16, enable_ssl: bool) -> Listener {
    Listener { enable_http2: None, ..vs::listener(port, enable_ssl, false) }
}

fn analytics_policy(policy: &L4AnalyticsPolicy) -> AnalyticsPolicy {
    let logs = policy.full_client_logs.map(|logs| FullClientLogs {
        enabled: logs.enabled,
        throttle: u32::from(logs.throttle),
        duration: u32::from(logs.duration),
    });
    AnalyticsPolicy { full_client_logs: logs, all_headers: None }
}
