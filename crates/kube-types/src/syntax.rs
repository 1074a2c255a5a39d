//! The forms of names and ports, as the API server validates them.
//! Source: Kubernetes documentation, "Object Names and IDs"; API reference,
//! ServicePort and IngressRule.

use std::sync::Arc;

use ako_core::resource::{PortRef, Protocol};
use serde::Deserialize;

/// A number or a text, as `targetPort` is.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum NumberOrText {
    Number(i64),
    Text(String),
}

/// The port, if it is one.
pub(crate) fn port_number(number: i64) -> Option<u16> {
    u16::try_from(number).ok().filter(|port| *port > 0)
}

/// A port by number or by name; an error says why it is neither.
pub(crate) fn port_ref(port: &NumberOrText) -> Result<PortRef, String> {
    match port {
        NumberOrText::Number(number) => {
            port_number(*number).map(PortRef::Number).ok_or_else(|| not_a_port(*number))
        }
        NumberOrText::Text(name) if is_port_name(name) => Ok(PortRef::Name(Arc::from(name.as_str()))),
        NumberOrText::Text(name) => Err(format!("{name:?} is not a port name")),
    }
}

/// What to say about a number that is no port.
pub(crate) fn not_a_port(number: i64) -> String {
    format!("{number} is not a port, use 1 to 65535")
}

/// Lower-case letters, digits and single inner hyphens, 15 at most, a letter
/// among them. Source: RFC 6335, section 5.1.
fn is_port_name(name: &str) -> bool {
    name.len() <= 15
        && is_label_text(name)
        && !name.contains("--")
        && name.bytes().any(|b| b.is_ascii_lowercase())
}

/// The protocol; absent means TCP.
pub(crate) fn protocol(name: Option<&str>) -> Option<Protocol> {
    match name {
        None | Some("" | "TCP") => Some(Protocol::Tcp),
        Some("UDP") => Some(Protocol::Udp),
        Some("SCTP") => Some(Protocol::Sctp),
        Some(_) => None,
    }
}

/// Whether a host of an Ingress is a DNS name, or a wildcard and one.
pub(crate) fn is_host(host: &str) -> bool {
    let name = host.strip_prefix("*.").unwrap_or(host);
    name.len() <= 253 && name.split('.').all(|label| label.len() <= 63 && is_label_text(label))
}

fn is_label_text(label: &str) -> bool {
    let letter_or_digit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = label.as_bytes();
    bytes.iter().all(|&b| letter_or_digit(b) || b == b'-')
        && bytes.first().is_some_and(|&b| letter_or_digit(b))
        && bytes.last().is_some_and(|&b| letter_or_digit(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for good in ["a", "a.b", "*.a.b", "1.2", "xn--a.com", "a-b.c"] {
            assert!(is_host(good), "{good}");
        }
        let long = format!("{}.com", "a".repeat(64));
        for bad in ["", "*", "*.", "a..b", ".a", "a.", "-a", "a-", "A.com", "a_b", "a.*.b", "a b", &long] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn ports() {
        let text = |t: &str| port_ref(&NumberOrText::Text(t.into()));
        assert_eq!(text("http-2"), Ok(PortRef::Name("http-2".into())));
        for bad in ["", "80", "a--b", "-a", "HTTP", "a234567890123456"] {
            assert!(text(bad).is_err(), "{bad}");
        }
        assert_eq!(port_ref(&NumberOrText::Number(65535)), Ok(PortRef::Number(65535)));
        for bad in [0, -1, 65536, i64::MAX] {
            assert!(port_ref(&NumberOrText::Number(bad)).is_err(), "{bad}");
        }
    }
}
