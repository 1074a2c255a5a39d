//! Routes of OpenShift.

use std::sync::Arc;

use crate::domains::Domains;
use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::key::{Key, Place};
use crate::kinds::meta::ObjectMeta;
use crate::kinds::port::PortRef;
use crate::kinds::published::Published;
use crate::secret::Redacted;

/// A Route. Source: OpenShift API reference, Route of route.openshift.io/v1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route {
    /// Its name.
    pub id: NamespacedName,
    /// What else is known of it as an object.
    pub meta: ObjectMeta,
    /// `spec.host`.
    pub host: Option<Arc<str>>,
    /// `spec.subdomain`: what the host begins with where there is no `host`.
    pub subdomain: Option<Arc<str>>,
    /// `spec.wildcardPolicy` is `Subdomain`.
    pub is_wildcard: bool,
    /// `spec.path`, possibly empty.
    pub path: Arc<str>,
    /// `spec.to` and `spec.alternateBackends`, in this order.
    pub backends: Vec<RouteBackend>,
    /// `spec.port.targetPort`: the number of a port of the pods, or the name of one of the Service.
    pub target_port: Option<PortRef>,
    /// `spec.tls`.
    pub tls: Option<RouteTls>,
    /// Annotation [`crate::annotation::INFRA_SETTING`], if not empty.
    pub setting: Option<Arc<str>>,
    /// What of it cannot be understood, so that it is not served.
    pub invalid: Option<Arc<str>>,
    /// What was published on the object.
    pub published: Published,
}

/// A Service that a Route leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteBackend {
    /// Its name, in the Route's namespace.
    pub service: Arc<str>,
    /// Its part of the requests, beside those of the others.
    pub weight: u32,
}

/// What a Route asks of TLS.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteTls {
    /// Where TLS ends.
    pub termination: Termination,
    /// `insecureEdgeTerminationPolicy`: what becomes of requests without TLS.
    pub insecure: Option<InsecurePolicy>,
    /// `certificate`, PEM.
    pub certificate: Option<Arc<str>>,
    /// `key`, PEM.
    pub key: Redacted,
    /// `caCertificate`, PEM: the chain above the certificate.
    pub ca: Option<Arc<str>>,
    /// `destinationCACertificate`, PEM: what the certificates of the pods are verified with.
    pub destination_ca: Option<Arc<str>>,
    /// `externalCertificate.name`: a Secret of the Route's namespace with the certificate.
    pub external_certificate: Option<Arc<str>>,
}

/// Where TLS ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Termination {
    /// At the virtual service.
    #[default]
    Edge,
    /// There, and the pods are spoken to in TLS, too.
    Reencrypt,
    /// At the pods.
    Passthrough,
}

/// What becomes of requests without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsecurePolicy {
    /// They are refused.
    None,
    /// They are served as those with TLS are.
    Allow,
    /// They are redirected to HTTPS.
    Redirect,
}

impl Route {
    /// The host: its own, or its sub-domain under the default domain of the configuration.
    pub fn host(&self, domains: &Domains) -> Option<Arc<str>> {
        match (&self.host, &self.subdomain, &domains.of_routes) {
            (Some(host), _, _) => Some(host.clone()),
            (None, Some(start), Some(domain)) => Some(format!("{start}.{domain}").into()),
            _ => None,
        }
    }
}

impl Kept for Route {
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

    fn found_under(&self, domains: &Domains, say: &mut dyn FnMut(Key)) {
        if let Some(host) = self.host(domains) {
            say(Key::Under(Place::Host, NamespacedName::cluster(host)));
        }
    }

    /// What was published on it changes nothing for its host, nor how often it was changed.
    fn looks_like(&self, other: &Self) -> bool {
        let meta = ObjectMeta { generation: other.meta.generation, ..self.meta.clone() };
        Self { published: other.published.clone(), meta, ..self.clone() } == *other
    }
}
