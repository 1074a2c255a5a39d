//! One Pod: does what the records of its containers say, and tells the API server.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container, Lifecycle, Pod, PodSpec, Probe};
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Client, Error, ResourceExt as _};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::containers::{Record, Stage, Step, Wanted, restarts, turn};
use super::environment::{self, Facts};
use super::handlers::{Handler, Target};
use super::images::Images;
use super::network::{Network, PodNetwork};
use super::node::NODE;
use super::probes::Kind;
use super::runs::Runs;
use super::sandbox::{self, Bind, Launch};
use super::sources::Sources;
use super::status::View;
use super::volumes;
use crate::process::Process;

/// How often a Pod's processes, probes and deadlines are looked at.
const TICK: Duration = Duration::from_millis(50);
/// Before what failed is tried again.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the API server may take.
const PATIENCE: Duration = Duration::from_secs(10);
const GRACE: i64 = 30;

/// What all Pods have in common.
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) images: Images,
    pub(super) network: Network,
    /// Host and port.
    pub(super) api_server: (String, u16),
    pub(super) folder: PathBuf,
}

/// A Pod while this machine has it.
pub(super) struct Worker {
    shared: Arc<Shared>,
    pod: Arc<Pod>,
    spec: PodSpec,
    folder: PathBuf,
    runs: Arc<Runs>,
    accepted: Timestamp,
    /// What runs before the network goes.
    containers: Vec<Live>,
    records: Vec<Record>,
    place: Option<Place>,
    /// The folder of each volume by its name, when all are there.
    volumes: Option<BTreeMap<String, PathBuf>>,
    reports: JoinSet<Report>,
    published: Value,
}

/// Where a Pod is.
struct Place {
    network: PodNetwork,
    facts: Facts,
}

/// A container, and its process while there is one.
struct Live {
    container: Container,
    is_init: bool,
    process: Option<Process>,
    target: Option<Target>,
}

/// The outcome of a probe or a hook of one run of a container.
struct Report {
    at: usize,
    restarts: i32,
    of: Option<Kind>,
    outcome: Result<(), String>,
}

/// Why a container cannot be started.
struct Refusal {
    reason: &'static str,
    message: String,
    forever: bool,
}

impl Refusal {
    fn for_good(reason: &'static str, message: String) -> Self {
        Self { reason, message, forever: true }
    }

