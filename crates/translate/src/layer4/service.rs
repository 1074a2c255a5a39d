//! Services of type LoadBalancer with a VIP of their own.
//! Source: L4 and network, A1–A7.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::l4_policy::{
    L4Action, L4ConnectionPolicy, L4Match, L4Rule as PolicyRule, PortMatch, ProtocolMatch, SelectPool,
};
use ako_avi_types::virtual_service::{L4PolicyAttachment, Listener};
use ako_avi_types::{
    Kind, L4PolicySet, Marker, Object, ObjectKey, Ref, Referred, ServiceMetadata, VirtualService, go_json,
};
use ako_core::annotation;
use ako_core::config::ServiceMode;
use ako_core::kinds::service::shared_vip_key;
use ako_core::resource::{AviInfraSetting, L4Rule, Protocol, Service, ServicePort, UnusedField};
use ako_core::{NamespacedName, Reason, ServiceRule};

use crate::context::Context;
use crate::endpoints::{self, BackendPort};
use crate::layer4::{fqdn, namesake, rule_fields};
use crate::output::{Keep, Output};
use crate::placement::Chosen;
use crate::pool::Ruled;
use crate::rules::infra_setting;
use crate::rules::l4_rule::{self, L4_APPLICATION};
use crate::rules::reference::{self, Found, Wants};
use crate::statement::Binding;
use crate::unit::{UnitKey, service_id};
use crate::view::View;
use crate::virtual_service::{self as vs, Covered, PortText, TargetText};
use crate::{pool, vsvip};

/// What upstream's checksum has for the network profile of several protocols.
const MIXED_PROFILE: &str = "Mixed-Network-Profile-Internal";

pub(crate) fn translate(context: &Context, view: &View<'_>, id: &NamespacedName, out: &mut Output) {
    let Some(service) =
        view.get::<Service>(id).filter(|s| is_ours(context, s) && shared_vip_key(s).is_none())
    else {
        return;
    };
    if !view.serves(&id.namespace) || !is_servable(context, service, out) {
        return;
    }
    let source = service_id(id);
    out.age = Some((service.meta.created, service_id(id)));
    let context = &match context.tenant_of(view, &id.namespace) {
        Ok(tenant) => context.in_tenant(&tenant),
        Err(message) => return out.tell(&source, Reason::TenantNotRead, message),
    };
    let (rule, is_ruled) = ruled_by(context, view, service, &ports(&[service]), out);
    let (chosen, is_placed) = placed_by(context, view, service, out);
    let context = &context.placed(view, chosen.as_ref());
    if !namesake::may_be_named(context, view, &UnitKey::Service(id.clone()), &[service], out)
        || !namesake::may_have_pools(context, view, service, None, out)
    {
        return;
    }
    let name: Arc<str> = context.names().l4_vs(&id.namespace, &id.name).into();
    let Ok(address) = wanted_address(context, service, out) else { return };
    let address = address.or_else(|| rule.and_then(|rule| rule.load_balancer_ip.clone()));
    let hostnames = fqdn::of_service(context, service, out);
    let pools = pools(context, view, service, None, rule, out);
    let policy = policy_set(context, &name, &pools, policy_markers(context, service));
    let vip = vsvip::build(context, &name, hostnames.clone(), address.as_ref());
    let profile = application_profile(context, view, service, rule, out);
    let service_vs = virtual_service(context, service, &name, &pools, &hostnames, profile, rule);
    if let Some(keep) = kept(is_placed, is_ruled) {
        let keys = own_keys(context, &name).chain(pool_keys(context, &pools));
        out.kept.extend(keys.map(|key| (key, keep)));
    }
    // TLS that ends at the virtual service leads to its one pool directly.
    let policy = (!rule.is_some_and(rule_fields::has_ssl)).then_some(Object::L4PolicySet(policy));
    let mut objects = policy.into_iter().chain([Object::VsVip(vip), Object::VirtualService(service_vs)]);
    if pools.is_empty() || !objects.all(|object| out.add(object, &source)) {
        return;
    }
    if context.requests_node_ports() {
        out.request_node_ports(id);
    }
    bind(context, service, &hostnames, &name, out);
}

/// What there is on the controller of a Service, or a part of it, whose setting or rule cannot be
/// used. Listeners, policy and pools go together; the pods are followed all the same.
pub(crate) fn kept(is_placed: bool, is_ruled: bool) -> Option<Keep> {
    match (is_placed, is_ruled) {
        (_, false) => Some(Keep::AllButServers),
        (false, true) => Some(Keep::Place),
        (true, true) => None,
    }
}

