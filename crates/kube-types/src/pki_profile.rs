//! PKIProfile, ako.vmware.com/v1alpha1. Source: Custom resources, §9.5.

use ako_core::kinds::pki_profile as kept;
use ako_core::resource::Published;
use ako_core::{Resource, ResourceKind};
use kube::core::ObjectMeta;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::convert::{Convert, Converted, Stamp};
use crate::metadata;
use crate::profile::{self, ProfileStatus};
use crate::rule::text;

/// A PKIProfile, ako.vmware.com/v1alpha1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PKIProfile {
    #[serde(default, deserialize_with = "metadata::slim::<PKIProfile, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<ProfileStatus>,
}

/// A PKI profile on the Avi Controller, in the tenant of the namespace.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct Spec {
    /// The certificate authorities that certificates of servers are verified with.
    #[schemars(required, length(min = 1))]
    ca_certs: Option<Vec<CaCert>>,
}

/// A certificate authority.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
struct CaCert {
    /// Its certificate, PEM.
    #[schemars(required, length(min = 1))]
    certificate: Option<String>,
}

impl Convert for PKIProfile {
    fn status(wanted: &Published, current: &Published, stamp: &Stamp<'_>) -> Value {
        profile::status(wanted, current, stamp)
    }

    fn convert(self) -> Converted {
        let certificates = self.spec.and_then(|spec| spec.ca_certs).into_iter().flatten();
        let profile = kept::PkiProfile {
            id: metadata::namespaced_name(&self.metadata),
            meta: metadata::kept(&self.metadata),
            ca_certs: certificates.filter_map(|it| text(it.certificate)).collect(),
            published: profile::published(ResourceKind::PKIProfile, &self.metadata, self.status),
        };
        Converted { resource: Some(Resource::PKIProfile(profile)), ..Converted::default() }
    }
}
