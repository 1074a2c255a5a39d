//! Watches, status and event writers over the Kubernetes API.
//!
//! Invariants of this crate:
//! - It decides nothing about objects: what to publish, and what a change
//!   means, is decided elsewhere.
//! - A list is handed on complete or not at all.
//! - While the process leads, each watch proves again and again that it shows the
//!   cluster as it is; a watch that is silent is in trouble.
//! - A status is written under a [`WritePermit`](ako_elect::WritePermit) only,
//!   looked at immediately before each request.
//! - Every queue, request and retry has a bound with a name.
//! - Nothing of a Secret reaches a log, an error text or a diagnostic.
//!
//! The last one needs the process's help: kube logs answers that it cannot
//! decode in full, so the log targets `kube_client` and `kube_runtime` must be
//! kept at `error`.

mod access_review;
mod authority;
mod config_source;
mod connect;
mod discovery;
mod error;
mod event;
mod leadership;
mod own_pod;
mod path;
mod preflight;
mod proof;
mod reach;
mod recent;
mod source;
mod source_event;
mod tracker;
mod watch;
mod writer;

pub use access_review::Asker;
pub use config_source::{
    CONFIG_MAP, CREDENTIALS_SECRET, ConfigEvent, ConfigSource, Credentials, credentials_fallback,
    environment_fallback,
};
pub use connect::{ConnectError, KubernetesVersion, client, kubernetes_version};
pub use error::ErrorClass;
pub use event::{About, COMPONENT, EventCounts, EventWriter, Occurrence, QUEUE_LIMIT, Severity, WallClock};
pub use leadership::{BootClock, Candidate, Handle, NOTE, Shared, Standing};
pub use own_pod::{OwnPod, cluster_uid, own_pod, replicas, unread_pod};
pub use preflight::{Purpose, Rule, missing_rules, needed_rules, token_rules};
pub use proof::Demand;
pub use reach::SecretsOf;
pub use recent::{RECENT_LIMIT, REPEAT_WINDOW};
pub use source::{Pace, Source};
pub use source_event::SourceEvent;
pub use watch::{PAGE_SIZE, SECRET_PAGE_SIZE};
pub use writer::{CONFLICT_RETRIES, ClusterWriter, Outcome, PatchError, REQUEST_TIMEOUT};
