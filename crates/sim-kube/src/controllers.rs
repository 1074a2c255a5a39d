//! What controllers and kubelets do in a real cluster, as far as demonstrations need
//! it: namespaces end, StatefulSets have Pods, and Pods run as soon as they exist.
//! Source: Kubernetes documentation, "Namespaces", "StatefulSets".

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::cluster::{Cluster, text};
use crate::resource::{Key, Resource};
use crate::store::Stored;

/// Steps after one request at most.
const MOST_STEPS: usize = 100_000;

/// Something to look at after a write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Work {
    Namespace(String),
    StatefulSet(String, String),
    /// Pods of an owner that is gone.
    Orphans(String, String),
    Instances(Key),
}

impl Cluster {
    /// Notes what a change of an object is a reason for.
    pub(crate) fn settle(&mut self, resource: &Resource, stored: &Arc<Stored>, removed: bool) {
        if resource.is("apiextensions.k8s.io", "CustomResourceDefinition") {
            if removed {
                let spec = &stored.value["spec"];
                let key: Key = (text(spec, "group").into(), text(&spec["names"], "plural").into());
                self.work.push_back(Work::Instances(key));
            }
            self.serve_definition(&stored.value, removed);
        }
        if !self.controllers {
            return;
        }
        let (namespace, name) = (stored.namespace().to_owned(), stored.name().to_owned());
        match (&*resource.group, &*resource.kind) {
            ("", "Namespace") if !removed => self.work.push_back(Work::Namespace(name)),
            ("apps", "StatefulSet") if removed => self.work.push_back(Work::Orphans(namespace.clone(), name)),
            ("apps", "StatefulSet") => self.work.push_back(Work::StatefulSet(namespace.clone(), name)),
            ("", "Pod") => {
                let owners = stored.value["metadata"]["ownerReferences"].as_array().into_iter().flatten();
                let sets = owners.filter(|owner| owner["kind"] == "StatefulSet");
                for owner in sets {
                    let work = Work::StatefulSet(namespace.clone(), text(owner, "name").to_owned());
                    self.work.push_back(work);
                }
            }
            _ => {}
        }
        if removed && !namespace.is_empty() {
            self.work.push_back(Work::Namespace(namespace));
        }
    }

    /// Does what there is to do. Nothing waits: there is no time in it.
    pub(crate) fn run_controllers(&mut self) {
        for _ in 0..MOST_STEPS {
            let Some(work) = self.work.pop_front() else { return };
            match work {
                Work::Namespace(name) => self.end_namespace(&name),
                Work::StatefulSet(namespace, name) => self.fill_stateful_set(&namespace, &name),
                Work::Orphans(namespace, name) => {
                    let pods = self.pods_of(&namespace, &name);
                    for pod in &pods {
                        self.discard("", "pods", pod);
                    }
                }
                Work::Instances(key) => self.discard_all(&key),
            }
        }
        tracing::warn!("the controllers do not come to rest");
        self.work = VecDeque::new();
    }

    fn discard(&mut self, group: &str, plural: &str, stored: &Arc<Stored>) {
        if let Some(resource) = self.built_in(group, plural) {
            self.begin_deletion(&resource, stored, Some(0), false);
        }
    }

    /// Instances of a kind that is not served any more.
    fn discard_all(&mut self, key: &Key) {
        let gone: Vec<(String, String)> = self
            .store
            .collection(key)
            .into_iter()
            .flat_map(crate::store::Collection::iter)
            .map(|(_, stored)| (stored.namespace().to_owned(), stored.name().to_owned()))
            .collect();
        for (namespace, name) in gone {
            self.store.remove(key, &namespace, &name);
        }
    }

    /// Removes the content of a namespace that ends, and then the namespace.
    fn end_namespace(&mut self, name: &str) {
        let Some(namespace) = self.namespace(name).cloned() else { return };
        if !namespace.value["metadata"]["deletionTimestamp"].is_string() {
            return;
        }
        let resources: Vec<Arc<Resource>> =
            self.registry.all().filter(|resource| resource.namespaced).cloned().collect();
        let mut left = 0;
        for resource in resources {
            let key = resource.key();
            let inside = |cluster: &Self| -> Vec<Arc<Stored>> {
                let collection = cluster.store.collection(&key);
                collection.into_iter().flat_map(|c| c.range(name, None)).map(|(_, s)| s.clone()).collect()
            };
            for stored in inside(self) {
                if stored.value["metadata"]["deletionTimestamp"].is_null() {
                    self.begin_deletion(&resource, &stored, Some(0), false);
                }
            }
            left += inside(self).len();
        }
        if left > 0 {
            return;
        }
        let Some(resource) = self.built_in("", "namespaces") else { return };
        let mut new = namespace.value.clone();
        if let Some(spec) = new["spec"].as_object_mut() {
            spec.remove("finalizers");
        }
        // What only the controller changes is not refused.
        let _ = self.store_update(&resource, &namespace, new, false);
    }

