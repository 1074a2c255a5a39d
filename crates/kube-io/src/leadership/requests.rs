//! The requests of a candidate: for the record and for the Lease.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ako_elect::{
    Event, LeaseChange, LeaseSpec, News, Observed, ObservedLease, Record, ResourceVersion, Uid, Unreadable,
    Version, WallTime, WriteError,
};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec as ApiLeaseSpec};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::core::ObjectMeta;
use kube::{Api, Client};
use tokio::task::{JoinError, JoinSet};

use super::shared::Shared;
use crate::error::describe;

/// Sends requests in the background; their answers are news.
pub(super) struct Requests {
    records: Api<ConfigMap>,
    leases: Api<Lease>,
    namespace: String,
    shared: Shared,
    /// Requests under way.
    under_way: JoinSet<News>,
    complaints: Complaints,
}

impl Requests {
    pub(super) fn new(client: Client, namespace: &str, shared: Shared) -> Self {
        Self {
            records: Api::namespaced(client.clone(), namespace),
            leases: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            shared,
            under_way: JoinSet::new(),
            complaints: Complaints::default(),
        }
    }

    pub(super) fn read(&mut self, timeout: Duration) {
        let (records, name) = (self.records.clone(), self.shared.record);
        let get = async move { records.get_opt(name).await };
        self.ask("get ConfigMap", name, timeout, get, |answer| {
            News::Elector(Event::RecordRead(
                answer.map(|found| found.as_ref().map(observed)).map_err(|_| Unreadable),
            ))
        });
    }

    pub(super) fn create(&mut self, record: &Record, timeout: Duration) {
        let (records, body) = (self.records.clone(), self.body(record, None));
        let create = async move { records.create(&PostParams::default(), &body).await };
        self.ask("create ConfigMap", self.shared.record, timeout, create, written);
    }

    pub(super) fn update(&mut self, record: &Record, at: &Version, timeout: Duration) {
        let (records, body, name) = (self.records.clone(), self.body(record, Some(at)), self.shared.record);
        let replace = async move { records.replace(name, &PostParams::default(), &body).await };
        self.ask("update ConfigMap", name, timeout, replace, written);
    }

    pub(super) fn read_lease(&mut self, timeout: Duration) {
        let (leases, name) = (self.leases.clone(), self.shared.lease);
        let get = async move { leases.get_opt(name).await };
        self.ask("get Lease", name, timeout, get, |answer| {
            News::LeaseRead(answer.map(|found| found.as_ref().map(observed_lease)).map_err(|_| Unreadable))
        });
    }

    pub(super) fn change_lease(&mut self, change: LeaseChange, timeout: Duration) {
        let (leases, namespace, name) = (self.leases.clone(), self.namespace.clone(), self.shared.lease);
        let params = PostParams::default();
        let verb = match &change {
            LeaseChange::Create(_) => "create Lease",
            LeaseChange::Replace { .. } => "update Lease",
            LeaseChange::Delete { .. } => "delete Lease",
        };
        let request = async move {
            match change {
                LeaseChange::Create(spec) => {
                    leases.create(&params, &lease((&namespace, name), &spec, None)).await.map(Some)
                }
                LeaseChange::Replace { spec, at } => leases
                    .replace(name, &params, &lease((&namespace, name), &spec, Some(&at)))
                    .await
                    .map(Some),
                LeaseChange::Delete { at } => leases.delete(name, &only(&at)).await.map(|_| None),
            }
        };
        self.ask(verb, name, timeout, request, |answer| {
            News::LeaseChanged(answer.map(|found| found.as_ref().map(observed_lease)))
        });
    }

