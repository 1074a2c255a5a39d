//! Kinds that the API server lacks, or lacked.

use std::collections::BTreeMap;

use ako_core::ResourceKind;

/// The kinds that the API server lacks or is about to lose, and what is open from a time when
/// it did.
///
/// Whoever deletes a CustomResourceDefinition deletes all objects of it, and seldom means
/// what those stand for. So after the loss of a kind that there were objects of, nothing is
/// lost without an edit that explains it, until all is there again or somebody released it:
/// the objects come back after the definition, one by one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unserved {
    kinds: BTreeMap<ResourceKind, Loss>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Loss {
    /// Whether the API server lacks it now.
    missing: bool,
    /// Whether this process knew objects of it.
    had_objects: bool,
}

impl Unserved {
    /// The API server has a kind, or has it not. Until now there were so many objects of it.
    pub(crate) fn tell(&mut self, kind: ResourceKind, served: bool, known: usize) {
        let loss = self.kinds.entry(kind).or_default();
        loss.missing = !served;
        loss.had_objects |= loss.missing && known > 0;
        self.kinds.retain(|_, loss| loss.missing || loss.had_objects);
    }

    /// Nothing is held back: whatever a kind took away is there again, or released.
    pub(crate) fn nothing_is_held(&mut self) {
        self.kinds.retain(|_, loss| loss.missing);
    }

    /// Those that the API server lacks.
    pub(crate) fn missing(&self) -> impl Iterator<Item = ResourceKind> {
        self.kinds.iter().filter(|(_, loss)| loss.missing).map(|(kind, _)| *kind)
    }

    /// Those of which there were objects, missing or not.
    pub(crate) fn lost(&self) -> impl Iterator<Item = ResourceKind> {
        self.kinds.iter().filter(|(_, loss)| loss.had_objects).map(|(kind, _)| *kind)
    }
}
