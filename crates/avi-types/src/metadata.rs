//! `service_metadata`: what links an Avi object back to Kubernetes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::go_json;

/// The link from an Avi object to the Kubernetes objects that it was made for.
///
/// On the wire it is a *string* that holds JSON with all keys, in this order.
/// Source: L7 objects, §3.7.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceMetadata {
    /// `namespace/name` of the Ingresses that a virtual service serves.
    pub namespace_ingress_name: Option<Vec<Arc<str>>>,
    /// The Ingress that a pool was made for.
    pub ingress_name: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// The host names that are served.
    pub hostnames: Option<Vec<Arc<str>>>,
    /// `namespace/name` of the Services of type LoadBalancer.
    pub namespace_svc_name: Option<Vec<Arc<str>>>,
    /// The CRD that shapes the object.
    pub crd_status: CrdStatus,
    /// The weight of a pool among its siblings.
    pub pool_ratio: u32,
    /// The secure virtual service of a passthrough pair.
    pub passthrough_parent_ref: Arc<str>,
    /// The insecure virtual service of a passthrough pair.
    pub passthrough_child_ref: Arc<str>,
    /// Gateway API only.
    pub gateway: Arc<str>,
    /// Gateway API only.
    pub httproute: Arc<str>,
    /// Gateway API only.
    pub httproute_rule_name: Arc<str>,
    /// The pool of an edge Route that allows HTTP.
    pub insecureedgetermallow: bool,
    /// The pool of a MultiClusterIngress.
    pub is_mci_ingress: bool,
    /// Upstream's record of the FQDN reuse policy.
    pub fqdn_reuse_policy: Arc<str>,
    /// For each host of an EVH child the Ingresses that claim it.
    pub host_namespace_ingress_name: Option<BTreeMap<Arc<str>, Vec<Arc<str>>>>,
}

/// The CRD that shapes an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CrdStatus {
    /// Its kind, `HostRule` or `HTTPRule`.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// Its `namespace/name`.
    pub value: Arc<str>,
    /// `ACTIVE` or `INACTIVE`.
    pub status: Arc<str>,
}

impl ServiceMetadata {
    /// Sorts the lists, whose order upstream leaves to chance.
    pub fn normalise(&mut self) {
        let lists = [&mut self.namespace_ingress_name, &mut self.hostnames, &mut self.namespace_svc_name];
        for list in lists.into_iter().flatten() {
            list.sort();
        }
    }

    /// The kind of Kubernetes object that these link to, if it is one that this
    /// version does not read: what is made for it must not be taken for stale.
    pub fn unread_kind(&self) -> Option<&'static str> {
        let speaks_of = [&self.gateway, &self.httproute, &self.httproute_rule_name];
        if speaks_of.iter().any(|text| !text.is_empty()) {
            return Some("Gateway");
        }
        self.is_mci_ingress.then_some("MultiClusterIngress")
    }

    /// Serialises as a string that holds JSON.
    #[allow(clippy::ref_option, reason = "serde hands a reference to the field")]
    pub(crate) fn serialize_text<S: Serializer>(
        this: &Option<Self>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match this {
            Some(metadata) => serializer.serialize_str(&go_json::marshal(metadata)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a string that holds JSON; text that cannot be read counts as none.
    pub(crate) fn deserialize_text<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Self>, D::Error> {
        let text = Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }
}
