//! Collecting what is wrong with an object while it is converted.

use ako_core::{Diagnostic, Reason, ResourceId};

/// How many findings about one object are kept; the rest is not reported.
pub const MAX_FINDINGS: usize = 20;

/// How many bytes of a finding's message are kept.
pub const MAX_MESSAGE: usize = 400;

/// The findings about one object.
pub(crate) struct Findings {
    object: ResourceId,
    found: Vec<Diagnostic>,
}

impl Findings {
    /// None yet.
    pub(crate) fn about(object: ResourceId) -> Self {
        Self { object, found: Vec::new() }
    }

    /// Adds one.
    pub(crate) fn add(&mut self, reason: Reason, message: impl AsRef<str>) {
        if self.found.len() < MAX_FINDINGS {
            let message = shortened(message.as_ref()).into();
            self.found.push(Diagnostic { object: self.object.clone(), reason, message });
        }
    }

    /// All that were added.
    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.found
    }
}

/// The text's first [`MAX_MESSAGE`] bytes, cut between characters.
fn shortened(text: &str) -> &str {
    let mut end = text.len().min(MAX_MESSAGE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use ako_core::{NamespacedName, ResourceKind};

    use super::*;

    #[test]
    fn findings_are_bounded() {
        let object = ResourceId { kind: ResourceKind::Ingress, name: NamespacedName::new("ns", "a") };
        let mut findings = Findings::about(object);
        (0..100).for_each(|_| findings.add(Reason::InvalidRule, "ä".repeat(MAX_MESSAGE)));
        let found = findings.into_diagnostics();
        assert_eq!(found.len(), MAX_FINDINGS);
        assert!(found.iter().all(|d| d.message.len() <= MAX_MESSAGE));
    }
}
