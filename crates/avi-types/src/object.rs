//! One object of any kind that the operator writes, as a whole or in part.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::certificate::SslKeyAndCertificate;
use crate::change::{self, FieldChange};
use crate::datascript::VsDataScriptSet;
use crate::http_policy::HttpPolicySet;
use crate::kind::Kind;
use crate::l4_policy::L4PolicySet;
use crate::marker::Marker;
use crate::metadata::ServiceMetadata;
use crate::pool::Pool;
use crate::pool_group::PoolGroup;
use crate::reference::Ref;
use crate::service_engine_group::ServiceEngineGroup;
use crate::virtual_service::VirtualService;
use crate::vrf_context::VrfContext;
use crate::vsvip::VsVip;

/// The longest name that Avi takes, in bytes.
pub const NAME_LIMIT: usize = 255;

/// What identifies an object for us: its kind, tenant and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its kind. First, so that sorted keys are in order of creation.
    pub kind: Kind,
    /// The tenant's name.
    pub tenant: Arc<str>,
    /// The object's name.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// The key of an object.
    pub fn new(kind: Kind, tenant: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { kind, tenant: tenant.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.tenant, self.name)
    }
}

/// An object's body.
#[allow(clippy::large_enum_variant, reason = "bodies live behind an Arc")]
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum Object {
    SslKeyAndCertificate(SslKeyAndCertificate),
    VsVip(VsVip),
    Pool(Pool),
    PoolGroup(PoolGroup),
    HttpPolicySet(HttpPolicySet),
    L4PolicySet(L4PolicySet),
    VsDataScriptSet(VsDataScriptSet),
    VirtualService(VirtualService),
    /// Borrowed: our label of it.
    ServiceEngineGroup(ServiceEngineGroup),
    /// Borrowed: our routes of it.
    VrfContext(VrfContext),
}

/// Reads the same field of whichever kind an object is.
macro_rules! each {
    ($object:expr, $x:ident => $value:expr) => {
        match $object {
            Object::SslKeyAndCertificate($x) => $value,
            Object::VsVip($x) => $value,
            Object::Pool($x) => $value,
            Object::PoolGroup($x) => $value,
            Object::HttpPolicySet($x) => $value,
            Object::L4PolicySet($x) => $value,
            Object::VsDataScriptSet($x) => $value,
            Object::VirtualService($x) => $value,
            Object::ServiceEngineGroup($x) => $value,
            Object::VrfContext($x) => $value,
        }
    };
}

