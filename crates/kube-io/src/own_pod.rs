//! The pod that we run in.

use std::collections::BTreeSet;

use k8s_openapi::Resource as _;
use k8s_openapi::api::apps::v1::{ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Namespace, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Api, Client, Resource};

use crate::error::{code_of, describe};

/// Our pod.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnPod {
    /// What Events about the operator refer to.
    pub reference: ObjectReference,
    /// What controls the pod.
    pub controller: Option<OwnerReference>,
    /// The images of its containers.
    pub images: BTreeSet<String>,
}

impl OwnPod {
    /// What is known of a pod that is not there.
    pub(crate) fn none(namespace: &str, name: &str) -> Self {
        Self { reference: unread_pod(namespace, name), controller: None, images: BTreeSet::new() }
    }
}

/// Reads our pod; its names come from `POD_NAMESPACE` and `POD_NAME`.
pub async fn own_pod(client: &Client, namespace: &str, name: &str) -> kube::Result<OwnPod> {
    let pod = Api::<Pod>::namespaced(client.clone(), namespace).get(name).await?;
    let owners = pod.metadata.owner_references.iter().flatten();
    let controller = owners.into_iter().find(|owner| owner.controller == Some(true)).cloned();
    Ok(OwnPod { reference: pod.object_ref(&()), controller, images: images(&pod) })
}

/// The uid of namespace `kube-system`, which tells a cluster from all others; `None` if it may
/// not be read, or is not there.
///
/// # Errors
/// Why the API server does not answer.
pub async fn cluster_uid(client: &Client) -> Result<Option<String>, String> {
    match Api::<Namespace>::all(client.clone()).get("kube-system").await {
        Ok(namespace) => Ok(namespace.metadata.uid),
        Err(error) if matches!(code_of(&error), Some(403 | 404)) => Ok(None),
        Err(error) => Err(describe(&error)),
    }
}

/// The images of a pod's containers.
pub(crate) fn images(pod: &Pod) -> BTreeSet<String> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers.filter_map(|container| container.image.clone()).collect()
}

/// What Events about the operator refer to if its pod may not be read: it is
/// there, as the operator runs in it.
pub fn unread_pod(namespace: &str, name: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(Pod::API_VERSION.to_owned()),
        kind: Some(Pod::KIND.to_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        ..ObjectReference::default()
    }
}

/// How many replicas of us there are to be; `None` if nothing that we know
/// controls the pod.
pub async fn replicas(client: &Client, pod: &OwnPod) -> kube::Result<Option<u32>> {
    let Some(owner) = &pod.controller else { return Ok(None) };
    let namespace = pod.reference.namespace.as_deref().unwrap_or_default();
    let wanted = match owner.kind.as_str() {
        "StatefulSet" => {
            let set = Api::<StatefulSet>::namespaced(client.clone(), namespace).get(&owner.name).await?;
            set.spec.and_then(|spec| spec.replicas)
        }
        "ReplicaSet" => {
            let set = Api::<ReplicaSet>::namespaced(client.clone(), namespace).get(&owner.name).await?;
            set.spec.and_then(|spec| spec.replicas)
        }
        _ => return Ok(None),
    };
    // The API's default is one.
    Ok(Some(u32::try_from(wanted.unwrap_or(1)).unwrap_or(0)))
}
