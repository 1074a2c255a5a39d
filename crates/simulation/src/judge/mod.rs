//! Whether the cluster asks for a loss, at the moment when the loss leaves a process.
//!
//! For every deletion, and for every write that takes a server, a host, a route or a
//! reference from an object or an address from a status, there has to be a state of
//! the cluster, not older than [`BOUND`], that asks for it. The states come from the
//! API server itself, not from what the process saw. Each kind is watched for itself,
//! so the kinds of such a state may be of different moments.

mod kept;
mod parts;
mod past;
mod wanted;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ako_sim_avi::SimAvi;
use ako_sim_kube::SimKube;
use serde_json::Value;
use tokio::time::Instant;

use crate::borders::{Borders, MARGIN, is_refused};
use crate::script::Script;
use crate::setup::{Member, Setup};
use crate::workload::FULL_SYNC;
pub(crate) use kept::{Kept, below};
use parts::lost;
pub(crate) use parts::parts;
use past::{Past, States};
pub(crate) use wanted::staying;
use wanted::{Translations, Wanted};

/// How old the state of the cluster may be that a process goes by: the duration of a
/// lease, and what a clock that is 1 % slow makes of it.
pub const BOUND: Duration = MARGIN.saturating_add(TOLERANCE);
/// A hundredth of the margin, and the way to the API server.
const TOLERANCE: Duration = Duration::from_millis(200);

/// Judges what is lost. Clones share what was translated before.
#[derive(Clone)]
pub struct Judge {
    kube: SimKube,
    avi: SimAvi,
    borders: Borders,
    setup: Setup,
    translations: Arc<Mutex<Translations>>,
    /// The controller as it was before it was restored from a backup, and when that was.
    restored: Arc<Mutex<Option<(Instant, Value)>>>,
}

/// A loss: what goes, or nothing if the whole object does.
struct Loss {
    kind: &'static str,
    key: String,
    parts: BTreeSet<String>,
}

impl Judge {
    /// One for a world as it is in the beginning, with what its script says of the
    /// configuration.
    pub fn new(kube: SimKube, avi: SimAvi, borders: Borders, script: &Script) -> Self {
        let translations = Translations::new(avi.dump_all(), script.evh, script.routes);
        let setup = script.setup;
        let translations = Arc::new(Mutex::new(translations));
        Self { kube, avi, borders, setup, translations, restored: Arc::default() }
    }

