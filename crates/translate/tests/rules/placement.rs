//! The networks in which pools are placed.

use std::collections::BTreeMap;

use ako_avi_types::{Kind, Object};
use ako_core::config::{NodeNetwork, VipNetwork};
use ako_core::resource::{Protocol, ServiceType};
use ako_core::{CloudType, Config, Facts, Resource};

use crate::cluster::{Translated, config, facts, port, service, translate_with};

const POOL: &str = "c1--red-lb-TCP-80";

fn network(name: &str, uuid: &str, cidrs: &[&str]) -> NodeNetwork {
    NodeNetwork {
        name: name.into(),
        uuid: uuid.into(),
        cidrs: cidrs.iter().map(|&cidr| cidr.into()).collect(),
    }
}

fn all(cloud: CloudType, node_networks: Vec<NodeNetwork>) -> Translated {
    let node_uuids = BTreeMap::from([("known".into(), "network-1".into())]);
    let facts = Facts { cloud, node_networks: node_uuids, ..facts() };
    let vip = VipNetwork { name: "vip".into(), cidr: "10.9.0.0/16".into(), ..VipNetwork::default() };
    let config = Config { node_networks, vip_networks: vec![vip], ..config() };
    let lb = service("red", "lb", ServiceType::LoadBalancer, vec![port("", 80, Protocol::Tcp)]);
    translate_with(config, facts, vec![Resource::Service(lb)])
}

fn placed(cloud: CloudType, node_networks: Vec<NodeNetwork>) -> Vec<String> {
    let all = all(cloud, node_networks);
    let text = |p: &ako_avi_types::pool::PlacementNetwork| {
        format!(
            "{} {}/{} {}",
            p.network_ref.plain(),
            p.subnet.ip_addr.addr,
            p.subnet.mask,
            p.subnet.ip_addr.family
        )
    };
    all.pool(POOL).placement_networks.iter().map(text).collect()
}

#[test]
fn every_subnet_of_every_network_is_named_where_pools_are_placed() {
    let networks = || {
        vec![
            network("known", "", &["10.1.2.3/16", "fd00:0:0:1::5/64"]),
            network("unknown", "", &["10.2.0.0/24"]),
            network("both", "network-2", &["10.3.0.255/25", "0.0.0.0/0"]),
            network("none", "", &[]),
        ]
    };
    let expected = [
        "/api/network/network-2 0.0.0.0/0 V4",
        "/api/network/network-1 10.1.0.0/16 V4",
        "/api/network?name=unknown 10.2.0.0/24 V4",
        "/api/network/network-2 10.3.0.128/25 V4",
        "/api/network/network-1 fd00:0:0:1::/64 V6",
    ];
    assert_eq!(placed(CloudType::VCenter, networks()), expected);
    for cloud in [CloudType::None, CloudType::NsxT, CloudType::NsxTVlan, CloudType::Aws, CloudType::Other] {
        assert!(placed(cloud, networks()).is_empty());
    }
}

#[test]
fn the_checksum_covers_the_networks() {
    let checksum = |cloud, networks| all(cloud, networks).pool(POOL).cloud_config_cksum.clone();
    let one = || vec![network("known", "", &["10.1.0.0/16"])];
    let none = checksum(CloudType::VCenter, Vec::new());
    assert_ne!(checksum(CloudType::VCenter, one()), none);
    for cloud in [CloudType::None, CloudType::NsxTVlan] {
        assert_eq!(checksum(cloud, one()), checksum(cloud, Vec::new()));
    }
}

#[test]
fn vips_are_placed_in_vlans_of_nsx_t() {
    let placed = |cloud| {
        let all = all(cloud, Vec::new());
        let Object::VsVip(vip) = all.object(Kind::VsVip, "c1--red-lb") else { panic!("no VsVip") };
        vip.vip[0].placement_networks.len()
    };
    assert_eq!((placed(CloudType::NsxTVlan), placed(CloudType::NsxT), placed(CloudType::VCenter)), (1, 0, 0));
}
