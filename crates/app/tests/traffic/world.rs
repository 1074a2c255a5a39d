//! A cluster in memory, a controller whose load balancer carries traffic, the
//! operator between them, and clients.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ako_harness::operator::{Controller, Operator, OperatorOptions, install};
use ako_harness::pods::{self, Pod};
use ako_harness::{cluster, eventually, visitor};
use ako_sim_avi::{Action, DataPlane, DataPlaneOptions, Fault, Loopback, SimAvi};
use ako_sim_kube::SimKube;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// How long anything may take.
pub(crate) const SOON: Duration = Duration::from_secs(30);
const NAMESPACE: &str = "default";

/// Everything, on loopback.
pub(crate) struct World {
    pub(crate) client: kube::Client,
    avi: SimAvi,
    page: u16,
    data_plane: DataPlane,
    operator: Operator,
    pub(crate) pods: JoinSet<()>,
    _servers: (ako_sim_kube::Running, ako_sim_avi::Running),
    _folder: TempDir,
}

/// A certificate and its key, PEM.
pub(crate) struct Certificate {
    pub(crate) pem: String,
    key: String,
}

impl Certificate {
    pub(crate) fn of(host: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
        Self { pem: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    /// What a server needs to have it.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject as _;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let certificate = CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        Arc::new(builder.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
    }

    /// What a Route has that ends TLS with it.
    pub(crate) fn edge(&self) -> Value {
        json!({"termination": "edge", "certificate": self.pem, "key": self.key})
    }

    /// The object of the controller that has it.
    pub(crate) fn on_controller(&self, name: &str) -> Value {
        json!({
            "name": name, "type": "SSL_CERTIFICATE_TYPE_VIRTUALSERVICE",
            "certificate": {"certificate": self.pem}, "key": self.key,
        })
    }

    pub(crate) fn secret(&self, name: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "stringData": {"tls.crt": self.pem, "tls.key": self.key},
        })
    }
}

impl World {
    /// Starts everything. Ports below 1024 are served with an offset, which keeps
    /// worlds of one time apart.
    pub(crate) async fn start(port_offset: u16, changes: &[(&str, &str)]) -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let kube = SimKube::new(ako_sim_kube::Options::default());
        let kube_server = kube.serve(loopback, ako_sim_kube::Tls::SelfSigned).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        kube_server.write_kubeconfig(&kubeconfig).unwrap();
        let avi = SimAvi::new(ako_sim_avi::Options::default());
        let avi_server = avi.serve(loopback, ako_sim_avi::Tls::SelfSigned).await.unwrap();
        let loopback = Loopback::of_this_process().unwrap();
        let options =
            DataPlaneOptions { port_offset: Some(port_offset), loopback, ..DataPlaneOptions::default() };
        let data_plane = avi.data_plane(options).unwrap();

        let client = kube.client();
        let (address, ca_pem) = (avi_server.address.to_string(), avi_server.ca_pem.clone().unwrap());
        let controller =
            Controller { address: &address, ca_pem: &ca_pem, username: "admin", password: "admin" };
        let mut config: BTreeMap<String, String> = [
            ("clusterName", "c1"),
            ("vipNetworkList", r#"[{"networkName":"vip-net"}]"#),
            ("disableStaticRouteSync", "true"),
            ("shardVSSize", "SMALL"),
            ("leaderElectionProfile", "fast"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        config.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let installed = install(&client, "avi-system", &config, controller).await.unwrap();
        let options = OperatorOptions::new(env!("CARGO_BIN_EXE_ako"), &kubeconfig, &installed);
        let mut operator = Operator::start(options).unwrap();
        let class = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {
                "name": "avi-lb", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"},
            },
            "spec": {"controller": "ako.vmware.com/avi-lb"},
        });
        cluster::apply(&client, &class).await.unwrap();
        operator.wait_ready().await.unwrap();
        let servers = (kube_server, avi_server);
        let page = installed.port;
        Self {
            client,
            avi,
            page,
            data_plane,
            operator,
            pods: JoinSet::new(),
            _servers: servers,
            _folder: folder,
        }
    }

    /// Runs a command of the operator's program against the operator that runs here: its exit code,
    /// and what it prints.
    pub(crate) async fn ask(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_ako"));
        command.args(arguments).args(["--local", "--port", &self.page.to_string()]);
        let output = command.output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    }

    /// The address of the status page.
    pub(crate) fn page(&self) -> String {
        format!("http://127.0.0.1:{}/", self.page)
    }

    /// The controller refuses pools whose name contains this.
    pub(crate) fn refuse_pools_of(&self, part: &str) {
        let body = json!({"error": "the pool is not to our taste"});
        let action = Action::Status { status: 400, body, retry_after: None };
        self.avi.inject(Fault::new(action).method("POST").kind("pool").name(&format!("*{part}*")));
    }

    /// Somebody makes objects on the controller.
    pub(crate) fn plant(&self, objects: &Value) {
        assert_eq!(self.avi.plant(objects), Vec::<String>::new());
    }

