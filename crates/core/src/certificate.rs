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
    // The old form says so in a header, which is no part of PEM any more (RFC 1421).
    if key.reveal().lines().any(|line| line.starts_with("Proc-Type:") && line.contains("ENCRYPTED")) {
        return Err(CertificateError::EncryptedKey);
    }
    let label = pem(key.reveal()).ok_or(CertificateError::KeyIsNoPem)?.label;
    match &*label {
        "ENCRYPTED PRIVATE KEY" => Err(CertificateError::EncryptedKey),
        label if label.ends_with("PRIVATE KEY") => Ok(()),
        _ => Err(CertificateError::NoKey(label)),
    }
}

/// Checks certificates that others are verified with: at least one, each readable.
///
/// # Errors
/// What is wrong with them.
pub fn check_authority(certificates: &str) -> Result<(), CertificateError> {
    let mut found = false;
    for block in Pem::iter_from_buffer(certificates.as_bytes()) {
        let block = block.map_err(|_| CertificateError::CertificateIsNoPem)?;
        if !block.label.ends_with("CERTIFICATE") {
            return Err(CertificateError::CertificateIsNoPem);
        }
        block.parse_x509().map_err(|error| CertificateError::NoCertificate(error.to_string()))?;
        found = true;
    }
    if found { Ok(()) } else { Err(CertificateError::CertificateIsNoPem) }
}

/// The CERTIFICATE blocks of a PEM text, as they are written there; `None` if it
/// holds nothing else.
///
/// Files often hold a chain together with its key, and the controller shows the
/// certificate to everybody who may look at it: nothing else may go there.
pub fn only_certificates(text: &str) -> Option<String> {
    only_blocks(text, |label| label.ends_with("CERTIFICATE"))
}

/// The blocks of a PEM text that make a key; `None` if it holds nothing else.
pub fn only_key(key: &Redacted) -> Option<Redacted> {
    let is_of_key = |label: &str| label.ends_with("PRIVATE KEY") || label.ends_with("PARAMETERS");
    only_blocks(key.reveal(), is_of_key).map(Redacted::new)
}

/// The blocks of a PEM text with such labels; `None` if it holds nothing else.
fn only_blocks(text: &str, is_wanted: impl Fn(&str) -> bool) -> Option<String> {
    let (mut blocks, mut block, mut other) = (String::new(), String::new(), false);
    for line in text.split_inclusive('\n') {
        let label = line.trim();
        if let Some(begun) = label.strip_prefix("-----BEGIN ") {
            let is_wanted = begun.strip_suffix("-----").is_some_and(&is_wanted);
            // A block that does not end is none.
            other |= !block.is_empty() || !is_wanted;
            block.clear();
            if is_wanted {
                block.push_str(line);
            }
        } else if block.is_empty() {
            other |= !label.is_empty();
        } else {
            block.push_str(line);
            if label.starts_with("-----END ") {
                blocks.push_str(&std::mem::take(&mut block));
            }
        }
    }
    (other || !block.is_empty()).then_some(blocks)
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
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMA==\n\
                   -----END RSA PRIVATE KEY-----\n";
        assert_eq!(check(CERTIFICATE, &Redacted::new(old)), Err(CertificateError::EncryptedKey));
    }

    #[test]
    fn a_certificate_is_sent_without_what_stands_beside_it() {
        let chain = format!("{CERTIFICATE}{CERTIFICATE}");
        assert_eq!(only_certificates(&chain), None);
        assert_eq!(only_certificates(&format!("\n{CERTIFICATE}\n")), None);
        let key = block("PRIVATE KEY");
        for text in [
            format!("{key}{chain}"),
            format!("{chain}{key}"),
            format!("{CERTIFICATE}{key}{CERTIFICATE}"),
            format!("subject=hunter2\r\n{chain}"),
            format!("{chain}{}", block("EC PARAMETERS")),
            format!("{chain}-----BEGIN CERTIFICATE-----\n{key}"),
        ] {
            let sent = only_certificates(&text).unwrap();
            assert_eq!(sent, chain, "{text}");
        }
        let trusted = block("TRUSTED CERTIFICATE");
        assert_eq!(only_certificates(&trusted), None);
    }

    #[test]
    fn a_key_is_sent_without_what_stands_beside_it() {
        let key = format!("{}{}", block("EC PARAMETERS"), block("EC PRIVATE KEY"));
        assert_eq!(only_key(&Redacted::new(&*key)), None);
        let bundle = Redacted::new(format!("Bag Attributes\n{CERTIFICATE}{key}{CERTIFICATE}"));
        assert_eq!(only_key(&bundle).map(|key| key.reveal().to_string()), Some(key));
    }

    #[test]
    fn errors_hold_nothing_of_the_key() {
        let error =
            check(CERTIFICATE, &Redacted::new("hunter2")).map_err(|error| format!("{error} {error:?}"));
        assert!(error.is_err_and(|text| !text.contains("hunter2")));
    }
}
