//! Ingresses.

use std::sync::Arc;

use crate::domains::Domains;
use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::key::{Key, Place};
use crate::kinds::meta::ObjectMeta;
use crate::kinds::port::PortRef;
use crate::kinds::published::Published;

/// An Ingress.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ingress {
    /// Its name.
    pub id: NamespacedName,
    /// What else is known of it as an object.
    pub meta: ObjectMeta,
    /// `spec.ingressClassName`, else annotation [`crate::annotation::INGRESS_CLASS`].
    pub class: Option<Arc<str>>,
    /// Annotation [`crate::annotation::ENABLE_TLS`].
    pub enable_tls: bool,
    /// Annotation [`crate::annotation::PASSTHROUGH`].
    pub passthrough: bool,
    /// `spec.rules`.
    pub rules: Vec<IngressRule>,
    /// `spec.tls`.
    pub tls: Vec<IngressTls>,
    /// Whether `spec.defaultBackend` is set, which has no effect.
    pub has_default_backend: bool,
    /// What was published on the object.
    pub published: Published,
}

/// The paths of one host.
#[derive(Clone, Debug, PartialEq)]
pub struct IngressRule {
    /// The host; absent means one generated from the Ingress's name.
    pub host: Option<Arc<str>>,
    /// Its paths; `None` if the rule has no `http` part.
    pub paths: Option<Vec<IngressPath>>,
}

/// One path of an [`IngressRule`].
#[derive(Clone, Debug, PartialEq)]
pub struct IngressPath {
    /// The path, possibly empty.
    pub path: Arc<str>,
    /// How it is matched.
    pub path_type: PathType,
    /// Where it leads; `None` for a resource backend, which is not supported.
    pub backend: Option<Backend>,
}

/// Hosts and the Secret that holds their certificate.
#[derive(Clone, Debug, PartialEq)]
pub struct IngressTls {
    /// The hosts; none stands for all hosts of the Ingress.
    pub hosts: Vec<Arc<str>>,
    /// Whether it named more, which are no DNS names.
    pub has_bad_hosts: bool,
    /// The Secret's name, in the Ingress's namespace.
    pub secret: Arc<str>,
}

/// How a path is to be matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum PathType {
    Exact,
    Prefix,
    #[default]
    ImplementationSpecific,
}

/// A Service and a port of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    /// The Service's name, in the Ingress's namespace.
    pub service: Arc<str>,
    /// Its port.
    pub port: PortRef,
}

impl Kept for Ingress {
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
        for host in self.rules.iter().filter_map(|rule| host_of(&self.id, rule.host.as_ref(), domains)) {
            say(Key::Under(Place::Host, NamespacedName::cluster(host)));
        }
    }

    /// What was published on it changes nothing for its hosts, nor how often it was changed.
    fn looks_like(&self, other: &Self) -> bool {
        let meta = ObjectMeta { generation: other.meta.generation, ..self.meta.clone() };
        Self { published: other.published.clone(), meta, ..self.clone() } == *other
    }
}

/// The host of a rule of an Ingress: its own, or `<ingress>.<namespace>.<sub-domain>`.
pub fn host_of(ingress: &NamespacedName, host: Option<&Arc<str>>, domains: &Domains) -> Option<Arc<str>> {
    match (host, &domains.of_ingresses) {
        (Some(host), _) => Some(host.clone()),
        (None, Some(domain)) => Some(format!("{}.{}.{domain}", ingress.name, ingress.namespace).into()),
        (None, None) => None,
    }
}
