//! Units of layer 4 whose objects would have one name: Service `c` in namespace
//! `a-b` and Service `b-c` in `a`, or a Service called as the key under which
//! others share a VIP. The oldest has the name, and the others are told.

use std::sync::Arc;

use ako_core::resource::Service;
use ako_core::snapshot::shared_vip_key;
use ako_core::{NamespacedName, Reason};

use crate::context::Translator;
use crate::l4;
use crate::unit::{UnitKey, UnitOutput, service_id};
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
    t: &Translator,
    view: &View<'_>,
    unit: &UnitKey,
    services: &[&Arc<Service>],
    out: &mut UnitOutput,
) -> bool {
    let (UnitKey::Service(key) | UnitKey::SharedVip(key), Some(oldest)) = (unit, services.first()) else {
        return true;
    };
    let is_older = |other: &Namesake<'_>| {
        other.insists || (other.service.created, &other.service.id) < (oldest.created, &oldest.id)
    };
    let others = splits(key).flat_map(|id| [UnitKey::Service(id.clone()), UnitKey::SharedVip(id)]);
    let others = others.filter(|other| other != unit).filter_map(|other| namesake(t, view, &other));
    let mut older: Vec<_> = others.filter(|other| other.tenant == t.tenant && is_older(other)).collect();
    older.sort_by_key(|other| (!other.insists, other.service.created, other.service.id.clone()));
    let Some(first) = older.first() else { return true };
    for service in services {
        let message = format!(
            "its virtual service would be called {}, as that of Service {} is already: rename the Service{}",
            t.names().l4_vs(&key.namespace, &key.name),
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
fn namesake<'a>(t: &Translator, view: &View<'a>, unit: &UnitKey) -> Option<Namesake<'a>> {
    let (service, namespace, tenant) = match unit {
        UnitKey::Service(id) => {
            let service = view.service(id).filter(|s| l4::is_ours(t, s) && shared_vip_key(s).is_none())?;
            (service, &id.namespace, t.tenant_of(view, &id.namespace).ok()?)
        }
        UnitKey::SharedVip(key) => {
            let ours = view.shared_vip(key).into_iter().filter(|service| l4::is_ours(t, service));
            let oldest = ours.min_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)))?;
            (oldest, &key.namespace, t.config.tenant.clone())
        }
        UnitKey::Host(_) | UnitKey::StaticRoutes | UnitKey::ServiceEngineGroup => return None,
    };
    if view.owns(namespace) {
        return Some(Namesake { service, tenant, insists: false });
    }
    let rival = view.rival(namespace).filter(|rival| *rival.cluster == t.config.cluster_name)?;
    Some(Namesake { service, tenant, insists: !rival.gives_way })
}
