//! What an instance of the operator consists of: the ConfigMap with its
//! configuration and the StatefulSet of its pods.

use std::collections::BTreeMap;

use ako_core::handover::Word;
use ako_core::{Claim, Config, Installation, Resource, annotation};
use kube::core::ObjectMeta;
use serde::Deserialize;

use crate::convert::{Convert, Converted};
use crate::metadata;

/// A ConfigMap, core/v1: one with the configuration of an instance.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ConfigMap {
    #[serde(default, deserialize_with = "metadata::slim::<ConfigMap, _>")]
    pub(crate) metadata: ObjectMeta,
    data: Option<BTreeMap<String, String>>,
}

impl Convert for ConfigMap {
    /// What is wrong with a configuration is told by the instance that it is
    /// for; it claims what can be understood of it.
    fn convert(self) -> Converted {
        let namespace = metadata::namespaced_name(&self.metadata).namespace;
        let (config, _) = Config::parse(&namespace, &self.data.unwrap_or_default());
        let claim = Claim::of(&config, metadata::created(&self.metadata));
        Converted { resource: Some(Resource::ConfigMap(claim)), diagnostics: Vec::new() }
    }
}

/// A StatefulSet, apps/v1: that of an instance.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct StatefulSet {
    #[serde(default, deserialize_with = "metadata::slim::<StatefulSet, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Spec {
    replicas: Option<i32>,
    template: Option<Template>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    /// How many pods there are.
    replicas: Option<i32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Template {
    metadata: Option<TemplateMetadata>,
    spec: Option<PodSpec>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec {
    service_account_name: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct TemplateMetadata {
    annotations: Option<BTreeMap<String, String>>,
}

impl Convert for StatefulSet {
    const ANNOTATIONS: &'static [&'static str] =
        &[annotation::CONTROLLER, annotation::REMOVAL, annotation::HANDOVER];

    fn convert(self) -> Converted {
        let Spec { replicas, template } = self.spec.unwrap_or_default();
        let Template { metadata, spec } = template.unwrap_or_default();
        let annotations = metadata.and_then(|metadata| metadata.annotations).unwrap_or_default();
        let account = spec.and_then(|spec| spec.service_account_name).filter(|name| !name.is_empty());
        let pods = self.status.and_then(|status| status.replicas).unwrap_or_default();
        let new = Installation::new(metadata::namespaced_name(&self.metadata).namespace);
        let installation = Installation {
            account: account.map_or(new.account, Into::into),
            is_idle: replicas == Some(0) && pods == 0,
            is_ours: annotations.contains_key(annotation::LEADERSHIP_NOTE),
            controller_id: metadata::annotation::<StatefulSet>(&self.metadata, annotation::CONTROLLER)
                .map(Into::into),
            removal: metadata::annotation::<StatefulSet>(&self.metadata, annotation::REMOVAL).map(Into::into),
            word: metadata::annotation::<StatefulSet>(&self.metadata, annotation::HANDOVER)
                .map(Word::parse)
                .unwrap_or_default(),
            ..new
        };
        Converted { resource: Some(Resource::StatefulSet(installation)), diagnostics: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::convert::from_json;

    use super::*;

    #[test]
    fn a_configuration_is_a_claim() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "avi-k8s-config", "namespace": "blue", "creationTimestamp": "1970-01-01T00:01:00Z"},
            "data": {"clusterName": "c1", "primaryInstance": "false", "nsSyncLabelKey": "a", "nsSyncLabelValue": "b"}});
        let Some(Resource::ConfigMap(claim)) = from_json(&object).unwrap().resource else {
            panic!("no claim")
        };
        assert_eq!((claim.owner().as_str(), claim.created, claim.primary), ("ako-c1-blue", 60, false));
        assert_eq!(claim.scope.to_string(), "a=b");
        let mut other = object;
        other["metadata"]["name"] = json!("other");
        assert_eq!(from_json(&other).unwrap().resource, None);
    }

    fn installation(annotations: &Value, replicas: &Value, pods: &Value, account: &str) -> Installation {
        let object = json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "ako", "namespace": "blue"},
            "spec": {"replicas": replicas, "template": {
                "metadata": {"annotations": annotations}, "spec": {"serviceAccountName": account}}},
            "status": {"replicas": pods}});
        match from_json(&object).unwrap().resource {
            Some(Resource::StatefulSet(installation)) => installation,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_note_on_its_pods_tells_whose_a_stateful_set_is() {
        let of = |annotations| installation(&annotations, &json!(1), &json!(1), "ako-sa").is_ours;
        assert!(of(json!({"ako-rs.io/leadership": "starting"})));
        assert!(!of(json!(null)));
    }

    #[test]
    fn a_stateful_set_is_idle_when_it_is_scaled_to_zero_and_its_last_pod_is_gone() {
        let is_idle = |replicas, pods| installation(&json!({}), &replicas, &pods, "").is_idle;
        assert!(is_idle(json!(0), json!(0)));
        assert!(is_idle(json!(0), json!(null)));
        assert!(!is_idle(json!(0), json!(1)));
        assert!(!is_idle(json!(1), json!(0)));
        assert!(!is_idle(json!(null), json!(null)), "one replica, if none is given");
    }

    #[test]
    fn what_an_instance_says_is_in_its_annotations() {
        let object = json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "ako", "namespace": "blue", "annotations": {
                annotation::CONTROLLER: "cluster-1", annotation::REMOVAL: "Done", "other": "x",
                annotation::HANDOVER: r#"{"takenOver": ["t"]}"#}}});
        let Some(Resource::StatefulSet(found)) = from_json(&object).unwrap().resource else {
            panic!("no installation")
        };
        assert_eq!(found.controller_id.as_deref(), Some("cluster-1"));
        assert_eq!(found.removal.as_deref(), Some("Done"));
        assert_eq!(found.word.taken_over.len(), 1);
    }

    #[test]
    fn pods_without_a_service_account_have_the_default_one() {
        let account = |name| installation(&json!({}), &json!(1), &json!(1), name).account;
        assert_eq!((&*account("ako-sa"), &*account("")), ("ako-sa", "default"));
    }
}
