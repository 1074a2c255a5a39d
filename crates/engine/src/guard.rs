//! Holds back mass losses that nobody is known to have asked for: of objects, and of
//! the static routes in a VRF.

mod objects;
mod routes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ako_avi_types::{Change, Kind, Object, ObjectKey, Operation};
use ako_core::config::GuardLimits;
use ako_elect::Moment;
use sha1::{Digest as _, Sha1};

use crate::desired::Desired;
use crate::inventory::Inventory;
use crate::need::Need;
use objects::ObjectGuard;
pub use objects::WINDOW;
use routes::RouteGuard;

/// Losses that are held back: of objects, or of routes in a VRF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub count: usize,
    /// Of how many observed objects, or routes.
    pub of: usize,
    /// The objects, at most [`SHOWN`]; for routes, their VRF.
    pub examples: Vec<ObjectKey>,
    /// Names exactly what is held: a release is for this and nothing else.
    pub digest: String,
}

/// How many held objects are shown.
pub const SHOWN: usize = 200;
/// How many bytes of a hash name what is held.
const DIGEST: usize = 6;

/// By what it is decided whether losses are held back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances<'a> {
    /// How much may be lost that nothing explains.
    pub(crate) limits: GuardLimits,
    /// How much there is of each kind.
    pub(crate) observed: &'a BTreeMap<Kind, usize>,
    /// Whether something in the cluster is not known or not understood. What it asks
    /// for may be just what seems to be superfluous.
    pub(crate) is_partial: bool,
    /// Whether that is so of what static routes come from. What else is not understood
    /// does not matter to them.
    pub(crate) lacks_nodes: bool,
}

/// What is held back of the losses that nothing explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    objects: bool,
    routes: bool,
}

impl Holding {
    /// Whether it is held back what an object loses.
    pub(crate) fn concerns(self, key: &ObjectKey) -> bool {
        if has_routes(key) { self.routes } else { self.objects }
    }

    /// Whether something is held that a status may show. Routes stand in none.
    pub(crate) fn concerns_statuses(self) -> bool {
        self.objects
    }
}

/// What an object loses by what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing.
    Nothing,
    /// Something that somebody asked for.
    Explained,
    /// Something that nothing explains.
    Unexplained {
        /// How much: a deletion counts one, a shared object counts its hosts.
        weight: usize,
        /// Whether another instance is expected to take it over.
        expected: bool,
    },
}

/// Decides on losses, each by what it is a loss of. Routes have limits of their own for each VRF,
/// which has them all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guards {
    objects: ObjectGuard,
    /// By VRF.
    routes: BTreeMap<ObjectKey, RouteGuard>,
}

/// Whether an object has static routes.
pub(crate) fn has_routes(key: &ObjectKey) -> bool {
    key.kind == Kind::VrfContext
}

impl Guards {
    /// An edit was seen after which an object is not wanted any more, or with less.
    pub(crate) fn explain(&mut self, key: &ObjectKey) {
        self.objects.explain(key);
    }

    /// A list says something about an object: what an edit said before does not
    /// explain that.
    pub(crate) fn unexplain(&mut self, key: &ObjectKey) {
        self.objects.unexplain(key);
    }

    /// These objects are wanted differently; `by_edit` says that an edit explains which
    /// routes are wanted now.
    pub(crate) fn note(&mut self, changed: &BTreeSet<ObjectKey>, desired: &Desired, by_edit: bool) {
        for key in changed.iter().filter(|key| has_routes(key)) {
            let wanted = desired.get(key).map(|vrf| &**vrf);
            self.routes.entry(key.clone()).or_default().note(wanted, by_edit);
        }
    }

    /// It was found out what an object needs, and what it loses by that. `removing` says that everything
    /// of this instance is to be removed, which explains the loss of its routes.
    pub(crate) fn judge(
        &mut self,
        key: &ObjectKey,
        need: &Need,
        observed: Option<&Object>,
        loss: Loss,
        removing: bool,
    ) {
        match loss {
            Loss::Nothing => self.objects.clear(key),
            Loss::Explained => self.objects.explain(key),
            Loss::Unexplained { weight, expected } => self.objects.condemn(key, weight, expected),
        }
        if !has_routes(key) {
            return;
        }
        if let (Need::Ready(Operation { change: Change::Update(_, wanted), .. }), Some(observed)) =
            (need, observed)
        {
            let routes = self.routes.entry(key.clone()).or_default();
            routes.judge(wanted, observed);
            if removing {
                routes.release();
            }
        } else {
            if let Some(routes) = self.routes.get_mut(key) {
                routes.settled();
            }
            self.routes.retain(|_, routes| !routes.is_empty());
        }
    }

