//! One replica: a pod, and the process that runs in it at present.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ako_app::admin::{FRESH_HEADER, ORDER_HEADER};
use ako_app::operate::{Admin, Surroundings, operate};
use ako_elect::Moment;
use ako_sim_kube::SimKube;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower::ServiceExt as _;
use tracing::Instrument as _;

use crate::network::Link;
use crate::script::Connection;
use crate::setup::Member;
use crate::witness::Witness;

/// How long Kubernetes waits for the end of a process that it stopped.
const GRACE: Duration = Duration::from_secs(30);

/// A clock that goes wrong: it runs faster or slower, and stands still for a
/// process that is frozen.
#[derive(Clone)]
pub struct WrongClock(Arc<Mutex<Course>>);

struct Course {
    started: Instant,
    /// How much faster it runs than it should, in parts per million.
    fast_ppm: i64,
    /// What it shows to a frozen process.
    stands: Option<Moment>,
}

impl WrongClock {
    /// One that is right at the moment.
    pub fn new(started: Instant, fast_ppm: i64) -> Self {
        Self(Arc::new(Mutex::new(Course { started, fast_ppm, stands: None })))
    }

    /// Stops it.
    pub fn freeze(&self) {
        let now = self.now();
        self.course().stands = Some(now);
    }

    /// Lets it show the time again.
    pub fn thaw(&self) {
        self.course().stands = None;
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        self.course().stands.is_some()
    }

    /// What it shows.
    pub fn now(&self) -> Moment {
        let course = self.course();
        let micros = i64::try_from(course.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        let shown = micros + micros / 1_000 * course.fast_ppm / 1_000;
        let now = Moment::default() + Duration::from_micros(u64::try_from(shown).unwrap_or(0));
        course.stands.unwrap_or(now)
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pod of the StatefulSet.
pub struct Replica {
    /// Its name.
    pub pod: String,
    /// The instance that it is of.
    pub member: &'static Member,
    /// Its way to the controller.
    pub link: Link,
    /// What it takes for the time.
    pub clock: WrongClock,
    process: Option<Process>,
}

/// A process in it.
struct Process {
    task: JoinHandle<anyhow::Result<()>>,
    stop: watch::Sender<bool>,
    admin: Admins,
}

enum Admins {
    Expected(oneshot::Receiver<Router>),
    Known(Router),
}

impl Replica {
    /// A pod without a process.
    pub fn new(member: &'static Member, pod: String, link: Link, clock: WrongClock) -> Self {
        Self { pod, member, link, clock, process: None }
    }

    /// What the API server knows it by.
    pub fn client(&self) -> String {
        format!("{}/{}", self.member.namespace, self.pod)
    }

    /// Starts a process, which is another one than all before.
    pub fn start(&mut self, kube: &SimKube, nonce: String, witness: &Arc<Witness>) {
        let (stop, stopped) = watch::channel(false);
        let (router, admin) = oneshot::channel();
        let (clock, started) = (self.clock.clone(), Instant::now());
        let client = |connection: Connection| {
            witness.watch(kube.client_as("admin-token", &connection.of(&self.client())))
        };
        let surroundings = Surroundings {
            program: self.member.program,
            pod: self.pod.clone(),
            namespace: self.member.namespace.to_owned(),
            nonce,
            cluster: client(Connection::Cluster),
            election: client(Connection::Election),
            clock: Arc::new(move || clock.now()),
            wall: Arc::new(move || {
                let elapsed = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
                jiff::Timestamp::from_millisecond(elapsed).unwrap_or(jiff::Timestamp::MAX)
            }),
            dialer: Some(Arc::new(self.link.clone())),
            admin: Admin::InProcess(router),
            log: ako_app::logging::LogControl::default(),
        };
        let span = tracing::info_span!("replica", pod = self.client());
        let task = tokio::task::spawn_local(Box::pin(operate(surroundings, stopped)).instrument(span));
        self.process = Some(Process { task, stop, admin: Admins::Expected(admin) });
    }

    /// Whether a process runs in it.
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Ends the process at once, wherever it is.
    pub async fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.task.abort();
            // It is gone when its tasks are.
            let _ = process.task.await;
        }
    }

    /// Tells the process to end, and waits until it has.
    ///
    /// # Errors
    /// What was wrong with its end. One that takes longer than Kubernetes
    /// waits is killed.
    pub async fn stop(&mut self) -> Result<(), String> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.stop.send_replace(true);
        let Ok(ended) = tokio::time::timeout(GRACE, &mut process.task).await else {
            process.task.abort();
            return Err(format!("{} did not end within {GRACE:?}", self.client()));
        };
        match ended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("{} failed when it was stopped: {error:#}", self.client())),
            Err(error) => Err(format!("{} failed when it was stopped: {error}", self.client())),
        }
    }

    /// Why the process ended, if it has: nobody asked it to.
    pub async fn ended(&mut self) -> Option<String> {
        if !self.process.as_ref()?.task.is_finished() {
            return None;
        }
        let ended = self.process.take()?.task.await;
        Some(match ended {
            Ok(Ok(())) => "it ended".to_owned(),
            Ok(Err(error)) => format!("{error:#}"),
            Err(error) => error.to_string(),
        })
    }

    /// What the process tells of itself; `None` while it does not.
    pub async fn state(&mut self) -> Option<Value> {
        let (status, body) = self.ask(Method::GET, "/api/v1/state").await?;
        (status == StatusCode::OK).then(|| serde_json::from_slice(&body).ok())?
    }

    /// Asks it to let another one lead.
    pub async fn hand_over(&mut self) {
        // One that does not lead refuses, as it should.
        let _ = self.ask(Method::POST, "/api/v1/yield").await;
    }

    /// Lets the deletions pass that it holds, as a person would who looked at them: not
    /// while it waits for another instance.
    pub async fn release_deletions(&mut self) {
        let state = self.state().await.unwrap_or_default();
        let waits = state["handed_over"].as_array().is_some_and(|departures| !departures.is_empty());
        if state["held"].is_null() || waits {
            return;
        }
        let path = match state["held"]["digest"].as_str() {
            Some(digest) => format!("/api/v1/release-deletions?digest={digest}"),
            None => "/api/v1/release-deletions".to_owned(),
        };
        // One that does not lead refuses, as it should.
        let _ = self.ask(Method::POST, &path).await;
    }

    async fn ask(&mut self, method: Method, path: &str) -> Option<(StatusCode, Vec<u8>)> {
        let process = self.process.as_mut()?;
        if let Admins::Expected(admin) = &mut process.admin {
            let router = admin.try_recv().ok()?;
            process.admin = Admins::Known(router);
        }
        let Admins::Known(router) = &process.admin else { return None };
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        // An order has to say that it is one, and a judge wants the state of now.
        let request = request.header(ORDER_HEADER, "1").header(FRESH_HEADER, "1");
        let mut request = request.body(Body::empty()).ok()?;
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))));
        let Ok(answer) = router.clone().oneshot(request).await;
        let status = answer.status();
        Some((status, answer.into_body().collect().await.ok()?.to_bytes().to_vec()))
    }
}
