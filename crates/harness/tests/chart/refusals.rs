//! What the chart refuses, and by which name.

use ako_harness::helm::Helm;
use serde_json::json;

use crate::objects::{Objects, least};

/// Values that are refused, and what the message has to name.
#[rustfmt::skip]
const REFUSED: [(&str, &[&str]); 57] = [
    // What has to be said.
    ("ControllerSettings.controllerHost=", &["ControllerSettings.controllerHost", "required"]),
    ("AKOSettings.clusterName=", &["AKOSettings.clusterName", "required"]),
    ("AKOSettings.clusterName=my cluster", &["AKOSettings.clusterName", "my cluster"]),
    ("avicredentials.username=admin", &["avicredentials.username", "avicredentials.password", "avicredentials.authtoken"]),
    // None of a list.
    ("L7Settings.shardVSSize=HUGE", &["/L7Settings/shardVSSize", "'LARGE', 'MEDIUM', 'SMALL', 'DEDICATED'"]),
    ("L7Settings.passthroughShardSize=DEDICATED", &["/L7Settings/passthroughShardSize", "'SMALL'"]),
    ("L7Settings.serviceType=nodeport", &["/L7Settings/serviceType", "'NodePort'"]),
    ("L7Settings.fqdnReusePolicy=open", &["L7Settings.fqdnReusePolicy", "open", "Strict"]),
    ("L4Settings.autoFQDN=off", &["/L4Settings/autoFQDN", "'disabled'"]),
    ("AKOSettings.logLevel=warn", &["/AKOSettings/logLevel", "'WARN'"]),
    ("AKOSettings.ipFamily=V5", &["/AKOSettings/ipFamily", "'V4_V6'"]),
    ("AKOSettings.leaderElectionProfile=slow", &["/AKOSettings/leaderElectionProfile", "'fast'"]),
    ("image.pullPolicy=Sometimes", &["/image/pullPolicy", "'IfNotPresent'"]),
    ("logFormat=xml", &["/logFormat", "'json'"]),
    ("probes=maybe", &["/probes", "'auto'"]),
    // No true or false.
    ("AKOSettings.enableEVH=yes", &["/AKOSettings/enableEVH", "'yes'"]),
    ("AKOSettings.primaryInstance=maybe", &["/AKOSettings/primaryInstance", "'maybe'"]),
    ("AKOSettings.deleteConfig=yes", &["/AKOSettings/deleteConfig", "'true'"]),
    ("AKOSettings.enableEvents=1", &["/AKOSettings/enableEvents", "'true'"]),
    ("NetworkSettings.enableRHI=2", &["/NetworkSettings/enableRHI"]),
    ("featureGates.EnablePrometheus=on", &["/featureGates/EnablePrometheus", "'on'"]),
    ("ako-crd-operator.enabled=sure", &["/ako-crd-operator/enabled", "'sure'"]),
    // No numbers, or not in range.
    ("AKOSettings.fullSyncFrequency=soon", &["/AKOSettings/fullSyncFrequency", "'soon'"]),
    ("AKOSettings.fullSyncFrequency=-1", &["/AKOSettings/fullSyncFrequency"]),
    ("AKOSettings.apiServerPort=70000", &["/AKOSettings/apiServerPort", "65,535"]),
    ("AKOSettings.apiServerPort=http", &["/AKOSettings/apiServerPort", "'http'"]),
    ("AKOSettings.deletionGuardPercent=101", &["/AKOSettings/deletionGuardPercent", "100"]),
    ("replicaCount=-1", &["/replicaCount"]),
    ("replicaCount=two", &["/replicaCount", "'two'"]),
    ("replicaCount=1.5", &["/replicaCount"]),
    // Durations.
    ("AKOSettings.leaseDuration=long", &["/AKOSettings/leaseDuration", "'long'"]),
    ("AKOSettings.leaseDuration=10m", &["/AKOSettings/leaseDuration", "'10m'"]),
    ("AKOSettings.leaseDuration=200s", &["AKOSettings.leaseDuration", "180s"]),
    ("AKOSettings.leaseDuration=10s", &["AKOSettings.renewDeadline", "AKOSettings.leaseDuration"]),
    ("AKOSettings.renewDeadline=3s", &["AKOSettings.retryPeriod", "AKOSettings.renewDeadline"]),
    ("AKOSettings.retryPeriod=5000ms", &["AKOSettings.retryPeriod"]),
    // Networks, and what cannot be together.
    ("NetworkSettings.vipNetworkList[0].networkName=", &["NetworkSettings.vipNetworkList[0]", "networkUUID"]),
    ("NetworkSettings.vipNetworkList[0].cidr=10.0.0.0/40", &["NetworkSettings.vipNetworkList[0]", "10.0.0.0/40"]),
    ("NetworkSettings.vipNetworkList[0].v6cidr=2002::/129", &["NetworkSettings.vipNetworkList[0]", "2002::/129"]),
    ("NetworkSettings.vipNetworkList[0].network=n", &["/NetworkSettings/vipNetworkList/0", "'network'"]),
    ("NetworkSettings.vipNetworkList=net1", &["/NetworkSettings/vipNetworkList", "array"]),
    ("NetworkSettings.nodeNetworkList[0].cidrs={10.0.0.1}", &["NetworkSettings.nodeNetworkList[0]", "10.0.0.1"]),
    ("NetworkSettings.nodeNetworkList[5].networkName=n", &["NetworkSettings"]),
    ("NetworkSettings.bgpPeerLabels={peer}", &["NetworkSettings.bgpPeerLabels", "NetworkSettings.enableRHI"]),
    ("L7Settings.serviceType=NodePortLocal", &["L7Settings.serviceType", "AKOSettings.cniPlugin"]),
    ("AKOSettings.namespaceSelector.selector=a of b", &["AKOSettings.namespaceSelector.selector", "a of b"]),
    // What the operator does not run with.
    ("AKOSettings.servicesAPI=true", &["AKOSettings.servicesAPI"]),
    ("AKOSettings.istioEnabled=true", &["AKOSettings.istioEnabled"]),
    ("L7Settings.enableMCI=true", &["L7Settings.enableMCI"]),
    // Of older charts.
    ("NetworkSettings.subnetIP=10.0.0.0", &["NetworkSettings.subnetIP", "NetworkSettings.vipNetworkList"]),
    ("NetworkSettings.subnetPrefix=24", &["NetworkSettings.subnetPrefix", "NetworkSettings.vipNetworkList"]),
    ("NetworkSettings.networkName=net1", &["NetworkSettings.networkName", "NetworkSettings.vipNetworkList"]),
    ("AKOSettings.syncNamespace=red", &["AKOSettings.syncNamespace", "AKOSettings.namespaceSelector"]),
    ("nodeSelectorLabels.key=a", &["nodeSelectorLabels", "nodePortSelector.key"]),
    // Typing errors.
    ("AKOSettings.enableevh=true", &["/AKOSettings", "'enableevh'"]),
    ("L7Settings.clusterName=c1", &["/L7Settings", "'clusterName'"]),
    ("AKOsettings.clusterName=c1", &["'AKOsettings'"]),
];

