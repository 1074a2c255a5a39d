//! A dedicated virtual service: policies, pools and their servers.

use serde_json::json;

use super::world::{World, eventually};

const OBJECTS: &str = include_str!("data/dedicated.json");
const VS: &str = "c1--foo.com-L7-dedicated";

#[tokio::test]
async fn a_dedicated_host_is_served_and_redirected() {
    let mut world = World::new(31).await;
    world.program(OBJECTS).await;
    let _servers = [world.backend(1, 1, "one").await, world.backend(1, 2, "two").await];
    let (first, second) =
        (world.https("foo.com", "/", "foo.com").await, world.https("foo.com", "/", "foo.com").await);
    let mut who = [first.who(), second.who()];
    who.sort_unstable();
    assert_eq!(who, ["one", "two"], "servers take turns");
    let answer = world.http("foo.com", "/x").await;
    assert_eq!((answer.status(), answer.header("location")), (302, Some("https://foo.com/x")));
    assert!(matches!(world.http("other.com", "/").await.who(), "one" | "two"));
}

#[tokio::test]
async fn a_security_rule_closes_the_connection() {
    let mut world = World::new(32).await;
    world.program(OBJECTS).await;
    let _servers = [world.backend(1, 1, "one").await, world.backend(1, 2, "one").await];
    let close = json!({ "http_security_policy": { "rules": [{
        "name": "close", "index": 0, "enable": true,
        "match": { "vs_port": { "match_criteria": "IS_IN", "ports": [80] } },
        "action": { "action": "HTTP_SECURITY_ACTION_CLOSE_CONN" },
    }] } });
    world.change("httppolicyset", VS, close).await;
    assert_eq!(world.http("foo.com", "/").await.status, None);
    assert_eq!(world.https("foo.com", "/", "foo.com").await.who(), "one");
}

#[tokio::test]
async fn redirects_say_port_path_and_status() {
    let mut world = World::new(33).await;
    world.program(OBJECTS).await;
    let _servers = [world.backend(1, 1, "one").await, world.backend(1, 2, "one").await];
    let rules = json!({ "http_request_policy": { "rules": [
        {
            "name": "root", "index": 0, "enable": true,
            "match": { "path": { "match_criteria": "EQUALS", "match_case": "SENSITIVE", "match_str": ["/"] } },
            "redirect_action": {
                "protocol": "HTTPS", "port": 8443, "status_code": "HTTP_REDIRECT_STATUS_CODE_301",
                "path": {
                    "type": "URI_PARAM_TYPE_TOKENIZED",
                    "tokens": [{ "type": "URI_TOKEN_TYPE_STRING", "str_value": "app/root" }],
                },
            },
        },
        {
            "name": "header", "index": 1, "enable": true, "match": {},
            "hdr_action": [{
                "action": "HTTP_REPLACE_HDR", "hdr": { "name": "Host", "value": { "val": "local.com" } },
            }],
        },
    ] } });
    world.change("httppolicyset", VS, rules).await;
    let answer = world.http("foo.com", "/?q").await;
    assert_eq!((answer.status(), answer.header("location")), (301, Some("https://foo.com:8443/app/root?q")));
    let answer = world.http("foo.com", "/x").await;
    assert!(answer.body.contains("host=local.com"), "{}", answer.body);
}

#[tokio::test]
async fn a_disabled_server_gets_nothing_new() {
    let mut world = World::new(34).await;
    world.program(OBJECTS).await;
    let (one, two) = (world.backend(1, 1, "one").await, world.backend(1, 2, "two").await);
    let servers = |enabled: [bool; 2]| {
        json!({ "servers": [
            { "ip": { "addr": "10.@.1.1", "type": "V4" }, "port": 8080, "enabled": enabled[0] },
            { "ip": { "addr": "10.@.1.2", "type": "V4" }, "port": 8080, "enabled": enabled[1] },
        ] })
    };
    world.change("pool", "c1--pool", servers([false, true])).await;
    for _ in 0..6 {
        assert_eq!(world.https("foo.com", "/", "foo.com").await.who(), "two");
    }
    assert_eq!((one.requests(), two.requests()), (0, 6));
    world.change("pool", "c1--pool", servers([false, false])).await;
    assert_eq!(world.https("foo.com", "/", "foo.com").await.status(), 503);
    let path = format!("/api/virtualservice-inventory?name={VS}");
    assert_eq!(world.read(&path).await["results"][0]["runtime"]["oper_status"]["state"], "OPER_DOWN");
    world.change("pool", "c1--pool", servers([true, false])).await;
    assert_eq!(world.read(&path).await["results"][0]["runtime"]["oper_status"]["state"], "OPER_UP");
}

#[tokio::test]
async fn a_server_that_refuses_is_passed_over() {
    let mut world = World::new(35).await;
    world.program(OBJECTS).await;
    let _server = world.backend(1, 2, "two").await;
    for _ in 0..6 {
        assert_eq!(world.https("foo.com", "/", "foo.com").await.who(), "two");
    }
    let counters = world.plane.counters();
    let servers = &counters.servers["admin/c1--pool"];
    assert!(servers["10.35.1.1:8080"].failures >= 1, "{servers:?}");
    assert_eq!(servers["10.35.1.2:8080"].requests, 6);
    let uuid = world.read("/api/pool?name=c1--pool").await["results"][0]["uuid"].clone();
    let path = format!("/api/pool-inventory/{}", uuid.as_str().expect("a uuid"));
    assert_eq!(world.read(&path).await["runtime"]["oper_status"]["state"], "OPER_UP");
}

#[tokio::test]
async fn without_a_server_the_answer_is_503() {
    let mut world = World::new(36).await;
    world.program(OBJECTS).await;
    assert_eq!(world.https("foo.com", "/", "foo.com").await.status(), 503, "nobody listens");
    world.change("pool", "c1--pool", json!({ "servers": [] })).await;
    assert_eq!(world.https("foo.com", "/", "foo.com").await.status(), 503, "no servers");
    world.change("poolgroup", "c1--group", json!({ "members": [] })).await;
    assert_eq!(world.https("foo.com", "/", "foo.com").await.status(), 503, "no pools");
    assert!(world.sim.remove("poolgroup", "admin", "c1--group"));
    world.plane.settled().await;
    assert_eq!(world.https("foo.com", "/", "foo.com").await.status(), 503, "no pool group");
    assert_eq!(world.plane.counters().virtual_services[&format!("admin/{VS}")].failures, 4);

    world.change("virtualservice", VS, json!({ "http_policies": [] })).await;
    assert_eq!(world.https("foo.com", "/", "foo.com").await.status(), 404, "no rule");
}

#[tokio::test]
async fn servers_come_back() {
    let mut world = World::new(37).await;
    world.program(OBJECTS).await;
    assert_eq!(world.http("other.com", "/").await.status(), 503);
    let _server = world.backend(1, 1, "one").await;
    eventually("the server is found", async || world.http("other.com", "/").await.who() == "one").await;
}
