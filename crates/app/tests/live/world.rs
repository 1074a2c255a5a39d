//! A cluster, a controller and an operator between them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ako_harness::control_plane::{ControlPlane, Loan};
use ako_harness::golden::{self, Case};
use ako_harness::operator::{Controller, Installed, Operator, OperatorOptions, install};
use ako_harness::{cluster, eventually};
use ako_sim_avi::{Options, Running, SimAvi, Tls};
use serde_json::{Value, json};

/// How long anything may take.
pub(crate) const SOON: Duration = Duration::from_mins(1);

pub(crate) struct World {
    pub(crate) client: kube::Client,
    pub(crate) sim: SimAvi,
    pub(crate) address: String,
    ca_pem: String,
    /// Shared with a twin.
    serving: Arc<Running>,
    pub(crate) installed: Installed,
    pub(crate) operator: Operator,
    /// After the operator, which must have ended before another test has it.
    pub(crate) control_plane: Loan,
}

/// The configuration that all recorded cases start from.
pub(crate) fn config(changes: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut config = BTreeMap::from([
        ("clusterName".to_owned(), "c1".to_owned()),
        ("vipNetworkList".to_owned(), r#"[{"networkName":"vip-net"}]"#.to_owned()),
        ("disableStaticRouteSync".to_owned(), "true".to_owned()),
        ("logLevel".to_owned(), "INFO".to_owned()),
    ]);
    config.extend(changes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    config
}

/// With a shorter lease: a killed operator's successor waits for its end.
fn impatient(config: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let timing = [("leaseDuration", "3s"), ("renewDeadline", "2s"), ("retryPeriod", "300ms")];
    let timing = timing.map(|(key, value)| (key.to_owned(), value.to_owned()));
    timing.into_iter().chain(config.clone()).collect()
}

impl World {
    /// Starts everything; `None` where there is no control plane to test with.
    pub(crate) async fn start(config: &BTreeMap<String, String>, namespace: &str) -> Option<Self> {
        let mut world = Self::start_unready(config, namespace).await?;
        world.operator.wait_ready().await.unwrap();
        Some(world)
    }

    /// As [`World::start`], with a controller that holds what a recorded case had.
    pub(crate) async fn start_case(case: &Case) -> Option<Self> {
        let mut world = Self::start_on(&case.environment, &case.config, &case.namespace).await?;
        if let Err(error) = world.operator.wait_ready().await {
            world.fail::<()>(&error.context(case.name.clone()));
        }
        Some(world)
    }

    /// As [`World::start`], without waiting for the operator to be ready.
    pub(crate) async fn start_unready(config: &BTreeMap<String, String>, namespace: &str) -> Option<Self> {
        Self::start_on(&golden::environment().unwrap(), config, namespace).await
    }

    async fn start_on(
        environment: &Value,
        config: &BTreeMap<String, String>,
        namespace: &str,
    ) -> Option<Self> {
        // Before anything else, as there may be none.
        let control_plane = ControlPlane::lend().await.unwrap()?;
        let sim = SimAvi::with_environment(environment, Options::default()).unwrap();
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let serving = sim.serve(loopback, Tls::SelfSigned).await.unwrap();
        Some(Self::start_with(control_plane, sim, Arc::new(serving), config, namespace).await)
    }

    /// Another cluster, with the same controller.
    pub(crate) async fn twin(&self, config: &BTreeMap<String, String>, namespace: &str) -> Self {
        let control_plane = ControlPlane::lend().await.unwrap().unwrap();
        let (sim, serving) = (self.sim.clone(), self.serving.clone());
        Self::start_with(control_plane, sim, serving, config, namespace).await
    }

    async fn start_with(
        control_plane: Loan,
        sim: SimAvi,
        serving: Arc<Running>,
        config: &BTreeMap<String, String>,
        namespace: &str,
    ) -> Self {
        let client = control_plane.client().await.unwrap();
        let (address, ca_pem) = (serving.address.to_string(), serving.ca_pem.clone().unwrap());
        let controller = controller(&address, &ca_pem);
        let installed = install(&client, namespace, &impatient(config), controller).await.unwrap();
        let operator = start_operator(&control_plane, &installed);
        Self { client, sim, address, ca_pem, serving, installed, operator, control_plane }
    }

    /// Replaces the operator's process by a new one.
    pub(crate) async fn restart_operator(&mut self) {
        self.operator.kill();
        self.start_operator().await;
    }

    /// Starts a new process after the old one was killed.
    pub(crate) async fn start_operator(&mut self) {
        self.operator = start_operator(&self.control_plane, &self.installed);
        self.operator.wait_ready().await.unwrap();
    }

    /// The same, with environment variables.
    pub(crate) async fn start_operator_in(&mut self, environment: &[(&str, &str)]) {
        let options = options(&self.control_plane, &self.installed);
        let options = environment.iter().fold(options, |options, (name, value)| options.env(name, value));
        self.operator = Operator::start(options).unwrap();
        self.operator.wait_ready().await.unwrap();
    }

    /// Installs another configuration for the next process.
    pub(crate) async fn install(&mut self, config: &BTreeMap<String, String>) {
        let controller = controller(&self.address, &self.ca_pem);
        self.installed =
            install(&self.client, &self.installed.namespace, &impatient(config), controller).await.unwrap();
    }

    /// Installs another instance.
    pub(crate) async fn install_in(&self, namespace: &str, config: &BTreeMap<String, String>) -> Installed {
        let controller = controller(&self.address, &self.ca_pem);
        install(&self.client, namespace, &impatient(config), controller).await.unwrap()
    }

    pub(crate) async fn apply(&self, objects: &[Value]) {
        cluster::apply_all(&self.client, objects).await.unwrap();
    }

    /// Waits until a condition on the controller's objects holds.
    pub(crate) async fn wait_for(&self, mut condition: impl FnMut(&Value) -> Result<(), String>) {
        eventually(SOON, async || condition(&self.sim.dump())).await.unwrap_or_else(|e| self.fail(&e));
    }

    /// Waits until the operator has nothing more to do.
    pub(crate) async fn settled(&self) {
        eventually(SOON, async || {
            let state = self.operator.get_json("/api/v1/state").await.map_err(|e| e.to_string())?;
            if state["settled"] == json!(true) { Ok(()) } else { Err(format!("not settled: {state:#}")) }
        })
        .await
        .unwrap_or_else(|e| self.fail(&e));
    }

    /// Waits for the status of an Ingress or Service: the addresses published.
    pub(crate) async fn published(&self, kind: &str, namespace: &str, name: &str) -> Vec<Value> {
        let version = if kind == "Ingress" { "networking.k8s.io/v1" } else { "v1" };
        let object =
            json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}});
        eventually(SOON, async || {
            let found = cluster::get(&self.client, &object).await.map_err(|e| e.to_string())?;
            let entries =
                found.as_ref().and_then(|o| o.pointer("/status/loadBalancer/ingress")?.as_array().cloned());
            entries
                .filter(|e| !e.is_empty())
                .ok_or_else(|| format!("no address on {kind} {namespace}/{name}"))
        })
        .await
        .unwrap_or_else(|e| self.fail(&e))
    }

    /// The number of writes to the controller so far.
    pub(crate) fn writes(&self) -> usize {
        let is_write =
            |r: &&ako_sim_avi::RequestRecord| r.committed && r.method != "GET" && r.path != "/login";
        self.sim.requests().iter().filter(is_write).count()
    }

    pub(crate) fn fail<T>(&self, error: &anyhow::Error) -> T {
        let log = self.operator.log();
        let tail: Vec<_> = log.lines().rev().take(60).collect();
        let tail: Vec<_> = tail.into_iter().rev().collect();
        panic!("{error:#}\n--- the operator's log ends with:\n{}", tail.join("\n"));
    }
}

