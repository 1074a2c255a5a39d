//! What the engine does about names that units and fronts read on the controller:
//! [`Lookups`](crate::lookups::Lookups) are what it knows of when to ask for them.

use std::collections::BTreeSet;

use ako_avi_types::{Brief, Failure, Referred};
use ako_core::Look;
use ako_elect::Moment;

use crate::engine::{Cause, Engine};
use crate::event::Effect;

/// Something that is looked up, and who waits for it or goes by it, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// What is looked up.
    pub referred: Referred,
    /// The hosts, Services and rules that wait for it: some of them.
    pub by: Vec<String>,
}

/// The most that are told of one name.
const MOST_TOLD: usize = 3;

impl Engine {
    /// Takes note of the names that are read after a translation. What has to be known first
    /// waits because of an edit or not, and so does what follows from the answer.
    pub(crate) fn note_names(&mut self, by_edit: bool) {
        for name in self.lookups.read(self.desired.referred(), by_edit) {
            self.snapshot.learn(&name, Look::NotAsked);
        }
    }

    /// The controller told of these.
    pub(crate) fn looked_up(
        &mut self,
        answers: Vec<(Referred, Result<Option<Brief>, Failure>)>,
        now: Moment,
    ) {
        let (mut explained, mut unexplained) = (BTreeSet::new(), BTreeSet::new());
        for (name, answer) in answers {
            let known = self.snapshot.look(&name);
            let Some(told) = self.lookups.answered(&name, answer, known, now) else { continue };
            let touched = if told.explains { &mut explained } else { &mut unexplained };
            touched.extend(self.snapshot.learn(&name, told.look));
        }
        self.lookups.all_answered();
        self.touch(unexplained, Cause::List, now);
        self.touch(explained, Cause::Edit, now);
    }

    /// Asks for what is to be asked for.
    pub(crate) fn ask(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if self.is_translated() && self.lookups.translated() {
            self.look_at_unproven(now);
        }
        effects.extend(self.lookups.ask(now).map(Effect::LookUp));
    }

    /// Whether what is wanted is not known yet, as an answer of the controller is to come or to be
    /// translated: then nothing is begun. A name with which nothing but errors come is not waited
    /// for; what reads it is.
    pub(crate) fn awaits_answers(&self) -> bool {
        self.lookups.waits() && (self.touched.is_some() || self.lookups.keeps_from_beginning())
    }

    /// What is looked up for the first time, at most so many.
    pub fn awaited_names(&self, most: usize) -> Vec<Awaited> {
        let names = self.lookups.unanswered().iter().take(most);
        names.map(|name| Awaited { referred: name.clone(), by: self.readers_of_name(name) }).collect()
    }

    fn readers_of_name(&self, name: &Referred) -> Vec<String> {
        self.desired.readers_of_name(name).take(MOST_TOLD).map(ToString::to_string).collect()
    }
}
