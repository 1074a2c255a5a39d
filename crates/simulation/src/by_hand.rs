//! Somebody works on the controller by hand.

use ako_core::Program;
use serde_json::{Value, json};

use crate::profiles::{self, PREFIX, Profile, REFERRER};
use crate::script::Step;
use crate::workload;
use crate::world::World;

/// How deep references are followed before an object is deleted.
const DEEPEST: usize = 6;

impl World {
    /// Changes or deletes one of an instance's objects on the controller.
    pub(crate) fn interfere(&self, instance: usize, step: &Step) {
        let member = self.instances[instance].member;
        if member.program == Program::CrdOperator {
            return self.interfere_with_profiles(step);
        }
        let (owner, dump) = (member.owner, self.avi.dump());
        let ours: Vec<_> = objects(&dump)
            .filter(|(kind, object)| {
                object["created_by"] == owner || *kind == "vsvip" || *kind == "vrfcontext"
            })
            .collect();
        let (Step::Edit(number) | Step::Remove(number)) = step else { return };
        let Some((kind, object)) = ours.get(number % ours.len().max(1)) else { return };
        let name = object["name"].as_str().unwrap_or_default();
        match step {
            Step::Edit(_) => drop(self.avi.edit(kind, "admin", name, &damage(kind, *number))),
            _ if *kind == "vrfcontext" => {}
            _ => self.remove(kind, name, DEEPEST),
        }
    }

    /// The same of those that are made of custom resources.
    fn interfere_with_profiles(&self, step: &Step) {
        let (Step::Edit(number) | Step::Remove(number)) = step else { return };
        let dump = self.avi.dump();
        let ours: Vec<_> = keyed(&dump).filter(|(_, key, _)| key.contains(PREFIX)).collect();
        let Some((kind, key, _)) = ours.get(number % ours.len().max(1)) else { return };
        let Some((tenant, name)) = key.split_once('/') else { return };
        if matches!(step, Step::Edit(_)) {
            self.avi.edit(kind, tenant, name, &damage(kind, *number));
            return;
        }
        // The controller demands that what refers to it goes first.
        for profile in Profile::ALL.into_iter().filter(|profile| profile.segment() == *kind) {
            let (kind, object) = profile.referrer(name);
            self.avi.remove(kind, tenant, object["name"].as_str().unwrap_or_default());
        }
        self.avi.remove(kind, tenant, name);
    }

    /// Whether an object of somebody refers to what is made of a custom resource, in whichever tenant
    /// that is.
    pub(crate) fn refer(&self, profile: Profile, number: usize, there: bool) {
        let made = profiles::name_of_made(profiles::namespace(number), &profiles::name(number));
        let (kind, object) = profile.referrer(&made);
        let referrer = object["name"].as_str().unwrap_or_default();
        for tenant in ["admin", profiles::OTHER_TENANT] {
            if !there {
                self.avi.remove(kind, tenant, referrer);
                continue;
            }
            let may_be = self.avi.uuid(profile.segment(), tenant, &made).is_some()
                && self.avi.uuid(kind, tenant, referrer).is_none();
            let objects = json!({ kind: { format!("{tenant}/{referrer}"): object } });
            let problems = if may_be { self.avi.plant(&objects) } else { Vec::new() };
            for problem in problems {
                self.complain(&problem);
            }
        }
    }

    /// No object of somebody refers to what is made of custom resources any more; answers whether
    /// one did.
    pub(crate) fn remove_referrers(&self) -> bool {
        let dump = self.avi.dump();
        let referrers: Vec<_> = keyed(&dump).filter(|(_, key, _)| key.contains(REFERRER)).collect();
        for (kind, key, _) in &referrers {
            if let Some((tenant, name)) = key.split_once('/') {
                self.avi.remove(kind, tenant, name);
            }
        }
        !referrers.is_empty()
    }

    /// Deletes an object after what refers to it, as the controller demands.
    fn remove(&self, kind: &str, name: &str, depth: usize) {
        if depth == 0 {
            return;
        }
        let reference = json!(format!("/api/{kind}?name={name}")).to_string();
        let dump = self.avi.dump();
        for (other, object) in objects(&dump).filter(|(_, object)| object.to_string().contains(&reference)) {
            self.remove(other, object["name"].as_str().unwrap_or_default(), depth - 1);
        }
        self.avi.remove(kind, "admin", name);
    }
}

/// The objects of the operator, each with its type.
fn objects(dump: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let ours =
        keyed(dump).filter(|(_, key, object)| object["created_by"] != "somebody" && !key.contains(PREFIX));
    ours.map(|(kind, _, object)| (kind, object))
}

/// All objects, each with its type and its key.
fn keyed(dump: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let kinds = dump.as_object().into_iter().flatten();
    kinds.flat_map(|(kind, objects)| {
        let objects = objects.as_object().into_iter().flatten();
        objects.map(move |(key, object)| (kind.as_str(), key.as_str(), object))
    })
}

/// What somebody does to an object of a type.
fn damage(kind: &str, number: usize) -> Value {
    match kind {
        "pool" if number.is_multiple_of(2) => json!({"servers": []}),
        "pool" => json!({"lb_algorithm": "LB_ALGORITHM_RANDOM"}),
        "poolgroup" => json!({"members": []}),
        "vsvip" => json!({"dns_info": []}),
        "virtualservice" => json!({"enabled": false}),
        "httppolicyset" => json!({"http_request_policy": null}),
        "healthmonitor" => json!({"send_interval": 99}),
        "applicationprofile" => json!({"http_profile": {"keepalive_timeout": 77}}),
        "pkiprofile" => json!({"ca_certs": [], "crl_check": true}),
        "vrfcontext" => json!({"static_routes": workload::foreign_routes()}),
        _ => json!({"description": "by hand"}),
    }
}
