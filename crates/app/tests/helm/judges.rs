//! What must not have happened meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use ako_harness::control_plane::Request;
use ako_sim_avi::RequestRecord;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::applications::addresses;
use crate::world::World;

/// A moment from which on nothing may be lost.
pub(crate) struct Since {
    request: u64,
    ingresses: Statuses<Ingress>,
    services: Statuses<Service>,
}

impl Since {
    pub(crate) async fn now(world: &World) -> Self {
        Self {
            request: world.position(),
            ingresses: Statuses::now(world).await,
            services: Statuses::now(world).await,
        }
    }

    /// Nothing was removed from the controller, no object there became less, and no status lost or
    /// changed its addresses.
    pub(crate) async fn nothing_was_lost(&self, world: &World) {
        let writes = world.writes_since(self.request);
        let removed: Vec<_> = writes.iter().filter(|write| write.method == "DELETE").collect();
        if !removed.is_empty() {
            world.fail(&format!("removed from the controller: {removed:#?}")).await;
        }
        let lessened: Vec<_> = writes.iter().filter_map(lessened).collect();
        if !lessened.is_empty() {
            world.fail(&format!("taken out of objects on the controller: {lessened:#?}")).await;
        }
        let changes = [self.ingresses.changes().await, self.services.changes().await].concat();
        if !changes.is_empty() {
            world.fail(&format!("addresses in a status were changed: {changes:#?}")).await;
        }
    }

    /// And nothing was written to the controller.
    pub(crate) async fn nothing_was_written(&self, world: &World) {
        let writes = world.writes_since(self.request);
        if !writes.is_empty() {
            world.fail(&format!("written to the controller: {writes:#?}")).await;
        }
        self.nothing_was_lost(world).await;
    }
}

/// What a write took out of an object: servers of a pool, names of a VsVip, members of a pool
/// group, references, or whatever else is in a list.
fn lessened(write: &RequestRecord) -> Option<String> {
    let change = write.change.as_ref()?;
    let mut lost = Vec::new();
    find_lost(&change.before, &change.after, "", &mut lost);
    let RequestRecord { method, kind, name, .. } = write;
    (!lost.is_empty()).then(|| format!("{method} {kind} {name}: {}", lost.join(", ")))
}

/// Elements of lists that are in none of the list's elements any more, and references that are
/// gone. Other fields may change.
fn find_lost(before: &Value, after: &Value, place: &str, lost: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), _) => {
            for (field, before) in before {
                find_lost(before, &after[field], &format!("{place}.{field}"), lost);
            }
        }
        (Value::Array(before), _) => {
            let after = after.as_array().map_or(&[][..], Vec::as_slice);
            let gone = before.iter().filter(|element| !after.iter().any(|other| keeps(element, other)));
            lost.extend(gone.map(|element| format!("{place} has no {element}")));
            if before.len() > after.len() {
                lost.push(format!("{place} has {} instead of {}", after.len(), before.len()));
            }
        }
        (Value::String(before), Value::Null) if place.ends_with("_ref") => {
            lost.push(format!("{place} is not {before}"));
        }
        _ => {}
    }
}

/// Whether an element is in a list still: what it had it has, and perhaps more.
fn keeps(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            before.iter().all(|(field, before)| after.get(field).is_some_and(|after| keeps(before, after)))
        }
        (Value::Array(before), Value::Array(after)) => {
            before.len() <= after.len()
                && before.iter().all(|element| after.iter().any(|other| keeps(element, other)))
        }
        _ => before == after,
    }
}