/// The objects of a Service, or of those that share a VIP, but for their pools.
pub(crate) fn own_keys(context: &Context, name: &Arc<str>) -> impl Iterator<Item = ObjectKey> {
    [Kind::L4PolicySet, Kind::VsVip, Kind::VirtualService]
        .map(|kind| context.key(kind, name.clone()))
        .into_iter()
}

/// The pools of Services.
pub(crate) fn pool_keys(context: &Context, pools: &[PortPool]) -> impl Iterator<Item = ObjectKey> {
    pools.iter().map(|pool| context.key(Kind::Pool, pool.name.clone()))
}

/// The ports of Services.
pub(crate) fn ports(services: &[&Arc<Service>]) -> Vec<(Protocol, u16)> {
    services.iter().flat_map(|service| &service.ports).map(|port| (port.protocol, port.port)).collect()
}

/// The rule that a Service goes by, and whether it goes by the one that it names, if it names
/// one. If not, it is told, and made without it where it is not made yet.
pub(crate) fn ruled_by<'a>(
    context: &Context,
    view: &View<'a>,
    service: &Service,
    ports: &[(Protocol, u16)],
    out: &mut Output,
) -> (Option<&'a L4Rule>, bool) {
    match l4_rule::of_service(context, view, service, ports) {
        Ok(rule) if rule.is_some_and(|rule| rule_fields::has_ssl(rule)) && !context.facts.enterprise => {
            let message = "enableSsl has no effect, as the controller's licence is not one of the ENTERPRISE tiers: the \
                           Service is served without the L4Rule";
            out.tell(&service_id(&service.id), Reason::RuleNotApplied, message);
            (None, true)
        }
        Ok(rule) => {
            if let Some(rule) = rule {
                out.goes_by::<L4Rule>(&rule.id);
            }
            (rule.map(|rule| &**rule), true)
        }
        Err(unusable) => {
            if let Some(name) = l4_rule::named_by(service) {
                out.goes_by::<L4Rule>(&name);
            }
            let so = if unusable.is_there {
                "it is served without its L4Rule if it is new, else it is served as it was, with the same ports"
            } else {
                "it is served without its L4Rule"
            };
            out.tell(&service_id(&service.id), Reason::RuleNotApplied, format!("{so}: {}", unusable.why));
            (None, !unusable.is_there)
        }
    }
}

/// The setting that a Service is placed by, and whether it is placed as it asks for. If the setting
/// cannot be used, it is placed as configured where it is not placed yet, and told.
pub(crate) fn placed_by<'a>(
    context: &Context,
    view: &View<'a>,
    service: &'a Service,
    out: &mut Output,
) -> (Option<Chosen<'a>>, bool) {
    match infra_setting::of_service(context, view, service) {
        Ok(chosen) => {
            if let Some(chosen) = chosen {
                out.goes_by::<AviInfraSetting>(&chosen.setting.id);
            }
            (chosen, true)
        }
        Err(unusable) => {
            out.goes_by::<AviInfraSetting>(&NamespacedName::cluster(unusable.name.clone()));
            let message = format!(
                "it is placed as the configuration of the operator says if it is new, else it stays where it is, with the \
                 address that it has: {}",
                unusable.why
            );
            out.tell(&service_id(&service.id), Reason::SettingNotApplied, message);
            (None, false)
        }
    }
}

/// Publishes the addresses of a virtual service on a Service, under each of its names.
pub(crate) fn bind(
    context: &Context,
    service: &Service,
    hostnames: &[Arc<str>],
    name: &Arc<str>,
    out: &mut Output,
) {
    let unnamed = [Arc::default()];
    for hostname in if hostnames.is_empty() { &unnamed } else { hostnames } {
        let binding = Binding {
            hostname: hostname.clone(),
            vs: context.key(Kind::VirtualService, name.clone()),
            vsvip: context.key(Kind::VsVip, name.clone()),
        };
        out.bind(service_id(&service.id), binding);
    }
}

/// Whether a Service asks for a load balancer, and asks us.
pub(crate) fn is_ours(context: &Context, service: &Service) -> bool {
    ServiceRule::of(&context.config).serves(service)
}

/// Whether a Service can be served in the mode that we are in; if not, it is
/// told. Source: L4 and network, A3.
pub(crate) fn is_servable(context: &Context, service: &Service, out: &mut Output) -> bool {
    let has_sctp = service.ports.iter().any(|port| port.protocol == Protocol::Sctp);
    if context.config.service_mode != ServiceMode::NodePortLocal || !has_sctp {
        return true;
    }
    let message = "it has a port of protocol SCTP, for which NodePortLocal keeps no node ports: \
                   take the port out, or use another serviceType";
    out.tell(&service_id(&service.id), Reason::UnsupportedProtocol, message);
    false
}

