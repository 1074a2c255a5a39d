//! What has to be true in the end.

use std::collections::BTreeSet;

use ako_app::offline::{Environment, Input, translate};
use ako_sim_avi::RequestRecord;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use serde_json::Value;

use crate::workload::{self, OPERATOR};
use crate::world::World;

/// The kinds that are translated.
const TRANSLATED: [(&str, &str, &str); 6] = [
    ("", "v1", "Namespace"),
    ("networking.k8s.io", "v1", "IngressClass"),
    ("", "v1", "Secret"),
    ("", "v1", "Service"),
    ("discovery.k8s.io", "v1", "EndpointSlice"),
    ("networking.k8s.io", "v1", "Ingress"),
];

/// The objects of a dump that are ours: type and name.
pub fn ours(dump: &Value) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (kind, objects) in dump.as_object().into_iter().flatten() {
        for object in objects.as_object().into_iter().flatten().map(|(_, object)| object) {
            if object["created_by"] != "somebody" {
                found.insert((kind.clone(), object["name"].as_str().unwrap_or_default().to_owned()));
            }
        }
    }
    found
}

/// Why the controller is not as the cluster asks for, or an Ingress has no
/// address yet.
pub async fn unfinished(world: &World, evh: bool) -> anyhow::Result<Option<String>> {
    let mut objects = Vec::new();
    let mut unpublished = Vec::new();
    for (group, version, kind) in TRANSLATED {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: kube::Api<DynamicObject> = kube::Api::all_with(world.kube.client(), &resource);
        for object in api.list(&ListParams::default()).await?.items {
            let mut object = serde_json::to_value(object)?;
            object["apiVersion"] =
                if group.is_empty() { version.into() } else { format!("{group}/{version}").into() };
            object["kind"] = kind.into();
            if kind == "Ingress" && object["status"]["loadBalancer"]["ingress"][0]["ip"].is_null() {
                unpublished.push(object["metadata"]["name"].to_string());
            }
            objects.push(object);
        }
    }
    let wanted = translate(Input {
        config: workload::config(evh),
        namespace: OPERATOR.to_owned(),
        objects,
        environment: Environment::new(world.avi.dump_all()),
    })?;
    let (wanted, there) = (ours(&wanted.avi()), ours(&world.avi.dump()));
    Ok(if wanted != there {
        let missing: Vec<_> = wanted.difference(&there).collect();
        let surplus: Vec<_> = there.difference(&wanted).collect();
        Some(format!("missing {missing:?}, surplus {surplus:?}"))
    } else if !unpublished.is_empty() {
        Some(format!("not published: {unpublished:?}"))
    } else {
        None
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
