//! A shared virtual service whose children are chosen by the server name.

use serde_json::json;

use super::world::{World, ask, eventually, tls};

const OBJECTS: &str = include_str!("data/sni.json");

#[tokio::test]
async fn secure_hosts_are_children() {
    let mut world = World::new(11).await;
    world.program(OBJECTS).await;
    let _servers = [
        world.backend(1, 1, "shop").await,
        world.backend(1, 2, "exact").await,
        world.backend(1, 3, "pre").await,
    ];
    for (path, who) in [
        ("/", "shop"),
        ("/other?q=1", "shop"),
        ("/exact", "exact"),
        ("/exact/more", "shop"),
        ("/EXACT", "shop"),
        ("/pre", "pre"),
        ("/prefix/more?q=/exact", "pre"),
    ] {
        let answer = world.https("foo.com", path, "foo.com").await;
        assert_eq!((answer.status(), answer.who()), (200, who), "{path}: {}", answer.body);
    }
    let answer = world.https("foo.com", "/", "foo.com").await;
    for header in
        ["x-forwarded-for=127.0.0.1", "x-forwarded-proto=https", "x-forwarded-port=443", "host=foo.com"]
    {
        assert!(answer.body.contains(header), "{header}: {}", answer.body);
    }
    assert_eq!(world.https("a.wild.com", "/", "*.wild.com").await.who(), "shop");
    assert_eq!(world.requests("c1--foo.com"), 8);
    assert_eq!(world.requests("c1--wild.com"), 1);
}

#[tokio::test]
async fn insecure_hosts_are_labels() {
    let mut world = World::new(12).await;
    world.program(OBJECTS).await;
    let _servers = [world.backend(2, 1, "bar").await, world.backend(2, 2, "bar-b").await];
    for (host, path, who) in [
        ("bar.com", "/", "bar"),
        ("bar.com", "/a", "bar"),
        ("bar.com", "/b", "bar-b"),
        ("bar.com:8080", "/b/c", "bar-b"),
        ("BAR.com", "/B/c?d", "bar-b"),
    ] {
        let answer = world.http(host, path).await;
        assert_eq!((answer.status(), answer.who()), (200, who), "{host}{path}: {}", answer.body);
    }
    assert_eq!(world.http("unknown.com", "/").await.status(), 404);
    assert_eq!(world.http("xbar.com", "/").await.status(), 404);
    assert_eq!(world.requests("c1--Shared-L7-0"), 7);
}

#[tokio::test]
async fn secure_hosts_are_redirected() {
    let mut world = World::new(13).await;
    world.program(OBJECTS).await;
    let answer = world.http("foo.com", "/some/path?and=query").await;
    assert_eq!(answer.status(), 302);
    assert_eq!(answer.header("location"), Some("https://foo.com/some/path?and=query"));
    assert_eq!(world.http("foo.com:80", "/").await.header("location"), Some("https://foo.com/"));
}

#[tokio::test]
async fn unknown_server_names_get_the_default_certificate() {
    let mut world = World::new(14).await;
    world.program(OBJECTS).await;
    let foo = world.certificates["foo.com"].clone();
    let port = world.vip(10, 8443);
    assert!(tls(port, "foo.com", Some(&foo)).await.is_ok());
    let error = tls(port, "unknown.com", Some(&foo)).await.expect_err("another certificate");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
}

#[tokio::test]
async fn certificates_rotate_for_new_handshakes() {
    let mut world = World::new(15).await;
    world.program(OBJECTS).await;
    let _server = world.backend(1, 1, "shop").await;
    let port = world.vip(10, 8443);
    let old = world.certificates["foo.com"].clone();
    let before = tls(port, "foo.com", Some(&old)).await.expect("a handshake");

    let new = super::world::Certificate::new(&["foo.com"]);
    let fields = json!({ "certificate": { "certificate": new.pem }, "key": new.key });
    world.change("sslkeyandcertificate", "c1--foo.com", fields).await;
    assert!(tls(port, "foo.com", Some(&old)).await.is_err());
    let after = tls(port, "foo.com", Some(&new)).await.expect("a handshake");
    assert_eq!(ask(after, "foo.com", "/").await.who(), "shop");
    assert_eq!(ask(before, "foo.com", "/").await.who(), "shop", "an open connection goes on");
}

#[tokio::test]
async fn a_disabled_child_is_closed() {
    let mut world = World::new(16).await;
    world.program(OBJECTS).await;
    let _servers = [world.backend(1, 1, "shop").await, world.backend(2, 1, "bar").await];
    let foo = world.certificates["foo.com"].clone();
    world.change("virtualservice", "c1--foo.com", json!({ "enabled": false })).await;
    assert!(tls(world.vip(10, 8443), "foo.com", Some(&foo)).await.is_err());
    assert_eq!(world.http("bar.com", "/").await.who(), "bar");
    world.change("virtualservice", "c1--foo.com", json!({ "enabled": true })).await;
    assert_eq!(world.https("foo.com", "/", "foo.com").await.who(), "shop");

    world.change("virtualservice", "c1--Shared-L7-0", json!({ "traffic_enabled": false })).await;
    assert!(world.plane.listeners().is_empty());
    let port = world.vip(10, 8080);
    eventually("the port is closed", async || tokio::net::TcpStream::connect(port).await.is_err()).await;
}
