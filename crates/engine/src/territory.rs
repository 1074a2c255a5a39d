//! Namespaces that change hands between instances.
//! Source: leadership protocol and instance verdicts, §6.
//!
//! Nobody tells the others what it writes, so a namespace is handed over by
//! time: the former owner stops as soon as it sees that the namespace is not
//! its own, and leaves what is there as it is; the new one begins when the
//! former one cannot be writing any more, for it either saw the change or lost
//! its permit; and only then the former one removes what still is its own.
//! Whoever cannot know what went before, because its process began or its watch
//! was interrupted a moment ago, waits as long before it takes anything over.
//! While a namespace is waited for, nothing is removed: what bears our name already
//! may have been made for it, by another replica or by this one when it was ours
//! before, and it is not asked for until it is taken over.
//!
//! A namespace that two instances claim is nobody's to hand over: the one that
//! gives way leaves what it has there untouched for as long as that lasts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ako_core::{Key, ResourceKind, Snapshot};
use ako_elect::Moment;

/// What a namespace is to this instance.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tenure {
    /// It is its own.
    Own,
    /// It asks for it, and an earlier instance has it, or leaves it nothing.
    Contested,
    /// It does not ask for it; another instance may have it.
    Foreign(Option<Arc<str>>),
}

/// What came of waiting.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passed {
    /// What has to be looked at, as somebody edited a namespace or a claim.
    pub(crate) by_edit: BTreeSet<Key>,
    /// The same, as a list said so.
    pub(crate) by_list: BTreeSet<Key>,
    /// Whether a namespace is ours now that another instance wrote for.
    pub(crate) arrived: bool,
}

/// What came of looking.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looked {
    /// What is touched by what became of namespaces.
    pub(crate) touched: BTreeSet<Key>,
    /// Namespaces that are another instance's now and were not before.
    pub(crate) given_away: BTreeSet<Arc<str>>,
}

/// What this instance knows about its namespaces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Territory {
    /// Since when nothing that happens to them is missed: what they were until
    /// then is not known.
    known_since: Option<Moment>,
    /// What whose they are follows from, and may be out of date. To lead, and to
    /// see what happens in the cluster, are different connections.
    outdated: BTreeSet<ResourceKind>,
    tenures: BTreeMap<Arc<str>, Tenure>,
    /// Until when another instance may be writing for a namespace that was its
    /// own.
    let_go: BTreeMap<Arc<str>, Moment>,
    /// Namespaces that were ours, and until when what is there stays.
    leaving: BTreeMap<Arc<str>, Moment>,
    /// Those of them that a list gave away, and no edit.
    by_list: BTreeSet<Arc<str>>,
    /// Whether a namespace is not waited for any more, and was not translated since.
    arrived: bool,
}

impl Territory {
    /// Looks at all namespaces, and answers what became of them. `margin` is how
    /// long a permit to write may last.
    pub(crate) fn look(
        &mut self,
        snapshot: &mut Snapshot,
        margin: Duration,
        by_edit: bool,
        now: Moment,
    ) -> Looked {
        let mut looked = Looked::default();
        let names: Vec<_> = snapshot.namespaces().map(|namespace| namespace.name.clone()).collect();
        for name in names {
            let tenure = tenure(snapshot, &name);
            let old = self.tenures.insert(name.clone(), tenure.clone());
            if self.known_since.is_some() && old.as_ref() != Some(&tenure) {
                self.changed(&name, old.as_ref(), &tenure, margin, now);
                let is_anothers = |tenure: &Tenure| matches!(tenure, Tenure::Foreign(Some(_)));
                if is_anothers(&tenure) && !old.as_ref().is_some_and(is_anothers) {
                    looked.given_away.insert(name.clone());
                }
                if by_edit {
                    self.by_list.remove(&name)
                } else {
                    self.by_list.insert(name.clone())
                };
            }
            looked.touched.extend(self.await_former_owner(snapshot, &name, &tenure, now));
        }
        self.tenures.retain(|name, _| snapshot.namespace(name).is_some());
        self.leaving.retain(|name, _| snapshot.namespace(name).is_some());
        self.by_list.retain(|name| snapshot.namespace(name).is_some());
        self.known_since.get_or_insert(now);
        looked
    }

    fn changed(
        &mut self,
        name: &Arc<str>,
        old: Option<&Tenure>,
        new: &Tenure,
        margin: Duration,
        now: Moment,
    ) {
        if matches!(old, Some(Tenure::Foreign(Some(_)) | Tenure::Contested)) {
            self.let_go.insert(name.clone(), now + margin);
        }
        let was_ours =
            matches!(old, Some(Tenure::Own | Tenure::Contested)) || self.leaving.contains_key(name);
        match new {
            Tenure::Foreign(Some(_)) if was_ours => {
                self.leaving.entry(name.clone()).or_insert(now + margin * 2);
            }
            _ => _ = self.leaving.remove(name),
        }
    }

