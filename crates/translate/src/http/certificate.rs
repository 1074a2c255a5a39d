//! The certificates of a host. Source: L7 objects, §3.5, §5.3.

use std::sync::Arc;

use ako_avi_types::{Certificate, Object, PrivateKey, SslKeyAndCertificate};
use ako_core::secret::Redacted;
use ako_core::{Reason, certificate};

use crate::context::Context;
use crate::http::claim::Tls;
use crate::http::site::Site;
use crate::output::Output;
use crate::unit::ingress_id;

/// Adds the certificates of a host and answers their names, the first one
/// first.
pub(crate) fn add(context: &Context, site: &Site<'_>, tls: &Tls<'_>, out: &mut Output) -> Vec<Arc<str>> {
    let names = context.names();
    let (first, second, host) = if tls.is_default {
        (names.default_certificate(false), names.default_certificate(true), Vec::new())
    } else {
        let host = vec![site.host.clone()];
        (names.child_vs(&site.host), names.alternate_certificate(&site.host), host)
    };
    let secret = tls.secret;
    let pairs = [
        (first, secret.certificate.as_ref(), &secret.key),
        (second, secret.alternate_certificate.as_ref(), &secret.alternate_key),
    ];
    let mut added = Vec::new();
    let source = ingress_id(&site.claims[0].ingress.id);
    for (place, (name, certificate, key)) in pairs.into_iter().enumerate() {
        let Some(certificate) = certificate.filter(|c| !c.is_empty() && !key.is_empty()) else { continue };
        // Without the first pair the host is not served at all, and it was
        // looked at; without the second it is.
        if place > 0
            && let Err(error) = certificate::check(certificate, key)
        {
            let message = format!("the alternate pair of Secret {} cannot be used: {error}", secret.id);
            out.tell(&source, Reason::InvalidSecret, message);
            continue;
        }
        let object = build(context, &name, certificate, key, host.clone());
        if out.add(Object::SslKeyAndCertificate(object), &source) {
            added.push(name.into());
        }
    }
    added
}

fn build(
    context: &Context,
    name: &str,
    certificate: &Arc<str>,
    key: &Redacted,
    host: Vec<Arc<str>>,
) -> SslKeyAndCertificate {
    SslKeyAndCertificate {
        name: name.into(),
        created_by: Some(context.owner.clone()),
        tenant_ref: Some(context.placement.tenant_ref.clone()),
        certificate: Certificate { certificate: certificate.clone() },
        key: PrivateKey::new(key.reveal().clone()),
        certificate_type: "SSL_CERTIFICATE_TYPE_VIRTUALSERVICE".into(),
        ca_certs: Vec::new(),
        markers: context.markers(vec![("Host", host)]),
    }
}
