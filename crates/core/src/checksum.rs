//! Upstream's checksums, reproduced to the byte, so that a running
//! installation is taken over without a write. Source: L7 objects, §4.2.
//!
//! They are sums of 32-bit hashes and collide more easily than one would wish;
//! nothing of ours relies on them alone: objects are compared field by field.

use std::sync::Arc;

use ako_avi_types::Marker;

/// FNV-1a, 32 bit, of the UTF-8 bytes.
pub fn hash(text: &str) -> u32 {
    text.bytes().fold(2_166_136_261, |h, byte| (h ^ u32::from(byte)).wrapping_mul(16_777_619))
}

/// Adds up hashes as upstream does, wrapping at 2^32.
#[derive(Clone, Copy, Debug)]
pub struct Checksum(u32);

impl Checksum {
    /// Starts with what every object's checksum contains: the cluster's label.
    pub fn of_cluster(cluster: &str) -> Self {
        Self(hash(&format!("clustername{cluster}")))
    }

    /// Adds the hash of a text.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.number(hash(text))
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, number: u32) -> Self {
        Self(self.0.wrapping_add(number))
    }

    /// Adds the hash of the markers, without the first (the cluster's), which
    /// is in every checksum already.
    #[must_use]
    pub fn markers(self, markers: &[Marker]) -> Self {
        let mut fields: Vec<String> = markers.iter().skip(1).map(joined_values).collect();
        if fields.is_empty() {
            return self;
        }
        fields.sort_unstable();
        self.text(&fields.concat())
    }

    /// The decimal text that goes on the wire.
    pub fn finish(self) -> Arc<str> {
        self.0.to_string().into()
    }

    /// The number itself, for checksums that go into others.
    pub fn value(self) -> u32 {
        self.0
    }
}

fn joined_values(marker: &Marker) -> String {
    let mut values: Vec<&str> = marker.values.iter().map(|v| &**v).collect();
    values.sort_unstable();
    values.join("-")
}

/// SHA-1 in hex: what upstream makes EVH names of.
pub fn sha1_hex(text: &str) -> String {
    use sha1::{Digest as _, Sha1};
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha1::digest(text.as_bytes());
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_vectors() {
        assert_eq!(hash("foo.com"), 1_101_858_200);
        assert_eq!(hash("app.example.com"), 3_712_403_787);
        assert_eq!(hash("api.example.com"), 183_185_540);
        assert_eq!(hash(""), 2_166_136_261);
    }

    #[test]
    fn sha1_vector() {
        assert_eq!(sha1_hex("cluster--foo.com"), "532fd312059d5096118cb0bc3d1135a36cc4f826");
    }
}
