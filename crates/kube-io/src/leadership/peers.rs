//! What a candidate hears of others: the record's changes, and the replicas
//! beside it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use ako_elect::{Event, News};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watch_object, watcher};
use kube::{Api, Client};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::note::{CANDIDATE, NOTE, STANDING_BACK};
use super::requests::seen;
use super::shared::Shared;
use crate::error::{describe, describe_watch};
use crate::own_pod::{OwnPod, images, own_pod, replicas};

/// How many periods pass between two looks at the number of replicas and at the pods that
/// no change of a pod asks for. A watch may be silent while a pod of AKO 2.2.1 starts to write.
const LOOK_EVERY: u32 = 5;
/// How long the list of pods may take. The next one is not far away.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long a pod of another image may run that bears our annotation as its template has
/// it. One of ours changes it in the first second; AKO 2.2.1, after the image alone was set
/// back, never does, and has to read the cluster and the controller before it writes.
const PATIENCE: Duration = Duration::from_secs(5);
/// What an unknown number of replicas is taken for: enough for a Lease.
const SEVERAL: u32 = 2;

/// Tells when the record changes, so that a handover takes no waiting.
pub(super) async fn watch_record(
    client: Client,
    namespace: String,
    record: &'static str,
    news: mpsc::Sender<News>,
) {
    let records = Api::<ConfigMap>::namespaced(client, &namespace);
    let mut records = pin!(watch_object(records, record).default_backoff());
    while let Some(item) = records.next().await {
        match item {
            Ok(found) => {
                let event = Event::RecordSeen(found.as_ref().map(seen));
                if news.send(News::Elector(event)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!("the watch of ConfigMap {record}: {}", describe_watch(&error));
            }
        }
    }
}

/// Whom to tell.
pub(super) struct Tell {
    pub(super) news: mpsc::Sender<News>,
    /// For people: the pods of AKO 2.2.1 that run.
    pub(super) foreign: watch::Sender<Vec<String>>,
}

/// Tells how many replicas there are to be, and what the present ones are like.
pub(super) async fn follow(
    client: Client,
    (namespace, pod): (String, String),
    shared: Shared,
    period: Duration,
    tell: Tell,
) {
    let Tell { news, foreign } = tell;
    let own = find_own(&client, &namespace, &pod, period).await;
    let api = Api::<Pod>::namespaced(client.clone(), &namespace);
    let mut pods = pin!(watcher(api.clone(), watcher::Config::default()).default_backoff());
    let mut listed = Instant::now();
    let mut peers = Peers::of(shared);
    let mut said = Vec::new();
    let mut set = Set::new(client, own.clone());
    loop {
        tokio::select! {
            Some(event) = pods.next() => match event {
                // Half a list says nothing.
                Ok(event @ (watcher::Event::Init | watcher::Event::InitApply(_))) => {
                    peers.take(event, &own, &pod);
                    continue;
                }
                Ok(event) => peers.take(event, &own, &pod),
                Err(error) => tracing::warn!("the watch of pods in {namespace}: {}", describe_watch(&error)),
            },
            () = tokio::time::sleep(peers.patience().unwrap_or(period * LOOK_EVERY)) => {}
        }
        if listed.elapsed() >= period * LOOK_EVERY {
            listed = Instant::now();
            if let Ok(Ok(list)) = timeout(ANSWER_WITHIN, api.list(&ListParams::default())).await {
                peers.replace(&list.items, &own, &pod);
            }
        }
        let theirs = peers.theirs();
        foreign.send_if_modified(|known| std::mem::replace(known, theirs.clone()) != theirs);
        let mut now = peers.news();
        // First, so that the Lease is held before a replica needs it.
        now.insert(0, News::Replicas(set.replicas().await));
        for item in now.iter().filter(|item| !said.contains(*item)) {
            if news.send(item.clone()).await.is_err() {
                return;
            }
        }
        said = now;
    }
}

/// What controls the own pod.
struct Set {
    client: Client,
    own: OwnPod,
    /// The last answer; until there is one, as for several: the Lease is kept.
    replicas: u32,
    /// What is wrong was said.
    complained: bool,
}

impl Set {
    fn new(client: Client, own: OwnPod) -> Self {
        Self { client, own, replicas: SEVERAL, complained: false }
    }

    /// How many replicas there are to be, as far as that is known.
    async fn replicas(&mut self) -> u32 {
        // What is seen of pods must not wait for an answer that does not come.
        let answer = timeout(ANSWER_WITHIN, replicas(&self.client, &self.own)).await;
        let Ok(answer) = answer else { return self.replicas };
        let problem = match answer {
            Ok(Some(count)) => {
                self.replicas = count;
                self.complained = false;
                return count;
            }
            Ok(None) => "no StatefulSet controls it".to_owned(),
            Err(error) => format!("its StatefulSet cannot be read: {}", describe(&error)),
        };
        if !std::mem::replace(&mut self.complained, true) {
            let pod = self.own.reference.name.as_deref().unwrap_or_default();
            tracing::error!(
                "pod {pod}: {problem}; the Lease is kept as for {} replicas. Allow get on statefulsets",
                self.replicas
            );
        }
        self.replicas
    }
}

/// Reads the own pod until it is there.
async fn find_own(client: &Client, namespace: &str, pod: &str, period: Duration) -> OwnPod {
    let mut complained = false;
    loop {
        match own_pod(client, namespace, pod).await {
            Ok(own) => return own,
            // It runs outside of the cluster. Beside it may be the pods of an installation.
            Err(kube::Error::Api(status)) if status.code == 404 => return OwnPod::none(namespace, pod),
            Err(error) if !complained => {
                complained = true;
                tracing::error!(
                    "pod {namespace}/{pod} cannot be read: {}; until it is, nobody leads, for a pod of AKO 2.2.1 may be \
                     running beside it. Set POD_NAME and POD_NAMESPACE, and allow get on pods",
                    describe(&error)
                );
            }
            Err(_) => {}
        }
        tokio::time::sleep(period * LOOK_EVERY).await;
    }
}

/// The pods of the own StatefulSet other than the own one.
struct Peers {
    shared: Shared,
    pods: BTreeMap<String, Peer>,
    listed: BTreeMap<String, Peer>,
    known: bool,
}

#[derive(Clone, Copy)]
struct Peer {
    whose: Whose,
    fit: bool,
}

impl Peer {
    fn is_theirs(&self) -> bool {
        match self.whose {
            Whose::Ours => false,
            Whose::Theirs => true,
            Whose::Undecided(until, _) => until <= Instant::now(),
        }
    }
}

/// Whose a pod is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Ours,
    /// Of the reference implementation.
    Theirs,
    /// Theirs, unless it says otherwise by then or is started anew.
    Undecided(Instant, Option<Timestamp>),
}