#[test]
fn what_the_operator_would_refuse_is_refused_by_name() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    for (set, named) in REFUSED {
        let answer = helm.template(&Helm::chart(), "avi-system", &least(), &[set]).unwrap();
        let refusal = answer.err().unwrap_or_else(|| panic!("{set} is accepted"));
        for name in named {
            assert!(refusal.contains(name), "{set}: {name} is not named in\n{refusal}");
        }
    }
}

#[test]
fn all_is_refused_at_once() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    let wrong =
        ["ControllerSettings.controllerHost=,AKOSettings.servicesAPI=true,AKOSettings.syncNamespace=red"];
    let refusal = helm.template(&Helm::chart(), "avi-system", &least(), &wrong).unwrap().unwrap_err();
    for name in ["controllerHost", "servicesAPI", "syncNamespace"] {
        assert!(refusal.contains(name), "{name} is not named in\n{refusal}");
    }
}

/// What is not an error: it is as with AKO's chart, or safe.
#[test]
fn what_is_merely_unusual_is_accepted() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    for set in [
        "avicredentials.username=,avicredentials.password=",
        "replicaCount=0",
        "replicaCount=7",
        "replicaCount=3,AKOSettings.primaryInstance=false",
        "AKOSettings.cniPlugin=something-new",
        "AKOSettings.cniPlugin=Antrea,L7Settings.serviceType=NodePortLocal",
        "AKOSettings.enableEVH=T",
        "AKOSettings.enableEVH=1",
        "AKOSettings.clusterName=2024",
        "AKOSettings.apiServerPort=",
        "AKOSettings.retryPeriod=500ms",
        "AKOSettings.leaseDuration=60s,AKOSettings.renewDeadline=40s",
        "NetworkSettings.vipNetworkList[0].networkUUID=dvportgroup-1,NetworkSettings.vipNetworkList[0].networkName=",
        "NetworkSettings.vipNetworkList=null",
        "NetworkSettings.subnetIP=,NetworkSettings.networkName=",
        "AKOSettings.syncNamespace=,L4Settings.advancedL4=false",
        "avicredentials=null",
        "rbac.pspEnable=true",
        "x-mine=anything",
    ] {
        let answer = helm.template(&Helm::chart(), "avi-system", &least(), &[set]).unwrap();
        assert!(answer.is_ok(), "{set}: {answer:?}");
    }
}

#[test]
fn the_number_of_replicas_may_be_written_in_any_way() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    for count in [json!(2), json!(2.0), json!("2"), json!("2.0")] {
        let mut values = least();
        values["replicaCount"] = count.clone();
        let objects = Objects::of(&helm, &values);
        assert_eq!(objects.get("StatefulSet", "ako")["spec"]["replicas"], 2, "{count}");
    }
}

#[test]
fn the_default_class_may_be_a_word_or_a_boolean() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    for (value, expected) in
        [(json!("true"), true), (json!(true), true), (json!("false"), false), (json!(false), false)]
    {
        let mut values = least();
        values["L7Settings"] = json!({"defaultIngController": value});
        let objects = Objects::of(&helm, &values);
        let annotations = &objects.get("IngressClass", "avi-lb")["metadata"]["annotations"];
        assert_eq!(annotations["ingressclass.kubernetes.io/is-default-class"] == "true", expected, "{value}");
        assert_eq!(annotations["helm.sh/resource-policy"], "keep");
    }
}
