//! Values that must not be seen.

use std::fmt;
use std::sync::Arc;

/// Text that never shows in logs, plans or error texts: its `Debug` and
/// `Display` print `[redacted]`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Redacted(Arc<str>);

impl Redacted {
    /// Wraps a secret text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself. Whoever asks is responsible for where it goes.
    pub fn reveal(&self) -> &Arc<str> {
        &self.0
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