/// The address that a Service asks for; an error if it is none.
pub(crate) fn wanted_address(
    context: &Context,
    service: &Service,
    out: &mut Output,
) -> Result<Option<Arc<str>>, ()> {
    let annotated = service.annotations.get(annotation::LOAD_BALANCER_IP).filter(|a| !a.is_empty());
    let Some(address) = service.load_balancer_ip.as_ref().or(annotated) else { return Ok(None) };
    if address.parse::<std::net::IpAddr>().is_err() {
        let message =
            format!("the wanted load balancer IP {address:?} is no IP address: correct or remove it");
        out.tell(&service_id(&service.id), Reason::InvalidAddress, message);
        return Err(());
    }
    if context.facts.cloud.vip_per_network() {
        let message = format!(
            "the wanted load balancer IP {address} has no effect: on AWS, Azure and OpenStack the cloud chooses the \
             address; remove it, and use the address in the status, or its DNS name"
        );
        out.tell(&service_id(&service.id), Reason::UnsupportedField, message);
    }
    Ok(Some(address.clone()))
}

/// A pool of a Service's port.
#[derive(Clone, Debug)]
pub(crate) struct PortPool {
    pub(crate) name: Arc<str>,
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
    pub(crate) port_name: Arc<str>,
    pub(crate) target: TargetText,
}

impl PortPool {
    fn reference(&self) -> Ref {
        Ref::named(Kind::Pool, self.name.clone())
    }
}

/// What pools of a Service that shares a VIP carry besides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedWith<'a> {
    pub(crate) key: &'a Arc<str>,
    pub(crate) hostnames: &'a [Arc<str>],
}

/// Adds the pools of a Service, one a port.
pub(crate) fn pools(
    context: &Context,
    view: &View<'_>,
    service: &Service,
    shared: Option<SharedWith<'_>>,
    rule: Option<&L4Rule>,
    out: &mut Output,
) -> Vec<PortPool> {
    tell_unused(service, out);
    let mut pools = Vec::new();
    for port in &service.ports {
        let names = context.names();
        let key = shared.map(|s| &**s.key);
        let name = names.l4_pool(&service.id.namespace, &service.id.name, key, port.protocol, port.port);
        let ruled =
            rule.and_then(|rule| rule_fields::of_backend(context, view, rule, port.protocol, port.port));
        let object = port_pool(context, view, service, port, name.clone(), (shared, ruled.as_ref()), out);
        if out.add(Object::Pool(object), &service_id(&service.id)) {
            pools.push(PortPool {
                name: name.into(),
                port: port.port,
                protocol: port.protocol,
                port_name: port.name.clone(),
                target: TargetText::of(port),
            });
        }
    }
    pools
}

/// Tells what a Service asks for and does not get.
fn tell_unused(service: &Service, out: &mut Output) {
    for unused in &service.unused {
        let message = match unused {
            UnusedField::SourceRanges => {
                "loadBalancerSourceRanges has no effect, so everybody who reaches the address gets through: \
                 restrict it elsewhere, for instance by a NetworkPolicy, and remove the field"
            }
            UnusedField::SessionAffinity => {
                "sessionAffinity: ClientIP has no effect, so a client may reach another pod with each connection: \
                 remove the field if that is right"
            }
            // A connection is passed on as it is, whatever is spoken.
            UnusedField::AppProtocol(..) => continue,
        };
        out.tell(&service_id(&service.id), Reason::UnsupportedField, message);
    }
}

