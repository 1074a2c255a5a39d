//! Logging in: one session for all connections, made on demand by one login at a time.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use ako_avi_types::{ErrorClass, Failure};
use bytes::Bytes;
use http::header::{HeaderValue, SET_COOKIE};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::answer::{Reply, redact};
use crate::call::{Call, Resource, Tenant, Verb};
use crate::credentials::Credentials;
use crate::session::{Cookies, Session, harmless};
use crate::transport::Transport;

/// The newest API version that we speak. Source: Avi REST API contract, §2.
pub(crate) const MAX_API_VERSION: &str = "30.2.1";
/// The version named before the controller's own is known.
const FIRST_API_VERSION: &str = "18.2.6";
/// The pause after the first login that failed; doubles with each.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// The longest pause between logins.
const MAX_BACKOFF: Duration = Duration::from_mins(1);
/// How often a login is begun anew because the credentials changed meanwhile.
const CREDENTIAL_CHANGES: usize = 3;

/// How the last login ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Login {
    /// There was none yet that the controller answered.
    #[default]
    None,
    /// The controller accepted it.
    Accepted,
    /// The controller refused it: no call succeeds until the credentials are
    /// right.
    Refused(Failure),
}

/// The current session and how to get another one.
pub(crate) struct Sessions {
    current: RwLock<Option<Arc<Session>>>,
    credentials: Mutex<Known>,
    /// Held during a login, so that there is one at a time.
    login: tokio::sync::Mutex<Attempts>,
    /// Overrides the version that the controller tells.
    api_version: Option<HeaderValue>,
    outcome: watch::Sender<Login>,
}

#[derive(Clone)]
struct Known {
    credentials: Arc<Credentials>,
    /// Counts changes.
    epoch: u64,
}

#[derive(Default)]
struct Attempts {
    generation: u64,
    /// Failed logins in a row, with credentials of this epoch.
    failures: u32,
    epoch: u64,
    last: Option<(Failure, Instant)>,
}

impl Sessions {
    pub(crate) fn new(credentials: Credentials, api_version: Option<HeaderValue>) -> Self {
        Self {
            current: RwLock::new(None),
            credentials: Mutex::new(Known { credentials: Arc::new(credentials), epoch: 0 }),
            login: tokio::sync::Mutex::default(),
            api_version,
            outcome: watch::Sender::default(),
        }
    }

    /// Replaces the credentials. If they differ, the session ends and a pause
    /// after failed logins with it.
    pub(crate) fn set_credentials(&self, credentials: Credentials) {
        let mut known = self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        if *known.credentials != credentials {
            *known = Known { credentials: Arc::new(credentials), epoch: known.epoch + 1 };
            drop(known);
            self.store(None);
        }
    }

    /// How the last login ended, now and in future.
    pub(crate) fn outcome(&self) -> watch::Receiver<Login> {
        self.outcome.subscribe()
    }

    /// The session; logs in if there is none.
    pub(crate) async fn get(&self, transport: &Transport) -> Result<Arc<Session>, Failure> {
        match self.current() {
            Some(session) => Ok(session),
            None => self.log_in(transport, 0).await,
        }
    }

    /// A session other than one that turned out to be over.
    pub(crate) async fn replace(
        &self,
        transport: &Transport,
        over: &Session,
    ) -> Result<Arc<Session>, Failure> {
        self.log_in(transport, over.generation).await
    }

    /// Takes over cookies that a reply renews.
    pub(crate) fn absorb(&self, session: &Session, reply: &Reply) {
        if !reply.headers.contains_key(SET_COOKIE) || reply.ends_session() {
            return;
        }
        let cookies = Cookies::read(&reply.headers, session.cookies.as_ref());
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let Some(now) = current.as_ref() else { return };
        if now.generation == session.generation && cookies.is_some() && now.cookies != cookies {
            let renewed =
                Session { cookies, api_version: now.api_version.clone(), generation: now.generation };
            *current = Some(Arc::new(renewed));
        }
    }

