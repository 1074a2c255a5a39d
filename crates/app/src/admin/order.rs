//! Who may have a running operator change something: a person or a program on
//! its loopback, by `kubectl exec` or a port-forward, but no web page that a
//! browser on such a machine happens to show.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName};

/// A request that changes something carries this header. A browser does not
/// send it for a page of another origin without asking first, which nobody
/// answers.
pub const ORDER_HEADER: HeaderName = HeaderName::from_static("x-ako-order");

/// A request on loopback with this header gets a state that was made for it,
/// not one of up to a second ago.
pub const FRESH_HEADER: HeaderName = HeaderName::from_static("x-ako-fresh");

/// Whether a request may change something, or why not.
pub(super) fn may_order(caller: SocketAddr, headers: &HeaderMap) -> Result<(), &'static str> {
    if !caller.ip().is_loopback() {
        return Err("only from within the pod, or through a port-forward");
    }
    if !headers.contains_key(ORDER_HEADER) {
        return Err("header X-Ako-Order is missing: use `ako`, or add `-H 'X-Ako-Order: 1'`");
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host.filter(|host| is_here(host)) else {
        return Err("header Host names neither localhost nor an address");
    };
    match headers.get(ORIGIN).map(|origin| origin.to_str()) {
        None => Ok(()),
        Some(Ok(origin)) if origin.strip_prefix("http://") == Some(host) => Ok(()),
        Some(_) => Err("header Origin names another site"),
    }
}

/// Whether a request may have a report made for it.
pub(super) fn may_ask_for_fresh(caller: SocketAddr, headers: &HeaderMap) -> bool {
    caller.ip().is_loopback() && headers.contains_key(FRESH_HEADER)
}

/// Whether this is how the operator is reached: as localhost, or by an address.
/// Any other name may be one that a stranger has led here.
fn is_here(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn verdict(caller: &str, headers: &[(HeaderName, &'static str)]) -> Result<(), &'static str> {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        may_order(SocketAddr::new(caller.parse().unwrap_or(IpAddr::from([192, 0, 2, 1])), 1), &headers)
    }

    #[test]
    fn the_command_line_and_curl_may() {
        for host in ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "10.1.2.3:8080"] {
            let headers = [(ORDER_HEADER, "1"), (HOST, host)];
            assert_eq!(verdict("127.0.0.1", &headers), Ok(()), "{host}");
            assert_eq!(verdict("::1", &headers), Ok(()), "{host}");
        }
    }

    #[test]
    fn another_machine_may_not() {
        let why = verdict("10.1.2.3", &[(ORDER_HEADER, "1"), (HOST, "10.1.2.4:8080")]);
        assert!(why.is_err_and(|why| why.contains("port-forward")));
    }

    #[test]
    fn a_request_that_any_page_can_send_may_not() {
        let why = verdict("127.0.0.1", &[(HOST, "localhost:8080")]);
        assert!(why.is_err_and(|why| why.contains("X-Ako-Order")));
    }

    #[test]
    fn a_page_whose_name_leads_here_may_not() {
        for host in ["evil.example.com", "evil.example.com:8080", "localhost.evil.example.com", ""] {
            let why = verdict("127.0.0.1", &[(ORDER_HEADER, "1"), (HOST, host)]);
            assert!(why.is_err_and(|why| why.contains("Host")), "{host}");
        }
        assert!(verdict("127.0.0.1", &[(ORDER_HEADER, "1")]).is_err(), "no Host at all");
    }

    #[test]
    fn a_page_of_another_origin_may_not() {
        let ours = [(ORDER_HEADER, "1"), (HOST, "localhost:8080")];
        let with = |origin| verdict("127.0.0.1", &[ours[0].clone(), ours[1].clone(), (ORIGIN, origin)]);
        assert_eq!(with("http://localhost:8080"), Ok(()));
        for origin in ["https://evil.example.com", "http://localhost:3000", "http://10.1.1.1", "null"] {
            assert!(with(origin).is_err_and(|why| why.contains("Origin")), "{origin}");
        }
    }
}
