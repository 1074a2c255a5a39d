//! What instances tell each other about namespaces that change hands.
//!
//! The instance that had a namespace says that it does not write for it any more,
//! and to whom it lets it go. The new owner says when everything of it is taken
//! over. Each does what is irreversible only upon the word of the other one. A
//! word stands in annotation [`crate::annotation::HANDOVER`] of the StatefulSet of
//! the instance, which all instances watch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The most namespaces that an instance lets go at a time, and the most that it
/// answers: annotations have to fit into 256 KiB. The others follow when some of
/// these are done.
pub const MOST: usize = 500;

/// What an instance says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Word {
    /// The namespaces that it let go.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub let_go: BTreeMap<Arc<str>, LetGo>,
    /// The tokens of what others let go and it has taken over.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub taken_over: BTreeSet<Arc<str>>,
}

/// A namespace was let go: no write of it is under way, and none is begun before
/// this word is withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetGo {
    /// The namespace of the instance that it belongs to now.
    pub to: Arc<str>,
    /// Names this hand-over and no other one.
    pub token: Arc<str>,
}

impl Word {
    /// Reads an annotation. What cannot be understood says nothing.
    pub fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The annotation's value; `None` if there is nothing to say.
    pub fn to_text(&self) -> Option<String> {
        let is_empty = self.let_go.is_empty() && self.taken_over.is_empty();
        (!is_empty).then(|| serde_json::to_string(self).unwrap_or_default())
    }

    /// What it says of a namespace that is let go to an instance.
    pub fn lets_go(&self, namespace: &str, to: &str) -> Option<&LetGo> {
        self.let_go.get(namespace).filter(|let_go| &*let_go.to == to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_as_it_was_written() {
        let text = r#"{"letGo":{"red":{"to":"blue","token":"t-1"}},"takenOver":["t-7"]}"#;
        let word = Word::parse(text);
        assert_eq!(word.lets_go("red", "blue").map(|let_go| &*let_go.token), Some("t-1"));
        assert_eq!(word.lets_go("red", "green"), None);
        assert_eq!(word.to_text().as_deref(), Some(text));
        assert_eq!(Word::default().to_text(), None);
    }

    #[test]
    fn what_cannot_be_understood_says_nothing() {
        for text in ["", "null", "[]", "{", r#"{"letGo":7}"#, r#"{"letGo":{"red":{"to":"blue"}}}"#] {
            assert_eq!(Word::parse(text), Word::default(), "{text}");
        }
    }
}