impl Object {
    /// Reads an object that the controller sent. Fields that we never write
    /// are dropped.
    ///
    /// # Errors
    /// If the kind is not one that we write, or a field that we know has
    /// another type.
    pub fn read(kind: Kind, body: Value) -> Result<Self, serde_json::Error> {
        let mut object = match kind {
            Kind::SslKeyAndCertificate => Self::SslKeyAndCertificate(serde_json::from_value(body)?),
            Kind::VsVip => Self::VsVip(serde_json::from_value(body)?),
            Kind::Pool => Self::Pool(serde_json::from_value(body)?),
            Kind::PoolGroup => Self::PoolGroup(serde_json::from_value(body)?),
            Kind::HttpPolicySet => Self::HttpPolicySet(serde_json::from_value(body)?),
            Kind::L4PolicySet => Self::L4PolicySet(serde_json::from_value(body)?),
            Kind::VsDataScriptSet => Self::VsDataScriptSet(serde_json::from_value(body)?),
            Kind::VirtualService => Self::VirtualService(serde_json::from_value(body)?),
            Kind::ServiceEngineGroup => Self::ServiceEngineGroup(serde_json::from_value(body)?),
            Kind::VrfContext => Self::VrfContext(serde_json::from_value(body)?),
            other => return Err(serde::de::Error::custom(format!("{other} is not a kind that is written"))),
        };
        object.normalise();
        Ok(object)
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::SslKeyAndCertificate(_) => Kind::SslKeyAndCertificate,
            Self::VsVip(_) => Kind::VsVip,
            Self::Pool(_) => Kind::Pool,
            Self::PoolGroup(_) => Kind::PoolGroup,
            Self::HttpPolicySet(_) => Kind::HttpPolicySet,
            Self::L4PolicySet(_) => Kind::L4PolicySet,
            Self::VsDataScriptSet(_) => Kind::VsDataScriptSet,
            Self::VirtualService(_) => Kind::VirtualService,
            Self::ServiceEngineGroup(_) => Kind::ServiceEngineGroup,
            Self::VrfContext(_) => Kind::VrfContext,
        }
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        each!(self, x => &x.name)
    }

    /// Its tenant, if it says; otherwise it is the tenant of the request.
    pub fn tenant(&self) -> Option<&Arc<str>> {
        each!(self, x => x.tenant_ref.as_ref()).and_then(|r| r.name.as_ref())
    }

    /// Its key; an object that names no tenant lies in `admin`.
    pub fn key(&self) -> ObjectKey {
        let tenant = self.tenant().cloned().unwrap_or_else(|| "admin".into());
        ObjectKey { kind: self.kind(), tenant, name: self.name().clone() }
    }

    /// Its markers; what is borrowed has none.
    pub fn markers(&self) -> &[Marker] {
        match self {
            Self::SslKeyAndCertificate(x) => &x.markers,
            Self::VsVip(x) => &x.markers,
            Self::Pool(x) => &x.markers,
            Self::PoolGroup(x) => &x.markers,
            Self::HttpPolicySet(x) => &x.markers,
            Self::L4PolicySet(x) => &x.markers,
            Self::VsDataScriptSet(x) => &x.markers,
            Self::VirtualService(x) => &x.markers,
            Self::ServiceEngineGroup(_) | Self::VrfContext(_) => &[],
        }
    }

    /// The kind of Kubernetes object that it was made for, if its markers or its
    /// `service_metadata` name one that this version does not read.
    /// Source: Gateway API, objects; L7 objects, §3.7, §9.
    pub fn unread_kind(&self) -> Option<&'static str> {
        let is_of_gateway =
            |marker: &Marker| marker.key == "GatewayNamespace" || marker.key.starts_with("HTTPRoute");
        if self.markers().iter().any(is_of_gateway) {
            return Some("Gateway");
        }
        let metadata = match self {
            Self::Pool(x) => x.service_metadata.as_ref(),
            Self::VirtualService(x) => x.service_metadata.as_ref(),
            _ => None,
        };
        metadata.and_then(ServiceMetadata::unread_kind)
    }

    /// Its owner; a VsVip has none, nor has what is borrowed.
    pub fn created_by(&self) -> Option<&Arc<str>> {
        match self {
            Self::VsVip(_) | Self::ServiceEngineGroup(_) | Self::VrfContext(_) => None,
            Self::SslKeyAndCertificate(x) => x.created_by.as_ref(),
            Self::Pool(x) => x.created_by.as_ref(),
            Self::PoolGroup(x) => x.created_by.as_ref(),
            Self::HttpPolicySet(x) => x.created_by.as_ref(),
            Self::L4PolicySet(x) => x.created_by.as_ref(),
            Self::VsDataScriptSet(x) => x.created_by.as_ref(),
            Self::VirtualService(x) => x.created_by.as_ref(),
        }
    }

    /// What it refers to among the kinds that we write.
    pub fn references(&self) -> Vec<&Ref> {
        match self {
            Self::SslKeyAndCertificate(x) => x.ca_certs.iter().filter_map(|c| c.ca_ref.as_ref()).collect(),
            Self::VsVip(_) | Self::Pool(_) | Self::ServiceEngineGroup(_) | Self::VrfContext(_) => Vec::new(),
            Self::PoolGroup(x) => x.members.iter().map(|m| &m.pool_ref).collect(),
            Self::HttpPolicySet(x) => {
                let actions = x.http_request_policy.rules.iter().filter_map(|r| r.switching_action.as_ref());
                actions.flat_map(|a| a.pool_group_ref.iter().chain(&a.pool_ref)).collect()
            }
            Self::L4PolicySet(x) => {
                x.l4_connection_policy.rules.iter().map(|r| &r.action.select_pool.pool_ref).collect()
            }
            Self::VsDataScriptSet(x) => x.pool_group_refs.iter().collect(),
            Self::VirtualService(x) => x.references(),
        }
    }

    /// Sorts the lists whose order means nothing to Avi.
    pub fn normalise(&mut self) {
        match self {
            Self::SslKeyAndCertificate(_) | Self::L4PolicySet(_) | Self::ServiceEngineGroup(_) => {}
            Self::VrfContext(x) => x.static_routes.sort(),
            Self::VsVip(x) => {
                x.dns_info.sort();
                x.bgp_peer_labels.sort();
            }
            Self::Pool(x) => {
                x.servers.sort();
                // Not by reference: those that are read tell more than ours.
                x.placement_networks
                    .sort_by(|a, b| (&a.subnet, &a.network_ref.uuid).cmp(&(&b.subnet, &b.network_ref.uuid)));
                if let Some(metadata) = &mut x.service_metadata {
                    metadata.normalise();
                }
            }
            Self::PoolGroup(x) => x.members.sort(),
            Self::HttpPolicySet(x) => {
                let matches =
                    x.http_request_policy.rules.iter_mut().filter_map(|r| r.matches.host_hdr.as_mut());
                matches.for_each(|m| m.value.sort());
            }
            Self::VsDataScriptSet(x) => x.pool_group_refs.sort(),
            Self::VirtualService(x) => {
                x.vh_domain_name.sort();
                x.ssl_key_and_certificate_refs.sort();
                x.vh_matches.sort_by(|a, b| a.host.cmp(&b.host));
                if let Some(metadata) = &mut x.service_metadata {
                    metadata.normalise();
                }
            }
        }
    }

    /// The request body; of what is borrowed, the part that is ours.
    pub fn body(&self) -> Value {
        // A type of ours always becomes JSON: its keys are strings.
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// What differs on the controller from what is wanted; empty if nothing.
    ///
    /// A field that we do not send is the controller's to default, so it is not
    /// compared; a list that we send empty has to be empty. Private keys are
    /// never given back and are not compared. Of what is borrowed, only our part
    /// is.
    pub fn differences(&self, observed: &Object) -> Vec<FieldChange> {
        match (self, observed) {
            (Self::VrfContext(wanted), Self::VrfContext(observed)) => wanted.differences(observed),
            (Self::ServiceEngineGroup(wanted), Self::ServiceEngineGroup(observed)) => {
                wanted.differences(observed)
            }
            _ => change::between(&self.body(), &observed.body()),
        }
    }

    /// The body of the `PUT` that gives a borrowed object our part, made of what
    /// the controller holds: every other field and entry stays as it is.
    ///
    /// # Errors
    /// Why our part must not be put there.
    pub fn lent_to(&self, read: Value) -> Result<Value, String> {
        match self {
            Self::VrfContext(vrf) => Ok(vrf.onto(read)),
            Self::ServiceEngineGroup(group) => group.onto(read),
            other => Err(format!("{} is not borrowed", other.kind())),
        }
    }
}

impl VirtualService {
    fn references(&self) -> Vec<&Ref> {
        let mut refs: Vec<&Ref> = self.vsvip_ref.iter().chain(&self.vh_parent_vs_ref).collect();
        refs.extend(&self.ssl_key_and_certificate_refs);
        refs.extend(self.http_policies.iter().map(|p| &p.http_policy_set_ref));
        refs.extend(self.vs_datascripts.iter().map(|p| &p.vs_datascript_set_ref));
        refs.extend(self.l4_policies.iter().map(|p| &p.l4_policy_set_ref));
        refs
    }
}
