//! A host: everything that serves it, whatever the mode.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::ObjectKey;
use ako_core::resource::Ingress;
use ako_core::{Reason, name};

use crate::claim::{self, Claim, Claimed, Security, Tls};
use crate::context::Translator;
use crate::contribution::Contribution;
use crate::front::{FrontKey, FrontKind};
use crate::unit::{Binding, UnitOutput, ingress_id};
use crate::view::View;
use crate::{dedicated, evh, passthrough, sni};

/// Translates a host: for each tenant by itself, as nothing is shared between
/// tenants.
pub(crate) fn translate(t: &Translator, view: &View<'_>, host: &Arc<str>, out: &mut UnitOutput) {
    let Some(Claimed { owner, claims }) = claim::of_host(t, view, host, out) else { return };
    if !fits(t, host, &owner, &claims, out) {
        return;
    }
    let mut tenants: Vec<(Arc<str>, Vec<Claim<'_>>)> = Vec::new();
    if claims.is_empty()
        && let Ok(tenant) = t.tenant_of(view, &owner)
    {
        tenants.push((tenant, Vec::new()));
    }
    for claim in claims {
        match tenants.iter_mut().find(|(tenant, _)| *tenant == claim.tenant) {
            Some((_, claims)) => claims.push(claim),
            None => tenants.push((claim.tenant.clone(), vec![claim])),
        }
    }
    for (tenant, claims) in tenants {
        in_one_tenant(&t.in_tenant(&tenant), view, host, &owner, claims, out);
    }
}

fn in_one_tenant(
    t: &Translator,
    view: &View<'_>,
    host: &Arc<str>,
    owner: &str,
    claims: Vec<Claim<'_>>,
    out: &mut UnitOutput,
) {
    let (passed, ended): (Vec<_>, Vec<_>) =
        claims.into_iter().partition(|c| matches!(c.security, Security::Passthrough));
    passthrough::translate(t, view, host, &passed, out);
    let parent = t.names().shared_vs(host, owner);
    if ended.is_empty() {
        // Upstream makes the shared virtual service before it looks at
        // certificates; its address is there when the certificate comes.
        if let Some(parent) = parent.filter(|_| passed.is_empty()) {
            let kind = if t.config.evh { FrontKind::Evh } else { FrontKind::Sni };
            out.contributions.push((FrontKey::new(t, kind, &parent), Contribution::default()));
        }
        return;
    }
    let site = Site { host: host.clone(), claims: ended };
    match parent {
        None => dedicated::translate(t, view, &site, out),
        Some(parent) if t.config.evh => evh::translate(t, view, &site, &parent, out),
        Some(parent) => sni::translate(t, view, &site, &parent, out),
    }
}

/// Whether Avi takes the host, and the names of what it would be served by
/// together with others; if not, its Ingresses are told.
fn fits(t: &Translator, host: &Arc<str>, owner: &str, claims: &[Claim<'_>], out: &mut UnitOutput) -> bool {
    let shared = t.names().shared_vs(host, owner);
    let passthrough = format!("{}-insecure", t.names().passthrough_vs(host));
    let (reason, message) = if host.is_empty() {
        (Reason::InvalidRule, "the host is empty: leave it out, or name one".to_owned())
    } else if let Some(name) = shared.into_iter().chain([passthrough]).find(|name| !name::fits(name)) {
        let message =
            format!("the Avi virtualservice would be called {name:?}, which is longer than 255 bytes");
        (Reason::NameTooLong, message)
    } else {
        return true;
    };
    for claim in claims {
        out.tell(&ingress_id(&claim.ingress.id), reason, message.clone());
    }
    false
}

/// A host whose TLS ends at Avi, or that has none, with the claims to it.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    pub(crate) host: Arc<str>,
    /// Never empty; oldest first.
    pub(crate) claims: Vec<Claim<'a>>,
}

impl<'a> Site<'a> {
    /// The certificate of the host: that of the oldest Ingress with one.
    pub(crate) fn tls(&self) -> Option<&Tls<'a>> {
        self.claims.iter().find_map(|claim| match &claim.security {
            Security::Secure(tls) => Some(tls),
            _ => None,
        })
    }

    /// The namespace that upstream names on the host's virtual service: that of
    /// the claim that it came across last.
    pub(crate) fn namespace(&self) -> &Arc<str> {
        &self.claims[self.claims.len() - 1].ingress.id.namespace
    }

    /// The namespaces that have paths of the host, sorted.
    pub(crate) fn namespaces(&self) -> Vec<Arc<str>> {
        let mut namespaces: Vec<_> = self.claims.iter().map(|c| c.ingress.id.namespace.clone()).collect();
        namespaces.sort();
        namespaces.dedup();
        namespaces
    }

    /// `namespace/name` of the Ingresses that serve the host, oldest first; only
    /// the oldest of each namespace, which is what upstream records in EVH mode.
    pub(crate) fn first_ingress_names(&self) -> Vec<Arc<str>> {
        let mut seen = BTreeSet::new();
        let first = self.claims.iter().filter(|c| seen.insert(&c.ingress.id.namespace));
        first.map(|c| c.ingress.id.to_string().into()).collect()
    }

    /// Publishes a virtual service's addresses on all Ingresses of the host.
    pub(crate) fn bind_all(&self, vs: &ObjectKey, vsvip: &ObjectKey, out: &mut UnitOutput) {
        for claim in &self.claims {
            bind(claim.ingress, &self.host, vs, vsvip, out);
        }
    }
}

/// Tells that a wildcard host cannot be served, and why: nothing matches it.
pub(crate) fn tell_wildcard(host: &str, ingress: &Ingress, why: &str, out: &mut UnitOutput) {
    if host.starts_with('*') {
        let message = format!("the wildcard host {host} is not served: {why}");
        out.tell(&ingress_id(&ingress.id), Reason::WildcardNotServed, message);
    }
}

/// Publishes a virtual service's addresses on an Ingress.
pub(crate) fn bind(
    ingress: &Ingress,
    host: &Arc<str>,
    vs: &ObjectKey,
    vsvip: &ObjectKey,
    out: &mut UnitOutput,
) {
    // The API server takes no wildcard as the host name of a status.
    if host.starts_with('*') {
        return;
    }
    // A generated host is not in the spec, but it is how clients get here.
    out.bindings.push(Binding {
        object: ingress_id(&ingress.id),
        hostname: host.clone(),
        vs: vs.clone(),
        vsvip: vsvip.clone(),
    });
}
