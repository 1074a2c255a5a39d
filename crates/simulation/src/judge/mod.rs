//! Whether the cluster asks for a loss, at the moment when the loss leaves a process.
//!
//! For every deletion, and for every write that takes a server, a host, a route or a
//! reference from an object or an address from a status, there has to be a state of
//! the cluster, not older than [`BOUND`], that asks for it. The states come from the
//! API server itself, not from what the process saw. Each kind is watched for itself,
//! so the kinds of such a state may be of different moments.

mod parts;
mod past;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ako_sim_avi::SimAvi;
use ako_sim_kube::SimKube;
use serde_json::Value;

use crate::borders::{Borders, MARGIN};
use crate::setup::Member;
pub(crate) use parts::parts;
use past::{Past, States};
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
    translations: Arc<Mutex<Translations>>,
}

/// A loss: what goes, or nothing if the whole object does.
struct Loss {
    kind: &'static str,
    key: String,
    parts: BTreeSet<String>,
}

impl Judge {
    /// One for a world as it is in the beginning; `evh` as in the configuration.
    pub fn new(kube: SimKube, avi: SimAvi, borders: Borders, evh: bool, routes: bool) -> Self {
        let translations = Translations::new(&avi.dump_all(), evh, routes);
        Self { kube, avi, borders, translations: Arc::new(Mutex::new(translations)) }
    }

    /// What is wrong with a write to the controller that leaves a process now.
    pub fn unasked(&self, me: &Member, line: &str, body: &Value) -> Option<String> {
        let loss = self.loss(me, line, body)?;
        let keeps = |wanted: &Wanted| {
            let object = wanted.object(loss.kind, &loss.key);
            object.is_some_and(|object| {
                loss.parts.is_empty() || !loss.parts.is_disjoint(&parts(loss.kind, object))
            })
        };
        let latest = self.search(me, keeps)?;
        let Loss { kind, key, parts: gone } = loss;
        let object = latest.object(kind, &key).map(|object| parts(kind, object)).unwrap_or_default();
        let named: Vec<_> = gone.intersection(&object).take(3).collect();
        let what = if gone.is_empty() { "the object".to_owned() } else { format!("{named:?}") };
        Some(format!("{line} takes {what} from {kind} {key}, which no state of the last {BOUND:?} asks for"))
    }

    /// What is wrong with a status that leaves a process now: an address goes that is
    /// served.
    pub fn unasked_status(&self, me: &Member, kind: &str, object: &Value, patch: &Value) -> Option<String> {
        let lost: Vec<_> = addresses(object).difference(&addresses(patch)).cloned().collect();
        if lost.is_empty() {
            return None;
        }
        let metadata = &object["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = format!("{kind} {}/{}", text(&metadata["namespace"]), text(&metadata["name"]));
        let served = self.served();
        let keeps = |wanted: &Wanted| {
            wanted.bindings(&name).any(|binding| {
                let held = served.get(&(binding.vs.clone(), binding.vsvip.clone()));
                lost.iter().any(|(ip, host)| {
                    *host == binding.host && held.is_some_and(|addresses| addresses.contains(ip))
                })
            })
        };
        self.search(me, keeps)?;
        Some(format!("the status of {name} loses {lost:?}, which no state of the last {BOUND:?} asks for"))
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
            // The controller refuses what is about another version than its own.
            "PUT"
                if body["_last_modified"].is_string() && body["_last_modified"] != full["_last_modified"] =>
            {
                None
            }
            "PUT" | "PATCH" => {
                let left = parts(kind, &self.avi.by_name(body));
                let lost: BTreeSet<_> = parts(kind, &object).difference(&left).cloned().collect();
                (!lost.is_empty()).then_some(Loss { kind, key, parts: lost })
            }
            _ => None,
        }
    }

    /// Looks for a state that does not keep something; if all do, the latest one.
    fn search(&self, me: &Member, keeps: impl Fn(&Wanted) -> bool) -> Option<Arc<Wanted>> {
        let past = Past::read(&self.kube, me.namespace, BOUND);
        let mut translations = self.translations();
        let mut latest = None;
        for state in States::of(&past) {
            // One that cannot be translated asks for nothing.
            let Some(wanted) = translations.of(me, &past, &state) else { continue };
            if !keeps(&wanted) {
                return None;
            }
            latest.get_or_insert(wanted);
        }
        latest
    }

    /// The addresses by virtual service and VsVip, as they are on the controller now.
    fn served(&self) -> BTreeMap<(String, String), BTreeSet<String>> {
        let dump = self.avi.dump();
        let mut served = BTreeMap::new();
        for (key, service) in dump["virtualservice"].as_object().into_iter().flatten() {
            let Some(name) = service["vsvip_ref"].as_str().and_then(|text| text.split_once("?name=")) else {
                continue;
            };
            let tenant = key.split_once('/').map_or("", |(tenant, _)| tenant);
            let vsvip = format!("{tenant}/{}", name.1);
            let vips = dump["vsvip"][&vsvip]["vip"].as_array().into_iter().flatten();
            let held = vips.filter_map(|vip| vip["ip_address"]["addr"].as_str()).map(str::to_owned);
            served.insert((key.clone(), vsvip.clone()), held.collect());
        }
        served
    }

    fn translations(&self) -> MutexGuard<'_, Translations> {
        self.translations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The addresses of a status, each with its host.
fn addresses(object: &Value) -> BTreeSet<(String, String)> {
    let entries = object["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    entries.map(|entry| (text(&entry["ip"]), text(&entry["hostname"]))).collect()
}
