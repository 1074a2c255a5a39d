//! Statuses of Ingresses and Services, written as the engine asks for.

use ako_core::ResourceId;
use ako_core::resource::Published;
use ako_elect::WritePermit;
use ako_engine::Unpublished;
use ako_kube_io::{ClusterWriter, ErrorClass, Outcome};
use tracing::warn;

/// Writes a status, if that is permitted.
pub(crate) async fn publish(
    writer: &ClusterWriter,
    permit: Option<WritePermit>,
    object: &ResourceId,
    wanted: &Published,
    current: &Published,
) -> Result<(), Unpublished> {
    let permit = permit.ok_or(Unpublished::Later)?;
    match writer.publish(&permit, object, wanted, current).await {
        // The watch will show that it is gone, or that there is another of its name, which is
        // still without.
        Ok(Outcome::Gone) => Err(Unpublished::Later),
        Ok(_) => Ok(()),
        Err(error) => {
            let cause = error.cause();
            warn!(%object, %error, cause, "the status could not be written; trying again");
            let is_final = error.class() == ErrorClass::Rejected;
            Err(if is_final { Unpublished::Refused(cause) } else { Unpublished::Later })
        }
    }
}
