//! The resources that are served.
//! Source: Kubernetes API reference; discovery of kube-apiserver 1.36.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::schema::KindSchema;

/// Group and plural name: what a collection is kept under, in all its versions.
pub(crate) type Key = (Arc<str>, Arc<str>);

/// A resource in one version.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) group: Arc<str>,
    pub(crate) version: Arc<str>,
    pub(crate) plural: Arc<str>,
    pub(crate) singular: Arc<str>,
    pub(crate) kind: Arc<str>,
    pub(crate) list_kind: Arc<str>,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    pub(crate) status: bool,
    pub(crate) scale: Option<Scale>,
    pub(crate) schema: KindSchema,
    /// What only custom resources have.
    pub(crate) custom: Option<Custom>,
}

/// Where a kind keeps what its scale subresource shows.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    pub(crate) spec_replicas: String,
    pub(crate) status_replicas: String,
    pub(crate) selector: Option<String>,
}

/// What a CustomResourceDefinition says of a version.
#[derive(Clone, Debug)]
pub(crate) struct Custom {
    /// The raw `openAPIV3Schema`.
    pub(crate) schema: Value,
    pub(crate) columns: Vec<Value>,
}

impl Resource {
    pub(crate) fn key(&self) -> Key {
        (self.group.clone(), self.plural.clone())
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `ingresses.networking.k8s.io`, or `services`.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_string()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    pub(crate) fn is(&self, group: &str, kind: &str) -> bool {
        &*self.group == group && &*self.kind == kind
    }

    /// Whether a change of its spec counts in `metadata.generation`.
    pub(crate) fn has_generation(&self) -> bool {
        match &*self.group {
            "" => &*self.kind == "Pod",
            "rbac.authorization.k8s.io" | "coordination.k8s.io" => false,
            _ => true,
        }
    }

    /// Whether an update of something that is not there creates it.
    /// Source: `AllowCreateOnUpdate` of the kinds' strategies in kube-apiserver.
    pub(crate) fn creates_on_update(&self) -> bool {
        matches!(&*self.group, "coordination.k8s.io" | "rbac.authorization.k8s.io")
            || self.is("", "Event")
            || self.is("", "Service")
    }

    /// Whether updates must name the version that they replace.
    pub(crate) fn needs_resource_version(&self) -> bool {
        self.custom.is_some()
            || self.is("coordination.k8s.io", "Lease")
            || self.is("apiextensions.k8s.io", "CustomResourceDefinition")
    }

    pub(crate) fn verbs(&self) -> &'static [&'static str] {
        if self.is("", "Namespace") {
            &["create", "delete", "get", "list", "patch", "update", "watch"]
        } else {
            &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
        }
    }
}

/// Group, version, plural, kind, short names, namespaced, status, scale, in `all`.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, bool, bool, bool, bool);

