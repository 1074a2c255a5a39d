//! L4Rules: whether one is right, and which one a Service goes by.
//! Source: Custom resources, §5; L4 and network, A10.

use std::sync::Arc;

use ako_avi_types::{Kind, Ref, Referred};
use ako_core::kinds::l4_rule::L4Backend;
use ako_core::resource::{HealthMonitor, L4Rule, Protocol, Service};
use ako_core::{Look, NamespacedName, Reason, ResourceId, Stored as _, annotation};

use crate::context::Context;
use crate::output::Output;
use crate::rules::reference::{References, Wants};
use crate::rules::verdict::{self, Verdict};
use crate::view::View;

/// The application profile of Services, which is the one of a rule that names none.
pub(crate) const L4_APPLICATION: &str = "System-L4-Application";
const L4_PROFILE: &str = "APPLICATION_PROFILE_TYPE_L4";
const SSL_PROFILE: &str = "APPLICATION_PROFILE_TYPE_SSL";
/// The type of the network profiles with which TLS can end at a virtual service.
const TCP_PROXY: &str = "PROTOCOL_TYPE_TCP_PROXY";

/// A rule that a Service names and does not go by.
#[derive(Clone, Debug)]
pub(crate) struct Unusable {
    /// Whether it is there, and what it says cannot be done: what is served by it stays.
    pub(crate) is_there: bool,
    /// Why, and what to do.
    pub(crate) why: String,
}

pub(crate) fn translate(context: &Context, view: &View<'_>, id: &NamespacedName, out: &mut Output) {
    let Some(rule) = view.get::<L4Rule>(id).filter(|rule| view.heeds(&rule.id.namespace)) else { return };
    let about = ResourceId { kind: L4Rule::KIND, name: id.clone() };
    verdict(context, view, rule).say(&about, rule.meta.generation, out);
    let names_both = |backend: &&L4Backend| {
        !backend.health_monitors.is_empty() && !backend.health_monitor_objects.is_empty()
    };
    for backend in rule.backends.iter().filter(names_both) {
        let (protocol, port) = (backend.protocol.as_str(), backend.port);
        let message = format!(
            "healthMonitorCrdRefs of {protocol} port {port} has no effect, as healthMonitorRefs names health monitors: \
             take one of them out"
        );
        out.tell(&about, Reason::UnsupportedField, message);
    }
}

/// The rule that a Service's annotation names: `name`, or `namespace/name`.
pub(crate) fn named_by(service: &Service) -> Option<NamespacedName> {
    let text = service.annotations.get(annotation::L4_RULE).map(|text| text.trim())?;
    let (namespace, name) = text.split_once('/').unwrap_or((&service.id.namespace, text));
    (!name.is_empty()).then(|| NamespacedName::new(namespace, name))
}

/// The rule that Services with a virtual service in common go by, if there is one, `ports` being
/// those of all of them. The first one's annotation decides.
pub(crate) fn of_service<'a>(
    context: &Context,
    view: &View<'a>,
    service: &Service,
    ports: &[(Protocol, u16)],
) -> Result<Option<&'a Arc<L4Rule>>, Unusable> {
    let Some(id) = named_by(service) else { return Ok(None) };
    let unusable = |is_there, why: String| Unusable { is_there, why: format!("L4Rule {id} {why}") };
    let Some(rule) = view.get::<L4Rule>(&id) else {
        let annotation = annotation::L4_RULE;
        return Err(unusable(false, format!("is not there: create it, or correct annotation {annotation}")));
    };
    if !view.heeds(&id.namespace) {
        let why = "is in a namespace of another instance: write one in a namespace of this instance";
        return Err(unusable(false, why.to_owned()));
    }
    if let Verdict::Rejected(why) = verdict(context, view, rule) {
        return Err(unusable(true, format!("is rejected ({why}): correct it")));
    }
    let tenant = context.tenant_of(view, &id.namespace).unwrap_or_default();
    if tenant != context.placement.tenant {
        return Err(unusable(
            false,
            format!(
                "is for tenant {tenant}, by its namespace, and the virtual service is in tenant {}: write one in a \
                 namespace of that tenant",
                context.placement.tenant
            ),
        ));
    }
    listener_mistake(rule, ports).map_or(Ok(Some(rule)), |why| Err(unusable(true, why)))
}

