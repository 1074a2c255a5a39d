//! What is known of objects on the Avi Controller that objects of the cluster refer to by name,
//! and that are not this operator's to make: a WAF policy, a network, a Service Engine group.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_avi_types::{Brief, Referred};

use crate::kinds::key::Key;

/// What a look at the controller told of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// It was not answered yet.
    NotAsked,
    /// The object is not there.
    Missing,
    /// It is there.
    Found(Brief),
    /// The controller does not tell, and never told, for this reason.
    Unreadable(Arc<str>),
}

/// The looks that were answered.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    known: BTreeMap<Referred, Look>,
}

impl Catalogue {
    /// What is known of an object.
    pub fn look(&self, referred: &Referred) -> &Look {
        self.known.get(referred).unwrap_or(&Look::NotAsked)
    }

    /// Takes over what was told of an object; `Look::NotAsked` forgets it. Answers the key, if that
    /// is news.
    pub fn learn(&mut self, referred: &Referred, look: Look) -> Option<Key> {
        if *self.look(referred) == look {
            return None;
        }
        match look {
            Look::NotAsked => drop(self.known.remove(referred)),
            look => drop(self.known.insert(referred.clone(), look)),
        }
        Some(Key::Controller(referred.clone()))
    }

    /// The objects of which something is known.
    pub fn known(&self) -> impl Iterator<Item = (&Referred, &Look)> {
        self.known.iter()
    }
}

#[cfg(test)]
mod tests {
    use ako_avi_types::Kind;

    use super::*;

    #[test]
    fn only_what_is_news_touches_a_key() {
        let (mut catalogue, referred) =
            (Catalogue::default(), Referred::named(Kind::WafPolicy, "admin", "strict"));
        assert_eq!(*catalogue.look(&referred), Look::NotAsked);
        assert_eq!(catalogue.learn(&referred, Look::NotAsked), None);
        let key = Some(Key::Controller(referred.clone()));
        assert_eq!(catalogue.learn(&referred, Look::Missing), key);
        assert_eq!(catalogue.learn(&referred, Look::Missing), None);
        assert_eq!(catalogue.learn(&referred, Look::Found(Brief::default())), key);
        assert_eq!(catalogue.learn(&referred, Look::NotAsked), key);
        assert_eq!(catalogue.known().count(), 0);
    }
}
