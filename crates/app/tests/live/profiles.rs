//! The CRD operator: what it makes of custom resources, beside an operator that uses it.

use ako_harness::operator::{Operator, OperatorOptions};
use ako_harness::{cluster, eventually, free_port};
use ako_kube_types::schema::definitions;
use ako_sim_avi::{Action, Fault, RequestRecord};
use serde_json::{Value, json};

use crate::findings::certificate;
use crate::world::{SOON, World, config, deleted, service};

/// The controller is read often, so that a change by hand is seen soon.
const KEYS: [(&str, &str); 2] = [("fullSyncFrequency", "5"), ("akoCRDOperatorEnabled", "true")];

/// A cluster with both programs.
struct Both {
    replicas: Vec<(String, Operator)>,
    world: World,
}

fn resource(kind: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "ako.vmware.com/v1alpha1", "kind": kind,
        "metadata": {"name": "mine", "namespace": "default"}, "spec": spec,
    })
}

fn monitor(interval: u32) -> Value {
    let fields = json!({"http_request": "GET / HTTP/1.0", "http_response_code": ["HTTP_2XX"]});
    let spec = json!({"type": "HEALTH_MONITOR_HTTP", "send_interval": interval, "http_monitor": fields});
    resource("HealthMonitor", &spec)
}

/// A kind, and what happens to an object of it.
struct Life {
    kind: &'static str,
    /// The type on the controller.
    avi: &'static str,
    right: Value,
    changed: Value,
    /// What somebody makes of it by hand.
    by_hand: Value,
    /// What the controller shows of it that changed.
    shown: &'static str,
}

fn lives() -> [Life; 3] {
    let authority = |host: &str| json!({"ca_certs": [{"certificate": certificate(host).0}]});
    let profile = |timeout: u32| {
        let fields = json!({"keepalive_timeout": timeout, "xff_enabled": true, "enable_chunk_merge": false});
        json!({"type": "APPLICATION_PROFILE_TYPE_HTTP", "http_profile": fields})
    };
    [
        Life {
            kind: "HealthMonitor",
            avi: "healthmonitor",
            right: monitor(5)["spec"].clone(),
            changed: monitor(6)["spec"].clone(),
            by_hand: json!({"send_interval": 7}),
            shown: "/send_interval",
        },
        Life {
            kind: "ApplicationProfile",
            avi: "applicationprofile",
            right: profile(20_000),
            changed: profile(30_000),
            by_hand: json!({"http_profile": {"keepalive_timeout": 40_000}}),
            shown: "/http_profile/keepalive_timeout",
        },
        Life {
            kind: "PKIProfile",
            avi: "pkiprofile",
            right: authority("one.example.com"),
            changed: authority("two.example.com"),
            by_hand: json!({"ca_certs": [{"certificate": certificate("three.example.com").0}]}),
            shown: "/ca_certs/0/certificate",
        },
    ]
}

impl Both {
    async fn start() -> Option<Self> {
        let world = World::start(&config(&KEYS), "avi-system").await?;
        let mut both = Self { world, replicas: Vec::new() };
        both.join("ako-crd-operator-0").await;
        // The kinds may come later than those who serve them.
        cluster::apply_all(&both.world.client, &definitions()).await.unwrap();
        Some(both)
    }

    /// Another replica of the CRD operator.
    async fn join(&mut self, pod: &str) {
        let control_plane = &self.world.control_plane;
        let binary = env!("CARGO_BIN_EXE_ako");
        let options = OperatorOptions::new(binary, control_plane.kubeconfig(), &self.world.installed);
        let options = options.crd_operator(free_port().unwrap()).pod_name(pod);
        let mut replica = Operator::start(options).unwrap();
        replica.wait_ready().await.unwrap_or_else(|error| panic!("{error:#}\n{}", replica.log()));
        self.replicas.push((pod.to_owned(), replica));
    }

    fn fail(&self, error: &anyhow::Error) -> ! {
        let logs: Vec<_> =
            self.replicas.iter().map(|(pod, replica)| format!("--- {pod}\n{}", replica.log())).collect();
        panic!("{error:#}\n{}", logs.join("\n"));
    }

    async fn get(&self, kind: &str) -> Option<Value> {
        cluster::get(&self.world.client, &resource(kind, &json!({}))).await.unwrap()
    }

