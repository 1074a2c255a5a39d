//! What was written to an object, as it was last seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kinds::table::ResourceKind;
use crate::kinds::told::Told;

/// What we wrote to an object, as it was last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// `status.loadBalancer.ingress`.
    pub addresses: Vec<PublishedAddress>,
    /// Those of [`crate::annotation::PUBLISHED`] that are there.
    pub annotations: BTreeMap<Arc<str>, Arc<str>>,
    /// On Services, annotation [`crate::annotation::NODE_PORT_LOCAL_ENABLED`]
    /// if it is there. It may be somebody else's, and comes and goes by rules of
    /// its own.
    pub node_ports: Option<Arc<str>>,
    /// What else its status tells; only some kinds have such.
    pub told: Option<Box<Told>>,
    /// Whether the status repeats the annotations, on Routes, and has others than the object: one of two
    /// writes is missing, and all of it is to be written again.
    pub is_mixed: bool,
    /// On Routes, what others wrote to the status, if somebody did.
    pub others: Option<Box<Others>>,
    /// Of kinds that are held while something is there that was made of them, whether the object is.
    pub hold: Option<Box<Hold>>,
}

/// The finalizers of an object. Source: Kubernetes API, `ObjectMeta` of meta/v1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// Whether ours is among them.
    pub is_held: bool,
    /// Those of others. They stay as they are.
    pub others: Vec<Arc<str>>,
    /// The version of the object that they were seen in. The list is written as a whole, so only
    /// to that version.
    pub version: Arc<str>,
}

impl Hold {
    /// The finalizer that holds an object of a kind. Source: Custom resources, §9.2.
    pub fn finalizer(kind: ResourceKind) -> String {
        format!("{}.ako.vmware.com/finalizer", kind.as_str().to_lowercase())
    }
}

/// What others wrote to a list in a status that ours is in, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// Their entries, in JSON. They stay as they are.
    pub entries: Vec<Arc<str>>,
    /// The version of the object that they were seen in. The list is written as a whole, so only
    /// to that version.
    pub version: Arc<str>,
}

impl Published {
    /// What tells this, and nothing else.
    pub fn telling(told: Told) -> Self {
        Self { told: (!told.is_empty()).then(|| Box::new(told)), ..Self::default() }
    }

    /// Whether no addresses were published, and nothing that goes with them.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.annotations.is_empty()
    }

    /// Whether the status of another one tells the same, beside addresses.
    pub fn tells_same(&self, other: &Self) -> bool {
        match (&self.told, &other.told) {
            (Some(one), Some(two)) => one.tells_same(two),
            (one, two) => one.is_none() && two.is_none(),
        }
    }

    /// Whether another one holds its object as this one does.
    pub fn holds_same(&self, other: &Self) -> bool {
        let is_held = |it: &Self| it.hold.as_ref().map(|hold| hold.is_held);
        is_held(self) == is_held(other)
    }

    /// Whether it tells what another one tells but for conditions, of which it has none.
    pub fn tells_all_but_conditions_of(&self, other: &Self) -> bool {
        let (Some(own), Some(other)) = (&self.told, &other.told) else { return false };
        own.conditions.is_empty()
            && !other.conditions.is_empty()
            && own.fields == other.fields
            && own.counts == other.counts
    }
}

/// One entry of `status.loadBalancer.ingress`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishedAddress {
    /// The host; empty if none.
    pub hostname: Arc<str>,
    /// The address.
    pub ip: Arc<str>,
}
