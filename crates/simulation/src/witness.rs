//! Who sees each write of a process at the moment when it leaves, and judges it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ako_core::resource::Hold;
use ako_core::{Program, ResourceKind};
use ako_elect::{Holder, Record};
use ako_kube_io::Shared;
use ako_sim_kube::SimKube;
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::borders::Borders;
use crate::complaints::Complaints;
use crate::instance::Leadership;
use crate::judge::Judge;
use crate::profiles::{Profile, name_of_made};
use crate::rules::Rule;
use crate::setup::Member;

/// Writes at most that a process may send to the API server in a second; more are a loop
/// without a pause, and wait.
const MOST_WRITES: u32 = 500;

/// The writes of the present second.
#[derive(Default)]
pub struct Meter {
    since: Option<Instant>,
    seen: u32,
    told: bool,
}

/// Judges the writes of one process.
pub struct Witness {
    /// The instance of the process.
    pub member: &'static Member,
    /// The process; its nonce is what counts, for one that cannot read its own pod
    /// does not know that pod's uid.
    pub me: Holder,
    /// Who may write.
    pub leadership: Leadership,
    /// What belongs to which instance.
    pub borders: Borders,
    /// Whether the cluster asks for it.
    pub judge: Judge,
    /// The API server, to see what a write changes.
    pub kube: SimKube,
    /// What is wrong is noted there.
    pub complaints: Complaints,
    /// Whether etcd was restored so that its versions began again, and nobody was
    /// started anew since. Two states of an object may have the same version: no proof
    /// and no compare-and-set tells them apart.
    pub set_back: Arc<AtomicBool>,
    /// How many writes there were.
    pub meter: Mutex<Meter>,
}

impl Witness {
    /// A write to the controller begins to leave: `POST /api/pool`.
    pub fn write_begins(&self, line: &str) {
        if let Some(leader) = self.is_not_leader() {
            self.complaints.add(&format!("{} wrote while {leader} led: {line}", self.me));
        }
        // A watch of pods may know a version that comes again.
        if self.leadership.is_beside_ako() && !self.set_back.load(Ordering::Relaxed) {
            self.complaints.add(&format!("{} wrote beside a pod of AKO: {line}", self.me));
        }
        if self.borders.is_without_name() {
            self.complaints.add(&format!("{} wrote where another cluster has the name: {line}", self.me));
        }
    }

    /// A write to the controller has left.
    pub fn write(&self, line: &str, body: &[u8]) {
        let body = serde_json::from_slice(body).unwrap_or_default();
        if let Some(why) = self.borders.trespass(self.member, line, &body) {
            self.complaints.add(&why);
        }
        if let Some(why) = self.borders.mixes_programs(self.member, line, &body) {
            self.complaints.add(&why);
        }
        let is_ambiguous = self.set_back.load(Ordering::Relaxed);
        if let Some(why) = self.judge.unasked(self.member, line, &body).filter(|_| !is_ambiguous) {
            self.complaints.add(&format!("{}: {why}", self.me));
        }
    }

    /// A client through which this process's requests to the API server are seen.
    pub fn watch(self: &Arc<Self>, client: kube::Client) -> kube::Client {
        let (namespace, witness) = (client.default_namespace().to_owned(), self.clone());
        let service = tower::service_fn(move |request: axum::http::Request<Body>| {
            let (client, witness) = (client.clone(), witness.clone());
            async move {
                let (parts, body) = request.into_parts();
                if matches!(parts.method.as_str(), "GET" | "HEAD") {
                    return client.send(axum::http::Request::from_parts(parts, body)).await;
                }
                // It is in memory: collecting it takes no time.
                let body = body.collect().await.map(http_body_util::Collected::to_bytes)?;
                if witness.is_a_loop(parts.uri.path()) {
                    sleep(Duration::from_secs(1)).await;
                }
                witness.request(parts.method.as_str(), parts.uri.path(), &body);
                client.send(axum::http::Request::from_parts(parts, Body::from(body.to_vec()))).await
            }
        });
        kube::Client::new(service, namespace)
    }

    /// Whether there are too many writes; said once. Virtual time stands while a process
    /// is busy, so such a loop would never end.
    fn is_a_loop(&self, path: &str) -> bool {
        let mut meter = self.meter.lock().unwrap_or_else(PoisonError::into_inner);
        if meter.since.is_none_or(|since| since.elapsed() >= Duration::from_secs(1)) {
            meter.since = Some(Instant::now());
            meter.seen = 0;
        }
        meter.seen += 1;
        let is_a_loop = meter.seen > MOST_WRITES;
        if is_a_loop && !std::mem::replace(&mut meter.told, true) {
            self.complaints
                .add(&format!("{}: more than {MOST_WRITES} writes in a second, to {path}", self.me));
        }
        is_a_loop
    }

