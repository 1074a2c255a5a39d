//! The rules between virtual services, their parents and their VsVips (Avi REST API
//! contract, §8.15).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::defaults::elements;
use crate::reference;
use crate::refusal::{Granted, Refusal};
use crate::store::{Fields, Object, Store};

const CHILD: &str = "VS_TYPE_VH_CHILD";
const PARENT: &str = "VS_TYPE_VH_PARENT";
const ENHANCED: &str = "VS_TYPE_VH_ENHANCED";

/// Checks a defaulted virtual service against its neighbours. `uuid` is its own,
/// if it exists already.
pub(crate) fn check(store: &Store, uuid: Option<&str>, object: &Fields) -> Granted<()> {
    if text(object, "type") == CHILD {
        check_child(store, uuid, object)
    } else {
        check_vsvip(store, uuid, object)
    }
}

fn text<'a>(object: &'a Fields, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn refuse<T>(detail: &str) -> Granted<T> {
    Err(Refusal::invalid(format!("VirtualService: {detail}")))
}

fn check_child(store: &Store, uuid: Option<&str>, object: &Fields) -> Granted<()> {
    let parent = reference::field(object, "vh_parent_vs_ref").and_then(|uuid| store.get(uuid));
    let Some(parent) = parent else { return refuse("vh_parent_vs_ref is required for a child") };
    if text(&parent.full, "type") != PARENT {
        return refuse("vh_parent_vs_ref must refer to a virtual hosting parent");
    }
    if text(&parent.full, "vh_type") != text(object, "vh_type") {
        return refuse("vh_type of child and parent differ");
    }
    if object.contains_key("vsvip_ref") || elements(object, "services").next().is_some() {
        return refuse("a child has neither vsvip_ref nor services");
    }
    let hosted = hosted(object);
    if hosted.is_empty() {
        return refuse("a child needs vh_domain_name or vh_matches");
    }
    let siblings = store.referrers(&parent.uuid).filter(|other| is_other(other, uuid));
    for sibling in siblings.filter(|other| text(&other.full, "type") == CHILD) {
        if let Some(taken) = self::hosted(&sibling.full).intersection(&hosted).next() {
            let error = format!("{taken} is already served by {}", sibling.name);
            return refuse(&error);
        }
    }
    Ok(())
}

fn is_other(object: &Object, uuid: Option<&str>) -> bool {
    object.kind.path == "virtualservice" && Some(&*object.uuid) != uuid
}

/// What a child answers for: domain names, or hosts and paths of an enhanced child.
fn hosted(object: &Fields) -> BTreeSet<String> {
    if text(object, "vh_type") != ENHANCED {
        let names = elements(object, "vh_domain_name").filter_map(Value::as_str);
        return names.map(str::to_ascii_lowercase).collect();
    }
    let mut hosted = BTreeSet::new();
    for matched in elements(object, "vh_matches") {
        let host = matched["host"].as_str().unwrap_or_default().to_ascii_lowercase();
        for rule in matched["rules"].as_array().into_iter().flatten() {
            hosted.insert(format!("{host} {}", rule["matches"]));
        }
        if matched["rules"].as_array().is_none_or(Vec::is_empty) {
            hosted.insert(host);
        }
    }
    hosted
}

fn check_vsvip(store: &Store, uuid: Option<&str>, object: &Fields) -> Granted<()> {
    let vsvip = reference::field(object, "vsvip_ref").and_then(|uuid| store.get(uuid));
    let Some(vsvip) = vsvip else { return refuse("vsvip_ref is required") };
    for key in ["cloud_ref", "vrf_context_ref"] {
        if vsvip.full.get(key) != object.get(key) {
            return refuse(&format!("{key} of virtual service and VsVip differ"));
        }
    }
    let own = listeners(store, object);
    for other in store.referrers(&vsvip.uuid).filter(|other| is_other(other, uuid)) {
        let theirs = listeners(store, &other.full);
        let clash = own.iter().find(|a| theirs.iter().any(|b| a.overlaps(b)));
        if let Some(clash) = clash {
            let port = clash.ports.0;
            return refuse(&format!("port {port} of the VsVip is already used by {}", other.name));
        }
    }
    Ok(())
}

/// A port range of one protocol.
struct Listener<'a> {
    protocol: &'a str,
    ports: (u64, u64),
}

impl Listener<'_> {
    fn overlaps(&self, other: &Listener<'_>) -> bool {
        self.protocol == other.protocol && self.ports.0 <= other.ports.1 && other.ports.0 <= self.ports.1
    }
}

fn listeners<'a>(store: &'a Store, object: &'a Fields) -> Vec<Listener<'a>> {
    let services = elements(object, "services").filter_map(Value::as_object);
    services
        .map(|service| {
            let port = service.get("port").and_then(Value::as_u64).unwrap_or_default();
            let end = service.get("port_range_end").and_then(Value::as_u64).unwrap_or(port);
            let profile = reference::field(service, "override_network_profile_ref")
                .or_else(|| reference::field(object, "network_profile_ref"));
            Listener { protocol: protocol(store, profile), ports: (port, end.max(port)) }
        })
        .collect()
}

fn protocol<'a>(store: &'a Store, profile: Option<&str>) -> &'a str {
    let profile = profile.and_then(|uuid| store.get(uuid)).and_then(|object| object.full.get("profile"));
    let kind = profile.and_then(|profile| profile["type"].as_str()).unwrap_or_default();
    ["UDP", "SCTP"].into_iter().find(|name| kind.contains(name)).unwrap_or("TCP")
}
