//! RouteBackendExtensions: what the pool of a backend of an HTTPRoute has besides. The CRD operator
//! says whether one is right. Source: Custom resources, §9.6.

use std::sync::Arc;

use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::meta::ObjectMeta;
use crate::kinds::published::Published;

/// A RouteBackendExtension, as far as it can be wrong by what it refers to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteBackendExtension {
    /// Its name.
    pub id: NamespacedName,
    /// What else is known of it as an object.
    pub meta: ObjectMeta,
    /// What is wrong with it in itself.
    pub invalid: Option<Arc<str>>,
    /// `healthMonitor`: the names of health monitors on the controller.
    pub health_monitors: Vec<Arc<str>>,
    /// `backendTLS.pkiProfile`: the name of a PKIProfile beside it.
    pub pki_profile: Option<Arc<str>>,
    /// What its status tells.
    pub published: Published,
}

impl Kept for RouteBackendExtension {
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
}
