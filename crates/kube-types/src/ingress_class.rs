//! IngressClass, networking.k8s.io/v1.

use ako_core::{Resource, ResourceKind, annotation};
use kube::core::ObjectMeta;
use serde::Deserialize;

use crate::convert::{Convert, Converted};
use crate::{kubernetes_resource, metadata};

/// An IngressClass, networking.k8s.io/v1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct IngressClass {
    #[serde(default, deserialize_with = "metadata::slim")]
    metadata: ObjectMeta,
    spec: Option<Spec>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Spec {
    controller: Option<String>,
}

kubernetes_resource!(IngressClass, "networking.k8s.io", "ingressclasses", ClusterResourceScope);

impl Convert for IngressClass {
    const KIND: ResourceKind = ResourceKind::IngressClass;

    fn convert(self) -> Converted {
        let controller = self.spec.and_then(|spec| spec.controller).unwrap_or_default();
        let class = ako_core::resource::IngressClass {
            name: metadata::name(&self.metadata),
            controller: controller.into(),
            is_default: metadata::annotation(&self.metadata, annotation::DEFAULT_CLASS) == Some("true"),
        };
        Converted { resource: Some(Resource::IngressClass(class)), diagnostics: Vec::new() }
    }
}