impl Peers {
    fn of(shared: Shared) -> Self {
        Self { shared, pods: BTreeMap::new(), listed: BTreeMap::new(), known: false }
    }

    fn take(&mut self, event: watcher::Event<Pod>, own: &OwnPod, own_name: &str) {
        match event {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(pod) => {
                // What is known of it is not younger because there is another list.
                let name = pod.metadata.name.as_deref().unwrap_or_default();
                if let Some(known) = self.pods.get(name) {
                    self.listed.insert(name.to_owned(), *known);
                }
                note(&mut self.listed, &pod, own, (own_name, self.shared));
            }
            watcher::Event::InitDone => {
                self.pods = std::mem::take(&mut self.listed);
                self.known = true;
            }
            watcher::Event::Apply(pod) => note(&mut self.pods, &pod, own, (own_name, self.shared)),
            watcher::Event::Delete(pod) => {
                self.pods.remove(pod.metadata.name.as_deref().unwrap_or_default());
            }
        }
    }

    /// What a list says, apart from the one that the watch may be in the middle of.
    fn replace(&mut self, pods: &[Pod], own: &OwnPod, own_name: &str) {
        let before = std::mem::take(&mut self.pods);
        for pod in pods {
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            if let Some(known) = before.get(name) {
                self.pods.insert(name.to_owned(), *known);
            }
            note(&mut self.pods, pod, own, (own_name, self.shared));
        }
        self.known = true;
    }

