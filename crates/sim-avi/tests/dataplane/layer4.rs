//! Connections and datagrams that go to servers as they are.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::world::{World, eventually, tls};

const OBJECTS: &str = include_str!("data/l4.json");

/// A server that says its name and then what it hears.
async fn tcp(address: SocketAddr, name: &'static str) {
    let listener = TcpListener::bind(address).await.expect("a free address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(name.as_bytes()).await;
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
}

/// A server that answers datagrams with its name and what it heard.
async fn udp(address: SocketAddr, name: &'static str) {
    let socket = UdpSocket::bind(address).await.expect("a free address");
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let answer = [name.as_bytes(), &buffer[..length]].concat();
            let _ = socket.send_to(&answer, peer).await;
        }
    });
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    stream.write_all(b"hello").await.expect("sent");
    stream.shutdown().await.expect("shut down");
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.expect("heard");
    heard
}

#[tokio::test]
async fn ports_lead_to_pools() {
    let mut world = World::new(51).await;
    world.program(OBJECTS).await;
    tcp(world.server(1, 1, 5353), "dns ").await;
    tcp(world.server(1, 4, 9000), "other ").await;
    let connect = async |last, port| TcpStream::connect(world.vip(last, port)).await.expect("it listens");
    assert_eq!(converse(connect(10, 8053).await).await, "dns hello");
    assert_eq!(converse(connect(10, 9000).await).await, "other hello");
    let ssl = world.certificates["ssl.com"].clone();
    let secure = tls(world.vip(11, 8853), "ssl.com", Some(&ssl)).await.expect("a handshake");
    assert_eq!(converse(secure).await, "dns hello");

    let listeners = world.plane.listeners();
    let shown: Vec<String> = listeners
        .iter()
        .map(|it| format!("{} {}:{} {:?} {}", it.virtual_service, it.vip, it.port, it.transport, it.address))
        .collect();
    assert!(
        shown.contains(&format!("admin/c1--default-dns 100.64.51.10:53 Udp {}", world.vip(10, 8053))),
        "{shown:?}"
    );
    assert_eq!(listeners.len(), 4);
    let counters = world.plane.counters();
    assert_eq!(counters.servers["admin/c1--default-dns-TCP-53"]["10.51.1.1:5353"].connections, 2);
}

#[tokio::test]
async fn datagrams_of_a_client_stay_with_their_server() {
    let mut world = World::new(52).await;
    world.program(OBJECTS).await;
    udp(world.server(1, 2, 5353), "one ").await;
    udp(world.server(1, 3, 5353), "two ").await;
    let port = world.vip(10, 8053);
    let client = async || {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        socket.connect(port).await.expect("connected");
        socket
    };
    let ask = async |socket: &UdpSocket| {
        let mut buffer = [0; 64];
        socket.send(b"?").await.expect("sent");
        let length = socket.recv(&mut buffer).await.expect("heard");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let (first, second) = (client().await, client().await);
    let (one, other) = (ask(&first).await, ask(&second).await);
    assert_ne!(one, other);
    for _ in 0..3 {
        assert_eq!(ask(&first).await, one);
        assert_eq!(ask(&second).await, other);
    }
    let vs = || world.plane.counters().virtual_services["admin/c1--default-dns"];
    assert_eq!((vs().requests, vs().connections), (8, 2));
    eventually("idle sessions end", async || vs().open == 0).await;
    assert_eq!(ask(&first).await.len(), 5, "a new session is opened");
}

#[tokio::test]
async fn without_a_server_the_connection_is_closed() {
    let mut world = World::new(53).await;
    world.program(OBJECTS).await;
    let mut stream = TcpStream::connect(world.vip(10, 9000)).await.expect("it listens");
    let mut heard = String::new();
    let _ = stream.read_to_string(&mut heard).await;
    assert_eq!(heard, "");
    assert_eq!(world.plane.counters().virtual_services["admin/c1--default-dns"].failures, 1);
}