    /// Waits until the condition of an object has this reason, for what it asks for now; the object.
    async fn until(&self, kind: &str, reason: &str) -> Value {
        let reached = eventually(SOON, async || {
            let object = self.get(kind).await.unwrap_or_default();
            let condition = &object["status"]["conditions"][0];
            let is_of_now = condition["observedGeneration"] == object["metadata"]["generation"];
            if is_of_now && condition["reason"] == reason { Ok(object) } else { Err(format!("{object:#}")) }
        });
        reached.await.unwrap_or_else(|error| self.fail(&error.context(format!("{kind} {reason}"))))
    }

    /// Waits until the object is on the controller; it.
    async fn until_programmed(&self, kind: &str) -> Value {
        let reached = eventually(SOON, async || {
            let object = self.get(kind).await.unwrap_or_default();
            let is_so = object["status"]["conditions"][0]["status"] == "True";
            if is_so { Ok(object) } else { Err(format!("{object:#}")) }
        });
        reached.await.unwrap_or_else(|error| self.fail(&error))
    }

    async fn lease_holder(&self) -> String {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "ako-crd-operator-lease-lock", "namespace": "avi-system"},
        });
        let found = cluster::get(&self.world.client, &lease).await.unwrap().unwrap_or_default();
        found["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    }

    async fn gone(&self, kind: &str) {
        let reached = eventually(SOON, async || match self.get(kind).await {
            None => Ok(()),
            Some(object) => Err(format!("{object:#}")),
        });
        reached.await.unwrap_or_else(|error| self.fail(&error));
    }

    /// Waits until the controller shows something of what is made of the object.
    async fn shows(&self, life: &Life, expected: &Value) {
        let name = self.name(life.kind).await;
        let reached = eventually(SOON, async || {
            let object = self.world.sim.named(life.avi, &name).unwrap_or_default();
            let found = object.pointer(life.shown).cloned().unwrap_or_default();
            if found == *expected { Ok(()) } else { Err(format!("{found} instead of {expected}")) }
        });
        reached.await.unwrap_or_else(|error| self.fail(&error));
    }

    /// What its object on the controller is called.
    async fn name(&self, kind: &str) -> String {
        let object = self.get(kind).await.unwrap();
        object["status"]["backendObjectName"].as_str().unwrap_or_default().to_owned()
    }
}

impl Life {
    fn with(&self, spec: &Value) -> Value {
        resource(self.kind, spec)
    }

    fn shown_of(&self, spec: &Value) -> Value {
        spec.pointer(self.shown).cloned().unwrap()
    }
}

impl Both {
    /// The writes to objects of a type.
    fn writes(&self, avi: &str) -> Vec<RequestRecord> {
        let is_write = |r: &RequestRecord| r.committed && r.method != "GET" && r.kind == avi;
        self.world.sim.requests().into_iter().filter(is_write).collect()
    }

    /// Nothing of it is left, and none of its kinds.
    async fn end(mut self) {
        for life in lives() {
            self.world.apply(&[deleted(&life.with(&life.right))]).await;
            self.gone(life.kind).await;
        }
        self.replicas.iter_mut().for_each(|(_, replica)| replica.kill());
        self.world.operator.kill();
        cluster::remove_all(&self.world.client, &definitions()).await.unwrap();
    }
}

