//! References between objects: which keys hold them, the forms they take.
//!
//! Inside the simulator a resolved reference is always `/api/<type>/<uuid>`; names
//! and hosts are added on the way out (Avi REST API contract, §3.4 and §3.5).

use serde_json::{Map, Value};

use crate::kind::{self, Kind};

/// Where a reference points: by uuid, or by name (as written, maybe escaped).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    Uuid(&'a str),
    Name(&'a str),
}

/// Whether the key holds one reference or a list of them.
pub(crate) fn is_reference(key: &str) -> bool {
    key.ends_with("_ref") || key.ends_with("_refs")
}

/// The type a reference key points to; `None` for types the simulator does not hold.
pub(crate) fn target_kind(key: &str) -> Option<&'static Kind> {
    let stem = key.strip_suffix("_refs").or_else(|| key.strip_suffix("_ref"))?;
    let path = match stem {
        "vrf" | "vrf_context" => "vrfcontext",
        "ca" | "ssl_key_and_certificate" | "signing_ssl_key_and_certificate" => "sslkeyandcertificate",
        "service_pool" => "pool",
        "service_pool_group" => "poolgroup",
        "override_network_profile" => "networkprofile",
        "se_group" | "se_group_template" => "serviceenginegroup",
        "nw" | "mgmt_network" => "network",
        "vimgrnw" => "vimgrnwruntime",
        "ipam_provider" | "dns_provider" => "ipamdnsproviderprofile",
        "vh_parent_vs" => "virtualservice",
        "icap_request_profile" => "icapprofile",
        "bot_policy" => "botdetectionpolicy",
        "default_tenant" => "tenant",
        other => return kind::find(&other.replace('_', "")),
    };
    kind::find(path)
}

/// Takes a reference apart: the type segment and the target.
///
/// Accepted: `/api/pool?name=X`, `/api/pool/?name=X`, `/api/pool/<uuid>`, absolute,
/// with or without `#name`.
pub(crate) fn parse(text: &str) -> Option<(&str, Target<'_>)> {
    let start = text.find("/api/")?;
    let host = &text[..start];
    if !(host.is_empty() || host.starts_with("http://") || host.starts_with("https://")) {
        return None;
    }
    let rest = &text[start + "/api/".len()..];
    let end = rest.find(['/', '?'])?;
    let (segment, tail) = rest.split_at(end);
    let tail = tail.trim_start_matches('/');
    if let Some(name) = tail.strip_prefix("?name=") {
        return (!name.is_empty()).then_some((segment, Target::Name(name)));
    }
    let uuid = tail.split('#').next().unwrap_or(tail).trim_end_matches('/');
    (!uuid.is_empty() && !uuid.contains(['/', '?'])).then_some((segment, Target::Uuid(uuid)))
}

/// The inner form of a resolved reference.
pub(crate) fn internal(kind: &Kind, uuid: &str) -> String {
    format!("/api/{}/{uuid}", kind.path)
}

/// The uuid of a reference in inner form.
pub(crate) fn uuid(text: &str) -> Option<&str> {
    match parse(text)? {
        (_, Target::Uuid(uuid)) if text.starts_with("/api/") => Some(uuid),
        _ => None,
    }
}

/// The uuid that field `key` of an object refers to.
pub(crate) fn field<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str).and_then(uuid)
}

/// Visits every reference at any depth: the key and the text.
pub(crate) fn each<'a>(value: &'a Value, visit: &mut impl FnMut(&'a str, &'a str)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if is_reference(key) => visit(key, text),
                    Value::Array(items) if is_reference(key) => {
                        items.iter().filter_map(Value::as_str).for_each(|text| visit(key, text));
                    }
                    _ => each(value, visit),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each(item, visit)),
        _ => {}
    }
}

/// Rewrites every reference at any depth; `Ok(None)` unsets it.
pub(crate) fn rewrite<E>(
    value: &mut Value,
    change: &mut impl FnMut(&str, &str) -> Result<Option<String>, E>,
) -> Result<(), E> {
    match value {
        Value::Object(map) => rewrite_fields(map, change),
        Value::Array(items) => items.iter_mut().try_for_each(|item| rewrite(item, change)),
        _ => Ok(()),
    }
}

/// [`rewrite`] for the fields of an object.
pub(crate) fn rewrite_fields<E>(
    map: &mut Map<String, Value>,
    change: &mut impl FnMut(&str, &str) -> Result<Option<String>, E>,
) -> Result<(), E> {
    let mut unset = Vec::new();
    for (key, value) in map.iter_mut() {
        if !is_reference(key) {
            rewrite(value, change)?;
            continue;
        }
        match value {
            Value::String(text) => match change(key, text)? {
                Some(new) => *text = new,
                None => unset.push(key.clone()),
            },
            Value::Array(items) => {
                let mut kept = Vec::with_capacity(items.len());
                for item in items.drain(..) {
                    match item {
                        Value::String(text) => kept.extend(change(key, &text)?.map(Value::from)),
                        other => kept.push(other),
                    }
                }
                *items = kept;
            }
            _ => {}
        }
    }
    for key in unset {
        map.remove(&key);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_are_read() {
        assert_eq!(parse("/api/pool?name=a&b"), Some(("pool", Target::Name("a&b"))));
        assert_eq!(parse("/api/pool/?name=a"), Some(("pool", Target::Name("a"))));
        assert_eq!(parse("/api/pool/pool-1"), Some(("pool", Target::Uuid("pool-1"))));
        assert_eq!(parse("https://h/api/pool/pool-1#n"), Some(("pool", Target::Uuid("pool-1"))));
        assert_eq!(parse("pool-1"), None);
        assert_eq!(parse("/api/pool"), None);
        assert_eq!(parse("/api/pool/?name="), None);
    }

    #[test]
    fn keys_name_their_type() {
        let path = |key| target_kind(key).map(|kind| kind.path);
        assert_eq!(path("http_policy_set_ref"), Some("httppolicyset"));
        assert_eq!(path("ssl_key_and_certificate_refs"), Some("sslkeyandcertificate"));
        assert_eq!(path("vh_parent_vs_ref"), Some("virtualservice"));
        assert_eq!(path("se_ref"), None);
    }
}