    /// A namespace that is ours is not served before its former owner is gone.
    fn await_former_owner(
        &mut self,
        snapshot: &mut Snapshot,
        name: &Arc<str>,
        tenure: &Tenure,
        now: Moment,
    ) -> BTreeSet<Key> {
        let awaited = *tenure == Tenure::Own && self.let_go.get(name).is_some_and(|until| *until > now);
        snapshot.await_namespace(name, awaited)
    }

    /// The time came for some of what is waited for.
    pub(crate) fn pass(&mut self, snapshot: &mut Snapshot, now: Moment) -> Passed {
        let mut passed = Passed::default();
        for name in take_due(&mut self.let_go, now) {
            passed.arrived |= !snapshot.await_namespace(&name, false).is_empty();
            self.arrived |= passed.arrived;
            // It was left as it was, whoever it belongs to by now.
            passed.by_edit.insert(Key::Namespace(name));
        }
        for name in take_due(&mut self.leaving, now) {
            let by_list = self.by_list.contains(&name);
            let touched = if by_list { &mut passed.by_list } else { &mut passed.by_edit };
            touched.insert(Key::Namespace(name));
        }
        passed
    }

    /// What is known of a kind may be out of date, or is not any more.
    pub(crate) fn outdated(&mut self, kind: ResourceKind, outdated: bool, now: Moment) {
        if !matches!(kind, ResourceKind::Namespace | ResourceKind::ConfigMap | ResourceKind::StatefulSet) {
            return;
        }
        if outdated {
            self.outdated.insert(kind)
        } else {
            self.outdated.remove(&kind)
        };
        self.known_since = self.known_since.map(|_| now);
    }

    /// Until when what bears another instance's name is left to it: whose its
    /// namespace was before this process looked is not known, so the former
    /// owner may have lost it just then; or it may not be ours any more.
    pub(crate) fn unsure_until(&self, margin: Duration, now: Moment) -> Option<Moment> {
        let since = if self.outdated.is_empty() { self.known_since? } else { now };
        Some(since + margin).filter(|until| *until > now)
    }

    /// When [`Territory::pass`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.let_go.values().chain(self.leaving.values()).min().copied()
    }

    /// The namespaces in which everything stays as it is.
    pub(crate) fn frozen(&self) -> BTreeSet<Arc<str>> {
        let stays = |(name, tenure): (&Arc<str>, &Tenure)| {
            let stays = match tenure {
                Tenure::Own => self.let_go.contains_key(name),
                Tenure::Contested => true,
                Tenure::Foreign(_) => self.leaving.contains_key(name),
            };
            stays.then(|| name.clone())
        };
        self.tenures.iter().filter_map(stays).collect()
    }

    /// The namespaces that are ours and are not served yet, as their former owner may
    /// still be writing.
    pub(crate) fn awaited(&self, now: Moment) -> impl Iterator<Item = &Arc<str>> {
        let awaited = self.let_go.iter().filter(move |(_, until)| **until > now).map(|(name, _)| name);
        awaited.filter(|name| self.tenures.get(*name) == Some(&Tenure::Own))
    }

    /// Whether a namespace is ours, and what is in it is not asked for yet.
    pub(crate) fn takes_over(&self, now: Moment) -> bool {
        self.arrived || self.awaited(now).next().is_some()
    }

    /// All namespaces are translated; answers whether one had arrived.
    pub(crate) fn translated(&mut self) -> bool {
        std::mem::take(&mut self.arrived)
    }

    /// Whether an earlier instance has something that this one asks for.
    pub(crate) fn is_contested(&self) -> bool {
        self.tenures.values().any(|tenure| *tenure == Tenure::Contested)
    }
}

fn tenure(snapshot: &Snapshot, name: &str) -> Tenure {
    match (snapshot.is_own(name), snapshot.selects(name)) {
        (true, _) => Tenure::Own,
        (false, true) => Tenure::Contested,
        (false, false) => Tenure::Foreign(snapshot.owner_of(name).cloned()),
    }
}

fn take_due(times: &mut BTreeMap<Arc<str>, Moment>, now: Moment) -> Vec<Arc<str>> {
    let due: Vec<_> = times.iter().filter(|(_, at)| **at <= now).map(|(name, _)| name.clone()).collect();
    for name in &due {
        times.remove(name);
    }
    due
}
