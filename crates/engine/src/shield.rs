//! What objects keep of what the controller holds.
//!
//! A pool that is not deleted serves nobody once the shared pool group has
//! forgotten it. So while the guard holds deletions, updates of shared objects
//! do not take away what belongs to the held ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::{Object, ObjectKey};

use crate::controller::{self, Controller};
use crate::desired::Desired;
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

/// The body with what the observed one has of objects that were made for kinds
/// which this version does not read: it does not know what they ask for.
pub(crate) fn keep_unread(key: &ObjectKey, body: Arc<Object>, controller: &Controller) -> Arc<Object> {
    let Some(observed) = controller.get(key).filter(|_| controller.unread().next().is_some()) else {
        return body;
    };
    let is_unread = |target: &ObjectKey| controller.unread_kind(target).is_some();
    let bodies = controller.unread().filter_map(|(key, _)| controller.get(key));
    let hosts: BTreeSet<_> = bodies.flat_map(|observed| observed.body.hostnames()).cloned().collect();
    let kept = body.keeping(
        &observed.body,
        &|reference| controller::target(key, reference).is_some_and(|target| is_unread(&target)),
        &|host| hosts.contains(host),
    );
    if kept == body.keeping(&observed.body, &|_| false, &|_| false) { body } else { Arc::new(kept) }
}

/// A VsVip with the addresses that it has, where another system gave them: the controller
/// changes neither them nor the labels under which they are announced.
/// Source: L4 and network, B1.
pub(crate) fn keep_vips(
    key: &ObjectKey,
    body: Arc<Object>,
    desired: &Desired,
    controller: &Controller,
) -> Arc<Object> {
    if !desired.translator().facts().has_foreign_ipam {
        return body;
    }
    match (&*body, controller.get(key).map(|observed| &*observed.body)) {
        (Object::VsVip(wanted), Some(Object::VsVip(observed))) => {
            Arc::new(Object::VsVip(wanted.with_vips_of(observed)))
        }
        _ => body,
    }
}

/// The hosts that held objects serve.
fn hosts(guard: &Guard, controller: &Controller) -> BTreeSet<Arc<str>> {
    let bodies = guard.suspects().filter_map(|key| controller.get(key)).map(|observed| &*observed.body);
    bodies.flat_map(Object::hostnames).cloned().collect()
}
