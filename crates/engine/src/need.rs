//! What an object needs, given what is wanted and what is there.

use std::sync::Arc;

use ako_avi_types::{Change, DnsInfo, Meta, Object, ObjectKey, Observed, Operation, VrfContext, VsVip};
use ako_translate::Keep;

use crate::agenda::Agenda;
use crate::desired::Desired;
use crate::inventory::{self, Inventory};
use crate::policy::Policy;
use crate::shield;

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

/// What was found out about an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    /// What it needs.
    pub(crate) need: Need,
    /// What it should refer to and does without.
    pub(crate) left_out: Vec<ObjectKey>,
}

/// Decides what an object needs.
///
/// Nothing is created before what it refers to is there, and nothing is
/// deleted while something refers to it; so whatever prefix of a plan is
/// carried out, no reference dangles. References to objects that the controller
/// refused are left out where the object makes sense without them, but not if it
/// refers to them already: then they are there, whatever else is known of them.
///
/// What is borrowed is not ours to create or delete, so there is nothing to be
/// done where it is not there, or not wanted, but for routes of ours in it.
pub(crate) fn of(
    key: &ObjectKey,
    policy: &Policy,
    desired: &Desired,
    inventory: &mut Inventory,
    agenda: &Agenda,
) -> Finding {
    let need = |need| Finding { need, left_out: Vec::new() };
    let Some(wanted) = desired.get(key) else {
        return need(deletion(key, policy, desired, inventory, agenda));
    };
    if desired.is_frozen(key) {
        return need(Need::Nothing);
    }
    let targets = inventory::targets(key, wanted);
    // What nobody asks for and is not ours is an object of the administrator, which was looked up.
    let is_missing = |target: &ObjectKey| {
        if inventory.contains(target) { agenda.is_leaving(target) } else { desired.get(target).is_some() }
    };
    let mut missing: Vec<_> = targets.into_iter().filter(is_missing).collect();
    // The last one is the last to be created, so that is when to look again.
    if let Some(last) = missing.iter().rev().find(|target| is_coming(target, desired, agenda)) {
        return need(Need::After(last.clone()));
    }
    if let Some(observed) = inventory.get(key).filter(|_| !missing.is_empty()) {
        let refers_to = inventory::targets(key, &observed.body);
        missing.retain(|target| agenda.is_leaving(target) || !refers_to.contains(target));
    }
    let body = effective(key, wanted, &missing);
    // What stays as it is does not come before its namespace is looked at anew, and then
    // this object is, too.
    missing.retain(|target| !desired.is_frozen(target));
    let Some(body) = body else {
        return need(missing.into_iter().next().map_or(Need::Nothing, Need::After));
    };
    let body = shield::keep_left_alone(key, body, desired, inventory);
    let body = shield::keep_names_where_they_are(key, body, inventory);
    let body = shield::keep_vips(key, body, desired, inventory);
    let body = if policy.repairs_disabled { shield::enable(key, body, inventory) } else { body };
    let kept = shield::kept(key, desired, inventory);
    let body = shield::keep(&kept, key, body, inventory);
    let operation = |change| Need::Ready(Operation { key: key.clone(), change });
    let need = match inventory.get(key).cloned() {
        None if key.kind.is_borrowed() => Need::Nothing,
        None if kept.contains(&Keep::AsIs) => Need::Nothing,
        None if kept.contains(&Keep::All) && inventory.serves_elsewhere(key, &body) => Need::Nothing,
        None => operation(Change::Create(body)),
        Some(_) if inventory.agrees(key, &body) && !is_outdated(key, &body, desired, inventory) => {
            Need::Nothing
        }
        Some(Observed { meta, .. }) => operation(Change::Update(meta, body)),
    };
    Finding { need, left_out: missing }
}

/// Whether something secret in an object has changed that this process has not written yet.
fn is_outdated(key: &ObjectKey, body: &Arc<Object>, desired: &Desired, inventory: &Inventory) -> bool {
    desired.is_outdated(key) && !inventory.was_written_as(key, body)
}

/// The wanted object without references to what is not there.
fn effective(key: &ObjectKey, wanted: &Arc<Object>, missing: &[ObjectKey]) -> Option<Arc<Object>> {
    if missing.is_empty() {
        return Some(wanted.clone());
    }
    wanted.without(&|reference| inventory::target(key, reference).is_some_and(|t| missing.contains(&t)))
}

