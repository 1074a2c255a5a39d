//! Differences between a recorded and an actual result.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::canonical::{self, Rules};

/// What is known about addresses that the controller allocates. Their values
/// are never compared: they depend on the order of allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// The result is of a running operator: there must be an address.
    Allocated,
    /// The result was computed without a controller: whether there is an address
    /// is not compared either.
    Unknown,
}

/// How a result is compared with a recording.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Addresses that were asked for by name. These are compared.
    pub requested: BTreeSet<String>,
    /// What is expected of all others.
    pub addresses: Addresses,
}

impl Comparison {
    /// Differences between objects of the controller, in canonical form.
    pub fn avi(&self, expected: &Value, actual: &Value) -> Vec<Difference> {
        differences(&canonical::avi(expected, self.rules()), &canonical::avi(actual, self.rules()))
    }

    /// Differences between statuses.
    pub fn status(&self, expected: &Value, actual: &Value) -> Vec<Difference> {
        differences(&canonical::status(expected, self.rules()), &canonical::status(actual, self.rules()))
    }

    fn rules(&self) -> Rules<'_> {
        Rules { requested: &self.requested, addresses: self.addresses }
    }
}

/// [`Comparison::avi`] where no address was requested and the actual objects
/// may be without.
pub fn compare_avi(expected: &Value, actual: &Value) -> Vec<Difference> {
    Comparison { requested: BTreeSet::new(), addresses: Addresses::Unknown }.avi(expected, actual)
}

/// [`Comparison::status`] where no address was requested and the actual statuses
/// may be without.
pub fn compare_status(expected: &Value, actual: &Value) -> Vec<Difference> {
    Comparison { requested: BTreeSet::new(), addresses: Addresses::Unknown }.status(expected, actual)
}

/// One place where expected and actual differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Keys and indices from the root, joined by ` > `.
    pub path: String,
    /// None: there should be nothing.
    pub expected: Option<Value>,
    /// None: there is nothing.
    pub actual: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show =
            |value: &Option<Value>| value.as_ref().map_or_else(|| "(nothing)".to_owned(), Value::to_string);
        writeln!(f, "{}", self.path)?;
        writeln!(f, "    expected: {}", show(&self.expected))?;
        write!(f, "    actual:   {}", show(&self.actual))
    }
}

fn differences(expected: &Value, actual: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(&mut Vec::new(), Some(expected), Some(actual), &mut found);
    found
}

