//! The files of the image.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Where the program is: the folder is the image's `PATH`.
pub const PROGRAM: &str = "/usr/local/bin/ako";
/// The certificates of the authorities that Mozilla trusts.
pub const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// What the program is made of.
pub const BILL: &str = "/usr/share/sbom/ako.cdx.json";
/// The number of the user and of the group: nobody that a node knows.
pub const USER: u32 = 65_532;

/// A file or a folder, which belongs to root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Without the first slash.
    pub(crate) path: String,
    pub(crate) mode: u32,
    /// None for a folder.
    pub(crate) content: Option<Vec<u8>>,
}

/// Everything that is in the image, sorted by path.
pub(crate) fn entries(program: &[u8], bill: &[u8]) -> Vec<Entry> {
    let passwd = format!("root:x:0:0:root:/:/sbin/nologin\nako:x:{USER}:{USER}:ako:/:/sbin/nologin\n");
    let group = format!("root:x:0:\nako:x:{USER}:\n");
    let certificates = certificates();
    let files = [
        ("/etc/group", 0o644, group.as_bytes()),
        ("/etc/passwd", 0o644, passwd.as_bytes()),
        (CERTIFICATES, 0o644, certificates.as_bytes()),
        (BILL, 0o644, bill),
        (PROGRAM, 0o755, program),
    ];
    let mut entries = vec![Entry { path: "tmp".to_owned(), mode: 0o1777, content: None }];
    for (path, mode, content) in files {
        let path = path.trim_start_matches('/');
        let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
        entries.extend(folders.map(|path| Entry { path: path.to_owned(), mode: 0o755, content: None }));
        entries.push(Entry { path: path.to_owned(), mode, content: Some(content.to_vec()) });
    }
    // A folder comes before what is in it.
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries.dedup();
    entries
}

/// In PEM. From a crate, so that they are those of `Cargo.lock` and not those of this machine.
fn certificates() -> String {
    let mut text = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        let code = STANDARD.encode(certificate);
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let mut rest = code.as_str();
        while !rest.is_empty() {
            let (line, next) = rest.split_at(rest.len().min(64));
            text.push_str(line);
            text.push('\n');
            rest = next;
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject as _;

    #[test]
    fn the_certificates_are_read_back() {
        let text = certificates();
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        assert_eq!(read.unwrap(), webpki_root_certs::TLS_SERVER_ROOT_CERTS);
    }
}
