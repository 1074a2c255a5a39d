//! Networks of the controller, and which of several with one name is meant.
//! Source: L4 and network, B8, B9.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use crate::reference::Ref;

/// A network, as far as it matters to what is placed in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Its name. On vCenter it need not be the only one of that name.
    pub name: Arc<str>,
    /// Its uuid.
    pub uuid: Arc<str>,
    /// The name of the VRF that it lies in.
    pub vrf: Option<Arc<str>>,
    /// Its configured subnets, as `<address>/<bits>`.
    pub subnets: Vec<Arc<str>>,
    /// Whether it was chosen among several of its name, so that the name does not say which
    /// one is meant.
    pub has_namesakes: bool,
}

/// The hosts that a network is on, each by its reference.
pub type Hosts = BTreeSet<Arc<str>>;

impl Network {
    /// Reads an object of `/api/network`.
    pub fn read(body: &Value) -> Self {
        let text = |field| body.get(field).and_then(Value::as_str);
        let subnets = body.get("configured_subnets").and_then(Value::as_array).into_iter().flatten();
        Self {
            name: text("name").unwrap_or_default().into(),
            uuid: text("uuid").unwrap_or_default().into(),
            vrf: text("vrf_context_ref").and_then(|reference| Ref::parse(reference).name),
            subnets: subnets.filter_map(|subnet| prefix(subnet.get("prefix")?)).collect(),
            has_namesakes: false,
        }
    }

    fn has_subnet(&self, cidr: &str) -> bool {
        self.subnets
            .iter()
            .any(|subnet| **subnet == *cidr || parsed(cidr).is_some_and(|c| parsed(subnet) == Some(c)))
    }
}

fn prefix(prefix: &Value) -> Option<Arc<str>> {
    let address = prefix.pointer("/ip_addr/addr")?.as_str()?;
    Some(format!("{address}/{}", prefix.get("mask")?.as_u64()?).into())
}

fn parsed(cidr: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = cidr.split_once('/')?;
    Some((address.parse().ok()?, bits.parse().ok()?))
}

/// The hosts of an object of `/api/vimgrnwruntime`.
pub fn hosts(runtime: &Value) -> Hosts {
    let hosts = runtime.get("host_refs").and_then(Value::as_array).into_iter().flatten();
    hosts.filter_map(Value::as_str).map(Arc::from).collect()
}

/// Those networks of one name that have all the subnets that are asked for; all of them if
/// none has.
pub fn with_subnets(mut found: Vec<Network>, cidrs: &[Arc<str>]) -> Vec<Network> {
    let several = found.len() > 1;
    for network in &mut found {
        network.has_namesakes = several;
    }
    let has_all = |network: &Network| cidrs.iter().all(|cidr| network.has_subnet(cidr));
    if found.iter().any(has_all) {
        found.retain(has_all);
    }
    found
}

/// The one of several networks that is on most of the hosts that the management network is
/// on: service engines can be there. One with configured subnets is preferred, as there are
/// addresses to give. `None` if that does not single out one.
pub fn nearest(found: &[(Network, Hosts)], management: &Hosts) -> Option<Network> {
    let rank = |(network, hosts): &(Network, Hosts)| {
        let common = hosts.intersection(management).count();
        (common > 0).then_some((!network.subnets.is_empty(), common))
    };
    let best = found.iter().filter_map(rank).max()?;
    let mut nearest = found.iter().filter(|candidate| rank(candidate) == Some(best));
    let (network, _) = nearest.next()?;
    nearest.next().is_none().then(|| network.clone())
}

/// The uuids of those whose name does not say which one is meant, by name.
pub fn uuids_of_namesakes<'a>(chosen: impl IntoIterator<Item = &'a Network>) -> BTreeMap<Arc<str>, Arc<str>> {
    let namesakes = chosen.into_iter().filter(|network| network.has_namesakes);
    namesakes.map(|network| (network.name.clone(), network.uuid.clone())).collect()
}

