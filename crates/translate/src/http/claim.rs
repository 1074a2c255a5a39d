//! Who may serve a host: the Ingresses that name it, sorted out.
//! Source: L7 objects, §5.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_core::config::FqdnReuse;
use ako_core::resource::{Backend, Ingress, IngressPath, PathType, Secret};
use ako_core::{NamespacedName, Reason, certificate, hostname};

use crate::context::Context;
use crate::http::ingress;
use crate::http::tls_wish::{self, TlsWish};
use crate::output::Output;
use crate::unit::ingress_id;
use crate::view::View;

/// How a host is to be served for one Ingress.
#[derive(Clone, Debug)]
pub(crate) enum Security<'a> {
    Insecure,
    Secure(Tls<'a>),
    Passthrough,
}

/// The certificate of a host.
#[derive(Clone, Debug)]
pub(crate) struct Tls<'a> {
    pub(crate) secret: &'a Arc<Secret>,
    /// Whether it is the one that all hosts with `enable-tls` share.
    pub(crate) is_default: bool,
}

/// One Ingress's claim to a host.
#[derive(Clone, Debug)]
pub(crate) struct HostClaim<'a> {
    pub(crate) ingress: &'a Arc<Ingress>,
    /// The tenant of its namespace.
    pub(crate) tenant: Arc<str>,
    pub(crate) security: Security<'a>,
    pub(crate) paths: Vec<ClaimedPath>,
}

impl HostClaim<'_> {
    /// Whether TLS is to end at the virtual service.
    pub(crate) fn asks_for_tls(&self) -> bool {
        matches!(self.security, Security::Secure(_))
    }
}

/// One path of a claim.
#[derive(Clone, Debug)]
pub(crate) struct ClaimedPath {
    pub(crate) path: Arc<str>,
    pub(crate) path_type: PathType,
    pub(crate) backend: Backend,
}

/// A host that is ours, and the claims to it that are to be served.
#[derive(Debug)]
pub(crate) struct Claimed<'a> {
    /// The namespace that the host belongs to: that of the oldest claim.
    pub(crate) owner: Arc<str>,
    /// Oldest first; none if all were refused.
    pub(crate) claims: Vec<HostClaim<'a>>,
}

/// Who may serve a host; `None` if it is not ours.
pub(crate) fn of_host<'a>(
    context: &Context,
    view: &View<'a>,
    host: &Arc<str>,
    out: &mut Output,
) -> Option<Claimed<'a>> {
    let ingresses = accepted(view, host);
    let oldest = ingresses.first()?;
    let owner = oldest.id.namespace.clone();
    out.age = Some((oldest.meta.created, oldest.id.clone()));
    for each in &ingresses {
        ingress::tell_at(view, host, each, out);
    }
    if let Err((reason, message)) = may_be_ours(context, view, host, &ingresses, out) {
        for ingress in ingresses {
            out.tell(&ingress_id(&ingress.id), reason, message.clone());
        }
        return None;
    }
    let mut taken = BTreeSet::new();
    let mut claims = Vec::new();
    for ingress in &ingresses {
        if may_use(context, view, host, ingress, ingresses[0], out) {
            claims.extend(claim(context, view, host, ingress, &mut taken, out));
        }
    }
    Some(Claimed { owner, claims })
}

/// The Ingresses of our classes and namespaces that name a host, oldest first.
fn accepted<'a>(view: &View<'a>, host: &Arc<str>) -> Vec<&'a Arc<Ingress>> {
    let named = view.ingresses_of(host);
    by_age(named.filter(|i| ingress::is_ours(view, i) && view.serves(&i.id.namespace)))
}

fn by_age<'a>(ingresses: impl Iterator<Item = &'a Arc<Ingress>>) -> Vec<&'a Arc<Ingress>> {
    let mut ingresses: Vec<_> = ingresses.collect();
    ingresses.sort_by(|a, b| (a.meta.created, &a.id).cmp(&(b.meta.created, &b.id)));
    ingresses
}

/// Whether the host can be served by this instance, and if not, why not.
fn may_be_ours(
    context: &Context,
    view: &View<'_>,
    host: &Arc<str>,
    ingresses: &[&Arc<Ingress>],
    out: &mut Output,
) -> Result<(), (Reason, String)> {
    if !inside_subdomain(context, host) {
        let message = format!(
            "host {host} is under none of the cloud's DNS domains ({}): use one of them, or add its domain there",
            context.facts.subdomains.join(", ")
        );
        return Err((Reason::HostOutsideSubdomain, message));
    }
    // A host is served by one instance: names and DNS have room for one.
    let rivals = by_age(view.ingresses_of(host).filter(|i| ingress::is_ours(view, i)));
    let rivals = rivals.into_iter().filter_map(|i| Some((i, view.rival(&i.id.namespace)?)));
    for (rival, instance) in rivals {
        let is_older = (rival.meta.created, &rival.id) < (ingresses[0].meta.created, &ingresses[0].id);
        if is_older || !instance.gives_way {
            let message = format!(
                "host {host} is served by the instance of namespace {} for Ingress {}: use another host",
                instance.namespace, rival.id
            );
            return Err((Reason::DuplicateHost, message));
        }
        let message = format!(
            "host {host} is asked for by Ingress {} of the instance of namespace {}, too; it is served here",
            rival.id, instance.namespace
        );
        out.tell(&ingress_id(&ingresses[0].id), Reason::DuplicateHost, message);
    }
    Ok(())
}

/// Whether a host lies under a domain of the cloud, or the cloud has none.
fn inside_subdomain(context: &Context, host: &str) -> bool {
    let domains = &context.facts.subdomains;
    domains.is_empty() || domains.iter().any(|domain| hostname::is_in_domain(host, domain))
}

