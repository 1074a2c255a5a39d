//! How a step changes the world.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ako_core::annotation::{INFRA_SETTING, TENANT};
use ako_core::config::keys;
use ako_harness::{Network, cluster, stateful_set};
use ako_kube_io::CONFIG_MAP;
use ako_sim_kube::{Action, Cut, Fault};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use crate::instance::Instance;
use crate::profiles::{self, Profile};
use crate::replica::Replica;
use crate::rules::{self, Form, Namer, Rule};
use crate::script::{Connection, Step};
use crate::setup::{LIVELY, Member, RENTED};
use crate::workload;
use crate::world::World;

/// How long lists may lag behind after [`Step::StaleLists`], and in how many requests.
const STALE_FOR: Duration = Duration::from_secs(10);
const STALE_LISTS: u32 = 3;

const POD_OF_AKO: &str = "ako-9";

/// How long the API server is away while etcd is restored: longer than
/// `renewDeadline`, as docs/high-availability.md asks for. A record that is put back in
/// an instant, as given up as it was once, would let another replica lead while a
/// permit lasts.
const RESTORE: Duration = Duration::from_secs(20);

impl World {
    /// Does what a step says, to an instance if it is about one.
    pub async fn take(&mut self, instance: usize, step: &Step) -> anyhow::Result<()> {
        let name = step.name();
        if !name.is_empty() {
            *self.steps.entry(name).or_default() += 1;
        }
        match step {
            Step::Scale(wanted) => self.scale(instance, *wanted).await?,
            Step::Start(number) => self.start(instance, *number).await?,
            Step::Recreate(number) => self.recreate(instance, *number).await?,
            Step::Kill(number) | Step::Stop(number) | Step::Yield(number) => {
                self.end(instance, *number, step).await;
            }
            Step::Freeze(number)
            | Step::Thaw(number)
            | Step::CutKube(number, ..)
            | Step::HealKube(number)
            | Step::CutController(number, _) => self.reach(instance, *number, step),
            Step::Edit(_) | Step::Remove(_) => self.interfere(instance, step),
            Step::DeleteRecord | Step::ClearRecord | Step::DeleteLease | Step::TakeLease => {
                self.take_away_leadership(instance, step).await?;
            }
            Step::BackupCluster => {
                // Pods and their StatefulSet are what those who run them say.
                let backup = self.kube.snapshot().without("", "pods").without("apps", "statefulsets");
                self.backup = Some(backup);
            }
            Step::RestoreCluster | Step::SetBackCluster => self.restore_cluster(step).await?,
            Step::Configure(key, value) => self.configure(instance, key, *value).await?,
            Step::Password => self.change_password().await?,
            Step::Select(team) => self.select(instance, team).await?,
            Step::Forge(there) => self.forge(*there).await?,
            Step::Beside(there) => self.stand_beside(instance, *there).await?,
            Step::LoseName | Step::RegainName => self.claim_name(matches!(step, Step::LoseName)),
            Step::Apply(..)
            | Step::Delete(_)
            | Step::Endpoints(..)
            | Step::Balance(..)
            | Step::ApplyGold(..)
            | Step::BalanceBy(..)
            | Step::Rule(..)
            | Step::Name(..)
            | Step::Certificate
            | Step::Node(..)
            | Step::Label(..)
            | Step::Profile(..)
            | Step::SignIn(..)
            | Step::Rent(_) => self.change(step).await?,
            Step::Refer(profile, number, there) => self.refer(*profile, *number, *there),
            other => self.take_fault(other),
        }
        Ok(())
    }