    fn pods_of(&self, namespace: &str, set: &str) -> Vec<Arc<Stored>> {
        let owned = |pod: &Arc<Stored>| {
            let owners = pod.value["metadata"]["ownerReferences"].as_array();
            owners.into_iter().flatten().any(|o| o["kind"] == "StatefulSet" && o["name"] == set)
        };
        let pods = self.store.collection(&("".into(), "pods".into()));
        let pods = pods.into_iter().flat_map(|pods| pods.range(namespace, None));
        pods.map(|(_, pod)| pod.clone()).filter(owned).collect()
    }

    /// Pods 0 to n−1 in order; those beyond go from the last, and so do those of an
    /// earlier template, one after the other.
    fn fill_stateful_set(&mut self, namespace: &str, name: &str) {
        let Some(sets) = self.built_in("apps", "statefulsets") else { return };
        let Some(set) = self.store.get(&sets.key(), namespace, name).cloned() else { return };
        if set.value["metadata"]["deletionTimestamp"].is_string() {
            return;
        }
        let replicas = set.value["spec"]["replicas"].as_u64().unwrap_or(1);
        let revision = format!("{name}-{}", fingerprint(&set.value["spec"]["template"]));
        let mut pods = self.pods_of(namespace, name);
        pods.sort_by_key(|pod| std::cmp::Reverse(ordinal(pod)));
        for pod in &pods {
            let beyond = ordinal(pod).is_none_or(|ordinal| ordinal >= replicas);
            let other = pod.value["metadata"]["labels"]["controller-revision-hash"] != revision.as_str();
            let ending = pod.value["metadata"]["deletionTimestamp"].is_string();
            if (beyond || other) && !ending {
                // Its end is the reason for the next step.
                self.discard("", "pods", pod);
                return;
            }
        }
        let Some(resource) = self.built_in("", "pods") else { return };
        let missing = (0..replicas).find(|at| !pods.iter().any(|pod| ordinal(pod) == Some(*at)));
        if let Some(at) = missing {
            let pod = new_pod(&set.value, at, &revision);
            if let Ok(pod) = self.insert(&resource, pod, false) {
                self.start_pod(&resource, &pod);
            }
            return;
        }
        self.report(&sets, &set, pods.len(), &revision);
    }

    /// The Pod runs, with an address of its own.
    fn start_pod(&mut self, resource: &Resource, pod: &Arc<Stored>) {
        let mut value = pod.value.clone();
        let number = pod.revision;
        let address = format!("10.244.{}.{}", (number / 250) % 250, number % 250 + 1);
        let now = self.clock.printed();
        value["spec"]["nodeName"] = "sim-node".into();
        let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now});
        let conditions = ["Initialized", "PodScheduled", "ContainersReady", "Ready"].map(condition).to_vec();
        let containers: Vec<Value> = value["spec"]["containers"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|container| {
                json!({
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "",
                    "ready": true,
                    "started": true,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": now}},
                })
            })
            .collect();
        value["status"] = json!({
            "phase": "Running",
            "qosClass": "BestEffort",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": now,
            "conditions": conditions,
            "containerStatuses": containers,
        });
        let _ = self.store_update(resource, pod, value, false);
    }

    fn report(&mut self, resource: &Resource, set: &Arc<Stored>, count: usize, revision: &str) {
        let mut new = set.value.clone();
        new["status"] = json!({
            "observedGeneration": set.value["metadata"]["generation"],
            "replicas": count,
            "readyReplicas": count,
            "availableReplicas": count,
            "currentReplicas": count,
            "updatedReplicas": count,
            "currentRevision": revision,
            "updateRevision": revision,
            "collisionCount": 0,
        });
        let _ = self.store_update(resource, set, new, false);
    }
}

fn ordinal(pod: &Arc<Stored>) -> Option<u64> {
    pod.name().rsplit('-').next().and_then(|number| number.parse().ok())
}

fn fingerprint(template: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    template.to_string().hash(&mut hasher);
    format!("{:010x}", hasher.finish() >> 24)
}

fn new_pod(set: &Value, at: u64, revision: &str) -> Value {
    let template = &set["spec"]["template"];
    let name = format!("{}-{at}", text(&set["metadata"], "name"));
    let mut metadata = template["metadata"].clone();
    if !metadata["labels"].is_object() {
        metadata["labels"] = json!({});
    }
    metadata["labels"]["controller-revision-hash"] = revision.into();
    metadata["labels"]["statefulset.kubernetes.io/pod-name"] = name.as_str().into();
    metadata["labels"]["apps.kubernetes.io/pod-index"] = at.to_string().into();
    metadata["generateName"] = format!("{}-", text(&set["metadata"], "name")).into();
    metadata["name"] = name.as_str().into();
    metadata["namespace"] = set["metadata"]["namespace"].clone();
    metadata["ownerReferences"] = json!([{
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "name": set["metadata"]["name"],
        "uid": set["metadata"]["uid"],
        "controller": true,
        "blockOwnerDeletion": true,
    }]);
    let mut spec = template["spec"].clone();
    spec["hostname"] = name.as_str().into();
    spec["subdomain"] = set["spec"]["serviceName"].clone();
    json!({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec})
}