fn port_pool(
    context: &Context,
    view: &View<'_>,
    service: &Service,
    port: &ServicePort,
    name: String,
    (shared, ruled): (Option<SharedWith<'_>>, Option<&Ruled>),
    out: &mut Output,
) -> ako_avi_types::Pool {
    let backend = BackendPort::of_service(port);
    let mut members = endpoints::of_service(context, view, service, &backend);
    for (reason, remark) in members.remarks.drain(..) {
        out.tell(&service_id(&service.id), reason, remark);
    }
    if members.port == 0 {
        members.port = port.port;
    }
    let mut fields = vec![
        ("Namespace", vec![service.id.namespace.clone()]),
        ("ServiceName", vec![service.id.name.clone()]),
        ("Port", vec![port.port.to_string().into()]),
    ];
    let mut metadata = ServiceMetadata::default();
    if let Some(shared) = shared {
        fields.push(("Protocol", vec![port.protocol.as_str().into()]));
        fields.push(("GatewayName", vec![shared.key.clone()]));
        metadata.namespace_svc_name = Some(vec![service.id.to_string().into()]);
        metadata.hostnames = listed(shared.hostnames);
    }
    let covered = pool::Covered {
        protocol: port.protocol.as_str(),
        members: &members,
        port_name: &port.name,
        label: "",
        metadata: &metadata,
        tls: None,
        ruled,
    };
    pool::build(context, name, &covered, context.markers(fields), port.protocol)
}

/// Names as metadata have them: nothing rather than none.
fn listed(hostnames: &[Arc<str>]) -> Option<Vec<Arc<str>>> {
    (!hostnames.is_empty()).then(|| hostnames.to_vec())
}

/// The policy set that leads each port to its pool.
pub(crate) fn policy_set(
    context: &Context,
    name: &Arc<str>,
    pools: &[PortPool],
    markers: Vec<Marker>,
) -> L4PolicySet {
    let rule = |(pool, index): (&PortPool, u32)| PolicyRule {
        name: pool.reference().plain().into(),
        index,
        matches: L4Match {
            port: PortMatch { match_criteria: "IS_IN".into(), ports: vec![pool.port] },
            protocol: ProtocolMatch {
                match_criteria: "IS_IN".into(),
                protocol: format!("PROTOCOL_{}", pool.protocol.as_str()).into(),
            },
        },
        action: L4Action {
            select_pool: SelectPool {
                action_type: "L4_RULE_ACTION_SELECT_POOL".into(),
                pool_ref: pool.reference(),
            },
        },
    };
    L4PolicySet {
        name: name.clone(),
        created_by: Some(context.owner.clone()),
        tenant_ref: Some(context.placement.tenant_ref.clone()),
        l4_connection_policy: L4ConnectionPolicy { rules: pools.iter().zip(0..).map(rule).collect() },
        markers,
    }
}

fn policy_markers(context: &Context, service: &Service) -> Vec<Marker> {
    let protocols: BTreeSet<_> = service.ports.iter().map(|p| p.protocol.as_str()).collect();
    let protocols: Vec<_> = protocols.into_iter().collect();
    context.markers(vec![
        ("Namespace", vec![service.id.namespace.clone()]),
        ("ServiceName", vec![service.id.name.clone()]),
        ("Protocol", vec![protocols.join(",").into()]),
    ])
}

/// The application profile that is asked for. One that is not there is told, and does not keep the
/// Service from being served.
fn application_profile<'a>(
    context: &Context,
    view: &View<'_>,
    service: &'a Service,
    rule: Option<&L4Rule>,
    out: &mut Output,
) -> &'a str {
    let asked = service.annotations.get(annotation::APPLICATION_PROFILE).filter(|name| !name.is_empty());
    let Some(name) = asked else { return L4_APPLICATION };
    if let Some((rule, profile)) = rule.and_then(|rule| Some((rule, rule.application_profile.as_ref()?))) {
        let message = format!(
            "annotation {} has no effect, as L4Rule {} has applicationProfileRef {profile}, which it has if it names none, \
             too: name the profile there, and remove the annotation",
            annotation::APPLICATION_PROFILE,
            rule.id
        );
        out.tell(&service_id(&service.id), Reason::RuleNotApplied, message);
        return L4_APPLICATION;
    }
    let referred = Referred::named(Kind::ApplicationProfile, context.placement.tenant.clone(), name.clone());
    let Found::Wrong(why) = reference::check(context, view, referred, Wants::Any) else { return name };
    let message = format!(
        "{why}: the Service goes by {L4_APPLICATION} until it is there; create it in tenant {}, or correct annotation {}",
        context.placement.tenant,
        annotation::APPLICATION_PROFILE
    );
    out.tell(&service_id(&service.id), Reason::MissingReference, message);
    L4_APPLICATION
}

