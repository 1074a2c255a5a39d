//! Connections kept open, and requests sent over them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, REFERER};
use http::{HeaderMap, Request};
use http_body_util::Full;
use tokio::time::{Instant, timeout};

use crate::answer::Reply;
use crate::broken::Broken;
use crate::call::Call;
use crate::clock::Clock;
use crate::connection::{Connection, Dial, Interrupted, spelled};
use crate::counters::Counters;
use crate::endpoint::Endpoint;
use crate::permission::{Leave, before_sending};
use crate::session::Session;

/// How long opening a connection may take, name resolution and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection is kept without use: shorter than any server does, so
/// that one rarely closes while we send.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// How many connections are tried for one request, the last one a new one.
const ATTEMPTS: usize = 3;

/// Sends requests; knows neither sessions nor limits.
pub(crate) struct Transport {
    pub(crate) dialer: Arc<dyn Dial>,
    host: HeaderValue,
    referer: HeaderValue,
    /// Most recently used last.
    idle: Mutex<Vec<Connection>>,
    /// Counts the changes of how certificates are judged.
    trust: AtomicU64,
    max_idle: usize,
    request_timeout: Duration,
    clock: Clock,
    pub(crate) counters: Arc<Counters>,
}

impl Transport {
    pub(crate) fn new(
        endpoint: &Endpoint,
        dialer: Arc<dyn Dial>,
        request_timeout: Duration,
        max_idle: usize,
        clock: Clock,
    ) -> Self {
        // A host that was parsed as one is a valid header.
        let header = |text: String| {
            HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("controller"))
        };
        Self {
            dialer,
            host: header(endpoint.authority()),
            referer: header(format!("{endpoint}/")),
            idle: Mutex::new(Vec::new()),
            trust: AtomicU64::new(0),
            max_idle,
            request_timeout,
            clock,
            counters: Arc::new(Counters::new()),
        }
    }

    /// Sends one call and counts it.
    pub(crate) async fn send(&self, call: &Call<'_>, session: Option<&Session>) -> Result<Reply, Broken> {
        let _in_flight = self.counters.enter();
        let result = match self.request(call, session) {
            Ok(request) => self.exchange(&request, call.verb.leave()).await,
            Err(why) => Err(Broken::NotSent(why)),
        };
        self.counters.count(&call.verb.method(), call.resource, &result);
        result
    }

    /// The request with its headers. Source: Avi REST API contract, §1.2.
    fn request(&self, call: &Call<'_>, session: Option<&Session>) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::new(Full::new(call.verb.body()));
        *request.method_mut() = call.verb.method();
        *request.uri_mut() = call.target.parse().map_err(|_| "the path is not valid".to_owned())?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(REFERER, self.referer.clone());
        headers.insert(HeaderName::from_static("x-avi-useragent"), HeaderValue::from_static("AKO"));
        if let Some(session) = session {
            let tenant = HeaderValue::from_bytes(call.tenant.header().as_bytes())
                .map_err(|_| "the tenant's name cannot be a header".to_owned())?;
            headers.insert(HeaderName::from_static("x-avi-tenant"), tenant);
            session_headers(headers, session);
        }
        Ok(request)
    }

    /// Exchanges a request for a reply.
    ///
    /// The leave is checked last: when the connection is ready, just before the
    /// request is handed over. What was handed over is waited for, also by a leader
    /// that hands over. A connection that was closed before it took
    /// anything is replaced; one that broke under a read as well.
    async fn exchange(
        &self,
        request: &Request<Full<Bytes>>,
        leave: Option<Leave<'_>>,
    ) -> Result<Reply, Broken> {
        let mut attempt = 1;
        loop {
            let opening = self.open_in_time(attempt == ATTEMPTS);
            let mut connection = before_sending(leave, opening, || Broken::NoPermit).await?;
            let (reused, outgoing) = (connection.reused, request.clone());
            let (limit, by_permit) = self.allowed(leave)?;
            connection.unacknowledged_for(limit);
            let interrupted = match timeout(limit, connection.exchange(outgoing)).await {
                Ok(Ok(reply)) => {
                    self.keep(connection);
                    return Ok(reply);
                }
                Ok(Err(interrupted)) => interrupted,
                Err(_) => return Err(Broken::TimedOut { limit, by_permit }),
            };
            let replaceable = reused && attempt < ATTEMPTS;
            match interrupted {
                Interrupted::NotSent(_) if replaceable => attempt += 1,
                Interrupted::NotSent(why) => return Err(Broken::NotSent(why)),
                Interrupted::InDoubt(_) if replaceable && leave.is_none() => attempt += 1,
                Interrupted::InDoubt(why) => return Err(Broken::InDoubt(why)),
            }
        }
    }

    /// How long the request may take, and whether it is the permit that says so.
    fn allowed(&self, leave: Option<Leave<'_>>) -> Result<(Duration, bool), Broken> {
        let Some(leave) = leave else { return Ok((self.request_timeout, false)) };
        let remaining = leave.remaining((self.clock)()).ok_or(Broken::NoPermit)?;
        Ok((remaining.min(self.request_timeout), remaining < self.request_timeout))
    }

    /// A connection that can take a request, or none in time.
    async fn open_in_time(&self, new: bool) -> Result<Connection, Broken> {
        let seconds = CONNECT_TIMEOUT.as_secs();
        let opening = timeout(CONNECT_TIMEOUT, self.ready(new)).await;
        opening.unwrap_or_else(|_| Err(Broken::NotSent(format!("no connection within {seconds} s"))))
    }

    /// A connection that can take a request.
    async fn ready(&self, new: bool) -> Result<Connection, Broken> {
        while let Some(mut connection) = if new { None } else { self.take() } {
            if connection.ready().await {
                return Ok(connection);
            }
        }
        let opened = Connection::open(&*self.dialer, self.trust.load(Ordering::SeqCst)).await;
        let mut connection = opened.map_err(|e| Broken::NotSent(spelled(&e)))?;
        if connection.ready().await {
            Ok(connection)
        } else {
            Err(Broken::NotSent("the controller closed the connection at once".into()))
        }
    }

    /// Certificates are judged in another way from now on: connections made
    /// before are used for what is under way, and for nothing more.
    pub(crate) fn distrust_connections(&self) {
        self.trust.fetch_add(1, Ordering::SeqCst);
    }

    fn take(&self) -> Option<Connection> {
        let trust = self.trust.load(Ordering::SeqCst);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| connection.trust == trust && connection.idle_since.elapsed() < IDLE_LIMIT);
        idle.pop()
    }

    fn keep(&self, mut connection: Connection) {
        connection.idle_since = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.max_idle {
            idle.push(connection);
        }
    }
}

