//! What takes effect of an edit, and when.

use super::*;
use ako_core::Program;
use ako_core::config::LeaderElection;
use ako_elect::Timing;
use tokio::task::JoinHandle;

use super::super::settings::timing;
use super::super::testing::{credentials, data, settings};

#[test]
fn the_profiles_are_the_protocols() {
    let of = |leader_election| timing(&Config { leader_election, ..Config::default() });
    assert_eq!(of(LeaderElection::DEFAULT), Ok(Timing::default()));
    assert_eq!(of(LeaderElection::FAST), Ok(Timing::fast()));
}

#[test]
fn a_timing_that_is_not_safe_is_fatal_and_named() {
    let renew_deadline = LeaderElection::DEFAULT.lease_duration;
    let leader_election = LeaderElection { renew_deadline, ..LeaderElection::DEFAULT };
    let issues = with_timing(&Config { leader_election, ..Config::default() }, Vec::new());
    assert!(issues.len() == 1 && issues[0].fatal, "{issues:?}");
    assert!(
        issues[0].key.contains("renewDeadline") && issues[0].message.contains("two thirds"),
        "{issues:?}"
    );
    assert!(with_timing(&Config::default(), Vec::new()).is_empty());
}

/// Follows the events of a test.
struct Followed {
    events: mpsc::Sender<ConfigEvent>,
    inputs: mpsc::Receiver<Input>,
    startup: Startup,
    task: JoinHandle<()>,
}

impl Followed {
    fn start() -> Self {
        let (events, receiver) = mpsc::channel(16);
        let startup = Startup::new("ako-0", "avi-system", clock::wall_time());
        let mut reader = SettingsReader::new(receiver, (Program::Operator, "avi-system"), startup.clone());
        let (sender, inputs) = mpsc::channel(16);
        let in_force = settings();
        reader.data = Some(in_force.data.clone());
        reader.credentials = Some(in_force.credentials.clone());
        let publish = watch::Sender::new(in_force);
        let task = tokio::spawn(async move { reader.follow(publish, sender).await });
        Self { events, inputs, startup, task }
    }

    /// What is in force after an event.
    async fn after(&mut self, event: ConfigEvent) -> Settings {
        self.events.send(event).await.unwrap();
        let Some(Input::Settings(settings)) = self.inputs.recv().await else { panic!("no settings") };
        *settings
    }

    /// How many settings follow from the events that are left.
    async fn end(mut self) -> usize {
        drop(self.events);
        self.task.await.unwrap();
        let mut count = 0;
        while self.inputs.recv().await.is_some() {
            count += 1;
        }
        count
    }
}

/// What the process is called, on the controller and among the instances.
fn identity(settings: &Settings) -> (&str, bool) {
    (&settings.config.cluster_name, settings.config.primary)
}

#[tokio::test]
async fn a_key_that_needs_a_restart_waits_for_it_whatever_else_happens() {
    let mut followed = Followed::start();
    let renamed = [("clusterName", "c2"), ("primaryInstance", "false")];
    let waiting = ["clusterName", "primaryInstance"];
    let with_level = [renamed[0], renamed[1], ("logLevel", "DEBUG")];
    let events = [
        ConfigEvent::Data(data(&renamed)),
        ConfigEvent::Credentials(credentials("rotated")),
        ConfigEvent::CredentialsMissing("there is no Secret avi-secret".to_owned()),
        ConfigEvent::Data(data(&with_level)),
        ConfigEvent::ConfigMapDeleted,
        ConfigEvent::Data(data(&with_level)),
    ];
    for event in events {
        let what = format!("{event:?}");
        let settings = followed.after(event).await;
        assert_eq!(identity(&settings), ("c1", true), "{what}");
        assert_eq!(settings.restart_needed, waiting, "{what}");
    }
    assert_eq!(followed.startup.waiting_for_restart(), waiting);
}

#[tokio::test]
async fn live_keys_take_effect_beside_one_that_waits() {
    let mut followed = Followed::start();
    let edited = [("clusterName", "c2"), ("fullSyncFrequency", "7")];
    let settings = followed.after(ConfigEvent::Data(data(&edited))).await;
    assert_eq!((identity(&settings), settings.config.full_sync_s), (("c1", true), 7));
    let settings = followed.after(ConfigEvent::Data(data(&edited[..1]))).await;
    assert_eq!((identity(&settings), settings.config.full_sync_s), (("c1", true), 1800));
    assert_eq!(settings.restart_needed, ["clusterName"]);
}