fn walk(
    path: &mut Vec<String>,
    expected: Option<&Value>,
    actual: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    match (expected, actual) {
        (Some(Value::Object(expected)), Some(Value::Object(actual))) => {
            let keys: BTreeSet<&String> = expected.keys().chain(actual.keys()).collect();
            for key in keys {
                path.push(key.clone());
                walk(path, expected.get(key), actual.get(key), found);
                path.pop();
            }
        }
        (Some(Value::Array(expected)), Some(Value::Array(actual))) => {
            for index in 0..expected.len().max(actual.len()) {
                path.push(index.to_string());
                walk(path, expected.get(index), actual.get(index), found);
                path.pop();
            }
        }
        (expected, actual) if expected == actual => {}
        (expected, actual) => found.push(Difference {
            path: path.join(" > "),
            expected: expected.cloned(),
            actual: actual.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn recorded() -> Value {
        json!({
            "pool": {"admin/p": {
                "cloud_config_cksum": "1",
                "servers": [
                    {"ip": {"addr": "10.0.0.1", "type": "V4"}, "port": 80},
                    {"ip": {"addr": "10.0.0.2", "type": "V4"}, "port": 80},
                ],
                "markers": [{"key": "a", "values": ["1"]}, {"key": "b", "values": ["2"]}],
                "service_metadata": r#"{"namespace_ingress_name":["default/a","default/b"],"x":null}"#,
            }},
            "vsvip": {"admin/v": {
                "dns_info": [{"fqdn": "a.com"}, {"fqdn": "b.com"}],
                "vip": [{"vip_id": "0", "ip_address": {"addr": "100.64.0.10", "type": "V4"}}],
            }},
            "vsdatascriptset": {"admin/d": {
                "datascript": [{"evt": "VS_DATASCRIPT_EVT_HTTP_REQ", "script": "<any>"}],
                "pool_group_refs": ["/api/poolgroup?name=a", "/api/poolgroup?name=b"],
            }},
            "httppolicyset": {"admin/h": {"match": {"host_hdr": {"value": ["a.com", "b.com"]}}}},
            "vrfcontext": {"admin/global": {"static_routes": [
                route("10.1.0.0", "c1-6a7e4b36-5a49-45c6-9c7a-000000000001-0"),
                route("10.2.0.0", "c1-6a7e4b36-5a49-45c6-9c7a-000000000002-0"),
            ]}},
        })
    }

    fn route(prefix: &str, id: &str) -> Value {
        json!({
            "labels": [{"key": "clustername", "value": "c1"}],
            "next_hop": {"addr": "10.10.0.11"},
            "prefix": {"ip_addr": {"addr": prefix}, "mask": 24},
            "route_id": id,
        })
    }

    fn paths(differences: &[Difference]) -> Vec<&str> {
        differences.iter().map(|difference| difference.path.as_str()).collect()
    }

    fn live(requested: &[&str]) -> Comparison {
        let requested = requested.iter().map(ToString::to_string).collect();
        Comparison { requested, addresses: Addresses::Allocated }
    }

    #[test]
    fn order_inside_sets_does_not_matter() {
        let mut actual = recorded();
        let lists = [
            "/pool/admin~1p/servers",
            "/pool/admin~1p/markers",
            "/vsvip/admin~1v/dns_info",
            "/vsdatascriptset/admin~1d/pool_group_refs",
            "/httppolicyset/admin~1h/match/host_hdr/value",
            "/vrfcontext/admin~1global/static_routes",
        ];
        for list in lists {
            actual.pointer_mut(list).unwrap().as_array_mut().unwrap().reverse();
        }
        actual["pool"]["admin/p"]["service_metadata"] =
            r#"{"namespace_ingress_name":["default/b","default/a"],"x":null}"#.into();
        assert_eq!(compare_avi(&recorded(), &actual), []);
    }

    #[test]
    fn order_of_other_lists_matters() {
        let expected = json!({"pool": {"admin/p": {"health_monitor_refs": ["a", "b"]}}});
        let actual = json!({"pool": {"admin/p": {"health_monitor_refs": ["b", "a"]}}});
        assert_eq!(compare_avi(&expected, &actual).len(), 2);
    }

    #[test]
    fn a_changed_checksum_is_found() {
        let mut actual = recorded();
        actual["pool"]["admin/p"]["cloud_config_cksum"] = "2".into();
        let found = compare_avi(&recorded(), &actual);
        assert_eq!(paths(&found), ["pool > admin/p > cloud_config_cksum"]);
        assert_eq!(
            found[0].to_string(),
            "pool > admin/p > cloud_config_cksum\n    expected: \"1\"\n    actual:   \"2\""
        );
    }

    #[test]
    fn a_changed_member_of_a_set_is_named() {
        let mut actual = recorded();
        actual["pool"]["admin/p"]["servers"][1]["port"] = 81.into();
        assert_eq!(
            paths(&compare_avi(&recorded(), &actual)),
            ["pool > admin/p > servers > 10.0.0.2:80", "pool > admin/p > servers > 10.0.0.2:81"]
        );
    }

    #[test]
    fn missing_and_additional_objects_are_found() {
        let mut actual = recorded();
        let pools = actual["pool"].as_object_mut().unwrap();
        let pool = pools.remove("admin/p").unwrap();
        pools.insert("admin/q".to_owned(), pool);
        let found = compare_avi(&recorded(), &actual);
        assert_eq!(paths(&found), ["pool > admin/p", "pool > admin/q"]);
        assert!(found[0].actual.is_none() && found[1].expected.is_none());
    }

    #[test]
    fn a_duplicate_in_a_set_is_found() {
        let mut actual = recorded();
        let names = actual["vsvip"]["admin/v"]["dns_info"].as_array_mut().unwrap();
        names.push(json!({"fqdn": "b.com"}));
        assert_eq!(paths(&compare_avi(&recorded(), &actual)), ["vsvip > admin/v > dns_info > b.com (2)"]);
    }

    #[test]
    fn scripts_and_node_uids_are_ignored() {
        let mut actual = recorded();
        actual["vsdatascriptset"]["admin/d"]["datascript"][0]["script"] = "return".into();
        actual["vrfcontext"]["admin/global"]["static_routes"][0]["route_id"] = "c1-another-uid-0".into();
        assert_eq!(compare_avi(&recorded(), &actual), []);
        actual["vrfcontext"]["admin/global"]["static_routes"][0]["route_id"] = "c1-another-uid-1".into();
        assert_eq!(compare_avi(&recorded(), &actual).len(), 1);
    }

    #[test]
    fn an_automatic_address_may_differ_but_must_exist_live() {
        let mut actual = recorded();
        actual["vsvip"]["admin/v"]["vip"][0]["ip_address"]["addr"] = "100.64.0.99".into();
        assert_eq!(compare_avi(&recorded(), &actual), []);
        assert_eq!(live(&[]).avi(&recorded(), &actual), []);
        actual["vsvip"]["admin/v"]["vip"][0].as_object_mut().unwrap().remove("ip_address");
        assert_eq!(compare_avi(&recorded(), &actual), []);
        assert_eq!(paths(&live(&[]).avi(&recorded(), &actual)), ["vsvip > admin/v > vip > 0 > ip_address"]);
    }

    #[test]
    fn a_requested_address_is_compared() {
        let mut actual = recorded();
        actual["vsvip"]["admin/v"]["vip"][0]["ip_address"]["addr"] = "100.64.0.99".into();
        let found = live(&["100.64.0.10"]).avi(&recorded(), &actual);
        assert_eq!(paths(&found), ["vsvip > admin/v > vip > 0 > ip_address > addr"]);
    }

    #[test]
    fn statuses_are_compared_without_uuids_and_automatic_addresses() {
        let status = |uuid: &str, ip: &str, host: &str| {
            json!({"ingresses/default/a": {
                "annotations": {"m": format!(r#"{{"a.com":"virtualservice-{uuid}","b.com":"virtualservice-{uuid}"}}"#)},
                "loadBalancer": {"ingress": [{"hostname": host, "ip": ip}]},
            }})
        };
        let expected = status("UUID", "100.64.0.10", "a.com");
        let same = status("0a4d0c7e-2f0a-4c44-8a9e-5a0e0b8c1d2f", "100.64.0.11", "a.com");
        assert_eq!(compare_status(&expected, &same), []);
        assert_eq!(live(&[]).status(&expected, &same), []);
        assert_eq!(live(&["100.64.0.10"]).status(&expected, &same).len(), 1);
        assert_eq!(compare_status(&expected, &status("UUID", "100.64.0.10", "b.com")).len(), 1);
        assert_eq!(compare_status(&expected, &json!({})).len(), 1);
    }
}
