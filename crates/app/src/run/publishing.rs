//! Events on Kubernetes objects, from the engine's notices.

use ako_engine::Notice;
use ako_kube_io::{About, EventWriter, Occurrence, Severity};

/// Hands a notice to the writer of Events.
pub(super) fn tell(events: &EventWriter, notice: Notice) {
    let severity = if notice.warning { Severity::Warning } else { Severity::Normal };
    events.publish(Occurrence {
        about: About::Object(notice.object),
        severity,
        reason: notice.reason.into(),
        message: notice.message,
    });
}

/// An Event on the operator's own pod.
pub(super) fn tell_own_pod(events: &EventWriter, reason: &str, message: &str) {
    events.publish(Occurrence {
        about: About::OwnPod,
        severity: Severity::Normal,
        reason: reason.into(),
        message: message.into(),
    });
}
