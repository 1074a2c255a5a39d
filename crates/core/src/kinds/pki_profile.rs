//! PKIProfiles: the CRD operator makes PKI profiles of them on the controller.
//! Source: Custom resources, §9.5.

use std::sync::Arc;

use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::meta::ObjectMeta;
use crate::kinds::published::Published;

/// A PKIProfile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PkiProfile {
    /// Its name.
    pub id: NamespacedName,
    /// What else is known of it as an object.
    pub meta: ObjectMeta,
    /// The certificates that others are verified with, PEM.
    pub ca_certs: Vec<Arc<str>>,
    /// What its status tells.
    pub published: Published,
}

impl Kept for PkiProfile {
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
