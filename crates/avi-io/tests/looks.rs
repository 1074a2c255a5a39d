//! What objects of the cluster refer to is looked up by name, whoever it belongs to.

#![allow(clippy::unwrap_used)] // in the functions that tests share

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ako_avi_types::{Brief, ErrorClass, Failure, Kind, Label, Referred};
use serde_json::{Value, json};

mod controller;

use controller::{Answer, Double};

fn one_page(results: &[Value]) -> Answer {
    Answer::Json(200, json!({"count": results.len(), "results": results}))
}

fn named(kind: Kind, name: &str) -> Referred {
    Referred::named(kind, "blue", name)
}

type Looks = BTreeMap<Referred, Result<Option<Brief>, Failure>>;

async fn look_up(double: &Arc<Double>, names: impl IntoIterator<Item = Referred>) -> Looks {
    let names: BTreeSet<_> = names.into_iter().collect();
    let answers = double.client().look_up(names.clone(), "Default-Cloud").await;
    assert_eq!(answers.len(), names.len(), "each is answered once");
    answers.into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn what_matters_of_an_object_is_read_and_nothing_else() {
    let double = Double::new(|_| {
        let body = json!({"uuid": "a-1", "name": "a & b/#1", "type": "APPLICATION_PROFILE_TYPE_HTTP",
            "created_by": "ako-c1", "labels": [{"key": "clustername", "value": "c1"}]});
        // Some controllers are not as exact with names as they are asked.
        one_page(&[json!({"uuid": "a-0", "name": "A & b/#1"}), body])
    });
    let profile = named(Kind::ApplicationProfile, "a & b/#1");
    let looks = look_up(&double, [profile.clone()]).await;
    let expected = Brief {
        uuid: "a-1".into(),
        name: "a & b/#1".into(),
        tenant: None,
        object_type: Some("APPLICATION_PROFILE_TYPE_HTTP".into()),
        created_by: Some("ako-c1".into()),
        labels: vec![Label::of_cluster("c1")],
        has_namesakes: false,
    };
    assert_eq!(looks[&profile], Ok(Some(expected)));
    let asked = double.asked();
    assert_eq!((&*asked[0].path, asked[0].header("x-avi-tenant")), ("/api/applicationprofile", "blue"));
    assert_eq!(&*asked[0].query["name"], "a & b/#1", "the name arrives as it is");
    assert!(asked[0].query["fields"].starts_with("name,type,profile,labels,created_by,uuid"));
    assert!(!asked[0].query.contains_key("cloud_ref.name"));
}

#[tokio::test(start_paused = true)]
async fn networks_are_those_of_the_cloud_and_may_be_meant_by_uuid() {
    let double = Double::new(|s| match s.query.get("uuid").map(String::as_str) {
        Some("network-2") => one_page(&[json!({"uuid": "network-2", "name": "other"})]),
        None if s.query["cloud_ref.name"] == "Default-Cloud" => {
            one_page(&[json!({"uuid": "network-1", "name": "net"})])
        }
        _ => one_page(&[]),
    });
    let uuid = |uuid| Referred::with_uuid(Kind::Network, "blue", uuid);
    let looks = look_up(&double, [named(Kind::Network, "net"), uuid("network-2"), uuid("network-3")]).await;
    let found = |referred: &Referred| looks[referred].as_ref().unwrap().as_ref().map(|brief| &*brief.uuid);
    assert_eq!(found(&named(Kind::Network, "net")), Some("network-1"));
    assert_eq!((found(&uuid("network-2")), found(&uuid("network-3"))), (Some("network-2"), None));
    // A uuid tells the cloud.
    let asked = double.asked();
    let by_uuid = asked.iter().filter(|seen| seen.query.contains_key("uuid"));
    assert!(by_uuid.into_iter().all(|seen| !seen.query.contains_key("cloud_ref.name")));
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_costs_no_other_and_is_not_missing() {
    let double = Double::new(|s| match &*s.path {
        "/api/wafpolicy" => Answer::Json(500, json!({"error": "broken"})),
        "/api/ssopolicy" => Answer::Json(403, json!({"error": "no"})),
        "/api/botdetectionpolicy" => Answer::Json(404, json!({"error": "no such page"})),
        _ => one_page(&[]),
    });
    let kinds = [Kind::WafPolicy, Kind::SsoPolicy, Kind::BotDetectionPolicy, Kind::IcapProfile];
    let looks = look_up(&double, kinds.map(|kind| named(kind, "x"))).await;
    let class = |kind| looks[&named(kind, "x")].as_ref().map_err(|failure| failure.class);
    assert_eq!(class(Kind::WafPolicy), Err(ErrorClass::Retry));
    assert_eq!(class(Kind::SsoPolicy), Err(ErrorClass::Denied), "neither here nor in admin");
    // A controller of an older version has none of a kind that it does not know.
    assert_eq!((class(Kind::BotDetectionPolicy), class(Kind::IcapProfile)), (Ok(&None), Ok(&None)));
}

#[tokio::test(start_paused = true)]
async fn what_tenants_share_is_found_and_the_tenants_own_goes_first() {
    let double = Double::new(|s| match (&*s.path, s.header("x-avi-tenant")) {
        ("/api/serviceenginegroup", "admin") => one_page(&[json!({"uuid": "seg-1", "name": "gold"})]),
        ("/api/serviceenginegroup", _) => Answer::Json(403, json!({"error": "no"})),
        _ => {
            let profile = |uuid, tenant| {
                let tenant_ref = format!("https://avi.test/api/tenant/t-{tenant}#{tenant}");
                json!({"uuid": uuid, "name": "gold", "tenant_ref": tenant_ref})
            };
            one_page(&[profile("shared", "admin"), profile("own", "blue")])
        }
    });
    let names = [Kind::ServiceEngineGroup, Kind::SslProfile].map(|kind| named(kind, "gold"));
    let looks = look_up(&double, names.clone()).await;
    let found = names.map(|name| looks[&name].as_ref().unwrap().as_ref().unwrap().uuid.clone());
    assert_eq!(found.map(|uuid| uuid.to_string()), ["seg-1", "own"]);
}
