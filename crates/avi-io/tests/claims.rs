//! The cluster's name on the controller, at the door for writes.

#![allow(clippy::unwrap_used)] // in the functions that tests share

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};

use ako_avi_io::cluster_claim::CLAIM_COUNTS_FOR;
use ako_avi_io::{ClaimedBy, ClusterClaim, ClusterIdentity, ScopeTenant, Writer};
use ako_avi_types::{Change, ErrorClass, Failure, Kind, Object, ObjectKey, Operation, Pool, Ref};
use ako_elect::rehearsal;
use serde_json::{Value, json};

mod controller;

use controller::{Answer, Double, Seen};

const GROUPS: &str = "/api/stringgroup";

/// A controller on which the name may be claimed, by whoever is said to be first.
struct Claimed {
    double: Arc<Double>,
    claim: ClusterClaim,
    writer: Writer,
    /// The uid that the string group holds.
    holder: Arc<Mutex<Option<String>>>,
}

impl Claimed {
    /// `creation` answers the claim, and may note another holder.
    fn new(creation: impl Fn(&Mutex<Option<String>>) -> Answer + Send + Sync + 'static) -> Self {
        let holder: Arc<Mutex<Option<String>>> = Arc::default();
        let known = holder.clone();
        let double = Double::new(move |seen: &Seen| match (seen.method.as_str(), seen.path.as_str()) {
            ("GET", GROUPS) => list(known.lock().unwrap().as_deref(), seen.header("x-avi-tenant")),
            ("POST", GROUPS) => creation(&known),
            _ => Answer::Json(201, json!({"uuid": "pool-1", "name": "c1--p"})),
        });
        let client = double.client();
        let clock = double.options().clock;
        let cluster = ClusterIdentity { name: "c1".into(), uid: "us".into() };
        let claim = ClusterClaim::new(client.clone(), clock, cluster, "admin".into(), ScopeTenant::All);
        let writer = double.writer_through(client).claiming(claim.clone());
        Self { double, claim, writer, holder }
    }

    fn free() -> Self {
        Self::new(|holder| {
            *holder.lock().unwrap() = Some("us".to_owned());
            Answer::Json(201, json!({"uuid": "stringgroup-1"}))
        })
    }

    fn hold(self, by: &str) -> Self {
        *self.holder.lock().unwrap() = Some(by.to_owned());
        self
    }

    async fn write(&self, tenant: &str) -> Result<(), Failure> {
        let tenant_ref = Some(Ref::named(Kind::Tenant, tenant));
        let pool = Object::Pool(Pool { name: "c1--p".into(), tenant_ref, ..Pool::default() });
        let key = ObjectKey::new(Kind::Pool, tenant, "c1--p");
        let operation = Operation { key, change: Change::Create(Arc::new(pool)) };
        let permit = rehearsal::endless();
        self.writer.send(&permit, &operation).await.map(drop)
    }

    /// Methods and paths since the last call.
    fn asked(&self) -> Vec<String> {
        let asked = self.double.asked().into_iter().map(|seen| format!("{} {}", seen.method, seen.path));
        let asked = asked.collect();
        self.double.seen.lock().unwrap().clear();
        asked
    }
}

fn list(holder: Option<&str>, tenant: &str) -> Answer {
    let tenant = if tenant == "*" { "admin" } else { tenant };
    let group = |uid: &str| {
        json!({"uuid": "stringgroup-1", "name": "ako-cluster-c1", "tenant_ref": format!("/api/tenant/tenant-1#{tenant}"), "kv": [{"key": "kube-system", "value": uid}],
            "_last_modified": "1"})
    };
    let results: Vec<Value> = holder.map(group).into_iter().collect();
    Answer::Json(200, json!({"count": results.len(), "results": results}))
}

#[tokio::test(start_paused = true)]
async fn the_name_is_claimed_before_the_first_write_and_once() {
    let claimed = Claimed::free();
    let (one, two, three) =
        tokio::join!(claimed.write("admin"), claimed.write("admin"), claimed.write("admin"));
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    let [read, create, pool] =
        [format!("GET {GROUPS}"), format!("POST {GROUPS}"), "POST /api/pool".to_owned()];
    let pools = || std::iter::repeat_n(pool.clone(), 3);
    let all: Vec<_> = [read.clone(), create.clone()].into_iter().chain(pools()).collect();
    let body = claimed.double.asked().into_iter().find(|seen| seen.is("POST", GROUPS)).unwrap().body;
    assert_eq!(claimed.asked(), all);
    assert_eq!(body["kv"], json!([{"key": "kube-system", "value": "us"}]));
    assert!(body.get("created_by").is_none() && body.get("markers").is_none(), "{body}");
    assert_eq!(*claimed.claim.at_home().borrow(), Some(ClaimedBy::Us));
    // In another tenant it is another name.
    claimed.write("blue").await.unwrap();
    assert_eq!(claimed.asked()[..1], [read]);
}

