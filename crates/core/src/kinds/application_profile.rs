//! ApplicationProfiles: the CRD operator makes application profiles of them on the controller.
//! Source: Custom resources, §9.4.

use ako_avi_types::Spec;

use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::meta::ObjectMeta;
use crate::kinds::published::Published;

/// An ApplicationProfile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApplicationProfile {
    /// Its name.
    pub id: NamespacedName,
    /// What else is known of it as an object.
    pub meta: ObjectMeta,
    /// What the application profile is to have, in the words of the Avi API.
    pub spec: Spec,
    /// What its status tells.
    pub published: Published,
}

impl Kept for ApplicationProfile {
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
