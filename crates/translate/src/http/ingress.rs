//! What an Ingress asks for as a whole, whatever its hosts: what is not done of that is
//! told, once. Source: L7 objects, §5; Kubernetes API, IngressSpec.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_core::resource::{Ingress, IngressClass, IngressTls};
use ako_core::{CONTROLLER_NAME, NamespacedName, Reason};

use crate::http::tls_wish::is_under;
use crate::output::Output;
use crate::unit::ingress_id;
use crate::view::View;

/// The unit of an Ingress that names no host. Where there are hosts, the unit of the first
/// one tells.
pub(crate) fn translate(view: &View<'_>, id: &NamespacedName, out: &mut Output) {
    let Some(ingress) = view.get::<Ingress>(id).filter(|ingress| hosts(view, ingress).is_empty()) else {
        return;
    };
    if !is_ours(view, ingress) || !view.serves(&id.namespace) {
        return;
    }
    tell(view, ingress, out);
    let message = match (ingress.rules.is_empty(), ingress.has_default_backend) {
        (true, true) => return,
        (true, false) => "it has no rules, so there is nothing to serve: add one for each host",
        (false, _) => {
            "no rule names a host, and there is no DNS domain to make one of: name the host, or give the \
             cloud a DNS profile with a domain"
        }
    };
    out.tell(&ingress_id(id), Reason::InvalidRule, message);
}

/// Whether an Ingress belongs to a class of ours. Without a class it does if
/// one of ours is the default.
pub(crate) fn is_ours(view: &View<'_>, ingress: &Ingress) -> bool {
    let mut ours = view.all::<IngressClass>().filter(|class| &*class.controller == CONTROLLER_NAME);
    match &ingress.class {
        Some(name) => ours.any(|class| class.name == *name),
        None => ours.any(|class| class.is_default),
    }
}

/// Tells what is not done of an Ingress, if this is the first one of its hosts.
pub(crate) fn tell_at(view: &View<'_>, host: &Arc<str>, ingress: &Ingress, out: &mut Output) {
    let first = ingress.rules.iter().filter_map(|rule| view.host_of(ingress, rule.host.as_ref())).min();
    if first.as_ref() == Some(host) {
        tell(view, ingress, out);
    }
}

fn tell(view: &View<'_>, ingress: &Ingress, out: &mut Output) {
    let id = ingress_id(&ingress.id);
    if ingress.has_default_backend {
        out.tell(
            &id,
            Reason::DefaultBackendIgnored,
            "spec.defaultBackend is not supported: give the path / of each host",
        );
    }
    if ingress.tls.is_empty() {
        return;
    }
    let hosts = hosts(view, ingress);
    let covers_none = |entry: &&IngressTls| {
        !entry.hosts.is_empty()
            && !entry.hosts.iter().any(|name| hosts.iter().any(|host| host == name || is_under(host, name)))
    };
    for entry in ingress.tls.iter().filter(covers_none) {
        let names: Vec<_> = entry.hosts.iter().take(3).map(|name| &**name).collect();
        let message = format!(
            "the entry of spec.tls for {} has no effect, as no rule has such a host: correct the one or the other",
            names.join(", ")
        );
        out.tell(&id, Reason::InvalidRule, message);
    }
}

/// The hosts of an Ingress, generated ones included.
pub(crate) fn hosts(view: &View<'_>, ingress: &Ingress) -> BTreeSet<Arc<str>> {
    ingress.rules.iter().filter_map(|rule| view.host_of(ingress, rule.host.as_ref())).collect()
}
