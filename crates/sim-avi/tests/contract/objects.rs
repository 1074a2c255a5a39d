//! Objects: references, lists, writes, defaults and the error catalogue.

use crate::client::{Client, path};
use http::StatusCode;
use serde_json::{Value, json};

const VIP: &str = "/api/vsvip?name=v";

async fn virtual_service(client: &Client) -> Value {
    client.create("vsvip", json!({"name": "v", "vip": [{"vip_id": "0", "auto_allocate_ip": true}]})).await;
    client
        .create(
            "virtualservice",
            json!({
                "name": "vs", "vsvip_ref": VIP, "services": [{"port": 80}, {"port": 443, "enable_ssl": true}],
            }),
        )
        .await
}

#[tokio::test]
async fn references_in_three_forms() {
    let (_sim, client) = Client::fresh().await;
    let pool = client.create("pool", json!({"name": "p a&b"})).await;
    let url = pool["url"].as_str().expect("a url");
    assert!(url.starts_with("https://controller/api/pool/pool-") && url.ends_with("#p a&b"));
    for (index, form) in ["/api/pool/?name=p a&b", &path(&pool), url].into_iter().enumerate() {
        let group = json!({"name": format!("g{index}"), "members": [{"pool_ref": form}]});
        let group = client.create("poolgroup", group).await;
        assert_eq!(group["members"][0]["pool_ref"], url);
        assert_eq!(group["members"][0]["ratio"], 1);

        let plain = client.get(&path(&group)).await.json();
        assert_eq!(plain["members"][0]["pool_ref"], url.split('#').next().expect("a url"));
        let named = client.get(&format!("{}/?include_name", path(&group))).await.json();
        assert_eq!(named["members"][0]["pool_ref"], url);
    }
}

#[tokio::test]
async fn references_that_lead_nowhere() {
    let (_sim, client) = Client::fresh().await;
    for (body, status, text) in [
        (
            json!({"health_monitor_refs": ["/api/healthmonitor?name=x"]}),
            404,
            "HealthMonitor object not found!",
        ),
        (json!({"vrf_ref": "/api/vrfcontext?name=x"}), 400, "VrfContext object not found!"),
        (
            json!({"placement_networks": [{"network_ref": "/api/network?name=x"}]}),
            400,
            "Network object not found!",
        ),
        (json!({"vrf_ref": "/api/pool?name=x"}), 400, "Invalid reference '/api/pool?name=x' in vrf_ref"),
    ] {
        let mut body = body;
        body["name"] = "p".into();
        let refused = client.post("/api/pool", body).await;
        assert_eq!((refused.status.as_u16(), refused.error().as_str()), (status, text));
    }
    let unset = client.create("pool", json!({"name": "p", "ssl_profile_ref": ""})).await;
    assert_eq!(unset.get("ssl_profile_ref"), None);
}

