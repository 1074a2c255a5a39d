//! Everything that a run is about, and how a step changes it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ako_elect::{Holder, RECORD_NAME};
use ako_harness::{Network, cluster, stateful_set};
use ako_sim_avi::SimAvi;
use ako_sim_kube::{Action, Cut, Fault, Options, SimKube};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::borders::Borders;
use crate::instance::Instance;
use crate::network::{Link, Witness};
use crate::replica::{Replica, WrongClock};
use crate::script::{Script, Step};
use crate::setup::Setup;
use crate::workload;

/// How long a call to the controller takes when nothing is wrong.
pub const LATENCY: Duration = Duration::from_millis(5);
/// How long lists lag behind after [`Step::StaleLists`], in requests.
const STALE_LISTS: u32 = 3;

/// A cluster, a controller and the instances between them.
pub struct World {
    /// The API server.
    pub kube: SimKube,
    /// The controller.
    pub avi: SimAvi,
    /// The instances, the primary first.
    pub instances: Vec<Instance>,
    /// Which instances there are.
    pub setup: Setup,
    /// Whether hosts are virtual services of their own.
    pub evh: bool,
    borders: Borders,
    /// What must not be, and was.
    wrong: Arc<Mutex<Vec<String>>>,
    started: Instant,
    fast_ppm: Vec<i64>,
    processes: u64,
}

impl World {
    /// A cluster with its applications and a controller with somebody else's
    /// object; no pod yet.
    pub async fn new(seed: u64, script: &Script) -> anyhow::Result<Self> {
        let options = Options {
            seed: Some(seed),
            epoch: Some(jiff::Timestamp::UNIX_EPOCH),
            controllers: false,
            ..Options::default()
        };
        let (kube, avi) = (SimKube::new(options), SimAvi::new(ako_sim_avi::Options::default()));
        avi.set_latency(LATENCY);
        let Script { setup, evh, .. } = *script;
        cluster::apply_all(&kube.client(), &workload::beginning(setup, evh)).await?;
        let members = setup.members().iter();
        Ok(Self {
            instances: members.map(|member| Instance::new(member, kube.clone())).collect(),
            borders: Borders::new(setup, avi.clone()),
            kube,
            avi,
            setup,
            evh,
            wrong: Arc::default(),
            started: Instant::now(),
            fast_ppm: script.fast_ppm.clone(),
            processes: 0,
        })
    }

    /// The time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Notes what must not be.
    pub fn complain(&self, what: &str) {
        complain(&self.wrong, self.started, what);
    }

    /// What must not be, and was.
    pub fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether each instance is led by one who has nothing to write.
    pub async fn is_led(&mut self) -> bool {
        for instance in &mut self.instances {
            if !instance.is_led().await {
                return false;
            }
        }
        true
    }

    /// Changes the number of replicas of an instance; pods come in order and go
    /// in reverse.
    pub async fn scale(&mut self, instance: usize, wanted: usize) -> anyhow::Result<()> {
        let (client, namespace) = (self.kube.client(), self.instances[instance].member.namespace);
        stateful_set::scale(&client, namespace, wanted).await?;
        while self.instances[instance].replicas.len() > wanted {
            let Some(mut replica) = self.instances[instance].replicas.pop() else { break };
            self.thaw(&replica);
            if let Err(why) = replica.stop().await {
                self.complain(&why);
            }
            stateful_set::remove_pod(&client, namespace, &replica.pod).await?;
        }
        while self.instances[instance].replicas.len() < wanted {
            let number = self.instances[instance].replicas.len();
            let pod = format!("ako-{number}");
            stateful_set::add_pod(&client, namespace, &pod).await?;
            let fast_ppm = self.fast_ppm.get(instance * self.setup.replicas() + number);
            let clock = WrongClock::new(self.started, fast_ppm.copied().unwrap_or(0));
            let replica = Replica::new(namespace, pod, Link::new(self.avi.clone()), clock);
            self.instances[instance].replicas.push(replica);
            self.start(instance, number);
        }
        Ok(())
    }

