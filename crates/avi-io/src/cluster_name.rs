//! Writes about the cluster's name: taking it from another cluster, and giving it up.

use ako_avi_types::{ErrorClass, Failure};
use ako_elect::WritePermit;
use serde_json::json;

use crate::answer::unanswered;
use crate::body::bytes;
use crate::call::{Resource, Verb, segment};
use crate::cluster_claim::ClaimedBy;
use crate::permission::Leave;
use crate::writer::Writer;

impl Writer {
    /// Takes the cluster's name from another cluster, which is gone, in all tenants.
    ///
    /// # Errors
    /// [`ErrorClass::Conflict`] if that one does not have it; otherwise as
    /// [`Writer::send`].
    pub async fn take_cluster_name(&self, permit: &WritePermit, from: &str) -> Result<(), Failure> {
        let Some(claim) = &self.claim else { return Ok(()) };
        let _turn = claim.inner.asking.lock().await;
        let theirs: Vec<_> =
            claim.everywhere().await?.into_iter().filter(|found| *found.uid == *from).collect();
        if theirs.is_empty() {
            let message = format!("no string group {} holds {from:?}", claim.group());
            return Err(unanswered(ErrorClass::Conflict, message));
        }
        for found in theirs {
            let mut body = claim.body(&found.tenant);
            body["_last_modified"] = json!(found.version);
            let leave = Leave::new(permit, &self.leads);
            let target = format!("{}/{}", Resource::StringGroup.path(), segment(&found.uuid));
            claim.send(Verb::Put(leave, bytes(&body)), target, &found.tenant).await?;
            claim.note(&found.tenant, &ClaimedBy::Us);
        }
        Ok(())
    }

    /// Gives the cluster's name up, in all tenants.
    ///
    /// # Errors
    /// As [`Writer::send`].
    pub async fn give_cluster_name_up(&self, permit: &WritePermit) -> Result<(), Failure> {
        let Some(claim) = &self.claim else { return Ok(()) };
        let _turn = claim.inner.asking.lock().await;
        let uid = &claim.inner.cluster.uid;
        let ours = claim.everywhere().await?.into_iter().filter(|found| found.uid == *uid);
        claim.forget();
        for found in ours {
            let leave = Leave::new(permit, &self.leads);
            let target = format!("{}/{}", Resource::StringGroup.path(), segment(&found.uuid));
            match claim.send(Verb::Delete(leave), target, &found.tenant).await {
                Err(failure) if failure.class != ErrorClass::Gone => return Err(failure),
                _ => {}
            }
        }
        claim.note(&claim.inner.home, &ClaimedBy::Nobody);
        Ok(())
    }
}
