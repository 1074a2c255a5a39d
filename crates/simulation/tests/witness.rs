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

const MAPS: &str = "/api/v1/namespaces/avi-system/configmaps";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/avi-system/leases";
const INGRESS: &str = "/apis/networking.k8s.io/v1/namespaces/still/ingresses/shop-0";
const SERVICE: &str = "/api/v1/namespaces/still/services/web-9";

/// A made-up write: its method, its path, its body, and what the witness says of it if
/// it is wrong.
type Write = (&'static str, String, Value, Option<&'static str>);

/// Sends writes beside a leader that has ended, so that nobody minds what they do.
fn judged(writes: &[Write]) {
    play(Setup::One, async |mut world| {
        world.scale(0, 1).await?;
        world.leader().await?;
        world.finished().await?;
        world.take(0, &Step::Kill(0)).await?;
        for (method, path, body, expected) in writes {
            let told = complaints(&world, method, path, body).await;
            let is_right = match expected {
                Some(expected) => told.len() == 1 && told[0].contains(expected),
                None => told.is_empty(),
            };
            assert!(is_right, "{method} {path} {body}: {told:?} instead of {expected:?}");
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn who_does_not_lead_writes_nothing_on_objects_but_a_note_on_its_pod() {
    let named = json!({"metadata": {"annotations": {"a": "b"}}});
    let status = json!({"status": {"loadBalancer": null}});
    let set = "/apis/apps/v1/namespaces/avi-system/statefulsets/ako".to_owned();
    let pod = |name: &str| format!("/api/v1/namespaces/avi-system/pods/{name}");
    let review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned();
    judged(&[
        ("PATCH", format!("{INGRESS}/status"), status.clone(), Some("left while")),
        ("PATCH", format!("{SERVICE}/status"), status, Some("left while")),
        ("PATCH", INGRESS.to_owned(), named.clone(), Some("left while")),
        ("PATCH", set, named.clone(), Some("left while")),
        ("DELETE", INGRESS.to_owned(), json!({}), Some("nobody knows of")),
        ("PATCH", pod("ako-1"), named.clone(), Some("not its own")),
        ("PATCH", pod("ako-0"), named, None),
        ("POST", "/api/v1/namespaces/still/events".to_owned(), json!({}), None),
        ("POST", review, json!({"spec": {}}), None),
    ]);
}

#[test]
fn the_record_is_changed_by_compare_and_set_of_one_exact_object() {
    let record = || format!("{MAPS}/{RECORD_NAME}");
    let of = |metadata: Value, holder: &str| json!({"metadata": metadata, "data": {"holder": holder, "epoch": "9"}});
    let exact = || json!({"name": RECORD_NAME, "uid": "u", "resourceVersion": "1"});
    let whatever = Some("replaces whatever record");
    judged(&[
        ("POST", MAPS.to_owned(), of(json!({"name": "other"}), ""), Some("is not the record")),
        ("POST", MAPS.to_owned(), of(json!({"name": RECORD_NAME}), "x_u_n"), Some("creates the record for")),
        ("POST", MAPS.to_owned(), of(json!({"name": RECORD_NAME}), ""), None),
        ("PUT", record(), of(json!({"name": RECORD_NAME, "resourceVersion": "1"}), ""), whatever),
        ("PUT", record(), of(json!({"name": RECORD_NAME, "uid": "u"}), ""), whatever),
        ("PUT", record(), of(exact(), "ako-9_u_other"), Some("names ako-9_u_other")),
        ("PUT", record(), of(exact(), ""), None),
        ("DELETE", record(), json!({}), Some("no way to change the record")),
    ]);
}

#[test]
fn the_lease_is_the_leaders_and_others_take_only_their_own_name_out() {
    let lease = || format!("{LEASES}/{LEASE_NAME}");
    let of = |holder: &str| {
        let metadata = json!({"name": LEASE_NAME, "uid": "u", "resourceVersion": "1"});
        json!({"metadata": metadata, "spec": {"holderIdentity": holder}})
    };
    judged(&[
        ("POST", LEASES.to_owned(), of("ako-0_u_n"), Some("left while")),
        ("PUT", lease(), json!({"metadata": {"name": LEASE_NAME}}), Some("whatever Lease")),
        ("DELETE", lease(), json!({}), Some("whatever Lease")),
        // They are refused: the Lease is another one by now.
        ("PUT", lease(), of("ako-0_u_n"), None),
        ("PUT", lease(), of(""), None),
    ]);
}

#[test]
fn nobody_but_the_leader_renews_the_lease_as_it_is_now() {
    play(Setup::One, async |mut world| {
        // One alone has no Lease.
        world.scale(0, 2).await?;
        world.leader().await?;
        world.finished().await?;
        let found = world.kube.get("coordination.k8s.io", "leases", "avi-system", LEASE_NAME);
        let mut lease = found.unwrap();
        lease["spec"]["holderIdentity"] = "ako-0_u_n".into();
        let told = complaints(&world, "PUT", &format!("{LEASES}/{LEASE_NAME}"), &lease).await;
        assert!(told.len() == 1 && told[0].contains("left while"), "{told:?}");
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
