//! Which kinds the API server has.
//!
//! A request for objects of a kind that is not there is answered with 404, and so may be any
//! request by a server that is not the right one; without permission it is answered with 403,
//! whether the kind is there or not. What counts is what the discovery documents say, which
//! everybody may read.
//! Source: Kubernetes documentation, "The Kubernetes API", "Discovery API".

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroupList, APIResource};
use kube::Client;

use crate::error::{code_of, describe};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Whether the API server has a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Availability {
    /// It has.
    Served,
    /// Its CustomResourceDefinition is being deleted: its objects are deleted one after the
    /// other, and none can be created. Source: apiextensions API server, "terminating".
    Leaving,
    /// It has not.
    Missing,
}

/// Asks whether a kind is served: `crd.projectcalico.org/v1` and `blockaffinities`.
///
/// # Errors
/// Why that is not known.
pub(crate) async fn availability(
    client: &Client,
    api_version: &str,
    plural: &str,
) -> Result<Availability, String> {
    match tokio::time::timeout(ANSWER_WITHIN, ask(client, api_version, plural)).await {
        Ok(Ok(availability)) => Ok(availability),
        Ok(Err(error)) => Err(format!("discovery: {}", describe(&error))),
        Err(_) => Err("discovery: no answer".to_owned()),
    }
}

async fn ask(client: &Client, api_version: &str, plural: &str) -> kube::Result<Availability> {
    match client.list_api_group_resources(api_version).await {
        Ok(listed) => Ok(availability_in(&listed.resources, plural)),
        Err(error) if code_of(&error) == Some(404) => {
            // There may be nothing of the group left. Only a list without it says so.
            let groups = client.list_api_groups().await?;
            if has_version(&groups, api_version) { Err(error) } else { Ok(Availability::Missing) }
        }
        Err(error) => Err(error),
    }
}

fn availability_in(resources: &[APIResource], plural: &str) -> Availability {
    match resources.iter().find(|resource| resource.name == plural) {
        Some(found) if found.verbs.iter().any(|verb| verb == "create") => Availability::Served,
        Some(_) => Availability::Leaving,
        None => Availability::Missing,
    }
}

fn has_version(groups: &APIGroupList, api_version: &str) -> bool {
    let mut versions = groups.groups.iter().flat_map(|group| &group.versions);
    versions.any(|version| version.group_version == api_version)
}
