//! IngressClass, networking.k8s.io/v1.

use ako_core::{CONTROLLER_NAME, NamespacedName, Reason, Resource, ResourceId, ResourceKind, annotation};
use kube::core::ObjectMeta;
use serde::Deserialize;

use crate::convert::{Convert, Converted};
use crate::finding::Findings;
use crate::metadata;

/// An IngressClass, networking.k8s.io/v1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct IngressClass {
    #[serde(default, deserialize_with = "metadata::slim::<IngressClass, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Spec>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Spec {
    controller: Option<String>,
    parameters: Option<Parameters>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Parameters {
    kind: Option<String>,
    name: Option<String>,
}

impl Convert for IngressClass {
    const ANNOTATIONS: &'static [&'static str] = &[annotation::DEFAULT_CLASS];

    fn convert(self) -> Converted {
        let Spec { controller, parameters } = self.spec.unwrap_or_default();
        let controller = controller.unwrap_or_default();
        let name = metadata::name(&self.metadata);
        let object = ResourceId { kind: ResourceKind::IngressClass, name: NamespacedName::cluster(name) };
        let mut findings = Findings::about(object);
        if let Some(parameters) = parameters.filter(|_| controller == CONTROLLER_NAME) {
            let message = format!(
                "spec.parameters ({} {}) has no effect, as this version reads no such objects: set what it says in \
                 ConfigMap avi-k8s-config, or remove it",
                parameters.kind.unwrap_or_default(),
                parameters.name.unwrap_or_default()
            );
            findings.add(Reason::UnsupportedField, message);
        }
        let class = ako_core::resource::IngressClass {
            name: metadata::name(&self.metadata),
            controller: controller.into(),
            is_default: metadata::annotation::<IngressClass>(&self.metadata, annotation::DEFAULT_CLASS)
                == Some("true"),
        };
        Converted { resource: Some(Resource::IngressClass(class)), diagnostics: findings.into_diagnostics() }
    }
}
