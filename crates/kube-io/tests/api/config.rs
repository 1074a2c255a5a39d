//! The watch of the operator's own configuration.

use std::time::Duration;

use ako_kube_io::{CONFIG_MAP, CREDENTIALS_SECRET, ConfigEvent, ConfigSource, Demand};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch as signal};

use crate::fake::{Fake, FaultKind};
use crate::pace::{now, pace};

const PATIENCE: Duration = Duration::from_secs(200);

fn config_map(value: &str) -> Value {
    json!({"metadata": {"name": CONFIG_MAP, "namespace": "avi"}, "data": {"logLevel": value}})
}

fn secret(data: &Value) -> Value {
    json!({"metadata": {"name": CREDENTIALS_SECRET, "namespace": "avi"}, "data": data})
}

/// Of a process that never leads, of which nothing is ever demanded.
fn start(fake: &Fake) -> mpsc::Receiver<ConfigEvent> {
    start_with(fake, &signal::Sender::new(Demand::default()))
}

fn start_with(fake: &Fake, demand: &signal::Sender<Demand>) -> mpsc::Receiver<ConfigEvent> {
    let (sender, events) = mpsc::channel(4);
    let (client, pace) = (fake.client(), pace(demand));
    tokio::spawn(async move { ConfigSource::run(client, "avi", sender, pace).await });
    events
}

async fn next(events: &mut mpsc::Receiver<ConfigEvent>) -> ConfigEvent {
    tokio::time::timeout(PATIENCE, events.recv()).await.expect("an event").expect("a source that runs")
}

/// What is there at the start: the ConfigMap, confirmed, and the credentials.
async fn beginning(events: &mut mpsc::Receiver<ConfigEvent>) -> [ConfigEvent; 2] {
    let mut first = [next(events).await, next(events).await, next(events).await];
    first.sort_by_key(|event| match event {
        ConfigEvent::Data(_) | ConfigEvent::ConfigMapDeleted => 0,
        ConfigEvent::Credentials(_) | ConfigEvent::CredentialsMissing(_) => 1,
        ConfigEvent::Confirmed(_) => 2,
    });
    let [data, credentials, confirmed] = first;
    assert!(matches!(confirmed, ConfigEvent::Confirmed(_)), "{confirmed:?}");
    [data, credentials]
}

#[tokio::test(start_paused = true)]
async fn the_config_map_comes_changes_and_goes() {
    let fake = Fake::new();
    fake.put("configmaps", config_map("INFO"));
    fake.put("configmaps", json!({"metadata": {"name": "other", "namespace": "avi"}, "data": {"a": "b"}}));
    fake.put("secrets", secret(&json!({"username": "YQ==", "password": "Yg=="})));
    let mut events = start(&fake);
    let [data, credentials] = beginning(&mut events).await;
    let level = |level: &str| ConfigEvent::Data([("logLevel".to_owned(), level.to_owned())].into());
    assert_eq!(data, level("INFO"));
    let ConfigEvent::Credentials(credentials) = credentials else { panic!("no credentials") };
    assert_eq!((credentials.username.as_str(), &**credentials.password.reveal()), ("a", "b"));
    assert!(!format!("{credentials:?}").contains("\"b\""));

    // Only a real change is one.
    fake.put("configmaps", config_map("INFO"));
    fake.put("configmaps", config_map("DEBUG"));
    assert_eq!(next(&mut events).await, level("DEBUG"));
    fake.delete("configmaps", "avi", CONFIG_MAP);
    assert_eq!(next(&mut events).await, ConfigEvent::ConfigMapDeleted);
    fake.put("secrets", secret(&json!({"username": "YQ=="})));
    assert!(matches!(next(&mut events).await, ConfigEvent::CredentialsMissing(_)));
}

#[tokio::test(start_paused = true)]
async fn what_is_known_stands_while_the_server_is_away() {
    let fake = Fake::new();
    fake.put("configmaps", config_map("INFO"));
    for _ in 0..3 {
        fake.fail(FaultKind::Code(500), |seen| seen.path.ends_with("/configmaps"));
    }
    let mut events = start(&fake);
    let [data, credentials] = beginning(&mut events).await;
    assert!(matches!(data, ConfigEvent::Data(_)), "{data:?}");
    assert!(matches!(credentials, ConfigEvent::CredentialsMissing(_)), "{credentials:?}");
    fake.cut_watches();
    fake.fail(FaultKind::Code(500), |seen| seen.path.ends_with("/configmaps"));
    fake.put("configmaps", config_map("WARN"));
    assert!(matches!(next(&mut events).await, ConfigEvent::Data(_)));
}

