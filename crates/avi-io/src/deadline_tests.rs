//! What happens when a permit to write has a deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use ako_avi_types::{Change, ErrorClass, Kind, Object, ObjectKey, Operation, Pool};
use ako_elect::Moment;
use serde_json::json;
use tokio::time::Instant;

use crate::connection::{Dial, Dialing};
use crate::controller_double::{Answer, Double, Line};
use crate::permission::Permission;
use crate::{AviClient, Tenant};

struct Until(Moment);

impl Permission for Until {
    fn remaining(&self, now: Moment) -> Option<Duration> {
        (now < self.0).then(|| self.0.since(now))
    }
}

/// Ends with the first question.
struct Once(AtomicBool);

impl Permission for Once {
    fn remaining(&self, _now: Moment) -> Option<Duration> {
        (!self.0.swap(true, SeqCst)).then_some(Duration::from_secs(1))
    }
}

fn create() -> Operation {
    let pool = Pool { name: "c--p".into(), ..Pool::default() };
    Operation {
        key: ObjectKey::new(Kind::Pool, "admin", "c--p"),
        change: Change::Create(Arc::new(Object::Pool(pool))),
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_without_a_permit() {
    let double = Double::new(|_| Answer::Json(201, json!({"uuid": "pool-1", "name": "c--p"})));
    let writer = double.writer();
    double.now.store(1000, SeqCst);
    let failure = writer.send_under(&Until(Moment::from_millis(1000)), &create()).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::NoPermit);
    assert!(double.asked().is_empty());
    let counts = writer.client.traffic().requests;
    assert!(counts.iter().any(|c| (c.method, c.outcome) == ("POST", "not_sent")), "{counts:?}");
    writer.send_under(&Until(Moment::from_millis(1001)), &create()).await.unwrap();
    assert_eq!(double.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_permit_is_judged_after_the_login_and_before_the_replay() {
    let double = Double::new(|_| Answer::Json(201, json!({"uuid": "pool-1", "name": "c--p"})));
    let writer = double.writer();
    writer.send_under(&Until(Moment::from_millis(10)), &create()).await.unwrap();
    double.expire();
    let failure = writer.send_under(&Once(false.into()), &create()).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::NoPermit);
    assert_eq!(double.asked().len(), 2, "the refused attempt, but no replay");
}

/// A way to the controller that takes until the permit has ended.
struct Slow(Line);

impl Dial for Slow {
    fn dial(&self) -> Dialing {
        let (opening, double) = (self.0.dial(), self.0.0.clone());
        Box::pin(async move {
            double.now.fetch_add(1000, SeqCst);
            opening.await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn the_permit_is_judged_when_the_connection_is_ready() {
    let double = Double::new(|_| Answer::Json(201, json!({"uuid": "pool-1", "name": "c--p"})));
    let mut options = double.options();
    options.dialer = Some(Arc::new(Slow(Line(double.clone()))));
    let client = AviClient::new(options).unwrap();
    client.get_json("/api/cluster", &[], &Tenant::named("admin")).await.unwrap();
    // The connection is too old to be used again.
    tokio::time::advance(Duration::from_mins(1)).await;
    let before = double.now.load(SeqCst);
    let permit = Until(Moment::from_millis(before + 1000));
    let failure = double.writer_through(client).send_under(&permit, &create()).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::NoPermit, "{failure}");
    assert_eq!(double.now.load(SeqCst), before + 1000, "a connection was opened");
    assert!(double.asked().iter().all(|seen| seen.method == "GET"), "{:?}", double.asked());
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_the_permit_limits_the_request_and_ends_in_a_closed_connection() {
    let double = Double::new(|seen| match &*seen.method {
        "POST" => Answer::Never,
        _ => Answer::Json(200, json!({})),
    });
    let client = double.client();
    let writer = double.writer_through(client.clone());
    client.get_json("/api/cluster", &[], &Tenant::named("admin")).await.unwrap();
    let begun = Instant::now();
    double.now.store(700, SeqCst);
    let failure = writer.send_under(&Until(Moment::from_millis(1000)), &create()).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Unknown);
    assert_eq!(begun.elapsed().as_millis().clamp(300, 301), begun.elapsed().as_millis());
    double.open.subscribe().wait_for(|open| *open == 0).await.unwrap();
    assert_eq!(client.traffic().concurrency_limit, 16, "the permit's end says nothing about the load");
}

#[tokio::test(start_paused = true)]
async fn a_time_out_of_the_controllers_lowers_the_limit() {
    let double = Double::new(|_| Answer::Never);
    let writer = double.writer();
    let failure = writer.send_under(&Until(Moment::from_millis(u64::MAX)), &create()).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Unknown);
    assert_eq!(writer.client.traffic().concurrency_limit, 8);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_dropped_closes_its_connection() {
    let double = Double::new(|_| Answer::Never);
    let writer = double.writer();
    let sending = tokio::spawn(async move {
        let _ = writer.send_under(&Until(Moment::from_millis(u64::MAX)), &create()).await;
    });
    let mut open = double.open.subscribe();
    open.wait_for(|open| *open == 1).await.unwrap();
    while double.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    sending.abort();
    open.wait_for(|open| *open == 0).await.unwrap();
}