    /// A request that changes something leaves for the API server.
    fn request(&self, method: &str, path: &str, body: &[u8]) {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let at = parts.iter().position(|part| *part == "namespaces").map_or(parts.len(), |at| at + 1);
        let Shared { record, lease, .. } = self.member.shared();
        let wrong = match &parts[at..] {
            // Events may be written by anybody.
            [_, "events", ..] => None,
            [namespace, "pods", pod] if method == "PATCH" => {
                let own = *namespace == self.member.namespace && *pod == self.me.pod();
                (!own).then(|| "changes a Pod that is not its own".to_owned())
            }
            [_, "configmaps"] => self.wrong_record(method, &body),
            [_, "configmaps", name] if *name == record => self.wrong_record(method, &body),
            [_, "leases"] => self.wrong_lease(method, &body),
            [_, "leases", name] if *name == lease => self.wrong_lease(method, &body),
            // Reviews change nothing.
            _ if parts.last().is_some_and(|last| last.ends_with("subjectaccessreviews")) => None,
            rest if method == "PATCH" => match self.member.program {
                Program::Operator => self.wrong_patch(rest, parts[..at].contains(&"aviinfrasettings"), &body),
                Program::CrdOperator => self.wrong_patch_of_crd_operator(rest, &body),
            },
            _ => Some(unknown()),
        };
        if let Some(wrong) = wrong {
            self.complaints.add(&format!("{}: {method} {path} {wrong}", self.me));
        }
    }

    /// What the operator changes by a patch: objects with addresses, rules, and its StatefulSet.
    fn wrong_patch(&self, path: &[&str], is_setting: bool, body: &Value) -> Option<String> {
        match path {
            [_, "statefulsets" | "ingresses" | "services" | "routes", _] => self.wrong_writer(),
            [namespace, plural @ ("ingresses" | "services" | "routes"), name, "status"] => {
                self.wrong_writer().or_else(|| self.wrong_status(namespace, plural, name, body))
            }
            [_, plural, _, "status"] if is_of_rules(plural) => self.wrong_writer(),
            // It is in no namespace.
            [] if is_setting => self.wrong_writer(),
            _ => Some(unknown()),
        }
    }

    /// What the CRD operator changes by a patch: finalizers and statuses of its custom resources.
    fn wrong_patch_of_crd_operator(&self, path: &[&str], body: &Value) -> Option<String> {
        let kind = |plural: &str| {
            let mut kinds = ResourceKind::ALL.into_iter();
            kinds.find(|kind| kind.spec().plural == plural && kind.is_published_by(Program::CrdOperator))
        };
        match path {
            [_, plural, _, "status"] if kind(plural).is_some() => self.wrong_writer(),
            [namespace, plural, name] => match kind(plural).and_then(Profile::of) {
                Some(profile) => {
                    self.wrong_writer().or_else(|| self.wrong_finalizers(profile, (namespace, name), body))
                }
                None => Some(unknown()),
            },
            _ => Some(unknown()),
        }
    }

