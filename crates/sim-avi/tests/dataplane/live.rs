//! Changes while traffic flows, and what connections can carry.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ako_sim_avi::DataPlaneOptions;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::world::{Answer, Certificate, World, ask, eventually, loopback, raw, tls};

const OBJECTS: &str = include_str!("data/dedicated.json");
const VS: &str = "c1--foo.com-L7-dedicated";

fn only_second() -> Value {
    json!({ "servers": [{ "ip": { "addr": "10.@.1.2", "type": "V4" }, "port": 8080, "enabled": true }] })
}

/// Reads until what was read contains a text.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(wanted) {
        assert_ne!(stream.read_buf(&mut read).await.expect("open"), 0, "{}", String::from_utf8_lossy(&read));
    }
    String::from_utf8_lossy(&read).into_owned()
}

#[tokio::test]
async fn an_endpoint_is_removed_under_load() {
    let mut world = World::new(61).await;
    world.program(OBJECTS).await;
    let (one, two) = (world.backend(1, 1, "one").await, world.backend(1, 2, "two").await);
    let port = world.vip(10, 8080);
    let done = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let done = done.clone();
            tokio::spawn(async move {
                for _ in 0..100 {
                    let stream = TcpStream::connect(port).await.expect("it listens");
                    let answer = ask(stream, "other.com", "/").await;
                    assert_eq!(answer.status(), 200, "{answer:?}");
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    // One request is held by the server that goes.
    let held = tokio::spawn(async move {
        let stream = TcpStream::connect(port).await.expect("it listens");
        ask(stream, "other.com", "/held").await
    });
    let counters = || world.plane.counters().servers["admin/c1--pool"].clone();
    two.held.add_permits(1000);
    eventually("load on both", async || done.load(Ordering::SeqCst) > 40 && one.requests() > 10).await;
    world.change("pool", "c1--pool", only_second()).await;
    assert_eq!(counters().keys().collect::<Vec<_>>(), ["10.61.1.2:8080"]);
    one.held.add_permits(1000);
    for worker in workers {
        worker.await.expect("all requests are answered");
    }
    let answer = held.await.expect("answered");
    assert!(matches!(answer.who(), "one" | "two"), "{answer:?}");

    let before = one.requests();
    drop(one);
    for _ in 0..10 {
        assert_eq!(world.http("other.com", "/").await.who(), "two");
    }
    assert_eq!(world.plane.counters().virtual_services[&format!("admin/{VS}")].failures, 0);
    assert!(before > 10);
}

#[tokio::test]
async fn a_request_in_flight_outlives_its_virtual_service() {
    let mut world = World::new(62).await;
    world.program(OBJECTS).await;
    world.change("pool", "c1--pool", only_second()).await;
    let server = world.backend(1, 2, "two").await;
    let port = world.vip(10, 8080);
    let held = tokio::spawn(async move {
        let stream = TcpStream::connect(port).await.expect("it listens");
        ask(stream, "other.com", "/held").await
    });
    eventually("the server has it", async || server.requests() == 1).await;
    world.delete("virtualservice", VS).await;
    assert!(world.plane.listeners().is_empty());
    assert!(TcpStream::connect(port).await.is_err());
    server.held.add_permits(1);
    assert_eq!(held.await.expect("answered").who(), "two");
}

#[tokio::test]
async fn open_connections_see_new_rules() {
    let mut world = World::new(63).await;
    world.program(OBJECTS).await;
    let _servers = [
        world.backend(1, 1, "pool").await,
        world.backend(1, 2, "pool").await,
        world.backend(1, 3, "other").await,
    ];
    let mut stream = TcpStream::connect(world.vip(10, 8080)).await.expect("it listens");
    let request = b"GET / HTTP/1.1\r\nhost: other.com\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    assert!(read_until(&mut stream, "body=0").await.contains("\r\n\r\npool "));
    world
        .change("poolgroup", "c1--group", json!({ "members": [{ "pool_ref": "/api/pool?name=c1--other" }] }))
        .await;
    stream.write_all(request).await.expect("sent");
    assert!(read_until(&mut stream, "body=0").await.contains("\r\n\r\nother "));
    let counters = world.plane.counters().virtual_services[&format!("admin/{VS}")];
    assert_eq!((counters.connections, counters.requests), (1, 2));
}

#[tokio::test]
async fn listeners_come_and_go() {
    let mut world = World::new(64).await;
    world.program(OBJECTS).await;
    let ports = |world: &World| -> Vec<u16> {
        world.plane.listeners().iter().map(|listener| listener.address.port()).collect()
    };
    assert_eq!(ports(&world), [8080, 8443]);
    let mut status = world.plane.watch();
    assert!(status.has_changed().expect("it runs"), "what is there already is seen");
    assert_eq!(status.borrow_and_update().listeners.len(), 2);
    let open = TcpStream::connect(world.vip(10, 8080)).await.expect("it listens");
    let services = json!({ "services": [
        { "port": 80, "enable_ssl": false }, { "port": 9090, "port_range_end": 9091, "enable_ssl": false },
    ] });
    world.change("virtualservice", VS, services).await;
    assert_eq!(ports(&world), [8080, 9090, 9091]);
    let _server = world.backend(1, 2, "two").await;
    let answer = ask(TcpStream::connect(world.vip(10, 9091)).await.expect("it listens"), "x", "/").await;
    assert!(answer.body.contains("x-forwarded-port=9091"), "{answer:?}");
    assert_eq!(ask(open, "other.com", "/").await.who(), "two", "an unaffected connection goes on");

    let address = world.vip(10, 8080);
    drop(world);
    eventually("all is closed", async || TcpStream::connect(address).await.is_err()).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_and_the_others_go_on() {
    let mut world = World::new(65).await;
    let taken = TcpListener::bind(world.vip(10, 8080)).await.expect("a free port");
    world.program(OBJECTS).await;
    let problems = world.plane.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let at = world.vip(10, 8080);
    let start = format!("admin/c1--foo.com-L7-dedicated: 100.64.65.10:80 cannot be served at {at}: ");
    assert!(problems[0].starts_with(&start), "{problems:?}");
    assert_eq!(world.plane.listeners().len(), 1);
    drop(taken);
    world.change("virtualservice", VS, json!({ "weight": 2 })).await;
    assert_eq!((world.plane.listeners().len(), world.plane.problems().len()), (2, 0));
}

#[tokio::test]
async fn ports_are_as_they_are_where_that_is_permitted() {
    let mut world =
        World::with(66, DataPlaneOptions { loopback: loopback(), ..DataPlaneOptions::default() }).await;
    world.program(OBJECTS).await;
    let permitted = TcpListener::bind(world.server(66, 66, 80)).await.is_ok();
    let ports: Vec<u16> = world.plane.listeners().iter().map(|listener| listener.address.port()).collect();
    if permitted {
        assert_eq!(ports, [80, 443]);
    } else {
        assert_eq!(ports, [8080, 8443]);
        let problems = world.plane.problems();
        let moved = format!("may not be bound, 100.64.66.10:80 is at {}", world.vip(10, 8080));
        assert!(problems[0].contains(&moved), "{problems:?}");
    }
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let mut world = World::new(67).await;
    world.program(OBJECTS).await;
    let _servers = [world.backend(1, 1, "one").await, world.backend(1, 2, "one").await];
    let connect = async || TcpStream::connect(world.vip(10, 8080)).await.expect("it listens");
    let size = 300_000;
    let mut request =
        format!("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {size}\r\n\r\n")
            .into_bytes();
    request.resize(request.len() + size, b'x');
    assert!(raw(connect().await, &request).await.body.ends_with("body=300000"));
    let chunked = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
        5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
    assert!(raw(connect().await, chunked).await.body.ends_with("body=6"));

    let mut huge = b"GET / HTTP/1.1\r\nhost: x\r\n".to_vec();
    huge.resize(200_000, b'h');
    let answer: Answer = raw(connect().await, &huge).await;
    assert!(matches!(answer.status(), 0 | 431), "{answer:?}");
}

#[tokio::test]
async fn upgraded_connections_pass_through() {
    let mut world = World::new(68).await;
    world.program(OBJECTS).await;
    world.change("pool", "c1--pool", only_second()).await;
    let listener = TcpListener::bind(world.server(1, 2, 8080)).await.expect("a free address");
    let server = tokio::spawn(async move {
        // Probes connect too, and say nothing.
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0)
            {
            }
            if head.is_empty() {
                continue;
            }
            let switch = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
            stream.write_all(switch).await.expect("sent");
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
            return String::from_utf8_lossy(&head).into_owned();
        }
    });
    let mut client = TcpStream::connect(world.vip(10, 8080)).await.expect("it listens");
    client
        .write_all(b"GET /chat HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n")
        .await
        .expect("sent");
    assert!(read_until(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    client.write_all(b"over the wire").await.expect("sent");
    assert_eq!(read_until(&mut client, "wire").await, "over the wire");
    drop(client);
    assert!(server.await.expect("it ended").contains("upgrade: echo"));
}

#[tokio::test]
async fn a_restored_snapshot_is_served() {
    let mut world = World::new(69).await;
    world.sim.snapshot();
    world.program(OBJECTS).await;
    assert_eq!(world.plane.listeners().len(), 2);
    assert!(world.sim.restore());
    world.plane.settled().await;
    assert!(world.plane.listeners().is_empty());
    let error = tls(world.vip(10, 8443), "foo.com", Some(&Certificate::new(&["foo.com"]))).await;
    assert!(error.is_err());
}
