//! Whether we are allowed to do what we will do.

use std::collections::BTreeSet;
use std::fmt;

use ako_core::ResourceKind;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

/// How many questions are asked at a time.
const CONCURRENT_REVIEWS: usize = 8;

/// A rule that the service account's roles lack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingRule {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The resource, with its subresource after a slash.
    pub resource: &'static str,
    /// The verb.
    pub verb: &'static str,
    /// The namespace; `None` for all of them, which takes a ClusterRole.
    pub namespace: Option<String>,
}

impl fmt::Display for MissingRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = if self.group.is_empty() { "core" } else { self.group };
        write!(f, "{} {} (group {group})", self.verb, self.resource)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => f.write_str(" in the cluster"),
        }
    }
}

/// Group, resource, verbs, and whether our own namespace is enough.
type Need = (&'static str, &'static str, &'static [&'static str], bool);

/// Everything that this crate and the Lease driver ask of the API server.
const NEEDS: [Need; 17] = [
    ("", "namespaces", &["list", "watch"], false),
    ("", "nodes", &["list", "watch"], false),
    ("", "secrets", &["list", "watch"], false),
    ("", "services", &["get", "list", "watch", "patch"], false),
    ("", "services/status", &["patch"], false),
    ("discovery.k8s.io", "endpointslices", &["list", "watch"], false),
    ("networking.k8s.io", "ingressclasses", &["list", "watch"], false),
    ("networking.k8s.io", "ingresses", &["get", "list", "watch", "patch"], false),
    ("networking.k8s.io", "ingresses/status", &["patch"], false),
    ("", "configmaps", &["list", "watch"], false),
    ("apps", "statefulsets", &["list", "watch"], false),
    ("", "events", &["create"], false),
    ("", "configmaps", &["get", "list", "watch", "create", "update"], true),
    ("", "secrets", &["list", "watch"], true),
    ("", "pods", &["get", "list", "watch", "patch"], true),
    ("apps", "statefulsets", &["get", "patch"], true),
    ("coordination.k8s.io", "leases", &["get", "create", "update", "delete"], true),
];

/// What reading a kind takes that not every instance reads.
fn need(kind: ResourceKind) -> Option<Need> {
    let (group, resource) = match kind {
        ResourceKind::Pod => ("", "pods"),
        ResourceKind::BlockAffinity => ("crd.projectcalico.org", "blockaffinities"),
        ResourceKind::HostSubnet => ("network.openshift.io", "hostsubnets"),
        ResourceKind::CiliumNode => ("cilium.io", "ciliumnodes"),
        _ => return None,
    };
    Some((group, resource, &["list", "watch"], false))
}

/// Asks the API server about every rule that we need, and answers those that
/// are missing. `namespace` is our own, `kinds` what is read.
pub async fn missing_permissions(
    client: &Client,
    namespace: &str,
    kinds: &BTreeSet<ResourceKind>,
) -> kube::Result<Vec<MissingRule>> {
    let needs = NEEDS.into_iter().chain(kinds.iter().copied().filter_map(need));
    let rules = needs.flat_map(|(group, resource, verbs, own)| {
        let namespace = own.then(|| namespace.to_owned());
        verbs.iter().map(move |&verb| MissingRule { group, resource, verb, namespace: namespace.clone() })
    });
    let answers = stream::iter(rules).map(|rule| async {
        let allowed = is_allowed(client, &rule).await?;
        Ok::<_, kube::Error>((!allowed).then_some(rule))
    });
    let missing: Vec<_> = answers.buffered(CONCURRENT_REVIEWS).try_collect().await?;
    Ok(missing.into_iter().flatten().collect())
}

async fn is_allowed(client: &Client, rule: &MissingRule) -> kube::Result<bool> {
    let (resource, subresource) = match rule.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource)),
        None => (rule.resource, None),
    };
    let attributes = ResourceAttributes {
        group: Some(rule.group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource: subresource.map(str::to_owned),
        verb: Some(rule.verb.to_owned()),
        namespace: rule.namespace.clone(),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let review = Api::all(client.clone()).create(&PostParams::default(), &review).await?;
    Ok(review.status.is_some_and(|status| status.allowed))
}