fn session_headers(headers: &mut HeaderMap, session: &Session) {
    headers.insert(HeaderName::from_static("x-avi-version"), session.api_version.clone());
    if let Some(cookies) = &session.cookies {
        headers.insert(COOKIE, cookies.header());
        headers.insert(HeaderName::from_static("x-csrftoken"), cookies.csrf_header());
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use ako_elect::Moment;
    use serde_json::json;
    use tokio::net::TcpListener;
    use tokio::sync::watch;

    use super::*;
    use crate::call::{Resource, Tenant, Verb};
    use crate::connection::TcpDialer;
    use crate::controller_double::{Answer, Double};
    use crate::permission::Permission;
    use crate::tls::Tls;

    struct Left(Duration);

    impl Permission for Left {
        fn remaining(&self, _: Moment) -> Option<Duration> {
            Some(self.0)
        }
    }

    #[tokio::test]
    async fn the_kernel_gives_up_on_the_bytes_of_a_write_when_the_permit_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let double = Double::new(|_| Answer::Json(200, json!({})));
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            double.serve(stream).await;
        });
        let endpoint = Endpoint::parse(&address).unwrap();
        let dialer = Arc::new(TcpDialer::new(endpoint.clone(), Tls::Unverified).unwrap());
        let clock: Clock = Arc::new(Moment::default);
        let transport = Transport::new(&endpoint, dialer, Duration::from_mins(1), 1, clock);
        let leads = watch::Sender::new(true);
        for left in [Duration::from_millis(7_300), Duration::from_millis(2_500)] {
            let (permit, leads) = (Left(left), leads.subscribe());
            let verb = Verb::Delete(Leave::new(&permit, &leads));
            let tenant = Tenant::named("admin");
            let call = Call { verb, resource: Resource::Controller, target: "/api/pool/1".into(), tenant };
            transport.send(&call, None).await.unwrap();
            let connection = transport.take().unwrap();
            assert_eq!(connection.user_timeout(), Some(left));
            transport.keep(connection);
        }
    }
}
