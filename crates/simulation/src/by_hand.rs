//! Somebody works on the controller by hand.

use serde_json::{Value, json};

use crate::script::Step;
use crate::workload;
use crate::world::World;

/// How deep references are followed before an object is deleted.
const DEEPEST: usize = 6;

impl World {
    /// Changes or deletes one of an instance's objects on the controller.
    pub(crate) fn interfere(&self, instance: usize, step: &Step) {
        let owner = self.instances[instance].member.owner;
        let dump = self.avi.dump();
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

fn objects(dump: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let kinds = dump.as_object().into_iter().flatten();
    let all = kinds.flat_map(|(kind, objects)| {
        objects.as_object().into_iter().flatten().map(move |(_, object)| (kind.as_str(), object))
    });
    all.filter(|(_, object)| object["created_by"] != "somebody")
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
        "vrfcontext" => json!({"static_routes": workload::foreign_routes()}),
        _ => json!({"description": "by hand"}),
    }
}
