//! Log-in, CSRF, expiry, tenants and what is there once per Controller.

use std::time::Duration;

use crate::client::{Client, path};
use ako_sim_avi::{Options, Role, SimAvi};
use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::json;

#[tokio::test]
async fn login_by_json_and_by_form() {
    let sim = SimAvi::new(Options::default());
    let client = Client::login(&sim).await;
    assert!(client.cookies.contains("avi-sessionid=") && client.cookies.contains("; sessionid="));

    let form = Request::post("/login").body(Body::from("username=admin&password=admin")).expect("a request");
    assert_eq!(client.exchange(form).await.expect("a reply").status, StatusCode::OK);

    let wrong = client.post("/login", json!({"username": "admin", "password": "x"})).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong.error(), "Invalid credentials");
}

#[tokio::test]
async fn a_write_needs_the_csrf_token() {
    let (_sim, mut client) = Client::fresh().await;
    client.csrf = "wrong".to_owned();
    assert_eq!(client.get("/api/pool").await.status, StatusCode::OK);
    let refused = client.post("/api/pool", json!({"name": "a"})).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.text, "CSRF token missing or incorrect.");
}

#[tokio::test(start_paused = true)]
async fn sessions_slide_and_expire() {
    let (sim, client) = Client::fresh().await;
    for _ in 0..3 {
        tokio::time::advance(Duration::from_mins(14)).await;
        let reply = client.get("/api/cluster").await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.headers.get_all("set-cookie").iter().count(), 2);
    }
    tokio::time::advance(Duration::from_mins(15)).await;
    assert_eq!(client.get("/api/cluster").await.status, StatusCode::UNAUTHORIZED);

    let client = Client::login(&sim).await;
    assert_eq!(client.get("/api/cluster").await.status, StatusCode::OK);
    sim.expire_sessions();
    assert_eq!(client.get("/api/cluster").await.status, StatusCode::UNAUTHORIZED);

    let client = Client::login(&sim).await;
    assert_eq!(client.post("/logout", json!({})).await.status, StatusCode::OK);
    assert_eq!(client.get("/api/cluster").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_user_token_logs_in() {
    let (_sim, client) = Client::fresh().await;
    let created = client.post("/api/user-token", json!({"hours": "240"})).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let token = created.json();
    let login = json!({"username": "admin", "token": token["token"]});
    assert_eq!(client.post("/login", login.clone()).await.status, StatusCode::OK);

    assert_eq!(client.get("/api/user-token").await.json()["count"], 1);
    let path = format!("/api/user-token/{}", token["uuid"].as_str().expect("a uuid"));
    assert_eq!(client.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(client.delete(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.post("/login", login).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn facts_of_the_controller() {
    let (_sim, client) = Client::fresh().await;
    let data = client.get("/api/initial-data").await;
    assert_eq!(data.json()["version"]["Version"], "30.2.1");
    let runtime = client.get("//api//cluster/runtime").await;
    assert_eq!(runtime.json()["cluster_state"]["state"], "CLUSTER_UP_NO_HA");
    assert_eq!(runtime.headers["avi_api_version"], "30.2.1");
    assert_eq!(client.get("/api/cluster").await.json()["uuid"], "cluster-00000000");
    assert_eq!(client.get("/api/systemconfiguration").await.json()["default_license_tier"], "ENTERPRISE");
    let clouds = client.get("/api/cloud/?name=Default-Cloud").await.json();
    let uuid = clouds["results"][0]["uuid"].as_str().expect("a uuid");
    let domains = client.get(&format!("/api/ipamdnsproviderprofiledomainlist?cloud_uuid={uuid}")).await;
    assert_eq!(domains.json(), json!({"domains": ["avi.internal"]}));
    assert_eq!(client.get("/api/nonsense").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn tenants_separate_objects() {
    let (_sim, admin) = Client::fresh().await;
    let blue = admin.in_tenant("blue");
    let unknown = blue.get("/api/pool").await;
    assert_eq!(unknown.status, StatusCode::FORBIDDEN);
    assert_eq!(unknown.error(), "Tenant 'blue' does not exist!");

    let tenant = admin.create("tenant", json!({"name": "blue"})).await;
    assert!(tenant["uuid"].as_str().is_some_and(|uuid| uuid.starts_with("tenant-")));
    let monitor = "/api/healthmonitor?name=System-TCP";
    let pool = blue.create("pool", json!({"name": "p", "health_monitor_refs": [monitor]})).await;
    assert!(pool["tenant_ref"].as_str().is_some_and(|text| text.ends_with("#blue")));
    admin.create("pool", json!({"name": "p"})).await;

    assert_eq!(blue.get("/api/pool?name=p").await.json()["count"], 1);
    assert_eq!(admin.in_tenant("*").get("/api/pool?name=p").await.json()["count"], 2);
    let foreign = admin.get(&path(&pool)).await;
    assert_eq!((foreign.status, foreign.error().as_str()), (StatusCode::NOT_FOUND, "Pool object not found!"));

    let vrf = blue.get("/api/vrfcontext?name=global").await.json()["results"][0].clone();
    let refused = blue.put(&path(&vrf), vrf.clone()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.error().contains("Cannot modify VrfContext"));

    let owner = json!({"name": "q", "tenant_ref": "/api/tenant/?name=blue"});
    let pool = admin.in_tenant("*").create("pool", owner).await;
    assert_eq!(blue.send(Method::GET, &path(&pool), None).await.expect("a reply").status, StatusCode::OK);
}

fn role(tenant: Option<&str>, privileges: &[(&str, bool)]) -> Role {
    let privileges = privileges.iter().map(|(name, writes)| (format!("PERMISSION_{name}"), *writes));
    Role { name: "r".to_owned(), tenant: tenant.map(str::to_owned), privileges: privileges.collect() }
}

#[tokio::test]
async fn an_account_does_what_its_roles_allow_and_no_more() {
    let (sim, admin) = Client::fresh().await;
    admin.create("tenant", json!({"name": "blue"})).await;
    admin.create("pool", json!({"name": "p"})).await;
    let blue = admin.in_tenant("blue");
    blue.create("pool", json!({"name": "p"})).await;
    let monitors = "/api/healthmonitor";
    sim.set_roles(Some(vec![role(Some("blue"), &[("POOL", true), ("HEALTHMONITOR", false)])]));

    assert_eq!(blue.post("/api/pool", json!({"name": "q"})).await.status, StatusCode::CREATED);
    assert_eq!(blue.get(monitors).await.status, StatusCode::OK);
    let denied = blue.post(monitors, json!({"name": "m", "type": "HEALTH_MONITOR_TCP"})).await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    assert!(denied.error().contains("write permission: PERMISSION_HEALTHMONITOR"), "{}", denied.error());
    for path in ["/api/vsvip", "/api/cluster", "/api/user", "/api/ipamdnsproviderprofiledomainlist"] {
        assert_eq!(blue.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(admin.get("/api/pool").await.status, StatusCode::FORBIDDEN, "in another tenant");
    let seen = admin.in_tenant("*").get("/api/pool").await.json();
    assert_eq!(seen["count"], 2, "those of blue alone");

    sim.set_roles(None);
    assert_eq!(admin.in_tenant("*").get("/api/pool").await.json()["count"], 3);
}
