//! Where the controller is.

use std::fmt;
use std::net::Ipv6Addr;

use rustls_pki_types::ServerName;

/// The protocol of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// TLS, port 443 unless told otherwise.
    Https,
    /// Plain text, for tests and demonstrations.
    Http,
}

/// The controller's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The protocol.
    pub scheme: Scheme,
    /// A host name or an IP address, the latter without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The name that the controller's certificate has to bear, if it is not the host.
    pub server_name: Option<String>,
}

/// A text that is not the address of a controller.
#[derive(Debug, thiserror::Error)]
#[error("\"{text}\" is not the address of a controller: give host, host:port or https://host:port")]
pub struct InvalidEndpoint {
    /// What was given.
    pub text: String,
}

/// A text that cannot be the name of a server.
#[derive(Debug, thiserror::Error)]
#[error("controllerServerName \"{name}\" is neither a host name nor an IP address")]
pub struct InvalidServerName {
    /// What was given.
    pub name: String,
}

impl Endpoint {
    /// Reads `host`, `host:port` or either with a scheme; without one it is
    /// `https`.
    pub fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        let invalid = || InvalidEndpoint { text: text.to_owned() };
        let spelled = match text.trim() {
            t if t.contains("://") => t.to_owned(),
            t if t.parse::<Ipv6Addr>().is_ok() => format!("https://[{t}]"),
            t => format!("https://{t}"),
        };
        let url = url::Url::parse(&spelled).map_err(|_| invalid())?;
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err(invalid()),
        };
        if !url.username().is_empty()
            || url.password().is_some()
            || url.path() != "/"
            || url.query().is_some()
        {
            return Err(InvalidEndpoint { text: "(an address with more than host and port)".into() });
        }
        let host = match url.host().ok_or_else(invalid)? {
            url::Host::Domain(name) => name.to_owned(),
            url::Host::Ipv4(ip) => ip.to_string(),
            url::Host::Ipv6(ip) => ip.to_string(),
        };
        let port = url.port_or_known_default().ok_or_else(invalid)?;
        Ok(Self { scheme, host, port, server_name: None })
    }

    /// The same endpoint, whose certificate has to bear another name than the host; an empty
    /// one changes nothing.
    ///
    /// # Errors
    /// If that is no name of a server.
    pub fn with_server_name(self, name: &str) -> Result<Self, InvalidServerName> {
        if name.is_empty() {
            return Ok(self);
        }
        ServerName::try_from(name).map_err(|_| InvalidServerName { name: name.to_owned() })?;
        Ok(Self { server_name: Some(name.to_owned()), ..self })
    }

    /// `host` or `host:port`, as in a `Host` header.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.scheme, self.port) {
            (Scheme::Https, 443) | (Scheme::Http, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Https => "https",
            Scheme::Http => "http",
        };
        write!(f, "{scheme}://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, shown) in [
            ("10.0.0.10", "https://10.0.0.10"),
            ("avi.local:9443", "https://avi.local:9443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("2001:db8::1", "https://[2001:db8::1]"),
            ("[2001:db8::1]:9443", "https://[2001:db8::1]:9443"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), shown, "{text}");
        }
        for text in ["", "ftp://x", "a b", "https://u:p@x", "https://x/path"] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
        assert!(!Endpoint::parse("https://u:hunter2@x").unwrap_err().to_string().contains("hunter2"));
    }
}
