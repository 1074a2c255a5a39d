//! A standby that sees nothing, or is refused, while another replica leads; and then
//! leads itself.

use std::path::Path;
use std::time::Duration;

use ako_harness::operator::{Installed, Operator, OperatorOptions};
use ako_harness::{ApiProxy, Trouble, eventually, free_port, stateful_set};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::replicas::{Replicas, backend};
use crate::world::{SOON, service};

const NAMESPACE: &str = "avi-system";
const STANDBY: &str = "ako-1";

/// What is watched for the applications.
const APPLICATIONS: [&str; 3] = ["services", "endpointslices", "ingresses"];

/// A leader.
async fn one() -> Option<Replicas> {
    let replicas = Replicas::start(1).await?;
    replicas.world.apply(&backend()).await;
    replicas.served("first.example.com").await;
    Some(replicas)
}

/// A leader, and a standby whose requests pass a proxy.
async fn pair() -> Option<(Replicas, ApiProxy)> {
    let mut replicas = one().await?;
    let proxy = ApiProxy::to(replicas.world.control_plane.client().await.unwrap()).await.unwrap();
    let folder = replicas.world.control_plane.kubeconfig().parent().unwrap().to_owned();
    join(&mut replicas, &proxy.kubeconfig(&folder).unwrap()).await;
    Some((replicas, proxy))
}

/// Starts the standby, with its own way to an API server.
async fn join(replicas: &mut Replicas, kubeconfig: &Path) {
    replicas.scale(2).await;
    stateful_set::add_pod(&replicas.world.client, NAMESPACE, STANDBY).await.unwrap();
    let port = free_port().unwrap();
    let installed = Installed { port, ..replicas.world.installed.clone() };
    let options = OperatorOptions::new(env!("CARGO_BIN_EXE_ako"), kubeconfig.to_owned(), &installed);
    let options = options.pod_name(STANDBY).env("AKO_API_PORT", &port.to_string());
    let mut standby = Operator::start(options).unwrap();
    standby.wait_ready().await.unwrap();
    replicas.running.push((STANDBY.to_owned(), standby));
    assert_eq!(replicas.leader().await, "ako-0");
}

/// What the standby says of itself, once it is as it should be.
async fn standby_shows(replicas: &Replicas, what: &str, condition: impl Fn(&Value) -> bool) {
    eventually(SOON, async || {
        let state = replicas.of(STANDBY).get_json("/api/v1/state").await.map_err(|e| e.to_string())?;
        if condition(&state) { Ok(()) } else { Err(format!("not {what}: {state:#}")) }
    })
    .await
    .unwrap_or_else(|error| replicas.fail(&error));
}

/// An ordinary rollout: the leader ends, and the standby leads.
async fn roll_out(replicas: &mut Replicas) {
    let mut first = replicas.take("ako-0");
    first.terminate(Duration::from_secs(30)).await.unwrap();
    standby_shows(replicas, "the leader", |state| {
        state["role"] == "leader" && state["leadership"]["writes"] == true
    })
    .await;
}

fn deletions(replicas: &Replicas) -> Vec<String> {
    let requests = replicas.world.sim.requests();
    let deletions = requests.iter().filter(|request| request.method == "DELETE" && request.committed);
    deletions.map(|request| format!("{} {}", request.kind, request.name)).collect()
}

/// While the standby's watches are in trouble, an Ingress and a Service come and go,
/// and the standby becomes the leader.
async fn takes_over_in(trouble: Trouble) {
    let Some((mut replicas, proxy)) = pair().await else { return };
    proxy.trouble(trouble, &APPLICATIONS);
    replicas.served("second.example.com").await;
    replicas.world.apply(&service("lb", "LoadBalancer", &["10.1.0.9"])).await;
    replicas.world.published("Service", "default", "lb").await;
    roll_out(&mut replicas).await;
    // It knows that it does not know: of what it never heard it deletes nothing.
    standby_shows(&replicas, "waiting for proofs", |state| {
        state["unproven"]["count"].as_u64() > Some(0)
            && state["kubernetes"]["troubles"]["Ingress"].is_string()
    })
    .await;
    // What it can see it serves, and adds.
    assert_eq!(deletions(&replicas), Vec::<String>::new());
    proxy.heal();
    standby_shows(&replicas, "at rest", |state| state["settled"] == true).await;
    assert_eq!(deletions(&replicas), Vec::<String>::new());
    replicas.served("third.example.com").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_to_a_standby_with_silent_watches_deletes_nothing() {
    takes_over_in(Trouble::Silent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_to_a_standby_whose_watches_are_refused_deletes_nothing() {
    takes_over_in(Trouble::Refused(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_whose_api_server_hung_deletes_nothing_that_it_did_not_hear_of() {
    let Some(mut replicas) = one().await else { return };
    let control_plane = &replicas.world.control_plane;
    let (main, server) =
        (control_plane.client().await.unwrap(), control_plane.another_api_server().await.unwrap());
    // A load balancer may well have led some of its connections here and some there.
    let proxy = ApiProxy::split(main, server.client().await.unwrap(), &APPLICATIONS).await.unwrap();
    let folder = control_plane.kubeconfig().parent().unwrap().to_owned();
    join(&mut replicas, &proxy.kubeconfig(&folder).unwrap()).await;
    server.hang().unwrap();
    replicas.served("second.example.com").await;
    replicas.world.apply(&service("lb", "LoadBalancer", &["10.1.0.9"])).await;
    replicas.world.published("Service", "default", "lb").await;
    roll_out(&mut replicas).await;
    standby_shows(&replicas, "waiting for proofs", |state| state["unproven"]["count"].as_u64() > Some(0))
        .await;
    assert_eq!(deletions(&replicas), Vec::<String>::new());
    server.go_on().unwrap();
    standby_shows(&replicas, "at rest", |state| state["settled"] == true).await;
    assert_eq!(deletions(&replicas), Vec::<String>::new());
    replicas.served("third.example.com").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_config_of_before_is_not_carried_out() {
    let Some((mut replicas, proxy)) = pair().await else { return };
    let maps: Api<ConfigMap> = Api::namespaced(replicas.world.client.clone(), NAMESPACE);
    let set = async |value: &str| {
        let patch = Patch::Merge(json!({"data": {"deleteConfig": value}}));
        maps.patch("avi-k8s-config", &PatchParams::default(), &patch).await.unwrap();
    };
    set("true").await;
    let is_empty = |dump: &Value| {
        let left = dump["virtualservice"].as_object().map_or(0, serde_json::Map::len);
        if left == 0 { Ok(()) } else { Err(format!("{left} virtual services are left")) }
    };
    replicas.world.wait_for(is_empty).await;
    standby_shows(&replicas, "told of deleteConfig", |state| state["objects"]["wanted"] == 0).await;
    proxy.trouble(Trouble::Silent, &["configmaps"]);
    set("false").await;
    replicas
        .world
        .wait_for(|dump| is_empty(dump).err().map_or(Err("nothing yet".to_owned()), |_| Ok(())))
        .await;
    replicas.leader().await;
    let before = deletions(&replicas).len();
    roll_out(&mut replicas).await;
    standby_shows(&replicas, "at rest", |state| state["settled"] == true && state["objects"]["wanted"] != 0)
        .await;
    assert_eq!(deletions(&replicas).len(), before);
}
