//! Several replicas, each a process of its own.

use std::collections::BTreeSet;

use ako_harness::operator::{Installed, Operator, OperatorOptions};
use ako_harness::{cluster, eventually, free_port, stateful_set};
use serde_json::{Value, json};

use crate::world::{SOON, World, config, ingress, ingress_class, service};

struct Replicas {
    world: World,
    running: Vec<(String, Operator)>,
}

impl Replicas {
    /// A cluster with a StatefulSet of so many replicas, and their processes.
    async fn start(count: usize) -> Option<Self> {
        let mut world = World::start_unready(&config(&[]), "avi-system").await?;
        // The world's own operator has no pod.
        world.operator.kill();
        let mut replicas = Self { world, running: Vec::new() };
        replicas.scale(count).await;
        for number in 0..count {
            replicas.start_one(number).await;
        }
        replicas.leader().await;
        Some(replicas)
    }

    async fn scale(&self, count: usize) {
        stateful_set::scale(&self.world.client, "avi-system", count).await.unwrap();
    }

    /// A pod appears, and its process begins.
    async fn start_one(&mut self, number: usize) {
        let name = format!("ako-{number}");
        stateful_set::add_pod(&self.world.client, "avi-system", &name).await.unwrap();
        let port = free_port().unwrap();
        let binary = env!("CARGO_BIN_EXE_ako");
        let installed = Installed { port, ..self.world.installed.clone() };
        let options = OperatorOptions::new(binary, self.world.control_plane.kubeconfig(), &installed);
        let options = options.pod_name(&name).env("AKO_API_PORT", &port.to_string());
        let mut operator = Operator::start(options).unwrap();
        operator.wait_ready().await.unwrap();
        self.running.push((name, operator));
    }

    /// The pod that leads, as all others say, too, once it has read the
    /// controller and has nothing more to write.
    async fn leader(&self) -> String {
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

    fn take(&mut self, pod: &str) -> Operator {
        let index = self.running.iter().position(|(name, _)| name == pod).unwrap();
        self.running.remove(index).1
    }

    fn of(&self, pod: &str) -> &Operator {
        &self.running.iter().find(|(name, _)| name == pod).unwrap().1
    }

    /// Another Ingress, and the wait until it is served.
    async fn served(&self, host: &str) {
        self.world.apply(&[ingress(host, host, "/", "web")]).await;
        let part = host.to_owned();
        self.world
            .wait_for(|dump| {
                if dump.to_string().contains(&part) { Ok(()) } else { Err(format!("{part} is not served")) }
            })
            .await;
        self.world.published("Ingress", "default", host).await;
    }

    async fn lease_holder(&self) -> Option<String> {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "ako-lease-lock", "namespace": "avi-system"},
        });
        let found = cluster::get(&self.world.client, &lease).await.unwrap();
        found.map(|lease| lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
    }

    /// No object was created twice, and no write was refused.
    fn assert_nothing_twice(&self) {
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

    fn fail(&self, error: &anyhow::Error) -> ! {
        for (name, operator) in &self.running {
            let log = operator.log();
            let tail: Vec<_> = log.lines().rev().take(25).collect();
            eprintln!("--- {name}:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        panic!("{error:#}");
    }
}

/// What the Ingresses lead to.
fn backend() -> Vec<Value> {
    let mut objects = vec![ingress_class()];
    objects.extend(service("web", "ClusterIP", &["10.1.0.1"]));
    objects
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_the_leader_another_one_goes_on() {
    assert_eq!(stateful_set::NOTE, ako_kube_io::NOTE);
    let Some(mut replicas) = Replicas::start(3).await else { return };
    replicas.world.apply(&backend()).await;
    replicas.served("first.example.com").await;

    // Killed: another one takes over when the leadership expires.
    let first = replicas.leader().await;
    let holder = replicas.lease_holder().await.unwrap();
    assert!(holder.starts_with(&first), "the Lease shows {holder}, {first} leads");
    let writes = replicas.world.writes();
    replicas.take(&first).kill();
    let second = replicas.leader().await;
    assert_ne!(first, second);
    assert_eq!(replicas.world.writes(), writes, "nothing changed, so nothing is written");
    replicas.served("second.example.com").await;

    // Frozen beyond its leadership: when it wakes it does not write.
    replicas.start_one(first.trim_start_matches("ako-").parse().unwrap()).await;
    replicas.of(&second).pause().unwrap();
    let frozen = replicas.take(&second);
    let third = replicas.leader().await;
    assert_ne!(second, third);
    replicas.served("third.example.com").await;
    let writes = replicas.world.writes();
    frozen.resume().unwrap();
    replicas.running.push((second.clone(), frozen));
    assert_eq!(replicas.leader().await, third);
    assert_eq!(replicas.world.writes(), writes, "the one that woke writes nothing");

    // Asked to yield, then to end: both are handovers.
    let (status, body) = replicas.of(&third).post("/api/v1/yield").await.unwrap();
    assert_eq!(status, 200, "{body}");
    let fourth = eventually(SOON, async || match replicas.leader().await {
        leader if leader == third => Err("still the same".to_owned()),
        leader => Ok(leader),
    })
    .await
    .unwrap();
    replicas.served("fourth.example.com").await;
    let status = replicas.take(&fourth).terminate(SOON).await.unwrap();
    assert!(status.success(), "{status}");
    assert_ne!(replicas.leader().await, fourth);
    replicas.served("fifth.example.com").await;
    replicas.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn scaling_under_load_loses_and_repeats_nothing() {
    let Some(mut replicas) = Replicas::start(1).await else { return };
    replicas.world.apply(&backend()).await;
    replicas.served("a0.example.com").await;
    assert_eq!(replicas.lease_holder().await, None, "one replica has no Lease");

    replicas.scale(3).await;
    let stream = async |world: &World, from: u32| {
        for number in from..from + 5 {
            let host = format!("a{number}.example.com");
            world.apply(&[ingress(&host, &host, "/", "web")]).await;
        }
    };
    stream(&replicas.world, 1).await;
    replicas.start_one(1).await;
    replicas.start_one(2).await;
    stream(&replicas.world, 6).await;
    eventually(SOON, async || {
        replicas.lease_holder().await.filter(|h| !h.is_empty()).ok_or("no Lease".to_owned())
    })
    .await
    .unwrap_or_else(|error| replicas.fail(&error));

    // The StatefulSet takes the highest ordinals first.
    replicas.scale(1).await;
    for pod in ["ako-2", "ako-1"] {
        stream(&replicas.world, if pod == "ako-2" { 11 } else { 16 }).await;
        assert!(replicas.take(pod).terminate(SOON).await.unwrap().success());
        stateful_set::remove_pod(&replicas.world.client, "avi-system", pod).await.unwrap();
    }
    assert_eq!(replicas.leader().await, "ako-0");
    for number in 0..21 {
        replicas.world.published("Ingress", "default", &format!("a{number}.example.com")).await;
    }
    eventually(SOON, async || match replicas.lease_holder().await {
        None => Ok(()),
        Some(holder) => Err(format!("the Lease is still there: {holder}")),
    })
    .await
    .unwrap_or_else(|error| replicas.fail(&error));
    replicas.assert_nothing_twice();
}
