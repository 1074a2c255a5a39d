//! What tests of this module share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ako_avi_io::{Clock, Dial, Dialed, Dialing};
use ako_core::Config;
use ako_core::secret::Redacted;
use ako_elect::Moment;
use ako_kube_io::Credentials;
use ako_sim_avi::SimAvi;
use tokio::sync::watch;

use super::connection::{Connection, connect};
use super::settings::Settings;

/// A configuration that can be used, with some keys changed.
pub(crate) fn data(changed: &[(&str, &str)]) -> BTreeMap<String, String> {
    let base = [
        ("clusterName", "c1"),
        ("controllerIP", "avi"),
        ("vipNetworkList", r#"[{"networkName":"v"}]"#),
        ("disableStaticRouteSync", "true"),
    ];
    let all = base.iter().chain(changed);
    all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The account of the simulated controller, unless the password is another one.
pub(crate) fn credentials(password: &str) -> Credentials {
    Credentials {
        username: "admin".to_owned(),
        password: Redacted::new(password.to_owned()),
        token: Redacted::new(String::new()),
        ca: None,
    }
}

/// What is in force after a start with [`data`].
pub(crate) fn settings() -> Settings {
    let data = data(&[]);
    let (config, issues) = Config::parse("avi-system", &data);
    Settings { config, issues, data, restart_needed: Vec::new(), credentials: credentials("admin") }
}

/// A clock that the test sets, in milliseconds.
pub(crate) fn clock() -> (Arc<AtomicU64>, Clock) {
    let now = Arc::new(AtomicU64::new(0));
    let read = now.clone();
    (now, Arc::new(move || Moment::from_millis(read.load(Ordering::SeqCst))))
}

struct Line(SimAvi);

impl Dial for Line {
    fn dial(&self) -> Dialing {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let sim = self.0.clone();
        tokio::spawn(async move { sim.converse(theirs).await });
        Box::pin(async { Ok(Dialed::in_memory(ours)) })
    }
}

/// A connection to a simulated controller.
pub(crate) fn connection(sim: &SimAvi, clock: Clock, leads: watch::Receiver<bool>) -> Connection {
    connect(&settings(), None, clock, Some(Arc::new(Line(sim.clone()))), leads).unwrap()
}
