//! The cluster's name on the controller: follows whose it is, and tells when that changes.

use std::time::Duration;

use ako_avi_io::{ClaimedBy, ClusterClaim};
use ako_kube_io::EventWriter;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::publishing;
use super::state::Startup;

/// How often the uid of the cluster is asked for until there is an answer.
const RETRY: Duration = Duration::from_secs(1);

/// The uid that the cluster has as long as it exists: that of its namespace `kube-system`.
/// `None` if it may not be read; then the name is not claimed.
pub(crate) async fn cluster_uid(client: &kube::Client) -> Option<String> {
    let mut complained = false;
    loop {
        match ako_kube_io::cluster_uid(client).await {
            Ok(uid) => return uid,
            Err(problem) => {
                if !std::mem::replace(&mut complained, true) {
                    warn!(problem, "namespace kube-system cannot be read; trying again");
                }
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Follows whom the name belongs to, for ever.
pub(crate) async fn follow(claim: Option<ClusterClaim>, startup: Startup, events: EventWriter) {
    let Some(claim) = claim else { return std::future::pending().await };
    let mut at_home = claim.at_home();
    at_home.mark_changed();
    while at_home.changed().await.is_ok() {
        let Some(by) = at_home.borrow_and_update().clone() else { continue };
        let was_anothers = startup.cluster_name_taken().is_some();
        let said = claim.says(&by);
        let is_anothers = matches!(by, ClaimedBy::Another(_));
        startup.set_cluster_name_taken(said.clone().filter(|_| is_anothers));
        match said {
            Some(said) if is_anothers => {
                error!("{said}");
                publishing::warn_of(&events, "ClusterNameTaken", &said);
            }
            Some(said) => {
                warn!("{said}");
                publishing::warn_of(&events, "ClusterNameUnknown", &said);
            }
            None if was_anothers => {
                let said = "the cluster's name on the controller belongs to no other cluster any more";
                info!("{said}");
                publishing::tell_own_pod(&events, "ClusterNameFree", said);
            }
            None => {}
        }
    }
    // The client is gone: nobody looks any more.
    std::future::pending::<()>().await;
}

/// Whether a watch of the claim says that the name is another cluster's.
pub(crate) fn is_anothers(at_home: &watch::Receiver<Option<ClaimedBy>>) -> bool {
    matches!(*at_home.borrow(), Some(ClaimedBy::Another(_)))
}