#[test]
fn what_is_taken_out_of_an_object_is_found() {
    let lost = |before: Value, after: Value| {
        let mut lost = Vec::new();
        find_lost(&before, &after, "", &mut lost);
        lost.join(", ")
    };
    let pool = |servers: &[&str]| {
        let server = |address: &&str| json!({"ip": {"addr": address, "type": "V4"}, "port": 80});
        json!({"name": "p", "servers": servers.iter().map(server).collect::<Vec<_>>()})
    };
    assert_eq!(lost(pool(&["10.0.0.1"]), pool(&["10.0.0.2", "10.0.0.1"])), "");
    assert!(lost(pool(&["10.0.0.1"]), pool(&["10.0.0.2"])).starts_with(".servers has no {\"ip\""));
    assert!(lost(pool(&["10.0.0.1", "10.0.0.1"]), pool(&["10.0.0.1"])).ends_with("1 instead of 2"));
    assert!(lost(pool(&["10.0.0.1"]), json!({"name": "p"})).ends_with("0 instead of 1"));
    // Of an element of a list.
    let vip = |names: &[&str]| json!({"vip": [{"vip_id": "0", "names": names}]});
    assert_eq!(lost(vip(&["a"]), vip(&["a", "b"])), "");
    assert!(lost(vip(&["a", "b"]), vip(&["a"])).starts_with(".vip has no"));
    // References, and what is none.
    let service = |reference: Value, enabled| json!({"pool_ref": reference, "enabled": enabled});
    assert_eq!(lost(service(json!("/api/pool?name=a"), true), service(json!("/api/pool?name=b"), false)), "");
    let without = lost(service(json!("/api/pool?name=a"), true), json!({"enabled": true}));
    assert_eq!(without, ".pool_ref is not /api/pool?name=a");
}

/// The addresses of all objects of a kind, and the version of their list.
struct Statuses<K> {
    api: Api<K>,
    version: String,
    known: BTreeMap<String, Vec<Value>>,
}

impl<K> Statuses<K>
where
    K: Clone + std::fmt::Debug + DeserializeOwned + Serialize + kube::Resource<DynamicType = ()>,
{
    async fn now(world: &World) -> Self {
        let api = Api::all(world.client.clone());
        let list = api.list(&ListParams::default()).await.unwrap();
        let version = list.metadata.resource_version.unwrap_or_default();
        Self { api, version, known: list.items.iter().map(name_and_addresses).collect() }
    }

    /// Every change since then of a status that had addresses: the API server tells its history.
    async fn changes(&self) -> Vec<String> {
        let (mut known, mut changes) = (self.known.clone(), Vec::new());
        let one_second = WatchParams::default().timeout(1);
        let mut events = self.api.watch(&one_second, &self.version).await.unwrap().boxed();
        while let Some(event) = events.next().await {
            let object = match event.unwrap() {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => object,
                WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(error) => panic!("the API server does not tell the history: {error}"),
            };
            let (name, now) = name_and_addresses(&object);
            let before = known.insert(name.clone(), now.clone()).unwrap_or_default();
            if !before.is_empty() && before != now {
                changes.push(format!("{name}: {before:?}, then {now:?}"));
            }
        }
        changes
    }
}

fn name_and_addresses(object: &(impl kube::Resource + Serialize)) -> (String, Vec<Value>) {
    let name = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
    (name, addresses(&json!(object)))
}

/// When one process has begun to write, none writes that wrote before it. `of` tells the writes of
/// an instance; the number of its processes that wrote is returned.
pub(crate) async fn one_at_a_time(world: &World, of: impl Fn(&RequestRecord) -> bool) -> usize {
    // A process has one session with the controller.
    let sessions = world.writes_since(0).into_iter().filter(of).map(|write| write.session);
    match turns(sessions) {
        Ok(turns) => turns.len(),
        Err(error) => world.fail(&error).await,
    }
}

/// The sessions that wrote, in their order; an error if one wrote again after another one.
fn turns(sessions: impl Iterator<Item = String>) -> Result<Vec<String>, String> {
    let mut turns: Vec<String> = Vec::new();
    for session in sessions {
        if turns.last() == Some(&session) {
            continue;
        }
        if turns.contains(&session) {
            return Err(format!("{session} wrote again after others: {turns:?}"));
        }
        turns.push(session);
    }
    Ok(turns)
}

