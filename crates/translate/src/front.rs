//! Fronts: the virtual services that many units share, by name.
//! Source: L7 objects, §1.2–1.4.

use std::sync::Arc;

use ako_avi_types::{Kind, ObjectKey};

use crate::context::Context;

/// How hosts share a front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrontKind {
    /// A parent with SNI children and a datascript for insecure hosts.
    Sni,
    /// A parent with EVH children.
    Evh,
    /// TLS goes through by SNI.
    Passthrough,
}

/// A front: its kind, tenant and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrontKey {
    /// How it is shared.
    pub kind: FrontKind,
    /// The tenant.
    pub tenant: Arc<str>,
    /// The name of the virtual service, its VsVip and what else is shared.
    pub name: Arc<str>,
}

impl FrontKey {
    pub(crate) fn new(context: &Context, kind: FrontKind, name: &str) -> Self {
        Self { kind, tenant: context.placement.tenant.clone(), name: name.into() }
    }

    /// The virtual service.
    pub fn vs(&self) -> ObjectKey {
        ObjectKey::new(Kind::VirtualService, self.tenant.clone(), self.name.clone())
    }

    /// Its VsVip.
    pub fn vsvip(&self) -> ObjectKey {
        ObjectKey::new(Kind::VsVip, self.tenant.clone(), self.name.clone())
    }
}
