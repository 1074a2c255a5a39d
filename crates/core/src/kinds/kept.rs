//! What the types have in common that are kept of Kubernetes objects.

use crate::domains::Domains;
use crate::id::NamespacedName;
use crate::kinds::key::Key;
use crate::kinds::meta::ObjectMeta;
use crate::kinds::published::Published;
use std::fmt::Debug;

/// What is kept of a Kubernetes object.
pub trait Kept: Clone + Debug + PartialEq + 'static {
    /// Whether anything of such objects is ours to write.
    const HAS_STATUS: bool = false;

    /// The name of the object.
    fn id(&self) -> NamespacedName;

    /// Says each key ([`Key::Under`]) that it is found under, besides its name. Hosts may be
    /// generated under the domains.
    fn found_under(&self, _domains: &Domains, _say: &mut dyn FnMut(Key)) {}

    /// What else is known of it as an object, if that is kept.
    fn meta(&self) -> Option<&ObjectMeta> {
        None
    }

    /// What of it is ours to write, as it was last seen; `None` unless
    /// [`Kept::HAS_STATUS`].
    fn published(&self) -> Option<&Published> {
        None
    }

    /// Whether those who do not look for it by its name see no difference to another version.
    fn looks_like(&self, _other: &Self) -> bool {
        false
    }
}
