//! What this instance says of namespaces that change hands, and when.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::ObjectKey;
use ako_core::Key;
use ako_elect::Moment;
use ako_translate::UnitKey;

use crate::agenda::{Stage, Work};
use crate::engine::Engine;
use crate::event::Effect;
use crate::inventory;
use crate::voice::Voice;

impl Engine {
    /// Says what has to be said and does not stand there yet.
    pub(crate) fn say(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let mut voice = std::mem::take(&mut self.voice);
        self.say_with(&mut voice, now, effects);
        self.voice = voice;
    }

    fn say_with(&mut self, voice: &mut Voice, now: Moment, effects: &mut Vec<Effect>) {
        let shown = self.snapshot.me().and_then(|me| self.snapshot.installation(me)).map(|own| &own.word);
        // Where there is no StatefulSet, nobody would hear it.
        let Some(shown) = shown.cloned().filter(|_| !voice.under_way) else { return };
        let mut territory = std::mem::take(&mut self.territory);
        let (said, mut next) = (voice.said.clone(), voice.clone());
        let word = territory.word(
            &self.snapshot,
            &said,
            &|key| !self.agenda.is_in_doubt(key),
            &|namespace, since| self.is_in_place(namespace, since, now),
            &mut || next.token(),
        );
        self.territory = territory;
        // What was written shows in the watch, which may take a while.
        let is_on_its_way = word == voice.said && voice.again.is_some();
        if word == shown || is_on_its_way {
            return;
        }
        *voice = Voice { said: word.clone(), under_way: true, again: None, ..next };
        self.territory.says(&word);
        effects.push(Effect::Say(word));
    }

    /// Whether all that is wanted of a namespace is on the controller, by a reading of
    /// after a moment and by a view of the cluster that is proven.
    fn is_in_place(&self, namespace: &Arc<str>, since: Moment, now: Moment) -> bool {
        let is_translated = self.is_translated() && self.pending.is_none() && !self.lookups.waits();
        let is_known = is_translated && self.inventory.was_read_since(since);
        let asks = !self.policy.removing && self.snapshot.barred().is_none();
        let key = Key::namespace(namespace);
        let is_understood = !self.unreadable.iter().any(|resource| resource.name.namespace == *namespace);
        let is_sure = is_understood && self.belief.knows_all(&self.policy, now);
        is_known && is_sure && asks && self.desired.readers_of(&key).all(|unit| self.is_unit_in_place(unit))
    }

    fn is_unit_in_place(&self, unit: &UnitKey) -> bool {
        // What stays as it is waits for another namespace that it is for; and what cannot be made as it
        // is asked for is still served by what the former owner made.
        if self.desired.is_unit_frozen(unit) || self.desired.keeps_something(unit) {
            return false;
        }
        let keys: BTreeSet<_> = self.desired.unit_objects(unit).iter().map(|object| object.key()).collect();
        keys.iter().all(|key| self.is_ours_in_place(key))
            && self.desired.fronts_of(unit).all(|front| {
                let mut objects = self.desired.front_objects(front).iter().map(|object| object.key());
                objects.all(|key| self.serves_unit(&key, &keys))
            })
    }

    /// Whether an object is there as it is wanted, but for what must not be taken from it
    /// now, and bears our name.
    fn is_ours_in_place(&self, key: &ObjectKey) -> bool {
        if key.kind.is_borrowed() {
            return true;
        }
        let is_done = match self.agenda.get(key).map(Work::stage) {
            None => true,
            Some(Stage::Held | Stage::Unproven) => self.lacks_nothing(key),
            Some(_) => false,
        };
        is_done && self.is_ours(key)
    }

    /// Whether writing an object would add nothing that serves.
    fn lacks_nothing(&self, key: &ObjectKey) -> bool {
        let (wanted, observed) = (self.desired.get(key), self.inventory.get(key));
        wanted.zip(observed).is_some_and(|(wanted, observed)| observed.body.losses(wanted).is_empty())
    }

    fn is_ours(&self, key: &ObjectKey) -> bool {
        let observed = self.inventory.get(key);
        observed
            .is_some_and(|observed| observed.body.created_by().is_none_or(|by| **by == *self.policy.owner))
    }

    /// Whether a shared object has what a unit needs of it; it may lack what others do.
    fn serves_unit(&self, key: &ObjectKey, unit: &BTreeSet<ObjectKey>) -> bool {
        let (Some(wanted), Some(observed)) = (self.desired.get(key), self.inventory.get(key)) else {
            return false;
        };
        let has = inventory::targets(key, &observed.body);
        let refers = inventory::targets(key, wanted).iter().all(|to| !unit.contains(to) || has.contains(to));
        let of_unit = unit.iter().filter_map(|key| self.desired.get(key));
        let hosts: BTreeSet<_> = of_unit.flat_map(|object| object.hostnames()).collect();
        // What the observed one would take away is what it lacks.
        let lacks = observed.body.losses(wanted).hosts;
        self.is_ours(key) && refers && lacks.iter().all(|host| !hosts.contains(host))
    }
}
