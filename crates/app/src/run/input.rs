//! What the driver is told and asked.

use ako_engine::Event;
use ako_kube_io::SourceEvent;
use tokio::sync::oneshot;

use super::explain;
use super::report::Report;
use super::settings::Settings;

/// A message to the driver.
#[derive(Debug)]
pub enum Input {
    /// Something happened in the cluster.
    Source(SourceEvent),
    /// Something was read for the engine.
    Engine(Event),
    /// What the controller says about itself now.
    Facts(ako_core::Facts),
    /// The configuration or the credentials changed.
    Settings(Box<Settings>),
    /// Somebody asks for a sign of life.
    Alive(oneshot::Sender<()>),
    /// Somebody asks how things are.
    Report(oneshot::Sender<Report>),
    /// Somebody asks what comes of an object of the cluster; an error says why that is not told.
    Explain(explain::Question, oneshot::Sender<Result<explain::Answer, String>>),
    /// Somebody releases what is held, as it was shown with this digest; answered
    /// with what becomes of that.
    Release(String, oneshot::Sender<Answer>),
    /// Somebody asks that another replica leads; answered likewise.
    Yield(oneshot::Sender<Answer>),
    /// Somebody takes the cluster's name on the controller from the cluster with this uid;
    /// answered likewise.
    TakeClusterName(String, oneshot::Sender<Answer>),
}

/// What becomes of an order, or why nothing does, in words for people.
pub(crate) type Answer = Result<String, String>;
