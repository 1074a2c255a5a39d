//! Secret, core/v1.

use std::fmt;
use std::sync::Arc;

use ako_core::resource::BasicAuth;
use ako_core::secret::Redacted;
use ako_core::{Reason, Resource, ResourceId, ResourceKind, certificate};
use k8s_openapi::ByteString;
use kube::core::ObjectMeta;
use serde::Deserialize;

use crate::convert::{Convert, Converted};
use crate::finding::Findings;
use crate::metadata;

/// A Secret, core/v1: the parts that certificates, and sign-in by OAuth, are made of.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    #[serde(default, deserialize_with = "metadata::slim::<Secret, _>")]
    pub(crate) metadata: ObjectMeta,
    r#type: Option<String>,
    data: Option<Data>,
    /// Only in files; the API server turns it into `data`, over which it wins.
    string_data: Option<StringData>,
}

#[derive(Clone, Default, Deserialize)]
struct Data {
    #[serde(rename = "tls.crt")]
    certificate: Option<ByteString>,
    #[serde(rename = "tls.key")]
    key: Option<ByteString>,
    #[serde(rename = "alt.crt")]
    alternate_certificate: Option<ByteString>,
    #[serde(rename = "alt.key")]
    alternate_key: Option<ByteString>,
    #[serde(rename = "clientSecret")]
    client_secret: Option<ByteString>,
    #[serde(rename = "serverSecret")]
    server_secret: Option<ByteString>,
    username: Option<ByteString>,
    password: Option<ByteString>,
}

#[derive(Clone, Default, Deserialize)]
struct StringData {
    #[serde(rename = "tls.crt")]
    certificate: Option<String>,
    #[serde(rename = "tls.key")]
    key: Option<String>,
    #[serde(rename = "alt.crt")]
    alternate_certificate: Option<String>,
    #[serde(rename = "alt.key")]
    alternate_key: Option<String>,
    #[serde(rename = "clientSecret")]
    client_secret: Option<String>,
    #[serde(rename = "serverSecret")]
    server_secret: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

impl Convert for Secret {
    const SECRET: bool = true;