    /// Sends one request, and its answer or the lack of one as news.
    fn ask<T: Send + 'static>(
        &mut self,
        verb: &'static str,
        name: &'static str,
        timeout: Duration,
        request: impl Future<Output = kube::Result<T>> + Send + 'static,
        news: impl FnOnce(Result<T, WriteError>) -> News + Send + 'static,
    ) {
        let (complaints, namespace) = (self.complaints.clone(), self.namespace.clone());
        self.under_way.spawn(async move {
            let (answer, problem) = match tokio::time::timeout(timeout, request).await {
                Ok(Ok(found)) => (Ok(found), None),
                Ok(Err(error)) => match class(&error) {
                    WriteError::Conflict => (Err(WriteError::Conflict), None),
                    class => (Err(class), Some(describe(&error))),
                },
                Err(_) => (Err(WriteError::Unknown), Some("no answer in time".to_owned())),
            };
            match problem {
                Some(problem) if complaints.is_news(verb, &problem) => {
                    tracing::error!("{verb} {namespace}/{name}: {problem}; trying again");
                }
                None if complaints.is_over(verb) => {
                    tracing::info!("{verb} {namespace}/{name}: answered again");
                }
                _ => {}
            }
            news(answer)
        });
    }

    /// The next answer; never, while nothing is asked. An error is a request
    /// whose answer nobody will ever have.
    pub(super) async fn answer(&mut self) -> Result<News, JoinError> {
        match self.under_way.join_next().await {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    fn body(&self, record: &Record, at: Option<&Version>) -> ConfigMap {
        let metadata = meta(self.shared.record, &self.namespace, at);
        ConfigMap { metadata, data: Some(record.to_data()), ..ConfigMap::default() }
    }
}

/// What was said about each kind of request that fails, so that the same is not
/// said again at each retry. A request of one kind that succeeds says nothing
/// about the others: a role may allow one and forbid another.
#[derive(Clone, Debug, Default)]
struct Complaints(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Complaints {
    /// Whether this problem of a kind of request was not said yet.
    fn is_news(&self, verb: &'static str, problem: &str) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.insert(verb, problem.to_owned()).is_none_or(|before| before != problem)
    }

    /// Whether a kind of request that failed works again.
    fn is_over(&self, verb: &'static str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(verb).is_some()
    }
}

fn class(error: &kube::Error) -> WriteError {
    match error {
        kube::Error::Api(status) => match status.code {
            404 | 409 => WriteError::Conflict,
            400 | 401 | 403 | 405 | 413 | 422 => WriteError::Denied,
            _ => WriteError::Unknown,
        },
        _ => WriteError::Unknown,
    }
}

fn meta(name: &str, namespace: &str, at: Option<&Version>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        uid: at.map(|at| at.uid.to_string()),
        resource_version: at.map(|at| at.resource_version.to_string()),
        ..ObjectMeta::default()
    }
}

fn version(meta: &ObjectMeta) -> Version {
    Version {
        uid: Uid::new(meta.uid.as_deref().unwrap_or_default()),
        resource_version: ResourceVersion::new(meta.resource_version.as_deref().unwrap_or_default()),
    }
}

fn observed(found: &ConfigMap) -> Observed {
    let none = std::collections::BTreeMap::new();
    Observed {
        version: version(&found.metadata),
        record: Record::from_data(found.data.as_ref().unwrap_or(&none)),
    }
}

pub(super) fn seen(found: &ConfigMap) -> Version {
    version(&found.metadata)
}

#[expect(clippy::needless_pass_by_value, reason = "the form of every answer")]
fn written(answer: Result<ConfigMap, WriteError>) -> News {
    News::Elector(Event::WriteDone(answer.as_ref().map(observed).map_err(|error| *error)))
}

fn only(at: &Version) -> DeleteParams {
    let preconditions = Preconditions {
        uid: Some(at.uid.to_string()),
        resource_version: Some(at.resource_version.to_string()),
    };
    DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }
}

fn lease((namespace, name): (&str, &str), spec: &LeaseSpec, at: Option<&Version>) -> Lease {
    let time = |wall: WallTime| Timestamp::from_microsecond(wall.0).ok().map(MicroTime);
    let spec = ApiLeaseSpec {
        holder_identity: Some(spec.holder.clone()),
        lease_duration_seconds: Some(spec.duration_seconds),
        acquire_time: spec.acquired.and_then(time),
        renew_time: spec.renewed.and_then(time),
        lease_transitions: Some(spec.transitions),
        ..ApiLeaseSpec::default()
    };
    Lease { metadata: meta(name, namespace, at), spec: Some(spec) }
}

