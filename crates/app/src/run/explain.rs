//! Who asks what comes of an object of the cluster, and the answer.

use ako_core::{Diagnostic, NamespacedName, ResourceId, ResourceKind, Snapshot};
use ako_engine::{Engine, Explanation, Subject};

/// What kinds are called in short by `kubectl`, and their plurals.
const SHORT_NAMES: [(&str, &str); 8] = [
    ("cm", "configmaps"),
    ("hr", "hostrules"),
    ("ing", "ingresses"),
    ("no", "nodes"),
    ("ns", "namespaces"),
    ("po", "pods"),
    ("sts", "statefulsets"),
    ("svc", "services"),
];
/// The most objects of one name that are told.
const MOST_NAMESAKES: usize = 10;

/// What somebody asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Question {
    /// A kind, as `kubectl` takes it, or `host`.
    pub kind: String,
    /// The namespace; without it, the only object of that name is meant.
    pub namespace: Option<String>,
    /// The name, or the host.
    pub name: String,
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What comes of the object.
    pub(crate) explanation: Explanation,
    /// What one has to know about that.
    pub(crate) notes: Vec<String>,
}

/// Answers; an error says why nothing is explained. `findings` are those about the cluster's
/// objects as they are written.
pub(crate) fn answer<'a>(
    engine: &Engine,
    findings: impl Iterator<Item = &'a Diagnostic>,
    question: &Question,
) -> Result<Answer, String> {
    let subject = subject(engine.snapshot(), question)?;
    let mut explanation = engine.explain(subject);
    if !explanation.is_there && explanation.parts.is_empty() {
        return Err(nothing_known(engine, &explanation.subject));
    }
    if let Subject::Resource(id) = &explanation.subject {
        let about = findings.filter(|finding| finding.object == *id);
        let new: Vec<_> = about.filter(|finding| !explanation.findings.contains(finding)).cloned().collect();
        explanation.findings.splice(0..0, new);
    }
    let notes = notes(engine, &explanation);
    Ok(Answer { explanation, notes })
}

/// The kind that somebody means.
fn kind(text: &str) -> Option<ResourceKind> {
    let text = text.to_ascii_lowercase();
    let text = SHORT_NAMES.iter().find(|(short, _)| *short == text).map_or(&*text, |(_, plural)| plural);
    ResourceKind::ALL.into_iter().find(|kind| {
        let spec = kind.spec();
        spec.name.eq_ignore_ascii_case(text) || spec.plural == text || spec.full_name() == text
    })
}

fn subject(snapshot: &Snapshot, question: &Question) -> Result<Subject, String> {
    let Question { kind: asked, namespace, name } = question;
    if ["host", "hosts"].contains(&&*asked.to_ascii_lowercase()) {
        return Ok(Subject::Host(name.to_ascii_lowercase().into()));
    }
    let Some(kind) = kind(asked) else {
        let kinds: Vec<_> = ResourceKind::ALL.into_iter().map(ResourceKind::as_str).collect();
        return Err(format!("{asked} is none of the kinds that are read: host, {}", kinds.join(", ")));
    };
    if let Some(namespace) = namespace {
        let name = NamespacedName::new(&**namespace, &**name);
        return Ok(Subject::Resource(ResourceId { kind, name }));
    }
    let mut named: Vec<_> = snapshot.ids(kind).into_iter().filter(|id| *id.name.name == **name).collect();
    if named.len() > 1 {
        let all: Vec<_> =
            named.iter().take(MOST_NAMESAKES).map(|id| format!("{asked}/{}", id.name)).collect();
        return Err(format!("{} objects are called {name}; say which: {}", named.len(), all.join(", ")));
    }
    // One that is not there may still be referred to.
    let absent = || ResourceId { kind, name: NamespacedName::cluster(&**name) };
    Ok(Subject::Resource(named.pop().unwrap_or_else(absent)))
}

/// Why there is nothing to tell of something.
fn nothing_known(engine: &Engine, subject: &Subject) -> String {
    let (text, kind) = match subject {
        Subject::Host(host) => (format!("host {host}"), None),
        Subject::Resource(id) => (id.to_string(), Some(id.kind)),
    };
    let snapshot = engine.snapshot();
    let unread = |kind: &ResourceKind| !snapshot.requires(*kind);
    let unserved = |kind: &ResourceKind| kind.may_be_unserved() && !snapshot.is_served(*kind);
    if let Some(kind) = kind.filter(unread) {
        return format!(
            "{text} is not known: this instance, as it is configured, reads no {}",
            kind.spec().plural
        );
    }
    if let Some(kind) = kind.filter(unserved) {
        return format!("{text} is not known: the API server does not have {}", kind.spec().full_name());
    }
    if !engine.is_synced() {
        return format!("{text} is not known: not everything is read yet, see `ako status`");
    }
    format!("{text} is not there, and nothing that is served refers to it")
}

/// What one has to know about an explanation.
fn notes(engine: &Engine, explanation: &Explanation) -> Vec<String> {
    let mut notes = Vec::new();
    if !engine.is_synced() {
        notes.push("not everything is read yet, see `ako status`".to_owned());
    }
    if !explanation.is_there {
        notes.push("it is not there; this is what refers to it".to_owned());
    }
    if let Subject::Resource(id) = &explanation.subject
        && !id.name.namespace.is_empty()
        && !engine.snapshot().serves(&id.name.namespace)
    {
        notes.push(format!("this instance does not serve namespace {}", id.name.namespace));
    }
    if explanation.parts.is_empty() && notes.is_empty() {
        let why = if explanation.verdict.is_some() {
            "nothing goes by it: no host or Service that is served asks for it"
        } else if explanation.findings.is_empty() {
            "nothing on the controller comes of it: it is not for this operator, or nothing that is served refers to it"
        } else {
            "nothing on the controller comes of it"
        };
        notes.push(why.to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_called_as_for_kubectl() {
        for text in ["ingress", "Ingress", "ing", "ingresses", "ingresses.networking.k8s.io"] {
            assert_eq!(kind(text).map(ResourceKind::as_str), Some("Ingress"), "{text}");
        }
        assert_eq!(kind("hostrule").map(ResourceKind::as_str), Some("HostRule"));
        assert_eq!(kind("deployment"), None);
        let every = SHORT_NAMES
            .iter()
            .all(|(short, plural)| kind(short).is_some_and(|kind| kind.spec().plural == *plural));
        assert!(every);
    }
}
