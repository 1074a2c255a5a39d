//! Pods that NodePortLocal made reachable.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::port::Protocol;

/// A pod that NodePortLocal made reachable; others are not kept.
/// Source: L4 and network, B12.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pod {
    /// Its name.
    pub id: NamespacedName,
    /// All labels.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// `status.podIPs`, by which its endpoints are found.
    pub addresses: Vec<Arc<str>>,
    /// The names of its containers' ports.
    pub port_names: BTreeMap<Arc<str>, u16>,
    /// Annotation `nodeportlocal.antrea.io`.
    pub node_ports: Vec<NodePort>,
}

/// A port of a pod, and where it can be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodePort {
    /// The pod's port.
    pub pod_port: u16,
    /// Its protocol; `None` if Antrea does not say.
    pub protocol: Option<Protocol>,
    /// The node's address.
    pub node_ip: Arc<str>,
    /// The node's port.
    pub node_port: u16,
}

impl Kept for Pod {
    fn id(&self) -> NamespacedName {
        self.id.clone()
    }
}
