//! One connection to the controller, and how it is made.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::answer::Reply;
use crate::endpoint::{Endpoint, Scheme};
use crate::tls::{Tls, TlsError};

/// The most bytes of one reply: a page of 100 pools with 2,000 servers each.
pub const MAX_BODY: usize = 64 << 20;

/// A stream of bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream to the controller that has been opened.
pub struct Dialed {
    stream: Box<dyn Stream>,
    /// The same socket once more, to set its options; `None` in memory.
    socket: Option<socket2::Socket>,
}

impl Dialed {
    /// A stream that is no socket, as simulations use.
    pub fn in_memory(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), socket: None }
    }
}

/// A stream that is being opened.
pub type Dialing = Pin<Box<dyn Future<Output = io::Result<Dialed>> + Send>>;

/// Opens streams to the controller. Production dials TCP; a simulation in one
/// process brings its own.
pub trait Dial: Send + Sync {
    /// Opens one more stream.
    fn dial(&self) -> Dialing;
}

/// Dials TCP, and TLS above it.
pub(crate) struct TcpDialer {
    endpoint: Endpoint,
    /// How certificates are judged, and what is made of that.
    trust: RwLock<(Tls, Arc<rustls::ClientConfig>)>,
}

impl TcpDialer {
    pub(crate) fn new(endpoint: Endpoint, tls: Tls) -> Result<Self, TlsError> {
        let config = Arc::new(tls.config()?);
        Ok(Self { endpoint, trust: RwLock::new((tls, config)) })
    }

    /// Judges the certificates of later connections in another way; answers
    /// whether it is another one.
    pub(crate) fn set_tls(&self, tls: Tls) -> Result<bool, TlsError> {
        if self.trust.read().unwrap_or_else(PoisonError::into_inner).0 == tls {
            return Ok(false);
        }
        let config = Arc::new(tls.config()?);
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = (tls, config);
        Ok(true)
    }
}

impl Dial for TcpDialer {
    fn dial(&self) -> Dialing {
        let endpoint = self.endpoint.clone();
        let tls = self.trust.read().unwrap_or_else(PoisonError::into_inner).1.clone();
        Box::pin(async move {
            let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
            tcp.set_nodelay(true)?;
            // Closing is then a reset: bytes that the controller has not
            // acknowledged are not sent again behind our back.
            tcp.set_zero_linger()?;
            let socket = Some(socket2::SockRef::from(&tcp).try_clone()?);
            if endpoint.scheme == Scheme::Http {
                return Ok(Dialed { stream: Box::new(tcp), socket });
            }
            let name = ServerName::try_from(endpoint.server_name.unwrap_or(endpoint.host))
                .map_err(io::Error::other)?;
            let stream = TlsConnector::from(tls).connect(name, tcp).await?;
            Ok(Dialed { stream: Box::new(stream), socket })
        })
    }
}

/// Why an exchange did not end with a reply.
pub(crate) enum Interrupted {
    /// The connection was closed before it took any of the request.
    NotSent(String),
    /// The request, or a part of it, was sent.
    InDoubt(String),
}

/// An open connection. Dropping it closes it with a reset.
pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    socket: Option<socket2::Socket>,
    /// Whether it has carried a request before.
    pub(crate) reused: bool,
    pub(crate) idle_since: Instant,
    /// Which judgement of certificates it was made under.
    pub(crate) trust: u64,
    _driver: Driver,
}

/// The task that moves the bytes; it ends with the connection.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    /// Opens a connection.
    pub(crate) async fn open(dialer: &dyn Dial, trust: u64) -> io::Result<Self> {
        let Dialed { stream, socket } = dialer.dial().await?;
        let (sender, driving) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // Its end is seen by the sender; the error is told there.
        let task = tokio::spawn(async move { driving.await.unwrap_or(()) });
        Ok(Self {
            sender,
            socket,
            reused: false,
            idle_since: Instant::now(),
            trust,
            _driver: Driver(task.abort_handle()),
        })
    }

    /// Waits until it can take a request; false if it is closed.
    pub(crate) async fn ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Lets the kernel give up on bytes that stay unacknowledged so long, so
    /// that they are not delivered through a partition that heals later.
    pub(crate) fn unacknowledged_for(&self, limit: Duration) {
        if let Some(socket) = &self.socket {
            // Without it a reset on time-out still holds; only a narrower
            // bound is lost.
            let _ = socket.set_tcp_user_timeout(Some(limit.max(Duration::from_millis(1))));
        }
    }

    /// What [`Self::unacknowledged_for`] set.
    #[cfg(all(test, target_os = "linux"))]
    pub(crate) fn user_timeout(&self) -> Option<Duration> {
        self.socket.as_ref()?.tcp_user_timeout().ok()?
    }

    /// Hands the request over, at once and not at the first poll of the future,
    /// and reads the reply to its end.
    pub(crate) fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Reply, Interrupted>> + use<> {
        self.reused = true;
        let answering = self.sender.try_send_request(request);
        async move {
            let response = answering.await.map_err(|mut e| match e.take_message() {
                Some(_) => Interrupted::NotSent(spelled(e.error())),
                None => Interrupted::InDoubt(spelled(e.error())),
            })?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await;
            let body = body.map_err(|e| Interrupted::InDoubt(spelled(&*e)))?.to_bytes();
            Ok(Reply { status: head.status, headers: head.headers, body })
        }
    }
}

/// An error with its causes, on one line.
pub(crate) fn spelled(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