fn controller<'a>(address: &'a str, ca_pem: &'a str) -> Controller<'a> {
    Controller { address, ca_pem, username: "admin", password: "admin" }
}

fn start_operator(control_plane: &ControlPlane, installed: &Installed) -> Operator {
    Operator::start(options(control_plane, installed)).unwrap()
}

fn options(control_plane: &ControlPlane, installed: &Installed) -> OperatorOptions {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_ako"));
    OperatorOptions::new(binary, control_plane.kubeconfig(), installed)
}

/// An object of a dump.
pub(crate) fn object<'a>(dump: &'a Value, kind: &str, name: &str) -> Option<&'a Value> {
    dump.get(kind)?.get(format!("admin/{name}"))
}

/// An IngressClass of ours, the default one.
pub(crate) fn ingress_class() -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
        "metadata": {"name": "avi-lb", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
        "spec": {"controller": "ako.vmware.com/avi-lb"},
    })
}

/// A Service and its endpoints.
pub(crate) fn service(name: &str, kind: &str, addresses: &[&str]) -> Vec<Value> {
    let endpoints: Vec<_> =
        addresses.iter().map(|a| json!({"addresses": [a], "conditions": {"ready": true}})).collect();
    vec![
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
            "spec": {"type": kind, "selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {
                "name": format!("{name}-a"), "namespace": "default", "labels": {"kubernetes.io/service-name": name},
            },
            "endpoints": endpoints,
            "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        }),
    ]
}

/// An Ingress of one path.
pub(crate) fn ingress(name: &str, host: &str, path: &str, service: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "ingressClassName": "avi-lb",
            "rules": [{"host": host, "http": {"paths": [
                {"path": path, "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}},
            ]}}],
        },
    })
}

/// The same object, to be deleted.
pub(crate) fn deleted(object: &Value) -> Value {
    let mut object = object.clone();
    object["$delete"] = json!(true);
    object
}
