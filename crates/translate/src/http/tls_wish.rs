//! What an Ingress asks of TLS for a host. Source: L7 objects, §5.3; Kubernetes API,
//! IngressTLS.
//!
//! A wish for TLS never becomes plain HTTP: what cannot be met is refused, and told.

use ako_core::resource::{Ingress, IngressTls};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TlsWish<'a> {
    /// No entry covers the host: it is served in plain HTTP.
    Plain,
    /// TLS goes through to the pods.
    Passthrough,
    /// The certificate that all hosts share whose Ingress asks for TLS by annotation.
    Default,
    /// The certificate of this entry of `spec.tls`.
    Entry(&'a IngressTls),
    /// An entry names a host that is no DNS name, which may have been meant for this one.
    Unclear,
}

/// What an Ingress asks for. Of the entries of `spec.tls` that cover the host the most
/// specific one counts: one that names it, one with a wildcard over it, one without hosts.
pub(crate) fn of_host<'a>(ingress: &'a Ingress, host: &str) -> TlsWish<'a> {
    if ingress.passthrough {
        return TlsWish::Passthrough;
    }
    if ingress.enable_tls {
        return TlsWish::Default;
    }
    let entry = |covers: &dyn Fn(&IngressTls) -> bool| ingress.tls.iter().find(|entry| covers(entry));
    let named = entry(&|entry| entry.hosts.iter().any(|name| **name == *host));
    let wildcard = || entry(&|entry| entry.hosts.iter().any(|name| is_under(host, name)));
    let all = || entry(&|entry| entry.hosts.is_empty() && !entry.has_bad_hosts);
    match named.or_else(wildcard).or_else(all) {
        Some(entry) => TlsWish::Entry(entry),
        None if ingress.tls.iter().any(|entry| entry.has_bad_hosts) => TlsWish::Unclear,
        None => TlsWish::Plain,
    }
}

/// Whether a host is one label under a wildcard.
pub(crate) fn is_under(host: &str, wildcard: &str) -> bool {
    let parent = host.split_once('.').map(|(_, parent)| parent);
    !host.starts_with('*') && parent.is_some() && wildcard.strip_prefix("*.") == parent
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(hosts: &[&str], secret: &str) -> IngressTls {
        let hosts = hosts.iter().map(|host| (*host).into()).collect();
        IngressTls { hosts, has_bad_hosts: false, secret: secret.into() }
    }

    fn asked(tls: Vec<IngressTls>, host: &str) -> String {
        let ingress = Ingress { tls, ..Ingress::default() };
        match of_host(&ingress, host) {
            TlsWish::Entry(entry) => entry.secret.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_most_specific_entry_counts() {
        let all = || {
            vec![entry(&[], "all"), entry(&["*.b.com"], "wildcard"), entry(&["x.com", "a.b.com"], "named")]
        };
        assert_eq!(asked(all(), "a.b.com"), "named");
        assert_eq!(asked(all(), "c.b.com"), "wildcard");
        for host in ["b.com", "d.c.b.com", "*.c.b.com", "other.com"] {
            assert_eq!(asked(all(), host), "all", "{host}");
        }
        assert_eq!(asked(all(), "*.b.com"), "wildcard");
        assert_eq!(asked(all()[1..].to_vec(), "b.com"), "Plain");
        assert_eq!(asked(Vec::new(), "b.com"), "Plain");
    }

    #[test]
    fn a_host_that_may_have_been_meant_is_not_served_in_plain_text() {
        let bad = IngressTls { has_bad_hosts: true, ..entry(&["a.com"], "s") };
        assert_eq!(asked(vec![bad.clone()], "a.com"), "s");
        assert_eq!(asked(vec![bad.clone()], "b.com"), "Unclear");
        assert_eq!(asked(vec![bad, entry(&["b.com"], "context")], "b.com"), "context");
    }

    #[test]
    fn annotations_come_first() {
        let tls = vec![entry(&[], "s")];
        let ingress = Ingress { tls, enable_tls: true, ..Ingress::default() };
        assert_eq!(of_host(&ingress, "a.com"), TlsWish::Default);
        let ingress = Ingress { passthrough: true, ..ingress };
        assert_eq!(of_host(&ingress, "a.com"), TlsWish::Passthrough);
    }
}
