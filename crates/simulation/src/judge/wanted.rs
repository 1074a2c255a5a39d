//! What a state of the cluster asks for: the translation, which knows nothing of
//! processes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ako_app::offline::{Environment, Input, Output, translate};
use ako_core::config::keys;
use ako_translate::What;
use serde_json::Value;

use super::kept::Kept;
use super::past::{Past, State};
use crate::setup::Member;
use crate::workload;

/// Translations at most that are remembered.
const MOST_REMEMBERED: usize = 256;

/// What a state asks for.
pub(super) struct Wanted {
    objects: Value,
    /// What stays as it is.
    pub(super) kept: Kept,
    /// By kind and path, and by host: whose addresses stay as they are.
    staying: BTreeSet<(String, String)>,
    /// By kind and path: under which hosts, and where.
    bindings: BTreeMap<String, Vec<Binding>>,
}

/// Says that a host of an object is served by a virtual service under the addresses of
/// a VsVip.
pub(super) struct Binding {
    pub(super) host: String,
    pub(super) vs: String,
    pub(super) vsvip: String,
}

impl Wanted {
    fn of(output: &Output) -> Self {
        let mut bindings: BTreeMap<String, Vec<Binding>> = BTreeMap::new();
        for resource in output.desired.subjects() {
            let all = output.desired.bindings(resource).map(|binding| Binding {
                host: binding.hostname.to_string(),
                vs: format!("{}/{}", binding.vs.tenant, binding.vs.name),
                vsvip: format!("{}/{}", binding.vsvip.tenant, binding.vsvip.name),
            });
            bindings.insert(format!("{} {}", resource.kind.as_str(), resource.name), all.collect());
        }
        Self { objects: output.avi(), kept: Kept::of(output), staying: staying(output), bindings }
    }

    /// Whether the addresses that an object of the cluster has for a host stay as they are.
    pub(super) fn address_stays(&self, object: &str, host: &str) -> bool {
        self.staying.contains(&(object.to_owned(), host.to_owned()))
    }

    /// An object by its type and its key, if it is wanted.
    pub(super) fn object(&self, kind: &str, key: &str) -> Option<&Value> {
        self.objects.get(kind)?.get(key)
    }

    /// What is bound to an object of the cluster.
    pub(super) fn bindings(&self, object: &str) -> impl Iterator<Item = &Binding> {
        self.bindings.get(object).into_iter().flatten()
    }
}

/// The objects of the cluster and the hosts whose addresses stay as they are.
pub(crate) fn staying(output: &Output) -> BTreeSet<(String, String)> {
    let all = output.desired.subjects().flat_map(|resource| {
        let name = format!("{} {}", resource.kind.as_str(), resource.name);
        let statements = output.desired.statements(resource);
        statements.filter_map(move |what| match what {
            What::AddressStays(host) => Some((name.clone(), host.to_string())),
            _ => None,
        })
    });
    all.collect()
}

/// Translations of the last states.
pub(super) struct Translations {
    environment: Value,
    evh: bool,
    routes: bool,
    remembered: HashMap<(&'static str, u64), Option<Arc<Wanted>>>,
}

impl Translations {
    /// None yet. What the controller holds is that of the beginning: what an instance
    /// adds to it later is not its own reason.
    pub(super) fn new(controller: Value, evh: bool, routes: bool) -> Self {
        Self { environment: controller, evh, routes, remembered: HashMap::new() }
    }

    /// What a state asks an instance for; `None` if its configuration cannot be used.
    pub(super) fn of(&mut self, me: &Member, past: &Past, state: &State) -> Option<Arc<Wanted>> {
        let key = (me.owner, past.hash(state));
        if let Some(known) = self.remembered.get(&key) {
            return known.clone();
        }
        let wanted = self.translate(me, past, state).map(Arc::new);
        if self.remembered.len() >= MOST_REMEMBERED {
            self.remembered.clear();
        }
        self.remembered.insert(key, wanted.clone());
        wanted
    }

    fn translate(&self, me: &Member, past: &Past, state: &State) -> Option<Wanted> {
        let begun = workload::config(me, self.evh, self.routes);
        let config = match past.config(state) {
            Some(data) => in_force(&begun, data),
            // A ConfigMap that is gone changes nothing for who runs.
            None => begun,
        };
        let input = Input {
            program: me.program,
            config,
            namespace: me.namespace.to_owned(),
            // Nobody who made it up may do the work of an operator.
            objects: past.objects(state).into_iter().filter(|object| !workload::is_made_up(object)).collect(),
            environment: Environment::new(self.environment.clone()),
        };
        translate(input).ok().as_ref().map(Wanted::of)
    }
}

/// The configuration of a process that began with one and saw another: what needs a
/// restart stays.
fn in_force(
    begun: &BTreeMap<String, String>,
    mut data: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    for key in keys().iter().filter(|key| !key.live) {
        match begun.get(key.name) {
            Some(value) => data.insert(key.name.to_owned(), value.clone()),
            None => data.remove(key.name),
        };
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_needs_a_restart_stays() {
        let data = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let begun = data(&[("clusterName", "c1"), ("logLevel", "INFO")]);
        let seen = data(&[("clusterName", "c2"), ("shardVSSize", "LARGE"), ("logLevel", "DEBUG")]);
        assert_eq!(in_force(&begun, seen), data(&[("clusterName", "c1"), ("logLevel", "DEBUG")]));
    }
}