/// Whether an Ingress may use a host that the oldest one claimed first.
fn may_use(
    context: &Context,
    view: &View<'_>,
    host: &Arc<str>,
    ingress: &Arc<Ingress>,
    oldest: &Arc<Ingress>,
    out: &mut Output,
) -> bool {
    let foreign = |owner: &Ingress| owner.id.namespace != ingress.id.namespace;
    if context.config.shares_by_namespace() && foreign(oldest) {
        let message = format!(
            "host {host} has a virtual service in namespace {} already, and each namespace has its own: use another host",
            oldest.id.namespace
        );
        out.tell(&ingress_id(&ingress.id), Reason::DuplicateHost, message);
        return false;
    }
    if !context.config.evh || context.config.fqdn_reuse != FqdnReuse::Strict {
        return true;
    }
    // An Ingress that names a host of another namespace is refused as a whole.
    let taken = ingress::hosts(view, ingress)
        .into_iter()
        .find_map(|h| accepted(view, &h).first().copied().filter(|o| foreign(o)).map(|o| (h, o)));
    if let Some((taken, owner)) = &taken {
        let message = format!(
            "Host {taken} already claimed by {}, and fqdnReusePolicy is Strict: remove the host from this Ingress",
            owner.id
        );
        out.tell(&ingress_id(&ingress.id), Reason::HostAlreadyClaimed, message);
    }
    taken.is_none()
}

fn claim<'a>(
    context: &Context,
    view: &View<'a>,
    host: &Arc<str>,
    ingress: &'a Arc<Ingress>,
    taken: &mut BTreeSet<(Arc<str>, Arc<str>, bool)>,
    out: &mut Output,
) -> Option<HostClaim<'a>> {
    let id = ingress_id(&ingress.id);
    let security = security(context, view, host, ingress, out)?;
    let tenant = match context.tenant_of(view, &ingress.id.namespace) {
        Ok(tenant) => tenant,
        Err(message) => {
            out.tell(&id, Reason::TenantNotRead, message);
            return None;
        }
    };
    let mut paths = Vec::new();
    for rule in ingress.rules.iter().filter(|r| view.host_of(ingress, r.host.as_ref()).as_ref() == Some(host))
    {
        let Some(rule_paths) = rule.paths.as_ref().filter(|paths| !paths.is_empty()) else {
            let message = format!("the rule for host {host} has no paths, so it leads nowhere: add some");
            out.tell(&id, Reason::InvalidRule, message);
            continue;
        };
        for path in rule_paths {
            // An exact path is another one than a prefix.
            let is_exact = path.path_type == PathType::Exact;
            let is_first = taken.insert((tenant.clone(), path.path.clone(), is_exact));
            paths.extend(claim_path(host, path, ingress, is_first, out));
        }
    }
    (!paths.is_empty()).then_some(HostClaim { ingress, tenant, security, paths })
}

fn claim_path(
    host: &Arc<str>,
    path: &IngressPath,
    ingress: &Ingress,
    is_first: bool,
    out: &mut Output,
) -> Option<ClaimedPath> {
    let id = ingress_id(&ingress.id);
    let Some(backend) = path.backend.clone() else {
        let message =
            format!("the backend of {host}{} is not a Service, which is all that is supported", path.path);
        out.tell(&id, Reason::UnsupportedBackend, message);
        return None;
    };
    if !is_first {
        let message =
            format!("{host}{} is served by an older Ingress or rule: remove it from this one", path.path);
        out.tell(&id, Reason::DuplicateHostPath, message);
        return None;
    }
    Some(ClaimedPath { path: path.path.clone(), path_type: path.path_type, backend })
}

/// How an Ingress wants a host to be served; `None` if it wants TLS and there
/// is no certificate for it.
fn security<'a>(
    context: &Context,
    view: &View<'a>,
    host: &Arc<str>,
    ingress: &Ingress,
    out: &mut Output,
) -> Option<Security<'a>> {
    let id = ingress_id(&ingress.id);
    let (secret, is_default) = match tls_wish::of_host(ingress, host) {
        TlsWish::Plain => return Some(Security::Insecure),
        TlsWish::Passthrough => return Some(Security::Passthrough),
        TlsWish::Default => {
            (NamespacedName::new(context.config.operator_namespace.clone(), "router-certs-default"), true)
        }
        TlsWish::Entry(entry) => {
            (NamespacedName::new(ingress.id.namespace.clone(), entry.secret.clone()), false)
        }
        TlsWish::Unclear => {
            let message = format!(
                "host {host} is not served, as an entry of spec.tls names a host that is no DNS name and may have \
                 been meant for it: correct that entry"
            );
            out.tell(&id, Reason::InvalidRule, message);
            return None;
        }
    };
    let Some(found) = view.get::<Secret>(&secret) else {
        let message =
            format!("Secret {secret} for host {host} does not exist, or holds no tls.crt: create it");
        out.tell(&id, Reason::MissingSecret, message);
        return None;
    };
    let certificate = found.certificate.as_ref().filter(|certificate| !certificate.is_empty());
    let Some(certificate) = certificate.filter(|_| !found.key.is_empty()) else {
        let message = format!("Secret {secret} for host {host} needs both tls.crt and tls.key");
        out.tell(&id, Reason::InvalidSecret, message);
        return None;
    };
    if let Err(error) = certificate::check(certificate, &found.key) {
        let message = format!("Secret {secret} for host {host} cannot be used: {error}; replace it");
        out.tell(&id, Reason::InvalidSecret, message);
        return None;
    }
    Some(Security::Secure(Tls { secret: found, is_default }))
}
