//! What comes of an object of the cluster, as JSON.

use ako_core::Diagnostic;
use ako_engine::{Explained, ExplainedObject, RuleVerdict, Subject};
use serde_json::{Value, json};

use crate::run::explain::Answer;

/// An answer as JSON. Lists are complete but for the number that `more` says.
pub(crate) fn json(answer: &Answer) -> Value {
    let Answer { explanation, notes } = answer;
    let object = match &explanation.subject {
        Subject::Resource(id) => id.to_string(),
        Subject::Host(host) => format!("host {host}"),
    };
    json!({
        "object": object,
        "there": explanation.is_there,
        "right": explanation.is_right(),
        "notes": notes,
        "verdict": explanation.verdict.as_ref().map(verdict),
        "parts": explanation.parts.iter().map(part).collect::<Vec<_>>(),
        "more": explanation.more,
        "findings": explanation.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn verdict(verdict: &RuleVerdict) -> Value {
    json!({"rule": verdict.rule.to_string(), "status": verdict.status, "error": verdict.error})
}

fn part(part: &Explained) -> Value {
    json!({
        "what": part.what,
        "published_on": part.published_on.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "rules": part.rules.iter().map(verdict).collect::<Vec<_>>(),
        "shares": part.shares,
        "objects": part.objects.iter().map(object).collect::<Vec<_>>(),
        "more": part.more,
    })
}

fn object(object: &ExplainedObject) -> Value {
    json!({
        "object": object.key.to_string(),
        "state": object.waits.as_deref().unwrap_or("in sync"),
        "failure": object.failure,
        "uuid": object.uuid,
        "addresses": object.addresses,
    })
}

fn finding(finding: &Diagnostic) -> Value {
    json!({
        "object": finding.object.to_string(),
        "reason": finding.reason.as_str(),
        "message": finding.message,
    })
}
