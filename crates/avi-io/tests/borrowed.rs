//! The VRF and the SE group: read where they are, changed in part.

#![allow(clippy::unwrap_used, clippy::panic)] // in the functions that tests share

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_avi_io::{Borrowed, Observation, Observer, Scope, ScopeTenant, Written};
use ako_avi_types::pool::Subnet;
use ako_avi_types::{
    Change, ErrorClass, Failure, IpAddress, Kind, Label, Meta, Object, ObjectKey, Operation, Referred,
    ServiceEngineGroup, StaticRoute, VrfContext,
};
use ako_elect::rehearsal;
use serde_json::{Value, json};

mod controller;

use controller::{Answer, Double, Seen};

fn scope(names: &[(Kind, &str)]) -> Scope {
    let names: BTreeMap<_, _> = names.iter().map(|(kind, name)| (*kind, Arc::from(*name))).collect();
    Scope {
        kinds: Kind::WRITTEN,
        owners: vec!["ako-c1".into()],
        cluster_name: "c1".into(),
        name_prefix: "c1--".into(),
        cloud: "Default-Cloud".into(),
        tenant: ScopeTenant::All,
        borrowed: Borrowed { tenant: "blue".into(), cloud: "Default-Cloud".into(), names, tier1_vrfs: false },
    }
}

const BOTH: [(Kind, &str); 2] = [(Kind::ServiceEngineGroup, "seg"), (Kind::VrfContext, "global")];

fn one_page(results: &[Value]) -> Answer {
    Answer::Json(200, json!({"count": results.len(), "results": results}))
}

fn vrf(uuid: &str, tenant: &str, cloud: &str) -> Value {
    json!({"uuid": uuid, "name": "global", "_last_modified": "7",
        "tenant_ref": format!("https://avi.test/api/tenant/t#{tenant}"),
        "cloud_ref": format!("https://avi.test/api/cloud/c#{cloud}"),
        "bgp_profile": {"local_as": 65000},
        "static_routes": [foreign(), route("c1", "10.1.0.0", "old"), json!({"route_id": "9"})]})
}

/// Somebody else's route, with fields that we do not know.
fn foreign() -> Value {
    let mut route = route("c10", "10.9.0.0", "c1-1");
    route["disable_gateway_monitor"] = json!(true);
    route
}

fn route(cluster: &str, prefix: &str, id: &str) -> Value {
    json!({
        "prefix": {"ip_addr": {"addr": prefix, "type": "V4"}, "mask": 24},
        "next_hop": {"addr": "10.0.0.1", "type": "V4"},
        "route_id": id,
        "labels": [{"key": "clustername", "value": cluster}],
    })
}

async fn observe(double: &Arc<Double>, names: &[(Kind, &str)]) -> Observation {
    Observer::new(double.client()).observe(&scope(names)).await.unwrap()
}

