//! CustomResourceDefinitions: what they add to the API.
//! Source: Kubernetes documentation, "Extend the Kubernetes API with
//! CustomResourceDefinitions".

use serde_json::{Value, json};

use crate::cluster::{Cluster, text, texts};
use crate::kinds::default;
use crate::resource::{Custom, Resource, Scale};
use crate::schema::KindSchema;
use crate::status::{Cause, Granted, Refusal};

pub(crate) fn default_definition(object: &mut Value) {
    let kind = text(&object["spec"]["names"], "kind").to_owned();
    let names = &mut object["spec"]["names"];
    default(names, "singular", kind.to_lowercase());
    default(names, "listKind", format!("{kind}List"));
    default(&mut object["spec"], "conversion", json!({"strategy": "None"}));
}

impl Cluster {
    /// Accepts the names of a definition, at once.
    pub(crate) fn establish(&self, object: &mut Value) -> Granted<()> {
        let spec = &object["spec"];
        let wanted = format!("{}.{}", text(&spec["names"], "plural"), text(spec, "group"));
        let name = text(&object["metadata"], "name");
        let mut causes = Vec::new();
        if name != wanted {
            let why = "must be spec.names.plural+\".\"+spec.group";
            causes.push(Cause::invalid("metadata.name", &name.into(), why));
        }
        let versions: Vec<&Value> = spec["versions"].as_array().into_iter().flatten().collect();
        if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
            let why = "must have exactly one version marked as storage version";
            causes.push(Cause::invalid("spec.versions", &spec["versions"], why));
        }
        for (at, version) in versions.iter().enumerate() {
            if !version["schema"]["openAPIV3Schema"].is_object() {
                let field = format!("spec.versions[{at}].schema.openAPIV3Schema");
                causes.push(Cause::required(field, "schemas are required"));
            }
        }
        if !matches!(text(spec, "scope"), "Namespaced" | "Cluster") {
            causes.push(Cause::unsupported("spec.scope", &spec["scope"], &["Cluster", "Namespaced"]));
        }
        if !causes.is_empty()
            && let Some(resource) = self.built_in("apiextensions.k8s.io", "customresourcedefinitions")
        {
            return Err(Refusal::invalid(&resource, name, &causes));
        }
        let storage = versions.iter().find(|version| version["storage"] == true);
        let mut stored = texts(&object["status"]["storedVersions"]);
        stored.extend(storage.and_then(|version| version["name"].as_str()));
        let stored: Value = stored.into_iter().collect();
        let since = match object["status"]["conditions"][0].get("lastTransitionTime") {
            Some(time) => time.clone(),
            None => self.clock.printed().into(),
        };
        let condition = |kind: &str, reason: &str, message: &str| {
            json!({
                "type": kind,
                "status": "True",
                "lastTransitionTime": since,
                "reason": reason,
                "message": message,
            })
        };
        object["status"] = json!({
            "conditions": [
                condition("NamesAccepted", "NoConflicts", "no conflicts found"),
                condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
            ],
            "acceptedNames": object["spec"]["names"],
            "storedVersions": stored,
        });
        Ok(())
    }

    /// Serves what a definition describes, or no longer.
    pub(crate) fn serve_definition(&mut self, definition: &Value, removed: bool) {
        let spec = &definition["spec"];
        let (group, names) = (text(spec, "group"), &spec["names"]);
        self.registry.remove(group, text(names, "plural"));
        if removed {
            return;
        }
        for version in spec["versions"].as_array().into_iter().flatten() {
            if version["served"] == true {
                self.registry.add(served(spec, version));
            }
        }
    }
}

fn served(spec: &Value, version: &Value) -> Resource {
    let names = &spec["names"];
    let schema = &version["schema"]["openAPIV3Schema"];
    let subresources = &version["subresources"];
    let list = |key: &str| texts(&names[key]).into_iter().map(str::to_owned).collect::<Vec<String>>();
    let scale = subresources.get("scale").filter(|scale| scale.is_object()).map(|scale| Scale {
        spec_replicas: text(scale, "specReplicasPath").to_owned(),
        status_replicas: text(scale, "statusReplicasPath").to_owned(),
        selector: scale["labelSelectorPath"].as_str().map(str::to_owned),
    });
    Resource {
        group: text(spec, "group").into(),
        version: text(version, "name").into(),
        plural: text(names, "plural").into(),
        singular: text(names, "singular").into(),
        kind: text(names, "kind").into(),
        list_kind: text(names, "listKind").into(),
        short_names: list("shortNames"),
        categories: list("categories"),
        namespaced: text(spec, "scope") == "Namespaced",
        status: subresources.get("status").is_some(),
        scale,
        schema: KindSchema::custom(schema),
        custom: Some(Custom {
            schema: schema.clone(),
            columns: version["additionalPrinterColumns"].as_array().cloned().unwrap_or_default(),
        }),
    }
}
