//! Pods and what makes them.

use serde_json::{Value, json};

use super::{default, items, refuse_all, unchangeable};
use crate::cluster::text;
use crate::selector::matches_all;
use crate::status::Cause;
use crate::syntax;

pub(crate) fn default_pod(object: &mut Value) {
    pod_spec(&mut object["spec"]);
    let spec = &mut object["spec"];
    default(spec, "enableServiceLinks", true);
}

/// What the admission plugins of kube-apiserver add to a Pod.
pub(crate) fn admit_pod(object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "priority", 0);
    default(spec, "preemptionPolicy", "PreemptLowerPriority");
    let tolerations = ["not-ready", "unreachable"].map(|key| {
        json!({
            "key": format!("node.kubernetes.io/{key}"),
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 300,
        })
    });
    if !spec["tolerations"].is_array() {
        spec["tolerations"] = json!([]);
    }
    if let Some(list) = spec["tolerations"].as_array_mut() {
        for toleration in tolerations {
            if !list.iter().any(|have| have["key"] == toleration["key"]) {
                list.push(toleration);
            }
        }
    }
}

fn pod_spec(spec: &mut Value) {
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        containers.into_iter().flatten().for_each(container);
    }
    default(spec, "restartPolicy", "Always");
    default(spec, "terminationGracePeriodSeconds", 30);
    default(spec, "dnsPolicy", "ClusterFirst");
    default(spec, "securityContext", json!({}));
    default(spec, "schedulerName", "default-scheduler");
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        default(spec, "serviceAccount", account);
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        for source in ["configMap", "secret", "projected"] {
            if volume.get(source).is_some() {
                default(&mut volume[source], "defaultMode", 420);
            }
        }
    }
}

fn container(container: &mut Value) {
    let image = text(container, "image").to_owned();
    let tag = image.rsplit('/').next().unwrap_or_default();
    let latest = !tag.contains('@') && tag.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    default(container, "imagePullPolicy", if latest { "Always" } else { "IfNotPresent" });
    default(container, "resources", json!({}));
    default(container, "terminationMessagePath", "/dev/termination-log");
    default(container, "terminationMessagePolicy", "File");
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(probe) else { continue };
        for (key, value) in
            [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
        {
            default(probe, key, value);
        }
        if let Some(get) = probe.get_mut("httpGet") {
            default(get, "path", "/");
            default(get, "scheme", "HTTP");
        }
    }
    for variable in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(field) = variable.get_mut("valueFrom").and_then(|from| from.get_mut("fieldRef")) {
            default(field, "apiVersion", "v1");
        }
    }
}

pub(crate) fn default_stateful_set(object: &mut Value) {
    let spec = &mut object["spec"];
    pod_spec(&mut spec["template"]["spec"]);
    default(spec, "replicas", 1);
    default(spec, "podManagementPolicy", "OrderedReady");
    default(spec, "updateStrategy", json!({}));
    default(&mut spec["updateStrategy"], "type", "RollingUpdate");
    if spec["updateStrategy"]["type"] == "RollingUpdate" {
        default(&mut spec["updateStrategy"], "rollingUpdate", json!({}));
        default(&mut spec["updateStrategy"]["rollingUpdate"], "partition", 0);
    }
    default(spec, "revisionHistoryLimit", 10);
    let retention = json!({"whenDeleted": "Retain", "whenScaled": "Retain"});
    default(spec, "persistentVolumeClaimRetentionPolicy", retention);
}

pub(crate) fn default_deployment(object: &mut Value) {
    let spec = &mut object["spec"];
    pod_spec(&mut spec["template"]["spec"]);
    default(spec, "replicas", 1);
    default(spec, "strategy", json!({}));
    default(&mut spec["strategy"], "type", "RollingUpdate");
    if spec["strategy"]["type"] == "RollingUpdate" {
        default(&mut spec["strategy"], "rollingUpdate", json!({}));
        default(&mut spec["strategy"]["rollingUpdate"], "maxUnavailable", "25%");
        default(&mut spec["strategy"]["rollingUpdate"], "maxSurge", "25%");
    }
    default(spec, "revisionHistoryLimit", 10);
    default(spec, "progressDeadlineSeconds", 600);
}

pub(crate) fn default_replica_set(object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "replicas", 1);
    pod_spec(&mut spec["template"]["spec"]);
}

pub(crate) fn validate_pod(new: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    check_containers("spec", &new["spec"], &mut causes);
    causes
}

fn check_containers(field: &str, spec: &Value, causes: &mut Vec<Cause>) {
    if items(&spec["containers"]).next().is_none() {
        causes.push(Cause::required(format!("{field}.containers"), ""));
    }
    for (at, container) in items(&spec["containers"]) {
        let place = format!("{field}.containers[{at}]");
        let name = text(container, "name");
        if name.is_empty() {
            causes.push(Cause::required(format!("{place}.name"), ""));
        } else {
            refuse_all(&format!("{place}.name"), name, syntax::label(name), causes);
        }
        if text(container, "image").is_empty() {
            causes.push(Cause::required(format!("{place}.image"), ""));
        }
    }
}

pub(crate) fn validate(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let spec = &new["spec"];
    let mut causes = Vec::new();
    if spec["replicas"].as_i64().is_some_and(|replicas| replicas < 0) {
        let why = "must be greater than or equal to 0";
        causes.push(Cause::invalid("spec.replicas", &spec["replicas"], why));
    }
    if spec.get("selector").is_none_or(Value::is_null) {
        causes.push(Cause::required("spec.selector", ""));
    }
    let labels = &spec["template"]["metadata"]["labels"];
    if !matches_all(&spec["selector"]["matchLabels"], labels) {
        let why = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", labels, why));
    }
    check_containers("spec.template.spec", &spec["template"]["spec"], &mut causes);
    if let Some(old) = old {
        unchangeable("spec.selector", &spec["selector"], &old["spec"]["selector"], &mut causes);
        if spec["podManagementPolicy"] != old["spec"]["podManagementPolicy"]
            || spec["serviceName"] != old["spec"]["serviceName"]
        {
            let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                       'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                       'minReadySeconds' are forbidden";
            causes.push(Cause::forbidden("spec", why));
        }
    }
    causes
}
