//! Units of layer 4 whose objects would have one name: Service `c` in namespace
//! `a-b` and Service `b-c` in `a`, or a Service called as the key under which
//! others share a VIP. The oldest has the name, and the others are told. Another instance's
//! count as far as it serves them, by its own configuration.

use std::sync::Arc;

use ako_core::kinds::service::shared_vip_key;
use ako_core::resource::{Service, ServicePort};
use ako_core::{NamespacedName, Place, Reason, ServiceRule};

use crate::context::Context;
use crate::output::Output;
use crate::unit::{UnitKey, service_id};
use crate::view::View;

/// Another unit that asks for the name.
struct Namesake<'a> {
    /// Its oldest Service.
    service: &'a Arc<Service>,
    tenant: Arc<str>,
    /// Whether it has the name, however old it is.
    insists: bool,
}

/// Whether a unit of these Services, the oldest first, has the name of its
/// virtual service for itself, or came first; otherwise they are told.
pub(crate) fn may_be_named(
    context: &Context,
    view: &View<'_>,
    unit: &UnitKey,
    services: &[&Arc<Service>],
    out: &mut Output,
) -> bool {
    let (UnitKey::Service(key) | UnitKey::SharedVip(key), Some(oldest)) = (unit, services.first()) else {
        return true;
    };
    let is_older = |other: &Namesake<'_>| {
        other.insists || (other.service.meta.created, &other.service.id) < (oldest.meta.created, &oldest.id)
    };
    let others = splits(key).flat_map(|id| [UnitKey::Service(id.clone()), UnitKey::SharedVip(id)]);
    let others = others.filter(|other| other != unit).filter_map(|other| namesake(context, view, &other));
    let mut older: Vec<_> =
        others.filter(|other| other.tenant == context.placement.tenant && is_older(other)).collect();
    older.sort_by_key(|other| (!other.insists, other.service.meta.created, other.service.id.clone()));
    let Some(first) = older.first() else { return true };
    for service in services {
        let message = format!(
            "its virtual service would be called {}, as that of Service {} is already: rename the Service{}",
            context.names().l4_vs(&key.namespace, &key.name),
            first.service.id,
            if matches!(unit, UnitKey::SharedVip(_)) { " or the key of its shared VIP" } else { "" }
        );
        out.tell(&service_id(&service.id), Reason::NameTaken, message);
    }
    false
}

/// Every namespace and name that are joined to the same text.
fn splits(key: &NamespacedName) -> impl Iterator<Item = NamespacedName> {
    let text = format!("{}-{}", key.namespace, key.name);
    let hyphens: Vec<_> = text.match_indices('-').map(|(at, _)| at).collect();
    hyphens.into_iter().map(move |at| NamespacedName::new(&text[..at], &text[at + 1..]))
}

/// A unit that gets objects on the same controller, from this instance or from
/// another one.
fn namesake<'a>(context: &Context, view: &View<'a>, unit: &UnitKey) -> Option<Namesake<'a>> {
    match unit {
        UnitKey::Service(id) => {
            let service = view.get::<Service>(id).filter(|service| shared_vip_key(service).is_none())?;
            candidate(context, view, service, None)
        }
        UnitKey::SharedVip(key) => {
            let all = view.under::<Service>(Place::SharedVip, key);
            let theirs = all.filter_map(|service| candidate(context, view, service, Some(&key.name)));
            theirs.min_by(|a, b| {
                (a.service.meta.created, &a.service.id).cmp(&(b.service.meta.created, &b.service.id))
            })
        }
        UnitKey::Host(_)
        | UnitKey::Ingress(_)
        | UnitKey::Rule(_)
        | UnitKey::StaticRoutes
        | UnitKey::ServiceEngineGroup => None,
    }
}

/// A Service that gets objects on the same controller, with the key of its shared VIP.
fn candidate<'a>(
    context: &Context,
    view: &View<'a>,
    service: &'a Arc<Service>,
    shared: Option<&str>,
) -> Option<Namesake<'a>> {
    let namespace = &service.id.namespace;
    let own = ServiceRule::of(&context.config);
    let (rule, insists) = if view.owns(namespace) {
        (&own, false)
    } else {
        let rival = view.rival(namespace).filter(|rival| *rival.cluster == context.config.cluster_name)?;
        (rival.services, !rival.gives_way)
    };
    let annotated = view.namespace(namespace).and_then(|namespace| namespace.tenant.clone());
    // What shares a VIP is in the tenant of the configuration.
    let tenant = annotated.filter(|_| shared.is_none()).unwrap_or_else(|| rule.tenant.clone());
    if rule.dedicated_tenant && tenant != rule.tenant {
        return None;
    }
    rule.serves(service).then_some(Namesake { service, tenant, insists })
}

/// Whether the pools of a Service have their names for themselves, or it came first;
/// otherwise it is told. Service `web` that shares a VIP under key `vip` has pools of the
/// same names as Service `web-vip`.
pub(crate) fn may_have_pools(
    context: &Context,
    view: &View<'_>,
    service: &Arc<Service>,
    shared: Option<&str>,
    out: &mut Output,
) -> bool {
    let has_port_of = |other: &Service| {
        let is_there = |port: &ServicePort| {
            service.ports.iter().any(|own| (own.protocol, own.port) == (port.protocol, port.port))
        };
        other.ports.iter().any(is_there)
    };
    let others = namesakes_of_pools(context, view, &service.id, shared);
    let mut older: Vec<_> = others
        .into_iter()
        .filter(|other| other.tenant == context.placement.tenant && has_port_of(other.service))
        .filter(|other| {
            other.insists
                || (other.service.meta.created, &other.service.id) < (service.meta.created, &service.id)
        })
        .collect();
    older.sort_by_key(|other| (!other.insists, other.service.meta.created, other.service.id.clone()));
    let Some(first) = older.first() else { return true };
    let message = format!(
        "its pools would be called as those of Service {} are already: rename the Service{}",
        first.service.id,
        if shared.is_some() { " or the key of its shared VIP" } else { "" }
    );
    out.tell(&service_id(&service.id), Reason::NameTaken, message);
    false
}

/// The Services whose pools have names that begin as those of this one do, one of both
/// sharing a VIP. Of two that share none, the virtual services have one name already.
fn namesakes_of_pools<'a>(
    context: &Context,
    view: &View<'a>,
    id: &NamespacedName,
    shared: Option<&str>,
) -> Vec<Namesake<'a>> {
    let named = match shared {
        Some(key) => NamespacedName::new(id.namespace.clone(), format!("{}-{key}", id.name)),
        None => id.clone(),
    };
    let mut others = Vec::new();
    for split in splits(&named) {
        if shared.is_some()
            && let Some(service) =
                view.get::<Service>(&split).filter(|service| shared_vip_key(service).is_none())
        {
            others.extend(candidate(context, view, service, None));
        }
        for (at, _) in split.name.match_indices('-') {
            let (name, key) = (&split.name[..at], &split.name[at + 1..]);
            let service = view.get::<Service>(&NamespacedName::new(split.namespace.clone(), name));
            let sharing = service.filter(|service| shared_vip_key(service).is_some_and(|k| *k.name == *key));
            let sharing = sharing.filter(|service| shared.is_none() || service.id != *id);
            others.extend(sharing.and_then(|service| candidate(context, view, service, Some(key))));
        }
    }
    others
}