fn keys(observation: &Observation) -> Vec<String> {
    observation.objects.iter().map(|(key, _)| key.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn they_are_found_by_name_and_cloud_in_the_tenant_that_they_belong_to() {
    let double = Double::new(|s| match &*s.path {
        "/api/vrfcontext" => one_page(&[
            vrf("vrf-0", "admin", "Other-Cloud"),
            vrf("vrf-1", "admin", "Default-Cloud"),
            vrf("vrf-2", "green", "Default-Cloud"),
        ]),
        // A role that sees them only in admin.
        "/api/serviceenginegroup" if s.header("x-avi-tenant") == "blue" => Answer::Json(403, json!({})),
        "/api/serviceenginegroup" => one_page(&[
            json!({"uuid": "s", "name": "seg", "tenant_ref": "https://avi.test/api/tenant/admin#admin"}),
        ]),
        _ => one_page(&[]),
    });
    let observation = observe(&double, &BOTH).await;
    assert_eq!(keys(&observation), ["serviceenginegroup admin/seg", "vrfcontext admin/global"]);
    assert!(observation.complete);
    assert_eq!(&*observation.objects[1].1.meta.uuid, "vrf-1");
    let asked = double.asked();
    let vrf = asked.iter().find(|s| s.path == "/api/vrfcontext").unwrap();
    assert_eq!((&*vrf.query["name"], &*vrf.query["cloud_ref.name"]), ("global", "Default-Cloud"));
    assert_eq!((&*vrf.query["include_name"], vrf.header("x-avi-tenant")), ("true", "blue"));
}

#[tokio::test(start_paused = true)]
async fn every_vrf_of_a_tier1_router_is_read_once() {
    let mapped = |uuid: &str, name: &str, cloud: &str| {
        let mut vrf = vrf(uuid, "admin", cloud);
        vrf["name"] = name.into();
        vrf["attrs"] = json!([{"key": "tier1path", "value": format!("/t1/{name}")}]);
        vrf
    };
    let double = Double::new(move |s| match &*s.path {
        "/api/vrfcontext" => one_page(&[
            mapped("vrf-1", "global", "Default-Cloud"),
            mapped("vrf-2", "red", "Default-Cloud"),
            mapped("vrf-3", "blue", "Other-Cloud"),
            vrf("vrf-4", "admin", "Default-Cloud"),
        ]),
        _ => one_page(&[]),
    });
    let mut scope = scope(&[(Kind::VrfContext, "global")]);
    scope.borrowed.tier1_vrfs = true;
    let observation = Observer::new(double.client()).observe(&scope).await.unwrap();
    assert_eq!(keys(&observation), ["vrfcontext admin/global", "vrfcontext admin/red"]);
    let Object::VrfContext(red) = &*observation.objects[1].1.body else { panic!("no VRF") };
    assert_eq!(red.tier1_router.as_deref(), Some("/t1/red"));

    let router = Referred::vrf_of_tier1("blue", "/t1/red");
    let looks = double.client().look_up([router].into(), "Default-Cloud").await;
    let found = looks[0].1.as_ref().unwrap().as_ref().unwrap();
    assert_eq!((&*found.name, found.tenant.as_deref()), ("red", Some("admin")));
    let elsewhere = Referred::vrf_of_tier1("blue", "/t1/blue");
    let looks = double.client().look_up([elsewhere].into(), "Default-Cloud").await;
    assert_eq!(looks[0].1, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn the_tenants_own_goes_before_a_shared_one() {
    let double = Double::new(|s| match &*s.path {
        "/api/vrfcontext" => {
            one_page(&[vrf("vrf-1", "admin", "Default-Cloud"), vrf("vrf-2", "blue", "Default-Cloud")])
        }
        _ => one_page(&[]),
    });
    assert_eq!(keys(&observe(&double, &BOTH).await), ["vrfcontext blue/global"]);
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_read_is_not_there_and_stops_nothing() {
    let double = Double::new(|s| match &*s.path {
        "/api/vrfcontext" | "/api/serviceenginegroup" => Answer::Json(403, json!({"error": "no"})),
        _ => one_page(&[]),
    });
    let observation = observe(&double, &BOTH).await;
    assert!(observation.complete && observation.objects.is_empty());
    let down = Double::new(|s| match &*s.path {
        "/api/vrfcontext" => Answer::Json(503, json!({})),
        _ => one_page(&[]),
    });
    assert!(!observe(&down, &BOTH).await.complete);
}

#[tokio::test(start_paused = true)]
async fn the_vrf_of_a_tier_1_router_is_told_by_an_attribute() {
    let double = Double::new(|_| {
        let mut mapped = vrf("vrf-2", "admin", "Default-Cloud");
        mapped["name"] = json!("t1");
        mapped["attrs"] = json!([{"key": "x", "value": "/a"}, {"key": "tier1path", "value": "/infra/t1"}]);
        one_page(&[vrf("vrf-1", "admin", "Default-Cloud"), mapped])
    });
    let place = scope(&[]).borrowed;
    let of = async |router| double.client().vrf_of_tier1(&place, router).await.unwrap();
    assert_eq!(of("/infra/t1").await.as_deref(), Some("t1"));
    assert_eq!(of("/a").await, None);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_that_is_not_borrowed() {
    let double = Double::new(|_| one_page(&[]));
    observe(&double, &[]).await;
    assert!(
        double.asked().iter().all(|s| s.path != "/api/vrfcontext" && s.path != "/api/serviceenginegroup")
    );
}

fn update(kind: Kind, tenant: &str, object: Object) -> Operation {
    let meta = Meta { uuid: "u-1".into(), last_modified: Some("3".into()) };
    let key = ObjectKey::new(kind, tenant, object.name().clone());
    Operation { key, change: Change::Update(meta, Arc::new(object)) }
}

fn wanted_routes(tenant: &str) -> Operation {
    let new = StaticRoute {
        prefix: Subnet { ip_addr: IpAddress::new("10.2.0.0"), mask: 24 },
        next_hop: IpAddress::new("10.0.0.1"),
        route_id: "c1-u-0".into(),
        labels: vec![Label::of_cluster("c1")],
    };
    let vrf = VrfContext {
        name: "global".into(),
        cluster: "c1".into(),
        static_routes: vec![new],
        ..VrfContext::default()
    };
    update(Kind::VrfContext, tenant, Object::VrfContext(vrf))
}

async fn send(double: &Arc<Double>, operation: &Operation) -> Result<Written, Failure> {
    double.writer().send(&rehearsal::endless(), operation).await
}

#[tokio::test(start_paused = true)]
async fn only_our_routes_of_what_is_there_now_are_replaced() {
    let double = Double::new(|s: &Seen| match &*s.method {
        "GET" => Answer::Json(200, vrf("u-1", "admin", "Default-Cloud")),
        _ => Answer::Json(200, s.body.clone()),
    });
    let operation = wanted_routes("admin");
    let written = send(&double, &operation).await.unwrap().observed.unwrap();
    let Change::Update(_, wanted) = &operation.change else { panic!() };
    assert_eq!(wanted.differences(&written.body), []);
    let asked = double.asked();
    assert!(asked[0].is("GET", "/api/vrfcontext/u-1") && asked[1].is("PUT", "/api/vrfcontext/u-1"));
    let mut expected = vrf("u-1", "admin", "Default-Cloud");
    expected["static_routes"] = json!([foreign(), {"route_id": "9"}, route("c1", "10.2.0.0", "c1-u-0")]);
    assert_eq!(asked[1].body, expected);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_tenant_is_followed_by_the_same_in_admin() {
    let double = Double::new(|s: &Seen| match (&*s.method, s.header("x-avi-tenant")) {
        ("GET", _) => Answer::Json(200, vrf("u-1", "blue", "Default-Cloud")),
        (_, "blue") => Answer::Json(400, json!({"error": "Cannot modify VrfContext global"})),
        _ => Answer::Json(200, s.body.clone()),
    });
    send(&double, &wanted_routes("blue")).await.unwrap();
    let asked = double.asked();
    assert_eq!((asked.len(), &asked[1].body), (3, &asked[2].body));
    assert_eq!(asked[2].header("x-avi-tenant"), "admin");
}

#[tokio::test(start_paused = true)]
async fn a_write_in_between_is_a_conflict() {
    let double = Double::new(|s: &Seen| match &*s.method {
        "GET" => Answer::Json(200, vrf("u-1", "admin", "Default-Cloud")),
        _ => Answer::Json(412, json!({"error": "Concurrent Update Error: Need to reload object data"})),
    });
    assert_eq!(send(&double, &wanted_routes("admin")).await.unwrap_err().class, ErrorClass::Conflict);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_was_labelled_meanwhile_is_left_alone() {
    let labelled = |labels: Value| {
        Double::new(move |s: &Seen| match &*s.method {
            "GET" => Answer::Json(200, json!({"uuid": "u-1", "name": "seg", "max_se": 4, "labels": labels})),
            _ => Answer::Json(200, s.body.clone()),
        })
    };
    let ours = vec![Label::of_cluster("c1")];
    let group = ServiceEngineGroup { name: "seg".into(), labels: ours, ..ServiceEngineGroup::default() };
    let operation = update(Kind::ServiceEngineGroup, "admin", Object::ServiceEngineGroup(group));
    let free = labelled(json!([]));
    send(&free, &operation).await.unwrap();
    let body = &free.asked()[1].body;
    assert_eq!((&body["labels"][0]["value"], &body["max_se"]), (&json!("c1"), &json!(4)));
    let taken = labelled(json!([{"key": "clustername", "value": "c2"}]));
    assert_eq!(send(&taken, &operation).await.unwrap_err().class, ErrorClass::Conflict);
    assert_eq!(taken.asked().len(), 1);
}