#[test]
fn who_writes_again_after_another_one_is_found() {
    let turns = |sessions: &str| turns(sessions.split(' ').map(str::to_owned));
    assert_eq!(turns("a a b c c").unwrap(), ["a", "b", "c"]);
    assert!(turns("a b a").unwrap_err().starts_with("a wrote again"));
}

/// Objects that bear an owner, with their kinds.
pub(crate) fn owned_by(world: &World, owner: &str) -> BTreeSet<(String, String)> {
    let dump = world.sim.dump();
    let kinds = dump.as_object().into_iter().flatten();
    let objects =
        kinds.flat_map(|(kind, all)| all.as_object().into_iter().flatten().map(move |(_, o)| (kind, o)));
    let own = objects.filter(|(_, object)| object["created_by"] == owner);
    own.map(|(kind, object)| (kind.clone(), object["name"].as_str().unwrap_or_default().to_owned())).collect()
}

/// Everything that an operator asked the API server, which refused nothing of it.
async fn asked(world: &World, account: &str) -> Vec<Request> {
    let requests = world.plane.requests().unwrap();
    let is_operator = |request: &Request| {
        request.user.starts_with("system:serviceaccount:") && request.user.ends_with(&format!(":{account}"))
    };
    let asked: Vec<_> = requests.into_iter().filter(is_operator).collect();
    let refused: Vec<_> = asked.iter().filter(|request| [401, 403].contains(&request.code)).collect();
    if asked.is_empty() || !refused.is_empty() {
        world
            .fail(&format!("{} requests of operators, of which were refused: {refused:#?}", asked.len()))
            .await;
    }
    asked
}

/// No request of an operator was refused for want of a rule.
pub(crate) async fn nothing_was_forbidden(world: &World) {
    asked(world, "ako-sa").await;
}

/// What the chart's rules allow to the instance in a namespace, and nobody asked for.
pub(crate) async fn unused_rules(world: &World, namespace: &str) -> BTreeSet<String> {
    unused_rules_of(world, namespace, ("ako-sa", "ako", "ako-cr")).await
}

/// The same for a ServiceAccount with a Role and a ClusterRole.
pub(crate) async fn unused_rules_of(
    world: &World,
    namespace: &str,
    (account, role, cluster_role): (&str, &str, &str),
) -> BTreeSet<String> {
    let asked = asked(world, account).await;
    let own = world.kubectl_json(&format!("get role {role} -n {namespace}")).await;
    let everywhere = world.kubectl_json(&format!("get clusterrole {cluster_role}")).await;
    let mut unused = BTreeSet::new();
    for (role, within) in [(&own, Some(namespace)), (&everywhere, None)] {
        for rule in role["rules"].as_array().into_iter().flatten() {
            unused.extend(unused_parts(rule, within, &asked));
        }
    }
    unused
}

fn unused_parts(rule: &Value, within: Option<&str>, asked: &[Request]) -> Vec<String> {
    let texts =
        |field: &str| -> Vec<String> { serde_json::from_value(rule[field].clone()).unwrap_or_default() };
    let names = texts("resourceNames");
    let mut unused = Vec::new();
    for (group, resource) in
        texts("apiGroups").iter().flat_map(|g| texts("resources").into_iter().map(move |r| (g.clone(), r)))
    {
        for verb in texts("verbs") {
            let fits = |request: &&Request| {
                (&request.verb, &request.group, &request.resource) == (&verb, &group, &resource)
                    && within.map_or(!is_at_home(request), |namespace| request.namespace == namespace)
                    && (names.is_empty() || names.contains(&request.name))
            };
            if asked.iter().find(fits).is_none() {
                let place = within.map_or(String::new(), |namespace| format!(" in {namespace}"));
                unused.push(format!("{verb} {resource}{place}"));
            }
        }
    }
    unused
}

/// Whether a request is about the operator's own namespace, where its Role may allow it.
fn is_at_home(request: &Request) -> bool {
    request.user.split(':').nth(2) == Some(&request.namespace)
}
