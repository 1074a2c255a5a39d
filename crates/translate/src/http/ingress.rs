//! What an Ingress asks for as a whole, whatever its hosts: what is not done of that is
//! told, once. Source: L7 objects, §5; Kubernetes API, IngressSpec.

use std::sync::Arc;

use ako_core::resource::{Ingress, IngressTls, Secret};
use ako_core::{NamespacedName, Reason};

use crate::claimant::{hosts, is_ours};
use crate::context::Context;
use crate::endpoints::WantedPort;
use crate::http::asked::{Asked, ClaimedBackend, ClaimedPath, OverHttp, Security};
use crate::http::tls::{self, Tls};
use crate::http::tls_wish::{self, TlsWish, is_under};
use crate::output::Output;
use crate::unit::ingress_id;
use crate::view::View;

/// The weight of the backends of Ingresses: they have no siblings.
const WEIGHT: u32 = 100;

/// The unit of an Ingress that names no host. Where there are hosts, the unit of the first
/// one tells.
pub(crate) fn translate(view: &View<'_>, id: &NamespacedName, out: &mut Output) {
    let Some(ingress) = view.get::<Ingress>(id).filter(|ingress| hosts(view, ingress).is_empty()) else {
        return;
    };
    if !is_ours(view, ingress) || !view.serves(&id.namespace) {
        return;
    }
    if view.has_routes() {
        tell_routes(ingress, out);
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

/// Tells what is not done of the Ingresses of ours that name a host, of each where this is the
/// first one of its hosts.
pub(crate) fn tell_all_at(view: &View<'_>, host: &Arc<str>, out: &mut Output) {
    let ours = |ingress: &&Arc<Ingress>| is_ours(view, ingress) && view.serves(&ingress.id.namespace);
    for ingress in view.ingresses_of(host).filter(ours) {
        let first = ingress.rules.iter().filter_map(|rule| view.host_of(ingress, rule.host.as_ref())).min();
        match first.as_ref() == Some(host) {
            true if view.has_routes() => tell_routes(ingress, out),
            true => tell(view, ingress, out),
            false => {}
        }
    }
}

/// Tells that an Ingress is not served, as the cluster has Routes.
fn tell_routes(ingress: &Ingress, out: &mut Output) {
    out.tell(
        &ingress_id(&ingress.id),
        Reason::RoutesServed,
        "this cluster has OpenShift Routes, and Avi serves those instead of Ingresses: write a Route, or let \
         OpenShift make one of this Ingress",
    );
}

/// What an Ingress asks of a host, which a HostRule may have given certificates; an error says
/// why it is not served.
pub(crate) fn asks<'a>(
    context: &Context,
    view: &View<'a>,
    host: &Arc<str>,
    ingress: &'a Arc<Ingress>,
    given: Option<Result<Tls<'a>, (Reason, String)>>,
    out: &mut Output,
) -> Result<Asked<'a>, (Reason, String)> {
    let (security, over_http) = security(context, view, host, ingress, given)?;
    let id = ingress_id(&ingress.id);
    let mut paths = Vec::new();
    for rule in ingress.rules.iter().filter(|r| view.host_of(ingress, r.host.as_ref()).as_ref() == Some(host))
    {
        let Some(rule_paths) = rule.paths.as_ref().filter(|paths| !paths.is_empty()) else {
            let message = format!("the rule for host {host} has no paths, so it leads nowhere: add some");
            out.tell(&id, Reason::InvalidRule, message);
            continue;
        };
        for path in rule_paths {
            let Some(backend) = &path.backend else {
                let message = format!(
                    "the backend of {host}{} is not a Service, which is all that is supported",
                    path.path
                );
                out.tell(&id, Reason::UnsupportedBackend, message);
                continue;
            };
            let backend = ClaimedBackend {
                service: backend.service.clone(),
                port: WantedPort::OfService(backend.port.clone()),
                weight: WEIGHT,
            };
            paths.push(ClaimedPath {
                path: path.path.clone(),
                path_type: path.path_type,
                backends: vec![backend],
            });
        }
    }
    Ok(Asked { security, over_http, reencrypt: None, paths })
}

/// How an Ingress wants a host to be served; an error where it wants TLS and there is no
/// certificate for it.
fn security<'a>(
    context: &Context,
    view: &View<'a>,
    host: &Arc<str>,
    ingress: &Ingress,
    given: Option<Result<Tls<'a>, (Reason, String)>>,
) -> Result<(Security<'a>, OverHttp), (Reason, String)> {
    let wish = tls_wish::of_host(ingress, host);
    // A certificate of a HostRule comes before all that the Ingress says.
    match given.filter(|_| wish != TlsWish::Passthrough) {
        Some(Err((Reason::RuleNotApplied, _))) if wish != TlsWish::Plain => {}
        Some(given) => return Ok((Security::Secure(given?), OverHttp::Redirected)),
        None => {}
    }
    let (secret, is_default) = match wish {
        TlsWish::Plain => return Ok((Security::Insecure, OverHttp::Served)),
        TlsWish::Passthrough => return Ok((Security::Passthrough, OverHttp::Redirected)),
        TlsWish::Default => (tls::default_secret(context), true),
        TlsWish::Entry(entry) => {
            (NamespacedName::new(ingress.id.namespace.clone(), entry.secret.clone()), false)
        }
        TlsWish::Unclear => {
            let message = format!(
                "host {host} is not served, as an entry of spec.tls names a host that is no DNS name and may have \
                 been meant for it: correct that entry"
            );
            return Err((Reason::InvalidRule, message));
        }
    };
    let found = tls::of_secret(view.get::<Secret>(&secret), &secret, host)?;
    Ok((Security::Secure(Tls { is_default, ..found }), OverHttp::Redirected))
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
