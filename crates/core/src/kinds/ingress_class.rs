//! IngressClasses.

use std::sync::Arc;

/// An IngressClass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IngressClass {
    /// Its name.
    pub name: Arc<str>,
    /// `spec.controller`.
    pub controller: Arc<str>,
    /// Whether Ingresses without a class belong to it.
    pub is_default: bool,
}