    /// The controller is about to be restored from a backup. Nobody can know that before
    /// the next full reading: until then an address is only known to be served if it was
    /// before as well.
    pub fn controller_is_restored(&self) {
        *self.restored.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), self.avi.dump()));
    }

    /// Whether the controller was restored so lately that nobody need know yet what is on it.
    pub fn is_restored_lately(&self) -> bool {
        let restored = self.restored.lock().unwrap_or_else(PoisonError::into_inner);
        restored.as_ref().is_some_and(|(at, _)| at.elapsed() < FULL_SYNC)
    }

    /// Whether something is on the controller.
    pub fn is_there(&self, kind: &str, tenant: &str, name: &str) -> bool {
        self.avi.uuid(kind, tenant, name).is_some()
    }

    /// The states of the controller that a process may go by.
    fn dumps(&self) -> Vec<Value> {
        let restored = self.restored.lock().unwrap_or_else(PoisonError::into_inner);
        let before = restored.as_ref().filter(|(at, _)| at.elapsed() < FULL_SYNC);
        before.map(|(_, dump)| dump.clone()).into_iter().chain([self.avi.dump()]).collect()
    }

    /// What is wrong with a write to the controller that leaves a process now.
    pub fn unasked(&self, me: &Member, line: &str, body: &Value) -> Option<String> {
        if let Some(to) = self.has_not_taken_over(me, line) {
            return Some(format!("{line} deletes what {to} has not taken over yet, and asks for"));
        }
        let loss = self.loss(me, line, body)?;
        let dump = self.avi.dump();
        let keeps = |wanted: &Wanted| {
            let object = wanted.object(loss.kind, &loss.key);
            let is_asked = object.is_some_and(|object| {
                loss.parts.is_empty() || !loss.parts.is_disjoint(&parts(loss.kind, object))
            });
            is_asked || wanted.kept.keeps(&dump, loss.kind, &loss.key, &loss.parts)
        };
        let Verdict::Unasked(latest) = self.search(me, keeps) else { return None };
        let Loss { kind, key, parts: gone } = loss;
        let Some(latest) = latest else {
            return Some(format!(
                "{line}: no state of the last {BOUND:?} has a configuration that can be used"
            ));
        };
        let object = latest.object(kind, &key).map(|object| parts(kind, object)).unwrap_or_default();
        // What is not asked for is kept, as a rule or a setting cannot be used.
        let (asked, kept): (Vec<_>, Vec<_>) = gone.iter().partition(|part| object.contains(*part));
        let named: Vec<_> = asked.into_iter().chain(kept).take(3).collect();
        let what = if gone.is_empty() { "the object".to_owned() } else { format!("{named:?}") };
        Some(format!("{line} takes {what} from {kind} {key}, which no state of the last {BOUND:?} asks for"))
    }

    /// The instance that was let go what is deleted now, and wants it under that name.
    fn has_not_taken_over(&self, me: &Member, line: &str) -> Option<&'static str> {
        let uuid = line.strip_prefix("DELETE ")?.split('?').next()?.strip_prefix("/api/")?.split_once('/')?.1;
        let (kind, key, _) = self.avi.shown(uuid)?;
        let object = self.avi.object(uuid)?;
        let is_mine = self.borders.owner(&object).is_some_and(|owner| owner.namespace == me.namespace);
        let to = self.borders.let_go_to(me, &object).filter(|_| is_mine)?;
        let verdict = self.search(to, |wanted| wanted.object(kind, &key).is_some());
        matches!(verdict, Verdict::Unasked(_)).then_some(to.owner)
    }

    /// What is wrong with a status that leaves a process of an instance now: an address
    /// goes that is served, by whichever instance.
    pub fn unasked_status(&self, me: &Member, kind: &str, object: &Value, patch: &Value) -> Option<String> {
        let lost: Vec<_> = addresses(object).difference(&addresses(patch)).cloned().collect();
        if lost.is_empty() {
            return None;
        }
        let metadata = &object["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = format!("{kind} {}/{}", text(&metadata["namespace"]), text(&metadata["name"]));
        let dumps = self.dumps();
        let keeps = |wanted: &Wanted| {
            let stays = |(_, host): &(String, String)| wanted.address_stays(&name, host);
            lost.iter().any(stays)
                || wanted.bindings(&name).any(|binding| {
                    let is_held = |ip: &String| {
                        dumps.iter().all(|dump| served(dump, &binding.vs, &binding.vsvip).contains(ip))
                    };
                    lost.iter().any(|(ip, host)| *host == binding.host && is_held(ip))
                })
        };
        let is_asked = |member: &Member| match self.search(member, keeps) {
            Verdict::Asked => true,
            // What another instance asks for is not known while its configuration cannot
            // be used: it goes by one that may be older than the states that are kept.
            Verdict::Unasked(None) => member.namespace != me.namespace,
            Verdict::Unasked(Some(_)) => false,
        };
        if self.setup.operators().all(is_asked) {
            return None;
        }
        let (has, gets) = (addresses(object), addresses(patch));
        Some(format!(
            "the status of {name} loses {lost:?}, which no state of the last {BOUND:?} asks for: it has {has:?} and gets \
             {gets:?}"
        ))
    }

    /// What a write takes away of what is on the controller now.
    fn loss(&self, me: &Member, line: &str, body: &Value) -> Option<Loss> {
        let (method, path) = line.split_once(' ')?;
        let uuid = path.split('?').next()?.strip_prefix("/api/")?.split_once('/')?.1;
        let (kind, key, object) = self.avi.shown(uuid)?;
        let full = self.avi.object(uuid)?;
        if self.borders.owner(&full).is_some_and(|owner| owner.namespace != me.namespace) {
            // Between instances the borders decide.
            return None;
        }
        match method {
            "DELETE" => Some(Loss { kind, key, parts: BTreeSet::new() }),
            _ if is_refused(method, body, &full) => None,
            "PUT" | "PATCH" => {
                let left = parts(kind, &self.avi.by_name(body));
                let lost = lost(&parts(kind, &object), &left);
                (!lost.is_empty()).then_some(Loss { kind, key, parts: lost })
            }
            _ => None,
        }
    }

    /// Looks for a state that does not keep something.
    fn search(&self, me: &Member, keeps: impl Fn(&Wanted) -> bool) -> Verdict {
        let past = Past::read(&self.kube, me, BOUND);
        let mut translations = self.translations();
        let mut latest = None;
        for state in States::of(&past) {
            // One that cannot be translated asks for nothing.
            let Some(wanted) = translations.of(me, &past, &state) else { continue };
            if !keeps(&wanted) {
                return Verdict::Asked;
            }
            latest.get_or_insert(wanted);
        }
        Verdict::Unasked(latest)
    }

    fn translations(&self) -> MutexGuard<'_, Translations> {
        self.translations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the states of the last while say of a loss.
enum Verdict {
    /// One asks for it.
    Asked,
    /// None does. The latest one that can be translated, if any can.
    Unasked(Option<Arc<Wanted>>),
}

/// The addresses of a VsVip as a controller has them, if the virtual service that serves
/// under them is there. That of a host need not refer to the VsVip: its parent does.
pub(crate) fn served(dump: &Value, vs: &str, vsvip: &str) -> BTreeSet<String> {
    if !dump["virtualservice"][vs].is_object() {
        return BTreeSet::new();
    }
    let vips = dump["vsvip"][vsvip]["vip"].as_array().into_iter().flatten();
    let of = |vip: &Value| ["ip_address", "ip6_address"].map(|field| vip[field]["addr"].clone());
    vips.flat_map(of).filter_map(|address| address.as_str().map(str::to_owned)).collect()
}

/// The addresses of a status, each with its host.
pub(crate) fn addresses(object: &Value) -> BTreeSet<(String, String)> {
    if object["status"]["ingress"].is_array() {
        return addresses_of_route(object);
    }
    let entries = object["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    entries.map(|entry| (text(&entry["ip"]), text(&entry["hostname"]))).collect()
}

/// Those of a Route: an entry of ours has an address for its message.
fn addresses_of_route(route: &Value) -> BTreeSet<(String, String)> {
    let entries = route["status"]["ingress"].as_array().into_iter().flatten();
    let ours = entries
        .filter(|entry| entry["routerName"].as_str().is_some_and(|router| router.starts_with("ako-")))
        .filter(|entry| entry["conditions"][0]["status"] == "True");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    ours.map(|entry| (text(&entry["conditions"][0]["message"]), text(&entry["host"]))).collect()
}
