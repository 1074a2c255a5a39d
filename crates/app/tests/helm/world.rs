//! A cluster with a kubelet, a controller, and the commands that are typed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ako_harness::control_plane::ControlPlane;
use ako_harness::helm::Helm;
use ako_harness::image::OperatorImage;
use ako_harness::kubelet::{BRIDGE_ADDRESS, Images, Kubelet};
use ako_harness::{cluster, eventually, golden, visitor};
use ako_sim_avi::{Options, RequestRecord, Role, Running, SimAvi, Tls};
use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take.
pub(crate) const SOON: Duration = Duration::from_mins(1);
/// The most lines of a log that are shown.
const TAIL: usize = 40;

pub(crate) struct World {
    pub(crate) client: kube::Client,
    pub(crate) sim: SimAvi,
    serving: Running,
    kubelet: Kubelet,
    pub(crate) plane: ControlPlane,
    helm: Helm,
    /// Where the user is.
    folder: TempDir,
    part: Instant,
    /// Its files are what the containers see.
    _image: OperatorImage,
}

/// The roles that the documents tell an administrator to give to the operator's account.
fn roles() -> anyhow::Result<Vec<Role>> {
    let documented = [("ako-all-tenants", None), ("ako-admin", Some("admin")), ("ako-tenant", Some("admin"))];
    let read = |(name, tenant): (&str, Option<&str>)| {
        let path = format!("{}/../../deploy/avi-roles/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let role = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
        Role::read(&role, tenant).with_context(|| format!("{path} is no role"))
    };
    documented.into_iter().map(read).collect()
}

impl World {
    /// Starts everything; none where there is no control plane or no helm. To be called within
    /// [`ako_harness::kubelet::in_namespaces`].
    pub(crate) async fn start() -> anyhow::Result<Option<Self>> {
        Self::start_with(Tls::SelfSigned, Images::default()).await
    }

    /// The same with a controller of another kind, and further images.
    pub(crate) async fn start_with(tls: Tls, images: Images) -> anyhow::Result<Option<Self>> {
        let part = Instant::now();
        let Some(helm) = Helm::find_or_skip()? else { return Ok(None) };
        let builder = ControlPlane::builder().controller_manager().reachable_at(BRIDGE_ADDRESS).audited();
        let Some(plane) = builder.start().await? else { return Ok(None) };
        let options = Options { changes: true, ..Options::default() };
        let sim = SimAvi::with_environment(&golden::environment()?, options)?;
        let serving = sim.serve((BRIDGE_ADDRESS, 0).into(), tls).await?;
        sim.set_roles(Some(roles()?));
        // By the chart's own name of it.
        let image = OperatorImage::of(env!("CARGO_BIN_EXE_ako").as_ref())?;
        let images = images.with("ghcr.io/ako-rs/ako:", image.image());
        let kubelet = Kubelet::start(&plane, images).await?;
        let helm = helm.on(plane.kubeconfig());
        let (client, folder) = (plane.client().await?, tempfile::tempdir()?);
        let mut world = Self { client, sim, serving, kubelet, plane, helm, folder, part, _image: image };
        world.done("a cluster and a controller");
        Ok(Some(world))
    }

    /// Prints how long a part of a test took.
    pub(crate) fn done(&mut self, part: &str) {
        println!("{:>6.1} s  {part}", self.part.elapsed().as_secs_f64());
        self.part = Instant::now();
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Address and port of the controller.
    pub(crate) fn controller(&self) -> String {
        let address = self.serving.address;
        if self.serving.ca_pem.is_some() { address.to_string() } else { format!("http://{address}") }
    }

    /// The authority that signed the controller's certificate.
    pub(crate) fn controller_ca(&self) -> &str {
        self.serving.ca_pem.as_deref().unwrap_or_default()
    }

    /// `helm <command>` in a folder below the user's: what it prints.
    pub(crate) async fn helm(&self, folder: &str, command: &str) -> String {
        let arguments: Vec<_> = command.split_whitespace().collect();
        match self.helm.run(&self.folder().join(folder), &arguments).unwrap() {
            Ok(printed) => printed,
            Err(printed) => self.fail(&format!("helm {command}: {printed}")).await,
        }
    }

    /// `ako <command>` from outside of the cluster: the exit code, and what it prints.
    pub(crate) async fn ako(&self, command: &str) -> (Option<i32>, String) {
        let mut ako = tokio::process::Command::new(env!("CARGO_BIN_EXE_ako"));
        ako.args(command.split_whitespace()).arg("--kubeconfig").arg(self.plane.kubeconfig());
        let output = ako.output().await.unwrap();
        let printed = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&printed).into_owned())
    }

    /// `kubectl <command>`: what it prints.
    pub(crate) async fn kubectl(&self, command: &str) -> String {
        let arguments: Vec<_> = command.split_whitespace().collect();
        let output = self.plane.kubectl(&arguments).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !output.status.success() {
            self.fail(&format!("kubectl {command}: {}{}", text(&output.stdout), text(&output.stderr))).await;
        }
        text(&output.stdout)
    }

    /// A command of kubectl or helm as it is typed: whether it succeeds, and what it prints.
    pub(crate) async fn typed(&self, command: &str) -> (bool, String) {
        let words: Vec<_> = command.split_whitespace().collect();
        if words[0] == "helm" {
            let run = self.helm.run(self.folder(), &words[1..]).unwrap();
            return (run.is_ok(), run.unwrap_or_else(|printed| printed));
        }
        let output = self.plane.kubectl(&words[1..]).await.unwrap();
        let printed = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&printed).into_owned())
    }

    /// The same as JSON.
    pub(crate) async fn kubectl_json(&self, command: &str) -> Value {
        serde_json::from_str(&self.kubectl(&format!("{command} -o json")).await).unwrap()
    }

    /// What somebody else does in the cluster.
    pub(crate) async fn apply(&self, objects: &[Value]) {
        cluster::apply_all(&self.client, objects).await.unwrap();
    }

    pub(crate) async fn eventually<T>(&self, condition: impl AsyncFnMut() -> Result<T, String>) -> T {
        match eventually(SOON, condition).await {
            Ok(found) => found,
            Err(error) => self.fail(&format!("{error:#}")).await,
        }
    }

    /// The pods of an instance and their uids.
    pub(crate) async fn pods(&self, namespace: &str) -> BTreeMap<String, String> {
        let command = format!("get pods -n {namespace} -l app.kubernetes.io/name=ako");
        let pods = self.kubectl_json(&command).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let pods = pods["items"].as_array().into_iter().flatten();
        pods.map(|pod| (text(&pod["metadata"]["name"]), text(&pod["metadata"]["uid"]))).collect()
    }

    /// What a pod says of itself at `/api/v1/state`.
    pub(crate) async fn state(&self, namespace: &str, pod: &str) -> Result<Value, String> {
        let found =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "namespace": namespace}});
        let found = cluster::get(&self.client, &found).await.map_err(|error| format!("{error:#}"))?;
        let address = found.as_ref().and_then(|pod| pod["status"]["podIP"].as_str()).unwrap_or_default();
        let address = format!("{address}:8080").parse().map_err(|_| format!("{pod} has no address"))?;
        let answer =
            visitor::get(address, pod, "/api/v1/state").await.map_err(|e| format!("{pod}: {e:#}"))?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).map_err(|error| format!("{pod}: {error} in {answer}"))
    }

    /// The pod that leads an instance, when it has nothing left to write, and what it says.
    pub(crate) async fn leader(&self, namespace: &str) -> (String, Value) {
        self.leader_that(namespace, |state| state["settled"] == true).await
    }

    /// The pod that leads an instance and says what is waited for.
    pub(crate) async fn leader_that(
        &self,
        namespace: &str,
        says: impl Fn(&Value) -> bool,
    ) -> (String, Value) {
        self.eventually(async || {
            let mut others = Vec::new();
            for pod in self.pods(namespace).await.into_keys() {
                match self.state(namespace, &pod).await {
                    Ok(state) if state["leadership"]["writes"] == true && says(&state) => {
                        return Ok((pod, state));
                    }
                    Ok(state) => others.push(format!("{pod}: {state:#}")),
                    Err(error) => others.push(error),
                }
            }
            Err(format!("no leader of {namespace} says it: {}", others.join("\n")))
        })
        .await
    }

    /// The last request to the controller.
    pub(crate) fn position(&self) -> u64 {
        self.sim.requests().last().map_or(0, |request| request.seq)
    }

    /// What was written to the controller after a request.
    pub(crate) fn writes_since(&self, position: u64) -> Vec<RequestRecord> {
        let requests = self.sim.requests_since(position).into_iter();
        requests.filter(|request| request.committed && request.path != "/login").collect()
    }

    /// Ends the test with what helps to find out why.
    pub(crate) async fn fail(&self, error: &str) -> ! {
        for arguments in [
            &["get", "statefulsets,pods", "-A", "-o", "wide"][..],
            &["get", "events", "-A", "--field-selector", "type=Warning"],
        ] {
            if let Ok(output) = self.plane.kubectl(arguments).await {
                eprintln!(
                    "--- kubectl {}:\n{}",
                    arguments.join(" "),
                    String::from_utf8_lossy(&output.stdout)
                );
            }
        }
        for namespace in ["avi-system", "blue", "green"] {
            for pod in ["ako-0", "ako-1", "ako-2", "ako-test"] {
                let log = self.kubelet.logs(namespace, pod, "ako");
                let tail: Vec<_> = log.lines().rev().take(TAIL).collect();
                if !tail.is_empty() {
                    let tail: Vec<_> = tail.into_iter().rev().collect();
                    eprintln!("--- the log of {namespace}/{pod} ends with:\n{}", tail.join("\n"));
                }
            }
        }
        let requests = self.plane.requests().unwrap_or_default();
        for request in requests.iter().filter(|request| [401, 403].contains(&request.code)) {
            eprintln!("--- refused by the API server: {request:?}");
        }
        panic!("{error}");
    }

    pub(crate) fn log(&self, namespace: &str, pod: &str) -> String {
        self.kubelet.logs(namespace, pod, "ako")
    }

    /// Changes lines of a file below the user's folder, each of which is there once.
    pub(crate) fn edit(&self, file: &str, changes: &[(&str, &str)]) {
        let file: PathBuf = self.folder().join(file);
        let mut text = std::fs::read_to_string(&file).unwrap();
        for (from, to) in changes {
            assert_eq!(text.matches(&format!("{from}\n")).count(), 1, "{from} in {}", file.display());
            text = text.replace(&format!("{from}\n"), &format!("{to}\n"));
        }
        std::fs::write(file, text).unwrap();
    }
}
