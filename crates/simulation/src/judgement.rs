//! What has to be true in the end.

mod profiles;

use std::collections::{BTreeMap, BTreeSet};

use ako_app::offline::{Environment, Input, Output, translate};
use ako_core::ResourceKind;
use ako_core::kinds::table::{Read, Selected};
use ako_sim_avi::RequestRecord;
use ako_translate::Keep;
use serde_json::Value;

use crate::judge::{Kept, addresses, below, parts, served, staying};
use crate::profiles::PREFIX;
use crate::rules::Rule;
use crate::setup::{Member, Setup};
use crate::workload;
use crate::world::World;

/// The kinds that are translated.
pub fn translated() -> impl Iterator<Item = ResourceKind> {
    let is_served = |kind: &ResourceKind| match kind.spec().read {
        Read::Always => true,
        Read::If(_) => false,
        // The simulated cluster has no CNI that keeps subnets.
        Read::IfServed(_) => !kind.tells_subnets(),
    };
    let kinds = ResourceKind::ALL.into_iter().filter(is_served);
    kinds.filter(|kind| !matches!(kind.spec().selected, Selected::Named(_)))
}

/// An object of a kind as a file would have it.
pub fn complete(kind: ResourceKind, object: &Value) -> Value {
    let mut object = object.clone();
    object["apiVersion"] = kind.spec().api_version().into();
    object["kind"] = kind.as_str().into();
    object
}

/// An object of ours: its type, its name, and whose it is.
type Ours = (String, String, Option<String>);

/// The objects of a dump that are the operator's.
fn ours(dump: &Value) -> BTreeSet<Ours> {
    let mut found = BTreeSet::new();
    // A Service Engine group that was configured for a while keeps its label.
    let is_ours = |object: &Value| {
        let is_made_beside = object["name"].as_str().is_some_and(|name| name.starts_with(PREFIX));
        object["created_by"] != "somebody" && object["name"] != workload::OTHER_GROUP && !is_made_beside
    };
    for (kind, object) in objects(dump).filter(|(_, object)| is_ours(object)) {
        let text = |field: &str| object[field].as_str().map(str::to_owned);
        found.insert((kind.to_owned(), text("name").unwrap_or_default(), text("created_by")));
    }
    found
}

/// The objects of a dump, each with its type.
fn objects(dump: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let kinds = dump.as_object().into_iter().flatten();
    kinds.flat_map(|(kind, objects)| {
        objects.as_object().into_iter().flatten().map(move |(_, o)| (kind.as_str(), o))
    })
}

/// What is on the controller while nothing has changed yet: it has to stay.
pub fn still(world: &World) -> BTreeSet<(String, String)> {
    let dump = world.avi.dump();
    let ours = ours(&dump).into_iter().map(|(kind, name, _)| (kind, name));
    ours.chain(profiles::made(&dump).map(|(kind, _, name)| (kind.to_owned(), name.to_owned()))).collect()
}

/// Looks again and again whether all is done. What did not change since the last
/// look is not judged anew, which is most of the work of a run.
#[derive(Debug, Default)]
pub struct Looks {
    last: Option<Look>,
}

/// What was seen, which is all that the answer depends on, and the answer.
#[derive(Debug)]
struct Look {
    revision: u64,
    objects: Vec<Value>,
    why: String,
}

impl Looks {
    /// As [`unfinished`].
    ///
    /// # Errors
    /// If the simulation itself fails.
    pub fn unfinished(&mut self, world: &World) -> anyhow::Result<Option<String>> {
        let (revision, objects) = (world.avi.revision(), cluster(world));
        let last = self.last.as_ref().filter(|last| last.revision == revision && last.objects == objects);
        if let Some(last) = last {
            return Ok(Some(last.why.clone()));
        }
        let why = judge(world, &objects)?;
        self.last = why.clone().map(|why| Look { revision, objects, why });
        Ok(why)
    }
}

/// Why the controller is not as the cluster asks for, or the cluster does not
/// show it yet.
///
/// # Errors
/// If the simulation itself fails.
pub fn unfinished(world: &World) -> anyhow::Result<Option<String>> {
    judge(world, &cluster(world))
}

