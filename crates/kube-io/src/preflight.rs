//! The RBAC rules that the operator needs, what it needs each of them for, and
//! which of them its service account lacks.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use ako_core::{Program, ResourceKind};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use kube::Client;

use crate::access_review::{self, Asker};
use crate::config_source::{CONFIG_MAP, CREDENTIALS_SECRET};
use crate::discovery::{Availability, availability};
use crate::error::describe;
use crate::leadership::Shared;

/// How many questions are asked at a time.
const CONCURRENT_REVIEWS: usize = 8;

/// How long the answer to one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What a rule is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// To take part in the election: without it no replica leads.
    Leading,
    /// To read the operator's own ConfigMap and Secret.
    Configuration,
    /// To watch the objects of a kind: without it no replica is in sync.
    Watching(ResourceKind),
    /// To write statuses and annotations.
    Status,
    /// To create Events.
    Events,
    /// To tell the installations of other operators from what anybody made up: without it
    /// each StatefulSet `ako` counts.
    Instances,
    /// To tell this cluster from others on the controller: without it the cluster's name is not
    /// claimed there.
    ClusterName,
    /// To store the authentication token that replaces one that expires.
    Token,
}

impl Purpose {
    /// Whether a replica without such a rule is not ready.
    pub fn is_essential(self) -> bool {
        matches!(self, Self::Leading | Self::Configuration | Self::Watching(_))
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leading => f.write_str("to lead"),
            Self::Configuration => f.write_str("to read the configuration"),
            Self::Watching(kind) => write!(f, "to watch {}", kind.as_str()),
            Self::Status => f.write_str("to write statuses and annotations"),
            Self::Events => f.write_str("to create Events"),
            Self::Instances => f.write_str("to tell other instances from made-up ones"),
            Self::ClusterName => f.write_str("to tell this cluster from others on the controller"),
            Self::Token => f.write_str("to store a renewed authtoken"),
        }
    }
}

/// An RBAC rule that the operator needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// What it is needed for.
    pub purpose: Purpose,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The resource.
    pub resource: &'static str,
    /// Its subresource, if it is for that.
    pub subresource: Option<&'static str>,
    /// The verb.
    pub verb: &'static str,
    /// The namespace; `None` for all of them, which takes a ClusterRole.
    pub namespace: Option<String>,
    /// The only object that it is needed for, as in `resourceNames`.
    pub name: Option<&'static str>,
}

impl Rule {
    /// The resource, with its subresource after a slash, as in a Role.
    pub fn full_resource(&self) -> String {
        match self.subresource {
            Some(subresource) => format!("{}/{subresource}", self.resource),
            None => self.resource.to_owned(),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = if self.group.is_empty() { "core" } else { self.group };
        write!(f, "{} {}", self.verb, self.full_resource())?;
        if let Some(name) = self.name {
            write!(f, " \"{name}\"")?;
        }
        write!(f, " (group {group})")?;
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}")?,
            None => f.write_str(" in the cluster")?,
        }
        write!(f, ", needed {}", self.purpose)
    }
}

/// A row of the table: one resource, and verbs that serve one purpose.
struct Need {
    purpose: Purpose,
    group: &'static str,
    resource: &'static str,
    subresource: Option<&'static str>,
    verbs: &'static [&'static str],
    /// Whether the operator's own namespace is enough.
    own: bool,
    name: Option<&'static str>,
}

impl Need {
    const fn new(
        purpose: Purpose,
        group: &'static str,
        resource: &'static str,
        verbs: &'static [&'static str],
    ) -> Self {
        Self { purpose, group, resource, subresource: None, verbs, own: false, name: None }
    }

    /// Only in the operator's own namespace.
    const fn own(self) -> Self {
        Self { own: true, ..self }
    }

    /// Only for one object of the operator's own namespace.
    const fn named(self, name: &'static str) -> Self {
        Self { own: true, name: Some(name), ..self }
    }

    fn rules(self, namespace: &str) -> impl Iterator<Item = Rule> {
        let Self { purpose, group, resource, subresource, verbs, own, name } = self;
        let namespace = own.then(|| namespace.to_owned());
        verbs.iter().map(move |&verb| Rule {
            purpose,
            group,
            resource,
            subresource,
            verb,
            namespace: namespace.clone(),
            name,
        })
    }
}