fn virtual_service(
    context: &Context,
    service: &Service,
    name: &Arc<str>,
    pools: &[PortPool],
    hostnames: &[Arc<str>],
    profile: &str,
    rule: Option<&L4Rule>,
) -> VirtualService {
    let metadata = ServiceMetadata {
        hostnames: listed(hostnames),
        namespace_svc_name: Some(vec![service.id.to_string().into()]),
        ..ServiceMetadata::default()
    };
    let markers = context.markers(vec![
        ("Namespace", vec![service.id.namespace.clone()]),
        ("ServiceName", vec![service.id.name.clone()]),
    ]);
    let disabled = service.annotations.get(annotation::DISABLE_TRAFFIC);
    let traffic = !disabled.is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let mut draft = listening(context, name, pools, metadata, markers, profile, Some(traffic));
    draft.body.traffic_enabled = Some(traffic);
    if let Some(rule) = rule {
        rule_fields::shape(context, rule, is_only_tcp(pools), &mut draft);
        if let (true, [pool]) = (rule_fields::has_ssl(rule), pools) {
            draft.body.l4_policies.clear();
            draft.body.remove_listening_port_on_vs_down = None;
            draft.body.shaped_mut().pool_ref = Some(pool.reference());
        }
    }
    draft.finish(context)
}

/// Whether no other protocol is spoken.
pub(crate) fn is_only_tcp(pools: &[PortPool]) -> bool {
    pools.iter().all(|pool| pool.protocol == Protocol::Tcp)
}

/// A virtual service that listens on the ports of pools. `traffic` is `None` on
/// a shared VIP, where nothing is said about it.
pub(crate) fn listening(
    context: &Context,
    name: &Arc<str>,
    pools: &[PortPool],
    metadata: ServiceMetadata,
    markers: Vec<Marker>,
    application_profile: &str,
    traffic: Option<bool>,
) -> vs::Draft {
    let protocols: BTreeSet<_> = pools.iter().map(|p| p.protocol).collect();
    let network_profile = network_profile(context, &protocols);
    let mut tokens = vec![format!("L4Policy{name}"), format!("VSVIP{name}")];
    if traffic.is_some() {
        tokens.extend(pools.iter().map(|p| format!("Pool{}", p.name)));
    }
    let mut more: Vec<_> = traffic.iter().map(ToString::to_string).collect();
    more.push(vs::rhi_text(context));
    let mut sorted: Vec<_> = pools.iter().collect();
    sorted.sort_by(|a, b| a.port_name.cmp(&b.port_name));
    let covered = Covered {
        tokens,
        application_profile: application_profile.to_owned(),
        network_profile: if protocols.len() > 1 { MIXED_PROFILE } else { network_profile },
        ports: sorted.iter().map(|p| port_text(p, traffic.is_none())).collect(),
        references: metadata.hostnames.as_ref().map(go_json::marshal).unwrap_or_default(),
        more,
        ..Covered::default()
    };
    let mut draft = vs::Draft::new(context, name, covered, metadata, markers);
    draft.body.vsvip_ref = Some(Ref::named(Kind::VsVip, name.clone()));
    draft.body.application_profile_ref = Some(vs::application_profile(application_profile));
    draft.body.network_profile_ref = Some(vs::network_profile(network_profile));
    draft.body.services = sorted.iter().map(|p| listener(p, protocols.len() > 1)).collect();
    draft.body.l4_policies =
        vec![L4PolicyAttachment { l4_policy_set_ref: Ref::named(Kind::L4PolicySet, name.clone()), index: 0 }];
    draft.body.remove_listening_port_on_vs_down = Some(true);
    draft.body.enable_rhi = vs::enable_rhi(context);
    draft
}

/// A port as upstream's checksum spells it; on a shared VIP it is called after
/// its protocol.
fn port_text(pool: &PortPool, shared: bool) -> PortText {
    if shared {
        let name = format!("{}-{}", pool.protocol.as_str(), pool.port);
        PortText::l4(pool.port, TargetText::Number(0), pool.protocol, name.into())
    } else {
        PortText::l4(pool.port, pool.target.clone(), pool.protocol, pool.port_name.clone())
    }
}

/// Among several protocols, those other than TCP override the profile.
fn listener(pool: &PortPool, mixed: bool) -> Listener {
    let profile = match pool.protocol {
        Protocol::Udp if mixed => Some("System-UDP-Fast-Path"),
        Protocol::Sctp if mixed => Some("System-SCTP-Proxy"),
        _ => None,
    };
    Listener {
        override_network_profile_ref: profile.map(vs::network_profile),
        ..vs::listener(pool.port, false, true)
    }
}

/// The network profile for a set of protocols: TCP's if there is TCP, and it
/// depends on the licence.
fn network_profile(context: &Context, protocols: &BTreeSet<Protocol>) -> &'static str {
    if protocols.contains(&Protocol::Tcp) {
        if context.facts.enterprise { vs::SYSTEM_TCP_PROXY } else { "System-TCP-Fast-Path" }
    } else if protocols.contains(&Protocol::Udp) {
        "System-UDP-Fast-Path"
    } else {
        "System-SCTP-Proxy"
    }
}
