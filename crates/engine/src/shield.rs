//! What objects keep of what the controller holds, whoever asks for its end.

use std::sync::Arc;

use ako_avi_types::{Object, ObjectKey, Ref};
use ako_translate::Keep;

use crate::desired::Desired;
use crate::inventory::{self, Inventory};

/// The body with what the observed one has of objects that are left alone: it is not known how they are
/// to be.
pub(crate) fn keep_left_alone(
    key: &ObjectKey,
    body: Arc<Object>,
    desired: &Desired,
    inventory: &Inventory,
) -> Arc<Object> {
    // Only what many hosts, or many claims to one, share could lose the part of one.
    let has_parts =
        inventory.leaves_something_alone() && (desired.is_shared(key) || inventory.is_left_alone_itself(key));
    let Some(observed) = inventory.get(key).filter(|_| has_parts) else { return body };
    let is_kept = |target: &ObjectKey| inventory.why_left_alone(target).is_some();
    let kept = body.keeping(
        &observed.body,
        &|reference| inventory::target(key, reference).is_some_and(|target| is_kept(&target)),
        &|host| inventory.is_left_alone(host),
    );
    if kept == body.keeping(&observed.body, &|_| false, &|_| false) { body } else { Arc::new(kept) }
}

/// A VsVip without the names of hosts that are left alone and that another one carries: they are served
/// there for as long as they are left alone.
pub(crate) fn keep_names_where_they_are(
    key: &ObjectKey,
    body: Arc<Object>,
    inventory: &Inventory,
) -> Arc<Object> {
    let Object::VsVip(vip) = &*body else { return body };
    let is_here = |name: &str| inventory.get(key).is_some_and(|observed| observed.body.has_dns_name(name));
    let is_elsewhere = |name: &str| inventory.vsvips_named(name).next().is_some();
    let is_kept_there = |name: &str| inventory.is_left_alone(name) && !is_here(name) && is_elsewhere(name);
    if !vip.dns_info.iter().any(|info| is_kept_there(&info.fqdn)) {
        return body;
    }
    let mut rest = vip.clone();
    rest.dns_info.retain(|info| !is_kept_there(&info.fqdn));
    Arc::new(Object::VsVip(rest))
}

/// The body that says of what somebody disabled that it is enabled.
pub(crate) fn enable(key: &ObjectKey, body: Arc<Object>, inventory: &Inventory) -> Arc<Object> {
    let enabling = inventory.get(key).and_then(|observed| body.enabling(&observed.body));
    enabling.map_or(body, Arc::new)
}

/// A VsVip with the addresses that it has, where another system gave them: the controller
/// changes neither them nor the labels under which they are announced.
/// Source: L4 and network, B1.
pub(crate) fn keep_vips(
    key: &ObjectKey,
    body: Arc<Object>,
    desired: &Desired,
    inventory: &Inventory,
) -> Arc<Object> {
    if !desired.translator().facts().has_foreign_ipam {
        return body;
    }
    match (&*body, inventory.get(key).map(|observed| &*observed.body)) {
        (Object::VsVip(wanted), Some(Object::VsVip(observed))) => {
            Arc::new(Object::VsVip(wanted.with_vips_of(observed)))
        }
        _ => body,
    }
}

/// What of an object stays as it is on the controller: what its makers say, and the place of what
/// hosts share with one that is left alone, whose place cannot be told.
pub(crate) fn kept(key: &ObjectKey, desired: &Desired, inventory: &Inventory) -> Vec<Keep> {
    let is_shared = desired.is_placed_by_oldest(key) && inventory.cannot_be_told(key);
    desired.kept(key).into_iter().chain(is_shared.then_some(Keep::Place)).collect()
}

/// The body with what of the observed one is kept.
pub(crate) fn keep(kept: &[Keep], key: &ObjectKey, body: Arc<Object>, inventory: &Inventory) -> Arc<Object> {
    let Some(observed) = inventory.get(key).map(|observed| &observed.body) else { return body };
    let is_ours =
        |reference: &Ref| inventory::target(key, reference).is_some_and(|target| inventory.contains(&target));
    kept.iter().fold(body, |body, kept| {
        Arc::new(match kept {
            Keep::Place => body.placed_as(observed),
            Keep::Shape => body.shaped_as(observed, &is_ours),
            Keep::AllButServers | Keep::All | Keep::AsIs => observed.with_servers_of(&body),
        })
    })
}
