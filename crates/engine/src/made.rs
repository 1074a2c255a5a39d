//! What the status of a custom resource says of the one object that is made of it.
//! Source: Custom resources, §9.2.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_avi_types::{ErrorClass, Failure};
use ako_core::ResourceKind;
use ako_core::resource::{Condition, Part, Published, Told, Truth};
use ako_translate::Made;

/// The type of the condition.
const PROGRAMMED: &str = "Programmed";
/// Who says it.
const CONTROLLER: &str = "AKOCRDController";

/// How far an object of the controller is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Its uuid, if it is there.
    pub uuid: Option<Arc<str>>,
    /// Whether it is as it is wanted.
    pub is_done: bool,
    /// Why it is not, if the controller said so.
    pub failure: Option<Failure>,
}

/// What the status is to tell; `None` if what it tells stays.
pub fn tell_made(
    kind: ResourceKind,
    made: &Made,
    progress: &Progress,
    current: &Published,
) -> Option<Box<Told>> {
    let told = current.told.as_deref();
    let before = |field: &str| told.and_then(|told| told.fields.get(field)).cloned();
    let stood = told.and_then(|told| told.conditions.get(&(Part::Whole, PROGRAMMED.into())));
    let (status, reason, message) = if made.is_deleting {
        not_deleted(kind, progress.failure.as_ref()?)
    } else if let Some(problem) = &made.problem {
        (Truth::False, problem.reason, problem.message.to_string())
    } else if progress.is_done {
        let is_same = before("uuid").filter(|uuid| !uuid.is_empty()) == progress.uuid;
        made_well(kind, is_same, stood, made.generation)
    } else {
        refused(kind, progress.uuid.is_some(), progress.failure.as_ref()?)
    };
    let condition = Condition {
        status,
        reason: reason.into(),
        message: message.into(),
        generation: made.generation,
        since: None,
    };
    let uuid = progress.uuid.clone().or_else(|| before("uuid").filter(|_| made.problem.is_some()));
    let mut fields = BTreeMap::from([
        ("uuid".into(), uuid.unwrap_or_default()),
        ("backendObjectName".into(), made.key.name.clone()),
        ("tenant".into(), made.key.tenant.clone()),
        ("controller".into(), CONTROLLER.into()),
    ]);
    let is_made = progress.is_done && made.problem.is_none();
    let sum = if is_made { made.sum.clone() } else { before("dependencySum") };
    fields.extend(sum.map(|sum| ("dependencySum".into(), sum)));
    let conditions = [((Part::Whole, PROGRAMMED.into()), condition)].into();
    Some(Box::new(Told { conditions, fields, ..Told::default() }))
}

/// Every reason that a condition may have.
const REASONS: [&str; 14] = [
    "Created",
    "Updated",
    "CreationFailed",
    "UpdateFailed",
    "DeletionFailed",
    "DeletionSkipped",
    "UnresolvedRef",
    "ConfigurationError",
    "BadRequest",
    "Unauthorized",
    "Forbidden",
    "Conflict",
    "ValidationError",
    "NotImplemented",
];

/// The reason of an Event that says what a condition says.
pub(crate) fn known_reason(reason: &str) -> Option<&'static str> {
    REASONS.into_iter().find(|known| *known == reason)
}

type Said = (Truth, &'static str, String);

/// It is there as it is wanted. One that was there before was updated since, unless nothing has
/// been asked of it since it was told to be there.
fn made_well(kind: ResourceKind, is_same: bool, stood: Option<&Condition>, generation: i64) -> Said {
    let is_told = |it: &&Condition| it.status == Truth::True && it.generation == generation;
    let is_updated = is_same && stood.filter(is_told).is_none_or(|it| &*it.reason == "Updated");
    let (reason, word) = if is_updated { ("Updated", "updated") } else { ("Created", "created") };
    (Truth::True, reason, format!("{} {word} successfully on Avi Controller", kind.as_str()))
}

/// The controller does not take it.
fn refused(kind: ResourceKind, is_there: bool, failure: &Failure) -> Said {
    let (kind, why) = (kind.as_str(), &failure.message);
    let (reason, message) = match failure.status {
        Some(400) => ("BadRequest", format!("Invalid {kind} specification: error from Controller: {why}")),
        Some(401) => ("Unauthorized", "Authentication failed with Avi Controller".to_owned()),
        Some(403) => {
            ("Forbidden", format!("Insufficient permissions to create/update {kind} on Avi Controller"))
        }
        Some(409) => ("Conflict", format!("Resource conflict on Avi Controller: {why}")),
        Some(422) => ("ValidationError", format!("{kind} validation failed on Avi Controller: {why}")),
        Some(501) => ("NotImplemented", format!("{kind} feature not supported by Avi Controller version")),
        Some(code @ (404 | 412)) => {
            ("ConfigurationError", format!("Avi Controller error (HTTP {code}): {why}"))
        }
        _ if is_there => ("UpdateFailed", format!("Failed to update {kind} on Avi Controller: {failure}")),
        _ => ("CreationFailed", format!("Failed to create {kind} on Avi Controller: {failure}")),
    };
    (Truth::False, reason, message)
}

/// It is asked to be deleted, and what was made of it cannot be.
fn not_deleted(kind: ResourceKind, failure: &Failure) -> Said {
    if failure.class == ErrorClass::InUse {
        return (Truth::False, "DeletionSkipped", failure.message.clone());
    }
    let kind = if kind == ResourceKind::HealthMonitor { "Health Monitor" } else { kind.as_str() };
    (Truth::False, "DeletionFailed", format!("Failed to delete {kind} from Avi Controller: {failure}"))
}
