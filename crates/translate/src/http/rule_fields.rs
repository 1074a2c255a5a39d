//! What HostRules and L7Rules make of virtual services. Source: Custom resources, §3.3, §6, §12.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::metadata::CrdStatus;
use ako_avi_types::virtual_service::{
    AnalyticsPolicy, DataScriptAttachment, FullClientLogs, HttpPolicyAttachment, Listener, PerformanceLimits,
};
use ako_avi_types::{Kind, Ref, go_json};
use ako_core::kinds::host_rule::{CertificateSource, FqdnType, HostListener};
use ako_core::kinds::rule::{self, HttpPolicy, Throttle};
use ako_core::resource::{HostRule, L7Rule, Secret};
use ako_core::{NamespacedName, Reason, ResourceId, Stored as _};

use crate::context::Context;
use crate::http::tls::{self, Tls};
use crate::output::Output;
use crate::rules::host_rule::{self, Best};
use crate::rules::l7_rule;
use crate::view::View;
use crate::virtual_service::{self as vs, Draft, PortText};

/// How far policy sets of rules are from those of ours.
const OFFSET: u32 = 16;

/// The rules that a host, or a shared virtual service, goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) host: &'a Arc<HostRule>,
    /// What it says less of, in EVH mode.
    pub(crate) l7: Option<&'a Arc<L7Rule>>,
    /// Whether the HostRule is rejected: then only names and certificates are as it says.
    pub(crate) is_rejected: bool,
    /// The L7Rule that is meant, if it is rejected.
    pub(crate) rejected_l7: Option<&'a Arc<L7Rule>>,
}

/// What a virtual service is, as far as rules care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// A child of a shared one, which has the certificates and the ports.
    EvhChild,
    SniChild,
    /// One that a host has for itself.
    Dedicated,
    /// A parent that hosts share.
    Shared,
}

/// The rules that a host goes by.
pub(crate) fn of_host<'a>(context: &Context, view: &View<'a>, host: &Arc<str>) -> Option<Rules<'a>> {
    host_rule::of_host(context, view, host).map(|best| with_l7(context, view, best))
}

/// The rules that a shared virtual service goes by, which is known by this name.
pub(crate) fn of_shared<'a>(context: &Context, view: &View<'a>, name: &str) -> Option<Rules<'a>> {
    host_rule::of_shared(context, view, name).map(|best| with_l7(context, view, best))
}

fn with_l7<'a>(context: &Context, view: &View<'a>, best: Best<'a>) -> Rules<'a> {
    let Best { rule: host, is_rejected } = best;
    let found = host.l7_rule.as_ref().filter(|_| context.config.evh);
    let found = found
        .and_then(|name| view.get::<L7Rule>(&NamespacedName::new(host.id.namespace.clone(), name.clone())));
    let is_wrong = |rule: &&Arc<L7Rule>| l7_rule::verdict(context, view, rule).is_rejected();
    let rejected_l7 = found.filter(is_wrong);
    Rules { host, l7: found.filter(|_| rejected_l7.is_none()), is_rejected, rejected_l7 }
}

/// The certificates that a HostRule gives its hosts; an error says why they cannot be used, and has
/// [`Reason::RuleNotApplied`] if the rule is rejected for that.
pub(crate) fn certificates<'a>(
    context: &Context,
    view: &View<'a>,
    best: Best<'a>,
    host: &str,
) -> Option<Result<Tls<'a>, (Reason, String)>> {
    let Best { rule, is_rejected } = best;
    let asked = rule.tls.as_ref()?;
    if is_rejected && let Some(mistake) = host_rule::tls_mistake(context, view, rule) {
        let message =
            format!("the TLS that HostRule {} gives it is wrong ({mistake}): correct the rule", rule.id);
        return Some(Err((Reason::RuleNotApplied, message)));
    }
    let of_secret = |name: &Arc<str>| {
        let id = NamespacedName::new(rule.id.namespace.clone(), name.clone());
        tls::of_secret(view.get::<Secret>(&id), &id, host)
    };
    let first = match asked.certificate.source {
        CertificateSource::Ref => Ok(Tls { of_controller: vec![&asked.certificate.name], ..Tls::default() }),
        CertificateSource::Secret => of_secret(&asked.certificate.name),
    };
    Some(first.and_then(|mut tls| {
        match asked.alternate.as_ref().map(|other| (other.source, &other.name)) {
            None => {}
            Some((CertificateSource::Ref, name)) => tls.of_controller.push(name),
            Some((CertificateSource::Secret, name)) => {
                let id = NamespacedName::new(rule.id.namespace.clone(), name.clone());
                let found = view.get::<Secret>(&id);
                let other = tls::of_secret(found, &id, host)?;
                tls.alternate = other.pair.zip(found).map(|((pem, key), secret)| (pem, key, &secret.id));
            }
        }
        Ok(tls)
    }))
}

