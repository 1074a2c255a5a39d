//! What the watches of the cluster have to say.

use ako_core::id::NamespacedName;
use ako_core::{Delta, Diagnostic, ResourceId, ResourceKind};
use ako_elect::Moment;

/// What a watch has to say.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "it is taken apart as soon as it arrives")]
pub enum SourceEvent {
    /// The cluster changed. A [`Delta::Reset`] is sent for complete lists only.
    Delta(Delta),
    /// All findings of the conversion about an object; none if it is fine
    /// again or gone.
    Diagnostics(ResourceId, Vec<Diagnostic>),
    /// An object does not have the form of its kind. Its old version, if any,
    /// stands; that of objects in a list is announced before the list, so that
    /// an object which is missing from the list for this reason alone need not
    /// be taken for deleted. Over with the next delta about the object, or the next
    /// list that holds it; a deletion is told even if the object was never understood.
    Undecodable {
        /// Its kind.
        kind: ResourceKind,
        /// Its name.
        name: NamespacedName,
        /// Why.
        message: String,
    },
    /// What is known of a kind may be out of date.
    Trouble {
        /// The kind.
        kind: ResourceKind,
        /// Why.
        message: String,
    },
    /// What is known of a kind is kept up to date again.
    Recovered {
        /// The kind.
        kind: ResourceKind,
    },
    /// Whether the API server has a kind that it may lack: a custom resource. Where it has
    /// not, a list without objects follows; of one that it is about to lose, lists say what
    /// is left.
    Served {
        /// The kind.
        kind: ResourceKind,
        /// Whether it has.
        served: bool,
    },
    /// What was said of a kind until now shows the cluster as it was at that
    /// moment, or later.
    Proven {
        /// The kind.
        kind: ResourceKind,
        /// The moment.
        at: Moment,
    },
}