    /// Starts a process in a pod that has none.
    pub fn start(&mut self, instance: usize, number: usize) {
        let Some(replica) = self.instances[instance].replicas.get(number) else { return };
        let Some(pod) = self.kube.get("", "pods", replica.namespace, &replica.pod) else { return };
        if replica.runs() {
            return;
        }
        self.processes += 1;
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let nonce = format!("process{}", self.processes);
        let witness = self.witness(instance, Holder::of(&replica.pod, uid, &nonce));
        let replica = &mut self.instances[instance].replicas[number];
        replica.clock.thaw();
        // The witness has to know who it is about before the first write.
        replica.link.watched_by(witness);
        replica.start(&self.kube, nonce);
    }

    /// Who judges the writes of a process when they leave it.
    fn witness(&self, instance: usize, me: Holder) -> Witness {
        let Instance { member, leadership, .. } = &self.instances[instance];
        let (member, leadership, borders) = (*member, leadership.clone(), self.borders.clone());
        let (wrong, started) = (self.wrong.clone(), self.started);
        Arc::new(move |line| {
            // Logging in and out changes no object.
            if line.contains(" /api/login") || line.contains(" /api/logout") {
                return;
            }
            let leader = leadership.leader();
            if leader != me {
                complain(&wrong, started, &format!("{me} wrote while {leader} led: {line}"));
            }
            if let Some(why) = borders.trespass(member, line) {
                complain(&wrong, started, &why);
            }
        })
    }

    /// Kills the processes that there are and starts one in each pod.
    pub async fn start_anew(&mut self) {
        for (instance, number) in self.pods() {
            self.instances[instance].replicas[number].kill().await;
            self.start(instance, number);
        }
    }

    /// Ends all faults; every pod runs.
    pub fn heal(&mut self) {
        self.kube.clear_faults();
        self.avi.clear_faults();
        self.avi.set_latency(LATENCY);
        for replica in self.replicas() {
            self.thaw(replica);
        }
        // What was lost on the way is told by new lists.
        self.forget();
        for (instance, number) in self.pods() {
            self.start(instance, number);
        }
    }

    /// The pods of all instances.
    pub fn replicas(&self) -> impl Iterator<Item = &Replica> {
        self.instances.iter().flat_map(|instance| &instance.replicas)
    }

    /// Their numbers: that of the instance, and that in it.
    pub fn pods(&self) -> Vec<(usize, usize)> {
        let instances = self.instances.iter().enumerate();
        instances
            .flat_map(|(number, instance)| (0..instance.replicas.len()).map(move |pod| (number, pod)))
            .collect()
    }