impl Rules<'_> {
    fn id(&self) -> ResourceId {
        ResourceId { kind: HostRule::KIND, name: self.host.id.clone() }
    }

    /// Remembers that somebody goes by them.
    pub(crate) fn note(&self, out: &mut Output) {
        out.goes_by::<HostRule>(&self.host.id);
        for l7 in self.l7.iter().chain(&self.rejected_l7) {
            out.goes_by::<L7Rule>(&l7.id);
        }
    }

    /// What is rejected of them, for people. Of what that gave a virtual service what is there stays.
    pub(crate) fn rejected(&self) -> Option<String> {
        match self.rejected_l7 {
            _ if self.is_rejected => Some(format!("HostRule {}", self.host.id)),
            Some(l7) => Some(format!("L7Rule {}, which HostRule {} names,", l7.id, self.host.id)),
            None => None,
        }
    }

    /// All other names of a host, sorted.
    pub(crate) fn names(&self) -> BTreeSet<Arc<str>> {
        let gslb = self.host.gslb.iter().filter_map(|gslb| gslb.fqdn.clone());
        self.aliases().cloned().chain(gslb).collect()
    }

    /// Its names in DNS. Those of a rule for several hosts, which is rejected for that, cannot be told
    /// to be one host's.
    pub(crate) fn aliases(&self) -> impl Iterator<Item = &Arc<str>> {
        let is_for_one = !self.is_rejected || self.host.fqdn_type == FqdnType::Exact;
        self.host.aliases.iter().filter(move |_| is_for_one)
    }

    /// The profile of TLS with clients.
    pub(crate) fn ssl_profile(&self) -> Option<&Arc<str>> {
        self.host.tls.as_ref()?.ssl_profile.as_ref()
    }

    /// The address that the rule asks for.
    pub(crate) fn address(&self) -> Option<&Arc<str>> {
        self.host.tcp_settings.as_ref().filter(|_| !self.is_rejected)?.load_balancer_ip.as_ref()
    }

    /// The ports that the rule asks for, if it does.
    pub(crate) fn listeners(&self) -> &[HostListener] {
        self.host.tcp_settings.as_ref().map_or(&[], |tcp| &tcp.listeners)
    }

    /// The path that `/` leads to.
    pub(crate) fn root_path(&self) -> Option<&Arc<str>> {
        self.host.application_root_path.as_ref()
    }

    /// Says that a field has no effect.
    pub(crate) fn tell(&self, message: String, out: &mut Output) {
        out.tell(&self.id(), Reason::UnsupportedField, message);
    }

    /// Says what of an L7Rule has no effect on a host whose virtual service has a parent.
    pub(crate) fn tell_of_l7(&self, host: &str, out: &mut Output) {
        let Some(l7) = self.l7 else { return };
        let of_parents = [
            (l7.host_name_xlate.is_some(), "hostNameXlate"),
            (l7.security_policy.is_some(), "securityPolicyRef"),
            (l7.performance_limits.is_some(), "performanceLimits"),
        ];
        let fields: Vec<_> =
            of_parents.iter().filter(|(is_set, _)| *is_set).map(|(_, field)| *field).collect();
        if !fields.is_empty() {
            let message = format!(
                "{} has no effect on host {host}, whose virtual service is a child of one that hosts share: name the \
                 L7Rule in a HostRule for the shared one, or use shardVSSize: DEDICATED",
                fields.join(", ")
            );
            out.tell(
                &ResourceId { kind: L7Rule::KIND, name: l7.id.clone() },
                Reason::UnsupportedField,
                message,
            );
        }
    }

    /// Makes a virtual service what the rules ask for, and the checksum what covers that.
    pub(crate) fn shape(&self, context: &Context, service: Service, draft: &mut Draft) {
        if self.is_rejected {
            return;
        }
        self.refer(service, draft);
        self.attach(service, draft);
        self.switch(context, draft);
        if let Some(l7) = self.l7 {
            shape_by_l7(l7, service, draft);
        }
        if let Some(metadata) = &mut draft.body.service_metadata {
            metadata.crd_status = CrdStatus {
                kind: "HostRule".into(),
                value: self.host.id.to_string().into(),
                // What upstream has recorded there in EVH mode, whatever it means.
                status: if context.config.evh && service != Service::Shared { "INACTIVE" } else { "ACTIVE" }
                    .into(),
            };
        }
    }

    /// The profiles and policies that it refers to.
    fn refer(&self, service: Service, draft: &mut Draft) {
        let (rule, l7) = (self.host, self.l7);
        let first = |own: &Option<Arc<str>>, other: Option<&Option<Arc<str>>>| {
            own.clone().or_else(|| other.cloned().flatten())
        };
        let by_name = |kind, name: Option<Arc<str>>| name.map(|name| Ref::named(kind, name));
        let waf = by_name(Kind::WafPolicy, first(&rule.waf_policy, l7.map(|l7| &l7.waf_policy)));
        let profile = first(&rule.application_profile, l7.map(|l7| &l7.application_profile));
        let profile = by_name(Kind::ApplicationProfile, profile);
        let analytics = first(&rule.analytics_profile, l7.map(|l7| &l7.analytics_profile));
        let analytics = by_name(Kind::AnalyticsProfile, analytics);
        let errors = first(&rule.error_page_profile, l7.map(|l7| &l7.error_page_profile));
        let errors = by_name(Kind::ErrorPageProfile, errors);
        let icap = by_name(Kind::IcapProfile, first(&rule.icap_profile, l7.map(|l7| &l7.icap_profile)));
        let ssl = self.ssl_profile().filter(|_| service != Service::EvhChild).cloned();
        let ssl = by_name(Kind::SslProfile, ssl);
        let mut covered: String =
            [&waf, &profile, &analytics, &errors, &ssl].into_iter().flatten().map(Ref::plain).collect();
        let scripts: Vec<_> =
            self.scripts().map(|name| Ref::named(Kind::VsDataScriptSet, name.clone())).collect();
        let sets: Vec<_> =
            self.policy_sets().map(|name| Ref::named(Kind::HttpPolicySet, name.clone())).collect();
        for list in [scripts, sets, icap.clone().into_iter().collect()] {
            if !list.is_empty() {
                covered.push_str(&go_json::marshal(&list.iter().map(Ref::plain).collect::<Vec<_>>()));
            }
        }
        draft.covered.references.insert_str(0, &covered);
        if let Some(profile) = profile {
            draft.body.application_profile_ref = Some(profile);
        }
        if ssl.is_some() {
            draft.body.ssl_profile_ref = ssl;
        }
        let shaped = draft.body.shaped_mut();
        shaped.waf_policy_ref = waf;
        shaped.analytics_profile_ref = analytics;
        shaped.error_page_profile_ref = errors;
        shaped.icap_request_profile_refs = icap.into_iter().collect();
        if matches!(service, Service::Dedicated | Service::Shared) {
            let policy = rule.network_security_policy.clone();
            shaped.network_security_policy_ref = by_name(Kind::NetworkSecurityPolicy, policy);
        }
    }

    fn scripts(&self) -> impl Iterator<Item = &Arc<str>> {
        let mut seen = BTreeSet::new();
        self.host.datascripts.iter().filter(move |name| seen.insert(*name))
    }

    /// The policy of the HostRule, or where it has none that of the L7Rule.
    fn http_policy(&self) -> Option<&HttpPolicy> {
        let own = self.host.http_policy.as_ref().filter(|policy| !policy.policy_sets.is_empty());
        own.or_else(|| self.l7.and_then(|l7| l7.http_policy.as_ref()))
    }

    fn policy_sets(&self) -> impl Iterator<Item = &Arc<str>> {
        self.http_policy().into_iter().flat_map(|policy| &policy.policy_sets)
    }

    /// Attaches its datascripts and policy sets, in the place of ours or after them.
    fn attach(&self, service: Service, draft: &mut Draft) {
        let scripts: Vec<_> = self
            .scripts()
            .zip(0..)
            .map(|(name, index)| DataScriptAttachment {
                vs_datascript_set_ref: Ref::named(Kind::VsDataScriptSet, name.clone()),
                index,
            })
            .collect();
        // On a shared parent in SNI mode ours leads the requests of hosts without TLS to their
        // pools: those of the rule come after it, where upstream has them in its place.
        let first = u32::try_from(draft.body.vs_datascripts.len()).unwrap_or_default();
        let is_behind = service == Service::Shared;
        draft.body.vs_datascripts.extend(scripts.into_iter().map(|script| DataScriptAttachment {
            index: script.index + if is_behind { first } else { 0 },
            ..script
        }));
        if self.http_policy().is_some_and(|policy| policy.overwrite) {
            draft.body.http_policies.clear();
        }
        let first = u32::try_from(draft.body.http_policies.len()).unwrap_or_default() + OFFSET;
        let sets = self.policy_sets().zip(first..).map(|(name, index)| HttpPolicyAttachment {
            http_policy_set_ref: Ref::named(Kind::HttpPolicySet, name.clone()),
            index,
        });
        draft.body.http_policies.extend(sets);
    }

    /// Whether it is on, and what it records.
    fn switch(&self, context: &Context, draft: &mut Draft) {
        let own = self.host.analytics_policy.as_ref();
        let policy = own.or_else(|| self.l7.and_then(|l7| l7.analytics_policy.as_ref())).map(analytics);
        if let Some(on) = self.host.enable_virtual_host {
            draft.covered.more.push(on.to_string());
            draft.body.shaped_mut().enabled = Some(on);
        }
        if let Some(policy) = policy {
            draft.cover_analytics(context, &policy);
            draft.body.shaped_mut().analytics_policy = Some(policy);
        }
    }

    /// The ports of a virtual service that has ports of its own.
    pub(crate) fn listen(&self, range: bool, draft: &mut Draft) {
        if self.listeners().is_empty() || self.is_rejected {
            return;
        }
        let port = |listener: &HostListener| (listener.port.unwrap_or(80), listener.enable_ssl);
        let ports: Vec<_> = self.listeners().iter().map(port).collect();
        draft.body.services =
            ports.iter().map(|(port, ssl)| -> Listener { vs::listener(*port, *ssl, range) }).collect();
        draft.covered.ports = ports.into_iter().map(|(port, ssl)| PortText::http(port, ssl)).collect();
    }
}

