//! VRFs, and the static routes in them by which pods are reached.
//! Source: L4 and network, B6.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::body::{Body, named};
use crate::change::FieldChange;
use crate::loss::Losses;
use crate::pool::{IpAddress, Subnet};
use crate::reference::Ref;
use crate::service_engine_group::Label;

/// `/api/vrfcontext`, as far as it matters to us.
/// Source: Avi REST API contract, §8.10.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VrfContext {
    /// Its name.
    pub name: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub tenant_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub cloud_ref: Option<Ref>,
    /// Read: the path of the tier-1 router that NSX-T maps it to, if it is one of those.
    #[serde(skip_serializing, default, rename = "attrs", deserialize_with = "mapped_to")]
    pub tier1_router: Option<Arc<str>>,
    /// The cluster whose routes are wanted; nobody's in what was read.
    #[serde(skip)]
    pub cluster: Arc<str>,
    /// Wanted: all of the cluster's. Read: everybody's, as far as they can be
    /// understood. A set: kept sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "understood")]
    pub static_routes: Vec<StaticRoute>,
}

/// A route to a subnet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StaticRoute {
    /// Where it leads to.
    pub prefix: Subnet,
    /// By which address.
    pub next_hop: IpAddress,
    /// What tells it from the others.
    #[serde(default)]
    pub route_id: Arc<str>,
    /// Whose it is; at most one, says the controller.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
}

/// Where a route leads to, whatever way it is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix(Text, u8);

/// An address, or a text that is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Text {
    Address(IpAddr),
    Other(Arc<str>),
}

impl Text {
    fn of(address: &IpAddress) -> Self {
        address.addr.parse().map_or_else(|_| Self::Other(address.addr.clone()), Self::Address)
    }
}

impl StaticRoute {
    /// Where it leads to.
    pub fn destination(&self) -> Prefix {
        Prefix(Text::of(&self.prefix.ip_addr), self.prefix.mask)
    }

    fn is_of(&self, cluster: &str) -> bool {
        self.labels.iter().any(|label| label.names(cluster))
    }

    fn path(&self) -> String {
        format!("static_routes[{}/{}]", self.prefix.ip_addr.addr, self.prefix.mask)
    }

    fn way(&self) -> String {
        format!("via {}", self.next_hop.addr)
    }
}

impl VrfContext {
    /// The routes in another VRF that are of the cluster whose routes are wanted
    /// here.
    pub fn ours<'a>(&'a self, observed: &'a Self) -> impl Iterator<Item = &'a StaticRoute> {
        observed.static_routes.iter().filter(|route| route.is_of(&self.cluster))
    }

    /// Where no route leads any more that one of ours leads to now.
    pub fn lost(&self, observed: &Self) -> BTreeSet<Prefix> {
        let kept = self.destinations();
        self.ours(observed).map(StaticRoute::destination).filter(|prefix| !kept.contains(prefix)).collect()
    }

    /// Where routes lead to.
    pub fn destinations(&self) -> BTreeSet<Prefix> {
        self.static_routes.iter().map(StaticRoute::destination).collect()
    }

    /// The same with those of our routes in another VRF that lead to one of the
    /// prefixes.
    #[must_use]
    pub fn keeping(&self, observed: &Self, is_kept: impl Fn(&Prefix) -> bool) -> Self {
        let mut kept = self.clone();
        let mut ids: BTreeSet<_> = self.static_routes.iter().map(|route| route.route_id.clone()).collect();
        for route in self.ours(observed).filter(|route| is_kept(&route.destination())) {
            let mut route = route.clone();
            while !ids.insert(route.route_id.clone()) {
                route.route_id = format!("{}-kept", route.route_id).into();
            }
            kept.static_routes.push(route);
        }
        kept.static_routes.sort();
        kept
    }

    fn is_ours(&self, route: &Value) -> bool {
        let labels = route.get("labels").and_then(Value::as_array).into_iter().flatten();
        let mut labels = labels.filter_map(|label| Label::deserialize(label).ok());
        labels.any(|label| label.names(&self.cluster))
    }
}

impl Body for VrfContext {
    const HAS_CREATED_BY: bool = false;
    const HAS_CLOUD: bool = true;

    named!();

    fn normalise(&mut self) {
        self.static_routes.sort();
    }

    fn keep_serving(&mut self, old: &Self) {
        let lost = self.lost(old);
        *self = self.keeping(old, |prefix| lost.contains(prefix));
    }

    fn count_losses(&self, old: &Self, losses: &mut Losses) {
        losses.routes = self.lost(old).len();
    }

