//! Lists, observation and facts.

#![allow(clippy::unwrap_used)] // in the functions that tests share

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use ako_avi_io::{
    Borrowed, ListQuery, NetworkName, Observer, Scope, ScopeTenant, Tenant, Wanted, WantedNetwork,
};
use ako_avi_types::{ErrorClass, Failure, Kind, ObjectKey};
use serde_json::{Value, json};

mod controller;

use controller::{Answer, Double, Seen, page_of_pools, pool};

async fn list(
    script: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
) -> (Result<Vec<Value>, Failure>, usize) {
    let double = Double::new(script);
    let filters = vec![("created_by".into(), "a&b c".into())];
    let query = ListQuery { kind: Kind::Pool, tenant: Tenant::All, filters };
    let listed = double.client().list(query).await;
    let asked = double.asked();
    assert!(asked.iter().all(|s| s.header("x-avi-tenant") == "*" && s.query["created_by"] == "a&b c"));
    (listed, asked.len())
}

#[tokio::test(start_paused = true)]
async fn all_pages_are_read_in_order() {
    let (listed, pages) = list(|s| page_of_pools(s, 1234)).await;
    let listed = listed.unwrap();
    assert_eq!((listed.len(), pages), (1234, 13));
    assert_eq!(listed[1233], pool(1233));
    assert_eq!(list(|s| page_of_pools(s, 0)).await.0, Ok(Vec::new()));
    assert_eq!(list(|s| page_of_pools(s, 100)).await.0.unwrap().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_list_with_a_page_that_fails_is_a_failure() {
    let (listed, _) = list(|s| match s.page() {
        3 => Answer::Json(500, json!({"error": "db"})),
        _ => page_of_pools(s, 500),
    })
    .await;
    assert_eq!(listed.unwrap_err().class, ErrorClass::Retry);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_cut_is_read_again_and_then_a_failure() {
    let (listed, pages) = list(|s| match s.page() {
        2 => Answer::Json(200, json!({"count": 250, "results": [pool(100)], "next": "/api/pool?page=3"})),
        _ => page_of_pools(s, 250),
    })
    .await;
    assert_eq!((listed.unwrap_err().class, pages), (ErrorClass::Retry, 6));
    let (listed, _) = list(|_| Answer::Json(200, json!({"count": 2, "results": [pool(1)]}))).await;
    assert_eq!(listed.unwrap_err().class, ErrorClass::Retry);
    let (listed, _) = list(|_| Answer::Json(200, json!({"count": 2, "results": [pool(1), pool(1)]}))).await;
    assert_eq!(listed.unwrap_err().class, ErrorClass::Retry);
    let (listed, _) = list(|_| Answer::Json(200, json!({"hello": 1}))).await;
    assert_eq!(listed.unwrap_err().class, ErrorClass::Retry);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_changed_once_is_whole() {
    let asked = AtomicUsize::new(0);
    let total = move || if asked.fetch_add(1, SeqCst) < 1 { 250 } else { 190 };
    let (listed, _) = list(move |s| match page_of_pools(s, total()) {
        Answer::Json(200, body) if body["results"] == json!([]) => Answer::Json(404, json!({})),
        answer => answer,
    })
    .await;
    assert_eq!(listed.unwrap().len(), 190);
}

fn scope() -> Scope {
    Scope {
        kinds: Kind::WRITTEN,
        owners: vec!["ako-c".into()],
        cluster_name: "c".into(),
        name_prefix: "c--".into(),
        cloud: "Default-Cloud".into(),
        tenant: ScopeTenant::All,
        borrowed: Borrowed::default(),
    }
}

fn one_page(results: &[Value]) -> Answer {
    Answer::Json(200, json!({"count": results.len(), "results": results}))
}

#[tokio::test(start_paused = true)]
async fn what_is_ours_is_observed_and_nothing_else() {
    let double = Double::new(|s| {
        let tenant = "https://avi.test/api/tenant/tenant-1#blue";
        let vip = |uuid: &str, name: &str, cluster: &str| {
            json!({"uuid": uuid, "name": name, "tenant_ref": tenant,
                "markers": [{"key": "clustername", "values": [cluster]}]})
        };
        match &*s.path {
            "/api/vsvip" => {
                one_page(&[vip("v1", "c--a", "c"), vip("v2", "eu-c--a", "c"), vip("v3", "c--b", "d")])
            }
            "/api/pool" => one_page(&[
                json!({"uuid": "p1", "name": "c--p1", "created_by": "ako-c", "tenant_ref": tenant}),
                json!({"uuid": "p2", "name": "c--p2", "created_by": "someone", "tenant_ref": tenant}),
                json!({"uuid": "p3", "name": "c--p3", "created_by": "ako-c", "tenant_ref": tenant, "servers": 7}),
                json!({"uuid": "p4", "name": "c--p4", "created_by": "ako-c", "tenant_ref": tenant,
                    "cloud_ref": "https://avi.test/api/cloud/c2#Other"}),
            ]),
            "/api/l4policyset" => Answer::Json(403, json!({"error": "no"})),
            _ => one_page(&[]),
        }
    });
    let observation = Observer::new(double.client()).observe(&scope()).await.unwrap();
    let mut keys: Vec<_> = observation.objects.iter().map(|(key, _)| key.to_string()).collect();
    keys.sort();
    assert_eq!(keys, ["pool blue/c--p1", "vsvip blue/c--a"]);
    assert_eq!(observation.unreadable[0].key, ObjectKey::new(Kind::Pool, "blue", "c--p3"));
    assert_eq!(observation.failed[0].0, Kind::L4PolicySet);
    assert!(!observation.complete);
    let asked = double.asked();
    let query = |path: &str| asked.iter().find(|s| s.path == path).unwrap().query.clone();
    assert_eq!(query("/api/vsvip")["label_value"], "c");
    assert_eq!(query("/api/pool")["cloud_ref.name"], "Default-Cloud");
    assert!(!query("/api/sslkeyandcertificate").contains_key("cloud_ref.name"));
    assert!(asked.iter().all(|s| s.query["include_name"] == "true" && s.query["page_size"] == "100"));
}

#[tokio::test(start_paused = true)]
async fn an_observation_without_any_list_is_a_failure() {
    let double = Double::new(|_| Answer::Json(503, json!({})));
    let failure = Observer::new(double.client()).observe(&scope()).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Busy);
}

fn controller(s: &Seen) -> Answer {
    let named = |objects: &[Value]| {
        let matching: Vec<_> = objects
            .iter()
            .filter(|o| s.query.get("name").is_none_or(|n| o["name"] == **n))
            .filter(|o| {
                let of = |vrf: &String| {
                    o["vrf_context_ref"].as_str().is_some_and(|r| r.ends_with(&format!("#{vrf}")))
                };
                s.query.get("vrf_context_ref.name").is_none_or(of)
            })
            .cloned()
            .collect();
        one_page(&matching)
    };
    match &*s.path {
        "/api/cluster/runtime" => Answer::Json(
            200,
            json!({
            "node_info": {"cluster_uuid": "cluster-1"},
            "node_states": [{"name": "n1", "role": "CLUSTER_LEADER", "up_since": "2025"}],
            "cluster_state": {"state": "CLUSTER_UP_NO_HA"}}),
        ),
        "/api/cluster" => Answer::Json(403, json!({"error": "no permission"})),
        "/api/systemconfiguration" => Answer::Json(200, json!({"default_license_tier": "ENTERPRISE"})),
        "/api/tenant" => named(&[json!({"uuid": "admin", "name": "admin"})]),
        "/api/cloud" => named(&[json!({"uuid": "cloud-1", "name": "Default-Cloud", "vtype": "CLOUD_NONE",
            "tenant_ref": "https://h/api/tenant/admin#admin",
            "vcenter_configuration": {"management_network": "https://h/api/vimgrnwruntime/mgmt#mgmt"},
            "ipam_provider_ref": "https://h/api/ipamdnsproviderprofile/i-1#ipam"})]),
        "/api/network" => named(&[
            network("net-1", "vip", "global"),
            network("net-2", "nodes", "global"),
            network("net-3", "twin", "global"),
            network("net-4", "twin", "other"),
            network("net-5", "pg", "global"),
            network("net-6", "pg", "global"),
        ]),
        "/api/vimgrnwruntime/mgmt-2" => Answer::Json(200, on_hosts(&["h3"])),
        "/api/vimgrnwruntime/net-5" => Answer::Json(200, on_hosts(&["h1", "h3"])),
        "/api/vimgrnwruntime/mgmt" | "/api/vimgrnwruntime/net-6" => {
            Answer::Json(200, on_hosts(&["h1", "h2"]))
        }
        path if path.starts_with("/api/vimgrnwruntime/") => Answer::Json(404, json!({"error": "not found"})),
        "/api/serviceenginegroup" => one_page(&[json!({"uuid": "seg-2", "name": "elsewhere",
            "cloud_ref": "https://h/api/cloud/cloud-1#Default-Cloud",
            "mgmt_network_ref": "https://h/api/network/mgmt-2#mgmt-2"})]),
        "/api/ipamdnsproviderprofiledomainlist" => {
            assert_eq!(s.query["cloud_uuid"], "cloud-1");
            Answer::Json(200, json!({"domains": ["avi.internal"]}))
        }
        _ => one_page(&[]),
    }
}

fn wanted() -> Wanted {
    Wanted {
        tenant: "admin".into(),
        cloud: "Default-Cloud".into(),
        networks: vec![by_name("vip", &[])],
        vrf: None,
        se_group: "Default-Group".into(),
    }
}

fn by_name(name: &str, cidrs: &[&str]) -> WantedNetwork {
    let cidrs = cidrs.iter().map(|cidr| (*cidr).into()).collect();
    WantedNetwork { name: NetworkName::Name(name.into()), cidrs }
}

fn on_hosts(names: &[&str]) -> Value {
    let refs: Vec<_> = names.iter().map(|name| format!("https://h/api/vimgrhostruntime/{name}")).collect();
    json!({"host_refs": refs})
}

fn network(uuid: &str, name: &str, vrf: &str) -> Value {
    json!({"uuid": uuid, "name": name, "vrf_context_ref": format!("https://h/api/vrfcontext/v-1#{vrf}")})
}

#[tokio::test(start_paused = true)]
async fn node_networks_are_found_or_named_with_the_way_out() {
    let find = async |name: NetworkName, vrf: Option<&str>| {
        let wanted = Wanted { vrf: vrf.map(Into::into), ..wanted() };
        let client = Double::new(controller).client();
        let said = client.facts(&Wanted { vrf: None, ..wanted.clone() }).await.unwrap();
        let found = client.node_networks(&wanted, &said, &[name]).await;
        found.map(|found| found[0].uuid.to_string()).map_err(|failure| {
            assert_eq!(failure.class, ErrorClass::Waiting);
            failure.message
        })
    };
    let (name, uuid) =
        (|name: &str| NetworkName::Name(name.into()), |uuid: &str| NetworkName::Uuid(uuid.into()));
    let missing = |message: &str| Err(message.to_owned());
    assert_eq!(find(name("nodes"), None).await, Ok("net-2".into()));
    assert_eq!(find(uuid("net-4"), None).await, Ok("net-4".into()));
    assert_eq!(find(name("twin"), Some("other")).await, Ok("net-4".into()));
    assert_eq!(
        find(name("twin"), None).await,
        missing(
            "there are 2 networks \"twin\" in cloud \"Default-Cloud\": name one by its networkUUID in \
             nodeNetworkList, of net-3, net-4"
        )
    );
    assert_eq!(
        find(name("none"), None).await,
        missing(
            "network \"none\" does not exist in cloud \"Default-Cloud\": set nodeNetworkList to one of nodes, \
             pg, twin, vip"
        )
    );
    assert_eq!(
        find(name("vip"), Some("other")).await,
        missing(
            "network \"vip\" does not exist in cloud \"Default-Cloud\" and VRF \"other\": set nodeNetworkList \
             to one of twin"
        )
    );
    assert_eq!(
        find(uuid("net-2"), Some("other")).await,
        missing(
            "network \"nodes\" is in VRF \"global\", not in \"other\": set nodeNetworkList to networks of that \
             VRF, or vrfName to the VRF of the network"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn of_several_networks_the_one_is_meant_that_service_engines_can_be_in() {
    for (se_group, expected) in [("Default-Group", "net-6"), ("elsewhere", "net-5")] {
        let wanted = Wanted { se_group: se_group.into(), networks: vec![by_name("pg", &[])], ..wanted() };
        let client = Double::new(controller).client();
        let said = client.facts(&wanted).await.unwrap();
        assert_eq!(&*said.networks[0].uuid, expected);
        assert!(said.networks[0].has_namesakes);
        let nodes = client.node_networks(&wanted, &said, &[NetworkName::Name("pg".into())]).await.unwrap();
        assert_eq!(&*nodes[0].uuid, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn of_several_networks_the_one_is_meant_that_has_the_subnet() {
    let subnet =
        |mask: u8| json!([{"prefix": {"ip_addr": {"addr": "10.0.0.0", "type": "V4"}, "mask": mask}}]);
    let with_subnets = move |s: &Seen| {
        let mut twins = [network("net-3", "twin", "global"), network("net-4", "twin", "other")];
        for (twin, mask) in twins.iter_mut().zip([16, 24]) {
            twin["configured_subnets"] = subnet(mask);
        }
        if &*s.path == "/api/network" { one_page(&twins) } else { controller(s) }
    };
    let find = async |cidr: &str| {
        let wanted = Wanted { networks: vec![by_name("twin", &[cidr])], ..wanted() };
        Double::new(with_subnets).client().facts(&wanted).await.map(|said| said.networks[0].uuid.to_string())
    };
    assert_eq!(find("10.0.0.0/24").await.unwrap(), "net-4");
    let undecided = find("10.9.0.0/24").await.unwrap_err();
    assert!(undecided.message.starts_with("there are 2 networks \"twin\""), "{undecided}");
}

/// There the controller may not know of it before.
#[tokio::test(start_paused = true)]
async fn a_subnet_of_a_public_cloud_is_taken_by_its_id() {
    let on_aws = |s: &Seen| match &*s.path {
        "/api/cloud" => {
            one_page(&[json!({"uuid": "cloud-1", "name": "Default-Cloud", "vtype": "CLOUD_AWS"})])
        }
        _ => controller(s),
    };
    for (id, vrf) in [("net-1", Some("global")), ("nodes", Some("global")), ("subnet-0a", None)] {
        let wanted = Wanted { networks: vec![by_name(id, &[])], ..wanted() };
        let said = Double::new(on_aws).client().facts(&wanted).await.unwrap();
        assert_eq!(said.networks[0].vrf.as_deref(), vrf, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn facts_are_read() {
    let facts = Double::new(controller).client().facts(&wanted()).await.unwrap();
    assert_eq!((&*facts.cluster_uuid, &*facts.version), ("cluster-1", "31.2.1"));
    assert_eq!((&*facts.cloud_vtype, &*facts.cloud_uuid), ("CLOUD_NONE", "cloud-1"));
    assert_eq!(facts.ipam_profile.as_deref(), Some("ipam"));
    assert_eq!((&*facts.licence_tier, &*facts.subdomains[0]), ("ENTERPRISE", "avi.internal"));
    assert_eq!(facts.networks[0].vrf.as_deref(), Some("global"));
    assert_eq!(&*facts.leader.unwrap().node, "n1");
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_named_with_the_way_out() {
    let missing = async |wanted: Wanted| {
        let failure = Double::new(controller).client().facts(&wanted).await.unwrap_err();
        assert_eq!(failure.class, ErrorClass::Waiting);
        failure.message
    };
    assert_eq!(
        missing(Wanted { cloud: "X".into(), ..wanted() }).await,
        "cloud \"X\" does not exist on the controller: set cloudName to one of Default-Cloud"
    );
    assert_eq!(
        missing(Wanted { tenant: "t".into(), ..wanted() }).await,
        "tenant \"t\" does not exist on the controller: set tenantName to one of admin"
    );
    assert_eq!(
        missing(Wanted { networks: vec![by_name("n", &[])], ..wanted() }).await,
        "network \"n\" does not exist in cloud \"Default-Cloud\": set vipNetworkList to one of nodes, pg, twin, vip"
    );
    assert_eq!(
        missing(Wanted { vrf: Some("v".into()), networks: Vec::new(), ..wanted() }).await,
        "VRF \"v\" does not exist in cloud \"Default-Cloud\": set vrfName to an existing one or create it (vrfcontext)"
    );
}
