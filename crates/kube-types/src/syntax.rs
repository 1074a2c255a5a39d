//! The forms of names and ports, as the API server validates them.
//! Source: Kubernetes documentation, "Object Names and IDs"; API reference,
//! ServicePort and IngressRule.

use std::sync::Arc;

use ako_core::hostname::is_label_text;
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

#[cfg(test)]
mod tests {
    use super::*;

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
