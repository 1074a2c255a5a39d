//! What on the controller belongs to which instance, and who may touch it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ako_sim_avi::SimAvi;
use serde_json::Value;
use tokio::time::Instant;

use crate::setup::{Member, Setup};

/// How long an instance waits before it takes over what was another one's: the
/// duration of a lease.
pub const MARGIN: Duration = Duration::from_secs(15);
/// How much less of it there may be, for clocks run fast by a thousandth.
const TOLERANCE: Duration = Duration::from_millis(20);

/// Whose the namespaces are.
#[derive(Clone)]
pub struct Borders {
    setup: Setup,
    avi: SimAvi,
    tenures: Arc<Mutex<BTreeMap<&'static str, Tenure>>>,
}

/// To whom a namespace belongs.
#[derive(Clone, Copy)]
struct Tenure {
    team: Option<&'static str>,
    since: Instant,
}

impl Borders {
    /// As they are in the beginning.
    pub fn new(setup: Setup, avi: SimAvi) -> Self {
        let now = Instant::now();
        let tenures =
            setup.namespaces().iter().map(|(name, team)| (*name, Tenure { team: *team, since: now }));
        Self { setup, avi, tenures: Arc::new(Mutex::new(tenures.collect())) }
    }

    /// A namespace has another label.
    pub fn label(&self, namespace: &'static str, team: Option<&'static str>) {
        let mut tenures = self.tenures();
        if tenures.get(namespace).is_none_or(|tenure| tenure.team != team) {
            tenures.insert(namespace, Tenure { team, since: Instant::now() });
        }
    }

    /// What is wrong with a write that leaves a process of an instance now.
    pub fn trespass(&self, me: &Member, line: &str) -> Option<String> {
        let (method, path) = line.split_once(' ')?;
        // What is created is judged in the end.
        let uuid = path.split('?').next()?.strip_prefix("/api/")?.split_once('/')?.1;
        let object = self.avi.object(uuid)?;
        let owner = self.owner(&object)?;
        if owner == me.owner {
            return None;
        }
        let name = &object["name"];
        let touched = format!("{} touched {name} of {owner}: {line}", me.owner);
        if method == "DELETE" {
            return Some(touched);
        }
        let Some(namespace) = namespace_of(&object, self.setup) else {
            return Some(format!("{touched}; it is not for a namespace"));
        };
        let Tenure { team, since } = *self.tenures().get(namespace)?;
        let waited = since.elapsed();
        let is_handed_over = team == me.team && waited + TOLERANCE >= MARGIN;
        (!is_handed_over)
            .then(|| format!("{touched}; {namespace} belongs to {team:?} for {:.3} s", waited.as_secs_f64()))
    }

    /// Whose an object is, if it is an instance's.
    fn owner(&self, object: &Value) -> Option<&'static str> {
        let created_by = match object["created_by"].as_str() {
            Some(owner) => owner.to_owned(),
            // A VsVip tells it by its virtual service.
            None => {
                self.avi.named("virtualservice", object["name"].as_str()?)?["created_by"].as_str()?.to_owned()
            }
        };
        self.setup.members().iter().map(|member| member.owner).find(|owner| *owner == created_by)
    }

    fn tenures(&self) -> MutexGuard<'_, BTreeMap<&'static str, Tenure>> {
        self.tenures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The namespace that an object is for, by its markers.
fn namespace_of(object: &Value, setup: Setup) -> Option<&'static str> {
    let markers = object["markers"].as_array()?;
    let value = |key: &str| markers.iter().find(|marker| marker["key"] == key)?["values"][0].as_str();
    let is_meant = |namespace: &str| match value("Namespace") {
        Some(marked) => marked == namespace,
        None => value("Host").is_some_and(|host| host.starts_with(&format!("{namespace}-"))),
    };
    setup.namespaces().iter().map(|(name, _)| *name).find(|name| is_meant(name))
}
