//! Nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::meta::ObjectMeta;

/// A node: where NodePort traffic can be sent, and which pods are behind it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: Arc<str>,
    /// What else is known of it as an object: static routes are called after its uid.
    pub meta: ObjectMeta,
    /// All labels.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// `status.addresses` of type InternalIP, in order.
    pub internal_ips: Vec<Arc<str>>,
    /// The addresses that the CNI announces in annotations, masks stripped.
    pub cni_ips: Vec<Arc<str>>,
    /// `spec.podCIDRs`, else `spec.podCIDR`, as they are written.
    pub pod_cidrs: Vec<Arc<str>>,
    /// Annotation [`crate::annotation::POD_CIDRS`], taken apart; `None` if it is
    /// not there.
    pub annotated_cidrs: Option<Vec<Arc<str>>>,
    /// The default network in annotation
    /// [`crate::annotation::OVN_SUBNETS`]; `None` if it is not there.
    pub ovn_cidrs: Option<Vec<Arc<str>>>,
}

impl Kept for Node {
    fn id(&self) -> NamespacedName {
        NamespacedName::cluster(self.name.clone())
    }

    fn meta(&self) -> Option<&ObjectMeta> {
        Some(&self.meta)
    }
}
