//! The Kubernetes objects that scenarios start from: applications, each of an
//! Ingress with one host and one path, a Service, and two endpoints.

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::{Method, Request};
use kube::Client;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

/// How many requests are under way at a time.
const CONCURRENCY: usize = 48;
/// How many Ingresses a page of a list has.
const PAGE: usize = 500;
/// The applications are spread over so many namespaces…
const NAMESPACES: usize = 20;
/// …of each tenant, which has so many of them: eight shared virtual services take 8,000
/// hosts.
const OF_A_TENANT: usize = 5000;
/// The tenants of the environment.
const TENANTS: [&str; 2] = ["admin", "blue-tenant"];

/// One application.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Application(pub(crate) usize);

impl Application {
    pub(crate) fn name(self) -> String {
        format!("app-{:05}", self.0)
    }

    pub(crate) fn namespace(self) -> String {
        match self.tenant() {
            0 => format!("bench-{:02}", self.0 % NAMESPACES),
            tenant => format!("bench-{tenant}-{:02}", self.0 % NAMESPACES),
        }
    }

    fn tenant(self) -> usize {
        self.0 / OF_A_TENANT % TENANTS.len()
    }

    pub(crate) fn service(self) -> Value {
        let name = self.name();
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": self.namespace()},
            "spec": {"type": "ClusterIP", "selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
        })
    }

    pub(crate) fn slice(self) -> Value {
        let name = self.name();
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {
                "name": name, "namespace": self.namespace(), "labels": {"kubernetes.io/service-name": name},
            },
            "endpoints": self.endpoints(0),
            "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        })
    }

    /// Its endpoints after so many changes.
    pub(crate) fn endpoints(self, changes: usize) -> Value {
        let (high, low) = ((self.0 / 250) % 100, self.0 % 250 + 1);
        let first = format!("10.100.{high}.{low}");
        let second = format!("10.{}.{}.{low}", 101 + changes / 250, changes % 250);
        json!([
            {"addresses": [first], "conditions": {"ready": true}},
            {"addresses": [second], "conditions": {"ready": true}},
        ])
    }

    fn host(self) -> String {
        format!("{}.avi.internal", self.name())
    }

    /// A HostRule for its host.
    pub(crate) fn rule(self) -> Value {
        json!({
            "apiVersion": "ako.vmware.com/v1beta1", "kind": "HostRule",
            "metadata": {"name": self.name(), "namespace": self.namespace()},
            "spec": {"virtualhost": {"fqdn": self.host(), "analyticsPolicy": {"logAllHeaders": false}}},
        })
    }

    pub(crate) fn ingress(self) -> Value {
        let name = self.name();
        let backend = json!({"service": {"name": name, "port": {"number": 80}}});
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": name, "namespace": self.namespace()},
            "spec": {
                "ingressClassName": "avi-lb",
                "rules": [{
                    "host": self.host(),
                    "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
                }],
            },
        })
    }
}

/// What all applications share.
pub(crate) fn frame() -> Vec<Value> {
    let first = |tenant| (0..NAMESPACES).map(move |i| Application(tenant * OF_A_TENANT + i));
    let mut objects: Vec<_> = (0..TENANTS.len())
        .flat_map(first)
        .map(|application| {
            let annotations = json!({"ako.vmware.com/tenant-name": TENANTS[application.tenant()]});
            json!({"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": application.namespace(), "annotations": annotations}})
        })
        .collect();
    objects.push(json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "avi-lb"},
        "spec": {"controller": "ako.vmware.com/avi-lb"},
    }));
    objects
}

/// Creates objects, many at a time.
pub(crate) async fn create(client: &Client, objects: impl IntoIterator<Item = Value>) -> anyhow::Result<()> {
    let created = stream::iter(objects).map(|object| async move { send(client, &object).await });
    created.buffer_unordered(CONCURRENCY).try_collect().await
}

/// Creates an object.
pub(crate) async fn send(client: &Client, object: &Value) -> anyhow::Result<()> {
    let path = collection(object)?;
    let request = Request::post(&path).body(serde_json::to_vec(object)?)?;
    let answer = client.request::<IgnoredAny>(json_body(request)).await;
    answer.map(drop).with_context(|| format!("creating in {path}"))
}

