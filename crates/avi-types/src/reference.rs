//! References between Avi objects, in the three forms that the API uses.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::kind::Kind;

/// A reference to an Avi object.
///
/// What we send names the object (`/api/pool?name=web`). What the controller
/// answers is `https://host/api/pool/<uuid>#web`, where the name after `#` is
/// there only if asked for. Source: Avi REST API contract, §3.4.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ref {
    /// The type that the reference leads to; `None` for one we do not know.
    pub kind: Option<Kind>,
    /// The object's name, if the reference tells.
    pub name: Option<Arc<str>>,
    /// The object's uuid, if the reference tells.
    pub uuid: Option<Arc<str>>,
}

impl Ref {
    /// A reference by name.
    pub fn named(kind: Kind, name: impl Into<Arc<str>>) -> Self {
        Self { kind: Some(kind), name: Some(name.into()), uuid: None }
    }

    /// A reference by uuid.
    pub fn by_uuid(kind: Kind, uuid: impl Into<Arc<str>>) -> Self {
        Self { kind: Some(kind), name: None, uuid: Some(uuid.into()) }
    }

    /// Reads any of the API's forms. Never fails: what cannot be understood
    /// becomes a reference that matches nothing but itself.
    pub fn parse(text: &str) -> Self {
        let unknown = || Self { kind: None, name: Some(text.into()), uuid: None };
        let Some((_, rest)) = text.split_once("/api/") else { return unknown() };
        let (rest, fragment) = match rest.split_once('#') {
            Some((rest, name)) => (rest, Some(name)),
            None => (rest, None),
        };
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let mut segments = path.split('/').filter(|s| !s.is_empty());
        let Some(kind) = segments.next().and_then(Kind::from_segment) else { return unknown() };
        let queried = query.and_then(|q| q.split('&').find_map(|p| p.strip_prefix("name="))).map(unescape);
        let name = fragment.map(str::to_owned).or(queried).map(Arc::from);
        let uuid = segments.next().map(Arc::from);
        if name.is_none() && uuid.is_none() {
            return unknown();
        }
        Self { kind: Some(kind), name, uuid }
    }

    /// Whether both lead to the same object, as far as they tell.
    pub fn matches(&self, other: &Self) -> bool {
        if self.kind != other.kind {
            return false;
        }
        match (&self.name, &other.name, &self.uuid, &other.uuid) {
            (Some(a), Some(b), _, _) | (_, _, Some(a), Some(b)) => a == b,
            _ => false,
        }
    }

    /// The text with the name as it is: what upstream's checksums are made of,
    /// and the canonical form that people read.
    pub fn plain(&self) -> String {
        self.render(String::push_str)
    }

    fn render(&self, write_name: impl Fn(&mut String, &str)) -> String {
        let mut out = String::from("/api/");
        let Some(kind) = self.kind else { return self.name.as_deref().unwrap_or_default().to_owned() };
        out.push_str(kind.segment());
        match (&self.uuid, &self.name) {
            (Some(uuid), name) => {
                let _ = write!(out, "/{uuid}");
                if let Some(name) = name {
                    let _ = write!(out, "#{name}");
                }
            }
            (None, name) => {
                out.push_str("?name=");
                write_name(&mut out, name.as_deref().unwrap_or_default());
            }
        }
        out
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plain())
    }
}

impl Serialize for Ref {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.render(escape))
    }
}

impl<'de> Deserialize<'de> for Ref {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(Self::parse(&text))
    }
}

/// Escapes what would break out of a query value; names of hosts and paths
/// hold `&`, `#` and `%` in practice.
pub fn escape(out: &mut String, text: &str) {
    for byte in text.bytes() {
        let plain =
            byte.is_ascii_graphic() && !matches!(byte, b'%' | b'&' | b'#' | b'+' | b'"' | b'?' | b'<' | b'>');
        if plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_one_reference_match() {
        let ours = Ref::named(Kind::Pool, "c1--foo.com_a&b");
        assert_eq!(serde_json::to_string(&ours).unwrap(), r#""/api/pool?name=c1--foo.com_a%26b""#);
        for text in [
            "/api/pool?name=c1--foo.com_a%26b",
            "/api/pool/?name=c1--foo.com_a%26b",
            "/api/Pool/?name=c1--foo.com_a%26b",
            "https://10.0.0.1/api/pool/pool-1234#c1--foo.com_a&b",
        ] {
            assert!(ours.matches(&Ref::parse(text)), "{text}");
        }
        assert!(!ours.matches(&Ref::parse("/api/pool?name=other")));
        assert!(!ours.matches(&Ref::parse("/api/vsvip?name=c1--foo.com_a%26b")));
    }

    #[test]
    fn a_uuid_reference_matches_by_uuid() {
        let ours = Ref::by_uuid(Kind::Network, "net-1");
        assert!(ours.matches(&Ref::parse("https://c/api/network/net-1#vip-net")));
        assert!(!ours.matches(&Ref::parse("https://c/api/network/net-2#vip-net")));
    }

    #[test]
    fn junk_is_kept_and_matches_nothing() {
        let junk = Ref::parse("no reference at all");
        assert_eq!(junk.plain(), "no reference at all");
        assert!(!junk.matches(&Ref::named(Kind::Pool, "x")));
        // It leads to a type, but to nothing of it.
        let nothing = Ref::parse("/api/pool?nam=web");
        assert_eq!(nothing.plain(), "/api/pool?nam=web");
        assert!(!nothing.matches(&Ref::named(Kind::Pool, "")));
    }
}
