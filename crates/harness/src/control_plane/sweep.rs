//! Takes out of a cluster what tests put into it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::discovery::{ApiResource, Discovery, verbs};
use kube::{Client, Error, ResourceExt as _};
use serde_json::json;

use crate::eventually;

const SWEPT_WITHIN: Duration = Duration::from_mins(1);
/// Requests under way at once.
const SIDE_BY_SIDE: usize = 8;
const NAMESPACES: &str = "namespaces";
/// The label that the API server gives every namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The uids of what an API server made for itself.
#[derive(Debug)]
pub(super) struct Baseline(BTreeSet<String>);

/// An object, as far as it takes to delete it.
struct Found {
    resource: ApiResource,
    object: PartialObjectMeta<DynamicObject>,
}

impl Baseline {
    /// What there is now.
    pub(super) async fn of(client: &Client) -> anyhow::Result<Self> {
        Ok(Self(all(client).await?.iter().map(Found::uid).collect()))
    }

    /// Deletes everything that came later, finalizers or not, and waits until it
    /// is gone. Namespaces that were there lose their labels and annotations;
    /// other changes to what was there stay.
    pub(super) async fn restore(&self, client: &Client) -> anyhow::Result<()> {
        eventually(SWEPT_WITHIN, async || {
            let found = all(client).await.map_err(|error| format!("{error:#}"))?;
            let (kept, new): (Vec<_>, Vec<_>) = found.into_iter().partition(|f| self.0.contains(&f.uid()));
            // In a namespace that is on its way out nothing could be patched.
            let (namespaces, others): (Vec<_>, Vec<_>) = new.into_iter().partition(Found::is_namespace);
            let gone = if others.is_empty() { &namespaces } else { &others };
            let decorated: Vec<_> = kept.iter().filter(|found| found.is_decorated_namespace()).collect();
            if gone.is_empty() && decorated.is_empty() {
                return Ok(());
            }
            let all_of = |found: &Found| Api::all_with(client.clone(), &found.resource);
            for namespace in decorated {
                clear_decoration(&all_of(namespace), namespace).await.map_err(|error| error.to_string())?;
            }
            let deletions = stream::iter(gone).map(|found| found.delete(client));
            let deleted = deletions.buffer_unordered(SIDE_BY_SIDE).try_collect::<Vec<()>>().await;
            deleted.map_err(|error| format!("{error:#}"))?;
            Err(gone.iter().map(Found::name).collect::<Vec<_>>().join(", "))
        })
        .await
        .context("what a test put into the shared control plane is still there")
    }
}

/// Everything that can be listed and deleted.
async fn all(client: &Client) -> anyhow::Result<Vec<Found>> {
    let discovery =
        Discovery::new(client.clone()).run_aggregated().await.context("what the cluster serves")?;
    let resources = discovery.groups().flat_map(kube::discovery::ApiGroup::resources_by_stability);
    let deletable = resources.filter(|(_, capabilities)| {
        capabilities.supports_operation(verbs::LIST) && capabilities.supports_operation(verbs::DELETE)
    });
    let lists = deletable.map(|(resource, _)| list(client, resource));
    let lists: Vec<Vec<Found>> = stream::iter(lists).buffer_unordered(SIDE_BY_SIDE).try_collect().await?;
    Ok(lists.into_iter().flatten().collect())
}

async fn list(client: &Client, resource: ApiResource) -> anyhow::Result<Vec<Found>> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    match api.list_metadata(&ListParams::default()).await {
        Ok(list) => {
            Ok(list.items.into_iter().map(|object| Found { resource: resource.clone(), object }).collect())
        }
        // Its definition has just been deleted.
        Err(Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("listing {}", resource.plural)),
    }
}

impl Found {
    fn uid(&self) -> String {
        self.object.uid().unwrap_or_default()
    }

    fn name(&self) -> String {
        let namespace = self.object.namespace().map(|namespace| namespace + "/").unwrap_or_default();
        format!("{} {namespace}{}", self.resource.kind, self.object.name_any())
    }

    fn is_namespace(&self) -> bool {
        self.resource.group.is_empty() && self.resource.plural == NAMESPACES
    }

    fn is_decorated_namespace(&self) -> bool {
        let labelled = || self.object.labels().keys().any(|key| key != NAME_LABEL);
        self.is_namespace() && (labelled() || !self.object.annotations().is_empty())
    }

    async fn delete(&self, client: &Client) -> anyhow::Result<()> {
        let api: Api<DynamicObject> = match self.object.namespace() {
            Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &self.resource),
            None => Api::all_with(client.clone(), &self.resource),
        };
        let name = self.object.name_any();
        let params = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::background() };
        done(api.delete(&name, &params).await).with_context(|| format!("deleting {}", self.name()))?;
        if self.is_namespace() {
            return finalize(client, &name).await;
        }
        // The API server itself attends to the finalizers of definitions.
        if self.object.finalizers().is_empty() || self.resource.kind == "CustomResourceDefinition" {
            return Ok(());
        }
        let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        done(api.patch(&name, &PatchParams::default(), &patch).await)
            .with_context(|| format!("removing the finalizers of {}", self.name()))
    }
}

/// Ends a namespace in which nothing is left, as the controller manager would.
async fn finalize(client: &Client, name: &str) -> anyhow::Result<()> {
    let body = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {"finalizers": []},
    });
    let request = http::Request::put(format!("/api/v1/namespaces/{name}/finalize"));
    let request = request.header(http::header::CONTENT_TYPE, "application/json");
    let request = request.body(body.to_string().into_bytes())?;
    done(client.request::<serde_json::Value>(request).await)
        .with_context(|| format!("ending namespace {name}"))
}

async fn clear_decoration(api: &Api<DynamicObject>, namespace: &Found) -> kube::Result<()> {
    let patch = Patch::Merge(json!({"metadata": {"labels": null, "annotations": null}}));
    api.patch(&namespace.object.name_any(), &PatchParams::default(), &patch).await.map(drop)
}

/// Gone already is as good; a conflict is tried again in the next round.
fn done<T>(outcome: kube::Result<T>) -> kube::Result<()> {
    match outcome {
        Err(Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        other => other.map(drop),
    }
}
