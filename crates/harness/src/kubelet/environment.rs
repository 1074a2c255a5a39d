//! The environment and the arguments of a container.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVarSource, Pod};
use kube::ResourceExt as _;

use super::sources::{Data, Sources};

/// What a Pod learns of the machine that it runs on.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) node: String,
    pub(super) node_address: String,
    pub(super) pod_address: String,
    /// Host and port of the API server.
    pub(super) api_server: (String, u16),
}

/// The variables of a container, or what is missing.
pub(super) fn variables(
    pod: &Pod,
    container: &Container,
    image: &[(String, String)],
    facts: &Facts,
    sources: &Sources,
) -> Result<BTreeMap<String, String>, String> {
    let (host, port) = &facts.api_server;
    let mut variables = BTreeMap::from([
        ("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("HOSTNAME".to_owned(), pod.name_any()),
        ("KUBERNETES_SERVICE_HOST".to_owned(), host.clone()),
        ("KUBERNETES_SERVICE_PORT".to_owned(), port.to_string()),
        ("KUBERNETES_SERVICE_PORT_HTTPS".to_owned(), port.to_string()),
    ]);
    variables.extend(image.iter().cloned());
    for from in container.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        if let Some(source) = &from.config_map_ref {
            all_of("ConfigMap", &source.name, &sources.config_maps, source.optional, prefix, &mut variables)?;
        }
        if let Some(source) = &from.secret_ref {
            all_of("Secret", &source.name, &sources.secrets, source.optional, prefix, &mut variables)?;
        }
    }
    for variable in container.env.iter().flatten() {
        let value = match &variable.value_from {
            None => Some(expanded(variable.value.as_deref().unwrap_or_default(), &variables)),
            Some(source) => value_from(pod, source, facts, sources)
                .map_err(|why| format!("variable {}: {why}", variable.name))?,
        };
        variables.extend(value.map(|value| (variable.name.clone(), value)));
    }
    Ok(variables)
}

fn all_of(
    kind: &str,
    name: &str,
    found: &BTreeMap<String, Data>,
    optional: Option<bool>,
    prefix: &str,
    variables: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    match found.get(name) {
        Some(data) => {
            variables.extend(data.iter().map(|(key, value)| (format!("{prefix}{key}"), text(value))));
            Ok(())
        }
        None if optional == Some(true) => Ok(()),
        None => Err(format!("{kind} {name} does not exist")),
    }
}

/// None if an optional value is missing.
fn value_from(
    pod: &Pod,
    source: &EnvVarSource,
    facts: &Facts,
    sources: &Sources,
) -> Result<Option<String>, String> {
    let key = |kind: &str, name: &str, found: &BTreeMap<String, Data>, key: &str, optional: Option<bool>| {
        match found.get(name).and_then(|data| data.get(key)) {
            Some(value) => Ok(Some(text(value))),
            None if optional == Some(true) => Ok(None),
            None => Err(format!("there is no key {key} of a {kind} {name}")),
        }
    };
    if let Some(source) = &source.config_map_key_ref {
        return key("ConfigMap", &source.name, &sources.config_maps, &source.key, source.optional);
    }
    if let Some(source) = &source.secret_key_ref {
        return key("Secret", &source.name, &sources.secrets, &source.key, source.optional);
    }
    match &source.field_ref {
        Some(field) => self::field(pod, &field.field_path, facts).map(Some),
        None => Err("this kubelet knows fieldRef, configMapKeyRef and secretKeyRef".to_owned()),
    }
}

/// The value of a field of a Pod, as `fieldRef` names it.
pub(super) fn field(pod: &Pod, path: &str, facts: &Facts) -> Result<String, String> {
    let spec = pod.spec.as_ref();
    if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        let map = match map {
            "metadata.labels" => pod.labels(),
            "metadata.annotations" => pod.annotations(),
            _ => return Err(format!("this kubelet does not know the field {path}")),
        };
        return Ok(map.get(key).cloned().unwrap_or_default());
    }
    Ok(match path {
        "metadata.name" => pod.name_any(),
        "metadata.namespace" => pod.namespace().unwrap_or_default(),
        "metadata.uid" => pod.uid().unwrap_or_default(),
        "spec.nodeName" => facts.node.clone(),
        "spec.serviceAccountName" => spec.and_then(|s| s.service_account_name.clone()).unwrap_or_default(),
        "status.hostIP" | "status.hostIPs" => facts.node_address.clone(),
        "status.podIP" | "status.podIPs" => facts.pod_address.clone(),
        _ => return Err(format!("this kubelet does not know the field {path}")),
    })
}

