//! The CRD operator starts on 1,000 custom resources, and some of them change.

use std::time::Duration;

use ako_harness::eventually;
use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use crate::Arguments;
use crate::journal::{is_write, seconds};
use crate::operator_log;
use crate::population;
use crate::report::{Figure, Target};
use crate::stage::Stage;
use crate::translation::{Mode, configuration};
use crate::world::World;

/// Of each of the four kinds.
const OF_EACH: usize = 250;
/// The kinds of which objects on the controller are made.
const MADE: usize = 3;
/// How many are changed.
const CHANGED: usize = 200;
/// How long anything may take before it counts as hung.
const PATIENCE: Duration = Duration::from_mins(2);

const PLURALS: [&str; 4] = ["healthmonitors", "applicationprofiles", "pkiprofiles", "routebackendextensions"];

/// Measures with a cluster of its own.
pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let stage = Stage::new().await?;
    stage.add_rules(0).await?;
    population::create(&stage.client, (0..OF_EACH).flat_map(resources)).await?;
    let world = World::start_crd_operator(&stage, &configuration(Mode::Sni)).await?;
    at_rest(&stage, &world).await?;
    let calls = world.calls()?;
    let first = calls.first_write.context("nothing was written")?;
    let last = calls.last_write.context("nothing was written")?;
    let rest = operator_log::last_settled(&world.operator.log()).context("the log tells no rest")?;
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let exactly = |number: usize| Target::Exactly(number as f64);
    let mut figures = vec![
        Figure::count("custom resources", 4 * OF_EACH as u64),
        Figure::seconds("first write to programmed", seconds(first, last)),
        Figure::seconds("first write to all statuses", seconds(first, rest)).target(Target::Below(5.0)),
        Figure::seconds("process start to all statuses", seconds(world.started, rest)),
        Figure::count("controller writes", calls.writes).target(exactly(MADE * OF_EACH)),
        Figure::new("memory at most", world.memory()?.peak, "MB"),
    ];
    let position = world.turn_page();
    let changes = stream::iter((0..CHANGED).map(|number| change(&stage, number)));
    changes.buffer_unordered(48).try_collect::<Vec<()>>().await?;
    at_rest(&stage, &world).await?;
    let writes = world.requests_since(position).iter().filter(|request| is_write(request)).count();
    figures.push(Figure::count("writes for 200 changes", writes as u64).target(exactly(CHANGED)));
    world.keep_log(arguments.logs.as_deref(), "crd-operator")?;
    Ok(figures)
}

/// Waits until the operator has nothing to do, and every status says that this is so for what is
/// asked for now.
async fn at_rest(stage: &Stage, world: &World) -> anyhow::Result<()> {
    eventually(PATIENCE, async || {
        let account = world.state().await.map_err(|error| error.to_string())?;
        let observed = &account["objects"]["observed"];
        if account["settled"] != true || *observed != json!(MADE * OF_EACH) {
            return Err(format!("{observed} objects"));
        }
        let told = told(stage).await.map_err(|error| format!("{error:#}"))?;
        if told == 4 * OF_EACH { Ok(()) } else { Err(format!("{told} statuses")) }
    })
    .await
}

/// How many custom resources have a condition that is true of what they ask for.
async fn told(stage: &Stage) -> anyhow::Result<usize> {
    let mut told = 0;
    for plural in PLURALS {
        let path = format!("/apis/ako.vmware.com/v1alpha1/{plural}");
        let list: Value = stage.client.request(http::Request::get(path).body(Vec::new())?).await?;
        let is_told = |object: &&Value| {
            let condition = &object["status"]["conditions"][0];
            let is_of_now = condition["observedGeneration"] == object["metadata"]["generation"];
            condition["status"] == "True" && is_of_now
        };
        told += list["items"].as_array().into_iter().flatten().filter(is_told).count();
    }
    Ok(told)
}

/// One of each kind.
fn resources(number: usize) -> [Value; 4] {
    let of = |kind: &str, spec: Value| {
        let metadata = json!({"name": format!("r-{number}"), "namespace": "default"});
        json!({"apiVersion": "ako.vmware.com/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
    };
    let certificate = format!("-----BEGIN CERTIFICATE-----\n{number}\n-----END CERTIFICATE-----\n");
    let named = json!({"pkiProfile": {"kind": "CRD", "name": format!("r-{number}")}});
    [
        of("HealthMonitor", json!({"type": "HEALTH_MONITOR_TCP", "tcp_monitor": {"tcp_half_open": true}})),
        of(
            "ApplicationProfile",
            json!({"type": "APPLICATION_PROFILE_TYPE_HTTP", "http_profile": {"xff_enabled": true}}),
        ),
        of("PKIProfile", json!({"ca_certs": [{"certificate": certificate}]})),
        of("RouteBackendExtension", json!({"backendTLS": named})),
    ]
}

async fn change(stage: &Stage, number: usize) -> anyhow::Result<()> {
    let path = format!("/apis/ako.vmware.com/v1alpha1/namespaces/default/healthmonitors/r-{number}");
    population::merge(&stage.client, &path, &json!({"spec": {"send_interval": 20}})).await
}