async fn is_made_changed_repaired_and_deleted(both: &Both, life: &Life) {
    let world = &both.world;
    world.apply(&[life.with(&life.right)]).await;
    let made = both.until(life.kind, "Created").await;
    let name = both.name(life.kind).await;
    let finalizer = format!("{}.ako.vmware.com/finalizer", life.kind.to_lowercase());
    assert_eq!(made["metadata"]["finalizers"], json!([finalizer]));
    assert_eq!(made["status"]["uuid"].as_str().map(str::to_owned), world.sim.uuid(life.avi, "admin", &name));
    both.shows(life, &life.shown_of(&life.right)).await;
    // One change is one write.
    let before = both.writes(life.avi).len();
    world.apply(&[life.with(&life.changed)]).await;
    both.until(life.kind, "Updated").await;
    both.shows(life, &life.shown_of(&life.changed)).await;
    let writes = both.writes(life.avi);
    assert_eq!(writes.len(), before + 1, "{writes:#?}");
    // What the controller refuses is told, and mended by another change.
    let refused = Action::Status { status: 400, retry_after: None, body: json!({"error": "it is wrong"}) };
    world.sim.inject(Fault::new(refused).method("PUT").kind(life.avi));
    world.apply(&[life.with(&life.right)]).await;
    let told = both.until(life.kind, "BadRequest").await;
    assert!(told["status"]["conditions"][0]["message"].as_str().unwrap().contains("it is wrong"), "{told:#}");
    world.sim.clear_faults();
    world.apply(&[life.with(&life.changed)]).await;
    both.until(life.kind, "Updated").await;
    // Nobody changes or deletes it by hand for long.
    assert!(world.sim.edit(life.avi, "admin", &name, &life.by_hand));
    both.shows(life, &life.shown_of(&life.changed)).await;
    assert!(world.sim.remove(life.avi, "admin", &name));
    both.shows(life, &life.shown_of(&life.changed)).await;
    world.apply(&[deleted(&life.with(&life.right))]).await;
    both.gone(life.kind).await;
    assert_eq!(world.sim.named(life.avi, &name), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_made_changed_refused_repaired_and_deleted() {
    let Some(both) = Both::start().await else { return };
    for life in lives() {
        is_made_changed_repaired_and_deleted(&both, &life).await;
    }
    both.end().await;
}

fn rule(monitors: &[&str]) -> Value {
    json!({
        "apiVersion": "ako.vmware.com/v1alpha2", "kind": "L4Rule",
        "metadata": {"name": "r", "namespace": "default"},
        "spec": {"backendProperties": [{"port": 80, "protocol": "TCP", "healthMonitorCrdRefs": monitors}]},
    })
}

/// Waits until the health monitors of a pool are so many.
async fn monitors(both: &Both, count: usize) {
    let is_so = |dump: &Value| {
        let pools: Vec<_> = dump["pool"].as_object().into_iter().flatten().collect();
        let of = |pool: &Value| pool["health_monitor_refs"].as_array().map_or(0, Vec::len);
        match pools
            .first()
            .filter(|(_, pool)| pool.to_string().contains("ako-crd-operator-c1--") == (count == 1))
        {
            Some((_, pool)) if of(pool) == 1 => Ok(()),
            _ => Err(format!("{pools:#?}")),
        }
    };
    both.world.wait_for(is_so).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_something_refers_to_is_deleted_when_nothing_does_any_more() {
    let Some(both) = Both::start().await else { return };
    let world = &both.world;
    let tcp = resource("HealthMonitor", &json!({"type": "HEALTH_MONITOR_TCP"}));
    world.apply(&[tcp.clone(), rule(&["mine"])]).await;
    let mut balancer = service("lb", "LoadBalancer", &["10.244.1.6"]);
    balancer[0]["metadata"]["annotations"] = json!({"ako.vmware.com/l4rule": "r"});
    world.apply(&balancer).await;
    monitors(&both, 1).await;
    let name = both.name("HealthMonitor").await;
    world.apply(&[deleted(&tcp)]).await;
    let told = both.until("HealthMonitor", "DeletionSkipped").await;
    let message = told["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("object is referred by: ['Pool "), "{message}");
    // What somebody made by hand refers to it, too.
    let by_hand =
        json!({"name": "by-hand", "health_monitor_refs": [format!("/api/healthmonitor?name={name}")]});
    assert_eq!(world.sim.plant(&json!({"pool": {"admin/by-hand": by_hand}})), Vec::<String>::new());
    world.apply(&[rule(&[])]).await;
    world.apply(&[deleted(&balancer[0])]).await;
    world
        .wait_for(|dump| if dump["virtualservice"].is_null() { Ok(()) } else { Err(format!("{dump:#}")) })
        .await;
    assert!(world.sim.named("healthmonitor", &name).is_some());
    assert!(world.sim.remove("pool", "admin", "by-hand"));
    both.gone("HealthMonitor").await;
    assert_eq!(world.sim.named("healthmonitor", &name), None);
    world.apply(&[deleted(&rule(&[]))]).await;
    both.end().await;
}

fn credentials(password: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "ako.vmware.com/basic-auth",
        "metadata": {"name": "sign-in", "namespace": "default"},
        "stringData": {"username": "probe", "password": password},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_rotated_and_tenants_changed() {
    let Some(both) = Both::start().await else { return };
    let world = &both.world;
    let mut signs_in = monitor(5);
    signs_in["spec"]["authentication"] = json!({"secret_ref": "sign-in"});
    signs_in["spec"]["http_monitor"]["auth_type"] = json!("AUTH_BASIC");
    world.apply(&[signs_in.clone()]).await;
    both.until("HealthMonitor", "UnresolvedRef").await;
    let life = &lives()[0];
    for password in ["hush-1", "hush-2"] {
        let before = both.writes(life.avi).len();
        world.apply(&[credentials(password)]).await;
        let name = both.name("HealthMonitor").await;
        let has = || world.sim.named(life.avi, &name).map(|it| it["authentication"]["password"].clone());
        let reached = eventually(SOON, async || match has() {
            Some(found) if found == password => Ok(()),
            found => Err(format!("{found:?}")),
        });
        reached.await.unwrap_or_else(|error| both.fail(&error));
        assert_eq!(both.writes(life.avi).len(), before + 1);
    }
    let (_, replica) = &both.replicas[0];
    let state = replica.get("/api/v1/state").await.unwrap().1;
    assert!(!replica.log().contains("hush-") && !state.contains("hush-"), "a password is shown");
    let tenant = |annotations: &Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "annotations": annotations}});
    let name = both.name("HealthMonitor").await;
    let key = "ako.vmware.com/tenant-name";
    for (annotations, here, there) in
        [(json!({key: "blue-tenant"}), "blue-tenant", "admin"), (json!({key: ""}), "admin", "blue-tenant")]
    {
        world.apply(&[tenant(&annotations)]).await;
        let reached = eventually(SOON, async || {
            let (made, left) =
                (world.sim.uuid(life.avi, here, &name), world.sim.uuid(life.avi, there, &name));
            let told = both.get("HealthMonitor").await.unwrap()["status"].clone();
            let is_told = told["tenant"] == here && told["uuid"].as_str() == made.as_deref();
            if made.is_some() && left.is_none() && is_told {
                Ok(())
            } else {
                Err(format!("{made:?} {left:?} {told}"))
            }
        });
        reached.await.unwrap_or_else(|error| both.fail(&error));
    }
    both.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_after_any_write_and_of_the_leader_is_recovered_from() {
    let Some(mut both) = Both::start().await else { return };
    let all = lives();
    let wanted: Vec<_> = all.iter().map(|life| life.with(&life.right)).collect();
    for cut in 0..3 {
        // From the cut on no answer comes; then the process is killed.
        both.world.sim.inject(Fault::new(Action::DropAfter).method("POST").skip(cut));
        both.world.sim.clear_requests();
        both.world.apply(&wanted).await;
        let lost = eventually(SOON, async || {
            let lost = both.world.sim.requests().iter().any(|r| r.method == "POST" && r.status == 0);
            if lost { Ok(()) } else { Err("no answer was lost yet") }
        });
        lost.await.unwrap_or_else(|error| both.fail(&error));
        both.replicas[0].1.kill();
        both.world.sim.clear_faults();
        both.replicas.clear();
        both.join("ako-crd-operator-0").await;
        for life in &all {
            let made = both.until_programmed(life.kind).await;
            let uuid =
                both.world.sim.uuid(life.avi, "admin", made["status"]["backendObjectName"].as_str().unwrap());
            assert_eq!(made["status"]["uuid"].as_str(), uuid.as_deref());
            both.world.apply(&[deleted(&life.with(&life.right))]).await;
            both.gone(life.kind).await;
        }
    }
    // Of two, one leads, and the other one goes on.
    both.join("ako-crd-operator-1").await;
    both.world.apply(&wanted).await;
    both.until_programmed("PKIProfile").await;
    let holder = both.lease_holder().await;
    let leader = both.replicas.iter().position(|(pod, _)| holder.starts_with(&**pod)).unwrap();
    both.replicas.remove(leader).1.kill();
    for life in &all {
        both.world.apply(&[life.with(&life.changed)]).await;
        both.until(life.kind, "Updated").await;
    }
    assert_ne!(both.lease_holder().await, holder);
    both.end().await;
}
