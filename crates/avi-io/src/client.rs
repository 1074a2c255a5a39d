//! The client: one session, many connections, bounded calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::Failure;
use http::header::HeaderValue;
use tokio::sync::watch;

use crate::answer::Reply;
use crate::broken::Broken;
use crate::call::Call;
use crate::clock::Clock;
use crate::connection::{Dial, TcpDialer};
use crate::counters::Traffic;
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::limiter::{Limiter, Precedence, Strain};
use crate::login::{Login, Sessions};
use crate::permission::{before_sending, no_permit};
use crate::session::harmless;
use crate::tls::{Tls, TlsError};
use crate::transport::Transport;

/// How to reach the controller.
#[derive(Clone)]
pub struct Options {
    /// Where it is.
    pub endpoint: Endpoint,
    /// How its certificate is judged; not used with plain text.
    pub tls: Tls,
    /// Who we are.
    pub credentials: Credentials,
    /// The time that permits are judged by.
    pub clock: Clock,
    /// The value of `X-Avi-Version`; by default the controller's own version,
    /// capped at 30.2.1.
    pub api_version: Option<String>,
    /// How long a request may take from the moment it is handed over.
    pub request_timeout: Duration,
    /// The most calls at a time, and so the most connections.
    pub max_concurrency: usize,
    /// How streams are opened instead of TCP; for simulations.
    pub dialer: Option<Arc<dyn Dial>>,
}

impl Options {
    /// The usual options: 60 s for a request, at most 48 at a time.
    pub fn new(endpoint: Endpoint, tls: Tls, credentials: Credentials, clock: Clock) -> Self {
        Self {
            endpoint,
            tls,
            credentials,
            clock,
            api_version: None,
            request_timeout: Duration::from_mins(1),
            max_concurrency: 48,
            dialer: None,
        }
    }
}

/// A client that cannot be made of its options.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// See [`TlsError`].
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The API version cannot be a header.
    #[error("\"{0}\" is not an API version")]
    ApiVersion(String),
}

/// The Avi Controller client. Clones share everything.
#[derive(Clone)]
pub struct AviClient {
    inner: Arc<Inner>,
}

struct Inner {
    endpoint: Endpoint,
    /// `None` if streams are opened by other means.
    tcp: Option<Arc<TcpDialer>>,
    transport: Transport,
    sessions: Sessions,
    limiter: Limiter,
}

impl fmt::Debug for AviClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AviClient({})", self.inner.endpoint)
    }
}

impl AviClient {
    /// A client. Nothing is sent yet: the first call logs in.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        let (dialer, tcp): (Arc<dyn Dial>, _) = if let Some(dialer) = options.dialer {
            (dialer, None)
        } else {
            let tcp = Arc::new(TcpDialer::new(options.endpoint.clone(), options.tls)?);
            (tcp.clone(), Some(tcp))
        };
        let api_version = match options.api_version {
            None => None,
            Some(v) => Some(HeaderValue::from_str(&v).map_err(|_| OptionsError::ApiVersion(v))?),
        };
        let transport = Transport::new(
            &options.endpoint,
            dialer,
            options.request_timeout,
            options.max_concurrency,
            options.clock,
        );
        let inner = Inner {
            endpoint: options.endpoint,
            tcp,
            transport,
            sessions: Sessions::new(options.credentials, api_version),
            limiter: Limiter::new(options.max_concurrency),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where the controller is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.inner.endpoint
    }

    /// Replaces the credentials. If they differ, the next call logs in anew;
    /// calls in flight end as they are.
    pub fn set_credentials(&self, credentials: Credentials) {
        self.inner.sessions.set_credentials(credentials);
    }

    /// Logs in, if there is no session yet.
    ///
    /// # Errors
    /// Why the controller does not accept the credentials, or does not answer.
    pub async fn log_in(&self) -> Result<(), Failure> {
        self.inner.sessions.get(&self.inner.transport).await.map(drop)
    }

    /// How the last login ended, now and in future.
    pub fn login(&self) -> watch::Receiver<Login> {
        self.inner.sessions.outcome()
    }

    /// Judges the controller's certificate in another way: at once for new
    /// calls; those in flight end as they are.
    ///
    /// # Errors
    /// Why it cannot be judged so; then it is judged as before.
    pub fn set_tls(&self, tls: Tls) -> Result<(), TlsError> {
        if let Some(tcp) = &self.inner.tcp
            && tcp.set_tls(tls)?
        {
            self.inner.transport.distrust_connections();
        }
        Ok(())
    }

    /// What was sent so far, and what is going on.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            waiting: self.inner.limiter.waiting(),
            concurrency_limit: self.inner.limiter.limit(),
            ..self.inner.transport.counters.snapshot()
        }
    }

    /// Sends one call and gives back its reply if the status says success.
    ///
    /// A reply that says that the session is over is followed by one login and
    /// one replay: the controller executed nothing. A write waits for its turn and
    /// for a login only while this process leads.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        let leave = call.verb.leave();
        let changes = leave.is_some();
        let precedence = if changes { Precedence::Write } else { Precedence::Read };
        let Inner { transport, sessions, limiter, .. } = &*self.inner;
        let turn = limiter.acquire(precedence);
        let mut slot = before_sending(leave, turn, no_permit).await?;
        let mut session = before_sending(leave, sessions.get(transport), no_permit).await?;
        let mut replayed = false;
        loop {
            let result = transport.send(call, Some(&session)).await;
            slot.report(strain(&result));
            let reply = result.map_err(|broken| broken.failure(&call.verb))?;
            sessions.absorb(&session, &reply);
            if reply.ends_session() && !replayed {
                replayed = true;
                let another = sessions.replace(transport, &session);
                session = before_sending(leave, another, no_permit).await?;
                continue;
            }
            return match reply.status.is_success() {
                true => Ok(reply),
                false if changes => Err(reply.failure()),
                false => Err(harmless(reply.failure())),
            };
        }
    }
}

/// What the end of a request tells about the controller's load.
fn strain(result: &Result<Reply, Broken>) -> Strain {
    match result {
        Ok(reply) if matches!(reply.status.as_u16(), 429 | 503) => Strain::Overloaded,
        Ok(_) => Strain::Answered,
        Err(Broken::TimedOut { by_permit: false, .. }) => Strain::Overloaded,
        Err(_) => Strain::Silent,
    }
}
