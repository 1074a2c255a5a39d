//! Ingresses.

use std::sync::Arc;

use crate::id::NamespacedName;
use crate::kinds::port::PortRef;
use crate::kinds::published::Published;

/// An Ingress.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ingress {
    /// Its name.
    pub id: NamespacedName,
    /// Creation time, seconds since the epoch.
    pub created: i64,
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