    /// A loss is carried out. It counts as long as [`WINDOW`] lasts.
    pub(crate) fn let_pass(&mut self, key: &ObjectKey, now: Moment) {
        self.objects.let_pass(key, now);
    }

    /// Forgets what was let pass before the window.
    pub(crate) fn forget(&mut self, now: Moment) {
        self.objects.forget(now);
    }

    /// Decides what is held back.
    pub(crate) fn holding(&self, by: &Circumstances<'_>) -> Holding {
        Holding {
            objects: self.objects.holds(by.limits, by.observed, by.is_partial),
            routes: self.routes.values().any(|routes| routes.holds(by.limits, by.lacks_nodes)),
        }
    }

    /// What may be sent of an operation, if anything.
    pub(crate) fn permitted(
        &self,
        mut operation: Operation,
        observed: &Object,
        holding: Holding,
        inventory: &Inventory,
    ) -> Option<Operation> {
        let key = &operation.key;
        if !holding.concerns(key) {
            return Some(operation);
        }
        let Change::Update(_, body) = &mut operation.change else {
            return (!self.is_suspect(key)).then_some(operation);
        };
        *body = if has_routes(key) {
            let Some(routes) = self.routes.get(key) else { return Some(operation) };
            routes.keep(body, observed)?
        } else {
            self.objects.keep(key, body, observed, inventory)?
        };
        Some(operation)
    }

    /// Lets pass what is held; what is lost later is judged anew.
    pub(crate) fn release(&mut self, holding: Holding) {
        if holding.objects {
            self.objects.release();
        }
        if holding.routes {
            self.routes.values_mut().for_each(RouteGuard::release);
        }
    }

    /// What is held, for people, of so many observed objects.
    pub(crate) fn held(&self, holding: Holding, objects: usize) -> Option<Held> {
        if !holding.objects && !holding.routes {
            return None;
        }
        let mut held = Held { count: 0, of: 0, examples: Vec::new(), digest: String::new() };
        let mut digest = Sha1::new();
        if holding.objects {
            let suspects = self.objects.suspects();
            (held.count, held.of) = (suspects.len(), objects);
            for (place, key) in suspects.enumerate() {
                digest.update(format!("{key}\n"));
                if place < SHOWN {
                    held.examples.push(key.clone());
                }
            }
        }
        let with_suspects = self.routes.iter().filter(|(_, routes)| holding.routes && routes.has_suspects());
        for (vrf, routes) in with_suspects {
            let (count, of) = routes.counts();
            (held.count, held.of) = (held.count + count, held.of + of);
            held.examples.push(vrf.clone());
            routes.suspects().for_each(|prefix| digest.update(format!("{vrf} {prefix:?}\n")));
        }
        for byte in &digest.finalize()[..DIGEST] {
            let _ = write!(held.digest, "{byte:02x}");
        }
        Some(held)
    }

    /// The objects that are held, as far as a status may show them.
    pub(crate) fn held_in_statuses(&self, holding: Holding) -> impl Iterator<Item = &ObjectKey> {
        self.objects.suspects().filter(move |_| holding.concerns_statuses())
    }

    /// Whether an object loses something that nothing explains.
    pub(crate) fn is_suspect(&self, key: &ObjectKey) -> bool {
        self.objects.is_suspect(key) || self.routes.get(key).is_some_and(RouteGuard::has_suspects)
    }

    /// Whether something is lost that nothing explains, held or not.
    pub(crate) fn has_suspects(&self) -> bool {
        self.objects.suspects().len() > 0 || self.routes.values().any(RouteGuard::has_suspects)
    }

    /// The objects whose losses something explains.
    pub(crate) fn explained(&self) -> &BTreeSet<ObjectKey> {
        self.objects.explained()
    }

    /// What another instance is expected to take over.
    pub(crate) fn expected(&self) -> &BTreeSet<ObjectKey> {
        self.objects.expected()
    }

    /// What is still remembered of losses, which is a mistake once nothing is left to be done.
    pub(crate) fn remembered(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.objects.len() > 0 {
            found.push(format!("the guard remembers {} deletions that are done", self.objects.len()));
        }
        if !self.routes.values().all(RouteGuard::is_clear) {
            found.push("the guard remembers routes that are gone".to_owned());
        }
        found
    }
}
