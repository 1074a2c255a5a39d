//! What happens to the engine, and what it asks for.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::{Failure, ObjectKey, Observed, Operation};
use ako_core::handover::Word;
use ako_core::resource::Published;
use ako_core::{Delta, Diagnostic, ResourceId, ResourceKind};
use ako_elect::Moment;
use ako_translate::Translator;

use crate::inventory::Reading;
use crate::source::Source;

/// Something that happened.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "it is taken apart as soon as it arrives")]
pub enum Event {
    /// The cluster changed.
    Cluster(Delta),
    /// The configuration or the facts about the controller changed.
    Configured(Box<Translator>),
    /// Everything that is ours on the controller was read.
    Observed(Reading),
    /// Writing is permitted from now on, or no longer.
    Writing(bool),
    /// A write ended: with the object as it is now, or `None` if it is gone.
    Sent(ObjectKey, Result<Option<Observed>, Failure>),
    /// An object was read by itself.
    Read(ObjectKey, Result<Option<Observed>, Failure>),
    /// A status was written, or not.
    Published(ResourceId, Result<(), Unpublished>),
    /// Who owns the virtual services of a status that are still there.
    OwnersFound(ResourceId, Result<BTreeSet<Arc<str>>, Failure>),
    /// What this instance says was written, or not.
    Said(Result<(), String>),
    /// An object of the cluster cannot be understood: what it asks for is not
    /// known, so its absence from the snapshot says nothing.
    Unreadable(ResourceId),
    /// Whether the API server has a kind that it may lack. What is left of one that it has
    /// not is told by lists after this.
    Served(ResourceKind, bool),
    /// What is known of a kind may be out of date from now on, or no longer.
    Outdated(ResourceKind, bool),
    /// This process leads, or does not: what was proven before counts for nothing.
    Leads(Option<Leadership>),
    /// What is known of a source, by the events before this one, is at least as
    /// new as the cluster was then.
    Proven(Source, Moment),
    /// Whether the cluster has OpenShift Routes, which are not read. Until this is
    /// told, it is taken to have them.
    RoutesServed(bool),
    /// Somebody released what is held, as it was shown with this digest.
    ReleaseDeletions(String),
    /// Time went by.
    Tick,
}

/// A leadership of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// Since when.
    pub since: Moment,
    /// Its name: no other leadership of any process has it.
    pub name: Arc<str>,
}

/// Something that the engine asks for. Each `Send`, `Read`, `Publish` and `FindOwners` is
/// answered by one event about the same object, and `Say` by [`Event::Said`].
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Write to the controller.
    Send {
        /// What.
        operation: Operation,
        /// Until when it may leave: it takes something away, and what is believed
        /// of the cluster counts for so long. `None` is as long as the permit.
        until: Option<Moment>,
    },
    /// Read an object from the controller.
    Read(ObjectKey),
    /// Read everything that is ours on the controller: another instance wrote
    /// for what is ours now.
    Observe,
    /// Write a status.
    Publish {
        /// The object.
        object: ResourceId,
        /// What should stand there.
        wanted: Published,
        /// What stands there.
        current: Published,
        /// Until when it may leave, if it takes something away.
        until: Option<Moment>,
    },
    /// Find out who owns the virtual services that a status names.
    FindOwners {
        /// The object.
        object: ResourceId,
        /// Their tenant.
        tenant: Arc<str>,
        /// Their uuids.
        virtual_services: BTreeSet<Arc<str>>,
    },
    /// Write down, for all instances, what this one says of namespaces that change
    /// hands.
    Say(Word),
    /// Tell the readers of an object's Events.
    Tell(Notice),
}

/// An Event on a Kubernetes object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The object.
    pub object: ResourceId,
    /// Whether it is a warning.
    pub warning: bool,
    /// The machine-readable reason.
    pub reason: &'static str,
    /// The words.
    pub message: Arc<str>,
}

/// Why a status was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpublished {
    /// It may be written another time.
    Later,
    /// The API server does not take it as it is, for the reason given.
    Refused(String),
}

impl From<Diagnostic> for Notice {
    fn from(Diagnostic { object, reason, message }: Diagnostic) -> Self {
        Self { object, warning: true, reason: reason.as_str(), message }
    }
}
