//! Several instances of the operator, with several replicas each: the example
//! of AKO's documentation, and what must not happen to it.

use std::collections::{BTreeMap, BTreeSet};

use ako_harness::operator::{Installed, Operator, OperatorOptions};
use ako_harness::{cluster, eventually, free_port, stateful_set};
use serde_json::{Value, json};

use crate::world::{SOON, World, config, ingress, ingress_class, service};

/// Whose objects bear which owner.
pub(crate) const PRIMARY: &str = "ako-c1";
pub(crate) const SECONDARY: &str = "ako-c1-blue";

pub(crate) struct Fleet {
    /// The processes, by namespace and pod.
    pub(crate) running: BTreeMap<(String, String), Operator>,
    /// Last: its control plane must have no other user left.
    pub(crate) world: World,
}

impl Fleet {
    pub(crate) async fn start() -> Option<Self> {
        let migrate = [("nsSyncLabelKey", "app"), ("nsSyncLabelValue", "migrate")];
        let mut world = World::start_unready(&config(&migrate), "avi-system").await?;
        // The world's own operator has no pod.
        world.operator.kill();
        let mut fleet = Self { world, running: BTreeMap::new() };
        let installed = fleet.world.installed.clone();
        fleet.start_replicas(&installed, 2).await;
        let value2 = config(&[
            ("primaryInstance", "false"),
            ("nsSyncLabelKey", "key"),
            ("nsSyncLabelValue", "value2"),
        ]);
        let installed = fleet.world.install_in("blue", &value2).await;
        fleet.start_replicas(&installed, 2).await;
        Some(fleet)
    }

    pub(crate) async fn start_replicas(&mut self, installed: &Installed, count: usize) {
        let (client, namespace) = (&self.world.client, &installed.namespace);
        stateful_set::scale(client, namespace, count).await.unwrap();
        for number in 0..count {
            let pod = format!("ako-{number}");
            stateful_set::add_pod(client, namespace, &pod).await.unwrap();
            let port = free_port().unwrap();
            let installed = Installed { port, ..installed.clone() };
            let kubeconfig = self.world.control_plane.kubeconfig();
            let options = OperatorOptions::new(env!("CARGO_BIN_EXE_ako"), kubeconfig, &installed);
            let options = options.pod_name(&pod).env("AKO_API_PORT", &port.to_string());
            let mut operator = Operator::start(options).unwrap();
            operator.wait_ready().await.unwrap();
            self.running.insert((namespace.clone(), pod), operator);
        }
    }

    /// The pod that leads an instance and writes, and what it says.
    async fn leader(&self, namespace: &str) -> (String, Value) {
        eventually(SOON, async || {
            for ((of, pod), operator) in &self.running {
                if of == namespace {
                    let state =
                        operator.get_json("/api/v1/state").await.map_err(|e| format!("{pod}: {e:#}"))?;
                    if state["leadership"]["writes"] == true {
                        return Ok((pod.clone(), state));
                    }
                }
            }
            Err(format!("nobody leads {namespace}"))
        })
        .await
        .unwrap_or_else(|error| self.fail(&error))
    }

    /// Waits until the leader of an instance says what is asked for.
    pub(crate) async fn says(&self, namespace: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        eventually(SOON, async || {
            let (_, state) = self.leader(namespace).await;
            if is_so(&state) { Ok(state) } else { Err(format!("{namespace} does not say {what}: {state:#}")) }
        })
        .await
        .unwrap_or_else(|error| self.fail(&error))
    }