    /// What has to change of our routes. Their ids mean nothing: AKO draws new
    /// ones at every start.
    fn differences(&self, observed: &Self) -> Vec<FieldChange> {
        let mut left: BTreeMap<_, Vec<&StaticRoute>> = BTreeMap::new();
        for route in self.ours(observed) {
            left.entry(route.destination()).or_default().push(route);
        }
        let mut changes = Vec::new();
        for route in &self.static_routes {
            let there = left.get_mut(&route.destination()).map(std::mem::take).unwrap_or_default();
            let same = |other: &&StaticRoute| Text::of(&other.next_hop) == Text::of(&route.next_hop);
            let (one, others): (Vec<_>, Vec<_>) = there.into_iter().partition(same);
            if one.len() == 1 && others.is_empty() {
                continue;
            }
            let ways: Vec<_> = one.iter().chain(&others).map(|route| route.way()).collect();
            changes.push(FieldChange {
                path: route.path(),
                observed: (!ways.is_empty()).then(|| ways.join(", ")),
                wanted: Some(route.way()),
            });
        }
        let gone = left.into_values().flatten();
        changes.extend(gone.map(|route| FieldChange {
            path: route.path(),
            observed: Some(route.way()),
            wanted: None,
        }));
        changes
    }

    /// What was read, with our routes replaced: every other one stays as it is
    /// and where it is, whoever put it there.
    fn onto(&self, mut read: Value) -> Result<Value, String> {
        let Some(fields) = read.as_object_mut() else { return Ok(read) };
        let held = fields.get_mut("static_routes").map(Value::take).unwrap_or_default();
        let held = if let Value::Array(routes) = held { routes } else { Vec::new() };
        let others = held.into_iter().filter(|route| !self.is_ours(route));
        let ours = self.static_routes.iter().filter_map(|route| serde_json::to_value(route).ok());
        fields.insert("static_routes".to_owned(), Value::Array(others.chain(ours).collect()));
        Ok(read)
    }
}

/// The path of the tier-1 router that NSX-T maps a VRF to, if it is one of those.
/// Source: L4 and network, B3.
pub fn tier1_router(vrf: &Value) -> Option<&str> {
    router_of(vrf.get("attrs")?)
}

fn router_of(attributes: &Value) -> Option<&str> {
    let mut attributes = attributes.as_array().into_iter().flatten();
    let mapping =
        attributes.find(|attribute| attribute.get("key").and_then(Value::as_str) == Some("tier1path"));
    mapping?.get("value")?.as_str()
}

fn mapped_to<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
    let attributes = Option::<Value>::deserialize(deserializer)?.unwrap_or_default();
    Ok(router_of(&attributes).map(Arc::from))
}

