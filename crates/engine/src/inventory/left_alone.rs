//! What stays on the controller as it is, though nobody may ask for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use ako_avi_types::{Object, ObjectKey};

use super::{Inventory, targets};

/// Why an object is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was made for Kubernetes objects of this kind, which this version does not read.
    NotRead(&'static str),
    /// It is for a host of which it cannot be told how it is to be: an AviInfraSetting or a rule
    /// cannot be used.
    CannotBeTold,
}

/// What is left alone.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftAlone {
    /// The hosts of which it cannot be told how they are to be.
    hosts: BTreeSet<Arc<str>>,
    /// The objects that are left alone for their own sake.
    objects: BTreeMap<ObjectKey, Why>,
    /// These, and what they need; worked out when it is asked for.
    needed: OnceLock<BTreeMap<ObjectKey, Why>>,
    /// The hosts that the objects are for; worked out when it is asked for.
    served: OnceLock<BTreeSet<Arc<str>>>,
}

/// What stands for the sake of what is left alone.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The objects that are left alone, and what they need.
    needed: BTreeMap<ObjectKey, Why>,
    /// The hosts that are left alone.
    served: BTreeSet<Arc<str>>,
}

/// What is left alone and was not, or the other way round.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// The hosts of which it cannot be told how they are to be.
    pub(crate) hosts: BTreeSet<Arc<str>>,
    /// The objects that are there.
    pub(crate) objects: BTreeSet<ObjectKey>,
}

impl LeftAlone {
    /// Why an object is left alone for its own sake.
    fn why(&self, body: &Object) -> Option<Why> {
        let mut hosts = body.hosts().chain(body.dns_names());
        let is_for_host = !self.hosts.is_empty() && hosts.any(|host| self.hosts.contains(host));
        body.unread_kind().map(Why::NotRead).or_else(|| is_for_host.then_some(Why::CannotBeTold))
    }

    /// An object is not there any more.
    pub(super) fn remove(&mut self, key: &ObjectKey, body: &Object) {
        if self.objects.remove(key).is_some() {
            self.served = OnceLock::new();
        }
        self.work_out_anew(key, body);
    }

    /// Has what is needed worked out anew, if an object that comes or goes has to do with it.
    fn work_out_anew(&mut self, key: &ObjectKey, body: &Object) {
        let Some(needed) = self.needed.get() else { return };
        let leads_there = |target: &ObjectKey| target.kind != key.kind && needed.contains_key(target);
        if self.objects.contains_key(key)
            || needed.contains_key(key)
            || targets(key, body).iter().any(leads_there)
        {
            self.needed = OnceLock::new();
        }
    }
}

