//! The witness of writes to the API server, with writes that are made up. On virtual
//! time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use ako_elect::{LEASE_NAME, RECORD_NAME};
use ako_simulation::scene::play;
use ako_simulation::script::Step;
use ako_simulation::setup::Setup;
use ako_simulation::world::World;
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};

/// Sends a request as a process of that pod that does not lead; answers what the
/// witness says.
async fn complaints(world: &World, method: &str, path: &str, body: &Value) -> Vec<String> {
    let before = world.wrong().len();
    let client = world.stranger(0, "ako-0").watch(world.kube.client());
    let request = axum::http::Request::builder()
        .method(method)
        .uri(path)
        .header(
            "content-type",
            if method == "PATCH" { "application/merge-patch+json" } else { "application/json" },
        )
        .body(Body::from(body.to_string().into_bytes()))
        .unwrap();
    let answer = client.send(request).await.unwrap();
    let _ = answer.into_body().collect().await;
    world.wrong().split_off(before)
}

#[test]
fn writes_of_a_process_that_does_not_lead_are_seen() {
    play(Setup::One, async |mut world| {
        world.scale(0, 1).await?;
        world.leader().await?;
        world.finished().await?;
        // What the made-up writes do is nobody's business then.
        world.take(0, &Step::Kill(0)).await?;
        let (map, lease) = (
            "/api/v1/namespaces/avi-system/configmaps",
            "/apis/coordination.k8s.io/v1/namespaces/avi-system/leases",
        );
        let record = format!("{map}/{RECORD_NAME}");
        let lease_of = |holder: &str| {
            json!({
                "metadata": {"name": LEASE_NAME, "uid": "u", "resourceVersion": "1"},
                "spec": {"holderIdentity": holder},
            })
        };
        let data = |holder: &str| json!({"holder": holder, "epoch": "9"});
        let exact = json!({"name": RECORD_NAME, "uid": "u", "resourceVersion": "1"});
        let ingress = "/apis/networking.k8s.io/v1/namespaces/still/ingresses/shop-0";
        let service = "/api/v1/namespaces/still/services/web-9";
        let set = "/apis/apps/v1/namespaces/avi-system/statefulsets/ako";
        let pod = |name: &str| format!("/api/v1/namespaces/avi-system/pods/{name}");
        let named = json!({"metadata": {"annotations": {"a": "b"}}});
        let wrong = [
            ("PATCH", format!("{ingress}/status"), json!({"status": {}}), "left while"),
            ("PATCH", format!("{service}/status"), json!({"status": {}}), "left while"),
            ("PATCH", ingress.to_owned(), named.clone(), "left while"),
            ("PATCH", set.to_owned(), named.clone(), "left while"),
            ("DELETE", ingress.to_owned(), json!({}), "nobody knows of"),
            ("PATCH", pod("ako-1"), named.clone(), "not its own"),
            ("POST", map.to_owned(), json!({"metadata": {"name": "other"}}), "is not the record"),
            (
                "POST",
                map.to_owned(),
                json!({"metadata": {"name": RECORD_NAME}, "data": data("x_u_n")}),
                "creates the record for",
            ),
            (
                "PUT",
                record.clone(),
                json!({"metadata": {"name": RECORD_NAME, "resourceVersion": "1"}, "data": data("")}),
                "whatever record",
            ),
            (
                "PUT",
                record.clone(),
                json!({"metadata": {"name": RECORD_NAME, "uid": "u"}, "data": data("")}),
                "whatever record",
            ),
            (
                "PUT",
                record.clone(),
                json!({"metadata": exact, "data": data("ako-9_u_other")}),
                "names ako-9_u_other",
            ),
            ("DELETE", record.clone(), json!({}), "no way to change the record"),
            ("POST", lease.to_owned(), lease_of("ako-0_u_n"), "left while"),
            ("PUT", format!("{lease}/{LEASE_NAME}"), lease_of("ako-0_u_n"), "left while"),
            (
                "PUT",
                format!("{lease}/{LEASE_NAME}"),
                json!({"metadata": {"name": LEASE_NAME}}),
                "whatever Lease",
            ),
            ("DELETE", format!("{lease}/{LEASE_NAME}"), json!({}), "whatever Lease"),
        ];
        for (method, path, body, expected) in wrong {
            let told = complaints(&world, method, &path, &body).await;
            assert!(told.len() == 1 && told[0].contains(expected), "{method} {path} {body}: {told:?}");
        }
        let right = [
            ("PATCH", pod("ako-0"), named),
            ("PUT", record, json!({"metadata": exact, "data": data("")})),
            ("POST", "/api/v1/namespaces/still/events".to_owned(), json!({})),
            (
                "POST",
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned(),
                json!({"spec": {}}),
            ),
            // It is refused: the Lease is another one by now.
            ("PUT", format!("{lease}/{LEASE_NAME}"), lease_of("")),
        ];
        for (method, path, body) in right {
            assert_eq!(
                complaints(&world, method, &path, &body).await,
                Vec::<String>::new(),
                "{method} {path}"
            );
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_whole_life_of_replicas_is_in_order() {
    play(Setup::One, async |mut world| {
        world.scale(0, 3).await?;
        let first = world.leader().await?;
        world.finished().await?;
        world.instances[0].replicas[first].hand_over().await;
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        world.leader().await?;
        world.scale(0, 1).await?;
        world.leader().await?;
        world.scale(0, 2).await?;
        world.finished().await?;
        let statuses = world.kube.requests().iter().filter(|r| r.resource.ends_with("/status")).count();
        assert!(statuses > 0, "nothing was seen");
        assert_eq!(world.wrong(), Vec::<String>::new());
        Ok(())
    })
    .unwrap();
}