#[tokio::test(start_paused = true)]
async fn what_another_cluster_has_is_not_written_to() {
    let claimed = Claimed::free().hold("them");
    let failure = claimed.write("admin").await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::NoPermit);
    assert!(failure.message.contains("another Kubernetes cluster"), "{failure}");
    assert_eq!(*claimed.claim.at_home().borrow(), Some(ClaimedBy::Another("them".into())));
    // Elsewhere it is the object that is not served.
    let failure = claimed.write("blue").await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Waiting);
    assert!(claimed.asked().iter().all(|asked| asked.starts_with("GET")));
}

#[tokio::test(start_paused = true)]
async fn of_two_that_claim_at_a_time_one_has_it() {
    let claimed = Claimed::new(|holder| {
        *holder.lock().unwrap() = Some("them".to_owned());
        Answer::Json(409, json!({"error": "StringGroup with this Name and Tenant ref already exists."}))
    });
    assert_eq!(claimed.write("admin").await.unwrap_err().class, ErrorClass::NoPermit);
    // Our own claim, of which the answer was lost.
    let claimed = Claimed::new(|holder| {
        *holder.lock().unwrap() = Some("us".to_owned());
        Answer::Json(409, json!({"error": "already exists."}))
    });
    claimed.write("admin").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_taken_away_is_noticed() {
    let claimed = Claimed::free();
    claimed.write("admin").await.unwrap();
    let claimed = claimed.hold("them");
    claimed.write("admin").await.unwrap();
    claimed.double.now.fetch_add(u64::try_from(CLAIM_COUNTS_FOR.as_millis()).unwrap(), SeqCst);
    assert_eq!(claimed.write("admin").await.unwrap_err().class, ErrorClass::NoPermit);
    // It is given back.
    let claimed = claimed.hold("us");
    claimed.write("admin").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_role_without_string_groups_is_told_and_writes() {
    let claimed = Claimed::new(|_| Answer::Json(403, json!({"error": "you may not"})));
    claimed.write("admin").await.unwrap();
    let by = claimed.claim.at_home().borrow().clone();
    let said = by.and_then(|by| claimed.claim.says(&by)).unwrap();
    assert!(said.contains("does not allow string groups"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_while_it_is_not_known() {
    let claimed = Claimed::new(|_| Answer::Json(503, json!({"error": "busy"})));
    let failure = claimed.write("admin").await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Busy);
    assert!(claimed.asked().iter().all(|asked| !asked.contains("pool")));
    let claimed = Claimed::new(|_| Answer::Json(500, json!({"error": "what?"})));
    assert_eq!(claimed.write("admin").await.unwrap_err().class, ErrorClass::Retry, "the pool was not sent");
}

#[tokio::test(start_paused = true)]
async fn it_is_taken_from_the_one_that_is_named_and_given_up_by_its_holder_only() {
    let permit = rehearsal::endless();
    let claimed = Claimed::free().hold("them");
    let failure = claimed.writer.take_cluster_name(&permit, "others").await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Conflict);
    claimed.writer.give_cluster_name_up(&permit).await.unwrap();
    assert!(claimed.asked().iter().all(|asked| asked.starts_with("GET")));
    claimed.writer.take_cluster_name(&permit, "them").await.unwrap();
    let put = claimed.double.asked().pop().unwrap();
    assert!(put.is("PUT", "/api/stringgroup/stringgroup-1"));
    assert_eq!((&put.body["kv"][0]["value"], &put.body["_last_modified"]), (&json!("us"), &json!("1")));
    let claimed = claimed.hold("us");
    claimed.writer.give_cluster_name_up(&permit).await.unwrap();
    assert_eq!(claimed.asked().pop().unwrap(), "DELETE /api/stringgroup/stringgroup-1");
}
