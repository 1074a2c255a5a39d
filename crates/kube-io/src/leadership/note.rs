//! The note on the own Pod: that it is ours, and whether others had better lead.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch;

use crate::error::describe;

/// The annotation on our Pods: `candidate`, or `standing-back` while another
/// replica had better lead. A pod without it is the reference implementation's.
pub use ako_core::annotation::LEADERSHIP_NOTE as NOTE;

/// The value of [`NOTE`] on a Pod that may be yielded to.
pub(super) const CANDIDATE: &str = "candidate";
pub(super) const STANDING_BACK: &str = "standing-back";

/// How long one request may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Keeps the note as it was last asked for, one request after the other, so
/// that an older one never overtakes it; what fails is tried again.
pub(super) async fn keep(
    client: Client,
    namespace: String,
    pod: String,
    period: Duration,
    mut stand_back: watch::Receiver<Option<bool>>,
) {
    let pods = Api::<Pod>::namespaced(client, &namespace);
    let params = PatchParams::default();
    let mut complained = false;
    while stand_back.changed().await.is_ok() {
        loop {
            let asked = *stand_back.borrow_and_update();
            let Some(back) = asked else { break };
            let word = if back { STANDING_BACK } else { CANDIDATE };
            let patch = Patch::Merge(json!({"metadata": {"annotations": {NOTE: word}}}));
            let error = match tokio::time::timeout(ANSWER_WITHIN, pods.patch(&pod, &params, &patch)).await {
                Ok(Ok(_)) => break,
                Ok(Err(error)) => describe(&error),
                Err(_) => "no answer".to_owned(),
            };
            if !complained {
                complained = true;
                tracing::warn!("pod {namespace}/{pod}, annotation {NOTE}={word}: {error}; trying again");
            }
            tokio::time::sleep(period).await;
        }
    }
    // The candidate is gone: there is nothing to note any more.
    std::future::pending::<()>().await;
}