fn judge(world: &World, objects: &[Value]) -> anyhow::Result<Option<String>> {
    let dump = world.avi.dump();
    if let Some(member) = world.setup.crd_operator()
        && let Some(why) = profiles::unfinished(world, member, objects, &dump)?
    {
        return Ok(Some(why));
    }
    let (mut wanted, mut different) = (BTreeSet::new(), None);
    let (mut kept, mut stays, mut mistold) = (Kept::default(), BTreeSet::new(), None);
    let mut published: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for member in world.setup.operators() {
        let output = translate(Input {
            program: member.program,
            config: workload::config(member, world.evh, world.routes),
            namespace: member.namespace.to_owned(),
            objects: objects.to_vec(),
            environment: Environment::new(world.avi.dump_all()),
        })?;
        let asked = output.avi();
        wanted.extend(ours(&asked));
        let its = Kept::of(&output);
        different = different.or_else(|| difference(&asked, &dump, &its));
        kept.extend(its);
        stays.extend(staying(&output));
        mistold = mistold.or_else(|| misjudged(world.setup, member, objects, &output));
        for resource in output.desired.subjects() {
            let name = format!("{} {}", resource.kind.as_str(), resource.name);
            let shown = published.entry(name).or_default();
            for binding in output.desired.bindings(resource) {
                let [vs, vsvip] =
                    [&binding.vs, &binding.vsvip].map(|key| format!("{}/{}", key.tenant, key.name));
                let held = served(&dump, &vs, &vsvip).into_iter();
                shown.extend(held.map(|address| (address, binding.hostname.to_string())));
            }
        }
    }
    let mut there = ours(&dump);
    if !world.setup.is_one() {
        // A VsVip names no owner: one whose virtual service is gone is not removed by a
        // process that did not see it go (docs/high-availability.md).
        there.retain(|object| {
            object.0 != "vsvip" || wanted.contains(object) || is_referred_to(&dump, &object.1)
        });
    }
    let standing = kept.standing(&dump);
    let key = |object: &Ours| (object.0.clone(), format!("admin/{}", object.1));
    // Whether another virtual service serves the host, under which this one is not made, is told by
    // the controller alone.
    let may_lack = |object: &&Ours| kept.keep(&object.0, &key(object).1) == Some(Keep::All);
    let missing: Vec<_> = wanted.difference(&there).filter(|object| !may_lack(object)).collect();
    let empty = empty_fronts(&dump);
    let may_be = |object: &&Ours| {
        standing.contains(&key(object)) || empty.contains(&(object.0.clone(), object.1.clone()))
    };
    let (stays_there, mut surplus): (Vec<_>, Vec<_>) = there.difference(&wanted).partition(may_be);
    // What nobody asks for stays as a whole, with what it refers to.
    let held = below(&dump, stays_there.into_iter().map(key));
    surplus.retain(|object| !held.contains(&key(object)));
    if !(missing.is_empty() && surplus.is_empty()) {
        return Ok(Some(format!("missing {missing:?}, surplus {surplus:?}")));
    }
    Ok(different
        .or_else(|| misplaced(world.setup, objects, &dump, &kept))
        .or_else(|| unpublished(objects, &published, &stays))
        .or(mistold))
}

/// The objects of shared virtual services on which no host is any more: such a one stays until the
/// next start, which deletes it, as AKO does.
pub fn empty_fronts(dump: &Value) -> BTreeSet<(String, String)> {
    let name = |object: &Value| object["name"].as_str().unwrap_or_default().to_owned();
    let is_empty = |vsvip: &Value| {
        // One that has a DNS name of its own begins with its name.
        let is_own = |info: &Value| info["fqdn"].as_str().is_some_and(|fqdn| fqdn.starts_with(&name(vsvip)));
        vsvip["dns_info"].as_array().into_iter().flatten().all(is_own)
    };
    let vsvips = objects(dump).filter(|(kind, vsvip)| *kind == "vsvip" && is_empty(vsvip));
    let names = vsvips.map(|(_, vsvip)| name(vsvip)).filter(|name| name.contains("-Shared-L7-"));
    let names: BTreeSet<_> = names.collect();
    let all = objects(dump).map(|(kind, object)| (kind.to_owned(), name(object)));
    all.filter(|(_, name)| names.contains(name)).collect()
}