/// The routes that can be understood. Whatever the others are, they are not
/// ours to judge.
fn understood<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<StaticRoute>, D::Error> {
    let routes = Option::<Vec<Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(routes.into_iter().filter_map(|route| serde_json::from_value(route).ok()).collect())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn route(prefix: &str, hop: &str, id: &str) -> StaticRoute {
        let (address, mask) = prefix.split_once('/').unwrap();
        StaticRoute {
            prefix: Subnet { ip_addr: IpAddress::new(address), mask: mask.parse().unwrap() },
            next_hop: IpAddress::new(hop),
            route_id: id.into(),
            labels: vec![Label::of_cluster("c1")],
        }
    }

    fn wanted(routes: &[StaticRoute]) -> VrfContext {
        let static_routes = routes.to_vec();
        VrfContext { name: "global".into(), cluster: "c1".into(), static_routes, ..VrfContext::default() }
    }

    fn read(routes: &Value) -> VrfContext {
        serde_json::from_value(json!({"name": "global", "static_routes": routes})).unwrap()
    }

    /// What others may have put into a VRF.
    fn foreign() -> Vec<Value> {
        let of = |labels: Value| {
            let prefix = json!({"ip_addr": {"addr": "10.9.0.0", "type": "V4"}, "mask": 24});
            json!({"route_id": "c1-9", "prefix": prefix, "next_hop": {"addr": "10.0.0.9", "type": "V4"},
                "labels": labels, "disable_gateway_monitor": true})
        };
        vec![
            of(json!([{"key": "clustername", "value": "c10"}])),
            of(json!([{"key": "clustername", "value": "c"}])),
            of(json!([{"key": "team", "value": "c1"}])),
            of(json!([])),
            of(Value::Null),
            json!({"route_id": "1", "if_name": "eth1"}),
            json!("no route"),
        ]
    }

    fn ours(id: &str) -> Value {
        serde_json::to_value(route("10.1.0.0/24", "10.0.0.1", id)).unwrap()
    }

    #[test]
    fn only_our_routes_are_replaced() {
        let mut routes = foreign();
        routes.insert(2, ours("old"));
        let vrf = json!({"uuid": "u", "name": "global", "bgp_profile": {"a": 1}, "static_routes": routes});
        let new = route("10.2.0.0/24", "10.0.0.2", "c1-u-0");
        let mut expected = foreign();
        expected.push(serde_json::to_value(&new).unwrap());
        let after = wanted(std::slice::from_ref(&new)).onto(vrf.clone()).unwrap();
        assert_eq!(after["static_routes"], Value::Array(expected));
        assert_eq!((&after["bgp_profile"], &after["uuid"]), (&vrf["bgp_profile"], &vrf["uuid"]));
        assert_eq!(wanted(&[]).onto(json!({"name": "global"})).unwrap()["static_routes"], json!([]));
    }

    proptest! {
        #[test]
        fn whatever_is_not_ours_stays_in_order(
            labels in vec(option::of(("[a-z]{1,3}|clustername", "c[0-9]{0,2}")), 0..12),
            count in 0_u8..4,
        ) {
            let held: Vec<Value> = labels.iter().zip(0..).map(|(label, n)| {
                let labels = label.iter().map(|(key, value)| json!({"key": key, "value": value}));
                json!({"route_id": n.to_string(), "labels": labels.collect::<Vec<_>>(), "unknown": n})
            }).collect();
            let is_ours = |route: &&Value| route["labels"][0] == json!({"key": "clustername", "value": "c1"});
            let others: Vec<Value> = held.iter().filter(|route| !is_ours(route)).cloned().collect();
            let new: Vec<_> =
                (0..count).map(|n| route(&format!("10.{n}.0.0/24"), "10.0.0.1", &n.to_string())).collect();
            let after = wanted(&new).onto(json!({"name": "global", "static_routes": held})).unwrap();
            let after = after["static_routes"].as_array().unwrap();
            prop_assert_eq!(&after[..others.len()], &others[..]);
            prop_assert_eq!(after.len(), others.len() + new.len());
            prop_assert_eq!(wanted(&new).differences(&read(&Value::Array(after.clone()))), []);
        }
    }

    #[test]
    fn ids_and_the_routes_of_others_are_no_difference() {
        let mut routes = foreign();
        routes.push(ours("c1-random-7"));
        let observed = read(&Value::Array(routes));
        assert_eq!(wanted(&[route("10.1.0.0/24", "10.0.0.1", "c1-u-0")]).differences(&observed), []);
        let other = wanted(&[route("10.1.0.0/24", "10.0.0.3", "a"), route("fd00::/64", "fd01::1", "b")]);
        let changes: Vec<_> = other.differences(&observed).iter().map(ToString::to_string).collect();
        assert_eq!(
            changes,
            [
                "static_routes[10.1.0.0/24]: via 10.0.0.1 -> via 10.0.0.3",
                "static_routes[fd00::/64]: (absent) -> via fd01::1",
            ]
        );
        let none: Vec<_> = wanted(&[]).differences(&observed).iter().map(ToString::to_string).collect();
        assert_eq!(none, ["static_routes[10.1.0.0/24]: via 10.0.0.1 -> (absent)"]);
        let twice = read(&json!([ours("a"), ours("b")]));
        assert_eq!(wanted(&[route("10.1.0.0/24", "10.0.0.1", "c1-u-0")]).differences(&twice).len(), 1);
    }

    #[test]
    fn an_address_is_the_same_however_it_is_written() {
        let observed = wanted(&[route("fd00:0:0::/64", "fd01:0::1", "a")]);
        assert_eq!(wanted(&[route("fd00::/64", "fd01::1", "b")]).differences(&observed), []);
    }

    #[test]
    fn what_is_kept_has_an_id_of_its_own() {
        let observed =
            wanted(&[route("10.1.0.0/24", "10.0.0.1", "x"), route("10.2.0.0/24", "10.0.0.1", "y")]);
        let new = wanted(&[route("10.3.0.0/24", "10.0.0.1", "x")]);
        let lost = new.lost(&observed);
        assert_eq!(lost.len(), 2);
        let kept = new.keeping(&observed, |prefix| lost.contains(prefix));
        let ids: Vec<_> = kept.static_routes.iter().map(|route| &*route.route_id).collect();
        assert_eq!(ids, ["x-kept", "y", "x"]);
        assert!(kept.lost(&observed).is_empty());
    }
}