const CORE: &str = "core.v1";
const RBAC: &str = "rbac.authorization.k8s.io";
const ROWS: [Row; 20] = [
    ("", "v1", "configmaps", "ConfigMap", "cm", true, false, false, false),
    ("", "v1", "events", "Event", "ev", true, false, false, false),
    ("", "v1", "namespaces", "Namespace", "ns", false, true, false, false),
    ("", "v1", "nodes", "Node", "no", false, true, false, false),
    ("", "v1", "pods", "Pod", "po", true, true, false, true),
    ("", "v1", "secrets", "Secret", "", true, false, false, false),
    ("", "v1", "serviceaccounts", "ServiceAccount", "sa", true, false, false, false),
    ("", "v1", "services", "Service", "svc", true, true, false, true),
    (
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        "crd,crds",
        false,
        true,
        false,
        false,
    ),
    ("apps", "v1", "deployments", "Deployment", "deploy", true, true, true, true),
    ("apps", "v1", "replicasets", "ReplicaSet", "rs", true, true, true, true),
    ("apps", "v1", "statefulsets", "StatefulSet", "sts", true, true, true, true),
    ("coordination.k8s.io", "v1", "leases", "Lease", "", true, false, false, false),
    ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", "", true, false, false, false),
    ("networking.k8s.io", "v1", "ingressclasses", "IngressClass", "", false, false, false, false),
    ("networking.k8s.io", "v1", "ingresses", "Ingress", "ing", true, true, false, false),
    (RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", "", false, false, false, false),
    (RBAC, "v1", "clusterroles", "ClusterRole", "", false, false, false, false),
    (RBAC, "v1", "rolebindings", "RoleBinding", "", true, false, false, false),
    (RBAC, "v1", "roles", "Role", "", true, false, false, false),
];

/// Groups in the order of discovery.
const GROUPS: [&str; 9] = [
    "",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "networking.k8s.io",
    RBAC,
    "apiextensions.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
];

fn built_in(row: &Row) -> Resource {
    let &(group, version, plural, kind, short, namespaced, status, scale, all) = row;
    let package = match group {
        "" => CORE.to_owned(),
        "apps" => "apps.v1".to_owned(),
        other => format!("{}.v1", other.split('.').next().unwrap_or_default()),
    };
    let definition = if group == "apiextensions.k8s.io" {
        format!("io.k8s.apiextensions-apiserver.pkg.apis.{package}.{kind}")
    } else {
        format!("io.k8s.api.{package}.{kind}")
    };
    Resource {
        group: group.into(),
        version: version.into(),
        plural: plural.into(),
        singular: kind.to_lowercase().into(),
        kind: kind.into(),
        list_kind: format!("{kind}List").into(),
        short_names: short.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        categories: if all { vec!["all".to_owned()] } else { Vec::new() },
        namespaced,
        status,
        scale: scale.then(|| Scale {
            spec_replicas: ".spec.replicas".to_owned(),
            status_replicas: ".status.replicas".to_owned(),
            selector: None,
        }),
        schema: KindSchema::built_in(&definition),
        custom: None,
    }
}

/// Group, version and plural name.
type Place = (Arc<str>, Arc<str>, Arc<str>);

/// All resources: those that are built in, and those of definitions.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    resources: BTreeMap<Place, Arc<Resource>>,
}

impl Registry {
    pub(crate) fn built_in() -> Self {
        let mut registry = Self { resources: BTreeMap::new() };
        for row in &ROWS {
            registry.add(built_in(row));
        }
        registry
    }

    pub(crate) fn add(&mut self, resource: Resource) {
        let key = (resource.group.clone(), resource.version.clone(), resource.plural.clone());
        self.resources.insert(key, Arc::new(resource));
    }

    /// Forgets a resource in all versions.
    pub(crate) fn remove(&mut self, group: &str, plural: &str) {
        self.resources.retain(|(g, _, p), _| &**g != group || &**p != plural);
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.resources.get(&(group.into(), version.into(), plural.into()))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    pub(crate) fn in_version<'a>(
        &'a self,
        group: &'a str,
        version: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Resource>> {
        self.all().filter(move |resource| &*resource.group == group && &*resource.version == version)
    }

    /// Groups with their versions, the newest first.
    pub(crate) fn groups(&self) -> Vec<(String, Vec<String>)> {
        let mut groups: Vec<(String, Vec<String>)> =
            GROUPS.iter().map(|group| ((*group).to_owned(), vec!["v1".to_owned()])).collect();
        for resource in self.all().filter(|resource| resource.custom.is_some()) {
            let position = groups.iter().position(|(group, _)| **group == *resource.group);
            let version = resource.version.to_string();
            match position {
                Some(at) if groups[at].1.contains(&version) => {}
                Some(at) => groups[at].1.push(version),
                None => groups.push((resource.group.to_string(), vec![version])),
            }
        }
        for (_, versions) in &mut groups {
            versions.sort_by_key(|version| std::cmp::Reverse(rank(version)));
        }
        groups
    }
}

/// Stable versions before betas before alphas.
/// Source: Kubernetes documentation, "Version priority".
fn rank(version: &str) -> (u8, u32, u32) {
    let number = |text: &str| text.parse::<u32>().unwrap_or(0);
    let rest = version.strip_prefix('v').unwrap_or_default();
    if let Some((major, minor)) = rest.split_once("beta") {
        (1, number(major), number(minor))
    } else if let Some((major, minor)) = rest.split_once("alpha") {
        (0, number(major), number(minor))
    } else {
        (2, number(rest), 0)
    }
}