/// Whether a virtual service uses a VsVip.
fn is_referred_to(dump: &Value, vsvip: &str) -> bool {
    let by = |(kind, object): (&str, &Value)| {
        let reference = object["vsvip_ref"].as_str().unwrap_or_default();
        kind == "virtualservice" && reference.ends_with(&format!("name={vsvip}"))
    };
    objects(dump).any(by)
}

/// A server, host, rule, route or reference of an object that is not as it is asked for.
fn difference(asked: &Value, dump: &Value, kept: &Kept) -> Option<String> {
    let staying = kept.staying(dump);
    objects(asked).find_map(|(kind, object)| {
        let there = objects(dump).find(|(other, o)| *other == kind && o["name"] == object["name"])?.1;
        let key = format!("admin/{}", object["name"].as_str().unwrap_or_default());
        let comparable = |parts| kept.comparable(dump, &staying, (kind, &key), parts);
        let (asked, there) = (comparable(parts(kind, object)), comparable(parts(kind, there)));
        let (missing, surplus) = (asked.difference(&there), there.difference(&asked));
        let named: (Vec<_>, Vec<_>) = (missing.take(2).collect(), surplus.take(2).collect());
        let name = &object["name"];
        (asked != there)
            .then(|| format!("{kind} {name} misses {:?}, and has {:?} too much", named.0, named.1))
    })
}

/// The objects of the cluster that are translated.
fn cluster(world: &World) -> Vec<Value> {
    let kinds = translated();
    kinds
        .flat_map(|kind| {
            let objects = world.kube.objects(kind.spec().group, kind.spec().plural);
            objects.into_values().map(|object| complete(kind, &object)).collect::<Vec<_>>()
        })
        .collect()
}

/// The instance that an object of the cluster belongs to.
fn member_of(setup: Setup, objects: &[Value], object: &Value) -> Option<&'static Member> {
    let namespace = &object["metadata"]["namespace"];
    let found = objects.iter().find(|o| o["kind"] == "Namespace" && o["metadata"]["name"] == *namespace);
    let team = found?["metadata"]["labels"]["team"].as_str();
    setup.operators().find(|member| member.team.is_none() || member.team == team)
}

/// A host that is not in one place only, that of the instance it belongs to.
fn misplaced(setup: Setup, cluster: &[Value], dump: &Value, kept: &Kept) -> Option<String> {
    let owners: BTreeMap<&str, &str> = objects(dump)
        .filter(|(kind, _)| *kind == "virtualservice")
        .filter_map(|(_, service)| Some((service["name"].as_str()?, service["created_by"].as_str()?)))
        .collect();
    // A VsVip tells whose it is by the virtual service of its name.
    let places = |host: &str| {
        let vsvips = objects(dump).filter(|(kind, _)| *kind == "vsvip").map(|(_, vsvip)| vsvip);
        let has = |vsvip: &&Value| {
            vsvip["dns_info"].as_array().into_iter().flatten().any(|info| info["fqdn"] == host)
        };
        let names = vsvips.filter(has).filter_map(|vsvip| vsvip["name"].as_str());
        names.map(|name| owners.get(name).copied()).collect::<Vec<_>>()
    };
    let claims = cluster.iter().filter(|object| object["kind"] == "Ingress" || object["kind"] == "Route");
    claims.into_iter().find_map(|claim| {
        let host = claim["spec"]["host"].as_str().or_else(|| claim["spec"]["rules"][0]["host"].as_str())?;
        // One that is left alone stays wherever it was served, or is not served anew.
        if kept.leaves_alone(host) {
            return None;
        }
        let expected: Vec<_> =
            member_of(setup, cluster, claim).map(|member| Some(member.owner)).into_iter().collect();
        let found = places(host);
        (found != expected).then(|| format!("{host} is in {found:?} instead of {expected:?}"))
    })
}

