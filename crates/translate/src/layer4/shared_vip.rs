//! Services of type LoadBalancer that share a VIP. They are in the tenant of the
//! configuration, whatever their namespace says. Source: L4 and network, A8.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::{Object, ServiceMetadata};
use ako_core::resource::{L4Rule, Service};
use ako_core::{NamespacedName, Place, Reason, annotation};

use crate::context::Context;
use crate::layer4::service::{self, SharedWith};
use crate::layer4::{fqdn, namesake, rule_fields};
use crate::output::Output;
use crate::rules::infra_setting;
use crate::rules::l4_rule::{self, L4_APPLICATION};
use crate::unit::{UnitKey, service_id};
use crate::view::View;
use crate::vsvip;

pub(crate) fn translate(context: &Context, view: &View<'_>, key: &NamespacedName, out: &mut Output) {
    let mut services: Vec<_> = view.under::<Service>(Place::SharedVip, key).collect();
    if services.is_empty() || !view.serves(&key.namespace) {
        return;
    }
    for service in &services {
        // Its ports and annotations are read below.
        view.get::<Service>(&service.id);
    }
    services.retain(|service| service::is_ours(context, service));
    services.sort_by(|a, b| (a.meta.created, &a.id).cmp(&(b.meta.created, &b.id)));
    if !namesake::may_be_named(context, view, &UnitKey::SharedVip(key.clone()), &services, out) {
        return;
    }
    let Some(members) = members(context, view, &services, key, out) else { return };
    let oldest = members.services[0];
    out.age = Some((oldest.meta.created, service_id(&oldest.id)));
    let name: Arc<str> = context.names().l4_vs(&key.namespace, &key.name).into();
    let (chosen, is_placed) = service::placed_by(context, view, oldest, out);
    let placed = &context.placed(view, chosen.as_ref());
    // As upstream has it, the setting of a namespace acts on the address only beside a rule.
    let (rule, is_ruled) = service::ruled_by(context, view, oldest, &service::ports(&members.services), out);
    let rule = rule.filter(|rule| may_share(rule, &members.services, out));
    let is_named = infra_setting::annotated(oldest).is_some() || l4_rule::named_by(oldest).is_some();
    let context = if is_named {
        placed
    } else {
        if let Some(chosen) = chosen {
            tell_pools_alone(&members.services, &chosen.setting.id.name, out);
        }
        context
    };
    let mut pools = Vec::new();
    let mut hostnames = Vec::new();
    for service in &members.services {
        let names = fqdn::of_service(context, service, out);
        let shared = SharedWith { key: &key.name, hostnames: &names };
        pools.extend(service::pools(placed, view, service, Some(shared), rule, out));
        if context.requests_node_ports() {
            out.request_node_ports(&service.id);
        }
        service::bind(context, service, &names, &name, out);
        hostnames.extend(names);
    }
    // Upstream sorts rules and listeners by protocol and port as text.
    pools.sort_by_key(|p| format!("{}-{}", p.protocol.as_str(), p.port));
    let markers = context
        .markers(vec![("Namespace", vec![key.namespace.clone()]), ("GatewayName", vec![key.name.clone()])]);
    let metadata = ServiceMetadata {
        hostnames: (!hostnames.is_empty()).then(|| sorted(&hostnames)),
        ..ServiceMetadata::default()
    };
    let policy = service::policy_set(context, &name, &pools, markers.clone());
    let address = rule.and_then(|rule| rule.load_balancer_ip.as_ref()).or(members.address.as_ref());
    let vip = vsvip::build(context, &name, hostnames, address);
    let mut draft = service::listening(context, &name, &pools, metadata, markers, L4_APPLICATION, None);
    if let Some(rule) = rule {
        rule_fields::shape(context, rule, service::is_only_tcp(&pools), &mut draft);
        draft.body.shaped_mut().revoke_vip_route = Some(false);
    }
    let service = draft.finish(context);
    let source = service_id(&members.services[0].id);
    if let Some(keep) = service::kept(is_placed || !is_named, is_ruled) {
        out.kept.extend(service::own_keys(context, &name).map(|key| (key, keep)));
    }
    if let Some(keep) = service::kept(is_placed, is_ruled) {
        out.kept.extend(service::pool_keys(context, &pools).map(|key| (key, keep)));
    }
    let objects = [Object::L4PolicySet(policy), Object::VsVip(vip), Object::VirtualService(service)];
    if !objects.into_iter().all(|object| out.add(object, &source)) {
        out.statements.clear();
    }
}

