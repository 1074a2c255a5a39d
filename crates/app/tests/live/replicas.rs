//! Replicas of the operator, each a process of its own with its own network.

use std::collections::{BTreeMap, BTreeSet};

use ako_harness::operator::{Installed, Operator, OperatorOptions};
use ako_harness::{Proxy, cluster, eventually, free_port, stateful_set};
use serde_json::{Value, json};

use crate::world::{SOON, World, config, ingress, ingress_class, service};

pub(crate) struct Replicas {
    pub(crate) running: Vec<(String, Operator)>,
    /// The way of each pod to the API server.
    ways: BTreeMap<String, Proxy>,
    /// Last: its control plane must have no other user left.
    pub(crate) world: World,
}

impl Replicas {
    /// A cluster with a StatefulSet of so many replicas, and their processes.
    pub(crate) async fn start(count: usize) -> Option<Self> {
        let mut world = World::start_unready(&config(&[]), "avi-system").await?;
        // The world's own operator has no pod.
        world.operator.kill();
        let mut replicas = Self { world, running: Vec::new(), ways: BTreeMap::new() };
        replicas.scale(count).await;
        for number in 0..count {
            replicas.start_one(number).await;
        }
        replicas.leader().await;
        Some(replicas)
    }

    pub(crate) async fn scale(&self, count: usize) {
        stateful_set::scale(&self.world.client, "avi-system", count).await.unwrap();
    }

    /// A pod appears, and its process begins.
    pub(crate) async fn start_one(&mut self, number: usize) {
        let name = format!("ako-{number}");
        stateful_set::add_pod(&self.world.client, "avi-system", &name).await.unwrap();
        self.run(&name).await.wait_ready().await.unwrap();
    }

    /// A process begins in a pod.
    pub(crate) async fn run(&mut self, name: &str) -> &mut Operator {
        let control_plane = &self.world.control_plane;
        let server = control_plane.url().trim_start_matches("https://").parse().unwrap();
        let way = Proxy::to(server).await.unwrap();
        let kubeconfig = way.kubeconfig(control_plane.kubeconfig(), control_plane.url()).unwrap();
        let port = free_port().unwrap();
        let binary = env!("CARGO_BIN_EXE_ako");
        let installed = Installed { port, ..self.world.installed.clone() };
        let options = OperatorOptions::new(binary, kubeconfig, &installed);
        let options = options.pod_name(name).env("AKO_API_PORT", &port.to_string());
        self.ways.insert(name.to_owned(), way);
        self.running.push((name.to_owned(), Operator::start(options).unwrap()));
        &mut self.running.last_mut().unwrap().1
    }

    /// The way of a pod to the API server.
    pub(crate) fn way(&self, pod: &str) -> &Proxy {
        &self.ways[pod]
    }

    /// The pod that leads, as all others say, too, once it has read the
    /// controller and has nothing more to write.
    pub(crate) async fn leader(&self) -> String {
        eventually(SOON, async || {
            let mut leaders = BTreeSet::new();
            let (mut leading, mut at_rest) = (0, false);
            for (name, operator) in &self.running {
                let state = operator.get_json("/api/v1/state").await.map_err(|e| format!("{name}: {e:#}"))?;
                leaders.insert(state["leadership"]["leader"].as_str().unwrap_or_default().to_owned());
                leading += usize::from(state["role"] == "leader");
                at_rest |= state["leadership"]["writes"] == true && state["settled"] == true;
            }
            match leaders.first() {
                Some(leader) if leaders.len() == 1 && leading == 1 && at_rest => Ok(leader.clone()),
                _ => Err(format!("{leading} lead, at rest: {at_rest}; said to lead: {leaders:?}")),
            }
        })
        .await
        .unwrap_or_else(|error| self.fail(&error))
    }

    pub(crate) fn take(&mut self, pod: &str) -> Operator {
        let index = self.running.iter().position(|(name, _)| name == pod).unwrap();
        self.running.remove(index).1
    }

    pub(crate) fn of(&self, pod: &str) -> &Operator {
        &self.running.iter().find(|(name, _)| name == pod).unwrap().1
    }

    /// Another Ingress, and the wait until it is served.
    pub(crate) async fn served(&self, host: &str) {
        self.world.apply(&[ingress(host, host, "/", "web")]).await;
        let part = host.to_owned();
        self.world
            .wait_for(|dump| {
                if dump.to_string().contains(&part) { Ok(()) } else { Err(format!("{part} is not served")) }
            })
            .await;
        self.world.published("Ingress", "default", host).await;
    }

    pub(crate) async fn lease_holder(&self) -> Option<String> {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "ako-lease-lock", "namespace": "avi-system"},
        });
        let found = cluster::get(&self.world.client, &lease).await.unwrap();
        found.map(|lease| lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
    }

    /// No object was created twice, and no write was refused.
    pub(crate) fn assert_nothing_twice(&self) {
        let mut created = BTreeSet::new();
        for request in self.world.sim.requests() {
            if request.method == "GET" || request.path == "/login" {
                continue;
            }
            assert!(request.status < 400, "refused: {request:?}");
            if request.method == "POST" && request.committed {
                assert!(created.insert((request.kind.clone(), request.name.clone())), "twice: {request:?}");
            }
        }
    }

    pub(crate) fn fail(&self, error: &anyhow::Error) -> ! {
        for (name, operator) in &self.running {
            let log = operator.log();
            let tail: Vec<_> = log.lines().rev().take(25).collect();
            eprintln!("--- {name}:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        panic!("{error:#}");
    }
}

/// What the Ingresses lead to.
pub(crate) fn backend() -> Vec<Value> {
    let mut objects = vec![ingress_class()];
    objects.extend(service("web", "ClusterIP", &["10.1.0.1"]));
    objects
}