#[tokio::test]
async fn a_key_that_is_edited_back_needs_no_restart_any_more() {
    let mut followed = Followed::start();
    let edited = [("clusterName", "c2"), ("shardVSSize", "SMALL")];
    let settings = followed.after(ConfigEvent::Data(data(&edited))).await;
    assert_eq!(settings.restart_needed, ["clusterName", "shardVSSize"]);
    let settings = followed.after(ConfigEvent::Data(data(&edited[1..]))).await;
    assert_eq!(settings.restart_needed, ["shardVSSize"]);
    let settings = followed.after(ConfigEvent::Data(data(&[]))).await;
    assert!(settings.restart_needed.is_empty() && settings.data == data(&[]), "{settings:?}");
    assert!(followed.startup.waiting_for_restart().is_empty());
}

#[tokio::test]
async fn a_live_key_that_needs_one_that_waits_waits_with_it() {
    let mut followed = Followed::start();
    let edited = [("serviceType", "NodePortLocal"), ("cniPlugin", "antrea"), ("fullSyncFrequency", "7")];
    let after = followed.after(ConfigEvent::Data(data(&edited))).await;
    assert_eq!((after.config, after.data), (settings().config, data(&[])));
    assert_eq!(after.restart_needed, ["cniPlugin"]);
}

/// What is in force is proven only where it is what stands there.
#[tokio::test]
async fn a_proof_is_for_what_is_in_force() {
    let deletes = ("deleteConfig", "true");
    let waits_whole = [("serviceType", "NodePortLocal"), ("cniPlugin", "antrea")];
    for (edited, proven) in [
        (ConfigEvent::Data(data(&[deletes])), true),
        (ConfigEvent::Data(data(&[("clusterName", "c2"), deletes])), true),
        (ConfigEvent::Data(data(&waits_whole)), false),
        (ConfigEvent::ConfigMapDeleted, false),
    ] {
        let what = format!("{edited:?}");
        let mut followed = Followed::start();
        followed.after(edited).await;
        followed.events.send(ConfigEvent::Confirmed(Moment::from_millis(1))).await.unwrap();
        assert_eq!(followed.end().await == 1, proven, "{what}");
    }
}

/// A confirmation between two edits hides neither.
#[tokio::test]
async fn an_edit_right_after_a_confirmation_takes_effect() {
    let mut followed = Followed::start();
    followed.events.send(ConfigEvent::Confirmed(Moment::from_millis(1))).await.unwrap();
    followed.events.send(ConfigEvent::Data(data(&[("fullSyncFrequency", "7")]))).await.unwrap();
    assert!(matches!(followed.inputs.recv().await, Some(Input::Engine(Event::Proven(..)))));
    let Some(Input::Settings(settings)) = followed.inputs.recv().await else { panic!("no settings") };
    assert_eq!(settings.config.full_sync_s, 7);
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_replaces_none() {
    let followed = Followed::start();
    for edited in [("clusterName", ""), ("renewDeadline", "15s")] {
        followed.events.send(ConfigEvent::Data(data(&[edited]))).await.unwrap();
    }
    assert_eq!(followed.end().await, 0);
}

#[test]
fn the_environment_of_a_managed_operator_names_the_certificate() {
    let named = |set: &[(&str, &str)], key: &str| {
        let get = |name: &str| set.iter().find(|(k, _)| *k == name).map(|(_, value)| (*value).to_owned());
        let mut data =
            with_server_name(BTreeMap::from([("controllerServerName".to_owned(), key.to_owned())]), get);
        data.remove("controllerServerName").unwrap_or_default()
    };
    assert_eq!(named(&[("MANAGED", "true"), ("CTRL_ADDRESS", "avi.local")], ""), "avi.local");
    assert_eq!(named(&[("MANAGED", "true"), ("CTRL_ADDRESS", "avi.local")], "other.local"), "other.local");
    assert_eq!(named(&[("CTRL_ADDRESS", "avi.local")], ""), "");
    assert_eq!(named(&[("MANAGED", "false"), ("CTRL_ADDRESS", "avi.local")], ""), "");
    assert_eq!(named(&[("MANAGED", "true")], ""), "");
}