    /// Only a Secret with a certificate, or with something to sign in with, counts.
    fn convert(self) -> Converted {
        let id = metadata::namespaced_name(&self.metadata);
        let mut findings = Findings::about(ResourceId { kind: ResourceKind::Secret, name: id.clone() });
        let has_data = self.data.is_some() || self.string_data.is_some();
        let (data, plain) = (self.data.unwrap_or_default(), self.string_data.unwrap_or_default());
        let mut text = |key: &str, bytes: Option<ByteString>, plain: Option<String>| -> Option<Arc<str>> {
            if let Some(plain) = plain {
                return Some(plain.into());
            }
            let text = String::from_utf8(bytes?.0).ok();
            if text.is_none() {
                findings.add(Reason::InvalidSecret, format!("{key} is not text"));
            }
            text.map(Into::into)
        };
        let has_certificate = [&data.certificate, &data.alternate_certificate].iter().any(|c| c.is_some())
            || [&plain.certificate, &plain.alternate_certificate].iter().any(|c| c.is_some());
        let has_secret = [&data.client_secret, &data.server_secret].iter().any(|secret| secret.is_some())
            || [&plain.client_secret, &plain.server_secret].iter().any(|secret| secret.is_some());
        let is_for_monitors = self.r#type.as_deref() == Some(BasicAuth::TYPE);
        if !has_certificate && !has_secret && !is_for_monitors {
            return Converted::default();
        }
        let certificate = text("tls.crt", data.certificate, plain.certificate);
        let key = redacted(text("tls.key", data.key, plain.key));
        let alternate = text("alt.crt", data.alternate_certificate, plain.alternate_certificate);
        let alternate_key = redacted(text("alt.key", data.alternate_key, plain.alternate_key));
        let client_secret = text("clientSecret", data.client_secret, plain.client_secret);
        let server_secret = text("serverSecret", data.server_secret, plain.server_secret);
        let basic_auth = is_for_monitors.then(|| BasicAuth {
            username: text("username", data.username, plain.username),
            password: text("password", data.password, plain.password).map(Redacted::new),
            has_data,
            version: self.metadata.resource_version.as_deref().unwrap_or_default().into(),
        });
        let secret = ako_core::resource::Secret {
            id,
            basic_auth,
            client_secret: client_secret.map(Redacted::new),
            server_secret: server_secret.map(Redacted::new),
            certificate: certificate.map(|text| public_part("tls.crt", text, &mut findings)),
            key,
            alternate_certificate: alternate.map(|text| public_part("alt.crt", text, &mut findings)),
            alternate_key,
        };
        Converted { resource: Some(Resource::Secret(secret)), diagnostics: findings.into_diagnostics() }
    }
}

/// A certificate without what stands beside it. A private key there is told.
fn public_part(key: &str, text: Arc<str>, findings: &mut Findings) -> Arc<str> {
    let Some(certificates) = certificate::only_certificates(&text) else { return text };
    if text.contains("PRIVATE KEY") {
        let message = format!(
            "{key} holds a private key; only the certificates in it are sent to the controller, which shows \
             them to its users: take the key out of {key}"
        );
        findings.add(Reason::InvalidSecret, message);
    }
    // What is no certificate at all is refused where it is used, with a reason.
    if certificates.is_empty() && !text.contains("PRIVATE KEY") { text } else { certificates.into() }
}

/// The key, without what stands beside it. What is no key at all is refused where it is
/// used, with a reason.
fn redacted(text: Option<Arc<str>>) -> Redacted {
    let key = text.map(Redacted::new).unwrap_or_default();
    certificate::only_key(&key).filter(|key| !key.is_empty()).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::convert::from_json;

    fn secret(data: &Value, string_data: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ns"},
            "data": data, "stringData": string_data})
    }

    #[test]
    fn a_certificate_and_its_key() {
        let converted =
            from_json(&secret(&json!({"tls.crt": "Y3J0", "tls.key": "a2V5"}), &json!(null))).unwrap();
        let Some(Resource::Secret(secret)) = converted.resource else { panic!("no secret") };
        assert_eq!(secret.certificate.as_deref(), Some("crt"));
        assert_eq!(&**secret.key.reveal(), "key");
        assert_eq!(secret.alternate_certificate, None);
    }

    #[test]
    fn a_file_may_hold_plain_text() {
        let converted =
            from_json(&secret(&json!({"tls.crt": "Y3J0"}), &json!({"tls.crt": "plain"}))).unwrap();
        let Some(Resource::Secret(secret)) = converted.resource else { panic!("no secret") };
        assert_eq!(secret.certificate.as_deref(), Some("plain"));
    }

    #[test]
    fn secrets_for_sign_in_are_read() {
        let converted = from_json(&secret(&json!({"clientSecret": "aHVudGVyMg=="}), &json!(null))).unwrap();
        let Some(Resource::Secret(secret)) = converted.resource else { panic!("no secret") };
        assert_eq!(secret.client_secret.as_ref().map(|secret| &**secret.reveal()), Some("hunter2"));
        assert_eq!((secret.server_secret.is_none(), secret.certificate.is_none()), (true, true));
        assert!(!format!("{secret:?}").contains("hunter2"));
    }

    #[test]
    fn without_a_certificate_it_does_not_count() {
        assert_eq!(
            from_json(&secret(&json!({"tls.key": "a2V5"}), &json!(null))).unwrap(),
            Converted::default()
        );
    }

    #[test]
    fn a_private_key_beside_the_certificate_is_left_out_and_told() {
        let block = |label: &str| format!("-----BEGIN {label}-----\nMA==\n-----END {label}-----\n");
        let both = format!("{}{}", block("CERTIFICATE"), block("RSA PRIVATE KEY"));
        for field in ["tls.crt", "alt.crt"] {
            let mut plain = json!({"tls.crt": block("CERTIFICATE"), "alt.crt": block("CERTIFICATE")});
            plain[field] = both.clone().into();
            let converted = from_json(&secret(&json!(null), &plain)).unwrap();
            let Some(Resource::Secret(secret)) = converted.resource else { panic!("no secret") };
            assert_eq!(secret.certificate.as_deref(), Some(&*block("CERTIFICATE")));
            assert_eq!(secret.alternate_certificate.as_deref(), Some(&*block("CERTIFICATE")));
            let told = converted.diagnostics.iter().map(|d| &*d.message).collect::<Vec<_>>();
            assert!(
                told.len() == 1 && told[0].starts_with(&format!("{field} holds a private key")),
                "{told:?}"
            );
        }
    }

    #[test]
    fn what_is_not_text_is_named() {
        let converted = from_json(&secret(&json!({"tls.crt": "/w=="}), &json!(null))).unwrap();
        assert_eq!(converted.diagnostics.len(), 1);
        assert_eq!(converted.diagnostics[0].reason, Reason::InvalidSecret);
    }

    #[test]
    fn nothing_secret_is_shown() {
        let broken = from_json(&secret(&json!("hunter2"), &json!(null))).unwrap_err();
        assert!(!broken.contains("hunter2"), "{broken}");
        let fine: Secret = serde_json::from_value(secret(&json!({"tls.key": "a2V5"}), &json!(null))).unwrap();
        assert!(!format!("{fine:?}").contains("107"), "{fine:?}");
    }
}
