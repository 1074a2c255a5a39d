//! Whether installations can be an operator's.

use std::sync::Arc;
use std::time::Duration;

use ako_core::{Authority, Delta, Resource, ResourceKind};
use ako_kube_io::{Demand, SecretsOf, Source, SourceEvent};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch as signal};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::fake::{Fake, FaultKind, Seen};
use crate::pace::pace;

const SETS: &str = "statefulsets";
const USER: &str = "system:serviceaccount:avi-system:ako-sa";

fn set(namespace: &str, account: &str, image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "ako", "namespace": namespace},
        "spec": {"template": {"metadata": {"annotations": {"image": image}}, "spec": {"serviceAccountName": account}}}})
}

fn is_review(seen: &Seen) -> bool {
    seen.path.ends_with("/subjectaccessreviews")
}

struct Watched {
    fake: Fake,
    events: mpsc::Receiver<SourceEvent>,
    demand: signal::Sender<Demand>,
    _tasks: JoinSet<()>,
}

impl Watched {
    fn start(fake: Fake) -> Self {
        let (sender, events) = mpsc::channel(8);
        let kinds = signal::channel([ResourceKind::StatefulSet].into()).1;
        let demand = signal::Sender::new(Demand::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(Source::run(fake.client(), kinds, SecretsOf::All, sender, pace(&demand)));
        Self { fake, events, demand, _tasks: tasks }
    }

    async fn event(&mut self) -> SourceEvent {
        self.events.recv().await.expect("the watch goes on")
    }

    /// What is said next of installations.
    async fn shown(&mut self) -> Vec<(Arc<str>, Authority)> {
        loop {
            let resources = match self.event().await {
                SourceEvent::Delta(Delta::Reset(_, resources)) => resources,
                SourceEvent::Delta(Delta::Apply(resource)) => vec![resource],
                _ => continue,
            };
            let shown = resources.into_iter().map(|resource| match resource {
                Resource::StatefulSet(found) => (found.namespace, found.authority),
                other => panic!("{other:?}"),
            });
            return shown.collect();
        }
    }

    fn reviews(&self) -> usize {
        self.fake.take_seen().iter().filter(|seen| is_review(seen)).count()
    }
}

fn two() -> Fake {
    let fake = Fake::new();
    fake.permit(USER, true);
    fake.put(SETS, set("avi-system", "ako-sa", "1"));
    fake.put(SETS, set("team", "default", "1"));
    fake
}

#[tokio::test(start_paused = true)]
async fn a_service_account_of_a_team_is_none_of_an_operator() {
    let mut watched = Watched::start(two());
    let both = [("avi-system".into(), Authority::Granted), ("team".into(), Authority::Refused)];
    assert_eq!(watched.shown().await, both);
    let reviews: Vec<_> = watched.fake.take_seen().into_iter().filter(is_review).collect();
    let asked = &reviews[0].body["spec"];
    assert_eq!(asked["user"], USER);
    let groups = ["system:serviceaccounts", "system:serviceaccounts:avi-system", "system:authenticated"];
    assert_eq!(asked["groups"], json!(groups));
    let wanted = json!({"group": "networking.k8s.io", "resource": "ingresses", "subresource": "status", "verb": "patch"});
    assert_eq!(asked["resourceAttributes"], wanted, "in all namespaces");
    // What was asked is not asked for each change.
    watched.fake.put(SETS, set("avi-system", "ako-sa", "2"));
    assert_eq!(watched.shown().await, [("avi-system".into(), Authority::Granted)]);
    assert_eq!(watched.reviews(), 0);
    watched.fake.put(SETS, set("avi-system", "other", "2"));
    assert_eq!(watched.shown().await, [("avi-system".into(), Authority::Refused)]);
    assert_eq!(watched.reviews(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_changes_is_noticed() {
    let mut watched = Watched::start(two());
    watched.shown().await;
    watched.fake.permit("system:serviceaccount:team:default", true);
    let soon = Duration::from_secs(6);
    let shown = timeout(soon, watched.shown()).await.unwrap();
    assert_eq!(shown, [("team".into(), Authority::Granted)]);
    watched.fake.permit(USER, false);
    let shown = timeout(Duration::from_secs(61), watched.shown()).await.unwrap();
    assert_eq!(shown, [("avi-system".into(), Authority::Refused)]);
}

#[tokio::test(start_paused = true)]
async fn without_the_permission_to_ask_nothing_is_known() {
    let fake = two();
    fake.fail(FaultKind::Code(403), is_review);
    fake.fail(FaultKind::Code(403), is_review);
    let mut watched = Watched::start(fake);
    let shown = watched.shown().await;
    assert!(shown.iter().all(|(_, authority)| *authority == Authority::Unknown), "{shown:?}");
    // The rule is added.
    let shown = timeout(Duration::from_secs(61), watched.shown()).await.unwrap();
    assert_eq!(shown, [("avi-system".into(), Authority::Granted)]);
}

/// Neither the list nor a proof of it is handed on before there is an answer.
#[tokio::test(start_paused = true)]
async fn what_is_not_answered_is_waited_for_and_told() {
    let fake = two();
    fake.fail(FaultKind::Code(500), is_review);
    fake.fail(FaultKind::Silence, is_review);
    let mut watched = Watched::start(fake);
    watched.demand.send_modify(|demand| {
        demand.grants += 1;
        demand.leads = true;
    });
    let SourceEvent::Trouble { message, .. } = watched.event().await else { panic!("no trouble") };
    assert!(message.starts_with("whether ServiceAccount "), "{message}");
    assert!(matches!(watched.event().await, SourceEvent::Recovered { .. }));
    assert!(matches!(watched.event().await, SourceEvent::Delta(Delta::Reset(..))));
    assert!(matches!(watched.event().await, SourceEvent::Proven { .. }));
}
