//! What becomes of writes when the leader hands over: only what was handed over to
//! a connection is waited for.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use ako_avi_types::{Change, ErrorClass, Failure, Kind, Meta, Object, ObjectKey, Operation, Pool};
use ako_elect::rehearsal;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::connection::{Dial, Dialing};
use crate::controller_double::{Answer, Double, Line};
use crate::{AviClient, Tenant, Writer, Written};

fn operation(change: Change) -> Operation {
    Operation { key: ObjectKey::new(Kind::Pool, "admin", "c--p"), change }
}

fn create() -> Operation {
    operation(Change::Create(Arc::new(Object::Pool(Pool { name: "c--p".into(), ..Pool::default() }))))
}

fn delete() -> Operation {
    operation(Change::Delete(Meta { uuid: "pool-1".into(), last_modified: Some("1".into()) }))
}

/// Sends a write in a task of its own.
fn start(writer: &Writer, operation: Operation) -> JoinHandle<Result<Written, Failure>> {
    let writer = writer.clone();
    tokio::spawn(async move { writer.send(&rehearsal::endless(), &operation).await })
}

/// Lets the tasks run until something is as it is to be.
async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// The leader hands over: a write that was not sent fails without any waiting.
async fn fails_at_once(double: &Double, write: JoinHandle<Result<Written, Failure>>) {
    let before = Instant::now();
    double.leads.send_replace(false);
    let failure = write.await.unwrap().unwrap_err();
    assert_eq!(failure.class, ErrorClass::NoPermit, "{failure}");
    assert_eq!(before.elapsed().as_millis(), 0);
}

/// Opens so many connections; the next ones are never opened.
struct Stuck {
    line: Line,
    left: AtomicUsize,
    asked: Arc<AtomicUsize>,
}

impl Dial for Stuck {
    fn dial(&self) -> Dialing {
        self.asked.fetch_add(1, SeqCst);
        let opens = self.left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        if opens { self.line.dial() } else { Box::pin(pending()) }
    }
}

/// A client whose connections are opened so often, and how often one was asked for.
fn stuck_after(double: &Arc<Double>, connections: usize) -> (AviClient, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let stuck = Stuck { line: Line(double.clone()), left: connections.into(), asked: asked.clone() };
    let mut options = double.options();
    options.dialer = Some(Arc::new(stuck));
    (AviClient::new(options).unwrap(), asked)
}

#[tokio::test(start_paused = true)]
async fn a_write_that_waits_for_its_turn_fails_and_the_one_that_was_sent_goes_on() {
    let double = Double::new(|_| Answer::Never);
    let mut options = double.options();
    options.max_concurrency = 1;
    let client = AviClient::new(options).unwrap();
    let writer = double.writer_through(client.clone());
    let sent = start(&writer, create());
    until(|| double.asked().len() == 1).await;
    let waiting = start(&writer, create());
    until(|| client.traffic().waiting == 1).await;
    fails_at_once(&double, waiting).await;
    assert!(!sent.is_finished(), "what was sent is waited for");
    assert_eq!((double.asked().len(), client.traffic().waiting), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_waits_for_a_login_fails() {
    let double = Double::new(|_| Answer::Never);
    let (client, asked) = stuck_after(&double, 0);
    let waiting = start(&double.writer_through(client), create());
    until(|| asked.load(SeqCst) == 1).await;
    fails_at_once(&double, waiting).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_that_waits_for_a_connection_fails() {
    let double = Double::new(|seen| match &*seen.method {
        "GET" => Answer::Json(200, json!({})),
        _ => Answer::Never,
    });
    let (client, asked) = stuck_after(&double, 1);
    client.get_json("/api/cluster", &[], &Tenant::named("admin")).await.unwrap();
    let writer = double.writer_through(client);
    let sent = start(&writer, create());
    until(|| double.asked().len() == 2).await;
    let waiting = start(&writer, create());
    until(|| asked.load(SeqCst) == 2).await;
    fails_at_once(&double, waiting).await;
    assert!(!sent.is_finished(), "what was sent is waited for");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_waits_for_the_reading_before_it_fails() {
    let double = Double::new(|_| Answer::Never);
    let waiting = start(&double.writer(), delete());
    until(|| double.asked().len() == 1).await;
    fails_at_once(&double, waiting).await;
    assert_eq!(double.asked()[0].method, "GET");
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_write_that_was_sent_counts() {
    let double = Double::new(|_| Answer::Json(201, json!({"uuid": "pool-1", "name": "c--p"})));
    let writer = double.writer();
    let sent = start(&writer, create());
    until(|| double.asked().len() == 1).await;
    double.leads.send_replace(false);
    assert!(sent.await.unwrap().is_ok());
    let failure = writer.send(&rehearsal::endless(), &create()).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::NoPermit);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_once_nobody_tells_who_leads() {
    let double = Double::new(|_| Answer::Json(201, json!({"uuid": "pool-1", "name": "c--p"})));
    let leads = tokio::sync::watch::channel(true).1;
    let writer = Writer::new(double.client(), leads);
    let failure = writer.send(&rehearsal::endless(), &create()).await.unwrap_err();
    assert_eq!((failure.class, double.asked().len()), (ErrorClass::NoPermit, 0));
}
