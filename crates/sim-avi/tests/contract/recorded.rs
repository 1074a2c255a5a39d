//! Objects as an operator sends them come out of the dump as they were sent.

use crate::client::{Client, path};
use ako_sim_avi::{Options, SimAvi};
use http::StatusCode;
use serde_json::{Value, json};

/// Types in an order in which references lead to objects that exist.
const ORDER: &[&str] = &[
    "sslkeyandcertificate",
    "pool",
    "poolgroup",
    "httppolicyset",
    "l4policyset",
    "vsdatascriptset",
    "vsvip",
    "virtualservice",
];

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

async fn replay(recorded: &Value) -> (SimAvi, Client) {
    let environment = read(include_str!("data/environment.json"));
    let sim = SimAvi::with_environment(&environment, Options::default()).expect("a consistent environment");
    let client = Client::login(&sim).await;
    for kind in ORDER {
        let mut objects: Vec<&Value> =
            recorded[*kind].as_object().into_iter().flat_map(|objects| objects.values()).collect();
        objects.sort_by_key(|object| object.get("vh_parent_vs_ref").is_some());
        for object in objects {
            let mut body = object.clone();
            let vips = body.get_mut("vip").and_then(Value::as_array_mut);
            for vip in vips.into_iter().flatten() {
                vip.as_object_mut().expect("a vip").remove("ip_address");
            }
            client.create(kind, body).await;
        }
    }
    (sim, client)
}

#[tokio::test]
async fn a_layer_4_service() {
    let recorded = read(include_str!("data/l4-single-port.json"));
    let (sim, _client) = replay(&recorded).await;
    assert_eq!(sim.dump(), recorded);
}

#[tokio::test]
async fn a_secure_host() {
    let recorded = read(include_str!("data/l7-sni-secure-one-host.json"));
    let (sim, _client) = replay(&recorded).await;
    assert_eq!(sim.dump(), recorded);
}

#[tokio::test]
async fn a_default_that_is_sent_is_shown() {
    let (sim, client) = Client::fresh().await;
    let pool = client.create("pool", json!({"name": "p", "created_by": "ako"})).await;
    let body = json!({"name": "p", "created_by": "ako", "enabled": true});
    assert_eq!(client.put(&path(&pool), body.clone()).await.status, StatusCode::OK);
    assert_eq!(sim.dump()["pool"]["admin/p"], body);
}

#[tokio::test]
async fn reading_and_writing_back_changes_nothing() {
    let recorded = read(include_str!("data/l7-sni-secure-one-host.json"));
    let (sim, client) = replay(&recorded).await;
    for kind in ORDER {
        let list = client.get(&format!("/api/{kind}?include_name&page_size=200")).await.json();
        for object in list["results"].as_array().expect("results") {
            if object["name"].as_str().is_some_and(|name| name.starts_with("c1--")) {
                let reply = client.put(&path(object), object.clone()).await;
                assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
            }
        }
    }
    assert_eq!(sim.dump(), recorded);
}
