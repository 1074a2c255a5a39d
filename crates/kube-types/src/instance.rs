//! What an instance of the operator consists of: the ConfigMap with its
//! configuration and the StatefulSet of its pods.

use std::collections::BTreeMap;

use ako_core::handover::Word;
use ako_core::{Claim, Config, Installation, Resource, ResourceKind, annotation};
use kube::core::ObjectMeta;
use serde::Deserialize;

use crate::convert::{Convert, Converted};
use crate::{kubernetes_resource, metadata};

/// A ConfigMap, core/v1: one with the configuration of an instance.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ConfigMap {
    #[serde(default, deserialize_with = "metadata::slim")]
    metadata: ObjectMeta,
    data: Option<BTreeMap<String, String>>,
}

kubernetes_resource!(ConfigMap, "", "configmaps", NamespaceResourceScope);

impl Convert for ConfigMap {
    const KIND: ResourceKind = ResourceKind::ConfigMap;

    /// What is wrong with a configuration is told by the instance that it is
    /// for; it claims what can be understood of it.
    fn convert(self) -> Converted {
        let namespace = metadata::namespaced_name(&self.metadata).namespace;
        let (config, _) = Config::parse(&namespace, &self.data.unwrap_or_default());
        let claim = Claim::of(&config, metadata::created(&self.metadata));
        Converted { resource: Some(Resource::Claim(claim)), diagnostics: Vec::new() }
    }
}

/// A StatefulSet, apps/v1: that of an instance.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct StatefulSet {
    #[serde(default, deserialize_with = "metadata::slim")]
    metadata: ObjectMeta,
    spec: Option<Spec>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Spec {
    template: Option<Template>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Template {
    metadata: Option<TemplateMetadata>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct TemplateMetadata {
    annotations: Option<BTreeMap<String, String>>,
}

kubernetes_resource!(StatefulSet, "apps", "statefulsets", NamespaceResourceScope);

impl Convert for StatefulSet {
    const KIND: ResourceKind = ResourceKind::StatefulSet;

    fn convert(self) -> Converted {
        let template = self.spec.and_then(|spec| spec.template).and_then(|template| template.metadata);
        let annotations = template.and_then(|metadata| metadata.annotations).unwrap_or_default();
        let installation = Installation {
            namespace: metadata::namespaced_name(&self.metadata).namespace,
            is_ours: annotations.contains_key(annotation::LEADERSHIP_NOTE),
            removal: metadata::annotation(&self.metadata, annotation::REMOVAL).map(Into::into),
            word: metadata::annotation(&self.metadata, annotation::HANDOVER)
                .map(Word::parse)
                .unwrap_or_default(),
        };
        Converted { resource: Some(Resource::Installation(installation)), diagnostics: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::convert::from_json;

    use super::*;

    #[test]
    fn a_configuration_is_a_claim() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "avi-k8s-config", "namespace": "blue", "creationTimestamp": "1970-01-01T00:01:00Z"},
            "data": {"clusterName": "c1", "primaryInstance": "false", "nsSyncLabelKey": "a", "nsSyncLabelValue": "b"}});
        let Some(Resource::Claim(claim)) = from_json(&object).unwrap().resource else { panic!("no claim") };
        assert_eq!((claim.owner().as_str(), claim.created, claim.primary), ("ako-c1-blue", 60, false));
        assert_eq!(claim.scope.to_string(), "a=b");
        let mut other = object;
        other["metadata"]["name"] = json!("other");
        assert_eq!(from_json(&other).unwrap().resource, None);
    }

    #[test]
    fn a_note_on_its_pods_tells_whose_a_stateful_set_is() {
        let of = |annotations: serde_json::Value| {
            let object = json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
                "metadata": {"name": "ako", "namespace": "blue"},
                "spec": {"template": {"metadata": {"annotations": annotations}}}});
            match from_json(&object).unwrap().resource {
                Some(Resource::Installation(installation)) => installation.is_ours,
                other => panic!("{other:?}"),
            }
        };
        assert!(of(json!({"ako-rs.io/leadership": "starting"})));
        assert!(!of(json!(null)));
    }
}