    fn until_changed(reason: &'static str, message: String) -> Self {
        Self { reason, message, forever: false }
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::until_changed("CreateContainerError", format!("{error:#}"))
    }
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, pod: Arc<Pod>, runs: Arc<Runs>) -> Self {
        let now = Timestamp::now();
        let spec = pod.spec.clone().unwrap_or_default();
        let live = |is_init| {
            move |container: &Container| Live {
                container: container.clone(),
                is_init,
                process: None,
                target: None,
            }
        };
        let init = spec.init_containers.iter().flatten().map(live(true));
        let containers: Vec<_> = init.chain(spec.containers.iter().map(live(false))).collect();
        Self {
            folder: shared.folder.join("pods").join(pod.uid().unwrap_or_default()),
            runs,
            accepted: now,
            records: vec![Record::new(now); containers.len()],
            containers,
            place: None,
            volumes: None,
            reports: JoinSet::new(),
            published: Value::Null,
            shared,
            pod,
            spec,
        }
    }

    /// Runs the Pod until it is gone; ends at once when nobody holds the sender any more.
    pub(super) async fn run(mut self, mut pods: watch::Receiver<Arc<Pod>>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                changed = pods.changed() => match changed {
                    Ok(()) => self.pod = pods.borrow_and_update().clone(),
                    Err(_) => return,
                },
                Some(report) = self.reports.join_next() => {
                    if let Ok(report) = report {
                        self.heard(report);
                    }
                }
            }
            match self.step().await {
                Ok(false) => {}
                Ok(true) => return,
                Err(error) => {
                    eprintln!("kubelet: Pod {}: {error:#}", self.pod.name_any());
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Does what is due; true if the Pod is gone.
    async fn step(&mut self) -> anyhow::Result<bool> {
        self.reap()?;
        let grace = self.grace();
        for at in 0..self.containers.len() {
            let now = Timestamp::now();
            let wanted = self.wanted(at, now);
            let live = &self.containers[at];
            let has_hook = pre_stop(&live.container).is_some();
            let step = self.records[at].next(wanted, has_hook, grace, now);
            match step {
                Step::Nothing => {}
                Step::Start => self.start(at).await,
                Step::RunHook => self.run_hook(at, now),
                Step::Terminate => self.signal(at, Signal::TERM, Stage::Terminated, now),
                Step::Kill => self.signal(at, Signal::KILL, Stage::Killed, now),
            }
            for kind in self.records[at].probes.due(now) {
                self.run_probe(at, kind);
            }
        }
        self.publish().await?;
        if self.is_deleted() && !self.records.iter().any(Record::is_running) {
            self.confirm_deletion().await?;
            return Ok(true);
        }
        Ok(false)
    }

    fn is_deleted(&self) -> bool {
        self.pod.metadata.deletion_timestamp.is_some()
    }

    /// What a restart leaves to the program.
    fn grace(&self) -> SignedDuration {
        SignedDuration::from_secs(self.spec.termination_grace_period_seconds.unwrap_or(GRACE))
    }

    fn wanted(&self, at: usize, now: Timestamp) -> Wanted {
        if self.is_deleted() {
            let grace = self.pod.metadata.deletion_grace_period_seconds.unwrap_or(GRACE);
            return Wanted::Ended(now + SignedDuration::from_secs(grace));
        }
        let (init, _) = self.records.split_at(self.init_count());
        turn(init, self.containers[at].is_init, at)
    }

    fn init_count(&self) -> usize {
        self.containers.iter().filter(|live| live.is_init).count()
    }

    /// Learns which programs have ended.
    fn reap(&mut self) -> anyhow::Result<()> {
        let is_deleted = self.is_deleted();
        for (live, record) in std::iter::zip(&mut self.containers, &mut self.records) {
            let Some(process) = &mut live.process else { continue };
            let Some(status) = process.exit_status()? else { continue };
            // What it left behind goes with it.
            (live.process, live.target) = (None, None);
            self.runs.ended(&live.container.name);
            let code = exit_code(status);
            let again = !is_deleted && restarts(self.spec.restart_policy.as_deref(), code, live.is_init);
            record.ended(code, again, Timestamp::now());
        }
        Ok(())
    }

    async fn start(&mut self, at: usize) {
        let started = tokio::time::timeout(PATIENCE, self.try_start(at)).await;
        let started = started.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer of the API server").into()));
        let now = Timestamp::now();
        match started {
            Ok(()) => self.records[at].started(&self.containers[at].container, now),
            Err(Refusal { reason, message, forever }) => {
                self.records[at].refused(reason, message, forever, now);
            }
        }
    }

    async fn try_start(&mut self, at: usize) -> Result<(), Refusal> {
        if let Some(message) = unsupported(&self.spec) {
            return Err(Refusal::for_good("NotSupported", message));
        }
        let name = self.containers[at].container.image.clone().unwrap_or_default();
        let image =
            self.shared.images.find(&name).map_err(|message| Refusal::for_good("ErrImagePull", message))?;
        let image = image.clone();
        if self.place.is_none() {
            self.place = Some(self.make_place().await?);
        }
        let place = self.place.as_ref().context("a Pod without a place")?;
        if self.volumes.is_none() {
            self.volumes = Some(self.make_volumes(&place.facts).await?);
        }
        let volumes = self.volumes.as_ref().context("a Pod without volumes")?;
        let container = &self.containers[at].container;
        let sources = Sources::of_container(&self.shared.client, &self.pod, container).await?;
        let env = environment::variables(&self.pod, container, &image.env, &place.facts, &sources);
        let env =
            env.map_err(|message| Refusal { reason: "CreateContainerConfigError", message, forever: false })?;
        let expand = |words: &Option<Vec<String>>| {
            words
                .as_ref()
                .map(|words| words.iter().map(|w| environment::expanded(w, &env)).collect::<Vec<_>>())
        };
        let (command, args) = (expand(&container.command), expand(&container.args));
        let launch = Launch {
            spec: &self.spec,
            container,
            image: &image,
            hostname: &self.pod.name_any(),
            network: &place.network,
            arguments: image.arguments(command.as_deref(), args.as_deref()),
            env: &env,
            binds: binds(container, volumes)?,
            folder: &self.folder.join("containers").join(&container.name),
            logs: &self.runs.logs,
        };
        let written = self.runs.written(&container.name);
        let process = launch.start()?;
        let target = Target {
            address: place.network.address,
            ports: Target::ports(container),
            process: process.id(),
            has_user: sandbox::has_user(&self.spec, container, &image),
            env,
        };
        self.runs.started(&container.name, written, target.clone());
        let live = &mut self.containers[at];
        (live.process, live.target) = (Some(process), Some(target));
        Ok(())
    }

    async fn make_place(&self) -> anyhow::Result<Place> {
        let network = self.shared.network.add().await?;
        let facts = Facts {
            node: NODE.to_owned(),
            node_address: self.shared.api_server.0.clone(),
            pod_address: network.address.to_string(),
            api_server: self.shared.api_server.clone(),
        };
        Ok(Place { network, facts })
    }

    async fn make_volumes(&self, facts: &Facts) -> Result<BTreeMap<String, PathBuf>, Refusal> {
        let sources = Sources::of_volumes(&self.shared.client, &self.pod).await?;
        let claims = self.shared.folder.join("claims").join(self.pod.namespace().unwrap_or_default());
        let mut folders = BTreeMap::new();
        for volume in self.spec.volumes.iter().flatten() {
            let content = volumes::content(volume, &self.pod, facts, &sources);
            let content = content.map_err(|message| Refusal::until_changed("ContainerCreating", message))?;
            let folder = self.folder.join("volumes").join(&volume.name);
            folders.insert(volume.name.clone(), volumes::provide(&content, folder, &claims)?);
        }
        Ok(folders)
    }

    fn run_hook(&mut self, at: usize, now: Timestamp) {
        let left = self.records[at].stop.as_ref().map(|stop| stop.deadline.duration_since(now));
        let left = left.and_then(|left| Duration::try_from(left).ok()).unwrap_or_default();
        let Some(handler) = pre_stop(&self.containers[at].container) else { return };
        self.records[at].reached(Stage::HookRuns, now);
        self.spawn(at, None, handler, left);
    }

    fn run_probe(&mut self, at: usize, kind: Kind) {
        let container = &self.containers[at].container;
        let probe: Option<&Probe> = match kind {
            Kind::Startup => container.startup_probe.as_ref(),
            Kind::Readiness => container.readiness_probe.as_ref(),
            Kind::Liveness => container.liveness_probe.as_ref(),
        };
        let Some(probe) = probe else { return };
        let timeout = Duration::from_secs(probe.timeout_seconds.unwrap_or(1).try_into().unwrap_or(1));
        self.spawn(at, Some(kind), probe.into(), timeout);
    }

    fn spawn(&mut self, at: usize, of: Option<Kind>, handler: Handler, timeout: Duration) {
        let Some(target) = self.containers[at].target.clone() else { return };
        let restarts = self.records[at].restarts;
        self.reports
            .spawn(async move { Report { at, restarts, of, outcome: handler.run(&target, timeout).await } });
    }

    fn heard(&mut self, report: Report) {
        let record = &mut self.records[report.at];
        // It may be of a run that is over.
        if record.restarts != report.restarts || !record.is_running() {
            return;
        }
        if let Some(kind) = report.of {
            record.probes.outcome(kind, report.outcome);
            return;
        }
        if let Err(why) = report.outcome {
            eprintln!("kubelet: the preStop hook of Pod {}: {why}", self.pod.name_any());
        }
        record.reached(Stage::HookDone, Timestamp::now());
    }

    fn signal(&mut self, at: usize, signal: Signal, stage: Stage, now: Timestamp) {
        if let Some(process) = &self.containers[at].process {
            // It may have ended by itself, which the next look at it will show.
            let _ = process.signal(signal);
        }
        self.records[at].reached(stage, now);
    }

    async fn publish(&mut self) -> anyhow::Result<()> {
        let (init, main) = self.records.split_at(self.init_count());
        let facts = self.place.as_ref().map(|place| &place.facts);
        let view = View { pod: &self.pod, spec: &self.spec, facts, accepted: self.accepted, init, main };
        let status = view.status(&self.published, Timestamp::now());
        if status == self.published {
            return Ok(());
        }
        let name = self.pod.name_any();
        let body = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": self.pod.namespace(), "uid": self.pod.uid()},
            "status": status,
        });
        let params = PatchParams::apply("kubelet").force();
        let pods = self.api();
        let patch = Patch::Apply(&body);
        let patched = pods.patch_status(&name, &params, &patch);
        match tokio::time::timeout(PATIENCE, patched).await.context("no answer of the API server")? {
            Ok(_) => {}
            // Its end is on the way to us.
            Err(Error::Api(answer)) if matches!(answer.code, 404 | 409) => {}
            Err(error) => return Err(error).context("its status"),
        }
        self.published = status;
        Ok(())
    }

    async fn confirm_deletion(&self) -> anyhow::Result<()> {
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions { uid: self.pod.uid(), resource_version: None }),
            ..DeleteParams::default()
        };
        let pods = self.api();
        let name = self.pod.name_any();
        let deleted = tokio::time::timeout(PATIENCE, pods.delete(&name, &params)).await;
        match deleted.context("no answer of the API server")? {
            Ok(_) => Ok(()),
            Err(Error::Api(answer)) if matches!(answer.code, 404 | 409) => Ok(()),
            Err(error) => Err(error).context("confirming its end"),
        }
    }

    fn api(&self) -> Api<Pod> {
        Api::namespaced(self.shared.client.clone(), &self.pod.namespace().unwrap_or_default())
    }
}

