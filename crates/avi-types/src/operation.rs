//! One write to the controller, as a value.

use std::fmt;
use std::sync::Arc;

use crate::object::{Object, ObjectKey};
use crate::reply::Meta;

/// What a write does.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// `POST` of a new object.
    Create(Arc<Object>),
    /// `PUT` of the whole object over the one known as `Meta`.
    Update(Meta, Arc<Object>),
    /// `DELETE` of the object known as `Meta`.
    Delete(Meta),
}

/// One write. It is so specific that whoever executes it has no choices left.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The object.
    pub key: ObjectKey,
    /// What is done to it.
    pub change: Change,
}

impl Operation {
    /// `create`, `update` or `delete`.
    pub fn verb(&self) -> &'static str {
        match self.change {
            Change::Create(_) => "create",
            Change::Update(..) => "update",
            Change::Delete(_) => "delete",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb(), self.key)
    }
}

/// An object as the controller holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// How the controller knows it.
    pub meta: Meta,
    /// Its body, as far as we write it.
    pub body: Arc<Object>,
}
