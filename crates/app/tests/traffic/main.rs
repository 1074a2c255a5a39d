//! From Kubernetes objects to the pod that answers: the operator programs a
//! controller whose load balancer carries real traffic, derived from the Avi
//! objects alone.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

mod browser;
mod explain;
mod page;
mod rules;
mod world;

use std::sync::atomic::{AtomicUsize, Ordering};

use ako_harness::{cluster, pods, visitor};
use serde_json::json;

use world::{Certificate, World, from, ingress, pod, secured, service_of, slice};

/// The shard of a host when there is one; any of them has this in its name.
const SHARED: &str = "Shared-L7-";

/// Insecure and secure hosts, paths, rotation, removal: the same in both modes.
async fn hosts_paths_and_certificates(test: u8, evh: bool) {
    let mode = if evh { "true" } else { "false" };
    let one_front = if evh { "Shared-L7-EVH-" } else { SHARED };
    let offset = 20_000 + u16::from(test) * 500;
    let mut world = World::start(offset, &[("enableEVH", mode), ("shardVSSize", "SMALL")]).await;
    world.serve("web", "ClusterIP", &[pod("web", test, 1)]).await;
    world.serve("api", "ClusterIP", &[pod("api", test, 2)]).await;
    world.serve("exact", "ClusterIP", &[pod("exact", test, 3)]).await;

    // The more exact path is the one that counts, and what no path names is not served.
    let paths = [("/api", "Prefix", "api"), ("/api/v1", "Exact", "exact"), ("/shop", "Prefix", "web")];
    world.apply(&[ingress("paths", "paths.avi.internal", &paths)]).await;
    let at = world.listener(one_front, 80).await;
    world.answered(at, "paths.avi.internal", "/api", "api").await;
    world.answered(at, "paths.avi.internal", "/api/v2", "api").await;
    world.answered(at, "paths.avi.internal", "/api/v1", "exact").await;
    let answer = world.answered(at, "paths.avi.internal", "/shop/cart", "web").await;
    assert!(answer.contains("X-Forwarded-For: 127."), "{answer}");
    for (host, path) in [("paths.avi.internal", "/elsewhere"), ("other.avi.internal", "/shop")] {
        let answer = visitor::get(at, host, path).await.unwrap_or_default();
        assert!(!answer.contains("Hello"), "{host}{path}: {answer}");
    }

    // A secure host: its own certificate, and a redirect for those who ask otherwise.
    let (first, second) = (Certificate::of("safe.avi.internal"), Certificate::of("safe.avi.internal"));
    let safe = secured(ingress("safe", "safe.avi.internal", &[("/", "Prefix", "web")]), "safe");
    world.apply(&[first.secret("safe"), safe.clone()]).await;
    let secure = world.listener(one_front, 443).await;
    let plain = world.listener(one_front, 80).await;
    let answer = world.answered_securely(secure, "safe.avi.internal", &first, "web").await;
    assert!(answer.contains("X-Forwarded-Proto: https"), "{answer}");
    world
        .eventually(async || {
            let answer = visitor::get(plain, "safe.avi.internal", "/").await.map_err(|e| e.to_string())?;
            let redirected =
                answer.starts_with("HTTP/1.1 302") && answer.contains("https://safe.avi.internal");
            if redirected { Ok(()) } else { Err(answer) }
        })
        .await;
    // Rotated: new connections see the new certificate, and only that.
    world.apply(&[second.secret("safe")]).await;
    world.answered_securely(secure, "safe.avi.internal", &second, "web").await;
    visitor::get_secure(secure, "safe.avi.internal", "/", &first.pem).await.unwrap_err();

    // Two Ingresses share a host; one of them goes, and then the other.
    let another = ingress("more", "paths.avi.internal", &[("/more", "Prefix", "exact")]);
    world.apply(std::slice::from_ref(&another)).await;
    world.answered(at, "paths.avi.internal", "/more", "exact").await;
    cluster::remove_all(&world.client, &[another]).await.unwrap();
    world
        .eventually(async || {
            let answer = visitor::get(at, "paths.avi.internal", "/more").await.unwrap_or_default();
            if answer.contains("Hello") { Err(answer) } else { Ok(()) }
        })
        .await;
    world.answered(at, "paths.avi.internal", "/api", "api").await;
    cluster::remove_all(&world.client, &[safe]).await.unwrap();
    world
        .eventually(async || {
            let answer = visitor::get_secure(secure, "safe.avi.internal", "/", &second.pem).await;
            if answer.is_ok_and(|answer| answer.contains("Hello")) { Err("still served") } else { Ok(()) }
                .map_err(str::to_owned)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sni_hosts_paths_and_certificates() {
    hosts_paths_and_certificates(31, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn evh_hosts_paths_and_certificates() {
    hosts_paths_and_certificates(32, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passthrough_leaves_tls_to_the_pod() {
    let mut world = World::start(20_000 + 33 * 500, &[]).await;
    let certificate = Certificate::of("raw.avi.internal");
    let raw = [pod("raw", 33, 1)];
    let mut tasks = pods::serve(&raw, Some(certificate.server())).await.unwrap();
    world.pods.spawn(async move { while tasks.join_next().await.is_some() {} });
    let mut object = ingress("raw", "raw.avi.internal", &[("/", "Prefix", "raw")]);
    object["metadata"]["annotations"] = json!({"passthrough.ako.vmware.com/enabled": "true"});
    world.apply(&[service_of("raw", "ClusterIP", "TCP", 80), slice("raw", "TCP", &raw), object]).await;
    let at = world.listener("Shared-Passthrough-", 443).await;
    // The certificate that is seen is the pod's.
    world.answered_securely(at, "raw.avi.internal", &certificate, "raw").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_of_type_load_balancer_carry_tcp_and_udp() {
    let mut world = World::start(20_000 + 34 * 500, &[]).await;
    world.serve("direct", "LoadBalancer", &[pod("direct", 34, 1)]).await;
    let at = world.listener("default-direct", 80).await;
    world.answered(at, "whatever", "/", "direct").await;

    let names = [pod("names", 34, 2)];
    let mut tasks = pods::serve_udp(&names).await.unwrap();
    world.pods.spawn(async move { while tasks.join_next().await.is_some() {} });
    let service = service_of("names", "LoadBalancer", "UDP", 53);
    world.apply(&[service.clone(), slice("names", "UDP", &names)]).await;
    let at = world.listener("default-names", 53).await;
    world
        .eventually(async || match visitor::ask_udp(at).await {
            Ok(answer) if answer == "names" => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    cluster::remove_all(&world.client, &[service]).await.unwrap();
    world
        .eventually(async || match visitor::ask_udp(at).await {
            Ok(answer) => Err(answer),
            Err(_) => Ok(()),
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_removed_under_load_costs_no_request() {
    let mut world = World::start(20_000 + 35 * 500, &[]).await;
    let both = [pod("left", 35, 1), pod("right", 35, 2)];
    world.serve("web", "ClusterIP", &both).await;
    world.apply(&[ingress("web", "web.avi.internal", &[("/", "Prefix", "web")])]).await;
    let at = world.listener(SHARED, 80).await;
    world.answered(at, "web.avi.internal", "/", "left").await;
    world.answered(at, "web.avi.internal", "/", "right").await;

    let answers = AtomicUsize::new(0);
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let load = async {
        while !*stopped.borrow_and_update() {
            let answer = visitor::get(at, "web.avi.internal", "/").await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            answers.fetch_add(1, Ordering::Relaxed);
        }
    };
    let change = async {
        // The pod is taken out, and ends when no new request gets there.
        world.apply(&[slice("web", "TCP", &both[..1])]).await;
        world
            .eventually(async || {
                for _ in 0..4 {
                    let answer =
                        visitor::get(at, "web.avi.internal", "/").await.map_err(|e| e.to_string())?;
                    if !answer.contains(&from("left")) {
                        return Err("the other one still answers".to_owned());
                    }
                }
                Ok(())
            })
            .await;
        world.apply(&[slice("web", "TCP", &both)]).await;
        world.answered(at, "web.avi.internal", "/", "right").await;
        stop.send_replace(true);
    };
    tokio::join!(load, change);
    assert!(answers.load(Ordering::Relaxed) > 0);
}