impl Inventory {
    /// Says of which hosts all stays as it is.
    pub(crate) fn leave_alone<'a>(&mut self, hosts: impl Iterator<Item = &'a Arc<str>> + Clone) -> News {
        if hosts.clone().eq(&self.left_alone.hosts) {
            return News::default();
        }
        let before = std::mem::take(&mut self.left_alone);
        self.left_alone.hosts = hosts.cloned().collect();
        let entries = self.entries.iter();
        let objects: BTreeMap<_, _> = entries
            .filter_map(|(key, entry)| Some((key.clone(), self.left_alone.why(&entry.observed.body)?)))
            .collect();
        let is_new = |key: &&ObjectKey| objects.contains_key(*key) != before.objects.contains_key(*key);
        let news = objects.keys().chain(before.objects.keys()).filter(is_new).cloned().collect();
        self.left_alone.objects = objects;
        let hosts = self.left_alone.hosts.symmetric_difference(&before.hosts).cloned().collect();
        News { hosts, objects: news }
    }

    /// Takes over that an object is there.
    pub(super) fn note_left_alone(&mut self, key: &ObjectKey, body: &Object) {
        if let Some(why) = self.left_alone.why(body) {
            self.left_alone.objects.insert(key.clone(), why);
            self.left_alone.served = OnceLock::new();
        }
        self.left_alone.work_out_anew(key, body);
    }

    /// Why an object is left alone: for its own sake, or as it is needed by what is. Nobody asks
    /// for it as far as this version can tell, and it is not stale.
    pub fn why_left_alone(&self, key: &ObjectKey) -> Option<Why> {
        if self.left_alone.objects.is_empty() {
            return None;
        }
        self.needed().get(key).copied()
    }

    fn needed(&self) -> &BTreeMap<ObjectKey, Why> {
        self.left_alone.needed.get_or_init(|| self.needed_by_left_alone())
    }

    /// Whether it cannot be told how an object is to be, or one that needs it.
    pub(crate) fn cannot_be_told(&self, key: &ObjectKey) -> bool {
        !self.left_alone.hosts.is_empty() && self.why_left_alone(key) == Some(Why::CannotBeTold)
    }

    /// What is left alone, and what that needs to serve: what leads to it, and what all of these
    /// refer to. What is made for other hosts is not needed, whatever is shared with them; nor
    /// is a child for its parent.
    fn needed_by_left_alone(&self) -> BTreeMap<ObjectKey, Why> {
        let leading = |key: &ObjectKey, _| self.leading(key).cloned().collect();
        let below = |key: &ObjectKey, why| {
            let targets = self.get(key).map(|observed| targets(key, &observed.body)).unwrap_or_default();
            let is_needed = |target: &ObjectKey| why != Why::CannotBeTold || !self.is_for_others(target);
            targets.into_iter().filter(is_needed).collect()
        };
        spread(&spread(&self.left_alone.objects, leading), below)
    }

    /// What refers to an object, but for children, which refer to their parents.
    pub(super) fn leading<'a>(&'a self, key: &ObjectKey) -> impl Iterator<Item = &'a ObjectKey> + use<'a> {
        let kind = key.kind;
        self.referrers.get(key).iter().filter(move |referrer| referrer.kind != kind)
    }

    /// Whether an object is made for hosts, and none of them is left alone.
    fn is_for_others(&self, key: &ObjectKey) -> bool {
        let observed = self.get(key).filter(|_| !self.is_left_alone_itself(key));
        observed.is_some_and(|observed| observed.body.hosts().next().is_some())
    }

    /// Whether another virtual service serves a host of one, and is left alone.
    pub(crate) fn serves_elsewhere(&self, key: &ObjectKey, body: &Object) -> bool {
        let serves = |other: &ObjectKey| {
            let observed = self.get(other).filter(|_| other.kind == key.kind && other != key);
            observed
                .is_some_and(|observed| observed.body.hosts().any(|host| body.hosts().any(|own| own == host)))
        };
        self.left_alone.objects.keys().any(serves)
    }

    /// What stands for the sake of what is left alone.
    pub(super) fn standing(&self) -> Standing {
        if !self.leaves_something_alone() {
            return Standing::default();
        }
        Standing { needed: self.needed().clone(), served: self.served().clone() }
    }

    /// The objects of which less stands for that sake than before. They have to be looked at.
    pub(super) fn released_of(&self, before: &Standing) -> BTreeSet<ObjectKey> {
        let now = self.standing();
        let needless = before.needed.keys().filter(|key| !now.needed.contains_key(*key));
        let carrying = before.served.difference(&now.served).flat_map(|host| self.vsvips_named(host));
        let affected = needless.flat_map(|key| self.referrers(key).chain([key])).chain(carrying);
        affected.cloned().collect()
    }

    /// Whether anything is left alone.
    pub(crate) fn leaves_something_alone(&self) -> bool {
        !self.left_alone.objects.is_empty()
    }

    /// Whether a host is left alone, or something that is for it.
    pub(crate) fn is_left_alone(&self, host: &str) -> bool {
        self.left_alone.hosts.contains(host) || self.served().contains(host)
    }

    fn served(&self) -> &BTreeSet<Arc<str>> {
        let LeftAlone { objects, served, .. } = &self.left_alone;
        let bodies = || objects.keys().filter_map(|key| self.get(key)).map(|observed| &observed.body);
        served.get_or_init(|| bodies().flat_map(|body| body.hosts()).cloned().collect())
    }

    /// Whether an object is left alone for its own sake.
    pub(crate) fn is_left_alone_itself(&self, key: &ObjectKey) -> bool {
        self.left_alone.objects.contains_key(key)
    }

    /// The objects that are left alone for their own sake, and why.
    pub fn left_alone(&self) -> impl Iterator<Item = (&ObjectKey, Why)> {
        self.left_alone.objects.iter().map(|(key, why)| (key, *why))
    }
}

/// Objects, and what is reached from them step by step, each for the reason of the first one.
fn spread(
    from: &BTreeMap<ObjectKey, Why>,
    next: impl Fn(&ObjectKey, Why) -> Vec<ObjectKey>,
) -> BTreeMap<ObjectKey, Why> {
    let mut reached = from.clone();
    let mut left: Vec<_> = from.keys().cloned().collect();
    while let Some(key) = left.pop() {
        let Some(why) = reached.get(&key).copied() else { continue };
        for found in next(&key, why) {
            if !reached.contains_key(&found) {
                reached.insert(found.clone(), why);
                left.push(found);
            }
        }
    }
    reached
}