/// The owners of the virtual services that lead a host to a server: each has
/// the host's name on its VsVip, and a pool of the host.
pub fn served_by(dump: &Value, host: &str) -> BTreeSet<String> {
    let is_pool = |o: &&Value| {
        let markers = o["markers"].as_array().into_iter().flatten();
        let mut hosts = markers.filter(|marker| marker["key"] == "Host").map(|marker| &marker["values"][0]);
        o["servers"][0].is_object() && hosts.any(|value| value == host)
    };
    let names_host = |o: &&Value| o["dns_info"].as_array().into_iter().flatten().any(|i| i["fqdn"] == host);
    let services = objects(dump).filter(|(kind, _)| *kind == "virtualservice").map(|(_, service)| service);
    let serve = |service: &&Value| {
        let mut reached = BTreeMap::new();
        reach(dump, service, &mut reached);
        reached.values().any(is_pool) && reached.values().any(names_host)
    };
    services.filter(serve).filter_map(|service| Some(service["created_by"].as_str()?.to_owned())).collect()
}

/// What an object refers to, and what that refers to.
fn reach<'a>(dump: &'a Value, from: &'a Value, reached: &mut BTreeMap<&'a str, &'a Value>) {
    let referred = |reference: &'a str| {
        let (kind, name) = reference.strip_prefix("/api/")?.split_once("?name=")?;
        Some(&dump[kind][format!("admin/{name}")]).filter(|object| object.is_object())
    };
    match from {
        Value::String(text) if !reached.contains_key(text.as_str()) => {
            if let Some(object) = referred(text) {
                reached.insert(text, object);
                reach(dump, object, reached);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| reach(dump, value, reached)),
        Value::Object(fields) => fields.values().for_each(|value| reach(dump, value, reached)),
        _ => {}
    }
}

/// An object whose status shows other addresses than it is served under.
fn unpublished(
    cluster: &[Value],
    published: &BTreeMap<String, BTreeSet<(String, String)>>,
    stays: &BTreeSet<(String, String)>,
) -> Option<String> {
    let has_address =
        |o: &&Value| o["kind"] == "Ingress" || o["kind"] == "Route" || o["spec"]["type"] == "LoadBalancer";
    let none = BTreeSet::new();
    cluster.iter().filter(has_address).find_map(|object| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let [kind, namespace, name] =
            [&object["kind"], &object["metadata"]["namespace"], &object["metadata"]["name"]].map(text);
        let name = format!("{kind} {namespace}/{name}");
        let (mut shown, wanted) = (addresses(object), published.get(&name).unwrap_or(&none));
        // None of those that stay is taken away (`Judge::unasked_status`); which ones those are is told
        // by the status alone.
        shown.retain(|address| {
            wanted.contains(address) || !stays.contains(&(name.clone(), address.1.clone()))
        });
        (shown != *wanted).then(|| format!("{name} shows {shown:?} instead of {wanted:?}"))
    })
}

/// A rule whose status does not say what a translation of the cluster says of it.
fn misjudged(setup: Setup, me: &Member, cluster: &[Value], output: &Output) -> Option<String> {
    let statuses = output.status();
    cluster.iter().find_map(|object| {
        let kind = object["kind"].as_str()?;
        Rule::ALL.iter().find(|rule| rule.kind() == kind)?;
        let name = object["metadata"]["name"].as_str()?;
        let path = match object["metadata"]["namespace"].as_str() {
            // Of one in no namespace the first primary instance writes the status.
            None if *me != setup.members()[0] => return None,
            None => format!("{}s/{name}", kind.to_lowercase()),
            Some(_) if member_of(setup, cluster, object).is_none_or(|member| member != me) => return None,
            Some(namespace) => format!("{}s/{namespace}/{name}", kind.to_lowercase()),
        };
        let wanted = &statuses[&path]["status"];
        let shown = &object["status"];
        let differs = ["status", "error"].iter().any(|field| shown[*field] != wanted[*field]);
        (differs || wanted.is_null()).then(|| format!("{path} shows {shown} instead of {wanted}"))
    })
}

/// Deletions of what had to stay.
pub fn deleted<'a>(
    requests: &'a [RequestRecord],
    still: &'a BTreeSet<(String, String)>,
) -> impl Iterator<Item = &'a RequestRecord> {
    requests.iter().filter(|request| {
        request.method == "DELETE"
            && request.committed
            && still.contains(&(request.kind.clone(), request.name.clone()))
    })
}

/// Writes to the controller, whatever became of them.
pub fn writes(requests: &[RequestRecord]) -> impl Iterator<Item = &RequestRecord> {
    requests.iter().filter(|request| {
        request.method != "GET" && !matches!(request.kind.as_str(), "login" | "logout" | "user-token")
    })
}