/// What every instance of a program needs, beside the watches.
fn always(program: Program) -> [Need; 10] {
    use Purpose::{ClusterName, Configuration, Events, Leading};
    let coordination = "coordination.k8s.io";
    let Shared { record, lease, .. } = Shared::of(program);
    [
        Need::new(Leading, "", "configmaps", &["create"]).own(),
        Need::new(Leading, "", "configmaps", &["get", "list", "watch", "update"]).named(record),
        Need::new(Leading, coordination, "leases", &["create"]).own(),
        Need::new(Leading, coordination, "leases", &["get", "update", "delete"]).named(lease),
        Need::new(Leading, "", "pods", &["get", "list", "watch", "patch"]).own(),
        Need::new(Leading, "apps", "statefulsets", &["get"]).own(),
        Need::new(Configuration, "", "configmaps", &["get", "list", "watch"]).named(CONFIG_MAP),
        Need::new(Configuration, "", "secrets", &["list", "watch"]).named(CREDENTIALS_SECRET),
        Need::new(Events, "", "events", &["create"]),
        Need::new(ClusterName, "", "namespaces", &["get"]),
    ]
}

/// Telling other instances of the operator from what anybody made up, and telling them something.
fn beside_others() -> [Need; 2] {
    let review = Need::new(Purpose::Instances, "authorization.k8s.io", "subjectaccessreviews", &["create"]);
    [review, noting()]
}

/// What writing statuses and annotations of a kind takes.
fn publishing_on(kind: ResourceKind) -> [Need; 2] {
    let spec = kind.spec();
    [
        Need::new(Purpose::Status, spec.group, spec.plural, &["get", "patch"]),
        Need {
            subresource: Some("status"),
            ..Need::new(Purpose::Status, spec.group, spec.plural, &["patch"])
        },
    ]
}

/// Writing notes of the operator's own.
fn noting() -> Need {
    Need::new(Purpose::Status, "apps", "statefulsets", &["patch"]).own()
}

/// What watching a kind takes.
fn watching(kind: ResourceKind) -> Need {
    let spec = kind.spec();
    Need::new(Purpose::Watching(kind), spec.group, spec.plural, &["list", "watch"])
}

/// Storing a token.
fn storing_token() -> Need {
    Need::new(Purpose::Token, "", "secrets", &["patch"]).named(CREDENTIALS_SECRET)
}

/// Every rule that an instance of a program needs. `namespace` is its own, `kinds` what it
/// watches, `token` whether it logs in with an authentication token.
pub fn needed_rules(
    program: Program,
    namespace: &str,
    kinds: &BTreeSet<ResourceKind>,
    token: bool,
) -> Vec<Rule> {
    let with_status = kinds.iter().copied().filter(|kind| kind.is_published_by(program));
    let kinds = kinds.iter().copied().map(watching);
    let needs = always(program).into_iter().chain(with_status.flat_map(publishing_on));
    let needs = needs.chain((program == Program::Operator).then(beside_others).into_iter().flatten());
    let needs = needs.chain(kinds).chain(token.then(storing_token));
    needs.flat_map(|need| need.rules(namespace)).collect()
}

/// The rule that storing a token takes.
pub fn token_rules(namespace: &str) -> Vec<Rule> {
    storing_token().rules(namespace).collect()
}

/// Asks the API server which of these rules are missing. A rule about a kind that it does not
/// have is not: it is needed once the kind appears.
///
/// # Errors
/// Why it does not answer.
pub async fn missing_rules(client: &Client, who: &Asker, rules: &[Rule]) -> Result<Vec<Rule>, String> {
    let answers = stream::iter(rules.to_vec()).map(|rule| async move {
        let asked = tokio::time::timeout(ANSWER_WITHIN, is_allowed(client, who, &rule)).await;
        let allowed = asked.map_err(|_| "no answer in time".to_owned())?;
        let allowed = allowed.map_err(|error| describe(&error))?;
        let is_missing = !allowed && !is_moot(client, &rule).await?;
        Ok::<_, String>(is_missing.then_some(rule))
    });
    let missing: Vec<_> = answers.buffered(CONCURRENT_REVIEWS).try_collect().await?;
    Ok(missing.into_iter().flatten().collect())
}

