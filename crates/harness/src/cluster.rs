//! Arbitrary objects put into a cluster and taken out of it.

use std::time::Duration;

use anyhow::Context as _;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiResource, Scope, pinned_kind};
use kube::{Client, Error};
use serde_json::{Value, json};

use crate::eventually;

/// The field manager of everything that tests apply.
pub const FIELD_MANAGER: &str = "ako-harness";

const SOON: Duration = Duration::from_secs(20);

/// Applies an object, server-side and forced.
///
/// `"$delete": true` deletes it, whether it exists or not. A `status` is applied
/// to the status subresource. The namespace is created if it is missing. After a
/// CustomResourceDefinition its kinds are served when this returns.
pub async fn apply(client: &Client, object: &Value) -> anyhow::Result<()> {
    let target = Target::of(client, object).await?;
    if object.get("$delete").and_then(Value::as_bool) == Some(true) {
        return target.delete().await;
    }
    if let Some(namespace) = &target.namespace {
        ensure_namespace(client, namespace).await?;
    }
    let mut body = object.clone();
    let status = body.as_object_mut().and_then(|fields| fields.remove("status"));
    let params = PatchParams::apply(FIELD_MANAGER).force();
    target
        .api
        .patch(&target.name, &params, &Patch::Apply(&body))
        .await
        .with_context(|| format!("applying {target}"))?;
    if let Some(status) = status.filter(|status| status.as_object().is_none_or(|fields| !fields.is_empty())) {
        let body = json!({
            "apiVersion": object["apiVersion"],
            "kind": object["kind"],
            "metadata": {"name": target.name},
            "status": status,
        });
        target
            .api
            .patch_status(&target.name, &params, &Patch::Apply(&body))
            .await
            .with_context(|| format!("applying the status of {target}"))?;
    }
    if object["kind"] == "CustomResourceDefinition" {
        wait_until_served(client, object).await?;
    }
    Ok(())
}

/// The definition of OpenShift's Routes, for an API server that is not one of OpenShift. It takes
/// whatever fields a Route has.
pub fn definition_of_routes() -> Value {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "routes.route.openshift.io"},
        "spec": {
            "group": "route.openshift.io", "scope": "Namespaced",
            "names": {"kind": "Route", "listKind": "RouteList", "plural": "routes", "singular": "route"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": schema},
            }],
        },
    })
}

/// Applies objects in their order.
pub async fn apply_all(client: &Client, objects: &[Value]) -> anyhow::Result<()> {
    for object in objects {
        apply(client, object).await?;
    }
    Ok(())
}

/// The object as the cluster holds it, or none. Only identity is read of `object`.
pub async fn get(client: &Client, object: &Value) -> anyhow::Result<Option<Value>> {
    let target = Target::of(client, object).await?;
    let found = target.api.get_opt(&target.name).await.with_context(|| format!("reading {target}"))?;
    found.map(serde_json::to_value).transpose().context("an object is JSON")
}

/// Undoes [`apply_all`] so that a shared cluster can be used for another case:
/// deletes in reverse order and waits until everything is gone. Namespaces stay,
/// without labels and annotations: nothing would end them here.
pub async fn remove_all(client: &Client, objects: &[Value]) -> anyhow::Result<()> {
    let (namespaces, others): (Vec<&Value>, Vec<&Value>) =
        objects.iter().partition(|object| object["kind"] == "Namespace");
    for object in others.iter().rev() {
        Target::of(client, object).await?.delete().await?;
    }
    for object in others.iter().rev() {
        let target = Target::of(client, object).await?;
        eventually(SOON, async || match target.api.get_opt(&target.name).await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(format!("{target} still exists")),
            Err(error) => Err(error.to_string()),
        })
        .await?;
    }
    for object in namespaces {
        let bare = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": object["metadata"]["name"]},
        });
        apply(client, &bare).await?;
    }
    Ok(())
}

/// Creates a namespace unless it exists.
pub async fn ensure_namespace(client: &Client, name: &str) -> anyhow::Result<()> {
    use k8s_openapi::api::core::v1::Namespace;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    if namespaces.get_opt(name).await.with_context(|| format!("reading namespace {name}"))?.is_some() {
        return Ok(());
    }
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.to_owned());
    match namespaces.create(&kube::api::PostParams::default(), &namespace).await {
        Ok(_) => Ok(()),
        Err(Error::Api(status)) if status.code == 409 => Ok(()),
        Err(error) => Err(error).with_context(|| format!("creating namespace {name}")),
    }
}

/// One object's place in the API.
struct Target {
    api: Api<DynamicObject>,
    resource: ApiResource,
    namespace: Option<String>,
    name: String,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.resource.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

impl Target {
    async fn of(client: &Client, object: &Value) -> anyhow::Result<Self> {
        let text = |value: &Value, what: &str| {
            value.as_str().map(str::to_owned).with_context(|| format!("an object without {what}: {object}"))
        };
        let metadata = &object["metadata"];
        let name = text(&metadata["name"], "name")?;
        let kind = kind_of(&text(&object["apiVersion"], "apiVersion")?, &text(&object["kind"], "kind")?);
        let (resource, capabilities) = pinned_kind(client, &kind)
            .await
            .with_context(|| format!("the cluster does not serve {} {}", kind.api_version(), kind.kind))?;
        let namespaced = capabilities.scope == Scope::Namespaced;
        let namespace = namespaced.then(|| metadata["namespace"].as_str().unwrap_or("default").to_owned());
        let api = match &namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        Ok(Self { api, resource, namespace, name })
    }

    async fn delete(&self) -> anyhow::Result<()> {
        // At once: there is no kubelet that would confirm the end of a Pod.
        let params = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        match self.api.delete(&self.name, &params).await {
            Ok(_) => Ok(()),
            Err(Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error).with_context(|| format!("deleting {self}")),
        }
    }
}

fn kind_of(api_version: &str, kind: &str) -> GroupVersionKind {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    GroupVersionKind::gvk(group, version, kind)
}

async fn wait_until_served(client: &Client, definition: &Value) -> anyhow::Result<()> {
    let spec = &definition["spec"];
    let group = spec["group"].as_str().context("a CustomResourceDefinition without group")?;
    let kind = spec["names"]["kind"].as_str().context("a CustomResourceDefinition without kind")?;
    let versions = spec["versions"].as_array().into_iter().flatten();
    for version in versions.filter(|version| version["served"] == true) {
        let version = version["name"].as_str().context("a version without name")?;
        let served = GroupVersionKind::gvk(group, version, kind);
        // Served means: listed by discovery, and answering a list request.
        eventually(SOON, async || {
            let (resource, _) = pinned_kind(client, &served).await?;
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            api.list(&kube::api::ListParams::default().limit(1)).await.map(|_| ())
        })
        .await
        .with_context(|| format!("{kind} of {group}/{version} is not served"))?;
    }
    Ok(())
}