#[tokio::test]
async fn lists_have_pages() {
    let (_sim, client) = Client::fresh().await;
    for index in 0..250 {
        client.create("pool", json!({"name": format!("p{index:03}"), "created_by": "ako"})).await;
    }
    client.create("pool", json!({"name": "other", "created_by": "me"})).await;
    let mut url =
        "/api/pool/?cloud_ref.name=Default-Cloud&created_by=ako&include_name=&page_size=100".to_owned();
    let mut names = Vec::new();
    loop {
        let page = client.get(&url).await.json();
        assert_eq!(page["count"], 250);
        let results = page["results"].as_array().expect("results");
        names.extend(results.iter().map(|pool| pool["name"].as_str().expect("a name").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        assert_eq!(next.matches("/api/pool").count(), 1);
        next["https://controller".len()..].clone_into(&mut url);
    }
    assert_eq!(names.len(), 250);
    assert!(names.is_sorted());
    assert_eq!(client.get("/api/pool").await.json()["results"].as_array().map(Vec::len), Some(25));
    let none = client.get("/api/pool?name=nothing").await;
    assert_eq!((none.status, none.json()), (StatusCode::OK, json!({"count": 0, "results": []})));
}

#[tokio::test]
async fn filters() {
    let (_sim, client) = Client::fresh().await;
    let markers = json!([{"key": "clustername", "values": ["c1"]}]);
    let pool = client.create("pool", json!({"name": "c1--a", "markers": markers, "created_by": "ako"})).await;
    client.create("pool", json!({"name": "c2--b", "enabled": false})).await;
    client.create("poolgroup", json!({"name": "g", "members": [{"pool_ref": path(&pool)}]})).await;
    let uuid = pool["uuid"].as_str().expect("a uuid");
    for (query, count) in [
        ("name.contains=c1--".to_owned(), 1),
        ("name.icontains=C1--".to_owned(), 1),
        ("name.in=c1--a,c2--b,c3".to_owned(), 2),
        (format!("uuid={uuid}"), 1),
        ("created_by=ako".to_owned(), 1),
        ("enabled=false".to_owned(), 1),
        ("label_key=clustername&label_value=c1".to_owned(), 1),
        ("label_key=clustername&label_value=c2".to_owned(), 0),
        ("vrf_ref.name=global".to_owned(), 2),
        ("cloud_ref.name=Default-Cloud".to_owned(), 2),
        ("cloud_ref.name=nothing".to_owned(), 0),
        (format!("refers_to=pool:{uuid}"), 0),
        ("unknown_parameter=1".to_owned(), 2),
    ] {
        assert_eq!(client.get(&format!("/api/pool?{query}")).await.json()["count"], count, "{query}");
    }
    let groups = client.get(&format!("/api/poolgroup?refers_to=pool:{uuid}")).await.json();
    assert_eq!(groups["count"], 1);
    let fields = client.get("/api/pool?name=c1--a&fields=created_by").await.json();
    let keys: Vec<_> = fields["results"][0].as_object().expect("an object").keys().cloned().collect();
    assert_eq!(keys, ["created_by", "name", "url", "uuid"]);
    // Types without the field do not know the parameter.
    assert_eq!(client.get("/api/vrfcontext?name=global&created_by=ako").await.json()["count"], 1);
}

#[tokio::test]
async fn referred_objects_stay() {
    let (_sim, client) = Client::fresh().await;
    let pool = client.create("pool", json!({"name": "p"})).await;
    let group =
        client.create("poolgroup", json!({"name": "g", "members": [{"pool_ref": path(&pool)}]})).await;
    let refused = client.delete(&path(&pool)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.error(), "Cannot delete, object is referred by: ['PoolGroup g']");
    assert_eq!(client.delete(&path(&group)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(client.delete(&path(&pool)).await.status, StatusCode::NO_CONTENT);
    let gone = client.delete(&path(&pool)).await;
    assert_eq!((gone.status, gone.error().as_str()), (StatusCode::NOT_FOUND, "Pool object not found!"));
    let monitor = client.get("/api/healthmonitor?name=System-TCP").await.json()["results"][0].clone();
    assert_eq!(client.delete(&path(&monitor)).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn names_are_unique_and_bounded() {
    let (_sim, client) = Client::fresh().await;
    client.create("pool", json!({"name": "p"})).await;
    let twice = client.post("/api/pool", json!({"name": "p"})).await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    assert_eq!(twice.error(), "Pool with this Name, Tenant ref and Cloud ref already exists.");
    client.create("httppolicyset", json!({"name": "p"})).await;
    let twice = client.post("/api/httppolicyset", json!({"name": "p"})).await;
    assert!(twice.error().ends_with("with this Name and Tenant ref already exists."));
    let long = client.post("/api/pool", json!({"name": "x".repeat(256)})).await;
    assert_eq!(long.status, StatusCode::BAD_REQUEST);
    assert_eq!(client.post("/api/pool", json!({})).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(client.post("/api/pool", json!([])).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_stale_write_is_refused() {
    let (_sim, client) = Client::fresh().await;
    client.create("vsvip", json!({"name": "v"})).await;
    let first = client.get("/api/vsvip?name=v").await.json()["results"][0].clone();
    let second = client.put(&path(&first), first.clone()).await;
    assert_eq!(second.status, StatusCode::OK);
    let stamp = |object: &Value| object["_last_modified"].as_str().and_then(|text| text.parse::<u64>().ok());
    assert!(stamp(&second.json()) > stamp(&first));
    let stale = client.put(&path(&first), first.clone()).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    assert!(stale.error().contains("Need to reload object data VsVip"));
    assert!(stale.error().contains("Concurrent Update Error"));
    assert_eq!(client.put(&path(&first), json!({"name": "v"})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn put_replaces_and_patch_changes() {
    let (_sim, client) = Client::fresh().await;
    let server = |address: &str| json!({"ip": {"addr": address, "type": "V4"}, "port": 80});
    let body = json!({"name": "p", "enabled": false, "servers": [server("10.0.0.1")]});
    let pool = client.create("pool", body).await;
    let pool_path = path(&pool);
    let added = client.patch(&pool_path, json!({"add": {"servers": [server("10.0.0.2")]}})).await.json();
    assert_eq!(added["servers"].as_array().map(Vec::len), Some(2));
    assert_eq!(added["servers"][1]["hostname"], "10.0.0.2");
    let gone = json!({"delete": {"servers": [{"ip": {"addr": "10.0.0.1"}}], "enabled": false}});
    let changed = client.patch(&pool_path, gone).await.json();
    assert_eq!(changed["servers"][0]["ip"]["addr"], "10.0.0.2");
    assert_eq!(changed["enabled"], true);
    let replaced = client.put(&pool_path, json!({"name": "p"})).await.json();
    assert_eq!(replaced.get("servers"), None);
    assert_eq!(replaced["lb_algorithm"], "LB_ALGORITHM_LEAST_CONNECTIONS");
    assert!(replaced["vrf_ref"].as_str().is_some_and(|vrf| vrf.ends_with("#global")));
}

#[tokio::test]
async fn virtual_services_have_defaults_and_rules() {
    let (_sim, client) = Client::fresh().await;
    let lonely = client.post("/api/virtualservice", json!({"name": "x"})).await;
    assert_eq!((lonely.status, lonely.error().contains("vsvip_ref")), (StatusCode::BAD_REQUEST, true));
    let vs = virtual_service(&client).await;
    assert_eq!(vs["type"], "VS_TYPE_NORMAL");
    assert_eq!(vs["services"][1]["port_range_end"], 443);
    assert!(vs["ssl_profile_ref"].as_str().is_some_and(|text| text.ends_with("#System-Standard")));
    assert!(vs["se_group_ref"].as_str().is_some_and(|text| text.ends_with("#Default-Group")));

    let second = json!({"name": "vs2", "vsvip_ref": VIP, "services": [{"port": 443}]});
    let overlap = client.post("/api/virtualservice", second).await;
    assert!(overlap.error().contains("port 443 of the VsVip is already used by vs"));

    let parent = json!({
        "name": "vs", "vsvip_ref": VIP, "type": "VS_TYPE_VH_PARENT", "services": [{"port": 80}],
    });
    assert_eq!(client.put(&path(&vs), parent).await.status, StatusCode::OK);
    let child = |name: &str, domain: &str| {
        json!({
            "name": name, "type": "VS_TYPE_VH_CHILD", "vh_domain_name": [domain],
            "vh_parent_vs_ref": "/api/virtualservice/?name=vs",
        })
    };
    let first = client.create("virtualservice", child("c1", "foo.com")).await;
    let twice = client.post("/api/virtualservice", child("c2", "FOO.com")).await;
    assert!(twice.error().contains("foo.com is already served by c1"));
    let parent = client.get(&path(&vs)).await.json();
    assert_eq!(parent["vh_child_vs_uuid"], json!([first["uuid"]]));
    assert_eq!(client.delete(&path(&vs)).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn malformed_fields_are_refused() {
    let (_sim, client) = Client::fresh().await;
    let labels = json!([{"key": "clustername", "value": "a"}, {"key": "b", "value": "c"}]);
    for (kind, body, status) in [
        ("stringgroup", json!({}), 400),
        ("stringgroup", json!({"type": "X"}), 400),
        ("poolgroup", json!({"members": [{"ratio": 1}]}), 400),
        ("serviceenginegroup", json!({"labels": labels}), 400),
        ("pool", json!({"servers": [{"ip": {"addr": "10.0.0.300", "type": "V4"}}]}), 400),
        ("vsvip", json!({"vip": [{"vip_id": "0", "ip6_address": {}}]}), 500),
    ] {
        let mut body = body;
        body["name"] = "x".into();
        let refused = client.post(&format!("/api/{kind}"), body).await;
        assert_eq!(refused.status.as_u16(), status, "{kind}: {}", refused.text);
    }
}

#[tokio::test]
async fn certificates_are_read_and_keys_are_hidden() {
    let (_sim, client) = Client::fresh().await;
    let made = rcgen::generate_simple_self_signed(vec!["foo.com".to_owned()]).expect("a certificate");
    let other = rcgen::KeyPair::generate().expect("a key");
    let body = |pem: &str, key: &str| {
        json!({
            "name": "cert", "certificate": {"certificate": pem}, "key": key,
            "type": "SSL_CERTIFICATE_TYPE_VIRTUALSERVICE",
        })
    };
    let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    for wrong in [body("no PEM", &key), body(&pem, &other.serialize_pem()), body(&pem, "no key")] {
        let refused = client.post("/api/sslkeyandcertificate", wrong).await;
        assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(refused.error().contains("Import error") && refused.error().contains("common_name"));
    }
    let created = client.create("sslkeyandcertificate", body(&pem, &key)).await;
    assert_eq!((created.get("key"), created["certificate"].get("certificate")), (None, None));
    assert_eq!(created["certificate"]["subject"]["common_name"], "rcgen self signed cert");
    assert_eq!(created["certificate"]["self_signed"], true);
    assert_eq!(created["key_params"]["algorithm"], "SSL_KEY_ALGORITHM_EC");
    let read = client.get(&path(&created)).await.json();
    assert_eq!((&read["key"], &read["certificate"]["certificate"]), (&json!("<sensitive>"), &json!(pem)));
    // Writing back what was read keeps the key.
    assert_eq!(client.put(&path(&created), read).await.status, StatusCode::OK);
}

/// The secrets of sign-in are shown to nobody.
#[tokio::test]
async fn secrets_of_a_virtual_service_are_hidden() {
    let (_sim, client) = Client::fresh().await;
    client.create("vsvip", json!({"name": "v", "vip": [{"vip_id": "0", "auto_allocate_ip": true}]})).await;
    let settings = json!([{
        "app_settings": {"client_id": "c", "client_secret": "hunter2"},
        "resource_server": {"opaque_token_params": {"server_secret": "hunter3"}},
    }]);
    let body = json!({
        "name": "vs", "vsvip_ref": VIP, "services": [{"port": 80}],
        "oauth_vs_config": {"oauth_settings": settings},
    });
    let created = client.create("virtualservice", body).await;
    let read = client.get(&path(&created)).await.json();
    for shown in [created, read] {
        let settings = &shown["oauth_vs_config"]["oauth_settings"][0];
        assert_eq!(settings["app_settings"], json!({"client_id": "c", "client_secret": "<sensitive>"}));
        assert!(!shown.to_string().contains("hunter"), "{shown}");
    }
}

#[tokio::test]
async fn a_slug_names_the_uuid() {
    let (_sim, client) = Client::fresh().await;
    let request = http::Request::post("/api/pool")
        .header("cookie", &client.cookies)
        .header("x-csrftoken", &client.csrf)
        .header("slug", "pool-mine")
        .body(axum::body::Body::from(json!({"name": "p"}).to_string()))
        .expect("a request");
    let created = client.exchange(request).await.expect("a reply");
    assert_eq!(created.json()["uuid"], "pool-mine");
    assert_eq!(created.headers["location"], "https://localhost/api/pool/pool-mine#p");
    assert_eq!(created.headers["avi_api_version"], "16_4_2");
}