/// Why the listeners of a rule do not go with the ports of what names it.
fn listener_mistake(rule: &L4Rule, ports: &[(Protocol, u16)]) -> Option<String> {
    if rule.listeners.is_empty() {
        return None;
    }
    let is_listed = |(protocol, port): &&(Protocol, u16)| {
        *protocol == Protocol::Tcp && rule.listeners.iter().any(|listener| listener.port == *port)
    };
    if rule.listeners.len() != ports.len() || !ports.iter().all(|port| is_listed(&port)) {
        return Some(
            "has listenerProperties for other ports than there are: list each port once, with protocol TCP, or none"
                .to_owned(),
        );
    }
    let has_ssl = rule.listeners.iter().any(|listener| listener.enable_ssl);
    (has_ssl && ports.len() > 1).then(|| {
        "has a listener with enableSsl, which is possible for one port alone: use a Service with one"
            .to_owned()
    })
}

/// Whether a rule is right: in itself, and by what it refers to.
pub(crate) fn verdict(context: &Context, view: &View<'_>, rule: &L4Rule) -> Verdict {
    let context = verdict::in_tenant_of(context, view, &rule.id.namespace, rule.invalid.as_ref());
    let context = match &context {
        Ok(context) => context,
        Err(rejected) => return rejected.clone(),
    };
    let mut references = References::default();
    check_application_profile(context, view, rule, &mut references);
    for backend in &rule.backends {
        for name in &backend.health_monitor_objects {
            if let Err(why) = health_monitor(context, view, rule, backend, name) {
                references.mistake(why);
            }
        }
    }
    for (kind, name) in references_of(rule) {
        references.check(context, view, (kind, name), Wants::Any);
    }
    if rule.revoke_vip_route && !context.facts.cloud.is_nsx_t() {
        references.mistake("RevokeVipRoute is only supported in NSX-T Cloud".to_owned());
    }
    references.verdict()
}

/// The uuid of the health monitor that the CRD operator made of a HealthMonitor of the rule's
/// namespace, or why the rule cannot go by it. Source: Custom resources, §5, validation 4.
fn health_monitor<'a>(
    context: &Context,
    view: &View<'a>,
    rule: &L4Rule,
    backend: &L4Backend,
    name: &Arc<str>,
) -> Result<&'a Arc<str>, String> {
    if name.is_empty() {
        return Err("Empty HealthMonitor name in healthMonitorCrdRefs".to_owned());
    }
    let id = NamespacedName::new(rule.id.namespace.clone(), name.clone());
    if !context.config.crd_operator {
        return Err(format!("HealthMonitor CRD {id} referenced but AKO CRD Operator is not enabled"));
    }
    let monitor = view.get::<HealthMonitor>(&id).ok_or_else(|| format!("HealthMonitor {id} not found"))?;
    let made = monitor.made.as_ref().filter(|made| made.tenant == context.placement.tenant);
    let made = made.ok_or_else(|| {
        format!(
            "HealthMonitor validation failed for {id}: healthMonitor {id} is not processed by AKO CRD Operator"
        )
    })?;
    let uuid = made.uuid.as_ref().ok_or_else(|| format!("HealthMonitor {id} is not in ready state"))?;
    let monitor_type = &monitor.monitor_type;
    let protocol = backend.protocol.as_str();
    let valid = format!("HEALTH_MONITOR_{protocol}");
    if **monitor_type == *valid {
        return Ok(uuid);
    }
    Err(format!(
        "HealthMonitor {id} has type '{monitor_type}' which is not compatible with {protocol} protocol. \
         Valid types: {valid}"
    ))
}

