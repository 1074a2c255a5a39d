//! A simulator with a data plane, servers behind it and clients in front.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ako_sim_avi::{DataPlane, DataPlaneOptions, Loopback, Options, SimAvi};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::ServiceExt;

/// Low ports are moved, so that tests need no privileges.
pub(crate) const OFFSET: u16 = 8000;
const DEADLINE: Duration = Duration::from_secs(20);

/// Polls a condition until it holds.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let poll = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(DEADLINE, poll).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A certificate and its key in PEM.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) pem: String,
    pub(crate) key: String,
}

impl Certificate {
    pub(crate) fn new(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = rcgen::KeyPair::generate().expect("a key");
        let pem =
            rcgen::CertificateParams::new(names).expect("names").self_signed(&key).expect("signed").pem();
        Self { pem, key: key.serialize_pem() }
    }

    fn root(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("PEM")
    }
}

/// A simulator, its data plane, and a session with it.
pub(crate) struct World {
    pub(crate) sim: SimAvi,
    pub(crate) plane: DataPlane,
    octet: u8,
    router: Router,
    cookies: String,
    csrf: String,
    pub(crate) certificates: HashMap<String, Certificate>,
}

impl World {
    /// `octet` sets this world apart: its servers are 10.`octet`.x.y, its VIPs
    /// 100.64.`octet`.x.
    pub(crate) async fn new(octet: u8) -> Self {
        let udp_idle = Duration::from_millis(200);
        let options = DataPlaneOptions { port_offset: Some(OFFSET), udp_idle, loopback: loopback() };
        Self::with(octet, options).await
    }

    pub(crate) async fn with(octet: u8, options: DataPlaneOptions) -> Self {
        let sim = SimAvi::new(Options::default());
        let plane = sim.data_plane(options).expect("a runtime");
        let router = sim.router();
        let certificates = HashMap::new();
        let mut world =
            Self { sim, plane, octet, router, cookies: String::new(), csrf: String::new(), certificates };
        let login = json!({ "username": "admin", "password": "admin" });
        let response = world.exchange(Method::POST, "/login", Some(login)).await;
        let cookies = response.headers().get_all("set-cookie").iter();
        let cookies: Vec<String> =
            cookies.filter_map(|value| value.to_str().ok()?.split(';').next().map(str::to_owned)).collect();
        let csrf = cookies.iter().find_map(|cookie| cookie.strip_prefix("csrftoken="));
        csrf.expect("a CSRF cookie").clone_into(&mut world.csrf);
        world.cookies = cookies.join("; ");
        world
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<Value>) -> http::Response<Body> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "controller")
            .header("cookie", &self.cookies)
            .header("x-csrftoken", &self.csrf);
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body).expect("a request");
        self.router.clone().oneshot(request).await.expect("the router is infallible")
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let what = format!("{method} {path}");
        let response = self.exchange(method, path, body).await;
        let status = response.status();
        let text = response.into_body().collect().await.expect("a body").to_bytes();
        assert!(status.is_success(), "{what}: {status} {}", String::from_utf8_lossy(&text));
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// What the API shows at a path.
    pub(crate) async fn read(&self, path: &str) -> Value {
        self.send(Method::GET, path, None).await
    }

    /// Posts `{type: [objects]}` and waits until they are served. In texts, `10.@` and
    /// `100.64.@` become this world's addresses, `CERT:x` and `KEY:x` a certificate for x.
    pub(crate) async fn program(&mut self, text: &str) {
        let kinds: Value = serde_json::from_str(&text.replace('@', &self.octet.to_string())).expect("JSON");
        for kind in [
            "vsvip",
            "sslkeyandcertificate",
            "pool",
            "poolgroup",
            "httppolicyset",
            "l4policyset",
            "vsdatascriptset",
            "virtualservice",
        ] {
            for object in kinds.get(kind).and_then(Value::as_array).into_iter().flatten() {
                let mut object = object.clone();
                self.certify(&mut object);
                self.send(Method::POST, &format!("/api/{kind}"), Some(object)).await;
            }
        }
        self.plane.settled().await;
    }

    fn certify(&mut self, object: &mut Value) {
        let Some(name) = object["key"].as_str().and_then(|key| key.strip_prefix("KEY:")) else { return };
        let name = name.to_owned();
        let made = self.certificates.entry(name.clone()).or_insert_with(|| Certificate::new(&[&name]));
        object["certificate"] = json!({ "certificate": made.pem });
        object["key"] = made.key.clone().into();
    }

    async fn path(&self, kind: &str, name: &str) -> String {
        let list = self.read(&format!("/api/{kind}?name={name}")).await;
        let uuid = list["results"][0]["uuid"].as_str().unwrap_or_else(|| panic!("no {kind} {name}"));
        format!("/api/{kind}/{uuid}")
    }

    /// Replaces fields of an object, and waits until that is served.
    pub(crate) async fn change(&self, kind: &str, name: &str, fields: Value) {
        let fields = fields.to_string().replace('@', &self.octet.to_string());
        let fields: Value = serde_json::from_str(&fields).expect("JSON");
        let path = self.path(kind, name).await;
        self.send(Method::PATCH, &path, Some(json!({ "replace": fields }))).await;
        self.plane.settled().await;
    }

    pub(crate) async fn delete(&self, kind: &str, name: &str) {
        let path = self.path(kind, name).await;
        self.send(Method::DELETE, &path, None).await;
        self.plane.settled().await;
    }

    /// A server `10.octet.x.y`, as the machine has it.
    pub(crate) fn server(&self, x: u8, y: u8, port: u16) -> SocketAddr {
        here(Ipv4Addr::new(10, self.octet, x, y), port)
    }

    /// A VIP `100.64.octet.last`, as the machine has it.
    pub(crate) fn vip(&self, last: u8, port: u16) -> SocketAddr {
        here(Ipv4Addr::new(100, 64, self.octet, last), port)
    }

    /// An HTTP server at `10.octet.x.y:8080` that says its name.
    pub(crate) async fn backend(&self, x: u8, y: u8, name: &'static str) -> Backend {
        Backend::start(self.server(x, y, 8080), name).await
    }

    /// Asks the HTTP port of the VIP `.10`.
    pub(crate) async fn http(&self, host: &str, path: &str) -> Answer {
        let stream = TcpStream::connect(self.vip(10, 80 + OFFSET)).await.expect("it listens");
        ask(stream, host, path).await
    }

    /// Asks the HTTPS port of the VIP `.10`, trusting only the certificate called `trusted`.
    pub(crate) async fn https(&self, host: &str, path: &str, trusted: &str) -> Answer {
        let root = self.certificates[trusted].clone();
        let stream = tls(self.vip(10, 443 + OFFSET), host, Some(&root)).await.expect("a handshake");
        ask(stream, host, path).await
    }

    /// Requests that a virtual service had.
    pub(crate) fn requests(&self, virtual_service: &str) -> u64 {
        let counters = self.plane.counters();
        counters.virtual_services.get(&format!("admin/{virtual_service}")).map_or(0, |vs| vs.requests)
    }
}

