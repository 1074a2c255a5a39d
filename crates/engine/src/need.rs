//! What an object needs, given what is wanted and what is there.

use std::sync::Arc;

use ako_avi_types::{Change, Object, ObjectKey, Observed, Operation};

use crate::controller::{self, Controller};
use crate::desired::Desired;

/// What has to happen to an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Need {
    /// Nothing.
    Nothing,
    /// This can be sent now.
    Ready(Operation),
    /// Another object has to come first, or to go first.
    After(ObjectKey),
}

/// Decides what an object needs.
///
/// Nothing is created before what it refers to is there, and nothing is
/// deleted while something refers to it; so whatever prefix of a plan is
/// carried out, no reference dangles. References to objects that the controller
/// refused are left out where the object makes sense without them.
pub(crate) fn of(
    key: &ObjectKey,
    desired: &Desired,
    controller: &mut Controller,
    is_refused: &dyn Fn(&ObjectKey) -> bool,
) -> Need {
    let Some(wanted) = desired.get(key) else { return deletion(key, controller) };
    let missing = |target: &ObjectKey| !controller.contains(target);
    // The last one is the last to be created, so that is when to look again.
    let targets = controller::targets(key, wanted);
    if let Some(first) =
        targets.iter().rev().find(|t| missing(t) && desired.get(t).is_some() && !is_refused(t))
    {
        return Need::After(first.clone());
    }
    let Some(body) = effective(key, wanted, &targets, &missing) else {
        return targets.into_iter().find(missing).map_or(Need::Nothing, Need::After);
    };
    let change = match controller.get(key).cloned() {
        None => Change::Create(body),
        Some(_) if controller.agrees(key, &body) => return Need::Nothing,
        Some(Observed { meta, .. }) => Change::Update(meta, body),
    };
    Need::Ready(Operation { key: key.clone(), change })
}

/// The wanted object without references to what is not there.
fn effective(
    key: &ObjectKey,
    wanted: &Arc<Object>,
    targets: &[ObjectKey],
    missing: &dyn Fn(&ObjectKey) -> bool,
) -> Option<Arc<Object>> {
    if !targets.iter().any(missing) {
        return Some(wanted.clone());
    }
    wanted.without(&|reference| controller::target(key, reference).is_some_and(|target| missing(&target)))
}

fn deletion(key: &ObjectKey, controller: &Controller) -> Need {
    let Some(observed) = controller.get(key) else { return Need::Nothing };
    match controller.referrers(key).next() {
        Some(referrer) => Need::After(referrer.clone()),
        None => Need::Ready(Operation { key: key.clone(), change: Change::Delete(observed.meta.clone()) }),
    }
}