/// Deletes objects, many at a time.
pub(crate) async fn delete(client: &Client, paths: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    stream::iter(paths)
        .map(|path| async move {
            let request = Request::delete(&path).body(Vec::new())?;
            let answer = client.request::<IgnoredAny>(request).await;
            answer.map(drop).with_context(|| format!("deleting {path}"))
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await
}

/// Replaces the endpoints of an application.
pub(crate) async fn change_endpoints(
    client: &Client,
    application: Application,
    changes: usize,
) -> anyhow::Result<()> {
    let path = format!("{}/{}", collection(&application.slice())?, application.name());
    merge(client, &path, &json!({"endpoints": application.endpoints(changes)})).await
}

/// Changes the HostRule of an application; each number is another change.
pub(crate) async fn change_rule(
    client: &Client,
    application: Application,
    number: usize,
) -> anyhow::Result<()> {
    let path = format!("{}/{}", collection(&application.rule())?, application.name());
    let policy = json!({"fullClientLogs": {"enabled": true, "throttle": "HIGH", "duration": number}});
    merge(client, &path, &json!({"spec": {"virtualhost": {"analyticsPolicy": policy}}})).await
}

/// Takes everything off the Ingresses that an operator published.
pub(crate) async fn clear_statuses(client: &Client) -> anyhow::Result<()> {
    let published: Vec<String> = ingresses(client)
        .await?
        .iter()
        .filter(|ingress| has_address(ingress) || has_annotation(ingress))
        .map(path_of)
        .collect::<anyhow::Result<_>>()?;
    let annotations = json!({"metadata": {"annotations": null}});
    let status = json!({"status": {"loadBalancer": null}});
    let (annotations, status) = (&annotations, &status);
    stream::iter(published)
        .map(|path| async move {
            merge(client, &path, annotations).await?;
            merge(client, &format!("{path}/status"), status).await
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await
}

/// How many Ingresses have both an address and our annotation.
pub(crate) async fn published(client: &Client) -> anyhow::Result<usize> {
    let all = ingresses(client).await?;
    Ok(all.iter().filter(|ingress| has_address(ingress) && has_annotation(ingress)).count())
}

fn has_address(ingress: &Value) -> bool {
    ingress.pointer("/status/loadBalancer/ingress/0/ip").is_some()
}

fn has_annotation(ingress: &Value) -> bool {
    ingress.pointer("/metadata/annotations/ako.vmware.com~1host-fqdn-vs-uuid-map").is_some()
}

async fn ingresses(client: &Client) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut next = String::new();
    loop {
        let path = format!("/apis/networking.k8s.io/v1/ingresses?limit={PAGE}&continue={next}");
        let mut page: Value = client.request(Request::get(&path).body(Vec::new())?).await?;
        if let Value::Array(items) = page["items"].take() {
            found.extend(items);
        }
        match page.pointer("/metadata/continue").and_then(Value::as_str) {
            Some(token) if !token.is_empty() => token.clone_into(&mut next),
            _ => return Ok(found),
        }
    }
}

fn path_of(ingress: &Value) -> anyhow::Result<String> {
    let text = |name: &str| ingress["metadata"][name].as_str().with_context(|| format!("no {name}"));
    Ok(format!("/apis/networking.k8s.io/v1/namespaces/{}/ingresses/{}", text("namespace")?, text("name")?))
}

/// Changes an object.
pub(crate) async fn merge(client: &Client, path: &str, changes: &Value) -> anyhow::Result<()> {
    let mut request = Request::patch(path).body(serde_json::to_vec(changes)?)?;
    let json = http::HeaderValue::from_static("application/merge-patch+json");
    request.headers_mut().insert(http::header::CONTENT_TYPE, json);
    client.request::<IgnoredAny>(request).await.map(drop).with_context(|| format!("patching {path}"))
}

fn json_body(mut request: Request<Vec<u8>>) -> Request<Vec<u8>> {
    debug_assert_eq!(request.method(), Method::POST);
    let json = http::HeaderValue::from_static("application/json");
    request.headers_mut().insert(http::header::CONTENT_TYPE, json);
    request
}

/// Where objects of this kind are created.
fn collection(object: &Value) -> anyhow::Result<String> {
    let kind = object["kind"].as_str().context("an object without kind")?;
    let (root, plural) = match kind {
        "Namespace" => return Ok("/api/v1/namespaces".to_owned()),
        "Node" => return Ok("/api/v1/nodes".to_owned()),
        "Service" => ("/api/v1", "services"),
        "EndpointSlice" => ("/apis/discovery.k8s.io/v1", "endpointslices"),
        "Ingress" => ("/apis/networking.k8s.io/v1", "ingresses"),
        "HostRule" => ("/apis/ako.vmware.com/v1beta1", "hostrules"),
        "HealthMonitor" => ("/apis/ako.vmware.com/v1alpha1", "healthmonitors"),
        "ApplicationProfile" => ("/apis/ako.vmware.com/v1alpha1", "applicationprofiles"),
        "PKIProfile" => ("/apis/ako.vmware.com/v1alpha1", "pkiprofiles"),
        "RouteBackendExtension" => ("/apis/ako.vmware.com/v1alpha1", "routebackendextensions"),
        other => anyhow::bail!("nothing creates a {other} here"),
    };
    let namespace = object["metadata"]["namespace"].as_str().context("an object without namespace")?;
    Ok(format!("{root}/namespaces/{namespace}/{plural}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_one() {
        let all: std::collections::BTreeSet<_> =
            (0..1_000).map(|change| Application(7).endpoints(change).to_string()).collect();
        assert_eq!(all.len(), 1_000);
    }
}
