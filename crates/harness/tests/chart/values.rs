//! Every value of AKO's chart, with its default and the key of the ConfigMap that it becomes.
//! Source: Configuration, lifecycle and HA, §1.2.

use ako_harness::helm::Helm;
use serde_json::{Value, json};

use crate::objects::repository;

/// A value of the chart.
pub(crate) struct Row {
    pub(crate) path: &'static str,
    /// As JSON.
    pub(crate) default: &'static str,
    /// Empty if it becomes none.
    pub(crate) key: &'static str,
    /// Another value, as JSON, and how it stands in the ConfigMap.
    pub(crate) other: (&'static str, &'static str),
}

const fn row(
    path: &'static str,
    default: &'static str,
    key: &'static str,
    other: (&'static str, &'static str),
) -> Row {
    Row { path, default, key, other }
}

/// Values of AKO 2.2.1 that become a key of the ConfigMap.
#[rustfmt::skip]
pub(crate) const OF_AKO: [Row; 48] = [
    row("AKOSettings.primaryInstance", "true", "primaryInstance", ("false", "false")),
    row("AKOSettings.enableEvents", r#""true""#, "enableEvents", ("false", "false")),
    row("AKOSettings.logLevel", r#""WARN""#, "logLevel", (r#""DEBUG""#, "DEBUG")),
    row("AKOSettings.fullSyncFrequency", r#""1800""#, "fullSyncFrequency", ("3000000.0", "3000000")),
    row("AKOSettings.apiServerPort", "8080", "apiServerPort", (r#""9090""#, "9090")),
    row("AKOSettings.deleteConfig", r#""false""#, "deleteConfig", ("true", "true")),
    row("AKOSettings.disableStaticRouteSync", r#""false""#, "disableStaticRouteSync", (r#""true""#, "true")),
    row("AKOSettings.clusterName", r#""my-cluster""#, "clusterName", ("1234567890", "1234567890")),
    row("AKOSettings.cniPlugin", r#""""#, "cniPlugin", (r#""calico""#, "calico")),
    row("AKOSettings.enableEVH", "false", "enableEVH", (r#""true""#, "true")),
    row("AKOSettings.layer7Only", "false", "layer7Only", ("true", "true")),
    row("AKOSettings.namespaceSelector.labelKey", r#""""#, "nsSyncLabelKey", (r#""app""#, "app")),
    row("AKOSettings.namespaceSelector.labelValue", r#""""#, "nsSyncLabelValue", (r#""migrate""#, "migrate")),
    row("AKOSettings.servicesAPI", "false", "servicesAPI", (r#""0""#, "0")),
    row("AKOSettings.vipPerNamespace", r#""false""#, "vipPerNamespace", ("true", "true")),
    row("AKOSettings.istioEnabled", "false", "istioEnabled", (r#""F""#, "F")),
    row("AKOSettings.blockedNamespaceList", "[]", "blockedNamespaceList", (r#"["kube-system"]"#, r#"["kube-system"]"#)),
    row("AKOSettings.ipFamily", r#""""#, "ipFamily", (r#""V4_V6""#, "V4_V6")),
    row("AKOSettings.useDefaultSecretsOnly", r#""false""#, "useDefaultSecretsOnly", ("true", "true")),
    row("AKOSettings.vpcMode", "false", "vpcMode", (r#""f""#, "f")),
    row("NetworkSettings.nodeNetworkList", "[]", "nodeNetworkList",
        (r#"[{"networkName": "n", "cidrs": ["10.0.0.1/24"]}]"#, r#"[{"cidrs":["10.0.0.1/24"],"networkName":"n"}]"#)),
    row("NetworkSettings.enableRHI", "false", "enableRHI", ("true", "true")),
    row("NetworkSettings.nsxtT1LR", r#""""#, "nsxtT1LR", (r#""/infra/tier-1s/t1""#, "/infra/tier-1s/t1")),
    row("NetworkSettings.bgpPeerLabels", "[]", "bgpPeerLabels", (r#"["peer1", "peer2"]"#, r#"["peer1","peer2"]"#)),
    row("NetworkSettings.vipNetworkList", "[]", "vipNetworkList",
        (r#"[{"networkName": "net1", "cidr": "100.1.1.0/24", "v6cidr": "2002::/64"}]"#,
         r#"[{"cidr":"100.1.1.0/24","networkName":"net1","v6cidr":"2002::/64"}]"#)),
    row("NetworkSettings.defaultDomain", r#""""#, "defaultDomain", (r#""avi.internal""#, "avi.internal")),
    row("L7Settings.defaultIngController", r#""true""#, "defaultIngController", ("false", "false")),
    row("L7Settings.noPGForSNI", "false", "noPGForSNI", ("true", "true")),
    row("L7Settings.serviceType", r#""ClusterIP""#, "serviceType", (r#""NodePort""#, "NodePort")),
    row("nodePortSelector.key", r#""""#, "nodeKey", (r#""pool""#, "pool")),
    row("nodePortSelector.value", r#""""#, "nodeValue", ("true", "true")),
    row("L7Settings.shardVSSize", r#""LARGE""#, "shardVSSize", (r#""DEDICATED""#, "DEDICATED")),
    row("L7Settings.passthroughShardSize", r#""SMALL""#, "passthroughShardSize", (r#""MEDIUM""#, "MEDIUM")),
    row("L7Settings.enableMCI", r#""false""#, "enableMCI", ("false", "false")),
    row("L7Settings.fqdnReusePolicy", r#""InterNamespaceAllowed""#, "fqdnReusePolicy", (r#""strict""#, "strict")),
    row("L4Settings.defaultLBController", r#""true""#, "defaultLBController", (r#""false""#, "false")),
    row("L4Settings.autoFQDN", r#""default""#, "autoFQDN", (r#""disabled""#, "disabled")),
    row("L4Settings.defaultDomain", r#""""#, "defaultDomain", (r#""old.internal""#, "old.internal")),
    row("ControllerSettings.serviceEngineGroupName", r#""Default-Group""#, "serviceEngineGroupName", (r#""g1""#, "g1")),
    row("ControllerSettings.controllerVersion", r#""""#, "controllerVersion", ("22.1", "22.1")),
    row("ControllerSettings.cloudName", r#""Default-Cloud""#, "cloudName", (r#""c1""#, "c1")),
    row("ControllerSettings.controllerHost", r#""""#, "controllerIP", (r#""avi.example.com:8443""#, "avi.example.com:8443")),
    row("ControllerSettings.tenantName", r#""admin""#, "tenantName", (r#""t1""#, "t1")),
    row("ControllerSettings.vrfName", r#""""#, "vrfName", (r#""vrf1""#, "vrf1")),
    row("ControllerSettings.dedicatedTenantMode", "false", "dedicatedTenantMode", ("true", "true")),
    row("featureGates.EnablePrometheus", "false", "enablePrometheus", ("true", "true")),
    row("ako-crd-operator.enabled", "true", "akoCRDOperatorEnabled", ("false", "false")),
    row("replicaCount", "1", "", (r#""2""#, "")),
];

/// Values of AKO 2.2.1 that become none.
const ELSEWHERE: [(&str, &str); 13] = [
    ("featureGates.GatewayAPI", "false"),
    ("mountPath", r#""/log""#),
    ("logFile", r#""avi.log""#),
    ("akoGatewayLogFile", r#""avi-gw.log""#),
    ("persistentVolumeClaim", r#""""#),
    ("image.pullPolicy", r#""IfNotPresent""#),
    ("GatewayAPI.image.pullPolicy", r#""IfNotPresent""#),
    ("resources.limits", r#"{"cpu": "350m", "memory": "400Mi"}"#),
    ("resources.requests", r#"{"cpu": "200m", "memory": "300Mi"}"#),
    ("securityContext", "{}"),
    ("podSecurityContext", "{}"),
    ("nodeSelector", "{}"),
    ("rbac.pspEnable", "false"),
];

/// Values of AKO's chart without a default of their own.
const PRESENT: [&str; 8] = [
    "image.repository",
    "image.pullSecrets",
    "GatewayAPI.image.repository",
    "tolerations",
    "avicredentials.username",
    "avicredentials.password",
    "avicredentials.authtoken",
    "avicredentials.certificateAuthorityData",
];

/// Values of this operator alone.
#[rustfmt::skip]
pub(crate) const OWN: [Row; 10] = [
    row("ControllerSettings.controllerServerName", r#""""#, "controllerServerName", (r#""avi.local""#, "avi.local")),
    row("AKOSettings.namespaceSelector.selector", r#""""#, "namespaceSelector", (r#""a in (b, c), !d""#, "a in (b, c), !d")),
    row("L7Settings.autoAnnotateService", r#""""#, "autoAnnotateService", ("false", "false")),
    row("AKOSettings.deletionGuardMinimum", r#""""#, "deletionGuardMinimum", ("0", "0")),
    row("AKOSettings.deletionGuardPercent", r#""""#, "deletionGuardPercent", ("50", "50")),
    row("AKOSettings.repairDisabled", r#""""#, "repairDisabled", ("true", "true")),
    row("AKOSettings.leaderElectionProfile", r#""""#, "leaderElectionProfile", (r#""fast""#, "fast")),
    row("AKOSettings.leaseDuration", r#""""#, "leaseDuration", (r#""20s""#, "20s")),
    row("AKOSettings.renewDeadline", r#""""#, "renewDeadline", (r#""9000ms""#, "9000ms")),
    row("AKOSettings.retryPeriod", r#""""#, "retryPeriod", ("1", "1")),
];

/// The chart's `values.yaml`.
pub(crate) fn defaults() -> Value {
    let text = std::fs::read_to_string(Helm::chart().join("values.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

pub(crate) fn at<'a>(values: &'a Value, path: &str) -> Option<&'a Value> {
    values.pointer(&format!("/{}", path.replace('.', "/")))
}

pub(crate) fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The values of AKO that have a default of their own, with it.
pub(crate) fn of_ako() -> impl Iterator<Item = (&'static str, &'static str)> {
    OF_AKO.iter().map(|row| (row.path, row.default)).chain(ELSEWHERE)
}

#[test]
fn each_value_of_ako_is_there_with_its_default() {
    let values = defaults();
    let own = OWN.iter().map(|row| (row.path, row.default));
    for (path, default) in of_ako().chain(own) {
        assert_eq!(at(&values, path), Some(&json_of(default)), "{path}");
    }
    for path in PRESENT {
        assert!(at(&values, path).is_some(), "{path} is missing");
    }
}

/// A key that nobody can set through the chart is forgotten here.
#[test]
fn each_key_of_the_configuration_is_a_value() {
    let rows = || OF_AKO.iter().chain(&OWN);
    for key in ako_core::config::keys() {
        assert!(rows().any(|row| row.key == key.name), "{} has no value", key.name);
    }
    for row in rows().filter(|row| !row.key.is_empty()) {
        assert!(ako_core::config::keys().iter().any(|key| key.name == row.key), "{} is no key", row.key);
    }
}

#[test]
fn the_chart_has_the_version_of_the_operator() {
    for chart in ["charts/ako", "charts/ako/charts/ako-crd-operator"] {
        let text = std::fs::read_to_string(repository(chart).join("Chart.yaml")).unwrap();
        let chart: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(chart["version"], json!(env!("CARGO_PKG_VERSION")));
        assert_eq!(chart["appVersion"], chart["version"]);
    }
}
