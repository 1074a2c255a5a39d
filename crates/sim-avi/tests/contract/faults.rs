//! Faults, weather, the journal and the admin API.

use std::time::Duration;

use crate::client::{Client, path};
use ako_sim_avi::{Action, Fault, Options, SimAvi, Weather};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

#[tokio::test]
async fn a_connection_drops_before_or_after_the_commit() {
    let (sim, client) = Client::fresh().await;
    sim.inject(Fault::new(Action::DropBefore).method("POST").kind("pool").name("a*").times(1));
    sim.inject(Fault::new(Action::DropAfter).method("POST").kind("pool").name("b").times(1));
    for (name, exists) in [("abc", 0), ("b", 1)] {
        assert!(client.send(Method::POST, "/api/pool", Some(json!({"name": name}))).await.is_none());
        assert_eq!(client.get(&format!("/api/pool?name={name}")).await.json()["count"], exists);
    }
    let twice = client.post("/api/pool", json!({"name": "b"})).await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    let statuses: Vec<_> = sim
        .requests()
        .iter()
        .filter(|record| record.method == "POST" && record.kind == "pool")
        .map(|record| (record.name.clone(), record.status, record.committed))
        .collect();
    let expected = [("abc", 0, false), ("b", 0, true), ("b", 409, false)];
    assert_eq!(statuses, expected.map(|(name, status, committed)| (name.to_owned(), status, committed)));
}