/// The health monitors of the pool of a port: those that are named on the controller, else those of
/// the cluster.
pub(crate) fn health_monitors(
    context: &Context,
    view: &View<'_>,
    rule: &L4Rule,
    backend: &L4Backend,
) -> Vec<Ref> {
    if !backend.health_monitors.is_empty() {
        let by_name = |name: &Arc<str>| Ref::named(Kind::HealthMonitor, name.clone());
        return backend.health_monitors.iter().map(by_name).collect();
    }
    // Of a rule that is right, each is there.
    let uuids = backend.health_monitor_objects.iter();
    let uuids = uuids.filter_map(|name| health_monitor(context, view, rule, backend, name).ok());
    uuids.map(|uuid| Ref::by_uuid(Kind::HealthMonitor, uuid.clone())).collect()
}

/// The application profile has to be of a type that goes with the rest.
fn check_application_profile(context: &Context, view: &View<'_>, rule: &L4Rule, references: &mut References) {
    let Some(name) = &rule.application_profile else { return };
    references.check(
        context,
        view,
        (Kind::ApplicationProfile, name),
        Wants::OneOf(&[L4_PROFILE, SSL_PROFILE]),
    );
    let referred = Referred::named(Kind::ApplicationProfile, context.placement.tenant.clone(), name.clone());
    let Look::Found(brief) = view.look_up(referred) else { return };
    let has_ssl = rule.listeners.iter().any(|listener| listener.enable_ssl);
    match brief.object_type.as_deref() {
        Some(SSL_PROFILE) => {
            if !has_ssl {
                references.mistake(format!(
                    "SSL is not enabled in l4rule listener Spec but App Profile {name} is of type SSL"
                ));
            }
            if let Some(profile) = &rule.network_profile {
                let wants = Wants::NetworkType(TCP_PROXY);
                references.check(context, view, (Kind::NetworkProfile, profile), wants);
            }
        }
        Some(L4_PROFILE) if &**name != L4_APPLICATION => {
            let mut mistake = |is_so: bool, text: String| {
                if is_so {
                    references.mistake(text);
                }
            };
            mistake(
                has_ssl,
                format!("SSL is enabled in l4rule listener Spec but App Profile {name} is not of type SSL"),
            );
            let start = format!("App Profile {name} is not of type SSL but");
            mistake(rule.ssl_profile.is_some(), format!("{start} SslProfileRef is set"));
            mistake(!rule.certificates.is_empty(), format!("{start} SslKeyAndCertificateRefs are set"));
        }
        _ => {}
    }
}

/// What else a rule refers to on the controller, in the order in which it is looked at.
fn references_of(rule: &L4Rule) -> Vec<(Kind, &Arc<str>)> {
    let single = [
        (Kind::AnalyticsProfile, &rule.analytics_profile),
        (Kind::NetworkProfile, &rule.network_profile),
        (Kind::NetworkSecurityPolicy, &rule.network_security_policy),
        (Kind::SecurityPolicy, &rule.security_policy),
        (Kind::SslProfile, &rule.ssl_profile),
    ];
    let single = single.into_iter().filter_map(|(kind, name)| Some((kind, name.as_ref()?)));
    let certificates = rule.certificates.iter().map(|name| (Kind::SslKeyAndCertificate, name));
    let scripts = rule.datascripts.iter().map(|name| (Kind::VsDataScriptSet, name));
    let backends = rule.backends.iter().flat_map(references_of_backend);
    single.chain(certificates).chain(scripts).chain(backends).collect()
}

fn references_of_backend(backend: &L4Backend) -> impl Iterator<Item = (Kind, &Arc<str>)> {
    let single = [
        (Kind::ApplicationPersistenceProfile, &backend.application_persistence),
        (Kind::PkiProfile, &backend.pki_profile),
        (Kind::SslKeyAndCertificate, &backend.certificate),
        (Kind::SslProfile, &backend.ssl_profile),
    ];
    let single = single.into_iter().filter_map(|(kind, name)| Some((kind, name.as_ref()?)));
    single.chain(backend.health_monitors.iter().map(|name| (Kind::HealthMonitor, name)))
}
