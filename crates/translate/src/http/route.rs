//! What a Route asks of its host. Source: L7 objects, §5.5; OpenShift API reference, Route.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_core::resource::{InsecurePolicy, PathType, Route, RouteTls, Secret, Termination};
use ako_core::{NamespacedName, Reason, certificate};

use crate::claimant::Claimant;
use crate::context::Context;
use crate::http::asked::{Asked, ClaimedBackend, ClaimedPath, OverHttp, Reencrypt, Security};
use crate::http::tls::{self, Tls};
use crate::output::Output;
use crate::unit::route_id;
use crate::view::View;

/// The unit of a Route that names no host.
pub(crate) fn translate(view: &View<'_>, id: &NamespacedName, out: &mut Output) {
    let Some(route) = view.get::<Route>(id).filter(|route| view.host_of_route(route).is_none()) else {
        return;
    };
    if !view.has_routes() || !view.serves(&id.namespace) {
        return;
    }
    if let Some(what) = &route.invalid {
        Claimant::Route(route).refuse(&Arc::default(), Reason::InvalidRoute, unclear(what), out);
        return;
    }
    let message = if route.subdomain.is_some() {
        "spec.subdomain needs a domain to be under: set defaultDomain of the operator, or name the host"
    } else {
        "it names no host, and OpenShift gave it none: set spec.host"
    };
    Claimant::Route(route).refuse(&Arc::default(), Reason::InvalidRoute, message, out);
}

fn unclear(what: &str) -> String {
    format!("it is not served: {what}; correct it")
}

/// What a Route asks of its host, which a HostRule may have given certificates; an error says
/// why it is not served.
pub(crate) fn asks<'a>(
    context: &Context,
    view: &View<'a>,
    host: &Arc<str>,
    route: &'a Arc<Route>,
    given: Option<Result<Tls<'a>, (Reason, String)>>,
    out: &mut Output,
) -> Result<Asked<'a>, (Reason, String)> {
    if let Some(what) = &route.invalid {
        return Err((Reason::InvalidRoute, unclear(what)));
    }
    if route.is_wildcard {
        let message = format!(
            "wildcardPolicy Subdomain is not supported, so host {host} is not served: name each host in a Route"
        );
        return Err((Reason::WildcardNotServed, message));
    }
    let mut services = BTreeSet::new();
    if let Some(twice) = route.backends.iter().find(|backend| !services.insert(&backend.service)) {
        let message =
            format!("Service {} is named twice: name each backend once, with its weight", twice.service);
        return Err((Reason::DuplicateBackend, message));
    }
    let (security, over_http, reencrypt) = match &route.tls {
        None => match given {
            Some(given) => (Security::Secure(given?), OverHttp::Served, None),
            None => (Security::Insecure, OverHttp::Served, None),
        },
        Some(tls) if tls.termination == Termination::Passthrough => {
            let over_http = match tls.insecure {
                Some(InsecurePolicy::Redirect) => OverHttp::Redirected,
                Some(InsecurePolicy::Allow) => {
                    let message = format!(
                        "host {host} is not served without TLS: insecureEdgeTerminationPolicy Allow is not possible \
                         where TLS goes through to the pods; use None or Redirect"
                    );
                    out.tell(&route_id(&route.id), Reason::UnsupportedField, message);
                    OverHttp::Refused
                }
                Some(InsecurePolicy::None) | None => OverHttp::Refused,
            };
            (Security::Passthrough, over_http, None)
        }
        Some(tls) => {
            let found = match given {
                None | Some(Err((Reason::RuleNotApplied, _))) => {
                    certificate_of(context, view, host, route, tls)?
                }
                Some(given) => given?,
            };
            let over_http = match tls.insecure {
                Some(InsecurePolicy::Redirect) => OverHttp::Redirected,
                Some(InsecurePolicy::Allow) => OverHttp::Served,
                Some(InsecurePolicy::None) => OverHttp::Refused,
                None => OverHttp::NotSaid,
            };
            let reencrypt =
                (tls.termination == Termination::Reencrypt).then(|| reencrypt(tls)).transpose()?;
            (Security::Secure(found), over_http, reencrypt)
        }
    };
    let backends = route.backends.iter().map(|backend| ClaimedBackend {
        service: backend.service.clone(),
        port: crate::endpoints::WantedPort::of_route(route.target_port.clone()),
        weight: backend.weight,
    });
    let path =
        ClaimedPath { path: route.path.clone(), path_type: PathType::Prefix, backends: backends.collect() };
    Ok(Asked { security, over_http, reencrypt, paths: vec![path] })
}

/// The certificate of a Route: its own, that of the Secret that it names, or the one that
/// all Routes without one share.
fn certificate_of<'a>(
    context: &Context,
    view: &View<'a>,
    host: &str,
    route: &'a Route,
    asked: &'a RouteTls,
) -> Result<Tls<'a>, (Reason, String)> {
    if let Some(own) = asked.certificate.as_ref().filter(|_| !asked.key.is_empty()) {
        if let Err(error) = certificate::check(own, &asked.key) {
            let message = format!("the certificate of host {host} cannot be used: {error}; replace it");
            return Err((Reason::InvalidSecret, message));
        }
        let ca = asked.ca.as_ref().map(|ca| chain(ca, "spec.tls.caCertificate")).transpose()?;
        return Ok(Tls { ca, ..Tls::of_pair(own, &asked.key) });
    }
    let secret = match &asked.external_certificate {
        Some(name) => NamespacedName::new(route.id.namespace.clone(), name.clone()),
        None => tls::default_secret(context),
    };
    if let Some(why) = view.secret_withheld(&secret.namespace) {
        let message = format!(
            "Secret {secret} for host {host} is not read, as useDefaultSecretsOnly is true: {why}; give the certificate in \
             the Route"
        );
        return Err((Reason::InvalidSecret, message));
    }
    let found = tls::of_secret(view.get::<Secret>(&secret), &secret, host)?;
    Ok(Tls { is_default: asked.external_certificate.is_none(), ..found })
}

fn reencrypt(tls: &RouteTls) -> Result<Reencrypt<'_>, (Reason, String)> {
    let ca = tls.destination_ca.as_ref();
    let destination_ca = ca.map(|ca| chain(ca, "spec.tls.destinationCACertificate")).transpose()?;
    Ok(Reencrypt { destination_ca })
}

/// A certificate that signs others, if it is one.
fn chain<'a>(pem: &'a Arc<str>, field: &str) -> Result<&'a Arc<str>, (Reason, String)> {
    certificate::check_authority(pem)
        .map(|()| pem)
        .map_err(|error| (Reason::InvalidSecret, format!("{field} cannot be used: {error}; replace it")))
}
