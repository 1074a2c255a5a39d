//! What the controller is asked about objects that others refer to by name, and when.
//!
//! A name is asked for as soon as a unit or a front reads it, and again: if the object is missing,
//! with growing pauses; if it is there, with each full reading of the controller. An answer that is
//! an error changes nothing of what is known. Who leads does not matter: all replicas ask.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ako_avi_types::{Brief, ErrorClass, Failure, Referred};
use ako_core::Look;
use ako_elect::Moment;

/// The most names that are asked for at a time; the others wait for the answer.
pub const MOST_LOOKS_AT_A_TIME: usize = 50;
/// What is known is asked for again after this at the earliest, doubled with each answer that
/// the object is missing, or that is an error…
const FIRST_WAIT: Duration = Duration::from_secs(15);
/// …up to this.
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// What nothing is known of yet is tried again after this, doubled as well.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// After so many errors in a row, the start waits for a name no longer.
const ERRORS_OF_ONE: u32 = 3;
/// Doublings beyond this make no difference to the limit above.
const MOST_DOUBLINGS: u32 = 10;

/// What an answer comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// What is known now.
    pub(crate) look: Look,
    /// Whether it explains what is lost because of it: what made it be asked for does, or that
    /// somebody made the object. That an object is gone explains nothing.
    pub(crate) explains: bool,
}

/// A name that is read.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Whether a watched edit made it be read.
    by_edit: bool,
    /// When it was answered last.
    answered: Option<Moment>,
    /// When it is asked for; `None` while the answer is on its way, or no answer is missing.
    due: Option<Moment>,
    /// How many answers in a row were no good.
    vain: u32,
}

/// The names that are read, and what is asked about them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lookups {
    names: BTreeMap<Referred, Entry>,
    timers: BTreeSet<(Moment, Referred)>,
    /// The names of which nothing is known yet.
    unanswered: BTreeSet<Referred>,
    /// Whether answers are on their way.
    under_way: bool,
    /// Whether something waits for an answer, or was not translated since it came.
    waits: bool,
}

