//! EndpointSlices.

use std::sync::Arc;

use crate::domains::Domains;
use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::key::{Key, Place};
use crate::kinds::port::Protocol;

/// An EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointSlice {
    /// Its name.
    pub id: NamespacedName,
    /// The Service that it belongs to, from label `kubernetes.io/service-name`.
    pub service: Option<NamespacedName>,
    /// `addressType` is `IPv6`.
    pub is_ipv6: bool,
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Its ports.
    pub ports: Vec<SlicePort>,
}

/// An endpoint of a slice. Only the first address counts, as in upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Its address.
    pub address: Arc<str>,
    /// `conditions.ready`; the API says that absent means ready.
    pub ready: bool,
    /// `conditions.terminating`.
    pub terminating: bool,
    /// The Node that it runs on.
    pub node: Option<Arc<str>>,
}

/// A port of a slice.
#[derive(Clone, Debug, PartialEq)]
pub struct SlicePort {
    /// Its name, empty if it has none.
    pub name: Arc<str>,
    /// The number; absent means all ports, which is of no use to us.
    pub port: Option<u16>,
    /// Its protocol.
    pub protocol: Protocol,
}

impl Kept for EndpointSlice {
    fn id(&self) -> NamespacedName {
        self.id.clone()
    }

    fn found_under(&self, _domains: &Domains, say: &mut dyn FnMut(Key)) {
        if let Some(service) = &self.service {
            say(Key::Under(Place::Endpoints, service.clone()));
        }
    }
}
