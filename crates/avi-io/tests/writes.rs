//! The door for writes.

#![allow(clippy::unwrap_used)] // in the functions that tests share

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use ako_avi_io::token::ENOUGH;
use ako_avi_io::{AviClient, Secret, Tenant};
use ako_avi_types::{
    Certificate, Change, DnsInfo, ErrorClass, Kind, Meta, Object, ObjectKey, Operation, Pool, PrivateKey,
    Ref, SslKeyAndCertificate, Vip, VirtualService, VsVip, virtual_service::SignIn,
};
use ako_elect::rehearsal;
use serde_json::{Value, json};

mod controller;

use controller::{Answer, Double, Seen};

const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

fn double(status: u16, body: Value) -> Arc<Double> {
    Double::new(move |_| Answer::Json(status, body.clone()))
}

fn operation(name: &str, change: Change) -> Operation {
    let kind = match &change {
        Change::Create(object) | Change::Update(_, object) => object.kind(),
        Change::Delete(_) => Kind::Pool,
    };
    Operation { key: ObjectKey::new(kind, "blue", name), change }
}

fn meta() -> Meta {
    Meta { uuid: "pool-1".into(), last_modified: Some("17".into()) }
}

fn a_pool() -> Arc<Object> {
    let tenant_ref = Some(Ref::named(Kind::Tenant, "blue"));
    Arc::new(Object::Pool(Pool { name: "c--p".into(), tenant_ref, ..Pool::default() }))
}

async fn send(
    double: &Arc<Double>,
    operation: &Operation,
) -> Result<ako_avi_io::Written, ako_avi_types::Failure> {
    let permit = rehearsal::endless();
    double.writer().send(&permit, operation).await
}

#[tokio::test(start_paused = true)]
async fn a_create_an_update_and_a_delete_are_sent_as_they_are() {
    let stored = json!({"uuid": "pool-1", "name": "c--p", "_last_modified": "18",
        "tenant_ref": "https://avi.test/api/tenant/tenant-1#blue", "enabled": true});
    let double = double(201, stored);
    let created =
        send(&double, &operation("c--p", Change::Create(a_pool()))).await.unwrap().observed.unwrap();
    assert_eq!(created.meta, Meta { uuid: "pool-1".into(), last_modified: Some("18".into()) });
    assert!(a_pool().differences(&created.body).is_empty());
    send(&double, &operation("c--p", Change::Update(meta(), a_pool()))).await.unwrap();
    let newest = Meta { last_modified: Some("18".into()), ..meta() };
    assert_eq!(send(&double, &operation("c--p", Change::Delete(newest))).await.unwrap().observed, None);
    let asked = double.asked();
    assert!(asked[0].is("POST", "/api/pool") && asked[1].is("PUT", "/api/pool/pool-1"));
    assert!(asked[2].is("GET", "/api/pool/pool-1") && asked[3].is("DELETE", "/api/pool/pool-1"));
    assert!(asked.iter().all(|s| s.header("x-avi-tenant") == "blue"));
    assert_eq!(asked[0].body, a_pool().body());
    let mut updated = a_pool().body();
    updated["_last_modified"] = json!("17");
    assert_eq!(asked[1].body, updated);
}

