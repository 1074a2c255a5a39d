//! The pages as a client sees them, with a driver that only answers.
#![allow(clippy::expect_used, reason = "a test that cannot go on should stop")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use ako_core::{Program, ResourceKind};
use ako_kube_io::{Purpose, needed_rules};
use axum::body::Body;
use axum::http::{HeaderName, Method, Request};
use futures::future::join_all;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep};
use tower::ServiceExt as _;

use super::state::tests::one_instance;
use super::*;
use crate::run::report::Report;

/// What the driver was asked for.
#[derive(Default)]
struct Asked {
    reports: AtomicUsize,
    signs_of_life: AtomicUsize,
    orders: AtomicUsize,
}

/// An operator that runs, whose driver takes a while for a report.
fn operator() -> (Router, Startup, Arc<Asked>) {
    let (_, report, startup) = one_instance();
    startup.running();
    let report = Report { synced: true, ..report };
    let (inputs, mut questions) = mpsc::channel(16);
    let asked = Arc::new(Asked::default());
    let counted = asked.clone();
    tokio::spawn(async move {
        while let Some(question) = questions.recv().await {
            match question {
                Input::Report(answer) => {
                    counted.reports.fetch_add(1, SeqCst);
                    sleep(Duration::from_millis(30)).await;
                    drop(answer.send(report.clone()));
                }
                Input::Alive(answer) => {
                    counted.signs_of_life.fetch_add(1, SeqCst);
                    let _ = answer.send(());
                }
                Input::Release(_, answer) | Input::Yield(answer) | Input::TakeClusterName(_, answer) => {
                    counted.orders.fetch_add(1, SeqCst);
                    drop(answer.send(Ok("done".to_owned())));
                }
                Input::Explain(question, answer) => {
                    drop(answer.send(Err(format!("no {} {}", question.kind, question.name))));
                }
                _ => {}
            }
        }
    });
    (router(startup.clone(), inputs), startup, asked)
}

async fn call(
    router: &Router,
    caller: [u8; 4],
    method: Method,
    path: &str,
    headers: &[(HeaderName, &'static str)],
) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost:8080");
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let mut request = request.body(Body::empty()).expect("a request");
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from((caller, 1))));
    let Ok(answer) = router.clone().oneshot(request).await;
    let status = answer.status();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

const HERE: [u8; 4] = [127, 0, 0, 1];
const AFAR: [u8; 4] = [10, 1, 2, 3];

#[tokio::test(start_paused = true)]
async fn only_those_on_this_machine_have_something_explained() {
    let (router, ..) = operator();
    let path = "/api/v1/explain?kind=ingress&name=shop";
    for (caller, headers) in [(AFAR, &[(FRESH_HEADER, "1")][..]), (HERE, &[])] {
        let (status, body) = call(&router, caller, Method::GET, path, headers).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
    }
    let fresh = [(FRESH_HEADER, "1")];
    let (status, body) = call(&router, HERE, Method::GET, path, &fresh).await;
    assert_eq!((status, &*body), (StatusCode::NOT_FOUND, "no ingress shop\n"));
    let (status, body) = call(&router, HERE, Method::GET, "/api/v1/explain?kind=ingress", &fresh).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
}

#[tokio::test(start_paused = true)]
async fn any_number_of_readers_costs_one_report_a_second() {
    let (router, _, asked) = operator();
    let seconds = 4;
    let end = Instant::now() + Duration::from_secs(seconds);
    let pages = ["/", "/api/v1/state", "/metrics", "/readyz", "/healthz"];
    let clients = (0..64).map(|client| {
        let router = router.clone();
        async move {
            while Instant::now() < end {
                // The header counts from loopback only.
                let fresh = [(FRESH_HEADER, "1")];
                let (status, body) =
                    call(&router, AFAR, Method::GET, pages[client % pages.len()], &fresh).await;
                assert_eq!(status, StatusCode::OK, "{body}");
                sleep(Duration::from_millis(7)).await;
            }
        }
    });
    join_all(clients).await;
    let reports = asked.reports.load(SeqCst);
    assert!((1..=usize::try_from(seconds).unwrap_or(0) + 1).contains(&reports), "{reports} reports");
    assert!(asked.signs_of_life.load(SeqCst) > 400, "healthz is asked for a sign of life each time");
}