fn analytics(policy: &rule::AnalyticsPolicy) -> AnalyticsPolicy {
    let logs = policy.full_client_logs.map(|logs| FullClientLogs {
        enabled: logs.enabled,
        throttle: match logs.throttle {
            Throttle::High => 10,
            Throttle::Medium => 30,
            Throttle::Low => 50,
            Throttle::Disabled => 0,
        },
        duration: logs.duration,
    });
    AnalyticsPolicy { full_client_logs: logs, all_headers: Some(policy.log_all_headers) }
}

/// What only an L7Rule can ask for.
fn shape_by_l7(rule: &L7Rule, service: Service, draft: &mut Draft) {
    draft.body.min_pools_up = Some(rule.min_pools_up.map_or(1, u32::from));
    draft.body.ign_pool_net_reach = Some(rule.ign_pool_net_reach);
    draft.body.remove_listening_port_on_vs_down = Some(rule.remove_listening_port_on_vs_down);
    let by_name = |kind, name: &Option<Arc<str>>| name.clone().map(|name| Ref::named(kind, name));
    let shaped = draft.body.shaped_mut();
    shaped.allow_invalid_client_cert = Some(rule.allow_invalid_client_cert);
    shaped.close_client_conn_on_config_update = Some(rule.close_client_conn_on_config_update);
    shaped.ssl_sess_cache_avg_size = Some(u32::from(rule.ssl_sess_cache_avg_size));
    shaped.bot_policy_ref = by_name(Kind::BotDetectionPolicy, &rule.bot_policy);
    shaped.traffic_clone_profile_ref = by_name(Kind::TrafficCloneProfile, &rule.traffic_clone_profile);
    if service == Service::EvhChild {
        return;
    }
    shaped.host_name_xlate.clone_from(&rule.host_name_xlate);
    shaped.security_policy_ref = by_name(Kind::SecurityPolicy, &rule.security_policy);
    shaped.performance_limits = rule.performance_limits.map(|limits| PerformanceLimits {
        max_concurrent_connections: limits.max_concurrent_connections.map(u32::from),
        max_throughput: limits.max_throughput.map(u32::from),
    });
}
