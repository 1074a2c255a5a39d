//! What on the controller belongs to which instance, and who may touch it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ako_core::annotation::HANDOVER;
use ako_core::handover::Word;
use ako_core::{Installation, Program};
use ako_sim_avi::SimAvi;
use ako_sim_kube::SimKube;
use serde_json::Value;
use tokio::time::Instant;

use crate::profiles::PREFIX;
use crate::setup::{Member, Setup};
use crate::workload::CLAIM;

/// How long an instance waits before it takes over what was another one's and that one
/// did not say that it lets it go: the duration of a lease.
pub const MARGIN: Duration = Duration::from_secs(15);
/// How much less of it there may be, for clocks run fast by a hundredth.
const TOLERANCE: Duration = Duration::from_millis(200);

/// Whose the namespaces are.
#[derive(Clone)]
pub struct Borders {
    setup: Setup,
    kube: SimKube,
    avi: SimAvi,
    tenures: Arc<Mutex<BTreeMap<&'static str, Tenure>>>,
    /// The teams whose namespaces instances select, where that is not their own.
    selections: Arc<Mutex<BTreeMap<&'static str, &'static str>>>,
    /// Since when another cluster has the cluster's name on the controller.
    without_name: Arc<Mutex<Option<Instant>>>,
}

/// To whom a namespace belongs.
struct Tenure {
    /// Its label.
    label: Option<&'static str>,
    /// The team of the instance that it belongs to.
    team: Option<&'static str>,
    /// When the others lost it.
    lost: BTreeMap<&'static str, Instant>,
    /// Those that said since that they let it go, and to whom.
    let_go: BTreeSet<(&'static str, &'static str)>,
}

impl Tenure {
    fn belongs_to(&mut self, team: Option<&'static str>) {
        if team != self.team {
            self.lost.extend(self.team.map(|before| (before, Instant::now())));
            self.team = team;
            self.let_go.clear();
        }
    }
}

/// Whether the controller refuses a write of an object, as it is about another
/// version: somebody wrote the object since.
pub fn is_refused(method: &str, body: &Value, object: &Value) -> bool {
    method == "PUT"
        && body["_last_modified"].is_string()
        && body["_last_modified"] != object["_last_modified"]
}

impl Borders {
    /// As they are in the beginning.
    pub fn new(setup: Setup, kube: SimKube, avi: SimAvi) -> Self {
        let tenure = |team| Tenure { label: team, team, lost: BTreeMap::new(), let_go: BTreeSet::new() };
        let tenures = setup.namespaces().iter().map(|(name, team)| (*name, tenure(*team)));
        Self {
            setup,
            kube,
            avi,
            tenures: Arc::new(Mutex::new(tenures.collect())),
            selections: Arc::default(),
            without_name: Arc::default(),
        }
    }

    /// Another cluster has the name now, or this one has it.
    pub fn has_lost_its_name(&self, lost: bool) {
        let mut without = self.without_name.lock().unwrap_or_else(PoisonError::into_inner);
        *without = lost.then(|| without.unwrap_or_else(Instant::now));
    }

    /// Whether another one has had it for so long that everybody knows.
    pub fn is_without_name(&self) -> bool {
        let without = *self.without_name.lock().unwrap_or_else(PoisonError::into_inner);
        without.is_some_and(|since| since.elapsed() > MARGIN * 4)
    }

    /// An instance selects the namespaces of a team now.
    pub fn select(&self, me: &'static Member, team: &'static str) {
        self.selections.lock().unwrap_or_else(PoisonError::into_inner).insert(me.namespace, team);
        self.sort_out();
    }

    /// Each instance selects its own.
    pub fn select_own(&self) {
        self.selections.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.sort_out();
    }

