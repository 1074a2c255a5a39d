//! What is kept of the metadata of objects, beside their names.

use std::sync::Arc;

/// What is kept of the metadata of an object that something is said of, beside its name.
/// Source: Kubernetes API, `ObjectMeta` of meta/v1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Tells it from others that had its name before; empty in files.
    pub uid: Arc<str>,
    /// Creation time, seconds since the epoch.
    pub created: i64,
    /// Counts the changes of what it asks for; zero where the API server does not.
    pub generation: i64,
    /// Whether somebody asked to delete it: it is there only as long as a finalizer holds it.
    pub is_deleting: bool,
}

impl ObjectMeta {
    /// That of an object of which nothing else is known.
    pub fn created(at: i64) -> Self {
        Self { created: at, ..Self::default() }
    }
}