    fn current(&self) -> Option<Arc<Session>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn store(&self, session: Option<Arc<Session>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = session;
    }

    fn known(&self) -> Known {
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Logs in unless there is a session newer than `over`, or a login failed
    /// just now: then that failure is everybody's.
    async fn log_in(&self, transport: &Transport, over: u64) -> Result<Arc<Session>, Failure> {
        let mut attempts = self.login.lock().await;
        if let Some(session) = self.current().filter(|s| s.generation > over) {
            return Ok(session);
        }
        for _ in 0..CREDENTIAL_CHANGES {
            let known = self.known();
            attempts.check_pause(known.epoch)?;
            match self.try_login(transport, &known.credentials, attempts.generation + 1).await {
                Ok(session) => {
                    *attempts = Attempts { generation: session.generation, ..Attempts::default() };
                    if self.known().epoch != known.epoch {
                        continue;
                    }
                    if over > 0 {
                        transport.counters.relogin();
                    }
                    let session = Arc::new(session);
                    self.store(Some(session.clone()));
                    self.outcome.send_replace(Login::Accepted);
                    tracing::info!(user = &*known.credentials.username, "logged in to the controller");
                    return Ok(session);
                }
                Err(failure) => {
                    let failure = attempts.failed(known.epoch, failure);
                    if failure.class == ErrorClass::Login {
                        self.outcome.send_replace(Login::Refused(failure.clone()));
                    }
                    return Err(failure);
                }
            }
        }
        Err(crate::answer::unanswered(ErrorClass::Retry, "the credentials change faster than a login takes"))
    }

    /// One login, and the controller's version. Nothing else was sent yet, so
    /// no failure leaves an effect in doubt.
    async fn try_login(
        &self,
        transport: &Transport,
        credentials: &Credentials,
        generation: u64,
    ) -> Result<Session, Failure> {
        let call = Call {
            verb: Verb::Login(Bytes::from(credentials.login_body().to_string())),
            resource: Resource::Login,
            target: "/login".into(),
            tenant: Tenant::All,
        };
        let reply = transport.send(&call, None).await.map_err(|b| b.failure(&call.verb))?;
        if !reply.status.is_success() {
            return Err(login_failure(&reply, credentials));
        }
        let first = HeaderValue::from_static(FIRST_API_VERSION);
        let api_version = self.api_version.clone().unwrap_or(first);
        let mut session = Session { generation, cookies: Cookies::read(&reply.headers, None), api_version };
        if self.api_version.is_none() {
            let told = api_version_of(transport, &session).await;
            session.api_version = told.map_err(|failure| of_login(failure, credentials))?;
        }
        Ok(session)
    }
}

/// Asks for the controller's version.
async fn api_version_of(transport: &Transport, session: &Session) -> Result<HeaderValue, Failure> {
    let call = Call {
        verb: Verb::Get,
        resource: Resource::Controller,
        target: "/api/initial-data".into(),
        tenant: Tenant::named("admin"),
    };
    let reply = transport.send(&call, Some(session)).await.map_err(|b| b.failure(&call.verb))?;
    if !reply.status.is_success() {
        return Err(harmless(reply.failure()));
    }
    let data = reply.json(ErrorClass::Retry)?;
    let told = data.pointer("/version/Version").and_then(Value::as_str).unwrap_or(MAX_API_VERSION);
    Ok(HeaderValue::from_str(capped(told)).unwrap_or(HeaderValue::from_static(MAX_API_VERSION)))
}

/// The lower of the controller's version and ours.
fn capped(told: &str) -> &str {
    let numbers = |version: &str| -> Option<Vec<u32>> {
        version.split('-').next()?.split('.').map(|part| part.parse().ok()).collect()
    };
    match (numbers(told), numbers(MAX_API_VERSION)) {
        (Some(theirs), Some(ours)) if theirs <= ours => told.split('-').next().unwrap_or(told),
        _ => MAX_API_VERSION,
    }
}

/// The failure of a login. What the controller says may quote what we sent.
fn login_failure(reply: &Reply, credentials: &Credentials) -> Failure {
    let mut failure = harmless(reply.failure());
    redact(&mut failure.message, &[credentials.secret.text()]);
    of_login(failure, credentials)
}

/// A failure of a login or of what belongs to it. It is about the credentials
/// or the controller, never about the object of the call that needed a session.
fn of_login(mut failure: Failure, credentials: &Credentials) -> Failure {
    failure.class = match (failure.status, failure.class) {
        (None, class) | (_, class @ ErrorClass::Busy) => class,
        (Some(408 | 500..), _) | (_, ErrorClass::Waiting) => ErrorClass::Retry,
        _ => ErrorClass::Login,
    };
    failure.message = format!("login as {}: {}", credentials.username, failure.message);
    failure
}

impl Attempts {
    /// Fails while the pause after the last failed login lasts, with its
    /// failure and what is left of the pause.
    fn check_pause(&self, epoch: u64) -> Result<(), Failure> {
        let Some((failure, until)) = &self.last else { return Ok(()) };
        let left = until.saturating_duration_since(Instant::now());
        if self.epoch != epoch || left.is_zero() {
            return Ok(());
        }
        let retry_after_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
        Err(Failure { retry_after_ms: Some(retry_after_ms), ..failure.clone() })
    }