fn observed_lease(found: &Lease) -> ObservedLease {
    let spec = found.spec.clone().unwrap_or_default();
    let time = |time: Option<MicroTime>| time.map(|time| WallTime(time.0.as_microsecond()));
    let spec = LeaseSpec {
        holder: spec.holder_identity.unwrap_or_default(),
        duration_seconds: spec.lease_duration_seconds.unwrap_or(0),
        acquired: time(spec.acquire_time),
        renewed: time(spec.renew_time),
        transitions: spec.lease_transitions.unwrap_or(0),
    };
    ObservedLease { version: version(&found.metadata), spec }
}

#[cfg(test)]
mod tests {
    use ako_core::Program;
    use std::convert::Infallible;
    use std::sync::Mutex;

    use http_body_util::BodyExt as _;
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The first request that is made by these, and its body.
    async fn sent(ask: impl FnOnce(&mut Requests)) -> (String, Value) {
        let seen = Arc::new(Mutex::new(None));
        let sink = seen.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let sink = sink.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let line = format!("{} {}", head.method, head.uri.path());
                *sink.lock().unwrap() = Some((line, serde_json::from_slice(&body).unwrap()));
                Ok::<_, Infallible>(http::Response::new(Body::from(b"{}".to_vec())))
            }
        });
        let mut requests =
            Requests::new(Client::new(service, "default"), "avi-system", Shared::of(Program::Operator));
        ask(&mut requests);
        requests.answer().await.unwrap();
        let seen = seen.lock().unwrap().take();
        seen.unwrap()
    }

    fn seen_before() -> Version {
        Version { uid: Uid::new("u-1"), resource_version: ResourceVersion::new("7") }
    }

    /// Without the uid, the API server creates a Lease that was deleted, whatever
    /// version the request names.
    #[tokio::test]
    async fn an_update_names_the_object_and_the_version_that_it_is_for() {
        let record = Record::from_data(&std::collections::BTreeMap::new());
        let of_record = sent(|requests| requests.update(&record, &seen_before(), SECOND)).await;
        let change = LeaseChange::Replace { spec: LeaseSpec::default(), at: seen_before() };
        let of_lease = sent(|requests| requests.change_lease(change, SECOND)).await;
        let leases = "/apis/coordination.k8s.io/v1/namespaces/avi-system/leases";
        let records = "/api/v1/namespaces/avi-system/configmaps";
        for ((line, body), path) in
            [(of_record, format!("{records}/ako-leadership")), (of_lease, format!("{leases}/ako-lease-lock"))]
        {
            assert_eq!(line, format!("PUT {path}"));
            assert_eq!(body["metadata"]["uid"], "u-1", "{path}");
            assert_eq!(body["metadata"]["resourceVersion"], "7", "{path}");
        }
    }

    #[tokio::test]
    async fn a_lease_is_deleted_only_as_it_was_seen() {
        let change = LeaseChange::Delete { at: seen_before() };
        let (line, body) = sent(|requests| requests.change_lease(change, SECOND)).await;
        assert!(line.starts_with("DELETE "), "{line}");
        assert_eq!(body["preconditions"], json!({"uid": "u-1", "resourceVersion": "7"}));
    }

    #[test]
    fn a_refusal_is_said_once_though_other_requests_succeed() {
        let complaints = Complaints::default();
        assert!(complaints.is_news("create ConfigMap", "forbidden"));
        for _ in 0..10 {
            assert!(!complaints.is_over("get ConfigMap"));
            assert!(!complaints.is_news("create ConfigMap", "forbidden"));
        }
        assert!(complaints.is_over("create ConfigMap"));
        assert!(complaints.is_news("create ConfigMap", "forbidden"), "it was allowed in between");
        assert!(complaints.is_news("create ConfigMap", "no answer"), "another problem");
    }
}
