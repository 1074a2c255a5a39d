//! What the process knows about itself before the driver can be asked.

use std::sync::{Arc, Mutex, PoisonError};

use ako_avi_types::{ErrorClass, Failure};
use ako_core::ConfigIssue;
use ako_kube_io::{Rule, WallClock};

/// The errors of the controller that `/api/status` shows.
const ERRORS: usize = 10;

/// What is said of a certificate that is verified.
pub(crate) const VERIFIED: &str = "verified by certificateAuthorityData";

/// Shared between the tasks of the process.
#[derive(Clone)]
pub struct Startup {
    inner: Arc<Mutex<Inner>>,
    wall: WallClock,
}

#[derive(Clone, Debug, Default)]
struct Inner {
    pod: String,
    namespace: String,
    waiting_for: Option<String>,
    running: bool,
    issues: Vec<ConfigIssue>,
    restart_needed: Vec<&'static str>,
    connected: Option<bool>,
    errors: Vec<(String, String)>,
    missing_rules: Vec<Rule>,
    login_refused: Option<String>,
    cluster_name_taken: Option<String>,
    tls: Option<&'static str>,
    tls_problem: Option<String>,
}

impl Inner {
    /// A process that runs waits for nothing: it goes on with what it has.
    fn wait_for(&mut self, what: &str) {
        if !self.running {
            self.waiting_for = Some(what.to_owned());
        }
    }
}

impl Startup {
    /// A process that just started.
    pub fn new(pod: &str, namespace: &str, wall: WallClock) -> Self {
        let waiting_for = Some("the configuration".to_owned());
        let inner = Inner { pod: pod.into(), namespace: namespace.into(), waiting_for, ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(inner)), wall }
    }

    /// The pod's name and namespace.
    pub fn identity(&self) -> (String, String) {
        self.read(|inner| (inner.pod.clone(), inner.namespace.clone()))
    }

    /// What the process waits for, if it does.
    pub fn waiting_for(&self) -> Option<String> {
        self.read(|inner| inner.waiting_for.clone())
    }

    /// What is wrong with the configuration.
    pub fn issues(&self) -> Vec<ConfigIssue> {
        self.read(|inner| inner.issues.clone())
    }

    /// The changed keys of the ConfigMap that take effect after a restart only.
    pub fn waiting_for_restart(&self) -> Vec<&'static str> {
        self.read(|inner| inner.restart_needed.clone())
    }

    /// Upstream's word for the state of the connection, and its last errors
    /// with the time of each.
    pub fn controller(&self) -> (&'static str, Vec<(String, String)>) {
        self.read(|inner| {
            let word = match inner.connected {
                _ if inner.login_refused.is_some() => "DISCONNECTED",
                None => "INITIATING",
                Some(true) => "CONNECTED",
                Some(false) => "DISCONNECTED",
            };
            (word, inner.errors.clone())
        })
    }

    /// The RBAC rules that the operator lacks.
    pub fn missing_rules(&self) -> Vec<Rule> {
        self.read(|inner| inner.missing_rules.clone())
    }

    /// The operator lacks these RBAC rules, and no others.
    pub(crate) fn lacks(&self, rules: Vec<Rule>) {
        self.write(|inner| inner.missing_rules = rules);
    }

    /// Why the controller refuses the login, if it does, and what to do about
    /// it.
    pub fn login_refused(&self) -> Option<String> {
        self.read(|inner| inner.login_refused.clone())
    }

    /// The controller refuses the login, or `None`: it accepts it.
    pub(crate) fn set_login_refused(&self, why: Option<String>) {
        self.write(|inner| inner.login_refused = why);
    }

    /// Which other cluster has the cluster's name on the controller, if one has, and what
    /// to do about it.
    pub fn cluster_name_taken(&self) -> Option<String> {
        self.read(|inner| inner.cluster_name_taken.clone())
    }

    /// Another cluster has the name on the controller, or `None`: none has.
    pub(crate) fn set_cluster_name_taken(&self, why: Option<String>) {
        self.write(|inner| inner.cluster_name_taken = why);
    }

    /// How the controller's certificate is judged, and why not as the Secret
    /// asks for.
    pub fn tls(&self) -> (Option<&'static str>, Option<String>) {
        self.read(|inner| (inner.tls, inner.tls_problem.clone()))
    }

    /// Whether the controller proves who it is.
    pub fn is_certificate_verified(&self) -> bool {
        self.tls().0 == Some(VERIFIED)
    }

    /// The controller's certificate is judged so.
    pub(crate) fn set_tls(&self, how: &'static str) {
        self.write(|inner| (inner.tls, inner.tls_problem) = (Some(how), None));
    }

    /// The controller's certificate is judged as before, not as the Secret asks
    /// for. Answers whether that is news.
    pub(crate) fn set_tls_problem(&self, problem: &str) -> bool {
        let mut is_news = false;
        self.write(|inner| {
            is_news = inner.tls_problem.as_deref() != Some(problem);
            inner.tls_problem = Some(problem.to_owned());
        });
        is_news
    }

    /// Whether the controller answered when it was last asked, and accepts the
    /// login.
    pub(crate) fn is_connected(&self) -> bool {
        self.read(|inner| inner.connected == Some(true) && inner.login_refused.is_none())
    }

    pub(crate) fn waiting(&self, what: &str) {
        self.write(|inner| inner.wait_for(what));
    }

    pub(crate) fn configured(&self, issues: &[ConfigIssue]) {
        self.write(|inner| {
            inner.issues = issues.to_vec();
            let fatal = issues.iter().any(|issue| issue.fatal);
            inner.wait_for(if fatal { "a configuration that can be used" } else { "the Avi Controller" });
        });
    }

    pub(crate) fn restart_needed(&self, keys: &[&'static str]) {
        self.write(|inner| inner.restart_needed = keys.to_vec());
    }

    pub(crate) fn running(&self) {
        self.write(|inner| {
            inner.running = true;
            inner.waiting_for = None;
            inner.connected = Some(true);
        });
    }

    pub(crate) fn controller_answered(&self) {
        self.write(|inner| inner.connected = Some(true));
    }

    pub(crate) fn controller_failed(&self, failure: &Failure) {
        let time = (self.wall)().to_string();
        self.write(|inner| {
            if failure.status.is_none() || failure.class == ErrorClass::Login {
                inner.connected = Some(false);
            }
            inner.errors.push((failure.to_string(), time));
            let surplus = inner.errors.len().saturating_sub(ERRORS);
            inner.errors.drain(..surplus);
        });
    }

    fn read<T>(&self, read: impl FnOnce(&Inner) -> T) -> T {
        read(&self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, write: impl FnOnce(&mut Inner)) {
        write(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
