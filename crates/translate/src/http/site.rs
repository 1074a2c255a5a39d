//! A host whose TLS ends at Avi, or that has none: who asks for it, and how that is published.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::ObjectKey;
use ako_core::Reason;

use crate::claimant::Claimant;
use crate::http::asked::{OverHttp, Security};
use crate::http::claim::HostClaim;
use crate::http::rule_fields::Rules;
use crate::http::tls::Tls;
use crate::output::Output;
use crate::rules::sso_rule::Choice;
use crate::statement::Binding;

/// A host whose TLS ends at Avi, or that has none, with the claims to it.
#[derive(Clone, Debug)]
pub(crate) struct Site<'a> {
    pub(crate) host: Arc<str>,
    /// Never empty; oldest first.
    pub(crate) claims: Vec<HostClaim<'a>>,
    /// What the host goes by beside them.
    pub(crate) rules: Option<Rules<'a>>,
    /// How people sign in.
    pub(crate) sign_in: Choice<'a>,
}

impl<'a> Site<'a> {
    /// The certificate of the host: that of the oldest claim with one.
    pub(crate) fn tls(&self) -> Option<&Tls<'a>> {
        self.claims.iter().find_map(|claim| match &claim.asked.security {
            Security::Secure(tls) => Some(tls),
            _ => None,
        })
    }

    /// Whether a claim is served with TLS. For Ingresses that is so with all of a host if it is
    /// with one, as upstream has it; each Route decides for itself.
    pub(crate) fn is_secure(&self, claim: &HostClaim<'_>) -> bool {
        claim.asks_for_tls() || (!claim.by.is_route() && self.tls().is_some())
    }

    /// What becomes of requests without TLS of a claim.
    pub(crate) fn over_http(&self, claim: &HostClaim<'_>) -> OverHttp {
        if !claim.by.is_route() && self.tls().is_some() {
            return OverHttp::Redirected;
        }
        claim.asked.over_http
    }

    /// The paths whose requests without TLS have such a fate.
    pub(crate) fn paths(&self, fates: &[OverHttp]) -> Vec<&Arc<str>> {
        let claims = self.claims.iter().filter(|claim| fates.contains(&self.over_http(claim)));
        claims.flat_map(|claim| claim.asked.paths.iter().map(|path| &path.path)).collect()
    }

    /// The same host with those of the claims alone that are served with TLS, if there are any.
    pub(crate) fn secure(&self) -> Option<Self> {
        let claims: Vec<_> = self.claims.iter().filter(|claim| self.is_secure(claim)).cloned().collect();
        (!claims.is_empty()).then(|| Self { claims, ..self.clone() })
    }

    /// All names of the host, sorted.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        let mut names = self.rules.map(|rules| rules.names()).unwrap_or_default();
        names.insert(self.host.clone());
        names.into_iter().collect()
    }

    /// Those of its names that are in DNS.
    pub(crate) fn dns_names(&self) -> Vec<Arc<str>> {
        let aliases = self.rules.iter().flat_map(Rules::aliases);
        std::iter::once(&self.host).chain(aliases).cloned().collect()
    }

    /// The namespace that upstream names on the host's virtual service: that of
    /// the claim that it came across last.
    pub(crate) fn namespace(&self) -> &Arc<str> {
        self.claims[self.claims.len() - 1].namespace()
    }

    /// The namespaces that have paths of the host, sorted.
    pub(crate) fn namespaces(&self) -> Vec<Arc<str>> {
        let mut namespaces: Vec<_> = self.claims.iter().map(|c| c.namespace().clone()).collect();
        namespaces.sort();
        namespaces.dedup();
        namespaces
    }

    /// `namespace/name` of what serves the host, oldest first, as upstream records it in EVH
    /// mode: all Routes, and of the Ingresses only the oldest of each namespace.
    pub(crate) fn recorded_names(&self) -> Vec<Arc<str>> {
        let mut seen = BTreeSet::new();
        let first = self.claims.iter().filter(|c| c.by.is_route() || seen.insert(c.namespace()));
        first.map(|c| c.by.name().to_string().into()).collect()
    }

    /// Publishes a virtual service's addresses on all that claim the host.
    pub(crate) fn bind_all(&self, vs: &ObjectKey, vsvip: &ObjectKey, out: &mut Output) {
        for claim in &self.claims {
            bind(claim.by, &self.host, vs, vsvip, out);
        }
    }
}

/// Tells that a wildcard host cannot be served, and why: nothing matches it.
pub(crate) fn tell_wildcard(host: &str, claimant: Claimant<'_>, why: &str, out: &mut Output) {
    if host.starts_with('*') {
        let message = format!("the wildcard host {host} is not served: {why}");
        out.tell(&claimant.id(), Reason::WildcardNotServed, message);
    }
}

/// Publishes a virtual service's addresses on what claims a host.
pub(crate) fn bind(
    claimant: Claimant<'_>,
    host: &Arc<str>,
    vs: &ObjectKey,
    vsvip: &ObjectKey,
    out: &mut Output,
) {
    // The API server takes no wildcard as the host name of a status.
    if host.starts_with('*') {
        return;
    }
    // A generated host is not in the spec, but it is how clients get here.
    let binding = Binding { hostname: host.clone(), vs: vs.clone(), vsvip: vsvip.clone() };
    out.bind(claimant.id(), binding);
}