    /// A custom resource is held until it is to be deleted and nothing is left that was made of it;
    /// the finalizers of others stay.
    fn wrong_finalizers(
        &self,
        profile: Profile,
        (namespace, name): (&str, &str),
        patch: &Value,
    ) -> Option<String> {
        let spec = profile.kind().spec();
        let object = self.kube.get(spec.group, spec.plural, namespace, name)?;
        if patch["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
            // It is refused.
            return None;
        }
        let ours = Hold::finalizer(profile.kind());
        let finalizers = |object: &Value| {
            let all = object["metadata"]["finalizers"].as_array().into_iter().flatten();
            all.filter_map(Value::as_str).map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let (mut before, mut after) = (finalizers(&object), finalizers(patch));
        let is_let_go = before.remove(&ours) & !after.remove(&ours);
        if before != after {
            return Some("changes finalizers of others".to_owned());
        }
        if is_let_go && object["metadata"]["deletionTimestamp"].is_null() {
            return Some("lets go what is not to be deleted".to_owned());
        }
        let (made, tenant) = (name_of_made(namespace, name), object["status"]["tenant"].as_str());
        let is_left = tenant.is_some_and(|tenant| self.judge.is_there(profile.segment(), tenant, &made));
        // Nobody need know yet what came back from a backup.
        (is_let_go && is_left && !self.judge.is_restored_lately())
            .then(|| format!("lets go what {made} was made of, which is still there"))
    }

    /// Who leads, if this process does not.
    fn is_not_leader(&self) -> Option<Holder> {
        let leader = self.leadership.leader();
        (!self.is_me(leader.as_str())).then_some(leader)
    }

    fn is_me(&self, holder: &str) -> bool {
        let nonce = |holder: &str| holder.rsplit_once('_').map(|(_, nonce)| nonce.to_owned());
        nonce(holder).is_some() && nonce(holder) == nonce(self.me.as_str())
    }

    fn wrong_writer(&self) -> Option<String> {
        self.is_not_leader().map(|leader| format!("left while {leader} led"))
    }

    fn wrong_status(&self, namespace: &str, plural: &str, name: &str, patch: &Value) -> Option<String> {
        let (group, kind) = match plural {
            "services" => ("", "Service"),
            "routes" => ("route.openshift.io", "Route"),
            _ => ("networking.k8s.io", "Ingress"),
        };
        let object = self.kube.get(group, plural, namespace, name)?;
        let is_ambiguous = self.set_back.load(Ordering::Relaxed);
        self.judge.unasked_status(self.member, kind, &object, patch).filter(|_| !is_ambiguous)
    }

    /// The record is created with nobody as its holder, and changed by
    /// compare-and-set of one exact object.
    fn wrong_record(&self, method: &str, body: &Value) -> Option<String> {
        let record = Record::from_data(&serde_json::from_value(body["data"].clone()).unwrap_or_default());
        let holder = record.holder.as_str();
        match method {
            "POST" if body["metadata"]["name"] != self.member.shared().record => {
                Some("is not the record".to_owned())
            }
            "POST" if !record.holder.is_nobody() => Some(format!("creates the record for {holder}")),
            "PUT" if !is_exact(&body["metadata"]) => Some("replaces whatever record there is".to_owned()),
            "PUT" if !record.holder.is_nobody() && !self.is_me(holder) => {
                Some(format!("names {holder} as the holder"))
            }
            "POST" | "PUT" => None,
            _ => Some("is no way to change the record".to_owned()),
        }
    }

    /// The Lease shows who leads; who ends takes its own name out of it, by
    /// compare-and-set of what it wrote itself.
    fn wrong_lease(&self, method: &str, body: &Value) -> Option<String> {
        let holder = body["spec"]["holderIdentity"].as_str().unwrap_or_default();
        match method {
            "PUT" if !is_exact(&body["metadata"]) => Some("replaces whatever Lease there is".to_owned()),
            "DELETE" if !is_exact(&body["preconditions"]) => {
                Some("deletes whatever Lease there is".to_owned())
            }
            // Nobody decides by it, and it is mended at the next renewal.
            _ if self.leadership.is_changed_by_hand() => None,
            "PUT" if holder.is_empty() => self.wrong_clearing(&body["metadata"]),
            "PUT" if !self.is_current(&body["metadata"]) => None,
            "DELETE" if !self.is_current(&body["preconditions"]) => None,
            "POST" | "PUT" | "DELETE" => self.wrong_writer(),
            _ => Some("is no way to change the Lease".to_owned()),
        }
    }

    /// Whether a write is about the Lease as it is now; otherwise it is refused.
    fn is_current(&self, version: &Value) -> bool {
        let lease =
            self.kube.get("coordination.k8s.io", "leases", self.member.namespace, self.member.shared().lease);
        lease.is_some_and(|lease| lease["metadata"]["resourceVersion"] == version["resourceVersion"])
    }

    /// Who takes a name out of the Lease: it has to be the own one, or there is none, or
    /// the write is refused because the Lease is another one by now.
    fn wrong_clearing(&self, metadata: &Value) -> Option<String> {
        let lease = self.kube.get(
            "coordination.k8s.io",
            "leases",
            self.member.namespace,
            self.member.shared().lease,
        )?;
        let is_current = lease["metadata"]["resourceVersion"] == metadata["resourceVersion"];
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
        let is_ambiguous = self.set_back.load(Ordering::Relaxed);
        (is_current && !is_ambiguous && !holder.is_empty() && !self.is_me(holder))
            .then(|| format!("takes {holder} out of the Lease"))
    }
}

/// What is said of a write that is none of those that there may be.
fn unknown() -> String {
    "is a write that nobody knows of".to_owned()
}

/// Whether the objects of that name in paths are rules.
fn is_of_rules(plural: &str) -> bool {
    Rule::ALL.iter().any(|rule| format!("{}s", rule.kind().to_lowercase()) == plural)
}

/// Whether a write is about one exact object in one exact version.
fn is_exact(metadata: &Value) -> bool {
    ["uid", "resourceVersion"]
        .iter()
        .all(|field| metadata[*field].as_str().is_some_and(|text| !text.is_empty()))
}
