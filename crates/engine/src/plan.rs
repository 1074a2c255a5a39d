//! The whole plan as a value, for people and for tests.

use std::cmp::Reverse;
use std::fmt;

use ako_avi_types::{FieldChange, Kind, Object, ObjectKey};

use crate::desired::Desired;
use crate::inventory::Inventory;
use crate::need::is_left_alone;
use crate::shield;

/// What is to be done to one object, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The object.
    pub key: ObjectKey,
    /// What is done.
    pub action: Action,
    /// What asks for it, or that nothing does.
    pub reason: String,
}

/// What is done to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is created.
    Create,
    /// These fields are changed.
    Update(Vec<FieldChange>),
    /// It is deleted.
    Delete,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Action::Create => write!(f, "+ create {}  ({})", self.key, self.reason),
            Action::Delete => write!(f, "- delete {}  ({})", self.key, self.reason),
            Action::Update(changes) => {
                write!(f, "~ update {}  ({})", self.key, self.reason)?;
                changes.iter().try_for_each(|change| write!(f, "\n    {change}"))
            }
        }
    }
}

/// Everything that has to change on the controller, in an order in which it can
/// be done: what is referred to is created first and deleted last.
pub fn plan(desired: &Desired, inventory: &Inventory) -> Vec<Planned> {
    let writes = desired.objects().filter_map(|(key, object)| {
        let reason = desired.reason(key).unwrap_or_default();
        let action = if inventory.contains(key) {
            let object = &shield::keep_vips(key, object.clone(), desired, inventory);
            Action::Update(Some(inventory.differences(key, object)).filter(|changes| !changes.is_empty())?)
        } else if key.kind.is_borrowed() {
            return None;
        } else {
            Action::Create
        };
        Some((order(key, object), Planned { key: key.clone(), action, reason }))
    });
    let own = desired.translator().shared_prefix();
    let may_go = |key: &&ObjectKey| {
        !key.kind.is_borrowed() && inventory.may_delete(key, own) && !is_left_alone(key, desired, inventory)
    };
    let gone = inventory.keys().filter(|key| desired.get(key).is_none()).filter(may_go);
    let deletes = gone.filter_map(|key| {
        let reason = "nothing asks for it".to_owned();
        let body = &inventory.get(key)?.body;
        Some((order(key, body), Planned { key: key.clone(), action: Action::Delete, reason }))
    });
    let (mut writes, mut deletes): (Vec<_>, Vec<_>) = (writes.collect(), deletes.collect());
    // Both sorts are stable: within a rank, objects stay in order of their names.
    writes.sort_by_key(|(rank, _)| *rank);
    deletes.sort_by_key(|(rank, _)| Reverse(*rank));
    writes.into_iter().chain(deletes).map(|(_, planned)| planned).collect()
}

/// The rank of an object in the order of creation: that of its kind, and what
/// refers to others of its kind after those.
fn order(key: &ObjectKey, body: &Object) -> (Kind, bool) {
    (key.kind, body.references().iter().any(|reference| reference.kind == Some(key.kind)))
}
