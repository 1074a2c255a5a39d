//! A kubelet without containers: it runs each container of a Pod as a process.
//!
//! ```no_run
//! use ako_harness::control_plane::ControlPlane;
//! use ako_harness::kubelet::{BRIDGE_ADDRESS, Image, Images, Kubelet, in_namespaces};
//!
//! // #[test]
//! fn pods_run() -> anyhow::Result<()> {
//!     in_namespaces("pods_run", async {
//!         let builder = ControlPlane::builder().controller_manager().reachable_at(BRIDGE_ADDRESS);
//!         let Some(plane) = builder.start().await? else { return Ok(()) };
//!         let program = Image::program("/usr/local/bin/ako", "target/debug/ako");
//!         let images = Images::default().with("ako:", program);
//!         let kubelet = Kubelet::start(&plane, images).await?;
//!         Ok(())
//!     })
//! }
//! ```
//!
//! # One namespace around everything
//!
//! Programs in Pods listen on the ports that they like, and EndpointSlices take no loopback
//! addresses. So each Pod has a network namespace with an address of its own, on a bridge.
//! Where we are not root, and so as not to touch the network of the machine, that takes a user
//! namespace around it; and whoever is to reach Pods has to be in there: the test, the API
//! server, the simulator, the operator. A process with threads cannot move into a user
//! namespace. So a test binary starts itself again inside, for one test ([`in_namespaces`]),
//! and everything that the test starts is there too. Ports are nobody else's in there.
//!
//! What Pods are to reach, such as the simulator, listens on [`BRIDGE_ADDRESS`]. A data plane of
//! the simulator with `Loopback::fixed` finds the Pod 10.244.c.d at 127.244.c.d, where there is a
//! route to it.
//!
//! # What a container is
//!
//! A process in the Pod's network namespace, with a mount and a host name namespace of its own.
//! Its root is a folder of its own with the libraries and tools of this machine, read-only, and
//! the program of its image ([`Images`]), best in `/usr/local/bin`; or a folder into which an
//! image was extracted. Volumes are where their mountPath says. The order of things is in
//! `worker`; what is decided is in `containers`, `probes` and `status`, without effects.
//!
//! What is other than in a cluster:
//! - There is no limit on memory or CPU, no seccomp, no process namespace, no DNS and no
//!   kube-proxy: Services have addresses that nobody answers. The API server is found by the
//!   address of the bridge, in `KUBERNETES_SERVICE_HOST`.
//! - `runAsUser` gives another number and takes the rights of root away; files of the Pod seem
//!   to be that user's. `readOnlyRootFilesystem` and `readOnly` mounts are kept. Capabilities,
//!   `fsGroup` and the like are not looked at.
//! - Volumes hold what was there when the Pod started; tokens are not renewed. A claim is a
//!   folder by its name, whoever asks for it, while the kubelet runs.
//! - Restarts come after 200 ms, twice that and so on up to 3 s, instead of minutes.
//! - There is one Node. Of what says where Pods go, `nodeSelector` alone is looked at.
//! - `kubectl logs` is served without time stamps, and `kubectl exec` without terminals, to
//!   whoever asks; `kubectl attach`, `kubectl port-forward` and `kubectl debug` are not.
//! - Events are not written, and there are no termination messages. What is not supported
//!   (hostPath, hostNetwork, sidecars, postStart, probes over gRPC or TLS) is said in the status
//!   of the container or in the outcome of the probe.

mod containers;
mod environment;
mod handlers;
mod images;
mod namespaces;
mod network;
mod node;
mod probes;
mod runs;
mod sandbox;
mod server;
mod sources;
mod status;
mod volumes;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context as _;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::control_plane::ControlPlane;
pub use images::{Image, Images};
pub use namespaces::{BRIDGE_ADDRESS, in_namespaces};
use network::Network;
pub use node::NODE;
use runs::Directory;
use server::Server;
use worker::{Shared, Worker};

/// Where a real kubelet serves logs and exec.
const PORT: u16 = 10_250;

