//! Everything that a run is about, and how a step changes it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ako_elect::Holder;
use ako_harness::{cluster, stateful_set};
use ako_sim_avi::{SimAvi, Weather};
use ako_sim_kube::{Authorization, Options, SimKube, Snapshot};

use crate::borders::Borders;
use crate::complaints::Complaints;
use crate::instance::Instance;
use crate::judge::{BOUND, Judge};
use crate::network::Link;
use crate::profiles;
use crate::replica::{Replica, WrongClock};
use crate::rules;
use crate::script::{Script, Served};
use crate::setup::Setup;
use crate::witness::Witness;
use crate::workload;

/// How long a call to the controller takes when nothing is wrong.
pub const LATENCY: Duration = Duration::from_millis(5);

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
    /// Whether static routes are written.
    pub routes: bool,
    /// Whether namespaces change hands.
    moves: bool,
    /// What else the API server serves.
    pub served: Served,
    /// How often each step was taken.
    pub steps: BTreeMap<String, u64>,
    pub(crate) borders: Borders,
    /// Whether the cluster asks for what is lost.
    pub judge: Judge,
    complaints: Complaints,
    fast_ppm: Vec<i64>,
    processes: u64,
    /// The password of the controller.
    pub(crate) password: String,
    /// What etcd held when it was saved.
    pub(crate) backup: Option<Snapshot>,
    /// etcd was restored so that its versions began again: whoever watches has to be
    /// started anew, as the documentation of Kubernetes says.
    pub(crate) set_back: Arc<AtomicBool>,
}

impl World {
    /// A cluster with its applications and a controller with somebody else's
    /// object; no pod yet.
    pub async fn new(seed: u64, script: &Script) -> anyhow::Result<Self> {
        let options = Options {
            seed: Some(seed),
            epoch: Some(jiff::Timestamp::UNIX_EPOCH),
            controllers: false,
            remember: BOUND,
            authorization: Authorization::Rbac,
            ..Options::default()
        };
        let (kube, avi) = (SimKube::new(options), SimAvi::new(ako_sim_avi::Options::default()));
        let Script { setup, evh, routes, moves, served, page_size, .. } = *script;
        let complaints = Complaints::new();
        let mut problems = prepare(&avi, page_size, routes);
        cluster::apply_all(&kube.client(), &rules::definitions(served)).await?;
        if setup.crd_operator().is_some() {
            cluster::apply_all(&kube.client(), &profiles::definitions()).await?;
            problems.extend(avi.plant(&profiles::premises()));
        }
        for problem in problems {
            complaints.add(&problem);
        }
        cluster::apply_all(&kube.client(), &workload::beginning(script)).await?;
        let members = setup.members().iter();
        let borders = Borders::new(setup, kube.clone(), avi.clone());
        let judge = Judge::new(kube.clone(), avi.clone(), borders.clone(), script);
        Ok(Self {
            instances: members.map(|member| Instance::new(member, kube.clone())).collect(),
            borders,
            judge,
            kube,
            avi,
            setup,
            evh,
            routes,
            moves,
            served,
            steps: BTreeMap::new(),
            complaints,
            fast_ppm: script.fast_ppm.clone(),
            processes: 0,
            password: workload::PASSWORD.to_owned(),
            backup: None,
            set_back: Arc::default(),
        })
    }