impl Lookups {
    /// These names are read now, and no others; because of an edit, or of a list. Answers those
    /// that are read no longer.
    pub(crate) fn read<'a>(
        &mut self,
        names: impl Iterator<Item = &'a Referred>,
        by_edit: bool,
    ) -> Vec<Referred> {
        let read: BTreeSet<_> = names.collect();
        let gone: Vec<_> = self.names.keys().filter(|name| !read.contains(name)).cloned().collect();
        for name in &gone {
            self.ask_at(name, None);
            self.unanswered.remove(name);
            self.names.remove(name);
        }
        for name in read {
            if !self.names.contains_key(name) {
                let entry = Entry { by_edit, answered: None, due: None, vain: 0 };
                self.names.insert(name.clone(), entry);
                self.unanswered.insert(name.clone());
                // Before all that is asked for again.
                self.ask_at(name, Some(Moment::default()));
                self.waits = true;
            }
        }
        gone
    }

    /// What is to be asked for now.
    pub(crate) fn ask(&mut self, now: Moment) -> Option<BTreeSet<Referred>> {
        if self.under_way {
            return None;
        }
        let due = self.timers.iter().take_while(|(at, _)| *at <= now);
        let asked: BTreeSet<_> = due.take(MOST_LOOKS_AT_A_TIME).map(|(_, name)| name.clone()).collect();
        for name in &asked {
            self.ask_at(name, None);
        }
        self.under_way = !asked.is_empty();
        self.under_way.then_some(asked)
    }

    /// All that was asked for is answered.
    pub(crate) fn all_answered(&mut self) {
        self.under_way = false;
    }

    /// A name is answered, of which this was known. `None` if that changes nothing.
    pub(crate) fn answered(
        &mut self,
        name: &Referred,
        answer: Result<Option<Brief>, Failure>,
        known: &Look,
        now: Moment,
    ) -> Option<Told> {
        let entry = self.names.get_mut(name)?;
        entry.answered = Some(now);
        entry.vain = if matches!(answer, Ok(Some(_))) { 0 } else { entry.vain.saturating_add(1) };
        let first = if *known == Look::NotAsked && answer.is_err() { FIRST_RETRY } else { FIRST_WAIT };
        let wait = (first * (1 << entry.vain.saturating_sub(1).min(MOST_DOUBLINGS))).min(LONGEST_WAIT);
        let asked = match &answer {
            Err(failure) => Duration::from_millis(failure.retry_after_ms.unwrap_or(0)),
            Ok(_) => Duration::ZERO,
        };
        let by_edit = entry.by_edit;
        let look = match answer {
            Ok(Some(brief)) => Look::Found(brief),
            Ok(None) => Look::Missing,
            // An error says nothing about the object.
            Err(failure) if *known == Look::NotAsked && is_final(&failure) => {
                Look::Unreadable(failure.to_string().into())
            }
            Err(_) => known.clone(),
        };
        let due = (!matches!(look, Look::Found(_)) || entry.vain > 0).then(|| now + wait.max(asked));
        self.ask_at(name, due);
        if look == Look::NotAsked {
            return None;
        }
        self.unanswered.remove(name);
        let explains = if *known == Look::NotAsked { by_edit } else { matches!(look, Look::Found(_)) };
        Some(Told { look, explains })
    }

    /// The controller was read as a whole: what was found before is asked for again, too.
    pub(crate) fn ask_again(&mut self) {
        let resting = self.names.iter().filter(|(_, entry)| entry.due.is_none());
        let resting: Vec<_> =
            resting.filter_map(|(name, entry)| Some((name.clone(), entry.answered? + FIRST_WAIT))).collect();
        for (name, at) in resting {
            self.ask_at(&name, Some(at));
        }
    }

    /// Whether something waits for an answer, or was not translated since it came.
    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// The names of which nothing is known yet.
    pub(crate) fn unanswered(&self) -> &BTreeSet<Referred> {
        &self.unanswered
    }

    /// Whether there is one whose answer the start waits for.
    pub(crate) fn keeps_from_beginning(&self) -> bool {
        let is_tried = |name| self.names.get(name).is_some_and(|entry| entry.vain < ERRORS_OF_ONE);
        self.unanswered.iter().any(is_tried)
    }

    /// All that was answered is translated. Answers whether something waited for that.
    pub(crate) fn translated(&mut self) -> bool {
        self.unanswered.is_empty() && std::mem::take(&mut self.waits)
    }

    /// When something is to be asked for next.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.timers.first().filter(|_| !self.under_way).map(|(at, _)| *at)
    }

    /// What is wrong with the books: nothing, unless there is a mistake in this crate.
    pub(crate) fn inconsistencies(&self) -> Vec<String> {
        let due: BTreeSet<_> =
            self.names.iter().filter_map(|(name, entry)| Some((entry.due?, name.clone()))).collect();
        let mut found = Vec::new();
        if due != self.timers {
            found.push(format!("{} timers for {} names to be looked up", self.timers.len(), due.len()));
        }
        let waits = self.unanswered.iter().filter(|name| !self.names.contains_key(*name));
        found.extend(waits.map(|name| format!("{name} is waited for and not read")));
        if !self.under_way {
            let forgotten =
                self.unanswered.iter().filter(|name| self.names.get(*name).is_some_and(|e| e.due.is_none()));
            found.extend(forgotten.map(|name| format!("nobody will ask for {name}")));
        }
        found
    }

    fn ask_at(&mut self, name: &Referred, at: Option<Moment>) {
        let Some(entry) = self.names.get_mut(name) else { return };
        if let Some(due) = std::mem::replace(&mut entry.due, at) {
            self.timers.remove(&(due, name.clone()));
        }
        if let Some(at) = at {
            self.timers.insert((at, name.clone()));
        }
    }
}

/// Whether the same question will have the same answer, whatever the controller's condition.
fn is_final(failure: &Failure) -> bool {
    match failure.class {
        ErrorClass::Retry
        | ErrorClass::Unknown
        | ErrorClass::Busy
        | ErrorClass::Session
        | ErrorClass::Login
        | ErrorClass::NoPermit => false,
        ErrorClass::Conflict
        | ErrorClass::Gone
        | ErrorClass::InUse
        | ErrorClass::Waiting
        | ErrorClass::Denied
        | ErrorClass::Rejected => true,
    }
}

#[cfg(test)]
mod tests {
    use ako_avi_types::Kind;

    use super::*;

    #[test]
    fn a_loss_is_explained_by_what_asked_and_by_what_is_made_and_not_by_what_is_gone() {
        let name = |name: &str| Referred::named(Kind::WafPolicy, "admin", name);
        let (edited, listed) = (name("edited"), name("listed"));
        let mut lookups = Lookups::default();
        lookups.read([&listed].into_iter(), false);
        lookups.read([&listed, &edited].into_iter(), true);
        let now = Moment::from_millis(1_000);
        let mut explains = |name: &Referred, known: Look, is_there: bool| {
            let answer = Ok(is_there.then(Brief::default));
            lookups.answered(name, answer, &known, now).map(|told| told.explains)
        };
        for is_there in [true, false] {
            assert_eq!(explains(&edited, Look::NotAsked, is_there), Some(true));
            assert_eq!(explains(&listed, Look::NotAsked, is_there), Some(false));
        }
        for name in [&edited, &listed] {
            assert_eq!(explains(name, Look::Missing, true), Some(true));
            assert_eq!(explains(name, Look::Found(Brief::default()), false), Some(false));
        }
        assert_eq!(explains(&name("nobody's"), Look::NotAsked, true), None);
    }
}
