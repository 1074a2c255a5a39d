//! What is asked of the body of an object, whatever its kind.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::change::{self, FieldChange};
use crate::loss::Losses;
use crate::marker::Marker;
use crate::metadata::ServiceMetadata;
use crate::reference::Ref;

/// The body of an object of one kind. What a kind says nothing of has none of it.
pub(crate) trait Body: Clone + Serialize + DeserializeOwned {
    /// Whether objects of the kind carry a `created_by` field.
    const HAS_CREATED_BY: bool = true;
    /// Whether objects of the kind belong to a cloud.
    const HAS_CLOUD: bool = false;

    fn name(&self) -> &Arc<str>;

    fn tenant(&self) -> Option<&Ref>;

    fn created_by(&self) -> Option<&Arc<str>> {
        None
    }

    fn markers(&self) -> &[Marker] {
        &[]
    }

    fn metadata(&self) -> Option<&ServiceMetadata> {
        None
    }

    /// Upstream's checksum, where it has one.
    fn checksum_mut(&mut self) -> Option<&mut Option<Arc<str>>> {
        None
    }

    /// What it refers to among the kinds that are written.
    fn references(&self) -> Vec<&Ref> {
        Vec::new()
    }

    /// Sorts the lists whose order means nothing to Avi.
    fn normalise(&mut self) {}

    /// What differs from it on the controller.
    fn differences(&self, observed: &Self) -> Vec<FieldChange> {
        let body = |of: &Self| serde_json::to_value(of).unwrap_or(Value::Null);
        change::between(&body(self), &body(observed))
    }

    /// What is borrowed with our part in it, every other field and entry as it was read.
    fn onto(&self, _read: Value) -> Result<Value, String> {
        Err(format!("{} is not borrowed", self.name()))
    }

    /// Takes out the references to what is missing; answers whether it makes sense without
    /// them. What cannot be taken out stays.
    fn take_out(&mut self, _is_missing: &dyn Fn(&Ref) -> bool) -> bool {
        true
    }

    /// Takes over what an older version has besides, as far as the reference or the host is
    /// kept. Only what many hosts share loses one host's part, so only that is kept.
    fn keep(&mut self, _old: &Self, _is_kept: &dyn Fn(&Ref) -> bool, _is_kept_host: &dyn Fn(&str) -> bool) {}

    /// The secrets in it, in plain text.
    fn secrets(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Takes over where an older version is placed: its service engines, networks and router, its
    /// addresses and how they are announced. Source: Custom resources, §2.
    fn keep_place(&mut self, _old: &Self) {}

    /// Takes over what an older version has of rules, which is what nothing else asks for, and what
    /// it refers to that is not ours.
    fn keep_shape(&mut self, _old: &Self, _is_ours: &dyn Fn(&Ref) -> bool) {}

    /// Takes over what else an older version serves by.
    fn keep_serving(&mut self, _old: &Self) {}

    /// The hosts that it answers for.
    fn served_hosts(&self) -> BTreeSet<Arc<str>> {
        BTreeSet::new()
    }

    /// Notes what is lost of an older version, but for hosts and references.
    fn count_losses(&self, _old: &Self, _losses: &mut Losses) {}
}

/// What every body says in the same words: its name and tenant.
macro_rules! named {
    () => {
        fn name(&self) -> &Arc<str> {
            &self.name
        }

        fn tenant(&self) -> Option<&Ref> {
            self.tenant_ref.as_ref()
        }
    };
}

/// What most bodies say in the same words: whose they are, and what of.
macro_rules! owned {
    () => {
        fn created_by(&self) -> Option<&Arc<str>> {
            self.created_by.as_ref()
        }

        fn markers(&self) -> &[Marker] {
            &self.markers
        }
    };
}

pub(crate) use {named, owned};

/// Adds to a list what an older one has besides, as far as it is kept.
pub(crate) fn keep<T: Clone>(
    new: &mut Vec<T>,
    old: &[T],
    is_kept: impl Fn(&T) -> bool,
    is_same: impl Fn(&T, &T) -> bool,
) {
    let is_there = |item: &T| new.iter().any(|other| is_same(item, other));
    let lost: Vec<_> = old.iter().filter(|item| !is_there(item) && is_kept(item)).cloned().collect();
    new.extend(lost);
}