    fn failed(&mut self, epoch: u64, mut failure: Failure) -> Failure {
        if self.epoch != epoch {
            (self.epoch, self.failures) = (epoch, 0);
        }
        self.failures = self.failures.saturating_add(1);
        let asked = Duration::from_millis(failure.retry_after_ms.unwrap_or(0));
        let pause = backoff(self.failures).max(asked);
        failure.retry_after_ms = u64::try_from(pause.as_millis()).ok();
        self.last = Some((failure.clone(), Instant::now() + pause));
        tracing::warn!(%failure, attempt = self.failures, "login to the controller failed");
        failure
    }
}

/// The pause after so many failures: doubling, bounded, and spread by up to a
/// quarter so that attempts do not fall into step.
fn backoff(failures: u32) -> Duration {
    let doubled = FIRST_BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(10));
    let pause = doubled.min(MAX_BACKOFF);
    let spread = failures.wrapping_mul(0x9E37_79B9) >> 24;
    pause.saturating_sub(pause * spread / (4 * 256))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    use crate::credentials::Secret;

    fn headers(cookies: &[&str]) -> HeaderMap {
        cookies.iter().map(|cookie| (SET_COOKIE, cookie.parse().unwrap())).collect()
    }

    fn cookies(number: u32) -> Cookies {
        Cookies { csrf: format!("c{number}"), session: format!("s{number}") }
    }

    #[test]
    fn a_cookie_without_a_value_changes_nothing() {
        let read = |set: &[&str]| Cookies::read(&headers(set), Some(&cookies(1))).unwrap();
        assert!(read(&["csrftoken=\"\"; Path=/", "sessionid=; Max-Age=0"]) == cookies(1));
        assert!(read(&["csrftoken=c2; Path=/", "avi-sessionid=s2", "theme=dark"]) == cookies(2));
        assert!(Cookies::read(&headers(&["csrftoken=c2"]), None).is_none(), "no session");
    }

