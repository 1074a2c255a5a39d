//! What the status of an object tells, beside addresses.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::NamespacedName;

/// What the status of an object tells, beside addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The conditions, by the part that they are about and by their type.
    pub conditions: BTreeMap<(Part, Arc<str>), Condition>,
    /// Fields that hold a text, by their names.
    pub fields: BTreeMap<Arc<str>, Arc<str>>,
    /// How many objects belong to a part.
    pub counts: BTreeMap<Part, u32>,
}

impl Told {
    /// Whether nothing is told.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty() && self.fields.is_empty() && self.counts.is_empty()
    }

    /// Whether both tell the same, since whenever.
    pub fn tells_same(&self, other: &Self) -> bool {
        let is_same = |(one, two): (&Condition, &Condition)| one.tells_same(two);
        self.conditions.keys().eq(other.conditions.keys())
            && self.conditions.values().zip(other.conditions.values()).all(is_same)
            && self.fields == other.fields
            && self.counts == other.counts
    }
}

/// What of an object a condition or a count is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// All of it.
    Whole,
    /// One of its listeners.
    Listener(Arc<str>),
    /// What it is to one of its parents: an object, and a section of that if it names one.
    Parent(NamespacedName, Option<Arc<str>>),
}

/// Whether something is so. From the worst to the best: of several that say different
/// things of one condition, the worst counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Truth {
    False,
    Unknown,
    True,
}

impl Truth {
    /// As it is written in a condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::False => "False",
            Self::Unknown => "Unknown",
            Self::True => "True",
        }
    }
}

/// A condition. Source: Kubernetes API, `Condition` of meta/v1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Whether it is so.
    pub status: Truth,
    /// Why, for programs.
    pub reason: Arc<str>,
    /// Why, for people. Holds no secrets.
    pub message: Arc<str>,
    /// The generation of the object that it was found out of.
    pub generation: i64,
    /// Since when it has this status, as it stands on the object. What is wanted does not say:
    /// that is decided when it is written.
    pub since: Option<Arc<str>>,
}

impl Condition {
    /// Whether both tell the same, since whenever.
    pub fn tells_same(&self, other: &Self) -> bool {
        Self { since: None, ..self.clone() } == Self { since: None, ..other.clone() }
    }

    /// Of two that say something of the same, the one that counts: the worse one, and of what
    /// was found out of an older generation.
    #[must_use]
    pub fn or_worse(self, other: Self) -> Self {
        let key = |c: &Self| (c.status, c.generation, c.reason.clone(), c.message.clone());
        if key(&other) < key(&self) { other } else { self }
    }
}