    pub(crate) async fn label(&self, namespace: &str, labels: &[(&str, &str)]) {
        let labels: BTreeMap<_, _> = labels.iter().copied().collect();
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels},
        });
        self.world.apply(&[object]).await;
    }

    /// An application in a namespace, under a host of the same name.
    async fn application(&self, namespace: &str) {
        let mut objects = service("web", "ClusterIP", &["10.1.0.1", "10.1.0.2"]);
        objects.push(ingress("shop", &format!("{namespace}.example.com"), "/", "web"));
        self.put(namespace, objects).await;
    }

    pub(crate) async fn put(&self, namespace: &str, mut objects: Vec<Value>) {
        for object in &mut objects {
            object["metadata"]["namespace"] = json!(namespace);
        }
        self.world.apply(&objects).await;
    }

    /// The owner of every pool of a namespace's objects.
    fn owners(&self, namespace: &str) -> BTreeSet<String> {
        let dump = self.world.sim.dump();
        let pools = dump["pool"].as_object().into_iter().flatten().map(|(_, pool)| pool);
        let is_of = |pool: &&Value| pool["markers"].to_string().contains(&format!("[\"{namespace}\"]"));
        pools.filter(is_of).map(|pool| pool["created_by"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub(crate) async fn owned_by(&self, namespace: &str, owner: &str) {
        let wanted = BTreeSet::from([owner.to_owned()]);
        eventually(SOON, async || match self.owners(namespace) {
            owners if owners == wanted => Ok(()),
            owners => Err(format!("the pools of {namespace} are {owners:?}'s, not {owner}'s")),
        })
        .await
        .unwrap_or_else(|error| self.fail(&error));
    }

    /// Names of the objects that an instance owns, with their kinds; a VsVip is
    /// its virtual service's.
    fn names_of(&self, owner: &str) -> BTreeSet<(String, String)> {
        let dump = self.world.sim.dump();
        let mut names = BTreeSet::new();
        for (kind, objects) in dump.as_object().into_iter().flatten() {
            for object in objects.as_object().into_iter().flatten().map(|(_, object)| object) {
                if object["created_by"] == owner {
                    let name = object["name"].as_str().unwrap_or_default().to_owned();
                    if kind == "virtualservice" {
                        names.insert(("vsvip".to_owned(), name.clone()));
                    }
                    names.insert((kind.clone(), name));
                }
            }
        }
        names
    }

    /// The last request to the controller.
    pub(crate) fn position(&self) -> u64 {
        self.world.sim.requests().last().map_or(0, |request| request.seq)
    }

    /// What was changed on the controller after a request.
    fn changed_since(&self, position: u64) -> BTreeSet<(String, String)> {
        let requests = self.world.sim.requests_since(position);
        let writes = requests.into_iter().filter(|r| r.committed && r.method != "GET" && r.path != "/login");
        writes.map(|request| (request.kind, request.name)).collect()
    }

    pub(crate) fn fail(&self, error: &anyhow::Error) -> ! {
        for ((namespace, pod), operator) in &self.running {
            let log = operator.log();
            let tail: Vec<_> = log.lines().rev().take(20).collect();
            eprintln!("--- {namespace}/{pod}:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        panic!("{error:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_of_two_replicas_never_touch_each_others_objects() {
    let Some(mut fleet) = Fleet::start().await else { return };
    fleet.world.apply(&[ingress_class()]).await;
    for (namespace, label) in
        [("red", ("app", "migrate")), ("pink", ("key", "value2")), ("rose", ("key", "value2"))]
    {
        fleet.label(namespace, &[label]).await;
        fleet.application(namespace).await;
    }
    for (namespace, owner) in [("red", PRIMARY), ("pink", SECONDARY), ("rose", SECONDARY)] {
        fleet.owned_by(namespace, owner).await;
        fleet.world.published("Ingress", namespace, "shop").await;
    }
    let fronts =
        |owner| fleet.names_of(owner).into_iter().filter(|(kind, _)| kind == "virtualservice").collect();
    let (first, second): (Vec<_>, Vec<_>) = (fronts(PRIMARY), fronts(SECONDARY));
    assert!(first.iter().all(|(_, name)| name.starts_with("c1--Shared-L7-")), "{first:?}");
    assert!(second.iter().all(|(_, name)| name.starts_with("c1--blue-Shared-L7-")), "{second:?}");

    the_leader_of_one_dies(&mut fleet).await;
    a_namespace_moves(&fleet).await;
    a_second_primary_refuses_everything(&mut fleet).await;
    one_removes_everything(&fleet).await;
}

/// Another replica takes over, and the other instance's objects do not change.
async fn the_leader_of_one_dies(fleet: &mut Fleet) {
    let untouched = fleet.names_of(SECONDARY);
    let position = fleet.position();
    let (pod, _) = fleet.leader("avi-system").await;
    fleet.running.remove(&("avi-system".to_owned(), pod.clone())).unwrap().kill();
    let (next, _) = fleet.leader("avi-system").await;
    assert_ne!(pod, next);
    fleet.put("red", vec![ingress("more", "more.example.com", "/", "web")]).await;
    fleet.world.published("Ingress", "red", "more").await;
    let changed = fleet.changed_since(position);
    assert!(changed.is_disjoint(&untouched), "{changed:?}");
}

/// What stays is not touched by what moves.
async fn a_namespace_moves(fleet: &Fleet) {
    let stays = fleet.names_of(PRIMARY);
    let pools = |names: &BTreeSet<(String, String)>| {
        names.iter().filter(|(kind, _)| kind == "pool").cloned().collect::<BTreeSet<_>>()
    };
    let position = fleet.position();
    fleet.label("pink", &[("app", "migrate")]).await;
    fleet.owned_by("pink", PRIMARY).await;
    fleet.says("blue", "that it is at rest", |state| state["settled"] == true).await;
    fleet.world.published("Ingress", "pink", "shop").await;
    assert!(fleet.changed_since(position).is_disjoint(&pools(&stays)));
    fleet.owned_by("rose", SECONDARY).await;
}

/// One with the same cluster name would take everything for its own.
async fn a_second_primary_refuses_everything(fleet: &mut Fleet) {
    fleet.says("avi-system", "that it is at rest", |state| state["settled"] == true).await;
    let position = fleet.position();
    let installed = fleet.world.install_in("third", &config(&[])).await;
    fleet.start_replicas(&installed, 1).await;
    let state = fleet.says("third", "that it holds back", |state| !state["held"].is_null()).await;
    let conflicts = state["conflicts"].to_string();
    assert!(conflicts.contains("SameOwner") && conflicts.contains("avi-system"), "{conflicts}");
    fleet.put("red", vec![ingress("last", "last.example.com", "/", "web")]).await;
    fleet.world.published("Ingress", "red", "last").await;
    let changed = fleet.changed_since(position);
    let is_about_last = |(kind, name): &(String, String)| name.contains("last") || kind != "pool";
    assert!(changed.iter().all(is_about_last), "{changed:?}");
    fleet.owned_by("red", PRIMARY).await;
}

/// It removes what is its own, and says so.
async fn one_removes_everything(fleet: &Fleet) {
    let untouched = fleet.names_of(PRIMARY);
    let position = fleet.position();
    let data = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "avi-k8s-config", "namespace": "blue"},
    });
    let mut changed = cluster::get(&fleet.world.client, &data).await.unwrap().unwrap();
    changed["data"]["deleteConfig"] = json!("true");
    let patch = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "avi-k8s-config", "namespace": "blue"},
        "data": changed["data"],
    });
    fleet.world.apply(&[patch]).await;
    eventually(SOON, async || match fleet.names_of(SECONDARY) {
        left if left.is_empty() => Ok(()),
        left => Err(format!("left: {left:?}")),
    })
    .await
    .unwrap_or_else(|error| fleet.fail(&error));
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "ako", "namespace": "blue"}});
    eventually(SOON, async || {
        let found = cluster::get(&fleet.world.client, &set).await.map_err(|e| e.to_string())?;
        let note = found.map(|set| set["metadata"]["annotations"]["AviObjectDeletionStatus"].clone());
        if note == Some(json!("Done")) { Ok(()) } else { Err(format!("the StatefulSet says {note:?}")) }
    })
    .await
    .unwrap_or_else(|error| fleet.fail(&error));
    let changed = fleet.changed_since(position);
    assert!(changed.is_disjoint(&untouched), "{changed:?}");
}
