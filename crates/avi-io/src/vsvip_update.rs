//! The update of a VsVip: our fields put into what the controller holds.
//!
//! A VsVip carries addresses that the controller allocated and fields that
//! operators set; both have to survive. Source: Avi REST API contract, §8.1
//! and §14.17.

use ako_avi_types::Ref;
use serde_json::{Map, Value};

/// Lists that are ours as a whole: not sent means none.
const OUR_LISTS: [&str; 3] = ["bgp_peer_labels", "dns_info", "markers"];
/// The same inside of a `vip`.
const OUR_VIP_LISTS: [&str; 1] = ["placement_networks"];
const ADDRESSES: [&str; 3] = ["ip_address", "ip6_address", "floating_ip"];

/// The body of the `PUT`: what was read, with the wanted fields in it.
pub(crate) fn onto(mut read: Value, wanted: Value) -> Value {
    let (Some(fields), Value::Object(mut wanted)) = (read.as_object_mut(), wanted) else { return read };
    let vips = wanted.remove("vip").unwrap_or_default();
    let names = wanted.remove("dns_info").unwrap_or_default();
    let names = each_onto(fields.get("dns_info"), names, "fqdn", |entry, name| overlay(entry, name, &[]));
    let vips = each_onto(fields.get("vip"), vips, "vip_id", vip_onto);
    wanted.insert("dns_info".into(), names);
    overlay(fields, wanted, &OUR_LISTS);
    fields.insert("vip".into(), vips);
    read
}

/// The wanted entries, each put onto the one with the same key that was read.
fn each_onto(
    read: Option<&Value>,
    wanted: Value,
    key: &str,
    put: impl Fn(&mut Map<String, Value>, Map<String, Value>),
) -> Value {
    let read = read.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let Value::Array(wanted) = wanted else { return Value::Array(Vec::new()) };
    let merged = wanted.into_iter().map(|entry| {
        let Value::Object(entry) = entry else { return entry };
        let same = read.iter().find(|r| r.get(key) == entry.get(key)).and_then(Value::as_object);
        let mut base = same.cloned().unwrap_or_default();
        put(&mut base, entry);
        Value::Object(base)
    });
    Value::Array(merged.collect())
}

/// An allocated address stays unless another one is asked for; an empty one is
/// an error to the controller (`Bad pb`).
fn vip_onto(vip: &mut Map<String, Value>, mut wanted: Map<String, Value>) {
    if same_network(vip.get("ipam_network_subnet"), wanted.get("ipam_network_subnet")) {
        wanted.remove("ipam_network_subnet");
    }
    for address in ADDRESSES {
        if wanted.get(address).is_some_and(is_empty_address) {
            wanted.remove(address);
        }
    }
    overlay(vip, wanted, &OUR_VIP_LISTS);
    for address in ADDRESSES {
        if vip.get(address).is_some_and(is_empty_address) {
            vip.remove(address);
        }
    }
}

/// Puts fields in; those of `whole` that are not wanted are taken out. A
/// reference that leads to the same object stays as the controller spells it.
fn overlay(fields: &mut Map<String, Value>, wanted: Map<String, Value>, whole: &[&str]) {
    for list in whole {
        if !wanted.contains_key(*list) {
            fields.remove(*list);
        }
    }
    for (key, value) in wanted {
        if !fields.get(&key).is_some_and(|read| same_reference(read, &value)) {
            fields.insert(key, value);
        }
    }
}

/// Whether what the controller holds is the wanted network, and the wanted
/// subnets as far as any are wanted.
fn same_network(read: Option<&Value>, wanted: Option<&Value>) -> bool {
    let (Some(read), Some(wanted)) = (read.and_then(Value::as_object), wanted.and_then(Value::as_object))
    else {
        return false;
    };
    wanted
        .iter()
        .all(|(key, value)| read.get(key).is_some_and(|read| read == value || same_reference(read, value)))
}

fn same_reference(read: &Value, wanted: &Value) -> bool {
    match (read.as_str(), wanted.as_str()) {
        (Some(read), Some(wanted)) if wanted.starts_with("/api/") => {
            Ref::parse(wanted).matches(&Ref::parse(read))
        }
        _ => false,
    }
}

fn is_empty_address(value: &Value) -> bool {
    value.get("addr").and_then(Value::as_str).is_none_or(str::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stored() -> Value {
        json!({
            "uuid": "vsvip-1", "name": "c--a", "_last_modified": "7", "ipam_selector": {"labels": []},
            "cloud_ref": "https://c/api/cloud/cloud-1#Default-Cloud",
            "dns_info": [{"fqdn": "a.x", "ttl": 30}, {"fqdn": "b.x", "ttl": 60}],
            "bgp_peer_labels": ["old"],
            "vip": [{"vip_id": "0", "enabled": false, "auto_allocate_ip": true,
                "ip_address": {"addr": "10.0.0.5", "type": "V4"}, "ip6_address": {},
                "ipam_network_subnet": {"network_ref": "https://c/api/network/n-1#net", "subnet": {"mask": 24}}}],
        })
    }

    #[test]
    fn fields_and_addresses_that_are_not_ours_survive() {
        let wanted = json!({"name": "c--a", "cloud_ref": "/api/cloud?name=Default-Cloud",
            "dns_info": [{"fqdn": "b.x"}, {"fqdn": "c.x"}],
            "vip": [{"vip_id": "0", "auto_allocate_ip": true, "ip6_address": {"addr": "", "type": "V6"},
                "ipam_network_subnet": {"network_ref": "/api/network?name=net"}}]});
        let mut expected = stored();
        expected["dns_info"] = json!([{"fqdn": "b.x", "ttl": 60}, {"fqdn": "c.x"}]);
        expected["vip"][0].as_object_mut().unwrap().remove("ip6_address");
        expected.as_object_mut().unwrap().remove("bgp_peer_labels");
        assert_eq!(onto(stored(), wanted), expected);
    }

    #[test]
    fn a_fixed_address_and_another_network_are_taken() {
        let wanted = json!({"name": "c--a", "vip": [{"vip_id": "0", "auto_allocate_ip": true,
            "ip_address": {"addr": "10.0.0.9", "type": "V4"},
            "ipam_network_subnet": {"network_ref": "/api/network?name=other"}}, {"vip_id": "1"}]});
        let body = onto(stored(), wanted);
        assert_eq!(body["vip"][0]["ip_address"]["addr"], "10.0.0.9");
        assert_eq!(body["vip"][0]["ipam_network_subnet"], json!({"network_ref": "/api/network?name=other"}));
        assert_eq!(body["vip"][0]["enabled"], false);
        assert_eq!(body["vip"][1], json!({"vip_id": "1"}));
        assert_eq!(body["dns_info"], json!([]));
    }
}
