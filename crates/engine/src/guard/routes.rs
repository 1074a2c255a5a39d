//! Holds back the loss of many static routes that nobody is known to have asked
//! for, as the guard of objects does with those.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::vrf_context::Prefix;
use ako_avi_types::{Object, VrfContext};
use ako_core::config::GuardLimits;

use super::objects::is_beyond;

/// Decides on routes of ours in a VRF that are not wanted any more. An empty list of nodes
/// that is a mistake would cut every pod off.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteGuard {
    /// Where the wanted routes led to when they last changed.
    wanted: BTreeSet<Prefix>,
    /// Those that an edit took away, or somebody released.
    explained: BTreeSet<Prefix>,
    unexplained: BTreeSet<Prefix>,
    /// How many routes of ours there are.
    observed: usize,
}

impl RouteGuard {
    /// The wanted routes changed; `None` if no routes are wanted in the VRF any more.
    pub(crate) fn note(&mut self, wanted: Option<&Object>, by_edit: bool) {
        let now = wanted.and_then(vrf).map(VrfContext::destinations).unwrap_or_default();
        let before = std::mem::replace(&mut self.wanted, now);
        if by_edit {
            self.explained.extend(before.difference(&self.wanted).cloned());
        }
        self.explained.retain(|prefix| !self.wanted.contains(prefix));
    }

    /// Routes are not as they are wanted.
    pub(crate) fn judge(&mut self, wanted: &Object, observed: &Object) {
        let (Some(wanted), Some(observed)) = (vrf(wanted), vrf(observed)) else { return };
        self.observed = wanted.ours(observed).count();
        self.unexplained = wanted.lost(observed);
        self.unexplained.retain(|prefix| !self.explained.contains(prefix));
    }

    /// The routes are as they are wanted, or are not this instance's to decide on.
    pub(crate) fn settled(&mut self) {
        self.explained.clear();
        self.unexplained.clear();
    }

    /// Whether nothing is known that would matter later.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_clear() && self.wanted.is_empty()
    }

    pub(crate) fn is_clear(&self) -> bool {
        self.explained.is_empty() && self.unexplained.is_empty()
    }

    /// Lets those pass that are held now; later ones are judged anew.
    pub(crate) fn release(&mut self) {
        self.explained.append(&mut self.unexplained);
    }

    /// Whether the unexplained losses are held back.
    pub(crate) fn holds(&self, limits: GuardLimits, is_partial: bool) -> bool {
        let count = self.unexplained.len();
        is_beyond(limits, count, self.observed) || (is_partial && count > 0)
    }

    /// Whether routes would be lost that nothing explains.
    pub(crate) fn has_suspects(&self) -> bool {
        !self.unexplained.is_empty()
    }

    /// How many routes would be lost, of how many.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.unexplained.len(), self.observed)
    }

    /// Where those lead to that would be lost.
    pub(crate) fn suspects(&self) -> impl Iterator<Item = &Prefix> {
        self.unexplained.iter()
    }

    /// The wanted routes with those that are held back; `None` if that is what is
    /// there.
    pub(crate) fn keep(&self, wanted: &Object, observed: &Object) -> Option<Arc<Object>> {
        let kept = vrf(wanted)?.keeping(vrf(observed)?, |prefix| self.unexplained.contains(prefix));
        let kept = Object::VrfContext(kept);
        (!kept.differences(observed).is_empty()).then(|| Arc::new(kept))
    }
}

fn vrf(object: &Object) -> Option<&VrfContext> {
    if let Object::VrfContext(vrf) = object { Some(vrf) } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LIMITS: GuardLimits = GuardLimits { minimum: 5, share_percent: 30 };

    /// Where routes to so many networks lead.
    fn destinations(count: u8) -> BTreeSet<Prefix> {
        let route = |n: u8| {
            json!({"prefix": {"ip_addr": {"addr": format!("10.{n}.0.0"), "type": "V4"}, "mask": 24},
                "next_hop": {"addr": "192.0.2.1", "type": "V4"}, "route_id": n.to_string()})
        };
        let routes: Vec<_> = (0..count).map(route).collect();
        let object =
            Object::read(ako_avi_types::Kind::VrfContext, json!({"name": "v", "static_routes": routes}));
        vrf(&object.unwrap()).unwrap().destinations()
    }

    fn guard(unexplained: u8, observed: usize) -> RouteGuard {
        RouteGuard { unexplained: destinations(unexplained), observed, ..RouteGuard::default() }
    }

    #[test]
    fn many_are_held_and_any_while_a_node_is_not_understood() {
        assert!(!guard(5, 6).holds(LIMITS, false) && guard(6, 6).holds(LIMITS, false));
        assert!(guard(1, 100).holds(LIMITS, true));
        assert!(!guard(0, 100).holds(LIMITS, true), "nothing is lost");
    }

    #[test]
    fn what_would_be_lost_is_named() {
        assert_eq!(guard(3, 9).suspects().count(), 3);
        assert_eq!(guard(3, 9).counts(), (3, 9));
    }

    #[test]
    fn nothing_is_remembered_once_the_routes_are_as_they_are_wanted() {
        let mut guard = guard(3, 9);
        assert!(!guard.is_clear());
        guard.release();
        assert!(!guard.is_clear());
        guard.settled();
        assert!(guard.is_clear());
    }
}
