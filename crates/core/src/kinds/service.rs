//! Services.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::annotation;
use crate::domains::Domains;
use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::key::{Key, Place};
use crate::kinds::meta::ObjectMeta;
use crate::kinds::port::{PortRef, Protocol};
use crate::kinds::published::Published;

/// A Service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    /// Its name.
    pub id: NamespacedName,
    /// What else is known of it as an object.
    pub meta: ObjectMeta,
    /// `spec.type`.
    pub service_type: ServiceType,
    /// `spec.ports`.
    pub ports: Vec<ServicePort>,
    /// `spec.loadBalancerClass`.
    pub class: Option<Arc<str>>,
    /// `spec.loadBalancerIP`, if not empty.
    pub load_balancer_ip: Option<Arc<str>>,
    /// `spec.ipFamilies`: whether IPv4 is among them (or none is given).
    pub ipv4: bool,
    /// Whether IPv6 is among them.
    pub ipv6: bool,
    /// `spec.externalTrafficPolicy` is `Local`.
    pub local_traffic_only: bool,
    /// `spec.selector`; empty if there is none.
    pub selector: BTreeMap<Arc<str>, Arc<str>>,
    /// What is asked for and has no effect.
    pub unused: Vec<UnusedField>,
    /// The annotations that steer us; others are dropped.
    pub annotations: BTreeMap<Arc<str>, Arc<str>>,
    /// What was published on the object.
    pub published: Published,
}

/// The type of a Service that we look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ServiceType {
    #[default]
    ClusterIp,
    NodePort,
    LoadBalancer,
    /// Of no use to us: a DNS alias.
    ExternalName,
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServicePort {
    /// Its name, empty if it has none.
    pub name: Arc<str>,
    /// The Service's port.
    pub port: u16,
    /// The pods' port; absent means the same number.
    pub target_port: Option<PortRef>,
    /// Its protocol.
    pub protocol: Protocol,
    /// The nodes' port, if one is allocated.
    pub node_port: Option<u16>,
}

/// A field of a Service that asks for something and has no effect here. What becomes of
/// every field is in `docs/fields.md`.
#[derive(Clone, Debug, PartialEq)]
pub enum UnusedField {
    /// `spec.loadBalancerSourceRanges`, or the annotation of before there was that field.
    SourceRanges,
    /// `spec.sessionAffinity: ClientIP`.
    SessionAffinity,
    /// `spec.ports[].appProtocol`, of this port: another one than HTTP/1 in plain text.
    AppProtocol(u16, Arc<str>),
}

impl Service {
    /// Whether it selects pods with such labels; without a selector it selects none.
    pub fn selects(&self, labels: &BTreeMap<Arc<str>, Arc<str>>) -> bool {
        let wanted = &self.selector;
        !wanted.is_empty() && wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
    }
}

impl Kept for Service {
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
        if let Some(key) = shared_vip_key(self) {
            say(Key::Under(Place::SharedVip, key));
        }
    }
}

/// The key under which a Service shares a VIP, if it does.
pub fn shared_vip_key(service: &Service) -> Option<NamespacedName> {
    let key = service.annotations.get(annotation::SHARED_VIP).filter(|key| !key.is_empty())?;
    (service.service_type == ServiceType::LoadBalancer)
        .then(|| NamespacedName::new(service.id.namespace.clone(), key.clone()))
}
