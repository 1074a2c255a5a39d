//! IngressClass, networking.k8s.io/v1.

use std::sync::Arc;

use ako_core::{CONTROLLER_NAME, NamespacedName, Reason, Resource, ResourceId, ResourceKind, annotation};
use kube::core::ObjectMeta;
use serde::Deserialize;

use crate::convert::{Convert, Converted};
use crate::finding::Findings;
use crate::metadata;

/// The API group and the kind of what parameters may name.
const SETTINGS: (&str, &str) = ("ako.vmware.com", "AviInfraSetting");

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
#[serde(rename_all = "camelCase")]
struct Parameters {
    api_group: Option<String>,
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
        let parameters = parameters.filter(|_| controller == CONTROLLER_NAME);
        let setting = parameters.and_then(|parameters| setting(parameters, &mut findings));
        let class = ako_core::resource::IngressClass {
            name: metadata::name(&self.metadata),
            controller: controller.into(),
            is_default: metadata::annotation::<IngressClass>(&self.metadata, annotation::DEFAULT_CLASS)
                == Some("true"),
            setting,
        };
        Converted { resource: Some(Resource::IngressClass(class)), diagnostics: findings.into_diagnostics() }
    }
}

/// The AviInfraSetting that parameters name.
fn setting(parameters: Parameters, findings: &mut Findings) -> Option<Arc<str>> {
    let Parameters { api_group, kind, name } = parameters;
    let (group, kind) = (api_group.unwrap_or_default(), kind.unwrap_or_default());
    let name = name.unwrap_or_default();
    if group == SETTINGS.0 && kind == SETTINGS.1 && !name.is_empty() {
        return Some(name.into());
    }
    let message = format!(
        "spec.parameters ({kind} {name:?} of API group {group:?}) has no effect: name an {} of API group {}, or remove it",
        SETTINGS.1, SETTINGS.0
    );
    findings.add(Reason::UnsupportedField, message);
    None
}