    /// The team of the first instance that selects a label; all are of one age, so the name
    /// decides.
    fn owner_of(&self, label: Option<&'static str>) -> Option<&'static str> {
        let selections = self.selections.lock().unwrap_or_else(PoisonError::into_inner);
        let selects = |member: &&Member| {
            label.is_some() && selections.get(member.namespace).copied().or(member.team) == label
        };
        let member = self.setup.members().iter().find(selects)?;
        member.team
    }

    fn sort_out(&self) {
        for tenure in self.tenures().values_mut() {
            tenure.belongs_to(self.owner_of(tenure.label));
        }
    }

    /// A namespace has this label now.
    pub fn label(&self, namespace: &'static str, team: Option<&'static str>) {
        if let Some(tenure) = self.tenures().get_mut(namespace) {
            tenure.label = team;
        }
        self.sort_out();
    }

    /// What is wrong with a write that leaves a process of an instance now.
    pub fn trespass(&self, me: &Member, line: &str, body: &Value) -> Option<String> {
        let (method, path) = line.split_once(' ')?;
        // What is created is judged in the end.
        let uuid = path.split('?').next()?.strip_prefix("/api/")?.split_once('/')?.1;
        let object = self.avi.object(uuid)?;
        let owner = self.owner(&object)?;
        if is_refused(method, body, &object) {
            return None;
        }
        if owner.namespace == me.namespace {
            return self.broken_word(me, method, &object).map(|why| format!("{line}: {why}"));
        }
        let name = &object["name"];
        let touched = format!("{} touched {name} of {}: {line}", me.owner, owner.owner);
        // A VsVip is for what its virtual service is for.
        let service = || self.avi.named("virtualservice", object["name"].as_str()?);
        let meant = namespace_of(&object, self.setup);
        let Some(namespace) = meant.or_else(|| namespace_of(&service()?, self.setup)) else {
            return Some(format!("{touched}; it is not for a namespace"));
        };
        let mut tenures = self.tenures();
        let Tenure { team, lost, let_go, .. } = tenures.get_mut(namespace)?;
        let since = |team: &str| lost.get(team).map(Instant::elapsed);
        if method == "DELETE" {
            // It names no owner, so a former one may not know yet that it is in use
            // again; while it is, the controller refuses.
            let was_let_go = object["created_by"].is_null() && me.team.and_then(since).is_some();
            return (!was_let_go).then_some(touched);
        }
        // What changed a moment ago, a process that may write need not know yet.
        let is_mine = *team == me.team || since(me.team?).is_some_and(|since| since < MARGIN);
        let lost = since(owner.team?);
        if self.word(owner.namespace).lets_go(namespace, me.namespace).is_some() {
            let_go.insert((owner.namespace, me.namespace));
        }
        let was_let_go = let_go.contains(&(owner.namespace, me.namespace));
        let is_handed_over = is_mine && (was_let_go || lost.is_some_and(|since| since + TOLERANCE >= MARGIN));
        (!is_handed_over).then(|| format!("{touched}; {namespace} is of {team:?}, and was lost {lost:?} ago"))
    }

    /// What is wrong with a write of one program: it is about what only the other one makes.
    pub fn mixes_programs(&self, me: &Member, line: &str, body: &Value) -> Option<String> {
        let (_, path) = line.split_once(' ')?;
        let written = match path.split('?').next()?.strip_prefix("/api/")?.split_once('/') {
            Some((_, uuid)) => &self.avi.object(uuid)?,
            None => body,
        };
        let name = written["name"].as_str()?;
        let is_right = match me.program {
            Program::Operator => !name.starts_with(PREFIX),
            // Whoever of them comes first claims the name of the cluster.
            Program::CrdOperator => name.starts_with(PREFIX) || name == CLAIM,
        };
        (!is_right).then(|| format!("{} wrote {name} of the other program: {line}", me.owner))
    }

    /// Why a write of its own is against what an instance says: it let the namespace go.
    fn broken_word(&self, me: &Member, method: &str, object: &Value) -> Option<String> {
        let to = self.let_go_to(me, object).filter(|_| method != "DELETE")?;
        let namespace = namespace_of(object, self.setup)?;
        Some(format!("{} says that it let {namespace} go to {}", me.owner, to.owner))
    }

    /// The instance that an object's namespace was let go to by another one, and that has not
    /// said that it has everything.
    pub fn let_go_to(&self, me: &Member, object: &Value) -> Option<&'static Member> {
        let namespace = namespace_of(object, self.setup)?;
        let team = self.tenures().get(namespace)?.team;
        let word = self.word(me.namespace);
        let let_go = word.let_go.get(namespace)?;
        let to = self.setup.operators().find(|member| *member.namespace == *let_go.to)?;
        let is_taken_over = self.word(to.namespace).taken_over.contains(&let_go.token);
        // A process that has just begun need not know what the last one said.
        (team == to.team && !is_taken_over).then_some(to)
    }

    /// What an instance says of namespaces that change hands.
    fn word(&self, namespace: &str) -> Word {
        let set = self.kube.get("apps", "statefulsets", namespace, Installation::STATEFUL_SET);
        let text = set.and_then(|set| set["metadata"]["annotations"][HANDOVER].as_str().map(Word::parse));
        text.unwrap_or_default()
    }

    /// Whose an object is, if it is an instance's.
    pub fn owner(&self, object: &Value) -> Option<&'static Member> {
        let created_by = match object["created_by"].as_str() {
            Some(owner) => owner.to_owned(),
            // A VsVip tells it by its virtual service.
            None => {
                self.avi.named("virtualservice", object["name"].as_str()?)?["created_by"].as_str()?.to_owned()
            }
        };
        self.setup.operators().find(|member| member.owner == created_by)
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
