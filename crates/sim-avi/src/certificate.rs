//! What the Controller reads out of a certificate (Avi REST API contract, §8.4).

use jiff::Timestamp;
use rcgen::PublicKeyData;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use x509_parser::certificate::X509Certificate;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

use crate::clock::printed;
use crate::refusal::{Granted, Refusal};
use crate::store::Fields;

/// Fields of `certificate` that are the PEM itself; replies to writes leave them out.
pub(crate) const PEM_FIELDS: &[&str] = &["certificate", "public_key", "text"];

/// Parses the PEM of an `SSLKeyAndCertificate`, checks that the key belongs to it,
/// and adds issuer, subject, validity and key parameters.
///
/// A certificate that cannot be read, or that is another key's, is a 500 `Import
/// error` (§5).
pub(crate) fn import(object: &mut Fields, now: Timestamp) -> Granted<()> {
    let pem = object.get("certificate").and_then(|certificate| certificate.get("certificate"));
    let Some(pem) = pem.and_then(Value::as_str).map(str::to_owned) else {
        return Err(import_error("no certificate was given"));
    };
    let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes())
        .map_err(|error| import_error(&format!("not a PEM certificate ({error})")))?;
    let certificate = block.parse_x509().map_err(|error| import_error(&format!("{error}")))?;
    if let Some(key) = object.get("key").and_then(Value::as_str).filter(|key| !key.is_empty()) {
        check_key(key, &certificate)?;
    }
    let described = describe(&certificate, &block.contents, now);
    object.insert("key_params".to_owned(), key_parameters(&certificate));
    if let Some(Value::Object(fields)) = object.get_mut("certificate") {
        fields.extend(described);
    }
    Ok(())
}

fn import_error(detail: &str) -> Refusal {
    let error = format!("Import error: {detail}; common_name could not be determined");
    Refusal::new(http::StatusCode::INTERNAL_SERVER_ERROR, error)
}

/// Compares public keys. Keys in a format that cannot be read cheaply (PKCS#1, SEC 1)
/// are only checked to be PEM.
fn check_key(key: &str, certificate: &X509Certificate<'_>) -> Granted<()> {
    let (_, block) = x509_parser::pem::parse_x509_pem(key.as_bytes())
        .map_err(|error| import_error(&format!("not a PEM key ({error})")))?;
    if block.label != "PRIVATE KEY" {
        return if block.label.ends_with("PRIVATE KEY") {
            Ok(())
        } else {
            Err(import_error("not a private key"))
        };
    }
    let pair = rcgen::KeyPair::from_pem(key).map_err(|error| import_error(&error.to_string()))?;
    if pair.subject_public_key_info() == certificate.public_key().raw {
        Ok(())
    } else {
        Err(import_error("the key is not the certificate's"))
    }
}

fn describe(certificate: &X509Certificate<'_>, der: &[u8], now: Timestamp) -> Fields {
    let time = |seconds| Timestamp::from_second(seconds).map(printed).unwrap_or_default();
    let validity = certificate.validity();
    let left = validity.not_after.timestamp() - now.as_second();
    let expiry = if left > 0 { "SSL_CERTIFICATE_GOOD" } else { "SSL_CERTIFICATE_EXPIRED" };
    let fingerprint: Vec<String> = Sha1::digest(der).iter().map(|byte| format!("{byte:02X}")).collect();
    let mut fields = Fields::new();
    let mut set = |key: &str, value: Value| fields.insert(key.to_owned(), value);
    set("version", certificate.version().0.into());
    set("serial_number", certificate.tbs_certificate.serial.to_string().into());
    set("self_signed", (certificate.issuer() == certificate.subject()).into());
    set("issuer", distinguished(certificate.issuer()));
    set("subject", distinguished(certificate.subject()));
    set("signature_algorithm", signature(&certificate.signature_algorithm.algorithm.to_id_string()).into());
    set("not_before", time(validity.not_before.timestamp()).into());
    set("not_after", time(validity.not_after.timestamp()).into());
    set("fingerprint", format!("SHA1 Fingerprint={}", fingerprint.join(":")).into());
    set("expiry_status", expiry.into());
    set("days_until_expire", left.div_euclid(86_400).into());
    fields
}

fn distinguished(name: &X509Name<'_>) -> Value {
    let mut fields = json!({ "distinguished_name": name.to_string() });
    let parts = [
        ("common_name", name.iter_common_name().find_map(|part| part.as_str().ok())),
        ("organization", name.iter_organization().find_map(|part| part.as_str().ok())),
        ("organization_unit", name.iter_organizational_unit().find_map(|part| part.as_str().ok())),
        ("locality", name.iter_locality().find_map(|part| part.as_str().ok())),
        ("state", name.iter_state_or_province().find_map(|part| part.as_str().ok())),
        ("country", name.iter_country().find_map(|part| part.as_str().ok())),
    ];
    for (key, value) in parts {
        if let Some(value) = value {
            fields[key] = value.into();
        }
    }
    fields
}

/// The names the Controller uses; an algorithm it does not know keeps its number.
fn signature(oid: &str) -> String {
    match oid {
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.3.101.112" => "ED25519",
        other => other,
    }
    .to_owned()
}

fn key_parameters(certificate: &X509Certificate<'_>) -> Value {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => json!({
            "algorithm": "SSL_KEY_ALGORITHM_RSA",
            "rsa_params": { "key_size": format!("SSL_KEY_{}_BITS", key.key_size()), "exponent": 65537 },
        }),
        Ok(PublicKey::EC(point)) => {
            let curve = match point.key_size() {
                384 => "SSL_KEY_EC_CURVE_SECP384R1",
                521 | 528 => "SSL_KEY_EC_CURVE_SECP521R1",
                _ => "SSL_KEY_EC_CURVE_SECP256R1",
            };
            json!({ "algorithm": "SSL_KEY_ALGORITHM_EC", "ec_params": { "curve": curve } })
        }
        _ => json!({ "algorithm": "SSL_KEY_ALGORITHM_UNKNOWN" }),
    }
}
