//! Bodies in Kubernetes' protobuf form, of the kinds that kubectl sends in it:
//! those that its generators make (`kubectl create configmap`) and access reviews.
//!
//! The form is `k8s\0` and a message `runtime.Unknown`, whose `raw` is the object. The
//! numbers of fields are those of `generated.proto` in k8s.io/api and
//! k8s.io/apimachinery 0.36. Fields that are not listed are left out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// What a body in this form begins with.
const MAGIC: &[u8] = b"k8s\0";
/// No object is nested deeper.
const DEEPEST: usize = 16;

/// What a field holds.
#[derive(Clone, Copy)]
enum Type {
    Text,
    Number,
    Truth,
    Texts,
    /// A map of texts, or of bytes (in base64).
    Map,
    ByteMap,
    One(&'static Message),
    Many(&'static Message),
    /// A message whose fields are those of the message around it.
    Inlined(&'static Message),
    IntOrString,
}

/// The fields of a message: number, name, type.
type Message = [(u64, &'static str, Type)];

const OBJECT_META: &Message = &[
    (1, "name", Type::Text),
    (2, "generateName", Type::Text),
    (3, "namespace", Type::Text),
    (5, "uid", Type::Text),
    (6, "resourceVersion", Type::Text),
    (11, "labels", Type::Map),
    (12, "annotations", Type::Map),
    (14, "finalizers", Type::Texts),
];
const CONFIG_MAP: &Message = &[
    (1, "metadata", Type::One(OBJECT_META)),
    (2, "data", Type::Map),
    (3, "binaryData", Type::ByteMap),
    (4, "immutable", Type::Truth),
];
const SECRET: &Message = &[
    (1, "metadata", Type::One(OBJECT_META)),
    (2, "data", Type::ByteMap),
    (3, "type", Type::Text),
    (4, "stringData", Type::Map),
    (5, "immutable", Type::Truth),
];
const NAMESPACE: &Message =
    &[(1, "metadata", Type::One(OBJECT_META)), (2, "spec", Type::One(&[(1, "finalizers", Type::Texts)]))];
const SERVICE: &Message = &[
    (1, "metadata", Type::One(OBJECT_META)),
    (
        2,
        "spec",
        Type::One(&[
            (
                1,
                "ports",
                Type::Many(&[
                    (1, "name", Type::Text),
                    (2, "protocol", Type::Text),
                    (3, "port", Type::Number),
                    (4, "targetPort", Type::IntOrString),
                    (5, "nodePort", Type::Number),
                    (6, "appProtocol", Type::Text),
                ]),
            ),
            (2, "selector", Type::Map),
            (3, "clusterIP", Type::Text),
            (4, "type", Type::Text),
            (5, "externalIPs", Type::Texts),
            (7, "sessionAffinity", Type::Text),
            (8, "loadBalancerIP", Type::Text),
            (9, "loadBalancerSourceRanges", Type::Texts),
            (10, "externalName", Type::Text),
            (11, "externalTrafficPolicy", Type::Text),
            (13, "publishNotReadyAddresses", Type::Truth),
            (17, "ipFamilyPolicy", Type::Text),
            (18, "clusterIPs", Type::Texts),
            (19, "ipFamilies", Type::Texts),
            (20, "allocateLoadBalancerNodePorts", Type::Truth),
            (21, "loadBalancerClass", Type::Text),
            (22, "internalTrafficPolicy", Type::Text),
        ]),
    ),
];
const BACKEND: &Message = &[(
    4,
    "service",
    Type::One(&[
        (1, "name", Type::Text),
        (2, "port", Type::One(&[(1, "name", Type::Text), (2, "number", Type::Number)])),
    ]),
)];
const HTTP: &Message = &[(
    1,
    "paths",
    Type::Many(&[(1, "path", Type::Text), (2, "backend", Type::One(BACKEND)), (3, "pathType", Type::Text)]),
)];
const INGRESS: &Message = &[
    (1, "metadata", Type::One(OBJECT_META)),
    (
        2,
        "spec",
        Type::One(&[
            (1, "defaultBackend", Type::One(BACKEND)),
            (2, "tls", Type::Many(&[(1, "hosts", Type::Texts), (2, "secretName", Type::Text)])),
            (
                3,
                "rules",
                Type::Many(&[
                    (1, "host", Type::Text),
                    (2, "", Type::Inlined(&[(1, "http", Type::One(HTTP))])),
                ]),
            ),
            (4, "ingressClassName", Type::Text),
        ]),
    ),
];
const ACCESS_REVIEW: &Message = &[
    (1, "metadata", Type::One(OBJECT_META)),
    (
        2,
        "spec",
        Type::One(&[
            (
                1,
                "resourceAttributes",
                Type::One(&[
                    (1, "namespace", Type::Text),
                    (2, "verb", Type::Text),
                    (3, "group", Type::Text),
                    (4, "version", Type::Text),
                    (5, "resource", Type::Text),
                    (6, "subresource", Type::Text),
                    (7, "name", Type::Text),
                ]),
            ),
            (2, "nonResourceAttributes", Type::One(&[(1, "path", Type::Text), (2, "verb", Type::Text)])),
        ]),
    ),
];
const UNKNOWN: &Message = &[(1, "typeMeta", Type::One(TYPE_META))];
const TYPE_META: &Message = &[(1, "apiVersion", Type::Text), (2, "kind", Type::Text)];
/// `runtime.Unknown`'s field with the object.
const RAW: u64 = 2;

/// The object in a body; `None` if it is of another kind, or makes no sense.
pub(crate) fn object(body: &[u8]) -> Option<Value> {
    let envelope = body.strip_prefix(MAGIC)?;
    let about = message(envelope, UNKNOWN, DEEPEST)?;
    let (version, kind) = (about["typeMeta"]["apiVersion"].as_str()?, about["typeMeta"]["kind"].as_str()?);
    let fields = match kind {
        "ConfigMap" => CONFIG_MAP,
        "Secret" => SECRET,
        "Namespace" => NAMESPACE,
        "Service" => SERVICE,
        "Ingress" => INGRESS,
        "SelfSubjectAccessReview" => ACCESS_REVIEW,
        _ => return None,
    };
    let raw = Fields(envelope).find_map(|field| match field {
        Some((RAW, Wire::Bytes(raw))) => Some(raw),
        _ => None,
    })?;
    let mut object = message(raw, fields, DEEPEST)?;
    object["apiVersion"] = version.into();
    object["kind"] = kind.into();
    Some(object)
}

/// A message as JSON. What is empty is left out, as Go's `omitempty` does.
fn message(bytes: &[u8], fields: &'static Message, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let mut object = Map::new();
    for field in Fields(bytes) {
        let (number, wire) = field?;
        let Some((_, name, kind)) = fields.iter().find(|(known, ..)| *known == number) else { continue };
        let name = (*name).to_owned();
        match (kind, wire) {
            (Type::Text, Wire::Bytes([])) | (Type::Number | Type::Truth, Wire::Number(0)) => {}
            (Type::Text, Wire::Bytes(bytes)) => drop(object.insert(name, text(bytes)?.into())),
            (Type::Number, Wire::Number(number)) => {
                // Negative numbers have all 64 bits.
                drop(object.insert(name, number.cast_signed().into()));
            }
            (Type::Truth, Wire::Number(_)) => drop(object.insert(name, true.into())),
            (Type::Texts, Wire::Bytes(bytes)) => push(&mut object, name, text(bytes)?.into()),
            (Type::Map, Wire::Bytes(bytes)) => {
                let (key, value) = entry(bytes)?;
                put(&mut object, name, key, text(value)?.into());
            }
            (Type::ByteMap, Wire::Bytes(bytes)) => {
                let (key, value) = entry(bytes)?;
                put(&mut object, name, key, STANDARD.encode(value).into());
            }
            (Type::One(fields), Wire::Bytes(bytes)) => {
                drop(object.insert(name, message(bytes, fields, depth)?));
            }
            (Type::Many(fields), Wire::Bytes(bytes)) => {
                push(&mut object, name, message(bytes, fields, depth)?);
            }
            (Type::Inlined(fields), Wire::Bytes(bytes)) => {
                if let Value::Object(inlined) = message(bytes, fields, depth)? {
                    object.extend(inlined);
                }
            }
            (Type::IntOrString, Wire::Bytes(bytes)) => drop(object.insert(name, int_or_string(bytes)?)),
            _ => return None,
        }
    }
    Some(Value::Object(object))
}

fn int_or_string(bytes: &[u8]) -> Option<Value> {
    const FIELDS: &Message = &[(1, "type", Type::Number), (2, "int", Type::Number), (3, "text", Type::Text)];
    let either = message(bytes, FIELDS, 1)?;
    Some(if either["type"].is_null() {
        either.get("int").cloned().unwrap_or_else(|| json!(0))
    } else {
        either.get("text").cloned().unwrap_or_else(|| json!(""))
    })
}

/// The key and the value of an entry of a map.
fn entry(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (mut key, mut value) = (String::new(), &b""[..]);
    for field in Fields(bytes) {
        match field? {
            (1, Wire::Bytes(bytes)) => key = text(bytes)?,
            (2, Wire::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    Some((key, value))
}

fn put(object: &mut Map<String, Value>, name: String, key: String, value: Value) {
    if let Some(map) = object.entry(name).or_insert_with(|| json!({})).as_object_mut() {
        map.insert(key, value);
    }
}

fn push(object: &mut Map<String, Value>, name: String, value: Value) {
    if let Some(list) = object.entry(name).or_insert_with(|| json!([])).as_array_mut() {
        list.push(value);
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// A value as it is on the wire.
#[derive(Clone, Copy)]
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message; the last one is `None` if the bytes end too early.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Wire<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Wire<'a>)> {
        let tag = self.number()?;
        let wire = match tag & 7 {
            0 => Wire::Number(self.number()?),
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Wire::Bytes(bytes)
            }
            _ => return None,
        };
        Some((tag >> 3, wire))
    }

    /// A number in groups of seven bits, the lowest first.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field with bytes.
    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2, u8::try_from(content.len()).unwrap()];
        field.extend(content);
        field
    }

    fn config_map() -> Vec<u8> {
        let about = [bytes(1, b"v1"), bytes(2, b"ConfigMap")].concat();
        let meta = [bytes(1, b"settings"), bytes(2, b"")].concat();
        let data = [bytes(1, b"a"), bytes(2, b"b")].concat();
        let raw = [bytes(1, &meta), bytes(2, &data)].concat();
        [MAGIC.to_vec(), bytes(1, &about), bytes(2, &raw), bytes(3, b"")].concat()
    }

    #[test]
    fn an_object_is_read() {
        let expected = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"},
        });
        assert_eq!(object(&config_map()), Some(expected));
    }

    #[test]
    fn half_a_body_and_junk_are_no_objects() {
        let whole = config_map();
        for end in 0..whole.len() - 2 {
            assert_eq!(object(&whole[..end]), None, "{end} bytes");
        }
        for byte in 0..=255 {
            let mut broken = whole.clone();
            for position in 0..broken.len() {
                let kept = std::mem::replace(&mut broken[position], byte);
                // Whatever comes out: no panic.
                let _ = object(&broken);
                broken[position] = kept;
            }
        }
    }
}
