//! HTTPRules. Source: Custom resources, §4.

use std::sync::Arc;

use crate::domains::Domains;
use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::key::Key;
use crate::kinds::meta::ObjectMeta;
use crate::kinds::published::Published;

/// An HTTPRule: what the pools of the paths of a host have, beyond what Ingresses and Routes can
/// say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpRule {
    /// Its name.
    pub id: NamespacedName,
    /// What else is known of it as an object.
    pub meta: ObjectMeta,
    /// What is wrong with it in itself, whatever else there is; such a rule must not be applied,
    /// not by half either.
    pub invalid: Option<Arc<str>>,
    /// `fqdn`; empty only if it is invalid.
    pub fqdn: Arc<str>,
    /// `paths`
    pub paths: Vec<HttpRulePath>,
    /// What was published on the object.
    pub published: Published,
}

/// What the pools of some paths have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRulePath {
    /// `target`: what the paths begin with.
    pub target: Arc<str>,
    /// `healthMonitors`
    pub health_monitors: Vec<Arc<str>>,
    /// `applicationPersistence`
    pub application_persistence: Option<Arc<str>>,
    /// `enableHTTP2`; absent leaves it to the controller.
    pub enable_http2: Option<bool>,
    /// `loadBalancerPolicy`
    pub load_balancer_policy: Option<LoadBalancerPolicy>,
    /// `tls`, whose type is `reencrypt`.
    pub tls: Option<Reencryption>,
}

/// How a pool chooses among its servers, in the words of the Avi API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadBalancerPolicy {
    /// `algorithm`
    pub algorithm: Option<Arc<str>>,
    /// `hash`
    pub hash: Option<Arc<str>>,
    /// `hostHeader`
    pub host_header: Option<Arc<str>>,
}

/// That a pool speaks TLS to its servers, and whom it trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reencryption {
    /// `sslProfile`
    pub ssl_profile: Option<Arc<str>>,
    /// `pkiProfile`; not with `destinationCA`.
    pub pki_profile: Option<Arc<str>>,
    /// `destinationCA`: certificates, as PEM.
    pub destination_ca: Option<Arc<str>>,
}

impl Kept for HttpRule {
    const HAS_STATUS: bool = true;

    fn id(&self) -> NamespacedName {
        self.id.clone()
    }

    fn meta(&self) -> Option<&ObjectMeta> {
        Some(&self.meta)
    }

    fn published(&self) -> Option<&Published> {
        Some(&self.published)
    }

    fn found_under(&self, _domains: &Domains, say: &mut dyn FnMut(Key)) {
        say(Key::rule_of(&self.fqdn));
    }

    /// What was published on it changes nothing for its host.
    fn looks_like(&self, other: &Self) -> bool {
        Self { published: other.published.clone(), ..self.clone() } == *other
    }
}