#[tokio::test]
async fn replies_end_midway() {
    let (sim, client) = Client::fresh().await;
    sim.inject(Fault::new(Action::Truncate).kind("healthmonitor").times(1));
    let cut = client.get("/api/healthmonitor").await;
    assert_eq!(cut.status, StatusCode::OK);
    assert!(serde_json::from_str::<Value>(&cut.text).is_err());
    sim.inject(Fault::new(Action::Break).kind("healthmonitor").times(1));
    assert!(client.send(Method::GET, "/api/healthmonitor", None).await.is_none());
    assert_eq!(client.get("/api/healthmonitor").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_status_with_retry_after() {
    let (sim, client) = Client::fresh().await;
    let busy = Action::Status { status: 503, body: json!({"error": "busy"}), retry_after: Some(7) };
    sim.inject(Fault::new(busy).method("PUT").skip(1).times(1));
    let pool = client.create("pool", json!({"name": "p"})).await;
    let body = json!({"name": "p"});
    assert_eq!(client.put(&path(&pool), body.clone()).await.status, StatusCode::OK);
    let refused = client.put(&path(&pool), body.clone()).await;
    assert_eq!((refused.status.as_u16(), refused.error().as_str()), (503, "busy"));
    assert_eq!(refused.headers["retry-after"], "7");
    assert_eq!(client.put(&path(&pool), body).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn latency_is_virtual_time() {
    let (sim, client) = Client::fresh().await;
    let start = Instant::now();
    sim.set_latency(Duration::from_secs(5));
    sim.inject(Fault::new(Action::Delay { ms: 1000 }).kind("pool").times(1));
    assert_eq!(client.get("/api/pool").await.status, StatusCode::OK);
    assert_eq!(start.elapsed(), Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn rate_limit_and_upgrade() {
    let (sim, client) = Client::fresh().await;
    sim.set_weather(Weather { rate_limit: Some(2), ..Weather::default() });
    tokio::time::advance(Duration::from_secs(1)).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client.get("/api/pool").await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429]);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(client.get("/api/pool").await.status, StatusCode::OK);

    sim.set_weather(Weather { upgrading: true, ..Weather::default() });
    let refused = client.post("/api/pool", json!({"name": "p"})).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.error(), "Configuration is disallowed during upgrade");
    assert_eq!(client.get("/api/pool").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_admin_api() {
    let (sim, client) = Client::fresh().await;
    client.create("pool", json!({"name": "p", "created_by": "ako"})).await;
    let pool = json!({"pool": {"admin/p": {"name": "p", "created_by": "ako"}}});
    assert_eq!(client.get("/sim/dump").await.json(), pool);
    assert!(client.get("/sim/dump?all=true").await.json()["cloud"]["admin/Default-Cloud"].is_object());

    assert_eq!(client.post("/sim/snapshot", json!({})).await.status, StatusCode::NO_CONTENT);
    let request = http::Request::patch("/sim/objects/pool/admin/p")
        .header("content-type", "application/json")
        .body(axum::body::Body::from(r#"{"enabled": false, "created_by": null}"#))
        .expect("a request");
    assert_eq!(client.exchange(request).await.expect("a reply").status, StatusCode::NO_CONTENT);
    let edited = client.get("/api/pool?name=p").await.json();
    assert_eq!(edited["results"][0]["enabled"], false);
    assert_eq!(client.delete("/sim/objects/pool/admin/p").await.status, StatusCode::NO_CONTENT);
    assert_eq!(client.delete("/sim/objects/pool/admin/p").await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.post("/sim/restore", json!({})).await.status, StatusCode::NO_CONTENT);
    assert_eq!(sim.dump(), pool);
    let stamp = |list: &Value| list["results"][0]["_last_modified"].as_str().map(str::to_owned);
    let restored = client.get("/api/pool?name=p").await.json();
    assert!(stamp(&restored) < stamp(&edited));
    let body = json!({"name": "p", "created_by": "ako"});
    client.put(&path(&restored["results"][0]), body).await;
    assert!(stamp(&client.get("/api/pool?name=p").await.json()) > stamp(&edited));

    let request = http::Request::post("/sim/faults")
        .header("content-type", "application/json")
        .body(axum::body::Body::from(
            json!({"method": "GET", "type": "pool", "count": 1, "action": {"status": {"status": 500}}})
                .to_string(),
        ))
        .expect("a request");
    assert_eq!(client.exchange(request).await.expect("a reply").status, StatusCode::CREATED);
    assert_eq!(client.get("/api/pool").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(client.get("/sim/faults").await.json(), json!([]));

    sim.inject(Fault::new(Action::ExpireSession).times(1));
    assert_eq!(client.get("/api/pool").await.status, StatusCode::UNAUTHORIZED);
    let stats = client.get("/sim/stats").await.json();
    assert_eq!((&stats["commits"], &stats["by_outcome"]["POST pool 201"]), (&json!(2), &json!(1)));
    let all = client.get("/sim/requests").await.json();
    let last =
        all.as_array().and_then(|all| all.last()).expect("a request")["seq"].as_u64().expect("a position");
    assert_eq!(client.get(&format!("/sim/requests?since={last}")).await.json(), json!([]));
    assert_eq!(client.delete("/sim/requests").await.status, StatusCode::NO_CONTENT);
    assert!(sim.requests().is_empty());
}

#[tokio::test]
async fn the_journal_has_what_was_changed_if_it_is_to() {
    let sim = SimAvi::new(Options { changes: true, ..Options::default() });
    let client = Client::login(&sim).await;
    let pool = client
        .create("pool", json!({"name": "p", "servers": [{"ip": {"addr": "10.0.0.1", "type": "V4"}}]}))
        .await;
    assert_eq!(client.put(&path(&pool), json!({"name": "p"})).await.status, StatusCode::OK);
    assert_eq!(client.put(&path(&pool), json!({"name": 1})).await.status, StatusCode::BAD_REQUEST);
    let changes: Vec<_> = sim.requests().into_iter().filter_map(|record| record.change).collect();
    let [change] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!(change.before["servers"][0]["ip"]["addr"], "10.0.0.1");
    assert_eq!(change.after, json!({"name": "p"}));
    // By default it does not.
    let (sim, client) = Client::fresh().await;
    let pool = client.create("pool", json!({"name": "p"})).await;
    client.put(&path(&pool), json!({"name": "p"})).await;
    assert!(sim.requests().iter().all(|record| record.change.is_none()));
}

#[tokio::test]
async fn pages_that_are_smaller_than_was_asked_for() {
    let (sim, client) = Client::fresh().await;
    for name in ["a", "b", "c"] {
        client.post("/api/pool", json!({"name": name})).await;
    }
    sim.set_weather(Weather { page_size: Some(2), ..Weather::default() });
    let page = client.get("/api/pool?page_size=200").await.json();
    assert_eq!((page["count"].as_u64(), page["results"].as_array().map(Vec::len)), (Some(3), Some(2)));
    assert!(page["next"].as_str().is_some_and(|next| next.contains("page=2")), "{page}");
    assert_eq!(client.get("/api/pool?page_size=200&page=2").await.json()["results"][0]["name"], "c");
}

#[tokio::test]
async fn faults_are_counted_when_they_are_applied() {
    let (sim, client) = Client::fresh().await;
    sim.inject(Fault::new(Action::DropBefore).method("GET").kind("vsvip"));
    sim.inject(Fault::new(Action::Status { status: 503, body: json!(""), retry_after: None }).times(2));
    for _ in 0..3 {
        client.get("/api/pool").await;
    }
    assert_eq!(sim.faults_struck(), [("status 503 GET".to_owned(), 2)].into());
}

#[tokio::test]
async fn the_password_can_be_changed() {
    let (sim, client) = Client::fresh().await;
    sim.set_password("other");
    assert_eq!(client.get("/api/pool").await.status, StatusCode::OK, "the session goes on");
    let login = |password: &str| json!({"username": "admin", "password": password});
    assert_eq!(client.post("/login", login("admin")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(client.post("/login", login("other")).await.status, StatusCode::OK);
}