/// The loopback addresses of all worlds of this process.
pub(crate) fn loopback() -> Loopback {
    Loopback::of_this_process().expect("a free range")
}

fn here(address: Ipv4Addr, port: u16) -> SocketAddr {
    (loopback().address(address).expect("a free address"), port).into()
}

/// Shakes hands with a port, trusting one certificate. Without one, anything is trusted
/// that the client can parse.
pub(crate) async fn tls(
    address: SocketAddr,
    host: &str,
    root: Option<&Certificate>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    if let Some(root) = root {
        roots.add(root.root()).expect("a certificate");
    }
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await?).await
}

/// An answer; without a status the connection was closed.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: Option<StatusCode>,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Who answered.
    pub(crate) fn who(&self) -> &str {
        self.body.split(' ').next().unwrap_or_default()
    }

    pub(crate) fn status(&self) -> u16 {
        self.status.map_or(0, |status| status.as_u16())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// Sends a GET and reads until the server closes.
pub(crate) async fn ask(stream: impl AsyncRead + AsyncWrite + Unpin, host: &str, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    raw(stream, request.as_bytes()).await
}

/// Sends bytes and reads until the server closes.
pub(crate) async fn raw(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Answer {
    let mut reply = Vec::new();
    // A connection that is closed at once may refuse the bytes; there is no answer then.
    if stream.write_all(bytes).await.is_ok() {
        let _ = stream.read_to_end(&mut reply).await;
    }
    let text = String::from_utf8_lossy(&reply);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// An HTTP server that answers `<name> <path> <headers>`. Requests for `/held` wait until
/// they are let go.
pub(crate) struct Backend {
    pub(crate) requests: Arc<AtomicUsize>,
    pub(crate) held: Arc<Semaphore>,
    task: JoinHandle<()>,
}

impl Backend {
    pub(crate) async fn start(address: SocketAddr, name: &'static str) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free address");
        let (requests, held) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (count, gate) = (requests.clone(), held.clone());
        let answer = async move |request: Request| {
            count.fetch_add(1, Ordering::SeqCst);
            if request.uri().path() == "/held" {
                let _let_go = gate.acquire().await;
            }
            let headers: Vec<String> = request
                .headers()
                .iter()
                .map(|(name, value)| format!("{name}={}", value.to_str().unwrap_or_default()))
                .collect();
            let path = request.uri().path().to_owned();
            let length = request.into_body().collect().await.map_or(0, |body| body.to_bytes().len());
            format!("{name} {path} {} body={length}", headers.join(" "))
        };
        let app = Router::new().fallback(move |request: Request| {
            let answer = answer.clone();
            async move { answer(request).await }
        });
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Self { requests, held, task }
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}