    /// The time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.complaints.started().elapsed()
    }

    /// Notes what must not be.
    pub fn complain(&self, what: &str) {
        self.complaints.add(what);
    }

    /// What must not be, and was.
    pub fn wrong(&self) -> Vec<String> {
        self.complaints.all()
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
        let (client, member) = (self.kube.client(), self.instances[instance].member);
        let set = (member.namespace, member.shared().workload);
        stateful_set::scale_of(&client, set, wanted).await?;
        while self.instances[instance].replicas.len() > wanted {
            let Some(mut replica) = self.instances[instance].replicas.pop() else { break };
            self.thaw(&replica);
            if let Err(why) = replica.stop().await {
                self.complain(&why);
            }
            stateful_set::remove_pod(&client, member.namespace, &replica.pod).await?;
        }
        while self.instances[instance].replicas.len() < wanted {
            let number = self.instances[instance].replicas.len();
            let pod = member.pod(number);
            stateful_set::add_pod_of(&client, set, &pod).await?;
            let fast_ppm = self.fast_ppm.get(instance * self.setup.replicas() + number);
            let clock = WrongClock::new(self.complaints.started(), fast_ppm.copied().unwrap_or(0));
            let replica = Replica::new(member, pod, Link::new(self.avi.clone()), clock);
            self.instances[instance].replicas.push(replica);
            self.start(instance, number).await?;
        }
        Ok(())
    }

    /// Starts a process in a pod that has none. Keys of the ConfigMap that need a
    /// restart are set back before, so that the instance stays the one it is.
    pub async fn start(&mut self, instance: usize, number: usize) -> anyhow::Result<()> {
        let Some(replica) = self.instances[instance].replicas.get(number) else { return Ok(()) };
        let Some(pod) = self.kube.get("", "pods", replica.member.namespace, &replica.pod) else {
            return Ok(());
        };
        if replica.runs() {
            return Ok(());
        }
        self.set_back_identity(instance).await?;
        self.processes += 1;
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let nonce = format!("process{}", self.processes);
        let replica = &self.instances[instance].replicas[number];
        let witness = self.witness(instance, Holder::of(&replica.pod, uid, &nonce));
        let replica = &mut self.instances[instance].replicas[number];
        replica.clock.thaw();
        // The witness has to know who it is about before the first write.
        replica.link.watched_by(witness.clone());
        replica.start(&self.kube, nonce, &witness);
        Ok(())
    }

    /// Who judges the writes of a process when they leave it.
    fn witness(&self, instance: usize, me: Holder) -> Arc<Witness> {
        let Instance { member, leadership, .. } = &self.instances[instance];
        Arc::new(Witness {
            member,
            me,
            leadership: leadership.clone(),
            borders: self.borders.clone(),
            judge: self.judge.clone(),
            kube: self.kube.clone(),
            complaints: self.complaints.clone(),
            set_back: self.set_back.clone(),
            meter: Mutex::default(),
        })
    }

    /// The witness of a process of a pod that is none of ours: it never leads.
    pub fn stranger(&self, instance: usize, pod: &str) -> Arc<Witness> {
        self.witness(instance, Holder::of(pod, "", "stranger"))
    }

    /// Kills the processes that there are and starts one in each pod.
    pub async fn start_anew(&mut self) -> anyhow::Result<()> {
        for (instance, number) in self.pods() {
            self.instances[instance].replicas[number].kill().await;
            self.start(instance, number).await?;
        }
        Ok(())
    }

    /// Ends all faults; every pod runs, with the configuration of the beginning.
    pub async fn heal(&mut self) -> anyhow::Result<()> {
        self.kube.clear_faults();
        self.avi.clear_faults();
        self.avi.set_latency(LATENCY);
        self.give_addresses(true);
        self.set_back_configuration().await?;
        self.borders.select_own();
        self.claim_name(false);
        // A namespace of which something is kept, as a rule is rejected, stays with its former owner
        // (docs/decisions/024): it changes hands when the rule is right again.
        if self.moves && self.served.rules {
            self.repair_rules().await?;
        }
        self.forge(false).await?;
        for instance in 0..self.instances.len() {
            self.stand_beside(instance, false).await?;
        }
        for replica in self.replicas() {
            self.thaw(replica);
        }
        // What was lost on the way is told by new lists.
        self.forget();
        if self.set_back.swap(false, Ordering::Relaxed) {
            return self.start_anew().await;
        }
        for (instance, number) in self.pods() {
            self.start(instance, number).await?;
        }
        Ok(())
    }

    /// Lets the deletions pass that are held, as a person would who looked at them.
    pub async fn release_deletions(&mut self) {
        for instance in &mut self.instances {
            for replica in &mut instance.replicas {
                replica.release_deletions().await;
            }
        }
    }

    /// How often each step was taken and each fault of requests was applied.
    pub fn tally(&self) -> BTreeMap<String, u64> {
        let mut tally = self.steps.clone();
        let of = |what: &str, struck: BTreeMap<String, u64>| {
            struck
                .into_iter()
                .map(|(name, count)| (format!("{what}, requests: {name}"), count))
                .collect::<Vec<_>>()
        };
        tally.extend(of("API server", self.kube.faults_struck()));
        tally.extend(of("controller", self.avi.faults_struck()));
        tally
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
}

/// Puts onto the controller what is not the usual; answers what was wrong with it.
fn prepare(avi: &SimAvi, page_size: Option<usize>, routes: bool) -> Vec<String> {
    let mut problems = avi.plant(&workload::premises());
    problems.extend(avi.plant(&rules::referred()));
    avi.edit("ipamdnsproviderprofile", "admin", "ipam", &workload::usable_networks());
    if routes {
        let routes = serde_json::json!({ "static_routes": workload::foreign_routes() });
        avi.edit("vrfcontext", "admin", "global", &routes);
    }
    avi.set_weather(Weather { page_size, ..Weather::default() });
    avi.set_latency(LATENCY);
    problems
}
