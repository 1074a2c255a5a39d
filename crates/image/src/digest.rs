//! By what the parts of an image are named.

use sha2::{Digest as _, Sha256};

/// The digest of bytes, as images write it.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}