    /// Changes what the cluster asks for.
    async fn change(&mut self, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::Apply(number, path) => self.apply(&self.claim(*number, path)).await,
            Step::Delete(number) => self.apply(&deleted(self.claim(*number, "/"))).await,
            Step::Endpoints(number, count) => {
                self.apply(&workload::slice(self.setup.lively(*number), *number, *count)).await
            }
            Step::Balance(number, kind, ports) => {
                let objects = workload::balanced(LIVELY, *number, kind, *ports);
                let objects = if *ports == 0 { objects.map(deleted) } else { objects };
                cluster::apply_all(&self.kube.client(), &objects).await
            }
            Step::ApplyGold(number, path, setting) => {
                self.apply(&workload::of_setting(self.claim(*number, path), *setting)).await
            }
            Step::BalanceBy(number, rule, setting) => {
                let [mut service, slice] = workload::balanced(LIVELY, *number, "LoadBalancer", 1);
                service["metadata"]["annotations"] = workload::naming(*rule, *setting);
                cluster::apply_all(&self.kube.client(), &[service, slice]).await
            }
            Step::Rule(rule, number, form) => self.apply(&rule.object(self.setup, *number, *form)).await,
            Step::Name(Namer::Class, setting) => self.apply(&rules::class(*setting)).await,
            Step::Name(Namer::Namespace(name), setting) => {
                self.annotate(name, &json!({INFRA_SETTING: setting.map(rules::setting)})).await
            }
            Step::Profile(profile, number, form) => {
                self.apply(&profile.object(profiles::namespace(*number), *number, *form)).await
            }
            Step::SignIn(namespace, form) => self.apply(&profiles::sign_in(namespace, *form)).await,
            Step::Rent(tenant) => self.annotate(RENTED, &json!({ TENANT: tenant })).await,
            Step::Certificate => {
                let namespace = self.setup.moving().first().copied().unwrap_or(LIVELY);
                self.apply(&workload::certificate(namespace)?).await
            }
            Step::Node(number, subnet) => {
                let node = workload::node(*number, subnet.unwrap_or(0));
                self.apply(&if subnet.is_some() { node } else { deleted(node) }).await
            }
            Step::Label(namespace, team) => {
                self.borders.label(namespace, *team);
                self.apply(&workload::namespace(namespace, *team)).await
            }
            _ => Ok(()),
        }
    }

    /// Gives a namespace annotations.
    async fn annotate(&self, namespace: &str, annotations: &Value) -> anyhow::Result<()> {
        let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
        let namespaces: Api<Namespace> = Api::all(self.kube.client());
        // A patch, as what is applied does not know of them.
        namespaces.patch(namespace, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// What claims a lively host.
    fn claim(&self, number: usize, path: &str) -> Value {
        workload::claim(self.served, self.setup.lively(number), number, path)
    }

    /// Whatever rules and settings there are, and those that somebody may name, are right.
    pub(crate) async fn repair_rules(&self) -> anyhow::Result<()> {
        for rule in Rule::ALL {
            for number in 0..rule.most() {
                let object = rule.object(self.setup, number, Form::Right(0));
                let is_named = matches!(rule, Rule::AviInfraSetting | Rule::L4Rule);
                if is_named || cluster::get(&self.kube.client(), &object).await?.is_some() {
                    self.apply(&object).await?;
                }
            }
        }
        Ok(())
    }

    /// What kept the CRD operator from its work is over: the controller takes what custom resources
    /// ask for, and nobody refers to what is to go. Answers whether anything kept it.
    pub(crate) async fn end_refusals(&self) -> anyhow::Result<bool> {
        if self.setup.crd_operator().is_none() {
            return Ok(false);
        }
        let mut found = self.remove_referrers();
        for number in 0..profiles::MOST {
            let object = Profile::HealthMonitor.object(profiles::namespace(number), number, Form::Right(0));
            let there = cluster::get(&self.kube.client(), &object).await?;
            if there.is_some_and(|there| profiles::is_refused(&there)) {
                self.apply(&object).await?;
                found = true;
            }
        }
        Ok(found)
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
            Step::CutKube(_, connection, cut) => {
                self.kube.partition(&connection.of(&replica.client()), *cut);
            }
            Step::HealKube(_) => self.reconnect(replica),
            Step::CutController(_, network) => replica.link.set(*network),
            _ => {}
        }
    }

    /// The clock first: a process that wakes finds it right.
    pub(crate) fn thaw(&self, replica: &Replica) {
        replica.clock.thaw();
        self.reconnect(replica);
        replica.link.set(Network::Open);
    }

    fn reconnect(&self, replica: &Replica) {
        for connection in [Connection::Election, Connection::Cluster, Connection::Both] {
            self.kube.heal(&connection.of(&replica.client()));
        }
    }

    /// Steps that are about no replica.
    fn take_fault(&self, step: &Step) {
        match step {
            Step::Forget => self.forget(),
            Step::Controller(fault) => drop(self.avi.inject(fault.clone())),
            Step::Kube(fault) => drop(self.kube.inject(fault.clone())),
            Step::StaleLists => {
                for replica in self.replicas() {
                    let stale = Action::Stale { revision: self.kube.revision() };
                    let fault = Fault::new(stale).verb("list").client(&replica.client());
                    self.kube.inject(fault.times(STALE_LISTS).lasting(STALE_FOR));
                }
            }
            Step::ExpireSessions => self.avi.expire_sessions(),
            Step::Latency(latency) => self.avi.set_latency(*latency),
            Step::Addresses(has) => self.give_addresses(*has),
            Step::BackupController => self.avi.snapshot(),
            Step::RestoreController => {
                self.judge.controller_is_restored();
                self.avi.restore();
            }
            _ => {}
        }
    }

    /// Whether the controller has addresses to give.
    pub(crate) fn give_addresses(&self, has: bool) {
        self.avi.edit("network", "admin", "vip-net", &workload::usual_network(has));
    }

    /// Somebody deletes or empties what shows who leads.
    async fn take_away_leadership(&self, instance: usize, step: &Step) -> anyhow::Result<()> {
        let Instance { member, leadership, .. } = &self.instances[instance];
        let (namespace, shared) = (member.namespace, member.shared());
        match step {
            Step::DeleteLease => {
                self.apply(&doomed(namespace, "coordination.k8s.io/v1", "Lease", shared.lease)).await
            }
            Step::TakeLease => {
                let leases: Api<Lease> = Api::namespaced(self.kube.client(), namespace);
                let patch = Patch::Merge(json!({"spec": {"holderIdentity": POD_OF_AKO}}));
                // There may be none.
                let _ = leases.patch(shared.lease, &PatchParams::default(), &patch).await;
                Ok(())
            }
            Step::DeleteRecord => {
                let now = Instant::now();
                leadership.remember();
                self.apply(&doomed(namespace, "v1", "ConfigMap", shared.record)).await?;
                leadership.remember_since(now);
                Ok(())
            }
            _ => {
                let now = Instant::now();
                leadership.remember();
                let records: Api<ConfigMap> = Api::namespaced(self.kube.client(), namespace);
                let patch = Patch::Merge(json!({"data": null}));
                // There may be none.
                let _ = records.patch(shared.record, &PatchParams::default(), &patch).await;
                leadership.remember_since(now);
                Ok(())
            }
        }
    }

    /// The cluster becomes what it was when etcd was saved, and is reached by nobody
    /// for a while before that. What names the instance is set right before anybody can
    /// read it.
    async fn restore_cluster(&mut self, step: &Step) -> anyhow::Result<()> {
        let Some(backup) = self.backup.clone() else { return Ok(()) };
        let members = self.setup.members();
        for member in members {
            self.kube.partition(&all_of(member), Cut::Refuse);
        }
        sleep(RESTORE).await;
        self.instances.iter().for_each(|instance| instance.leadership.remember());
        if matches!(step, Step::SetBackCluster) {
            self.kube.set_back(&backup);
            self.set_back.store(true, Ordering::Relaxed);
        } else {
            self.kube.restore(&backup);
            // An API server that was started anew has no history.
            self.forget();
        }
        self.instances.iter().for_each(|instance| instance.leadership.is_restored());
        for (namespace, _) in self.setup.namespaces() {
            let object = self.kube.get("", "namespaces", "", namespace);
            let team =
                object.and_then(|object| object["metadata"]["labels"]["team"].as_str().map(str::to_owned));
            let teams = self.setup.members().iter().filter_map(|member| member.team);
            self.borders.label(namespace, teams.into_iter().find(|known| Some(*known) == team.as_deref()));
        }
        for instance in 0..self.instances.len() {
            self.set_back_identity(instance).await?;
        }
        for member in members {
            self.kube.heal(&all_of(member));
        }
        Ok(())
    }

    /// A key of an instance's ConfigMap gets a value; `None` is that of the beginning.
    /// One that needs a restart is changed only if every process has read the
    /// configuration, for a process that reads it afterwards is another instance.
    async fn configure(&mut self, instance: usize, key: &str, value: Option<&str>) -> anyhow::Result<()> {
        let is_live = keys().iter().any(|known| known.name == key && known.live);
        if value.is_some() && !is_live {
            // The CRD operator reads that of the operator's namespace.
            let namespace = self.instances[instance].member.namespace;
            let readers = self.instances.iter_mut().filter(|other| other.member.namespace == namespace);
            for replica in readers.flat_map(|reader| &mut reader.replicas) {
                let state = replica.state().await.unwrap_or_default();
                if replica.runs() && (state["role"].is_null() || state["role"] == "starting") {
                    return Ok(());
                }
            }
        }
        let begun = workload::config(self.instances[instance].member, self.evh, self.routes);
        let value = value.or_else(|| begun.get(key).map(String::as_str));
        self.patch_config(instance, &json!({key: value})).await
    }

    /// An instance selects the namespaces of a team, its own or another's.
    async fn select(&self, instance: usize, team: &'static str) -> anyhow::Result<()> {
        self.borders.select(self.instances[instance].member, team);
        self.patch_config(instance, &json!({"namespaceSelector": format!("team={team}")})).await
    }

    /// Somebody who may write in one namespace makes up what an installation consists of.
    pub(crate) async fn forge(&self, there: bool) -> anyhow::Result<()> {
        for object in workload::made_up(LIVELY) {
            self.apply(&if there { object } else { deleted(object) }).await?;
        }
        Ok(())
    }

    /// A pod of AKO 2.2.1 comes, or goes.
    pub(crate) async fn stand_beside(&self, instance: usize, there: bool) -> anyhow::Result<()> {
        let Instance { member, leadership, .. } = &self.instances[instance];
        let client = self.kube.client();
        leadership.stands_beside_ako(there);
        if there {
            stateful_set::add_pod_of_ako(&client, member.namespace, POD_OF_AKO).await
        } else {
            stateful_set::remove_pod(&client, member.namespace, POD_OF_AKO).await
        }
    }

    /// The claim on the controller is another cluster's, or this one's again.
    pub(crate) fn claim_name(&self, is_lost: bool) {
        let own = self.kube.get("", "namespaces", "", "kube-system");
        let uid = match own {
            Some(own) if !is_lost => own["metadata"]["uid"].clone(),
            _ => json!("another"),
        };
        let claim = json!({"kv": [{"key": "kube-system", "value": uid}]});
        let is_there = self.avi.edit("stringgroup", "admin", workload::CLAIM, &claim);
        self.borders.has_lost_its_name(is_lost && is_there);
    }

    /// Keys that need a restart are what they were in the beginning.
    pub(crate) async fn set_back_identity(&self, instance: usize) -> anyhow::Result<()> {
        let member = self.instances[instance].member;
        let begun = workload::config(member, self.evh, self.routes);
        let Some(map) = self.kube.get("", "configmaps", member.namespace, CONFIG_MAP) else { return Ok(()) };
        let restart = keys().iter().filter(|key| !key.live).map(|key| key.name);
        let differ = restart.filter(|key| map["data"][*key].as_str() != begun.get(*key).map(String::as_str));
        let patch: Map<String, Value> = differ.map(|key| (key.to_owned(), json!(begun.get(key)))).collect();
        if patch.is_empty() { Ok(()) } else { self.patch_config(instance, &Value::Object(patch)).await }
    }

    /// All that was configured in the beginning, and the password that is in force.
    pub(crate) async fn set_back_configuration(&self) -> anyhow::Result<()> {
        for instance in 0..self.instances.len() {
            let begun = workload::config(self.instances[instance].member, self.evh, self.routes);
            let patch = keys().iter().map(|key| (key.name.to_owned(), json!(begun.get(key.name))));
            self.patch_config(instance, &Value::Object(patch.collect())).await?;
        }
        self.tell_password().await
    }

    async fn patch_config(&self, instance: usize, data: &Value) -> anyhow::Result<()> {
        let maps: Api<ConfigMap> =
            Api::namespaced(self.kube.client(), self.instances[instance].member.namespace);
        maps.patch(CONFIG_MAP, &PatchParams::default(), &Patch::Merge(json!({ "data": data }))).await?;
        Ok(())
    }

    /// The controller's password first, then the Secrets.
    async fn change_password(&mut self) -> anyhow::Result<()> {
        self.password = format!("{}+", self.password);
        self.avi.set_password(&self.password);
        self.tell_password().await
    }

    async fn tell_password(&self) -> anyhow::Result<()> {
        for instance in &self.instances {
            self.apply(&workload::credentials(instance.member, &self.password)).await?;
        }
        Ok(())
    }

    pub(crate) async fn apply(&self, object: &Value) -> anyhow::Result<()> {
        cluster::apply(&self.kube.client(), object).await
    }

    pub(crate) fn forget(&self) {
        self.kube.compact();
        for replica in self.replicas() {
            self.kube.disconnect(&replica.client());
        }
    }

    async fn recreate(&mut self, instance: usize, number: usize) -> anyhow::Result<()> {
        let Some(replica) = self.instances[instance].replicas.get_mut(number) else { return Ok(()) };
        replica.kill().await;
        let (client, member) = (self.kube.client(), replica.member);
        stateful_set::remove_pod(&client, member.namespace, &replica.pod).await?;
        stateful_set::add_pod_of(&client, (member.namespace, member.shared().workload), &replica.pod).await
    }
}

/// What the API server knows all replicas of an instance by.
fn all_of(member: &Member) -> String {
    format!("{}/ako-", member.namespace)
}

/// An object that is to be deleted.
fn deleted(mut object: Value) -> Value {
    object["$delete"] = true.into();
    object
}

/// An object that is to be deleted if it is there.
fn doomed(namespace: &str, version: &str, kind: &str, name: &str) -> Value {
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "$delete": true})
}
