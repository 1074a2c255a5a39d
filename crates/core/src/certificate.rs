//! Whether a certificate and its key are what they should be, as far as can be
//! told without cryptography. The controller looks closer; what is refused here
//! would only cost it a call.

use std::fmt;

use x509_parser::pem::{Pem, parse_x509_pem};

use crate::secret::Redacted;

/// What is wrong with a certificate or its key. Holds nothing of either.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateError {
    /// The certificate is no PEM block of that kind.
    CertificateIsNoPem,
    /// The PEM block holds no X.509 certificate.
    NoCertificate(String),
    /// The key is no PEM block.
    KeyIsNoPem,
    /// The PEM block in the place of the key is of another kind.
    NoKey(String),
    /// The key needs a password, which there is nobody to ask for.
    EncryptedKey,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CertificateIsNoPem => f.write_str("the certificate is not in PEM"),
            Self::NoCertificate(why) => write!(f, "the certificate cannot be read ({why})"),
            Self::KeyIsNoPem => f.write_str("the key is not in PEM"),
            Self::NoKey(label) => write!(f, "there is a {label:?} in the place of the key"),
            Self::EncryptedKey => f.write_str("the key is encrypted"),
        }
    }
}

impl std::error::Error for CertificateError {}

/// Checks a certificate, of a chain the first one, and the form of its key.
///
/// # Errors
/// What is wrong with them.
pub fn check(certificate: &str, key: &Redacted) -> Result<(), CertificateError> {
    let block = pem(certificate).filter(|block| block.label.ends_with("CERTIFICATE"));
    let block = block.ok_or(CertificateError::CertificateIsNoPem)?;
    block.parse_x509().map_err(|error| CertificateError::NoCertificate(error.to_string()))?;
    let label = pem(key.reveal()).ok_or(CertificateError::KeyIsNoPem)?.label;
    match &*label {
        "ENCRYPTED PRIVATE KEY" => Err(CertificateError::EncryptedKey),
        label if label.ends_with("PRIVATE KEY") => Ok(()),
        _ => Err(CertificateError::NoKey(label)),
    }
}

/// The first block of a PEM text that is neither parameters of the key nor
/// text around it.
fn pem(text: &str) -> Option<Pem> {
    let (rest, block) = parse_x509_pem(text.as_bytes()).ok()?;
    if block.label.ends_with("PARAMETERS") {
        return parse_x509_pem(rest).ok().map(|(_, block)| block);
    }
    Some(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = include_str!("../testdata/certificate.pem");

    fn key(label: &str) -> Redacted {
        Redacted::new(block(label))
    }

    fn block(label: &str) -> String {
        format!("-----BEGIN {label}-----\nMA==\n-----END {label}-----\n")
    }

    #[test]
    fn pairs_pass_whatever_the_format_of_the_key() {
        for label in ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"] {
            assert_eq!(check(CERTIFICATE, &key(label)), Ok(()));
        }
        let chain = format!("{CERTIFICATE}{CERTIFICATE}");
        let with_parameters = format!("{}{}", block("EC PARAMETERS"), block("EC PRIVATE KEY"));
        assert_eq!(check(&chain, &Redacted::new(with_parameters)), Ok(()));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let good = key("PRIVATE KEY");
        assert_eq!(check("junk", &good), Err(CertificateError::CertificateIsNoPem));
        assert_eq!(check("", &good), Err(CertificateError::CertificateIsNoPem));
        assert_eq!(check(&block("PUBLIC KEY"), &good), Err(CertificateError::CertificateIsNoPem));
        let empty = check(&block("CERTIFICATE"), &good);
        assert!(matches!(empty, Err(CertificateError::NoCertificate(_))), "{empty:?}");
        assert_eq!(check(CERTIFICATE, &Redacted::default()), Err(CertificateError::KeyIsNoPem));
        let swapped = check(CERTIFICATE, &Redacted::new(CERTIFICATE));
        assert_eq!(swapped, Err(CertificateError::NoKey("CERTIFICATE".to_owned())));
        let encrypted = check(CERTIFICATE, &key("ENCRYPTED PRIVATE KEY"));
        assert_eq!(encrypted, Err(CertificateError::EncryptedKey));
    }

    #[test]
    fn errors_hold_nothing_of_the_key() {
        let error =
            check(CERTIFICATE, &Redacted::new("hunter2")).map_err(|error| format!("{error} {error:?}"));
        assert!(error.is_err_and(|text| !text.contains("hunter2")));
    }
}
