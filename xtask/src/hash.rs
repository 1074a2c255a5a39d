//! FNV-1a: whether a text is the one that it was.

use std::fmt;

/// The hash of what was added.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    /// The hash of parts and of their borders, as text.
    pub(crate) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut hash = Self::default();
        for part in parts {
            hash.add(part);
            hash.add(&[0]);
        }
        hash.to_string()
    }

    /// Adds bytes; where one part ends and the next begins makes no difference.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_every_border_counts() {
        let of = |parts: &[&str]| Hash::of(parts.iter().map(|part| part.as_bytes()));
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["ab"]), of(&["ba"]));
        assert_ne!(of(&["ab"]), of(&["ab", ""]));
    }
}
