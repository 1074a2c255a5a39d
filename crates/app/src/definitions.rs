//! Bringing the CustomResourceDefinitions of a cluster up to date: helm installs them, and never
//! changes them again.

use ako_core::{Program, annotation};
use anyhow::Context as _;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::timeout;

/// Who applies definitions, for the API server.
const FIELD_MANAGER: &str = "ako-crds";
/// How long the API server may take to serve a new kind.
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(30);

/// What became of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The cluster did not have it.
    Created,
    /// It was another one.
    Updated,
    /// It was this one.
    Unchanged,
    /// It is of a newer release, and stays as it is, for this reason.
    LeftAlone(String),
}

/// The definitions of a program, of this release.
///
/// # Errors
/// None of a program that is built right.
pub(crate) fn of_this_release(program: Program) -> anyhow::Result<Vec<CustomResourceDefinition>> {
    let definitions = ako_kube_types::schema::definitions_of(program).into_iter();
    definitions.map(|definition| Ok(serde_json::from_value(definition)?)).collect()
}

/// Makes the cluster have a definition, and waits until its kind is served.
///
/// # Errors
/// If the API server refuses it, or if objects are stored in a version that this release does not
/// know: they would get lost.
pub(crate) async fn apply(client: &Client, ours: &CustomResourceDefinition) -> anyhow::Result<Applied> {
    let all: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = ours.metadata.name.as_deref().unwrap_or_default();
    let found = all.get_opt(name).await.with_context(|| format!("{name} cannot be read"))?;
    if let Some(found) = &found {
        may_be_replaced(ours, found)?;
        if let Some(why) = is_newer(ours, found) {
            return Ok(Applied::LeftAlone(why));
        }
    }
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let applied = all.patch(name, &parameters, &Patch::Apply(ours)).await;
    let applied = applied.with_context(|| format!("{name} cannot be applied"))?;
    let established = await_condition(all, name, conditions::is_crd_established());
    let in_time = timeout(ESTABLISHED_WITHIN, established).await;
    in_time.with_context(|| format!("{name} is not served within {ESTABLISHED_WITHIN:?}"))??;
    Ok(match found {
        None => Applied::Created,
        Some(found) if found.metadata.resource_version == applied.metadata.resource_version => {
            Applied::Unchanged
        }
        Some(_) => Applied::Updated,
    })
}

fn versions(definition: &CustomResourceDefinition) -> BTreeSet<&str> {
    definition.spec.versions.iter().map(|version| &*version.name).collect()
}

/// Whether no object is stored in a version that goes.
fn may_be_replaced(ours: &CustomResourceDefinition, found: &CustomResourceDefinition) -> anyhow::Result<()> {
    let known = versions(ours);
    let stored = found.status.as_ref().and_then(|status| status.stored_versions.as_ref());
    let unknown = stored.into_iter().flatten().find(|version| !known.contains(&***version));
    anyhow::ensure!(
        unknown.is_none() || is_newer(ours, found).is_some(),
        "objects of {} are stored in version {}, which this release does not know: it is left as it is; write them \
         in version {}, and take that one out of its status.storedVersions",
        ours.metadata.name.as_deref().unwrap_or_default(),
        unknown.map(String::as_str).unwrap_or_default(),
        ours.spec.versions.iter().find(|version| version.storage).map_or("", |version| &version.name),
    );
    Ok(())
}

/// Why a definition is of a newer release, if it is: its fields would get lost.
fn is_newer(ours: &CustomResourceDefinition, found: &CustomResourceDefinition) -> Option<String> {
    let (own, theirs) = (release(ours), release(found)?);
    (Some(number(theirs)) > own.map(number)).then(|| format!("it is of release {theirs}, which is newer"))
}

fn release(definition: &CustomResourceDefinition) -> Option<&str> {
    definition.metadata.annotations.as_ref()?.get(annotation::RELEASE).map(String::as_str)
}

/// `1.2.3` as numbers; what is none counts as zero.
fn number(release: &str) -> Vec<u64> {
    release.split(['.', '-', '+']).take(3).map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule() -> CustomResourceDefinition {
        of_this_release(Program::Operator)
            .unwrap()
            .into_iter()
            .find(|all| all.spec.names.kind == "HostRule")
            .unwrap()
    }

    fn of_release(release: Option<&str>) -> CustomResourceDefinition {
        let mut definition = rule();
        definition.metadata.annotations =
            release.map(|release| [(annotation::RELEASE.to_owned(), release.to_owned())].into());
        definition
    }

    #[test]
    fn one_of_a_newer_release_stays() {
        assert!(is_newer(&rule(), &of_release(Some("100.0.0"))).is_some());
        for older in [None, Some("0.0.1"), Some("junk"), Some(env!("CARGO_PKG_VERSION"))] {
            assert_eq!(is_newer(&rule(), &of_release(older)), None, "{older:?}");
        }
        assert!(number("1.10.0") > number("1.9.3"));
    }

    #[test]
    fn no_stored_version_goes() {
        let stored = |version: &str| {
            let mut found = serde_json::to_value(of_release(None)).unwrap();
            found["status"] = json!({"storedVersions": [version]});
            serde_json::from_value::<CustomResourceDefinition>(found).unwrap()
        };
        assert!(may_be_replaced(&rule(), &stored("v1alpha1")).is_ok());
        let refused = may_be_replaced(&rule(), &stored("v7")).unwrap_err().to_string();
        assert!(
            refused.contains("stored in version v7") && refused.contains("in version v1beta1"),
            "{refused}"
        );
    }
}
