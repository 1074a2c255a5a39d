//! The form of host names: of Ingresses, of names for DNS, of what goes into a status.
//! Source: Kubernetes documentation, "Object Names and IDs"; API reference, IngressRule;
//! RFC 1123, section 2.1.

/// The longest DNS label.
pub const LABEL_LIMIT: usize = 63;
/// The longest DNS name.
pub const NAME_LIMIT: usize = 253;

/// Whether a text is a DNS name, or a wildcard and one.
pub fn is_host(host: &str) -> bool {
    is_dns_name(host.strip_prefix("*.").unwrap_or(host))
}

/// Whether a text is a DNS name, in lower case and without a final dot.
pub fn is_dns_name(name: &str) -> bool {
    name.len() <= NAME_LIMIT
        && name.split('.').all(|label| label.len() <= LABEL_LIMIT && is_label_text(label))
}

/// Whether a text has lower-case letters, digits and inner hyphens only.
pub fn is_label_text(label: &str) -> bool {
    let letter_or_digit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = label.as_bytes();
    bytes.iter().all(|&b| letter_or_digit(b) || b == b'-')
        && bytes.first().is_some_and(|&b| letter_or_digit(b))
        && bytes.last().is_some_and(|&b| letter_or_digit(b))
}

/// Whether a host is a domain or lies under it, label by label.
pub fn is_in_domain(host: &str, domain: &str) -> bool {
    let domain = domain.trim_matches('.');
    let rest = host.strip_suffix(domain);
    domain.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
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
        let many = format!("{}com", "a.".repeat(126));
        for bad in
            ["", "*", "*.", "a..b", ".a", "a.", "-a", "a-", "A.com", "a_b", "a.*.b", "a b", &long, &many]
        {
            assert!(!is_host(bad), "{bad}");
        }
        assert!(!is_dns_name("*.a.b") && is_dns_name("a.b"));
    }

    #[test]
    fn a_domain_ends_at_a_dot() {
        for (host, domain) in
            [("a.b.com", "b.com"), ("b.com", "b.com"), ("*.b.com", "b.com"), ("a.b.com", ".b.com")]
        {
            assert!(is_in_domain(host, domain), "{host} {domain}");
        }
        for (host, domain) in [("notb.com", "b.com"), ("com", "b.com"), ("b.com.org", "b.com")] {
            assert!(!is_in_domain(host, domain), "{host} {domain}");
        }
    }
}
