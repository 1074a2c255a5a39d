//! The whole plan as a value, for people and for tests.

use std::collections::BTreeSet;
use std::fmt;

use ako_avi_types::{FieldChange, ObjectKey};

use crate::controller::Controller;
use crate::desired::Desired;

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
pub fn plan(desired: &Desired, controller: &Controller) -> Vec<Planned> {
    let wanted: BTreeSet<_> = desired.objects().map(|(key, _)| key.clone()).collect();
    let writes = desired.objects().filter_map(|(key, object)| {
        let reason = desired.reason(key).unwrap_or_default();
        if !controller.contains(key) {
            return Some(Planned { key: key.clone(), action: Action::Create, reason });
        }
        let changes = controller.differences(key, object);
        (!changes.is_empty()).then(|| Planned { key: key.clone(), action: Action::Update(changes), reason })
    });
    let gone = controller.keys().rev().filter(|key| !wanted.contains(*key));
    let deletes = gone.map(|key| Planned {
        key: key.clone(),
        action: Action::Delete,
        reason: "nothing asks for it".to_owned(),
    });
    writes.chain(deletes).collect()
}