    pub(crate) async fn apply(&self, objects: &[Value]) {
        cluster::apply_all(&self.client, objects).await.unwrap();
    }

    /// Pods that answer over HTTP, and the Service that leads to them.
    pub(crate) async fn serve(&mut self, service: &str, kind: &str, pods: &[Pod]) {
        let mut tasks = pods::serve(pods, None).await.unwrap();
        self.pods.spawn(async move { while tasks.join_next().await.is_some() {} });
        self.apply(&[service_of(service, kind, "TCP", 80), slice(service, "TCP", pods)]).await;
    }

    /// Where a virtual service listens whose name contains this.
    pub(crate) async fn listener(&self, name: &str, port: u16) -> SocketAddr {
        self.eventually(async || {
            let listeners = self.data_plane.listeners();
            let found = listeners.iter().find(|l| l.virtual_service.contains(name) && l.port == port);
            found.map(|listener| listener.address).ok_or_else(|| {
                format!(
                    "nothing listens for {name} at {port}: {listeners:?}; {:?}",
                    self.data_plane.problems()
                )
            })
        })
        .await
    }

    /// Waits until a page is answered by this pod.
    pub(crate) async fn answered(&self, at: SocketAddr, host: &str, path: &str, pod: &str) -> String {
        self.eventually(async || {
            let answer = visitor::get(at, host, path).await.map_err(|e| format!("{e:#}"))?;
            if answer.contains(&from(pod)) { Ok(answer) } else { Err(format!("{host}{path}: {answer}")) }
        })
        .await
    }

    /// The same over TLS, with exactly this certificate.
    pub(crate) async fn answered_securely(
        &self,
        at: SocketAddr,
        host: &str,
        certificate: &Certificate,
        pod: &str,
    ) -> String {
        self.eventually(async || {
            let answer = visitor::get_secure(at, host, "/", &certificate.pem).await;
            let answer = answer.map_err(|e| format!("{host}: {e:#}"))?;
            if answer.contains(&from(pod)) { Ok(answer) } else { Err(format!("{host}: {answer}")) }
        })
        .await
    }

    /// Waits until the load balancer answers over TLS that it reaches no pod.
    pub(crate) async fn unreached_securely(&self, at: SocketAddr, host: &str, certificate: &Certificate) {
        self.eventually(async || {
            let answer = visitor::get_secure(at, host, "/", &certificate.pem).await;
            let answer = answer.map_err(|e| format!("{host}: {e:#}"))?;
            if answer.starts_with("HTTP/1.1 50") { Ok(()) } else { Err(format!("{host}: {answer}")) }
        })
        .await;
    }

    /// Waits until something succeeds; the operator's log is shown if it does
    /// not.
    pub(crate) async fn eventually<T>(&self, condition: impl AsyncFnMut() -> Result<T, String>) -> T {
        eventually(SOON, condition).await.unwrap_or_else(|error| {
            let log = self.operator.log();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            panic!("{error:#}\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        })
    }
}

/// Waits until something succeeds.
pub(crate) async fn until<T>(condition: impl AsyncFnMut() -> Result<T, String>) -> T {
    eventually(SOON, condition).await.unwrap_or_else(|error| panic!("{error:#}"))
}

/// What an answer of a pod begins with.
pub(crate) fn from(pod: &str) -> String {
    format!("Hello from pod {pod} ")
}

pub(crate) fn service_of(name: &str, kind: &str, protocol: &str, port: u16) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "type": kind, "selector": {"app": name},
            "ports": [{"port": port, "targetPort": 8080, "protocol": protocol}],
        },
    })
}

pub(crate) fn slice(service: &str, protocol: &str, pods: &[Pod]) -> Value {
    let endpoint = |pod: &Pod| json!({"addresses": [pod.address.to_string()], "conditions": {"ready": true}});
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": format!("{service}-1"), "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": service},
        },
        "endpoints": pods.iter().map(endpoint).collect::<Vec<_>>(),
        "ports": [{"name": "", "port": 8080, "protocol": protocol}],
    })
}

/// An Ingress of one host: paths with their type and Service.
pub(crate) fn ingress(name: &str, host: &str, paths: &[(&str, &str, &str)]) -> Value {
    let path = |(path, kind, service): &(&str, &str, &str)| {
        json!({
            "path": path, "pathType": kind,
            "backend": {"service": {"name": service, "port": {"number": 80}}},
        })
    };
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "rules": [{"host": host, "http": {"paths": paths.iter().map(path).collect::<Vec<_>>()}}],
        },
    })
}

/// The same with a certificate.
pub(crate) fn secured(mut ingress: Value, secret: &str) -> Value {
    let host = ingress["spec"]["rules"][0]["host"].clone();
    ingress["spec"]["tls"] = json!([{"hosts": [host], "secretName": secret}]);
    ingress
}

/// A pod; those of one test have one second octet.
pub(crate) fn pod(name: &'static str, test: u8, number: u8) -> Pod {
    Pod { name, address: Ipv4Addr::new(10, test, 1, number), port: 8080 }
}
