//! A request as it came, and what it is about.
//! Source: Kubernetes documentation, "Kubernetes API Concepts", "Resource URIs".

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::resource::{Registry, Resource};
use crate::status::{Granted, Refusal};

/// An HTTP request with its body.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) segments: Vec<String>,
    query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What a request is about.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) resource: Arc<Resource>,
    /// Empty for cluster-scoped objects, and for all namespaces.
    pub(crate) namespace: String,
    /// Empty for collections.
    pub(crate) name: String,
    /// Empty for the object itself.
    pub(crate) subresource: String,
}

/// In which form the answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Object,
    Table,
    Metadata,
}

impl Call {
    pub(crate) fn read(parts: Parts, body: Bytes) -> Self {
        let path = parts.uri.path().to_owned();
        let segments = path.split('/').filter(|part| !part.is_empty()).map(unescaped).collect();
        let query = parts.uri.query().unwrap_or_default();
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { method: parts.method, path, segments, query, headers: parts.headers, body }
    }

    pub(crate) fn query(&self, key: &str) -> &str {
        self.query.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        matches!(self.query(key), "true" | "1")
    }

    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.query(key).parse().ok()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn agent(&self) -> &str {
        self.header("user-agent")
    }

    /// Who a write is by in `managedFields`: what the request says, or else the
    /// user agent up to its version.
    pub(crate) fn manager(&self) -> String {
        let asked = self.query("fieldManager");
        let named = if asked.is_empty() { self.agent().split('/').next().unwrap_or_default() } else { asked };
        if named.is_empty() { "unknown".to_owned() } else { named.chars().take(128).collect() }
    }

    pub(crate) fn dry_run(&self) -> bool {
        self.query("dryRun") == "All"
    }

    pub(crate) fn content_type(&self) -> &str {
        self.header("content-type").split(';').next().unwrap_or_default().trim()
    }

    /// The form that the first acceptable media type asks for.
    pub(crate) fn form(&self) -> Form {
        for media in self.header("accept").split(',').map(str::trim) {
            if !media.starts_with("application/json") && !media.starts_with("*/*") {
                continue;
            }
            if media.contains("as=Table") {
                return Form::Table;
            }
            if media.contains("as=PartialObjectMetadata") {
                return Form::Metadata;
            }
            return Form::Object;
        }
        Form::Object
    }

    /// The body as an object. YAML is read too.
    pub(crate) fn object(&self) -> Granted<Value> {
        if self.content_type().contains("protobuf") {
            return crate::protobuf::object(&self.body).ok_or_else(|| {
                Refusal::unsupported_media(
                    "the body of the request was in an unknown format - accepted media types include: \
                     application/json, application/yaml",
                )
            });
        }
        let value = if self.content_type().contains("yaml") {
            serde_saphyr::from_slice::<Value>(&self.body).map_err(|error| error.to_string())
        } else {
            serde_json::from_slice::<Value>(&self.body).map_err(|error| error.to_string())
        };
        let value =
            value.map_err(|error| Refusal::bad_request(format!("couldn't get version/kind; {error}")))?;
        if value.is_object() {
            Ok(value)
        } else {
            Err(Refusal::bad_request(
                "couldn't get version/kind; json parse error: the body is not an object",
            ))
        }
    }

    /// The object's name, or the one that the field selector asks for.
    pub(crate) fn name<'a>(&'a self, target: Option<&'a Target>) -> &'a str {
        match target {
            Some(target) if target.name.is_empty() => {
                let mut terms = self.query("fieldSelector").split(',');
                terms.find_map(|term| term.strip_prefix("metadata.name=")).unwrap_or_default()
            }
            Some(target) => &target.name,
            None => "",
        }
    }

    /// The verb, as authorization and the journal know it.
    pub(crate) fn verb(&self, target: Option<&Target>) -> &'static str {
        let named = target.is_none_or(|target| !target.name.is_empty());
        match self.method.as_str() {
            "GET" | "HEAD" if target.is_none() => "get",
            "GET" | "HEAD" if self.flag("watch") => "watch",
            "GET" | "HEAD" if named => "get",
            "GET" | "HEAD" => "list",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" if named => "delete",
            "DELETE" => "deletecollection",
            _ => "other",
        }
    }
}

impl Target {
    /// Reads a path. `None` if it is not one of resources.
    pub(crate) fn of(segments: &[String], registry: &Registry) -> Option<Self> {
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, plural, more @ ..]
                if !group.is_empty() || !matches!(*plural, "status" | "finalize") =>
            {
                (*namespace, [&[*plural], more].concat())
            }
            other => ("", other.to_vec()),
        };
        let (plural, name, subresource) = match rest.as_slice() {
            [plural] => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, subresource] => (*plural, *name, *subresource),
            _ => return None,
        };
        let resource = registry.find(group, version, plural)?.clone();
        let misplaced = if resource.namespaced {
            namespace.is_empty() && !name.is_empty()
        } else {
            !namespace.is_empty()
        };
        (!misplaced).then(|| Self {
            resource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
        })
    }
}

/// Undoes percent-encoding.
fn unescaped(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = segment.get(at + 1..at + 3).and_then(|code| u8::from_str_radix(code, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(byte)) => {
                plain.push(byte);
                at += 3;
            }
            (byte, _) => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}
