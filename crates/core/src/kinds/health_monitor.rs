//! HealthMonitors: the CRD operator makes health monitors of them on the controller.
//! Source: Custom resources, §9.3.

use std::sync::Arc;

use crate::id::NamespacedName;
use crate::kinds::kept::Kept;

/// A HealthMonitor, and what the CRD operator says of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HealthMonitor {
    /// Its name.
    pub id: NamespacedName,
    /// `type`, in the words of the Avi API; empty if it has none.
    pub monitor_type: Arc<str>,
    /// What was made of it; `None` while the CRD operator has not said.
    pub made: Option<Made>,
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
    fn id(&self) -> NamespacedName {
        self.id.clone()
    }
}
