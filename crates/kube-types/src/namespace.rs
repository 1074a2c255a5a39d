//! Namespace, core/v1.

use ako_core::{Resource, annotation};
use kube::core::ObjectMeta;
use serde::Deserialize;

use crate::convert::{Convert, Converted};
use crate::metadata;

/// A Namespace, core/v1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Namespace {
    #[serde(default, deserialize_with = "metadata::slim::<Namespace, _>")]
    pub(crate) metadata: ObjectMeta,
}

impl Convert for Namespace {
    const ANNOTATIONS: &'static [&'static str] = &[annotation::TENANT, annotation::INFRA_SETTING];

    fn convert(self) -> Converted {
        let annotated = |key| metadata::filled::<Namespace>(&self.metadata, key);
        let namespace = ako_core::resource::Namespace {
            name: metadata::name(&self.metadata),
            labels: metadata::labels(&self.metadata),
            tenant: annotated(annotation::TENANT),
            setting: annotated(annotation::INFRA_SETTING),
        };
        Converted { resource: Some(Resource::Namespace(namespace)), diagnostics: Vec::new() }
    }
}