/// A key that needs a restart is in force for as long as the process runs, and what a
/// watch lists may be what was there before.
#[tokio::test(start_paused = true)]
async fn a_process_begins_with_what_was_read_and_not_with_what_a_watch_lists() {
    let fake = Fake::new();
    fake.put("configmaps", config_map("INFO"));
    fake.fail(FaultKind::Code(500), |seen| seen.path.ends_with("/configmaps/avi-k8s-config"));
    let begun = now();
    let mut events = start(&fake);
    while !matches!(next(&mut events).await, ConfigEvent::Data(_)) {}
    assert!(now().since(begun) >= Duration::from_secs(1), "the watch was believed");
}

/// What somebody changed while the watch was silent is read when the process
/// begins to lead, before anything is removed because of what was there.
#[tokio::test(start_paused = true)]
async fn a_new_leader_reads_it_whatever_the_watch_shows() {
    let fake = Fake::new();
    fake.put("configmaps", config_map("INFO"));
    let demand = signal::Sender::new(Demand::default());
    let mut events = start_with(&fake, &demand);
    beginning(&mut events).await;
    fake.silence(true);
    fake.put("configmaps", config_map("DEBUG"));
    let granted = now();
    demand.send_modify(|demand| (demand.grants, demand.leads) = (1, true));
    let ConfigEvent::Data(data) = next(&mut events).await else { panic!("not read") };
    assert_eq!(data["logLevel"], "DEBUG");
    let ConfigEvent::Confirmed(at) = next(&mut events).await else { panic!("not confirmed") };
    assert!(at >= granted && now() == granted);
    // And again, for as long as it leads.
    for _ in 0..5 {
        let ConfigEvent::Confirmed(again) = next(&mut events).await else { panic!("not confirmed") };
        assert!(again > at && now().since(again) < Duration::from_secs(1));
    }
    demand.send_modify(|demand| demand.leads = false);
    tokio::time::sleep(Duration::from_mins(5)).await;
    fake.delete("configmaps", "avi", CONFIG_MAP);
    demand.send_modify(|demand| (demand.grants, demand.leads) = (2, true));
    assert_eq!(next(&mut events).await, ConfigEvent::ConfigMapDeleted);
    assert!(matches!(next(&mut events).await, ConfigEvent::Confirmed(_)));
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_read_is_not_confirmed() {
    let fake = Fake::new();
    fake.put("configmaps", config_map("INFO"));
    let demand = signal::Sender::new(Demand::default());
    let mut events = start_with(&fake, &demand);
    beginning(&mut events).await;
    let reads = |seen: &crate::fake::Seen| seen.path.ends_with("/configmaps/avi-k8s-config");
    fake.fail(FaultKind::Code(500), reads);
    fake.fail(FaultKind::Silence, reads);
    let granted = now();
    demand.send_modify(|demand| (demand.grants, demand.leads) = (1, true));
    let ConfigEvent::Confirmed(at) = next(&mut events).await else { panic!("not confirmed") };
    assert!(at.since(granted) >= Duration::from_secs(7), "two readings failed before");
}

/// A watch that was silent goes on where it was, and tells what was there before.
#[tokio::test(start_paused = true)]
async fn what_a_late_watch_tells_a_leader_is_not_taken_for_new() {
    let fake = Fake::new();
    fake.put("configmaps", config_map("INFO"));
    let demand = signal::Sender::new(Demand::default());
    let mut events = start_with(&fake, &demand);
    beginning(&mut events).await;
    fake.silence(true);
    fake.put("configmaps", config_map("DEBUG"));
    fake.put("configmaps", config_map("WARN"));
    demand.send_modify(|demand| (demand.grants, demand.leads) = (1, true));
    let ConfigEvent::Data(data) = next(&mut events).await else { panic!("not read") };
    assert_eq!(data["logLevel"], "WARN");
    fake.silence(false);
    for _ in 0..5 {
        let event = next(&mut events).await;
        assert!(matches!(event, ConfigEvent::Confirmed(_)), "{event:?}");
    }
    // An edit is there as soon as before.
    let edited = now();
    fake.put("configmaps", config_map("ERROR"));
    let ConfigEvent::Data(data) = next(&mut events).await else { panic!("not read") };
    assert_eq!((&*data["logLevel"], now()), ("ERROR", edited));
}