    #[test]
    fn only_a_reply_to_the_session_that_is_in_use_renews_its_cookies() {
        let credentials = Credentials { username: "u".into(), secret: Secret::Password("p".into()) };
        let sessions = Sessions::new(credentials, None);
        let session = |generation, cookies| Session {
            generation,
            cookies,
            api_version: HeaderValue::from_static(FIRST_API_VERSION),
        };
        let reply = |status: u16, set: &[&str]| Reply {
            status: http::StatusCode::from_u16(status).unwrap(),
            headers: headers(set),
            body: Bytes::new(),
        };
        let renewing = ["csrftoken=c2", "sessionid=s2"];
        let in_use = |sessions: &Sessions| sessions.current().and_then(|session| session.cookies.clone());
        sessions.store(Some(Arc::new(session(2, Some(cookies(1))))));
        sessions.absorb(&session(1, Some(cookies(1))), &reply(200, &renewing));
        assert!(in_use(&sessions) == Some(cookies(1)), "of a session before this one");
        sessions.absorb(&session(2, Some(cookies(1))), &reply(401, &renewing));
        assert!(in_use(&sessions) == Some(cookies(1)), "it says that the session is over");
        sessions.absorb(&session(2, None), &reply(200, &renewing[..1]));
        assert!(in_use(&sessions) == Some(cookies(1)), "half of the cookies");
        sessions.absorb(&session(2, Some(cookies(1))), &reply(200, &renewing));
        assert!(in_use(&sessions) == Some(cookies(2)));
    }

    #[test]
    fn the_api_version_is_capped() {
        for (told, used) in
            [("30.1.1", "30.1.1"), ("31.2.1", "30.2.1"), ("30.2.1-9046", "30.2.1"), ("x", "30.2.1")]
        {
            assert_eq!(capped(told), used);
        }
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        let pauses: Vec<_> = (1..40).map(backoff).collect();
        assert!(pauses[0] >= Duration::from_millis(375) && pauses[0] <= FIRST_BACKOFF);
        assert!(pauses.iter().all(|p| *p <= MAX_BACKOFF));
        assert!(pauses[12] >= Duration::from_secs(45));
        let at_most = &pauses[12..];
        assert!(at_most.iter().all(|pause| *pause >= MAX_BACKOFF * 3 / 4));
        assert!(at_most.iter().any(|pause| *pause < MAX_BACKOFF * 9 / 10), "they are spread: {at_most:?}");
    }

    fn failure(status: Option<u16>, class: ErrorClass) -> Failure {
        Failure { class, status, message: "no".to_owned(), retry_after_ms: None }
    }

    #[test]
    fn only_a_refusal_is_about_the_credentials() {
        let credentials = Credentials { username: "u".into(), secret: Secret::Password("p".into()) };
        for (status, class, becomes) in [
            (None, ErrorClass::Retry, ErrorClass::Retry),
            (Some(429), ErrorClass::Busy, ErrorClass::Busy),
            (Some(503), ErrorClass::Rejected, ErrorClass::Retry),
            (Some(408), ErrorClass::Rejected, ErrorClass::Retry),
            (Some(400), ErrorClass::Waiting, ErrorClass::Retry),
            (Some(401), ErrorClass::Session, ErrorClass::Login),
            (Some(403), ErrorClass::Denied, ErrorClass::Login),
        ] {
            let failure = of_login(failure(status, class), &credentials);
            assert_eq!(failure.class, becomes, "{status:?} {class:?}");
            assert_eq!(failure.message, "login as u: no");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_told_with_what_is_left_of_it_and_ends_with_the_credentials() {
        let mut attempts = Attempts::default();
        assert!(attempts.check_pause(0).is_ok());
        let asked = Failure { retry_after_ms: Some(20_000), ..failure(Some(401), ErrorClass::Login) };
        assert_eq!(attempts.failed(0, asked).retry_after_ms, Some(20_000), "longer than ours");
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(attempts.check_pause(0).map_err(|failure| failure.retry_after_ms), Err(Some(15_000)));
        assert!(attempts.check_pause(1).is_ok(), "other credentials");
        for count in 2..5 {
            attempts.failed(0, failure(Some(401), ErrorClass::Login));
            assert_eq!(attempts.failures, count);
        }
        attempts.failed(1, failure(Some(401), ErrorClass::Login));
        assert_eq!(attempts.failures, 1, "the first one with these");
    }
}
