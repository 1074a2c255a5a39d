//! What shared objects keep while deletions are held back.
//!
//! A pool that is not deleted serves nobody once the shared pool group has
//! forgotten it. So while the guard holds deletions, updates of shared objects
//! do not take away what belongs to the held ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::{Object, ObjectKey};

use crate::controller::{self, Controller};
use crate::guard::Guard;

/// The body with what the observed one has of what is held back.
pub(crate) fn keep(
    key: &ObjectKey,
    body: &Object,
    observed: &Object,
    guard: &Guard,
    controller: &Controller,
) -> Object {
    let hosts = hosts(guard, controller);
    body.keeping(
        observed,
        &|reference| controller::target(key, reference).is_some_and(|target| guard.is_suspect(&target)),
        &|host| hosts.contains(host),
    )
}

/// The hosts that held objects serve.
fn hosts(guard: &Guard, controller: &Controller) -> BTreeSet<Arc<str>> {
    let bodies = guard.suspects().filter_map(|key| controller.get(key)).map(|observed| &*observed.body);
    bodies.flat_map(Object::hostnames).cloned().collect()
}