#[tokio::test(start_paused = true)]
async fn readers_that_hang_up_cost_no_more() {
    let (router, _, asked) = operator();
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        let reading = call(&router, AFAR, Method::GET, "/readyz", &[]);
        drop(tokio::time::timeout(Duration::from_millis(10), reading).await);
        sleep(Duration::from_millis(5)).await;
    }
    let reports = asked.reports.load(SeqCst);
    assert!((1..=6).contains(&reports), "{reports} reports");
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_on_loopback_gets_the_state_of_now() {
    let (router, _, asked) = operator();
    for expected in 1..4 {
        call(&router, HERE, Method::GET, "/api/v1/state", &[(FRESH_HEADER, "1")]).await;
        assert_eq!(asked.reports.load(SeqCst), expected);
    }
    call(&router, HERE, Method::GET, "/api/v1/state", &[]).await;
    assert_eq!(asked.reports.load(SeqCst), 3, "the last one is recent");
    call(&router, HERE, Method::POST, "/api/v1/yield", &[(ORDER_HEADER, "1")]).await;
    call(&router, HERE, Method::GET, "/api/v1/state", &[]).await;
    assert_eq!(asked.reports.load(SeqCst), 4, "an order makes the last one old");
}

#[tokio::test(start_paused = true)]
async fn what_may_not_order_does_not_reach_the_driver() {
    let (router, _, asked) = operator();
    for path in ["/api/v1/release-deletions", "/api/v1/yield", "/api/v1/take-cluster-name"] {
        let (status, why) = call(&router, HERE, Method::POST, path, &[]).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(why.contains("X-Ako-Order"), "{why}");
        assert_eq!(
            call(&router, AFAR, Method::POST, path, &[(ORDER_HEADER, "1")]).await.0,
            StatusCode::FORBIDDEN
        );
        assert_eq!(asked.orders.swap(0, SeqCst), 0);
        let (status, answer) = call(&router, HERE, Method::POST, path, &[(ORDER_HEADER, "1")]).await;
        assert_eq!((status, asked.orders.swap(0, SeqCst)), (StatusCode::OK, 1), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_may_not_lead_is_not_ready_and_says_why_everywhere() {
    let (router, startup, _) = operator();
    let all = needed_rules(Program::Operator, "avi-system", &ResourceKind::always(), true);
    let of = |purpose| all.iter().filter(move |rule| rule.purpose == purpose).cloned().collect::<Vec<_>>();
    startup.lacks(of(Purpose::Token));
    assert_eq!(
        call(&router, AFAR, Method::GET, "/readyz", &[]).await.0,
        StatusCode::OK,
        "it can do all but that"
    );
    startup.lacks(of(Purpose::Leading));
    let (status, ready) = call(&router, AFAR, Method::GET, "/readyz", &[]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let page = call(&router, AFAR, Method::GET, "/", &[]).await.1.replace("&quot;", "\"");
    let state = call(&router, AFAR, Method::GET, "/api/v1/state", &[]).await.1;
    let state: Value = serde_json::from_str(&state).expect("JSON");
    let shown = crate::command::shown(&state);
    for rule in of(Purpose::Leading) {
        let rule = rule.to_string();
        for (place, text) in [("readyz", &ready), ("the page", &page), ("ako status", &shown)] {
            assert!(text.contains(&rule), "{place} does not name {rule}: {text}");
            assert!(text.contains(permissions::WAY_OUT), "{place}: {text}");
        }
    }
    assert_eq!(state["permissions"]["missing"][0]["essential"], true);
    let metrics = call(&router, AFAR, Method::GET, "/metrics", &[]).await.1;
    assert!(
        metrics.contains(&format!("ako_missing_permissions {}\n", of(Purpose::Leading).len())),
        "{metrics}"
    );
    startup.lacks(Vec::new());
    assert_eq!(call(&router, AFAR, Method::GET, "/readyz", &[]).await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_is_shown_everywhere() {
    let (router, startup, _) = operator();
    startup.set_tls("NOT verified");
    startup.set_login_refused(Some("login as admin: correct Secret avi-system/avi-secret".to_owned()));
    let status = call(&router, AFAR, Method::GET, "/api/status", &[]).await.1;
    assert!(status.contains("\"DISCONNECTED\""), "{status}");
    let state = call(&router, AFAR, Method::GET, "/api/v1/state", &[]).await.1;
    let state: Value = serde_json::from_str(&state).expect("JSON");
    assert_eq!(state["controller"]["state"], "DISCONNECTED");
    let page = call(&router, AFAR, Method::GET, "/", &[]).await.1;
    for text in [page, crate::command::shown(&state)] {
        assert!(text.contains("correct Secret avi-system/avi-secret"), "{text}");
        assert!(text.contains("NOT verified") && text.contains("DISCONNECTED"), "{text}");
    }
    assert!(
        call(&router, AFAR, Method::GET, "/metrics", &[]).await.1.contains("ako_controller_connected 0\n")
    );
}
