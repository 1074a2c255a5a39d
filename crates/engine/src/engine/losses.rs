//! What objects lose, and what explains it.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::{Change, Kind, ObjectKey, Operation};

use crate::engine::Engine;
use crate::guard::Loss;
use crate::inventory::weight;
use crate::need::Need;
use crate::purpose;

impl Engine {
    /// Tells the guard what an object loses, if it does.
    pub(crate) fn judge(&mut self, key: &ObjectKey, need: &Need) {
        let loss = self.loss(key, need);
        let observed = self.inventory.get(key).map(|observed| &*observed.body);
        self.guards.judge(key, need, observed, loss, self.policy.removing);
    }

    /// What an object loses that needs this.
    fn loss(&mut self, key: &ObjectKey, need: &Need) -> Loss {
        let weight = self.weight(key, need);
        if weight == 0 {
            return Loss::Nothing;
        }
        let left_behind = self.left_behind(key, need);
        for namespace in &left_behind {
            self.territory.found_left_behind(namespace);
        }
        let has = |name: &Arc<str>| self.territory.was_taken_over(name);
        let shares_names = left_behind.iter().any(|namespace| self.shares_names(namespace));
        let is_ours_alone = self.is_named_after_us(key) || !shares_names;
        let is_explained = if left_behind.is_empty() {
            self.policy.removing || self.desired.is_to_be_deleted(key)
        } else {
            is_ours_alone && left_behind.iter().all(has)
        };
        if is_explained {
            Loss::Explained
        } else {
            Loss::Unexplained { weight, expected: !left_behind.is_empty() }
        }
    }

    /// How much an object loses that needs this: nothing, if it is zero.
    fn weight(&self, key: &ObjectKey, need: &Need) -> usize {
        let Some(observed) = self.inventory.get(key) else { return 0 };
        match need {
            Need::Nothing => 0,
            Need::Ready(Operation { change: Change::Update(_, body), .. }) => {
                let losses = body.losses(&observed.body);
                let is_shared = || self.desired.is_shared(key);
                let is_much = match key.kind {
                    Kind::VsVip if is_shared() || self.desired.get(key).is_none() => {
                        return losses.hosts.len();
                    }
                    Kind::Pool => losses.is_most_of_a_pool(),
                    // Routes have limits of their own.
                    _ => is_shared() && !losses.hosts.is_empty(),
                };
                usize::from(is_much || losses.protections > 0)
            }
            _ if self.desired.get(key).is_none() => weight(&observed.body),
            Need::Ready(_) | Need::After(_) => 0,
        }
    }

    /// Whether an object is not wanted any more that was to be taken over from another
    /// instance: it still bears that one's name, and is that one's to remove.
    pub(crate) fn was_not_taken_over(&self, key: &ObjectKey) -> bool {
        let owner = self.inventory.get(key).and_then(|observed| observed.body.created_by());
        let is_anothers = |owner: &Arc<str>| !self.policy.is_owner(owner);
        !key.kind.is_borrowed() && self.desired.get(key).is_none() && owner.is_some_and(is_anothers)
    }

    /// Whether no other instance of this cluster name has an object of that name; that of
    /// a VsVip goes with its virtual service. Another instance takes over by the name, so
    /// what has its name, too, and still bears us as the owner was not taken over, whatever
    /// was said.
    pub(crate) fn is_named_after_us(&self, key: &ObjectKey) -> bool {
        key.kind == Kind::VsVip || key.name.starts_with(self.desired.translator().shared_prefix())
    }

    /// Whether the owner of a namespace calls its objects as we do ours.
    pub(crate) fn shares_names(&self, namespace: &str) -> bool {
        let rival = self.snapshot.rival(namespace);
        rival.is_some_and(|rival| *rival.cluster == self.policy.cluster)
    }

    /// The namespaces of another instance for which an object was made that bears our
    /// name and is not wanted, or for which a shared one has a host: that instance will
    /// take it over. It may not have been restarted yet, after it was another one.
    fn left_behind(&self, key: &ObjectKey, need: &Need) -> BTreeSet<Arc<str>> {
        let Some(observed) = self.inventory.get(key) else { return BTreeSet::new() };
        let markers = observed.body.markers();
        let hosts: BTreeSet<_> = match need {
            _ if self.desired.get(key).is_none() => {
                if !purpose::values(markers, "Namespace").is_empty() {
                    return purpose::those_of_another(&self.snapshot, markers);
                }
                // A certificate tells its host only.
                purpose::values(markers, "Host").iter().cloned().collect()
            }
            Need::Ready(Operation { change: Change::Update(_, body), .. }) if self.desired.is_shared(key) => {
                body.losses(&observed.body).hosts
            }
            _ => return BTreeSet::new(),
        };
        // A host may be asked for in a namespace that was never ours, by an older Ingress.
        let mut theirs = purpose::hosts_of_another(&self.snapshot, &hosts);
        theirs.retain(|namespace| self.territory.is_leaving(namespace));
        theirs
    }
}
