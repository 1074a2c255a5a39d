//! Logging in, losing the session, changing credentials, secrecy.

#![allow(clippy::unwrap_used)] // in the functions that tests share

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use ako_avi_io::{Login, Tenant};
use ako_avi_types::{Change, ErrorClass, Kind, Meta, ObjectKey, Operation};
use ako_elect::rehearsal;
use futures::future::join_all;
use serde_json::json;

mod controller;

use controller::{Answer, Double, password};

fn cluster() -> std::sync::Arc<Double> {
    Double::new(|_| Answer::Json(200, json!({"uuid": "cluster-1"})))
}

fn admin() -> Tenant {
    Tenant::named("admin")
}

fn delete(uuid: &str) -> Operation {
    let meta = Meta { uuid: uuid.into(), last_modified: None };
    Operation { key: ObjectKey::new(Kind::Pool, "t1", "c--p"), change: Change::Delete(meta) }
}

#[tokio::test(start_paused = true)]
async fn many_calls_share_one_login_and_carry_its_headers() {
    let double = cluster();
    let client = double.client();
    let calls = (0..40).map(|i| {
        let (client, tenant) = (client.clone(), Tenant::named(format!("t{i}")));
        async move { client.get_json("/api/cluster", &[], &tenant).await }
    });
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!(double.logins.load(SeqCst), 1);
    let asked = double.asked();
    let mut tenants: Vec<_> = asked.iter().map(|s| s.header("x-avi-tenant").to_owned()).collect();
    tenants.sort();
    tenants.dedup();
    assert_eq!(tenants.len(), 40);
    for (name, value) in [
        ("x-avi-version", "30.2.1"),
        ("x-avi-useragent", "AKO"),
        ("referer", "https://avi.test/"),
        ("host", "avi.test"),
        ("x-csrftoken", "csrf-0"),
        ("cookie", "csrftoken=csrf-0; sessionid=session-0; avi-sessionid=session-0"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(asked[0].header(name), value, "{name}");
    }
    assert!(double.dialed.load(SeqCst) <= 17, "connections are bounded and kept");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_over_is_replaced_once_and_every_call_replayed() {
    let double = Double::new(|s| Answer::Json(if s.method == "GET" { 200 } else { 204 }, json!({})));
    let client = double.client();
    client.get_json("/api/cluster", &[], &admin()).await.unwrap();
    assert_eq!(client.traffic().relogins, 0, "the first one renews nothing");
    double.expire();
    let permit = rehearsal::endless();
    let writer = double.writer_through(client.clone());
    let operations: Vec<_> = (0..10).map(|i| delete(&format!("pool-{i}"))).collect();
    let done = join_all(operations.iter().map(|operation| writer.send(&permit, operation))).await;
    assert!(done.iter().all(|w| w.as_ref().is_ok_and(|w| w.observed.is_none())), "{done:?}");
    assert_eq!(double.logins.load(SeqCst), 2);
    assert_eq!(client.traffic().relogins, 1);
    assert!(double.asked().iter().filter(|s| s.method == "DELETE").all(|s| s.header("x-avi-tenant") == "t1"));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_never_becomes_valid_is_a_failure() {
    let double = Double::new(|_| Answer::Text(419, String::new()));
    let failure = double.client().get_json("/api/cluster", &[], &admin()).await.unwrap_err();
    assert_eq!((failure.class, failure.status), (ErrorClass::Session, Some(419)));
    assert_eq!(double.logins.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_are_denied_not_hammered_and_replaceable() {
    let double = cluster();
    *double.secret.lock().unwrap() = "correct".into();
    let client = double.client();
    let calls = (0..20).map(|_| async { client.get_json("/api/cluster", &[], &admin()).await.unwrap_err() });
    for failure in join_all(calls).await {
        assert_eq!(failure.class, ErrorClass::Login);
        assert!(failure.retry_after_ms.is_some());
        assert!(!format!("{failure} {failure:?}").contains("hunter2"));
    }
    assert_eq!(double.logins.load(SeqCst), 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    client.get_json("/api/cluster", &[], &admin()).await.unwrap_err();
    assert_eq!(double.logins.load(SeqCst), 2);
    let login = client.login();
    assert!(matches!(&*login.borrow(), Login::Refused(failure) if failure.status == Some(401)));
    client.set_credentials(password("correct"));
    client.get_json("/api/cluster", &[], &admin()).await.unwrap();
    assert_eq!(*login.borrow(), Login::Accepted);
}

#[tokio::test(start_paused = true)]
async fn invalid_credentials_after_the_login_are_denied_without_another() {
    let double = Double::new(|_| Answer::Json(401, json!({"error": "Invalid credentials"})));
    let failure = double.client().get_json("/api/cluster", &[], &admin()).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Login);
    assert_eq!(double.logins.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn cookies_that_a_reply_renews_are_used() {
    let double = Double::new(|s| match &*s.path {
        "/api/first" => Answer::With(200, "set-cookie", "csrftoken=renewed; Path=/".into(), json!({})),
        _ => Answer::Json(200, json!({"csrf": s.header("x-csrftoken")})),
    });
    let client = double.client();
    client.get_json("/api/first", &[], &admin()).await.unwrap();
    let second = client.get_json("/api/second", &[], &admin()).await.unwrap();
    assert_eq!(second, json!({"csrf": "renewed"}));
}

#[tokio::test(start_paused = true)]
async fn secrets_are_in_no_debug() {
    let double = cluster();
    let client = double.client();
    client.get_json("/api/cluster", &[], &admin()).await.unwrap();
    let shown =
        format!("{client:?} {:?} {:?}", double.options().credentials, double.writer_through(client.clone()));
    assert!(!shown.contains("hunter2") && !shown.contains("session-0"), "{shown}");
    assert!(shown.contains("[redacted]"));
}