/// Whether a rule is about a kind that the API server does not have.
async fn is_moot(client: &Client, rule: &Rule) -> Result<bool, String> {
    let about = |kind: &ResourceKind| {
        kind.may_be_unserved() && kind.spec().group == rule.group && kind.spec().plural == rule.resource
    };
    match ResourceKind::ALL.into_iter().find(about) {
        Some(kind) => {
            let found = availability(client, &kind.spec().api_version(), kind.spec().plural).await?;
            Ok(found == Availability::Missing)
        }
        None => Ok(false),
    }
}

async fn is_allowed(client: &Client, asker: &Asker, rule: &Rule) -> kube::Result<bool> {
    let attributes = ResourceAttributes {
        group: Some(rule.group.to_owned()),
        resource: Some(rule.resource.to_owned()),
        subresource: rule.subresource.map(str::to_owned),
        verb: Some(rule.verb.to_owned()),
        namespace: rule.namespace.clone(),
        name: rule.name.map(str::to_owned),
        ..ResourceAttributes::default()
    };
    access_review::is_allowed(client, asker, attributes).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kinds: &[ResourceKind], token: bool, purpose: Purpose) -> Vec<String> {
        let rules = needed_rules(Program::Operator, "avi", &kinds.iter().copied().collect(), token);
        let wanted = rules.iter().filter(|rule| rule.purpose == purpose);
        wanted.map(|rule| rule.to_string().split(", needed").next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn leading_takes_the_record_the_lease_and_the_own_pod() {
        let expected = [
            "create configmaps (group core) in namespace avi",
            "get configmaps \"ako-leadership\" (group core) in namespace avi",
            "list configmaps \"ako-leadership\" (group core) in namespace avi",
            "watch configmaps \"ako-leadership\" (group core) in namespace avi",
            "update configmaps \"ako-leadership\" (group core) in namespace avi",
            "create leases (group coordination.k8s.io) in namespace avi",
            "get leases \"ako-lease-lock\" (group coordination.k8s.io) in namespace avi",
            "update leases \"ako-lease-lock\" (group coordination.k8s.io) in namespace avi",
            "delete leases \"ako-lease-lock\" (group coordination.k8s.io) in namespace avi",
            "get pods (group core) in namespace avi",
            "list pods (group core) in namespace avi",
            "watch pods (group core) in namespace avi",
            "patch pods (group core) in namespace avi",
            "get statefulsets (group apps) in namespace avi",
        ];
        assert_eq!(shown(&[], false, Purpose::Leading), expected);
        assert!(Purpose::Leading.is_essential());
    }

    #[test]
    fn each_kind_that_is_watched_is_asked_for() {
        for kind in ResourceKind::ALL {
            let purpose = Purpose::Watching(kind);
            assert_eq!(shown(&[kind], false, purpose).len(), 2, "list and watch of {}", kind.as_str());
            assert_eq!(shown(&[], false, purpose), Vec::<String>::new());
            assert!(purpose.is_essential());
        }
    }

    #[test]
    fn a_rule_for_the_token_is_needed_only_with_a_token() {
        let rule = "patch secrets \"avi-secret\" (group core) in namespace avi";
        assert_eq!(shown(&[], true, Purpose::Token), [rule]);
        assert_eq!(shown(&[], false, Purpose::Token), Vec::<String>::new());
        assert!(!Purpose::Token.is_essential());
    }

    #[test]
    fn a_rule_says_what_it_is_needed_for() {
        let rule = token_rules("avi").pop().map(|rule| rule.to_string()).unwrap_or_default();
        assert!(rule.ends_with(", needed to store a renewed authtoken"), "{rule}");
    }
}
