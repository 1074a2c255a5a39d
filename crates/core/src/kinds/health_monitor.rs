//! HealthMonitors: the CRD operator makes health monitors of them on the controller.
//! Source: Custom resources, §9.3.

use std::sync::Arc;

use ako_avi_types::Spec;

use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::meta::ObjectMeta;
use crate::kinds::published::Published;

/// A HealthMonitor, and what the CRD operator says of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HealthMonitor {
    /// Its name.
    pub id: NamespacedName,
    /// What else is known of it as an object.
    pub meta: ObjectMeta,
    /// `type`, in the words of the Avi API; empty if it has none.
    pub monitor_type: Arc<str>,
    /// What was made of it; `None` while the CRD operator has not said.
    pub made: Option<Made>,
    /// What the health monitor is to have, in the words of the Avi API, but for what it signs in
    /// with.
    pub spec: Spec,
    /// `authentication.secret_ref`: the name of a Secret beside it with what it signs in with.
    pub secret: Option<Arc<str>>,
    /// What its status tells.
    pub published: Published,
}

/// What the CRD operator made on the controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// The tenant in which it is.
    pub tenant: Arc<str>,
    /// Its uuid, if it is as the object says: the condition `Programmed` is true.
    pub uuid: Option<Arc<str>>,
}

impl Kept for HealthMonitor {
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