/// Replaces `$(NAME)` by the variable's value, `$$` by `$`; what is not known stays.
pub(super) fn expanded(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        let reference = after.strip_prefix('(').and_then(|inside| inside.split_once(')'));
        rest = match reference {
            _ if after.starts_with('$') => {
                result.push('$');
                &after[1..]
            }
            Some((name, rest)) if variables.contains_key(name) => {
                result.push_str(&variables[name]);
                rest
            }
            _ => {
                result.push('$');
                after
            }
        };
    }
    result + rest
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn resolve(container: Value) -> Result<BTreeMap<String, String>, String> {
        let mut container = container;
        container["name"] = "c".into();
        let pod = json!({
            "metadata": {"name": "ako-0", "namespace": "avi-system", "uid": "u-1", "labels": {"app": "ako"}},
            "spec": {"serviceAccountName": "ako-sa", "containers": []},
        });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let facts = Facts {
            node: "node".to_owned(),
            node_address: "10.244.0.1".to_owned(),
            pod_address: "10.244.1.0".to_owned(),
            api_server: ("10.244.0.1".to_owned(), 6443),
        };
        let data = |value: &str| Data::from([("key".to_owned(), value.as_bytes().to_vec())]);
        let sources = Sources {
            config_maps: BTreeMap::from([("map".to_owned(), data("of map"))]),
            secrets: BTreeMap::from([("secret".to_owned(), data("of secret"))]),
            ..Sources::default()
        };
        let image = [("FROM_IMAGE".to_owned(), "1".to_owned())];
        variables(&pod, &serde_json::from_value(container).unwrap(), &image, &facts, &sources)
    }

    #[test]
    fn every_source_of_a_variable_is_resolved() {
        let field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
        for (source, value) in [
            (field("metadata.name"), "ako-0"),
            (field("metadata.namespace"), "avi-system"),
            (field("metadata.uid"), "u-1"),
            (field("metadata.labels['app']"), "ako"),
            (field("metadata.annotations['none']"), ""),
            (field("spec.serviceAccountName"), "ako-sa"),
            (field("spec.nodeName"), "node"),
            (field("status.hostIP"), "10.244.0.1"),
            (field("status.podIP"), "10.244.1.0"),
            (json!({"configMapKeyRef": {"name": "map", "key": "key"}}), "of map"),
            (json!({"secretKeyRef": {"name": "secret", "key": "key"}}), "of secret"),
        ] {
            let found = resolve(json!({"env": [{"name": "V", "valueFrom": source}]})).unwrap();
            assert_eq!(found["V"], value, "{source}");
        }
    }

    #[test]
    fn what_is_missing_is_named_unless_it_is_optional() {
        for (source, named) in [
            (
                json!({"configMapKeyRef": {"name": "map", "key": "other"}}),
                "variable V: there is no key other",
            ),
            (json!({"secretKeyRef": {"name": "none", "key": "key"}}), "Secret none"),
        ] {
            let why = resolve(json!({"env": [{"name": "V", "valueFrom": source}]})).unwrap_err();
            assert!(why.contains(named), "{why}");
            let mut optional = source.clone();
            let reference = optional.as_object_mut().unwrap().values_mut().next().unwrap();
            reference["optional"] = true.into();
            let found = resolve(json!({"env": [{"name": "V", "valueFrom": optional}]})).unwrap();
            assert!(!found.contains_key("V"), "{source}");
        }
        let why = resolve(json!({"envFrom": [{"secretRef": {"name": "none"}}]})).unwrap_err();
        assert_eq!(why, "Secret none does not exist");
        resolve(json!({"envFrom": [{"secretRef": {"name": "none", "optional": true}}]})).unwrap();
        let unknown =
            json!({"env": [{"name": "V", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]});
        assert!(resolve(unknown).unwrap_err().contains("variable V"));
    }

    #[test]
    fn later_variables_win_and_may_name_earlier_ones() {
        let found = resolve(json!({
            "envFrom": [{"prefix": "P_", "configMapRef": {"name": "map"}}, {"secretRef": {"name": "secret"}}],
            "env": [
                {"name": "key", "value": "own"},
                {"name": "URL", "value": "https://$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)/$(NONE)$$(key)"},
            ],
        }))
        .unwrap();
        assert_eq!(found["P_key"], "of map");
        assert_eq!(found["key"], "own");
        assert_eq!(found["URL"], "https://10.244.0.1:6443/$(NONE)$(key)");
        assert_eq!(found["FROM_IMAGE"], "1");
    }
}