    /// How long until it is decided whose a pod is.
    fn patience(&self) -> Option<Duration> {
        let now = Instant::now();
        let undecided = self.pods.values().filter_map(|peer| match peer.whose {
            Whose::Undecided(until, _) if until > now => Some(until - now),
            _ => None,
        });
        undecided.min()
    }

    /// The pods of the reference implementation that run.
    fn theirs(&self) -> Vec<String> {
        let theirs = self.pods.iter().filter(|(_, peer)| peer.is_theirs());
        theirs.map(|(name, _)| name.clone()).collect()
    }

    fn news(&self) -> Vec<News> {
        if !self.known {
            return Vec::new();
        }
        let foreign = self.pods.values().any(Peer::is_theirs);
        let fit = self.pods.values().any(|peer| peer.fit);
        vec![News::ReferencePods(foreign), News::Elector(Event::FitPeer(fit))]
    }
}

fn note(peers: &mut BTreeMap<String, Peer>, pod: &Pod, own: &OwnPod, (own_name, shared): (&str, Shared)) {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let controller = own.controller.as_ref().map(|owner| &owner.uid);
    let mut owners = pod.metadata.owner_references.iter().flatten();
    let same = owners.any(|owner| {
        let is_named = owner.kind == "StatefulSet" && owner.name == shared.workload;
        owner.controller == Some(true) && controller.map_or(is_named, |uid| owner.uid == *uid)
    });
    if name == own_name || !same {
        peers.remove(name);
        return;
    }
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    let running = statuses.into_iter().flatten().filter_map(|one| one.state.as_ref()?.running.as_ref());
    let started = running.filter_map(|running| running.started_at.as_ref()).map(|at| at.0).max();
    // One that ends again and again is in phase Running all the time.
    let running = phase == Some("Running") && (started.is_some() || statuses.is_none());
    let word = pod.metadata.annotations.as_ref().and_then(|all| all.get(NOTE)).map(String::as_str);
    let leaving = pod.metadata.deletion_timestamp.is_some();
    let whose = match word {
        // A pod that does not run yet, of whatever kind, cannot write.
        _ if !running => Whose::Ours,
        Some(CANDIDATE | STANDING_BACK) => Whose::Ours,
        Some(_) if images(pod) == own.images => Whose::Ours,
        Some(_) => match peers.get(name).map(|peer| peer.whose) {
            Some(known @ Whose::Undecided(_, since)) if since == started => known,
            _ => Whose::Undecided(Instant::now() + PATIENCE, started),
        },
        None => Whose::Theirs,
    };
    peers.insert(name.to_owned(), Peer { whose, fit: running && !leaving && word == Some(CANDIDATE) });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use ako_core::Program;

    use super::*;
    use serde_json::json;

    fn pod_of(image: &str, note: Option<&str>) -> Pod {
        let mut pod = pod("ako-1", "Running", note);
        pod.spec = serde_json::from_value(json!({"containers": [{"name": "ako", "image": image}]})).unwrap();
        pod
    }

    fn pod(name: &str, phase: &str, note: Option<&str>) -> Pod {
        let mut pod = json!({
            "metadata": {"name": name, "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "ako", "uid": "s", "controller": true}]},
            "status": {"phase": phase},
        });
        if let Some(note) = note {
            pod["metadata"]["annotations"] = json!({NOTE: note});
        }
        serde_json::from_value(pod).unwrap()
    }

    fn news(pods: Vec<Pod>) -> Vec<News> {
        peers(pods).news()
    }

    fn own() -> OwnPod {
        let controller = pod("ako-0", "Running", None).metadata.owner_references.unwrap().into_iter().next();
        let reference = k8s_openapi::api::core::v1::ObjectReference::default();
        OwnPod { reference, controller, images: ["ours:1".to_owned()].into() }
    }

    fn peers(pods: Vec<Pod>) -> Peers {
        let own = own();
        let mut peers = Peers::of(Shared::of(Program::Operator));
        peers.take(watcher::Event::Init, &own, "ako-0");
        for pod in pods {
            peers.take(watcher::Event::InitApply(pod), &own, "ako-0");
        }
        assert!(peers.news().is_empty(), "half a list says nothing");
        peers.take(watcher::Event::InitDone, &own, "ako-0");
        peers
    }

    fn said(reference: bool, fit: bool) -> Vec<News> {
        vec![News::ReferencePods(reference), News::Elector(Event::FitPeer(fit))]
    }

    #[test]
    fn a_running_pod_without_the_note_is_the_reference_implementations() {
        assert_eq!(news(vec![pod("ako-0", "Running", None)]), said(false, false), "not the own one");
        assert_eq!(news(vec![pod("ako-1", "Running", None)]), said(true, false));
        assert_eq!(news(vec![pod("ako-1", "Pending", None)]), said(false, false), "it does not run yet");
    }

    /// The image alone was set back: the template keeps the annotation.
    #[tokio::test(start_paused = true)]
    async fn a_pod_of_another_image_that_says_nothing_of_its_own_is_the_reference_implementations() {
        let mut peers = peers(vec![pod_of("theirs:2.2.1", Some("starting"))]);
        assert_eq!(peers.news(), said(false, false), "it may be a version of ours that has just begun");
        assert_eq!(peers.patience(), Some(PATIENCE));
        tokio::time::advance(PATIENCE).await;
        assert_eq!((peers.news(), peers.patience()), (said(true, false), None));
        let own = own();
        let again = watcher::Event::Apply(pod_of("theirs:2.2.1", Some("starting")));
        peers.take(again, &own, "ako-0");
        assert_eq!(peers.news(), said(true, false), "another event makes it no younger");
        peers.take(watcher::Event::Apply(pod_of("ours:2", Some("candidate"))), &own, "ako-0");
        assert_eq!(peers.news(), said(false, true));
        assert_eq!(news(vec![pod_of("ours:1", Some("starting"))]), said(false, false));
    }

    /// The watch was silent, or is in the middle of a list of its own.
    #[tokio::test(start_paused = true)]
    async fn a_list_says_what_the_watch_does_not() {
        let own = own();
        let undecided = pod_of("theirs:2.2.1", Some("starting"));
        let mut peers = peers(vec![pod("ako-2", "Running", Some("candidate")), undecided.clone()]);
        peers.take(watcher::Event::Init, &own, "ako-0");
        peers.take(watcher::Event::InitApply(pod("ako-2", "Running", Some("candidate"))), &own, "ako-0");
        tokio::time::advance(PATIENCE).await;
        peers.replace(&[undecided], &own, "ako-0");
        assert_eq!(
            peers.news(),
            said(true, false),
            "a list makes a pod no younger, and what is not in it is gone"
        );
        peers.take(watcher::Event::InitDone, &own, "ako-0");
        assert_eq!(peers.news(), said(false, true), "the list of the watch is whole");
    }

    #[test]
    fn a_candidate_is_fit_unless_it_stands_back() {
        assert_eq!(news(vec![pod("ako-1", "Running", Some("candidate"))]), said(false, true));
        assert_eq!(news(vec![pod("ako-1", "Running", Some("standing-back"))]), said(false, false));
        let mut leaving = pod("ako-1", "Running", Some("candidate"));
        leaving.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
            k8s_openapi::jiff::Timestamp::UNIX_EPOCH,
        ));
        assert_eq!(news(vec![leaving]), said(false, false));
    }
}