/// What is said where nothing singles out one of several networks: `place` is where they
/// are, `key` the key of the configuration that names one.
pub fn undecided(found: &[Network], place: &str, key: &str) -> String {
    /// How many are named.
    const NAMED: usize = 20;
    let name = found.first().map(|network| network.name.clone()).unwrap_or_default();
    let uuids: Vec<_> = found.iter().map(|network| &*network.uuid).take(NAMED).collect();
    format!(
        "there are {} networks \"{name}\" in {place}: name one by its networkUUID in {key}, of {}",
        found.len(),
        uuids.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn network(uuid: &str, subnets: &[&str]) -> Network {
        let subnet = |cidr: &&str| {
            let (address, mask) = cidr.split_once('/').unwrap();
            json!({"prefix": {"ip_addr": {"addr": address, "type": "V4"}, "mask": mask.parse::<u8>().unwrap()}})
        };
        let subnets: Vec<_> = subnets.iter().map(subnet).collect();
        Network::read(&json!({"uuid": uuid, "name": "twin", "configured_subnets": subnets}))
    }

    fn uuids(found: &[Network]) -> Vec<&str> {
        found.iter().map(|network| &*network.uuid).collect()
    }

    #[test]
    fn the_subnets_that_are_asked_for_decide() {
        let all = || {
            vec![
                network("a", &["10.1.0.0/16"]),
                network("b", &["10.2.0.0/16", "fd00:2::/64"]),
                network("c", &["10.2.0.0/16"]),
            ]
        };
        let chosen = |cidrs: &[&str]| {
            let cidrs: Vec<Arc<str>> = cidrs.iter().map(|cidr| (*cidr).into()).collect();
            uuids(&with_subnets(all(), &cidrs)).join(" ")
        };
        assert_eq!(chosen(&["10.1.0.0/16"]), "a");
        assert_eq!(chosen(&["10.2.0.0/16", "fd00:2:0::/64"]), "b");
        assert_eq!(chosen(&["10.2.0.0/16"]), "b c");
        for without in [&[] as &[&str], &["10.3.0.0/16"], &["10.1.0.0/24"], &["junk"]] {
            assert_eq!(chosen(without), "a b c");
        }
        assert!(with_subnets(all(), &["10.1.0.0/16".into()])[0].has_namesakes);
        assert!(!with_subnets(vec![network("a", &[])], &[])[0].has_namesakes);
    }

    #[test]
    fn the_hosts_of_the_management_network_decide() {
        let on = |names: &[&str]| {
            let refs: Vec<_> = names.iter().map(|name| format!("/api/vimgrhostruntime/{name}")).collect();
            hosts(&json!({"host_refs": refs}))
        };
        let management = on(&["h1", "h2", "h3"]);
        let chosen = |candidates: &[(&str, &[&str], &[&str])]| {
            let candidates: Vec<_> =
                candidates.iter().map(|(uuid, subnets, hosts)| (network(uuid, subnets), on(hosts))).collect();
            nearest(&candidates, &management).map(|network| network.uuid.to_string())
        };
        let some = |uuid: &str| Some(uuid.to_owned());
        let net: &[&str] = &["10.0.0.0/16"];
        assert_eq!(chosen(&[("a", net, &["h1"]), ("b", net, &["h1", "h2"]), ("c", net, &["h9"])]), some("b"));
        assert_eq!(chosen(&[("a", net, &["h1"]), ("b", &[], &["h1", "h2", "h3"])]), some("a"));
        assert_eq!(chosen(&[("a", net, &["h9"]), ("b", &[], &["h1"])]), some("b"));
        assert_eq!(chosen(&[("a", net, &["h1"]), ("b", net, &["h2"])]), None);
        assert_eq!(chosen(&[("a", net, &["h9"]), ("b", net, &[])]), None);
    }

    #[test]
    fn what_nothing_decides_is_named() {
        assert_eq!(
            undecided(&[network("a", &[]), network("b", &[])], "cloud \"c\"", "vipNetworkList"),
            "there are 2 networks \"twin\" in cloud \"c\": name one by its networkUUID in vipNetworkList, of a, b"
        );
    }
}
