//! Lists: whole or in pages, of now or of an earlier version.
//! Source: Kubernetes documentation, "Kubernetes API Concepts", "Retrieving large
//! results sets in chunks" and "Semantics for get and list".

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Map, Value, json};

use crate::call::{Call, Form, Target};
use crate::cluster::Cluster;
use crate::resource::Resource;
use crate::selector::Selector;
use crate::status::{Cause, Granted, Refusal};
use crate::store::Stored;
use crate::table;

const TOO_OLD_TOKEN: &str = "The provided continue parameter is too old to display a consistent list result. \
                             You can start a new list without the continue parameter.";

/// What a list request gets.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) objects: Vec<Arc<Stored>>,
    revision: u64,
    next: Option<String>,
    remaining: Option<usize>,
}

/// Where a list goes on, and at which version.
struct Page {
    revision: Option<u64>,
    after: Option<String>,
}

/// Answers a list request; `stale` is a version to answer from instead of the newest.
pub(crate) fn list(
    cluster: &mut Cluster,
    call: &Call,
    target: &Target,
    stale: Option<u64>,
) -> Granted<Listing> {
    let resource = &target.resource;
    let selector = Selector::parse(resource, call.query("labelSelector"), call.query("fieldSelector"))?;
    let limit = call.number("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0);
    let page = page(cluster, call, limit)?;
    let current = cluster.store.revision();
    let key = resource.key();
    let wanted = page.revision.or(stale);
    let revision = wanted.unwrap_or(current);
    let collection = cluster.store.collection_mut(&key);
    if wanted.is_none() {
        collection.read_at(current);
    }
    let past = match wanted {
        Some(revision) if collection.changed_after(revision) || revision < collection.compacted() => {
            let past = collection.at(revision);
            if past.is_none() && stale.is_none() {
                return Err(Refusal::expired(if page.after.is_some() {
                    TOO_OLD_TOKEN.to_owned()
                } else {
                    format!("The resourceVersion for the provided list is too old: {revision}")
                }));
            }
            past
        }
        _ => None,
    };
    let collect = |all: &mut dyn Iterator<Item = (&String, &Arc<Stored>)>| {
        let mut taken: Vec<Arc<Stored>> = Vec::new();
        let (mut last, mut remaining) = (None, 0_usize);
        for (path, stored) in all {
            if limit > 0 && taken.len() >= limit {
                remaining += 1;
                if !selector.is_empty() && selector.selects(&stored.value) {
                    break;
                }
                continue;
            }
            if selector.selects(&stored.value) {
                taken.push(Cluster::in_version(resource, stored));
                last = Some(path.clone());
            }
        }
        (taken, last, remaining)
    };
    let after = page.after.as_deref();
    let (objects, last, remaining) = match &past {
        None => collect(&mut collection.range(&target.namespace, after)),
        Some(past) => {
            let prefix =
                if target.namespace.is_empty() { String::new() } else { format!("{}/", target.namespace) };
            let inside = past.iter().filter(|(path, _)| path.starts_with(&prefix));
            collect(&mut inside.filter(|(path, _)| after.is_none_or(|after| path.as_str() > after)))
        }
    };
    let next = (remaining > 0).then(|| token(revision, &last.unwrap_or_default()));
    let remaining = (remaining > 0 && selector.is_empty()).then_some(remaining);
    Ok(Listing { objects, revision, next, remaining })
}

fn page(cluster: &Cluster, call: &Call, limit: usize) -> Granted<Page> {
    let current = cluster.store.revision();
    let asked = call.query("resourceVersion");
    let rule = call.query("resourceVersionMatch");
    let token = call.query("continue");
    if !token.is_empty() {
        if !matches!(asked, "" | "0") {
            return Err(Refusal::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        return read_token(token);
    }
    if !rule.is_empty() && asked.is_empty() {
        let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
        return Err(Refusal::invalid_options(
            "ListOptions",
            &[Cause::forbidden("resourceVersionMatch", why)],
        ));
    }
    let version = revision(asked)?;
    if version > current {
        return Err(Refusal::too_new(version, current));
    }
    let exact = match rule {
        "Exact" if version == 0 => {
            let why = "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"";
            return Err(Refusal::invalid_options(
                "ListOptions",
                &[Cause::forbidden("resourceVersionMatch", why)],
            ));
        }
        "Exact" => true,
        "NotOlderThan" => false,
        // Without a rule, pages of a version are of exactly that version.
        _ => version > 0 && limit > 0,
    };
    Ok(Page { revision: exact.then_some(version), after: None })
}

/// A `resourceVersion` of a query; zero if there is none.
pub(crate) fn revision(text: &str) -> Granted<u64> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| {
        let why = format!("invalid resource version: resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": \
                           invalid syntax");
        Refusal::bad_request(why)
    })
}

fn token(revision: u64, after: &str) -> String {
    let token = json!({"v": "meta.k8s.io/v1", "rv": revision, "start": format!("{after}\0")});
    URL_SAFE_NO_PAD.encode(token.to_string())
}

fn read_token(token: &str) -> Granted<Page> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok();
    let token: Option<Value> = decoded.and_then(|text| serde_json::from_slice(&text).ok());
    let read = token.as_ref().and_then(|token| Some((token["rv"].as_u64()?, token["start"].as_str()?)));
    match read {
        Some((revision, start)) => {
            Ok(Page { revision: Some(revision), after: Some(start.trim_end_matches('\0').to_owned()) })
        }
        None => Err(Refusal::bad_request(
            "invalid continue token: continue key is not valid: illegal base64 data at input byte 0",
        )),
    }
}

impl Listing {
    pub(crate) fn render(&self, resource: &Resource, call: &Call, cluster: &Cluster) -> Bytes {
        let mut metadata = Map::new();
        metadata.insert("resourceVersion".to_owned(), self.revision.to_string().into());
        if let Some(next) = &self.next {
            metadata.insert("continue".to_owned(), next.as_str().into());
        } else if resource.custom.is_some() {
            metadata.insert("continue".to_owned(), "".into());
        }
        if let Some(remaining) = self.remaining {
            metadata.insert("remainingItemCount".to_owned(), remaining.into());
        }
        let (kind, version, items) = match call.form() {
            Form::Table => {
                let table = table::render(resource, &self.objects, call, cluster.clock.now(), true);
                return Bytes::from(table::with_metadata(table, Value::Object(metadata)).to_string());
            }
            Form::Metadata => {
                let items = self.objects.iter().map(|object| Bytes::from(partial(&object.value).to_string()));
                (
                    "PartialObjectMetadataList".to_owned(),
                    "meta.k8s.io/v1".to_owned(),
                    items.collect::<Vec<_>>(),
                )
            }
            Form::Object => {
                let item = |object: &Arc<Stored>| {
                    if resource.custom.is_some() { object.json().clone() } else { object.bare().clone() }
                };
                let items = self.objects.iter().map(item);
                (resource.list_kind.to_string(), resource.api_version(), items.collect())
            }
        };
        let size: usize = items.iter().map(Bytes::len).sum();
        let mut body = BytesMut::with_capacity(size + items.len() + 256);
        let head = json!({"kind": kind, "apiVersion": version, "metadata": metadata}).to_string();
        body.put_slice(head.trim_end_matches('}').as_bytes());
        // The metadata's own brace was trimmed too.
        body.put_slice(if head.ends_with("}}") { b"},\"items\":[" } else { b",\"items\":[" });
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                body.put_u8(b',');
            }
            body.put_slice(item);
        }
        body.put_slice(b"]}");
        body.freeze()
    }
}

/// Only what all objects have.
pub(crate) fn partial(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"],
    })
}