#[tokio::test(start_paused = true)]
async fn deleting_what_is_gone_succeeds() {
    let double = double(404, json!({"error": "Pool object not found!"}));
    assert_eq!(send(&double, &operation("c--p", Change::Delete(meta()))).await.unwrap().observed, None);
    let failure = send(&double, &operation("c--p", Change::Update(meta(), a_pool()))).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Gone);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_the_reply_omits_is_the_one_that_was_sent() {
    for certificate in [json!({}), json!({"certificate": ""}), json!({"certificate": "<sensitive>"})] {
        let reply =
            json!({"uuid": "ssl-1", "name": "c--s", "certificate": certificate, "key": "<sensitive>"});
        let sent = Arc::new(Object::SslKeyAndCertificate(SslKeyAndCertificate {
            name: "c--s".into(),
            certificate: Certificate { certificate: PEM.into() },
            key: PrivateKey::new("k3y"),
            ..SslKeyAndCertificate::default()
        }));
        let double = double(201, reply);
        let written = send(&double, &operation("c--s", Change::Create(sent.clone()))).await.unwrap();
        let Object::SslKeyAndCertificate(got) = &*written.observed.unwrap().body else { panic!() };
        assert_eq!(&*got.certificate.certificate, PEM);
        assert_eq!(double.asked()[0].body["key"], "k3y");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vsvip_is_read_changed_and_written() {
    let stored = || {
        json!({"uuid": "vsvip-1", "name": "c--v", "_last_modified": "99", "ipam_selector": {"type": "x"},
            "dns_info": [{"fqdn": "a.x", "ttl": 30}],
            "vip": [{"vip_id": "0", "auto_allocate_ip": true, "enabled": true,
                "ip_address": {"addr": "10.0.0.5", "type": "V4"}}]})
    };
    let double = Double::new(move |seen: &Seen| match &*seen.method {
        "GET" => Answer::Json(200, stored()),
        _ => Answer::Json(200, seen.body.clone()),
    });
    let vip = Vip { vip_id: "0".into(), auto_allocate_ip: true, ..Vip::default() };
    let wanted = VsVip {
        name: "c--v".into(),
        dns_info: vec![DnsInfo { fqdn: "a.x".into() }, DnsInfo { fqdn: "b.x".into() }],
        vip: vec![vip],
        ..VsVip::default()
    };
    let update = |version: &str| {
        let known = Meta { uuid: "vsvip-1".into(), last_modified: Some(version.into()) };
        operation("c--v", Change::Update(known, Arc::new(Object::VsVip(wanted.clone()))))
    };
    let written = send(&double, &update("99")).await.unwrap();
    let asked = double.asked();
    assert!(asked[0].is("GET", "/api/vsvip/vsvip-1") && asked[0].query.contains_key("include_name"));
    assert!(asked[1].is("PUT", "/api/vsvip/vsvip-1"));
    let mut expected = stored();
    expected["dns_info"] = json!([{"fqdn": "a.x", "ttl": 30}, {"fqdn": "b.x"}]);
    expected["east_west_placement"] = json!(false);
    assert_eq!(asked[1].body, expected);
    let Object::VsVip(got) = &*written.observed.unwrap().body else { panic!() };
    assert_eq!(got.published_addresses(), ["10.0.0.5".into()]);
    // Somebody wrote it since it was read, as an operator or a restored backup does: what that
    // added is not known.
    let failure = send(&double, &update("50")).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Conflict);
    assert!(failure.message.contains("was changed since it was read"), "{failure}");
    assert!(double.asked()[2].is("GET", "/api/vsvip/vsvip-1") && double.asked().len() == 3);
}

#[tokio::test(start_paused = true)]
async fn every_status_of_the_catalogue_has_its_class() {
    for (status, text, class) in [
        (400, "No available free IPs", ErrorClass::Waiting),
        (400, "VrfContext object not found", ErrorClass::Waiting),
        (400, "Network object not found", ErrorClass::Waiting),
        (400, "Changing an existing VIP's vip_id is not supported", ErrorClass::Rejected),
        (403, "Cannot delete, object is referred by: ['Pool p']", ErrorClass::InUse),
        (403, "Configuration is disallowed during upgrade", ErrorClass::Waiting),
        (403, "Tenant 'x' does not exist!", ErrorClass::Waiting),
        (403, "permission denied", ErrorClass::Denied),
        (404, "Pool object not found!", ErrorClass::Gone),
        (408, "", ErrorClass::Unknown),
        (409, "already exists", ErrorClass::Conflict),
        (412, "Need to reload object data Pool", ErrorClass::Conflict),
        (419, "", ErrorClass::Session),
        (422, "", ErrorClass::Rejected),
        (429, "", ErrorClass::Busy),
        (500, "Import error: common_name", ErrorClass::Rejected),
        (500, "Bad pb: vip", ErrorClass::Rejected),
        (500, "db", ErrorClass::Unknown),
        (502, "", ErrorClass::Unknown),
        (503, "", ErrorClass::Busy),
        (504, "", ErrorClass::Unknown),
    ] {
        let double = double(status, json!({"error": text, "obj_name": "c--p"}));
        let failure = send(&double, &operation("c--p", Change::Create(a_pool()))).await.unwrap_err();
        assert_eq!((failure.class, failure.status), (class, Some(status)), "{status} {text}");
        assert!(failure.message.contains(text));
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_lower_the_limit_and_tell_how_long_to_wait() {
    let double = Double::new(|_| Answer::With(429, "retry-after", "7".into(), json!({"error": "slow down"})));
    let client = double.client();
    let permit = rehearsal::endless();
    let writer = double.writer_through(client.clone());
    let failure = writer.send(&permit, &operation("c--p", Change::Create(a_pool()))).await.unwrap_err();
    assert_eq!((failure.class, failure.retry_after_ms), (ErrorClass::Busy, Some(7000)));
    assert_eq!(client.traffic().concurrency_limit, 8);
    let count =
        client.traffic().requests.into_iter().find(|c| c.method == "POST" && c.kind == "pool").unwrap();
    assert_eq!((count.outcome, count.count), ("4xx", 1));
    assert_eq!(client.traffic().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_cannot_be_read_is_in_doubt() {
    for answer in ["{\"uuid\": ", "[]", "{\"uuid\": \"pool-1\", \"name\": 3}"] {
        let double = Double::new(move |_| Answer::Text(201, answer.to_owned()));
        let failure = send(&double, &operation("c--p", Change::Create(a_pool()))).await.unwrap_err();
        assert_eq!(failure.class, ErrorClass::Unknown, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let stored =
        json!({"uuid": "pool-1", "name": "c--p", "tenant_ref": "https://avi.test/api/tenant/tenant-1#blue"});
    let double = double(201, stored);
    let writer = double.writer();
    let permit = rehearsal::endless();
    let creation = operation("c--p", Change::Create(a_pool()));
    writer.send(&permit, &creation).await.unwrap();
    double.hang_up();
    tokio::task::yield_now().await;
    writer.send(&permit, &creation).await.unwrap();
    assert_eq!((double.asked().len(), double.dialed.load(SeqCst)), (2, 2));
}

/// A controller that answers each request but some after the first one, and a client that
/// has asked it for the first one.
async fn silent_after_the_first(silent: usize) -> (Arc<Double>, AviClient) {
    let count = AtomicUsize::new(0);
    let double = Double::new(move |_| match count.fetch_add(1, SeqCst) {
        n if (1..=silent).contains(&n) => Answer::Never,
        _ => Answer::Json(200, json!({})),
    });
    let client = double.client();
    client.get_json("/api/cluster", &[], &Tenant::named("admin")).await.unwrap();
    (double, client)
}

/// Waits until so many requests arrived, and closes the connections.
async fn hang_up_after(double: &Double, requests: usize) {
    while double.asked().len() < requests {
        tokio::task::yield_now().await;
    }
    double.hang_up();
}

#[tokio::test(start_paused = true)]
async fn a_read_whose_connection_breaks_is_repeated() {
    let (double, client) = silent_after_the_first(1).await;
    let admin = Tenant::named("admin");
    let (read, ()) = tokio::join!(client.get_json("/api/pool", &[], &admin), hang_up_after(&double, 2));
    assert_eq!(read.unwrap(), json!({}));
    assert_eq!(double.asked().len(), 3);
}

/// What breaks at once says that the controller is not there.
#[tokio::test(start_paused = true)]
async fn a_read_whose_new_connection_breaks_is_a_failure() {
    let (double, client) = silent_after_the_first(2).await;
    let admin = Tenant::named("admin");
    let read = || client.get_json("/api/pool", &[], &admin);
    let (over_the_old_one, over_a_new_one, ()) = tokio::join!(read(), read(), hang_up_after(&double, 3));
    assert!(over_the_old_one.is_ok() && over_a_new_one.is_err());
    assert_eq!(double.asked().len(), 4);
}

/// Whether it was executed is not known: it is never sent twice.
#[tokio::test(start_paused = true)]
async fn a_write_whose_connection_breaks_is_in_doubt_and_not_repeated() {
    for change in [Change::Create(a_pool()), Change::Update(meta(), a_pool())] {
        let (double, client) = silent_after_the_first(1).await;
        let writer = double.writer_through(client);
        let (permit, operation) = (rehearsal::endless(), operation("c--p", change));
        let (written, ()) = tokio::join!(writer.send(&permit, &operation), hang_up_after(&double, 2));
        assert_eq!(written.unwrap_err().class, ErrorClass::Unknown);
        assert_eq!(double.asked().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_changed_since_it_was_read_is_not_deleted() {
    let stored =
        json!({"uuid": "pool-1", "name": "c--p", "_last_modified": "18", "created_by": "somebody-else"});
    let double = double(200, stored);
    let failure = send(&double, &operation("c--p", Change::Delete(meta()))).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Conflict);
    assert!(double.asked().iter().all(|seen| !seen.is("DELETE", "/api/pool/pool-1")));
}

/// What the controller complains about may have a secret in it.
#[tokio::test(start_paused = true)]
async fn secrets_that_were_sent_are_in_no_failure() {
    let settings = json!([{
        "app_settings": {"client_secret": "hunter2"},
        "resource_server": {"opaque_token_params": {"server_secret": "hunter3"}},
    }]);
    let mut service = VirtualService { name: "c--v".into(), ..VirtualService::default() };
    service.shaped_mut().oauth_vs_config = Some(SignIn::new(json!({"oauth_settings": settings})));
    let service = Arc::new(Object::VirtualService(service));
    for change in [Change::Create(service.clone()), Change::Update(meta(), service)] {
        let double = double(400, json!({"error": "bad client_secret hunter2 or server_secret hunter3"}));
        let failure = send(&double, &operation("c--v", change)).await.unwrap_err();
        assert_eq!(failure.message, "bad client_secret [redacted] or server_secret [redacted]");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_and_the_old_one_revoked() {
    let double = Double::new(|seen| match &*seen.method {
        "GET" => Answer::Json(
            200,
            json!({"count": 1, "results": [
            {"token": "old", "uuid": "t-1", "expires_at": "2026-01-06T00:00:00+00:00"}]}),
        ),
        "POST" => {
            Answer::Json(201, json!({"token": "n3w", "uuid": "t-2", "expires_at": "2026-02-01T00:00:00Z"}))
        }
        _ => Answer::Json(404, json!({})),
    });
    let writer = double.writer();
    let permit = rehearsal::endless();
    let near = "2026-01-06T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
    let early = near.checked_sub(ENOUGH).unwrap().checked_sub(jiff::SignedDuration::from_secs(1)).unwrap();
    assert_eq!(writer.refresh_token(&permit, "old", early).await, Ok(None));
    let new = writer.refresh_token(&permit, "old", near).await.unwrap().unwrap();
    assert_eq!((new.secret.clone(), new.replaces.as_deref()), (Secret::Token("n3w".into()), Some("t-1")));
    assert!(!format!("{new:?}").contains("n3w"));
    writer.revoke_token(&permit, "t-1").await.unwrap();
    let asked = double.asked();
    assert_eq!(asked[2].body, json!({"hours": "240"}));
    assert!(asked[3].is("DELETE", "/api/user-token/t-1"));
}

#[test]
fn calls_can_be_spawned() {
    fn can_be_spawned(_: impl Send) {}
    let double = double(200, json!({}));
    let writer = double.writer();
    let (permit, deletion) = (rehearsal::endless(), operation("x", Change::Delete(meta())));
    can_be_spawned(writer.send(&permit, &deletion));
}
