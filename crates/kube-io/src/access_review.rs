//! Asking the API server what an account may do.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
    SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

/// Whose permissions are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Those of whoever asks.
    Me,
    /// Those of a ServiceAccount. It takes permission to create SubjectAccessReviews.
    Account {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// Whether an account may do something.
pub(crate) async fn is_allowed(
    client: &Client,
    asker: &Asker,
    attributes: ResourceAttributes,
) -> kube::Result<bool> {
    let (client, params) = (client.clone(), PostParams::default());
    let status = match asker {
        Asker::Me => {
            let spec =
                SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
            let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
            Api::all(client).create(&params, &review).await?.status
        }
        Asker::Account { namespace, name } => {
            let spec = SubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                user: Some(format!("system:serviceaccount:{namespace}:{name}")),
                groups: Some(groups_of_accounts(namespace)),
                ..SubjectAccessReviewSpec::default()
            };
            let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
            Api::all(client).create(&params, &review).await?.status
        }
    };
    Ok(status.is_some_and(|status| status.allowed))
}

/// The groups that every ServiceAccount of a namespace is in.
fn groups_of_accounts(namespace: &str) -> Vec<String> {
    let own = format!("system:serviceaccounts:{namespace}");
    vec!["system:serviceaccounts".to_owned(), own, "system:authenticated".to_owned()]
}
