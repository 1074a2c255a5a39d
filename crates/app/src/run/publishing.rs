//! Events on Kubernetes objects, from the engine's notices and from conflicts of
//! instances.

use std::sync::Arc;

use ako_core::{Conflict, NamespacedName, ResourceId, ResourceKind};
use ako_engine::Notice;
use ako_kube_io::{About, EventWriter, Occurrence, Severity};

/// Hands a notice to the writer of Events, about the object of this uid, if it is known.
pub(crate) fn tell(events: &EventWriter, notice: Notice, uid: Option<Arc<str>>) {
    let severity = if notice.warning { Severity::Warning } else { Severity::Normal };
    events.publish(Occurrence {
        about: About::Object(notice.object, uid),
        severity,
        reason: notice.reason.into(),
        message: notice.message,
    });
}

/// An Event on the operator's own pod.
pub(crate) fn tell_own_pod(events: &EventWriter, reason: &str, message: &str) {
    events.publish(Occurrence {
        about: About::OwnPod,
        severity: Severity::Normal,
        reason: reason.into(),
        message: message.into(),
    });
}

/// A warning on the operator's own pod.
pub(crate) fn warn_of(events: &EventWriter, reason: &str, message: &str) {
    events.publish(Occurrence {
        about: About::OwnPod,
        severity: Severity::Warning,
        reason: reason.into(),
        message: message.into(),
    });
}

/// An Event on the operator's own pod about a conflict with another instance.
pub(crate) fn warn_own_pod(events: &EventWriter, conflict: &Conflict) {
    warn_of(events, conflict.contest.as_str(), &conflict.message);
}

/// What to tell on the namespaces that a conflict is about.
pub(crate) fn contested(conflict: &Conflict) -> impl Iterator<Item = Notice> {
    conflict.namespaces.iter().map(|namespace| Notice {
        object: ResourceId {
            kind: ResourceKind::Namespace,
            name: NamespacedName::cluster(namespace.clone()),
        },
        warning: true,
        reason: conflict.contest.as_str(),
        message: conflict.message.clone(),
    })
}
