//! Everything that a run is about, and how a step changes it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ako_elect::{Holder, RECORD_NAME, Record};
use ako_harness::{Network, cluster, stateful_set};
use ako_sim_avi::SimAvi;
use ako_sim_kube::{Action, Cut, Fault, Options, SimKube};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::network::Link;
use crate::replica::{Replica, WrongClock};
use crate::script::{Script, Step};
use crate::workload::{self, LIVELY, OPERATOR};

/// How long a call to the controller takes when nothing is wrong.
pub const LATENCY: Duration = Duration::from_millis(5);
/// How long lists lag behind after [`Step::StaleLists`], in requests.
const STALE_LISTS: u32 = 3;

/// A cluster, a controller and the replicas between them.
pub struct World {
    /// The API server.
    pub kube: SimKube,
    /// The controller.
    pub avi: SimAvi,
    /// The pods, from number 0.
    pub replicas: Vec<Replica>,
    /// What must not be, and was.
    wrong: Arc<Mutex<Vec<String>>>,
    started: Instant,
    fast_ppm: Vec<i64>,
    processes: u64,
    /// Who led before somebody deleted or emptied the record: absence is no
    /// evidence that this one does not.
    last_leader: Arc<Mutex<Option<Holder>>>,
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
        cluster::apply_all(&kube.client(), &workload::beginning(script.evh)).await?;
        Ok(Self {
            kube,
            avi,
            replicas: Vec::new(),
            wrong: Arc::default(),
            started: Instant::now(),
            fast_ppm: script.fast_ppm.to_vec(),
            processes: 0,
            last_leader: Arc::default(),
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

    /// Whether one leads, knows the controller and has nothing to write.
    pub async fn is_led(&mut self) -> bool {
        for replica in &mut self.replicas {
            let state = replica.state().await.unwrap_or_default();
            if state["role"] == "leader" && state["leadership"]["writes"] == true && state["settled"] == true
            {
                return true;
            }
        }
        false
    }

    /// Changes the number of replicas; pods come in order and go in reverse.
    pub async fn scale(&mut self, wanted: usize) -> anyhow::Result<()> {
        let client = self.kube.client();
        stateful_set::scale(&client, OPERATOR, wanted).await?;
        while self.replicas.len() > wanted {
            let Some(mut replica) = self.replicas.pop() else { break };
            self.thaw(&replica);
            if let Err(why) = replica.stop().await {
                self.complain(&why);
            }
            stateful_set::remove_pod(&client, OPERATOR, &replica.pod).await?;
        }
        while self.replicas.len() < wanted {
            let number = self.replicas.len();
            let pod = format!("ako-{number}");
            stateful_set::add_pod(&client, OPERATOR, &pod).await?;
            let fast_ppm = self.fast_ppm.get(number).copied().unwrap_or(0);
            let clock = WrongClock::new(self.started, fast_ppm);
            self.replicas.push(Replica::new(pod, Link::new(self.avi.clone()), clock));
            self.start(number);
        }
        Ok(())
    }

    /// Starts a process in a pod that has none.
    pub fn start(&mut self, number: usize) {
        let Some(replica) = self.replicas.get_mut(number) else { return };
        let Some(pod) = self.kube.get("", "pods", OPERATOR, &replica.pod) else { return };
        if replica.runs() {
            return;
        }
        replica.clock.thaw();
        self.processes += 1;
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let nonce = format!("process{}", self.processes);
        // The witness has to know who it is about before the first write.
        let me = Holder::of(&replica.pod, uid, &nonce);
        let (kube, last, wrong, started) =
            (self.kube.clone(), self.last_leader.clone(), self.wrong.clone(), self.started);
        replica.link.watched_by(Arc::new(move |line| {
            let leader = leader(&kube)
                .or_else(|| last.lock().unwrap_or_else(PoisonError::into_inner).clone())
                .unwrap_or_else(Holder::nobody);
            // Logging in and out changes no object.
            let session = line.contains(" /api/login") || line.contains(" /api/logout");
            if leader != me && !session {
                complain(&wrong, started, &format!("{me} wrote while {leader} led: {line}"));
            }
        }));
        replica.start(&self.kube, OPERATOR, nonce);
    }

    /// Kills the processes that there are and starts one in each pod.
    pub async fn start_anew(&mut self) {
        for number in 0..self.replicas.len() {
            self.replicas[number].kill().await;
            self.start(number);
        }
    }

    /// Ends all faults; every pod runs.
    pub fn heal(&mut self) {
        self.kube.clear_faults();
        self.avi.clear_faults();
        self.avi.set_latency(LATENCY);
        for replica in &self.replicas {
            self.thaw(replica);
        }
        // What was lost on the way is told by new lists.
        self.forget();
        for number in 0..self.replicas.len() {
            self.start(number);
        }
    }

    /// Does what a step says.
    pub async fn take(&mut self, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::Apply(number, path) => self.apply(&workload::ingress(LIVELY, *number, path)).await?,
            Step::Delete(number) => {
                let mut object = workload::ingress(LIVELY, *number, "/");
                object["$delete"] = true.into();
                self.apply(&object).await?;
            }
            Step::Endpoints(number, count) => {
                self.apply(&workload::slice(LIVELY, *number, *count)).await?;
            }
            Step::Scale(wanted) => self.scale(*wanted).await?,
            Step::Start(number) => self.start(*number),
            Step::Kill(number) => {
                if let Some(replica) = self.replicas.get_mut(*number) {
                    replica.kill().await;
                }
            }
            Step::Stop(number) => {
                if let Some(replica) = self.replicas.get_mut(*number)
                    && let Err(why) = replica.stop().await
                {
                    self.complain(&why);
                }
            }
            Step::Recreate(number) => self.recreate(*number).await?,
            Step::Yield(number) => {
                if let Some(replica) = self.replicas.get_mut(*number) {
                    replica.hand_over().await;
                }
            }
            Step::Freeze(number)
            | Step::Thaw(number)
            | Step::CutKube(number, _)
            | Step::HealKube(number)
            | Step::CutController(number, _) => self.reach(*number, step),
            other => self.take_fault(other).await?,
        }
        Ok(())
    }

    /// Changes what a replica reaches. A frozen one reaches nothing until it is
    /// thawed.
    fn reach(&self, number: usize, step: &Step) {
        let Some(replica) = self.replicas.get(number) else { return };
        match step {
            Step::Thaw(_) => self.thaw(replica),
            _ if replica.clock.is_frozen() => {}
            Step::Freeze(_) => {
                replica.clock.freeze();
                self.kube.partition(&replica.pod, Cut::Silence);
                replica.link.set(Network::Broken);
            }
            Step::CutKube(_, cut) => self.kube.partition(&replica.pod, *cut),
            Step::HealKube(_) => self.kube.heal(&replica.pod),
            Step::CutController(_, network) => replica.link.set(*network),
            _ => {}
        }
    }

    /// The clock first: a process that wakes finds it right.
    fn thaw(&self, replica: &Replica) {
        replica.clock.thaw();
        self.kube.heal(&replica.pod);
        replica.link.set(Network::Open);
    }

    /// Steps that are about no replica.
    async fn take_fault(&mut self, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::Forget => self.forget(),
            Step::Controller(fault) => drop(self.avi.inject(fault.clone())),
            Step::Kube(fault) => drop(self.kube.inject(fault.clone())),
            Step::StaleLists => {
                for replica in &self.replicas {
                    let stale = Action::Stale { revision: self.kube.revision() };
                    let fault = Fault::new(stale).verb("list").client(&replica.pod).times(STALE_LISTS);
                    self.kube.inject(fault);
                }
            }
            Step::ExpireSessions => self.avi.expire_sessions(),
            Step::Latency(latency) => self.avi.set_latency(*latency),
            Step::Edit | Step::Remove => self.interfere(step),
            Step::DeleteRecord => {
                self.remember_leader();
                self.apply(&doomed("v1", "ConfigMap", RECORD_NAME)).await?;
            }
            Step::ClearRecord => {
                self.remember_leader();
                let records: Api<ConfigMap> = Api::namespaced(self.kube.client(), OPERATOR);
                let patch = Patch::Merge(json!({"data": null}));
                // There may be none.
                let _ = records.patch(RECORD_NAME, &PatchParams::default(), &patch).await;
            }
            Step::DeleteLease => {
                self.apply(&doomed("coordination.k8s.io/v1", "Lease", "ako-lease-lock")).await?;
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
        for replica in &self.replicas {
            self.kube.disconnect(&replica.pod);
        }
    }

    async fn recreate(&mut self, number: usize) -> anyhow::Result<()> {
        let Some(replica) = self.replicas.get_mut(number) else { return Ok(()) };
        replica.kill().await;
        let (client, pod) = (self.kube.client(), replica.pod.clone());
        stateful_set::remove_pod(&client, OPERATOR, &pod).await?;
        stateful_set::add_pod(&client, OPERATOR, &pod).await
    }

    /// Somebody works on the controller by hand.
    fn interfere(&self, step: &Step) {
        let dump = self.avi.dump();
        let pools = dump["pool"].as_object().into_iter().flatten();
        let ours = pools.map(|(_, pool)| pool).find(|pool| pool["created_by"] == "ako-c1");
        let Some(name) = ours.and_then(|pool| pool["name"].as_str()) else { return };
        match step {
            Step::Edit => {
                self.avi.edit("pool", "admin", name, &json!({"lb_algorithm": "LB_ALGORITHM_RANDOM"}));
            }
            _ => drop(self.avi.remove("pool", "admin", name)),
        }
    }

    fn remember_leader(&self) {
        if let Some(leader) = leader(&self.kube) {
            *self.last_leader.lock().unwrap_or_else(PoisonError::into_inner) = Some(leader);
        }
    }
}

/// An object that is to be deleted if it is there.
fn doomed(version: &str, kind: &str, name: &str) -> Value {
    let metadata = json!({"name": name, "namespace": OPERATOR});
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "$delete": true})
}

/// Whom the record names; `None` if it is absent, or was emptied by hand.
fn leader(kube: &SimKube) -> Option<Holder> {
    let record = kube.get("", "configmaps", OPERATOR, RECORD_NAME)?;
    let data = serde_json::from_value(record["data"].clone()).unwrap_or_default();
    let record = Record::from_data(&data);
    (record.holder != Holder::nobody() || record.released.is_some()).then_some(record.holder)
}

fn complain(wrong: &Mutex<Vec<String>>, started: Instant, what: &str) {
    let at = started.elapsed().as_secs_f64();
    wrong.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{at:.3}: {what}"));
}
