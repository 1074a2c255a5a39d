//! What AKO's rules and OpenShift's Routes do to traffic.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ako_harness::{cluster, pods, visitor};
use serde_json::{Value, json};

use crate::world::{Certificate, World, from, ingress, pod, secured, service_of, slice};

pub(crate) fn rule(kind: &str, version: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("ako.vmware.com/{version}"), "kind": kind,
        "metadata": {"name": "rule", "namespace": "default"}, "spec": spec,
    })
}

pub(crate) async fn with_rules(test: u16, changes: &[(&str, &str)]) -> World {
    let world = World::start(20_000 + test * 500, changes).await;
    world.apply(&ako_kube_types::schema::definitions()).await;
    world
}

/// Waits until nothing of a host is answered by a pod any more.
async fn unanswered(world: &World, at: SocketAddr, host: &str) {
    world
        .eventually(async || {
            let answer = visitor::get(at, host, "/").await.unwrap_or_default();
            if answer.contains("Hello") { Err(answer) } else { Ok(()) }
        })
        .await;
}

/// Waits until a host sends people who come without TLS to TLS.
async fn redirected(world: &World, at: SocketAddr, host: &str) {
    world
        .eventually(async || {
            let answer = visitor::get(at, host, "/").await.map_err(|e| format!("{e:#}"))?;
            let goes_there =
                answer.starts_with("HTTP/1.1 302") && answer.contains(&format!("https://{host}"));
            if goes_there { Ok(()) } else { Err(answer) }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_rule_gives_ports() {
    let mut world = with_rules(41, &[("shardVSSize", "DEDICATED")]).await;
    world.serve("web", "ClusterIP", &[pod("web", 41, 1)]).await;
    let certificate = Certificate::of("shop.avi.internal");
    let shop = secured(ingress("shop", "shop.avi.internal", &[("/", "Prefix", "web")]), "shop");
    let host_rule = rule(
        "HostRule",
        "v1beta1",
        &json!({"virtualhost": {
            "fqdn": "shop.avi.internal",
            "tcpSettings": {"listeners": [{"port": 8081}, {"port": 6443, "enableSSL": true}]},
        }}),
    );
    world.apply(&[certificate.secret("shop"), shop, host_rule.clone()]).await;
    let secure = world.listener("shop.avi.internal", 6443).await;
    world.answered_securely(secure, "shop.avi.internal", &certificate, "web").await;
    let plain = world.listener("shop.avi.internal", 8081).await;
    world.answered(plain, "shop.avi.internal", "/", "web").await;
    // Without the rule, the usual ports.
    cluster::remove_all(&world.client, &[host_rule]).await.unwrap();
    let secure = world.listener("shop.avi.internal", 443).await;
    world.answered_securely(secure, "shop.avi.internal", &certificate, "web").await;
    let plain = world.listener("shop.avi.internal", 80).await;
    redirected(&world, plain, "shop.avi.internal").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_rule_gives_aliases() {
    let mut world = with_rules(37, &[("enableEVH", "true")]).await;
    world.serve("web", "ClusterIP", &[pod("web", 37, 1)]).await;
    let virtualhost = json!({"fqdn": "shop.avi.internal", "aliases": ["alias.avi.internal"]});
    let host_rule = rule("HostRule", "v1beta1", &json!({ "virtualhost": virtualhost }));
    world.apply(&[ingress("shop", "shop.avi.internal", &[("/", "Prefix", "web")]), host_rule.clone()]).await;
    let at = world.listener("Shared-L7-EVH-", 80).await;
    world.answered(at, "alias.avi.internal", "/", "web").await;
    cluster::remove_all(&world.client, &[host_rule]).await.unwrap();
    unanswered(&world, at, "alias.avi.internal").await;
    world.answered(at, "shop.avi.internal", "/", "web").await;
}

/// A pod that speaks TLS alone, and the Service that leads to it.
async fn serve_tls(world: &mut World, kind: &str, test: u8, certificate: &Certificate) {
    let tls_pod = [pod("tls", test, 1)];
    let mut tasks = pods::serve(&tls_pod, Some(certificate.server())).await.unwrap();
    world.pods.spawn(async move { while tasks.join_next().await.is_some() {} });
    world.apply(&[service_of("tls", kind, "TCP", 80), slice("tls", "TCP", &tls_pod)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_rule_speaks_tls_to_pods_that_are_who_they_say() {
    let mut world = with_rules(39, &[]).await;
    let (front, pod_certificate) = (Certificate::of("safe.avi.internal"), Certificate::of("pod.internal"));
    serve_tls(&mut world, "ClusterIP", 39, &pod_certificate).await;
    let trusting = |authority: &str| {
        let tls = json!({"type": "reencrypt", "destinationCA": authority});
        let paths = json!([{"target": "/", "tls": tls}]);
        rule("HTTPRule", "v1beta1", &json!({"fqdn": "safe.avi.internal", "paths": paths}))
    };
    let safe = secured(ingress("safe", "safe.avi.internal", &[("/", "Prefix", "tls")]), "safe");
    world.apply(&[front.secret("safe"), safe, trusting(&pod_certificate.pem)]).await;
    let at = world.listener("Shared-L7-", 443).await;
    world.answered_securely(at, "safe.avi.internal", &front, "tls").await;

    // Pods whose certificate nobody vouches for get nothing, nor do they without TLS.
    world.apply(&[trusting(&front.pem)]).await;
    world.unreached_securely(at, "safe.avi.internal", &front).await;
    world.apply(&[trusting(&pod_certificate.pem)]).await;
    world.answered_securely(at, "safe.avi.internal", &front, "tls").await;
    cluster::remove_all(&world.client, &[trusting("")]).await.unwrap();
    world.unreached_securely(at, "safe.avi.internal", &front).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_l4_rule_gives_listeners_tls_on_both_sides() {
    let mut world = with_rules(40, &[]).await;
    let (front, pod_certificate) = (Certificate::of("lb.avi.internal"), Certificate::of("pod.internal"));
    world.plant(
        &json!({"sslkeyandcertificate": {"admin/lb-certificate": front.on_controller("lb-certificate")}}),
    );
    serve_tls(&mut world, "LoadBalancer", 40, &pod_certificate).await;
    let l4_rule = rule(
        "L4Rule",
        "v1alpha2",
        &json!({
            "listenerProperties": [{"port": 80, "protocol": "TCP", "enableSsl": true}],
            "sslKeyAndCertificateRefs": ["lb-certificate"],
            "backendProperties": [{"port": 80, "protocol": "TCP", "sslProfileRef": "System-Standard"}],
        }),
    );
    let mut service = service_of("tls", "LoadBalancer", "TCP", 80);
    service["metadata"]["annotations"] = json!({"ako.vmware.com/l4rule": "rule"});
    world.apply(&[l4_rule.clone(), service]).await;
    let at = world.listener("default-tls", 80).await;
    world.answered_securely(at, "lb.avi.internal", &front, "tls").await;
    cluster::remove_all(&world.client, &[l4_rule]).await.unwrap();
    // Without the rule, bytes go through as they are: to the pod's own certificate.
    world.answered_securely(at, "pod.internal", &pod_certificate, "tls").await;
}

fn route(name: &str, backends: &[(&str, u32)], tls: &Value) -> Value {
    let backend =
        |(service, weight): &(&str, u32)| json!({"kind": "Service", "name": service, "weight": weight});
    let mut backends: Vec<Value> = backends.iter().map(backend).collect();
    let to = backends.remove(0);
    let mut spec = json!({"host": format!("{name}.avi.internal"), "to": to});
    if !backends.is_empty() {
        spec["alternateBackends"] = backends.into();
    }
    if !tls.is_null() {
        spec["tls"] = tls.clone();
    }
    json!({
        "apiVersion": "route.openshift.io/v1", "kind": "Route",
        "metadata": {"name": name, "namespace": "default"}, "spec": spec,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_weigh_backends_and_say_what_becomes_of_plain_text() {
    let mut world = World::start(20_000 + 38 * 500, &[("enableEVH", "true"), ("shardVSSize", "SMALL")]).await;
    world.apply(&[cluster::definition_of_routes()]).await;
    world.serve("blue", "ClusterIP", &[pod("blue", 38, 1)]).await;
    world.serve("green", "ClusterIP", &[pod("green", 38, 2)]).await;
    world.apply(&[route("weighed", &[("blue", 75), ("green", 25)], &Value::Null)]).await;
    let at = world.listener("Shared-L7-EVH-", 80).await;
    for backend in ["blue", "green"] {
        world.answered(at, "weighed.avi.internal", "/", backend).await;
    }
    let mut answers: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..80 {
        let answer = visitor::get(at, "weighed.avi.internal", "/").await.unwrap();
        let by = ["blue", "green"].into_iter().find(|backend| answer.contains(&from(backend)));
        *answers.entry(by.unwrap()).or_default() += 1;
    }
    assert_eq!(answers, BTreeMap::from([("blue", 60), ("green", 20)]));

    let certificates = [("none", "None"), ("allow", "Allow"), ("redirect", "Redirect")]
        .map(|(name, policy)| (name, policy, Certificate::of(&format!("{name}.avi.internal"))));
    for (name, policy, certificate) in &certificates {
        let mut tls = certificate.edge();
        tls["insecureEdgeTerminationPolicy"] = (*policy).into();
        world.apply(&[route(name, &[("blue", 100)], &tls)]).await;
        let host = format!("{name}.avi.internal");
        let secure = world.listener("Shared-L7-EVH-", 443).await;
        world.answered_securely(secure, &host, certificate, "blue").await;
        match *name {
            "allow" => drop(world.answered(at, &host, "/", "blue").await),
            "redirect" => redirected(&world, at, &host).await,
            _ => unanswered(&world, at, &host).await,
        }
    }
}
