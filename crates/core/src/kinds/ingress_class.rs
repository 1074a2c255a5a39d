//! IngressClasses.

use std::sync::Arc;

use crate::id::NamespacedName;
use crate::kinds::kept::Kept;

/// An IngressClass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IngressClass {
    /// Its name.
    pub name: Arc<str>,
    /// `spec.controller`.
    pub controller: Arc<str>,
    /// Whether Ingresses without a class belong to it.
    pub is_default: bool,
    /// `spec.parameters`: the AviInfraSetting that places what is made for its Ingresses.
    pub setting: Option<Arc<str>>,
}

impl Kept for IngressClass {
    fn id(&self) -> NamespacedName {
        NamespacedName::cluster(self.name.clone())
    }
}