fn pre_stop(container: &Container) -> Option<Handler> {
    let lifecycle: Option<&Lifecycle> = container.lifecycle.as_ref();
    lifecycle.and_then(|lifecycle| lifecycle.pre_stop.as_ref()).map(Handler::from)
}

/// What would be run other than it asks to be.
fn unsupported(spec: &PodSpec) -> Option<String> {
    let sidecar = || spec.init_containers.iter().flatten().any(|c| c.restart_policy.is_some());
    let post_start = || {
        let lifecycles = spec.containers.iter().filter_map(|container| container.lifecycle.as_ref());
        lifecycles.into_iter().any(|lifecycle| lifecycle.post_start.is_some())
    };
    if spec.host_network == Some(true) {
        Some("this kubelet has no hostNetwork".to_owned())
    } else if sidecar() {
        Some("this kubelet has no init containers with a restartPolicy".to_owned())
    } else if post_start() {
        Some("this kubelet has no postStart hooks".to_owned())
    } else {
        None
    }
}

fn binds(container: &Container, volumes: &BTreeMap<String, PathBuf>) -> anyhow::Result<Vec<Bind>> {
    let mounts = container.volume_mounts.iter().flatten();
    let binds = mounts.map(|mount| {
        let volume =
            volumes.get(&mount.name).with_context(|| format!("there is no volume {}", mount.name))?;
        let from = mount.sub_path.as_ref().map_or_else(|| volume.clone(), |path| volume.join(path));
        let read_only = mount.read_only == Some(true);
        anyhow::Ok(Bind { from, to: mount.mount_path.clone(), read_only })
    });
    binds.collect()
}

/// As a shell would show it.
pub(super) fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}
