//! The Avi Controller client: sessions, transport, paging, error mapping, and
//! the one door for writes.
//!
//! Invariants of this crate:
//! - [`Writer`] is the only code that changes anything on the controller, and
//!   every request it sends is sent under a `WritePermit` that is checked when
//!   the connection is ready, immediately before the request is handed over.
//! - Of a leader that hands over only those writes go on that were handed over to
//!   a connection; all others fail at once.
//! - A call that is given up (timed out or dropped) closes its connection with
//!   a reset; nothing goes on in the background.
//! - A list is whole or it is a failure; never a part.
//! - The tenant is an argument of each request; the session knows none.
//! - Credentials, cookies and request bodies appear in no `Debug` and no error.
//! - Nothing is decided here about what to write: that comes as an `Operation`.
//!
//! Bounds: connections and calls in flight ([`Options::max_concurrency`]),
//! waiting calls ([`limiter::MAX_WAITING`]), pages of a list
//! ([`reading::MAX_PAGES`]), bytes of a reply ([`connection::MAX_BODY`]), length
//! of an error text ([`answer::MAX_MESSAGE`]).

pub mod answer;
pub mod body;
pub mod borrowed;
mod broken;
pub mod call;
pub mod client;
pub mod clock;
pub mod cluster_claim;
mod cluster_name;
pub mod connection;
pub mod controller;
pub mod counters;
pub mod credentials;
pub mod endpoint;
pub mod limiter;
mod login;
mod look_up;
pub mod observation;
mod permission;
pub mod reading;
pub mod role;
mod session;
pub mod tls;
pub mod token;
mod transport;
mod vsvip_update;
pub mod writer;

pub use body::Unreadable;
pub use borrowed::Borrowed;
pub use call::Tenant;
pub use client::{AviClient, Options};
pub use clock::Clock;
pub use cluster_claim::{ClaimedBy, ClusterClaim, ClusterIdentity};
pub use connection::{Dial, Dialed, Dialing, Stream};
pub use controller::{ControllerFacts, Leader, NetworkName, Wanted, WantedNetwork};
pub use counters::{RequestCount, Traffic};
pub use credentials::{Credentials, Secret};
pub use endpoint::{Endpoint, Scheme};
pub use login::Login;
pub use observation::{Observation, Observer, Scope, ScopeTenant};
pub use reading::ListQuery;
pub use role::{Access, Allowed, Grant, Place, Privilege};
pub use tls::Tls;
pub use token::NewToken;
pub use writer::{Writer, Written};

#[cfg(test)]
extern crate self as ako_avi_io;

#[cfg(test)]
mod deadline_tests;

#[cfg(test)]
mod handover_tests;

#[cfg(test)]
#[path = "../tests/controller/mod.rs"]
mod controller_double;
