//! The certificates of a host. Source: L7 objects, §3.5, §5.3.

use std::sync::Arc;

use ako_avi_types::certificate::CaCertificate;
use ako_avi_types::{Certificate, Kind, Object, PrivateKey, Ref, SslKeyAndCertificate};
use ako_core::secret::Redacted;
use ako_core::{Reason, certificate};

use crate::context::Context;
use crate::http::site::Site;
use crate::http::tls::Tls;
use crate::output::Output;

/// The certificates of a host that were added.
#[derive(Debug, Default)]
pub(crate) struct Added {
    /// Their names, the first one first.
    pub(crate) names: Vec<Arc<str>>,
    /// The name of what signed the first one, if that is given by itself.
    pub(crate) authority: Option<Arc<str>>,
    /// The names of those of the controller, which are not ours.
    pub(crate) of_controller: Vec<Arc<str>>,
}

impl Added {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.of_controller.is_empty()
    }

    /// References to all of them.
    pub(crate) fn references(&self) -> Vec<Ref> {
        let all = self.of_controller.iter().chain(&self.names);
        all.map(|name| Ref::named(Kind::SslKeyAndCertificate, name.clone())).collect()
    }

    /// What upstream's checksum of a virtual service covers of them.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = String> {
        let own = self.names.iter().map(|name| format!("SSLKeyCert{name}"));
        let authority = self.authority.iter().map(|name| format!("CACert{name}"));
        let of_controller = self.of_controller.iter().map(|name| {
            format!("SslKeyAndCertificate{}", Ref::named(Kind::SslKeyAndCertificate, name.clone()).plain())
        });
        own.chain(authority).chain(of_controller)
    }
}

/// Adds the certificates of a host.
pub(crate) fn add(context: &Context, site: &Site<'_>, tls: &Tls<'_>, out: &mut Output) -> Added {
    let names = context.names();
    let source = site.claims[0].by.id();
    let of_controller = tls.of_controller.iter().map(|name| (*name).clone()).collect();
    let mut added = Added { of_controller, ..Added::default() };
    let (first, second, host) = if tls.is_default {
        (names.default_certificate(false), names.default_certificate(true), Vec::new())
    } else {
        let host = vec![site.host.clone()];
        (names.child_vs(&site.host), names.alternate_certificate(&site.host), host)
    };
    if let Some(ca) = tls.ca {
        let name = names.authority_certificate(&site.host);
        let object = SslKeyAndCertificate {
            certificate_type: "SSL_CERTIFICATE_TYPE_CA".into(),
            ..build(context, &name, ca, &Redacted::default(), host.clone())
        };
        added.authority = out.add(Object::SslKeyAndCertificate(object), &source).then(|| name.into());
    }
    if let Some((certificate, key)) = tls.pair {
        let mut object = build(context, &first, certificate, key, host.clone());
        object.ca_certs.extend(added.authority.iter().map(|name| CaCertificate {
            name: name.clone(),
            ca_ref: Some(Ref::named(Kind::SslKeyAndCertificate, name.clone())),
        }));
        if out.add(Object::SslKeyAndCertificate(object), &source) {
            added.names.push(first.into());
        }
    }
    let Some((alternate, key, secret)) = tls.alternate else { return added };
    // Without the first pair the host is not served at all, and it was looked at; without the
    // second it is.
    if let Err(error) = certificate::check(alternate, key) {
        let message = format!("the alternate pair of Secret {secret} cannot be used: {error}");
        out.tell(&source, Reason::InvalidSecret, message);
        return added;
    }
    let object = build(context, &second, alternate, key, host);
    if out.add(Object::SslKeyAndCertificate(object), &source) {
        added.names.push(second.into());
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