/// Whether a rule can act on a VIP that Services share; what of it cannot is told.
fn may_share(rule: &L4Rule, services: &[&Arc<Service>], out: &mut Output) -> bool {
    let mut tell = |message: &str| {
        for service in services {
            out.tell(
                &service_id(&service.id),
                Reason::RuleNotApplied,
                format!("L4Rule {}: {message}", rule.id),
            );
        }
    };
    if rule_fields::has_ssl(rule) {
        tell(
            "it has no effect on a shared VIP, where TLS cannot end: take enableSsl out, or give the Service its own VIP",
        );
        return false;
    }
    if rule.revoke_vip_route {
        tell("RevokeVipRoute cannot be used with Shared VIP. VIP Route won't be revoked.");
    }
    true
}

/// Tells that the setting of a namespace does not place a shared VIP.
fn tell_pools_alone(services: &[&Arc<Service>], setting: &str, out: &mut Output) {
    for service in services {
        let message = format!(
            "AviInfraSetting {setting} of its namespace acts on its pools alone, and not on the VIP that it shares: name \
             it in annotation {} of each Service that shares the VIP",
            annotation::INFRA_SETTING
        );
        out.tell(&service_id(&service.id), Reason::SettingNotApplied, message);
    }
}

/// The Services that take part, and their address.
struct Members<'a> {
    /// Oldest first; never empty.
    services: Vec<&'a Arc<Service>>,
    address: Option<Arc<str>>,
}

/// Sorts out who takes part. The oldest Service decides on the address; one
/// that wants another address, or a port that is taken, stays out and is told.
fn members<'a>(
    context: &Context,
    view: &View<'a>,
    services: &[&'a Arc<Service>],
    key: &NamespacedName,
    out: &mut Output,
) -> Option<Members<'a>> {
    let mut taken = BTreeSet::new();
    let mut members: Option<Members<'a>> = None;
    for service in services {
        let id = service_id(&service.id);
        if !service::is_servable(context, service, out)
            || !namesake::may_have_pools(context, view, service, Some(&key.name), out)
        {
            continue;
        }
        let Ok(address) = service::wanted_address(context, service, out) else { continue };
        if let Some(group) = &members
            && address.is_some()
            && address != group.address
        {
            let message = format!(
                "the Services that share VIP {} have the address of {}, which is {}: ask for the same, or for none",
                key.name,
                group.services[0].id,
                group.address.as_deref().unwrap_or("allocated by the controller"),
            );
            out.tell(&id, Reason::SharedVipConflict, message);
            continue;
        }
        if let Some(group) = &members
            && l4_rule::named_by(service) != l4_rule::named_by(group.services[0])
        {
            let message = format!(
                "the Services that share VIP {} go by the L4Rule of {}, which is {}: set annotation {} to the same",
                key.name,
                group.services[0].id,
                l4_rule::named_by(group.services[0]).map_or("none".to_owned(), |rule| rule.to_string()),
                annotation::L4_RULE
            );
            out.tell(&id, Reason::SharedVipConflict, message);
            continue;
        }
        let setting = infra_setting::annotated(service);
        if let Some(group) = &members
            && let decisive = infra_setting::annotated(group.services[0])
            && setting != decisive
        {
            let message = format!(
                "the Services that share VIP {} are placed as {} asks for, by {}: set annotation {} to the same",
                key.name,
                group.services[0].id,
                decisive.map_or("no AviInfraSetting".to_owned(), |name| format!("AviInfraSetting {name}")),
                annotation::INFRA_SETTING
            );
            out.tell(&id, Reason::SharedVipConflict, message);
            continue;
        }
        let ports: Vec<_> = service.ports.iter().map(|p| (p.protocol, p.port)).collect();
        if let Some((protocol, port)) = ports.iter().find(|p| taken.contains(*p)) {
            let message = format!(
                "{} port {port} of shared VIP {} is taken by an older Service: use another port or another VIP",
                protocol.as_str(),
                key.name
            );
            out.tell(&id, Reason::PortConflict, message);
            continue;
        }
        taken.extend(ports);
        match &mut members {
            Some(group) => group.services.push(service),
            None => members = Some(Members { services: vec![service], address }),
        }
    }
    members
}

fn sorted(names: &[Arc<str>]) -> Vec<Arc<str>> {
    let mut names = names.to_vec();
    names.sort();
    names
}
