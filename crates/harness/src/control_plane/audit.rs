//! What the API server was asked, as its audit log has it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::json;

/// A request that was answered. A watch is answered when it begins.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Request {
    /// `system:serviceaccount:<namespace>:<name>` for a Pod.
    pub user: String,
    /// As in a rule: `list`, and so on.
    pub verb: String,
    /// The API group; empty for the core group and for paths that are no resources.
    pub group: String,
    /// With the subresource: `ingresses/status`. Empty for paths that are no resources.
    pub resource: String,
    /// Empty for all namespaces.
    pub namespace: String,
    /// Empty for lists.
    pub name: String,
    /// The HTTP status.
    pub code: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    verb: String,
    #[serde(default)]
    user: User,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    response_status: Status,
}

/// Nobody, if the request ended before it was known who asks.
#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Object {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
}

impl From<Line> for Request {
    fn from(Line { verb, user, object_ref: object, response_status: status }: Line) -> Self {
        let subresource = Some(object.subresource).filter(|part| !part.is_empty());
        Self {
            user: user.username,
            verb,
            group: object.api_group,
            resource: std::iter::once(object.resource).chain(subresource).collect::<Vec<_>>().join("/"),
            namespace: object.namespace,
            name: object.name,
            code: status.code,
        }
    }
}

fn policy(folder: &Path) -> PathBuf {
    folder.join("audit-policy.json")
}

fn log(folder: &Path) -> PathBuf {
    folder.join("audit.log")
}

/// Without this file in its folder, the API server writes nothing down.
pub(super) fn write_policy(folder: &Path) -> anyhow::Result<()> {
    // A watch is written down when it begins, and again when it ends.
    let rules = json!([{"level": "Metadata", "omitStages": ["RequestReceived"]}]);
    let text = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}).to_string();
    fs::write(policy(folder), text).context("writing the audit policy")
}

/// What the API server is started with.
pub(super) fn flags(folder: &Path) -> Vec<String> {
    if !policy(folder).is_file() {
        return Vec::new();
    }
    vec![
        format!("--audit-policy-file={}", policy(folder).display()),
        format!("--audit-log-path={}", log(folder).display()),
    ]
}

pub(super) fn read(folder: &Path) -> anyhow::Result<Vec<Request>> {
    if !policy(folder).is_file() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(log(folder)).context("reading the audit log")?;
    // The last line may not be written to its end.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().map(|line| serde_json::from_str(line).map(|line: Line| line.into()));
    lines.collect::<Result<_, _>>().context("a line of the audit log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_and_what_is_half_written_is_left() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!((flags(folder.path()).len(), read(folder.path()).unwrap()), (0, Vec::new()));
        write_policy(folder.path()).unwrap();
        assert_eq!(flags(folder.path()).len(), 2);
        let line = json!({
            "stage": "ResponseComplete", "verb": "patch", "user": {"username": "u", "groups": ["g"]},
            "objectRef": {
                "apiGroup": "networking.k8s.io", "resource": "ingresses", "subresource": "status",
                "namespace": "red", "name": "shop",
            },
            "responseStatus": {"metadata": {}, "code": 403},
        });
        let path = json!({"verb": "get", "user": {"username": "u"}, "responseStatus": {"code": 200}});
        let nobody = json!({"verb": "get", "user": {}});
        fs::write(log(folder.path()), format!("{line}\n{path}\n{nobody}\n{{\"verb\":")).unwrap();
        let read = read(folder.path()).unwrap();
        let fields =
            |r: &Request| [&r.user, &r.verb, &r.group, &r.resource, &r.namespace, &r.name].map(Clone::clone);
        assert_eq!(fields(&read[0]), ["u", "patch", "networking.k8s.io", "ingresses/status", "red", "shop"]);
        assert_eq!(fields(&read[1]), ["u", "get", "", "", "", ""]);
        assert_eq!([read[0].code, read[1].code], [403, 200]);
        assert_eq!((&*read[2].user, read[2].code), ("", 0), "it ended before it was known who asks");
    }
}