    /// Does what a step says, to an instance if it is about one.
    pub async fn take(&mut self, instance: usize, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::Apply(number, path) => {
                self.apply(&workload::ingress(self.setup.lively(*number), *number, path)).await?;
            }
            Step::Delete(number) => {
                let mut object = workload::ingress(self.setup.lively(*number), *number, "/");
                object["$delete"] = true.into();
                self.apply(&object).await?;
            }
            Step::Endpoints(number, count) => {
                self.apply(&workload::slice(self.setup.lively(*number), *number, *count)).await?;
            }
            Step::Label(namespace, team) => {
                self.borders.label(namespace, *team);
                self.apply(&workload::namespace(namespace, *team)).await?;
            }
            Step::Scale(wanted) => self.scale(instance, *wanted).await?,
            Step::Start(number) => self.start(instance, *number),
            Step::Recreate(number) => self.recreate(instance, *number).await?,
            Step::Kill(number) | Step::Stop(number) | Step::Yield(number) => {
                self.end(instance, *number, step).await;
            }
            Step::Freeze(number)
            | Step::Thaw(number)
            | Step::CutKube(number, _)
            | Step::HealKube(number)
            | Step::CutController(number, _) => self.reach(instance, *number, step),
            other => self.take_fault(instance, other).await?,
        }
        Ok(())
    }

    /// Ends a process, or its leadership.
    async fn end(&mut self, instance: usize, number: usize, step: &Step) {
        let Some(replica) = self.instances[instance].replicas.get_mut(number) else { return };
        match step {
            Step::Kill(_) => replica.kill().await,
            Step::Yield(_) => replica.hand_over().await,
            _ => {
                if let Err(why) = replica.stop().await {
                    self.complain(&why);
                }
            }
        }
    }

    /// Changes what a replica reaches. A frozen one reaches nothing until it is
    /// thawed.
    fn reach(&self, instance: usize, number: usize, step: &Step) {
        let Some(replica) = self.instances[instance].replicas.get(number) else { return };
        match step {
            Step::Thaw(_) => self.thaw(replica),
            _ if replica.clock.is_frozen() => {}
            Step::Freeze(_) => {
                replica.clock.freeze();
                self.kube.partition(&replica.client(), Cut::Silence);
                replica.link.set(Network::Broken);
            }
            Step::CutKube(_, cut) => self.kube.partition(&replica.client(), *cut),
            Step::HealKube(_) => self.kube.heal(&replica.client()),
            Step::CutController(_, network) => replica.link.set(*network),
            _ => {}
        }
    }

    /// The clock first: a process that wakes finds it right.
    fn thaw(&self, replica: &Replica) {
        replica.clock.thaw();
        self.kube.heal(&replica.client());
        replica.link.set(Network::Open);
    }

    /// Steps that are about no replica.
    async fn take_fault(&mut self, instance: usize, step: &Step) -> anyhow::Result<()> {
        let namespace = self.instances[instance].member.namespace;
        match step {
            Step::Forget => self.forget(),
            Step::Controller(fault) => drop(self.avi.inject(fault.clone())),
            Step::Kube(fault) => {
                let client = fault.client.as_ref().map(|pod| format!("{namespace}/{pod}"));
                self.kube.inject(Fault { client, ..fault.clone() });
            }
            Step::StaleLists => {
                for replica in self.replicas() {
                    let stale = Action::Stale { revision: self.kube.revision() };
                    let fault = Fault::new(stale).verb("list").client(&replica.client()).times(STALE_LISTS);
                    self.kube.inject(fault);
                }
            }
            Step::ExpireSessions => self.avi.expire_sessions(),
            Step::Latency(latency) => self.avi.set_latency(*latency),
            Step::Edit | Step::Remove => self.interfere(instance, step),
            Step::DeleteRecord => {
                self.instances[instance].leadership.remember();
                self.apply(&doomed(namespace, "v1", "ConfigMap", RECORD_NAME)).await?;
            }
            Step::ClearRecord => {
                self.instances[instance].leadership.remember();
                let records: Api<ConfigMap> = Api::namespaced(self.kube.client(), namespace);
                let patch = Patch::Merge(json!({"data": null}));
                // There may be none.
                let _ = records.patch(RECORD_NAME, &PatchParams::default(), &patch).await;
            }
            Step::DeleteLease => {
                let lease = doomed(namespace, "coordination.k8s.io/v1", "Lease", "ako-lease-lock");
                self.apply(&lease).await?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn apply(&self, object: &Value) -> anyhow::Result<()> {
        cluster::apply(&self.kube.client(), object).await
    }

    fn forget(&self) {
        self.kube.compact();
        for replica in self.replicas() {
            self.kube.disconnect(&replica.client());
        }
    }

    async fn recreate(&mut self, instance: usize, number: usize) -> anyhow::Result<()> {
        let Some(replica) = self.instances[instance].replicas.get_mut(number) else { return Ok(()) };
        replica.kill().await;
        let client = self.kube.client();
        stateful_set::remove_pod(&client, replica.namespace, &replica.pod).await?;
        stateful_set::add_pod(&client, replica.namespace, &replica.pod).await
    }

    /// Somebody works on the controller by hand.
    fn interfere(&self, instance: usize, step: &Step) {
        let owner = self.instances[instance].member.owner;
        let dump = self.avi.dump();
        let pools = dump["pool"].as_object().into_iter().flatten();
        let ours = pools.map(|(_, pool)| pool).find(|pool| pool["created_by"] == owner);
        let Some(name) = ours.and_then(|pool| pool["name"].as_str()) else { return };
        match step {
            Step::Edit => {
                self.avi.edit("pool", "admin", name, &json!({"lb_algorithm": "LB_ALGORITHM_RANDOM"}));
            }
            _ => drop(self.avi.remove("pool", "admin", name)),
        }
    }
}

/// An object that is to be deleted if it is there.
fn doomed(namespace: &str, version: &str, kind: &str, name: &str) -> Value {
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "$delete": true})
}

fn complain(wrong: &Mutex<Vec<String>>, started: Instant, what: &str) {
    let at = started.elapsed().as_secs_f64();
    wrong.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{at:.3}: {what}"));
}
