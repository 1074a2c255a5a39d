//! Namespaces.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::NamespacedName;
use crate::kinds::kept::Kept;

/// A namespace with its labels and the annotations that steer us.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Namespace {
    /// Its name.
    pub name: Arc<str>,
    /// All labels.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Annotation [`crate::annotation::TENANT`], if not empty.
    pub tenant: Option<Arc<str>>,
    /// Annotation [`crate::annotation::INFRA_SETTING`], if not empty.
    pub setting: Option<Arc<str>>,
}

impl Kept for Namespace {
    fn id(&self) -> NamespacedName {
        NamespacedName::cluster(self.name.clone())
    }
}
