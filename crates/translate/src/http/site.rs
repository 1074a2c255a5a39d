//! A host whose TLS ends at Avi, or that has none: who asks for it, and how that is published.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::ObjectKey;
use ako_core::Reason;
use ako_core::resource::Ingress;

use crate::http::claim::{HostClaim, Security, Tls};
use crate::output::Output;
use crate::statement::Binding;
use crate::unit::ingress_id;

/// A host whose TLS ends at Avi, or that has none, with the claims to it.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    pub(crate) host: Arc<str>,
    /// Never empty; oldest first.
    pub(crate) claims: Vec<HostClaim<'a>>,
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
    pub(crate) fn bind_all(&self, vs: &ObjectKey, vsvip: &ObjectKey, out: &mut Output) {
        for claim in &self.claims {
            bind(claim.ingress, &self.host, vs, vsvip, out);
        }
    }
}

/// Tells that a wildcard host cannot be served, and why: nothing matches it.
pub(crate) fn tell_wildcard(host: &str, ingress: &Ingress, why: &str, out: &mut Output) {
    if host.starts_with('*') {
        let message = format!("the wildcard host {host} is not served: {why}");
        out.tell(&ingress_id(&ingress.id), Reason::WildcardNotServed, message);
    }
}

/// Publishes a virtual service's addresses on an Ingress.
pub(crate) fn bind(ingress: &Ingress, host: &Arc<str>, vs: &ObjectKey, vsvip: &ObjectKey, out: &mut Output) {
    // The API server takes no wildcard as the host name of a status.
    if host.starts_with('*') {
        return;
    }
    // A generated host is not in the spec, but it is how clients get here.
    let binding = Binding { hostname: host.clone(), vs: vs.clone(), vsvip: vsvip.clone() };
    out.bind(ingress_id(&ingress.id), binding);
}
