//! Conversion is total: whatever stands in the place of any field, nothing
//! panics, and nothing secret is shown.
#![allow(clippy::unwrap_used, reason = "a test may end at any surprise, in its helpers too")]

use ako_kube_types::convert::from_json;
use proptest::prelude::*;
use serde_json::{Value, json};

/// An object of each kind with every field that is read.
fn examples() -> Vec<Value> {
    let meta = json!({"name": "n", "namespace": "ns", "resourceVersion": "1",
        "creationTimestamp": "2025-01-01T00:00:00Z",
        "labels": {"kubernetes.io/service-name": "web"},
        "annotations": {"ako.vmware.com/tenant-name": "t", "ako.vmware.com/enable-shared-vip": "k",
            "projectcalico.org/IPv4Address": "10.0.0.1/24",
            "node.antrea.io/transport-addresses": "10.0.0.1,fd00::1"}});
    let status = json!({"loadBalancer": {"ingress": [{"ip": "1.2.3.4", "hostname": "h"}]},
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]});
    let backend = json!({"service": {"name": "s", "port": {"number": 80, "name": "http"}}, "resource": {}});
    let ingress = json!({"ingressClassName": "c", "defaultBackend": {}, "rules": [{"host": "h.com",
        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
        "tls": [{"hosts": ["h.com"], "secretName": "s"}]});
    let service = json!({"type": "NodePort", "loadBalancerClass": "c", "loadBalancerIP": "1.2.3.4",
        "ipFamilies": ["IPv4"], "externalTrafficPolicy": "Local", "ports": [{"name": "p", "port": 80,
        "targetPort": "http", "protocol": "TCP", "nodePort": 30000}]});
    let object = |api_version: &str, kind: &str, spec: &Value| {
        json!({"apiVersion": api_version, "kind": kind, "metadata": meta, "status": status, "spec": spec,
            "data": {"tls.crt": "Y3J0", "tls.key": "a2V5", "alt.crt": "Y3J0", "alt.key": "a2V5"},
            "stringData": {"tls.crt": "crt"}, "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "n",
                "conditions": {"ready": true, "terminating": false}}],
            "ports": [{"name": "p", "port": 80, "protocol": "TCP"}]})
    };
    let rules = include_str!("../testdata/rules.yaml").split("\n---\n");
    let rules = rules.map(|document| serde_saphyr::from_str::<Value>(document).unwrap());
    let others = [
        object("v1", "Namespace", &json!({})),
        object("v1", "Node", &json!({})),
        object("v1", "Secret", &json!({})),
        object("v1", "Service", &service),
        object("networking.k8s.io/v1", "Ingress", &ingress),
        object("networking.k8s.io/v1", "IngressClass", &json!({"controller": "x"})),
        object("discovery.k8s.io/v1", "EndpointSlice", &json!({})),
    ];
    others.into_iter().chain(rules).collect()
}

/// The places in a value, itself included.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(inner, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                places(inner, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-1i64..70000).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[-*./:a-zA-Z0-9]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z.]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn the_examples_convert() {
    for example in examples() {
        let converted = from_json(&example).unwrap();
        assert!(converted.resource.is_some(), "{example}");
        assert!(converted.diagnostics.is_empty(), "{:?}", converted.diagnostics);
    }
}

#[test]
fn null_in_any_place_never_panics() {
    for example in examples() {
        let mut all = Vec::new();
        places(&example, "", &mut all);
        for place in all {
            let mut changed = example.clone();
            *changed.pointer_mut(&place).unwrap() = Value::Null;
            let _ = from_json(&changed);
        }
    }
}

#[test]
fn kinds_of_others_are_not_ours() {
    let of = |api_version: &str, kind: &str| json!({"apiVersion": api_version, "kind": kind, "metadata": 7});
    for object in [of("serving.knative.dev/v1", "Service"), of("apps/v1", "Deployment")] {
        assert!(from_json(&object).unwrap().resource.is_none());
    }
    assert!(from_json(&json!({"apiVersion": "v1"})).is_err());
    assert!(from_json(&json!({"apiVersion": "v1", "kind": "Service"})).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn anything_in_any_place_never_panics(
        example in prop::sample::select(examples()),
        pick in any::<prop::sample::Index>(),
        value in any_json(),
    ) {
        let mut all = Vec::new();
        places(&example, "", &mut all);
        let place = pick.get(&all);
        let mut changed = example.clone();
        *changed.pointer_mut(place).unwrap() = value;
        if let Ok(converted) = from_json(&changed) {
            for diagnostic in &converted.diagnostics {
                prop_assert!(diagnostic.message.len() <= ako_kube_types::MAX_MESSAGE);
            }
            prop_assert!(converted.diagnostics.len() <= ako_kube_types::MAX_FINDINGS);
        }
    }

    #[test]
    fn a_secret_is_never_quoted(place in prop::sample::select(vec!["/data", "/data/tls.key", "/stringData"])) {
        let mut secret = examples().swap_remove(2);
        *secret.pointer_mut(place).unwrap() = Value::from("hunter2!");
        let shown = format!("{:?}", from_json(&secret));
        prop_assert!(!shown.contains("hunter2"), "{}", shown);
    }
}