/// A running kubelet. Dropping it kills all Pods, of which the API server is not told.
#[derive(Debug)]
pub struct Kubelet {
    task: JoinHandle<()>,
    directory: Directory,
    _server: Server,
    _folder: TempDir,
}

impl Kubelet {
    /// Registers the Node and runs every Pod that is bound to it or waits for one.
    ///
    /// # Errors
    /// If this is not within [`in_namespaces`], or the API server does not take the Node.
    pub async fn start(plane: &ControlPlane, images: Images) -> anyhow::Result<Self> {
        let client = plane.client().await?;
        let port = plane.url().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let port = port.with_context(|| format!("no port in {}", plane.url()))?;
        let folder = tempfile::Builder::new().prefix("kubelet-").tempdir_in("/run");
        let folder = folder.context("no folder for Pods; a kubelet runs within in_namespaces")?;
        let directory = Directory::default();
        let server = Server::start(BRIDGE_ADDRESS, PORT, directory.clone()).await?;
        node::register(&client, PORT).await?;
        let shared = Shared {
            client,
            images,
            network: Network::new(),
            api_server: (BRIDGE_ADDRESS.to_string(), port),
            folder: folder.path().to_owned(),
        };
        let pods = Pods {
            shared: Arc::new(shared),
            directory: directory.clone(),
            running: BTreeMap::new(),
            tasks: JoinSet::new(),
        };
        Ok(Self { task: tokio::spawn(pods.run()), directory, _server: server, _folder: folder })
    }

    /// What a container of the newest Pod of this name has written, over all its restarts.
    pub fn logs(&self, namespace: &str, pod: &str, container: &str) -> String {
        let runs = self.directory.find(namespace, pod);
        let bytes = runs.and_then(|runs| std::fs::read(runs.log(container)).ok());
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The Pods of this Node.
struct Pods {
    shared: Arc<Shared>,
    directory: Directory,
    /// By uid. Dropping a sender ends the Pod.
    running: BTreeMap<String, watch::Sender<Arc<Pod>>>,
    tasks: JoinSet<()>,
}

impl Pods {
    async fn run(mut self) {
        let pods: Api<Pod> = Api::all(self.shared.client.clone());
        let mut events = watcher(pods, watcher::Config::default()).default_backoff().boxed();
        let mut listed = BTreeSet::new();
        while let Some(event) = events.next().await {
            while self.tasks.try_join_next().is_some() {}
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(pod)) => {
                    listed.insert(pod.uid().unwrap_or_default());
                    self.apply(pod);
                }
                Ok(Event::InitDone) => self.running.retain(|uid, _| listed.contains(uid)),
                Ok(Event::Apply(pod)) => self.apply(pod),
                Ok(Event::Delete(pod)) => {
                    self.running.remove(&pod.uid().unwrap_or_default());
                }
                Err(error) => eprintln!("kubelet: watching Pods: {error}"),
            }
        }
    }

    fn apply(&mut self, pod: Pod) {
        if node::takes(&pod) {
            self.tasks.spawn(bind(self.shared.client.clone(), pod));
            return;
        }
        let here = pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref() == Some(NODE));
        let Some(uid) = pod.uid().filter(|_| here) else { return };
        let pod = Arc::new(pod);
        if let Some(running) = self.running.get(&uid) {
            running.send_replace(pod);
            return;
        }
        let logs = self.shared.folder.join("logs").join(&uid);
        if let Err(error) = std::fs::create_dir_all(&logs) {
            eprintln!("kubelet: a folder for the logs of Pod {}: {error}", pod.name_any());
        }
        let runs = self.directory.add(&pod.namespace().unwrap_or_default(), &pod.name_any(), &logs);
        let (sender, receiver) = watch::channel(pod.clone());
        self.tasks.spawn(Worker::new(self.shared.clone(), pod, runs).run(receiver));
        self.running.insert(uid, sender);
    }
}

/// A Pod that could not be bound is tried again when it, or the watch, changes.
async fn bind(client: Client, pod: Pod) {
    if let Err(error) = node::bind(&client, &pod).await {
        eprintln!("kubelet: {error:#}");
    }
}
