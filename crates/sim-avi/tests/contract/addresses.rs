//! Allocation of virtual IP addresses.

use crate::client::{Client, path};
use ako_sim_avi::{Options, SimAvi};
use http::StatusCode;
use serde_json::{Value, json};

fn vsvip(name: &str) -> Value {
    json!({"name": name, "vip": [{"vip_id": "0", "auto_allocate_ip": true}]})
}

fn address(object: &Value) -> &str {
    object["vip"][0]["ip_address"]["addr"].as_str().expect("an address")
}

#[tokio::test]
async fn the_lowest_free_address_is_taken_kept_and_freed() {
    let (_sim, client) = Client::fresh().await;
    let first = client.create("vsvip", vsvip("a")).await;
    let second = client.create("vsvip", vsvip("b")).await;
    assert_eq!((address(&first), address(&second)), ("100.64.0.10", "100.64.0.11"));
    let vip = &first["vip"][0];
    assert_eq!((&vip["prefix_length"], &vip["avi_allocated_vip"]), (&json!(32), &json!(false)));
    let network = vip["ipam_network_subnet"]["network_ref"].as_str();
    assert!(network.is_some_and(|network| network.ends_with("#vip-net")));

    let kept = client.put(&path(&second), vsvip("b")).await.json();
    assert_eq!(address(&kept), "100.64.0.11");
    assert_eq!(client.delete(&path(&first)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(address(&client.create("vsvip", vsvip("c")).await), "100.64.0.10");
}

#[tokio::test]
async fn an_existing_vip_does_not_move() {
    let (_sim, client) = Client::fresh().await;
    let held = client.create("vsvip", vsvip("a")).await;
    let renumbered = json!({"name": "a", "vip": [{"vip_id": "1", "auto_allocate_ip": true}]});
    let refused = client.put(&path(&held), renumbered).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.error(), "Changing an existing VIP's vip_id is not supported");
    let mut moved = vsvip("a");
    moved["vip"][0]["ip_address"] = json!({"addr": "100.64.0.99", "type": "V4"});
    let refused = client.put(&path(&held), moved).await;
    assert!(refused.error().contains("If a new preferred IP is needed, please recreate the VIP"));
}

#[tokio::test]
async fn another_network_does_not_move_the_address() {
    let (_sim, client) = Client::fresh().await;
    client.create("network", json!({"name": "other"})).await;
    let held = client.create("vsvip", vsvip("a")).await;
    let mut moved = vsvip("a");
    moved["vip"][0]["ipam_network_subnet"] = json!({"network_ref": "/api/network?name=other"});
    let moved = client.put(&path(&held), moved).await.json();
    assert_eq!(address(&moved), "100.64.0.10");
    let network = moved["vip"][0]["ipam_network_subnet"]["network_ref"].as_str();
    assert!(network.is_some_and(|network| network.ends_with("#other")));
    assert_eq!(client.delete(&path(&held)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(address(&client.create("vsvip", vsvip("b")).await), "100.64.0.10");
}

#[tokio::test]
async fn an_address_of_another_system_is_not_changed() {
    let (sim, client) = Client::fresh().await;
    let profile = json!({"type": "IPAMDNS_TYPE_INFOBLOX"});
    assert!(sim.edit("ipamdnsproviderprofile", "admin", "ipam", &profile));
    let held = client.create("vsvip", vsvip("a")).await;
    let refused = client.put(&path(&held), vsvip("a")).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let mut renamed = vsvip("a");
    renamed["vip"] = held["vip"].clone();
    renamed["dns_info"] = json!([{"fqdn": "a.avi.internal"}]);
    let kept = client.put(&path(&held), renamed).await;
    assert_eq!((kept.status, address(&kept.json())), (StatusCode::OK, address(&held)));
}

#[tokio::test]
async fn networks_of_one_name_are_told_apart_by_uuid() {
    let network =
        |uuid: &str| json!({"name": "twin", "uuid": uuid, "cloud_ref": "/api/cloud?name=Default-Cloud"});
    let environment = json!({
        "cloud": {"admin/Default-Cloud": {"name": "Default-Cloud", "vtype": "CLOUD_VCENTER"}},
        "vrfcontext": {"admin/global": {"name": "global"}},
        "network": {"admin/twin#pg-1": network("pg-1"), "admin/twin#pg-2": network("pg-2")},
        "vimgrnwruntime": {"admin/twin#pg-1": {"name": "twin", "uuid": "pg-1", "host_refs": ["/api/vimgrhostruntime?name=h"]}},
        "vimgrhostruntime": {"admin/h": {"name": "h"}},
    });
    let sim = SimAvi::with_environment(&environment, Options::default()).expect("a consistent environment");
    let client = Client::login(&sim).await;
    assert_eq!(client.get("/api/network/pg-2").await.json()["name"], "twin");
    let runtime = client.get("/api/vimgrnwruntime/pg-1").await.json();
    assert_eq!(runtime["host_refs"].as_array().map(Vec::len), Some(1));
    assert_eq!(client.get("/api/vimgrnwruntime/pg-2").await.status, StatusCode::NOT_FOUND);
    let mut placed = vsvip("a");
    placed["vip"][0]["ipam_network_subnet"] = json!({"network_ref": "/api/network/pg-2"});
    placed["vip"][0]["auto_allocate_ip"] = false.into();
    placed["markers"] = json!([{"key": "clustername", "values": ["c"]}]);
    client.create("vsvip", placed).await;
    let dump = sim.dump();
    let shown = &dump["vsvip"]["admin/a"]["vip"][0]["ipam_network_subnet"]["network_ref"];
    assert_eq!(shown, "/api/network/pg-2");
}

#[tokio::test]
async fn a_preferred_address_must_be_free_and_in_range() {
    let (_sim, client) = Client::fresh().await;
    let at = |name: &str, address: &str| {
        let mut body = vsvip(name);
        body["vip"][0]["ip_address"] = json!({"addr": address, "type": "V4"});
        body
    };
    client.create("vsvip", at("a", "100.64.0.10")).await;
    assert_eq!(client.post("/api/vsvip", at("b", "100.64.0.10")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(client.post("/api/vsvip", at("b", "10.0.0.1")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(address(&client.create("vsvip", vsvip("c")).await), "100.64.0.11");
}

#[tokio::test]
async fn a_range_runs_out() {
    let range = |begin: &str, end: &str, family: &str| {
        json!({
            "type": "STATIC_IPS_FOR_VIP",
            "range": {"begin": {"addr": begin, "type": family}, "end": {"addr": end, "type": family}},
        })
    };
    let environment = json!({
        "cloud": {"admin/Default-Cloud": {
            "name": "Default-Cloud", "vtype": "CLOUD_NONE",
            "ipam_provider_ref": "/api/ipamdnsproviderprofile?name=ipam",
        }},
        "vrfcontext": {"admin/global": {"name": "global"}},
        "ipamdnsproviderprofile": {"admin/ipam": {
            "name": "ipam", "internal_profile": {"usable_networks": [{"nw_ref": "/api/network?name=n"}]},
        }},
        "network": {"admin/n": {"name": "n", "configured_subnets": [
            {"prefix": {"ip_addr": {"addr": "10.1.0.0", "type": "V4"}, "mask": 24},
             "static_ip_ranges": [range("10.1.0.5", "10.1.0.6", "V4")]},
            {"prefix": {"ip_addr": {"addr": "2001:db8::", "type": "V6"}, "mask": 64},
             "static_ip_ranges": [range("2001:db8::5", "2001:db8::5", "V6")]},
        ]}},
    });
    let sim = SimAvi::with_environment(&environment, Options::default()).expect("a consistent environment");
    let client = Client::login(&sim).await;
    let mut both = vsvip("a");
    both["vip"][0]["auto_allocate_ip_type"] = "V4_V6".into();
    let first = client.create("vsvip", both.clone()).await;
    assert_eq!(first["vip"][0]["ip6_address"]["addr"], "2001:db8::5");
    both["name"] = "b".into();
    let refused = client.post("/api/vsvip", both).await;
    assert_eq!(
        (refused.status, refused.error().as_str()),
        (StatusCode::BAD_REQUEST, "No available free IPs")
    );
    // The refused request took nothing.
    assert_eq!(address(&client.create("vsvip", vsvip("c")).await), "10.1.0.6");
    assert_eq!(client.post("/api/vsvip", vsvip("d")).await.error(), "No available free IPs");
}

#[test]
fn an_environment_must_be_consistent() {
    let environment = json!({"pool": {"admin/p": {"name": "p", "vrf_ref": "/api/vrfcontext?name=x"}}});
    let error = SimAvi::with_environment(&environment, Options::default()).expect_err("a dangling reference");
    assert_eq!(error.0, ["Pool p: vrf_ref /api/vrfcontext?name=x leads nowhere"]);
}