fn deletion(
    key: &ObjectKey,
    policy: &Policy,
    desired: &Desired,
    inventory: &mut Inventory,
    agenda: &Agenda,
) -> Need {
    let Some(observed) = inventory.get(key) else { return Need::Nothing };
    if let Object::VrfContext(vrf) = &*observed.body {
        return routes_left_behind(key, vrf, &observed.meta, desired, inventory, agenda);
    }
    let may_delete = inventory.may_delete(key, desired.translator().shared_prefix());
    if key.kind.is_borrowed() || !may_delete {
        return Need::Nothing;
    }
    if is_held(key, policy, desired, inventory) {
        return match &*observed.body.clone() {
            Object::VsVip(vip) => names_moved_away(key, vip, policy, desired, inventory, agenda),
            _ => Need::Nothing,
        };
    }
    if is_of_the_former_role(observed, policy)
        && let Some(coming) = agenda.keys().find(|other| is_coming(other, desired, agenda))
    {
        return Need::After(coming.clone());
    }
    match inventory.referrers(key).next() {
        Some(referrer) => Need::After(referrer.clone()),
        None => Need::Ready(Operation { key: key.clone(), change: Change::Delete(observed.meta.clone()) }),
    }
}

/// What becomes of the VRF of a tier-1 router that nobody names any more: our routes in it go, once
/// nothing of ours is connected to the router.
fn routes_left_behind(
    key: &ObjectKey,
    vrf: &VrfContext,
    meta: &Meta,
    desired: &Desired,
    inventory: &Inventory,
    agenda: &Agenda,
) -> Need {
    let Some(router) = vrf.tier1_router.as_ref().filter(|_| desired.knows_all_vrfs()) else {
        return Need::Nothing;
    };
    let cluster = desired.translator().config().cluster_name.clone();
    let without = VrfContext { cluster, static_routes: Vec::new(), ..vrf.clone() };
    if without.ours(vrf).next().is_none() {
        return Need::Nothing;
    }
    match inventory.connected_to(router) {
        Some(user) if agenda.contains(user) => Need::After(user.clone()),
        Some(_) => Need::Nothing,
        None => {
            let change = Change::Update(meta.clone(), Arc::new(Object::VrfContext(without)));
            Need::Ready(Operation { key: key.clone(), change })
        }
    }
}

/// What becomes of a VsVip that nobody asks for and that stays: the names that another one is to have
/// go as soon as that has them. A name in two places would lead people to pods that are gone.
fn names_moved_away(
    key: &ObjectKey,
    vip: &VsVip,
    policy: &Policy,
    desired: &Desired,
    inventory: &mut Inventory,
    agenda: &Agenda,
) -> Need {
    let mut rest = vip.clone();
    for DnsInfo { fqdn } in &vip.dns_info {
        if inventory.is_left_alone(fqdn) {
            continue;
        }
        let Some(other) = desired.vsvips_named(fqdn).find(|other| *other != key) else { continue };
        if inventory.get(other).is_some_and(|observed| observed.body.has_dns_name(fqdn)) {
            rest.dns_info.retain(|info| info.fqdn != *fqdn);
        } else if of(other, policy, desired, inventory, agenda).need != Need::Nothing {
            return Need::After(other.clone());
        }
    }
    match inventory.get(key).filter(|_| rest != *vip) {
        Some(Observed { meta, .. }) => {
            let change = Change::Update(meta.clone(), Arc::new(Object::VsVip(rest)));
            Need::Ready(Operation { key: key.clone(), change })
        }
        None => Need::Nothing,
    }
}

/// Whether an object is from before this instance became the primary one: what replaces it
/// may have another name, and has to be there first.
fn is_of_the_former_role(observed: &Observed, policy: &Policy) -> bool {
    !policy.removing && observed.body.created_by().is_some_and(|owner| policy.is_former_owner(owner))
}

/// Whether an object is still to be made, or made equal, and can be.
fn is_coming(key: &ObjectKey, desired: &Desired, agenda: &Agenda) -> bool {
    desired.get(key).is_some() && !desired.is_frozen(key) && !agenda.is_refused(key)
}

/// Whether an object that nobody asks for stays, as something leads to it that stays as it is: what
/// is left alone, or kept by what asks for it. `deleteConfig` asks for the end of what is left
/// alone as well.
fn is_held(key: &ObjectKey, policy: &Policy, desired: &Desired, inventory: &Inventory) -> bool {
    let is_unwanted = |key: &ObjectKey| desired.get(key).is_none();
    let stays = |key: &ObjectKey| {
        if is_unwanted(key) {
            !policy.removing && inventory.why_left_alone(key).is_some()
        } else {
            desired.kept(key) >= Some(Keep::Shape)
        }
    };
    inventory.leading_to(key, &is_unwanted).iter().any(stays)
}
