//! Namespaces that change hands between instances.
//! Source: leadership protocol and instance verdicts, §6.
//!
//! A namespace is handed over by word ([`ako_core::handover`]). The former owner stops
//! as soon as it sees that the namespace is not its own, leaves what is there as it is,
//! and says so when the last write is answered. The new owner begins upon that word. It
//! says when everything of the namespace is taken over, and only then the former owner
//! reads the controller and removes what still is its own.
//!
//! A former owner may have no word: it is AKO 2.2.1, or does not run. It cannot be
//! writing any more after a margin, for then it either saw the change or lost its right,
//! so the new owner begins after that. The same goes for an instance that asks for the
//! namespace and gets nothing as far as is known: its process may go on as it was started.
//! A new owner without a word has taken over nothing that anybody knows of: what the former
//! one has stays, first as it is, then held by the deletion guard, until there is a word or
//! a person decides.
//!
//! Whoever cannot know what went before, because its process began or its watch
//! was interrupted a moment ago, waits as long before it takes anything over.
//! While a namespace is waited for, nothing is removed: what bears our name already
//! may have been made for it, by another replica or by this one when it was ours
//! before, and it is not asked for until it is taken over.
//!
//! A namespace that two instances claim is nobody's to hand over: the one that
//! gives way leaves what it has there untouched for as long as that lasts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::ObjectKey;
use ako_core::handover::{LetGo, MOST, Word};
use ako_core::{Key, ResourceKind, Snapshot};
use ako_elect::Moment;

use crate::purpose::TERRITORY;

/// What a namespace is to this instance.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tenure {
    /// It is its own.
    Own,
    /// It asks for it, and an earlier instance has it, or leaves it nothing.
    Contested(Option<Arc<str>>),
    /// It does not ask for it; another instance may have it.
    Foreign(Option<Arc<str>>),
}

/// A namespace for which other instances may still be writing.
#[derive(Clone, Debug, Default)]
struct Arrival {
    /// They cannot be after this, whatever they say; `None` if that is over.
    until: Option<Moment>,
    /// Those that have not let it go. Of one that is not known there is no word.
    from: BTreeSet<Option<Arc<str>>>,
}

/// A namespace of another instance in which something may still be ours.
#[derive(Clone, Debug)]
struct Departure {
    to: Arc<str>,
    /// Until when it stays as it is; after that, the guard holds it.
    frozen_until: Option<Moment>,
    /// What was being written for it when it left.
    under_way: BTreeSet<ObjectKey>,
    /// When the new owner was heard to have taken it over.
    taken_over: Option<Moment>,
}

/// What came of waiting.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passed {
    /// What has to be looked at, as somebody edited a namespace or a claim, or its new
    /// owner has taken it over.
    pub(crate) by_edit: BTreeSet<Key>,
    /// What has to be looked at, and no edit explains what comes of it.
    pub(crate) by_list: BTreeSet<Key>,
    /// Whether the controller has to be read: another instance wrote there.
    pub(crate) observe: bool,
}

/// What came of looking.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looked {
    /// What is touched by what became of namespaces.
    pub(crate) touched: BTreeSet<Key>,
    /// Namespaces that are another instance's now and were not before.
    pub(crate) given_away: BTreeSet<Arc<str>>,
}

/// What this instance knows about its namespaces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Territory {
    /// Since when nothing that happens to them is missed: what they were until
    /// then is not known.
    known_since: Option<Moment>,
    /// What whose they are follows from, and may be out of date. To lead, and to
    /// see what happens in the cluster, are different connections.
    outdated: BTreeSet<ResourceKind>,
    tenures: BTreeMap<Arc<str>, Tenure>,
    /// The others that ask for a namespace that is not ours and get nothing, as far as this
    /// one sees: they may be writing for it, too.
    left_out: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    arrivals: BTreeMap<Arc<str>, Arrival>,
    departures: BTreeMap<Arc<str>, Departure>,
    /// Those that were ours, or have something of ours, and were not taken over since.
    had: BTreeSet<Arc<str>>,
    /// Those whose new owner has taken them over: what is left there is superfluous.
    taken_over: BTreeSet<Arc<str>>,
    /// When the tokens were first seen of what is let go to this instance: what it
    /// knows of the controller from before that may have been changed since.
    heard: BTreeMap<Arc<str>, Moment>,
    /// What this instance says while the watch need not show it.
    unshown: Word,
    /// Tokens of what was let go to this instance and was lost again: such a word is
    /// about an earlier time.
    spent: BTreeSet<Arc<str>>,
    /// Whether a namespace is not waited for any more, and was not translated since.
    arrived: bool,
    /// Whether it was so when they were last translated: [`Territory::takes_over`].
    took_over: bool,
}

impl Territory {
    /// Looks at all namespaces, and answers what became of them. `margin` is how
    /// long a former owner may be writing that sees nothing.
    pub(crate) fn look(&mut self, snapshot: &mut Snapshot, margin: Duration, now: Moment) -> Looked {
        let mut looked = Looked::default();
        let names: Vec<_> = snapshot.namespaces().map(|namespace| namespace.name.clone()).collect();
        for name in names {
            let tenure = tenure(snapshot, &name);
            let old = self.tenures.insert(name.clone(), tenure.clone());
            if self.known_since.is_some() && old.as_ref() != Some(&tenure) {
                self.changed(snapshot, &name, old.as_ref(), &tenure, margin, now);
                let is_anothers = |tenure: &Tenure| matches!(tenure, Tenure::Foreign(Some(_)));
                if is_anothers(&tenure) && !old.as_ref().is_some_and(is_anothers) {
                    looked.given_away.insert(name.clone());
                }
            }
            if tenure == Tenure::Own && self.says_it_let_go(snapshot, &name) {
                // Others go by that word until it is withdrawn.
                self.arrivals.entry(name.clone()).or_default();
            }
            self.note_left_out(snapshot, &name, &tenure);
            let awaited = tenure == Tenure::Own && self.arrivals.contains_key(&name);
            looked.touched.extend(snapshot.await_namespace(&name, awaited));
        }
        self.forget_what_is_gone(snapshot);
        self.known_since.get_or_insert(now);
        looked
    }

    fn note_left_out(&mut self, snapshot: &Snapshot, name: &Arc<str>, tenure: &Tenure) {
        self.left_out.remove(name);
        if *tenure != Tenure::Own {
            let left_out: BTreeSet<_> = snapshot.left_out(name).cloned().collect();
            if !left_out.is_empty() {
                self.left_out.insert(name.clone(), left_out);
            }
        }
    }

    fn forget_what_is_gone(&mut self, snapshot: &Snapshot) {
        self.tenures.retain(|name, _| snapshot.namespace(name).is_some());
        self.left_out.retain(|name, _| snapshot.namespace(name).is_some());
        self.departures.retain(|name, _| snapshot.namespace(name).is_some());
        self.taken_over.retain(|name| snapshot.namespace(name).is_some());
        self.had.retain(|name| snapshot.namespace(name).is_some());
        let shown = words(snapshot).flat_map(|word| word.let_go.values()).map(|let_go| &let_go.token);
        let shown: BTreeSet<_> = shown.collect();
        self.spent.retain(|token| shown.contains(token));
        self.heard.retain(|token, _| shown.contains(token));
    }

    fn changed(
        &mut self,
        snapshot: &Snapshot,
        name: &Arc<str>,
        old: Option<&Tenure>,
        new: &Tenure,
        margin: Duration,
        now: Moment,
    ) {
        self.taken_over.remove(name);
        let owner = match old {
            Some(Tenure::Foreign(owner @ Some(_)) | Tenure::Contested(owner)) => Some(owner.clone()),
            _ => None,
        };
        let left_out = self.left_out.get(name).into_iter().flatten().cloned().map(Some);
        let former: BTreeSet<_> = owner.into_iter().chain(left_out).collect();
        if !former.is_empty() {
            let arrival = self.arrivals.entry(name.clone()).or_default();
            arrival.until = Some(now + margin);
            arrival.from.extend(former);
        }
        if matches!(old, Some(Tenure::Own | Tenure::Contested(_))) {
            self.had.insert(name.clone());
        }
        if old == Some(&Tenure::Own) {
            self.spent.extend(let_go_to_us(snapshot, name).map(|let_go| let_go.token.clone()));
        }
        let Tenure::Foreign(Some(to)) = new else {
            self.departures.remove(name);
            return;
        };
        match (self.departures.get_mut(name), old) {
            // Whoever had it in between had it from us, or not at all.
            (Some(departure), _) => departure.to = to.clone(),
            (None, Some(Tenure::Foreign(Some(_))) | None) => {}
            (None, Some(_)) => self.depart(name, to, Some(now + margin * 2)),
        }
    }

    fn depart(&mut self, name: &Arc<str>, to: &Arc<str>, frozen_until: Option<Moment>) {
        let departure =
            Departure { to: to.clone(), frozen_until, under_way: BTreeSet::new(), taken_over: None };
        self.departures.insert(name.clone(), departure);
    }

    /// A leadership of this process begins: it asks for answers of its own.
    pub(crate) fn lead(&mut self) {
        self.taken_over.clear();
        self.departures.values_mut().for_each(|departure| departure.taken_over = None);
    }

    /// This is being said, and the watch need not show it yet.
    pub(crate) fn says(&mut self, word: &Word) {
        self.unshown.clone_from(word);
    }

    /// Whether this instance says that it let a namespace go, to whomever.
    fn says_it_let_go(&self, snapshot: &Snapshot, name: &str) -> bool {
        let says = |word: &Word| word.let_go.contains_key(name);
        own_word(snapshot).is_some_and(says) || says(&self.unshown)
    }

    /// Something that bears our name was found in a namespace, and is expected to be
    /// taken over by its owner.
    pub(crate) fn found_left_behind(&mut self, name: &Arc<str>) {
        if let Some(Tenure::Foreign(Some(to))) = self.tenures.get(name).cloned()
            && !self.departures.contains_key(name)
            && !self.taken_over.contains(name)
        {
            self.had.insert(name.clone());
            self.depart(name, &to, None);
        }
    }

    /// Notes what is being written in namespaces that have just left.
    pub(crate) fn note_under_way(&mut self, names: &BTreeSet<Arc<str>>, keys: &BTreeSet<ObjectKey>) {
        for name in names {
            if let Some(departure) = self.departures.get_mut(name) {
                departure.under_way.extend(keys.iter().cloned());
            }
        }
    }

    /// Takes in what the others say, and that time went by.
    pub(crate) fn pass(&mut self, snapshot: &mut Snapshot, now: Moment) -> Passed {
        let mut passed = Passed::default();
        for (_, let_go) in words(snapshot).flat_map(|word| &word.let_go) {
            if Some(&let_go.to) == snapshot.me() && !self.heard.contains_key(&let_go.token) {
                self.heard.insert(let_go.token.clone(), now);
                passed.observe = true;
            }
        }
        self.pass_arrivals(snapshot, now, &mut passed);
        for (name, departure) in &mut self.departures {
            if departure.frozen_until.take_if(|until| *until <= now).is_some() {
                passed.by_list.insert(Key::namespace(name));
            }
            let is_known = self.outdated.is_empty() && departure.taken_over.is_none();
            if is_known && is_taken_over(snapshot, name, &departure.to) {
                departure.taken_over = Some(now);
                passed.observe = true;
            }
        }
        passed
    }

    fn pass_arrivals(&mut self, snapshot: &mut Snapshot, now: Moment, passed: &mut Passed) {
        let mut over = Vec::new();
        let mut arrivals = std::mem::take(&mut self.arrivals);
        for (name, arrival) in &mut arrivals {
            let has_let_go = |former: &Option<Arc<str>>| {
                former.as_ref().is_some_and(|former| has_let_go(snapshot, former, name, &self.spent))
            };
            arrival.from.retain(|former| !has_let_go(former));
            if arrival.from.is_empty() || arrival.until.is_some_and(|until| until <= now) {
                arrival.until = None;
            }
            let is_own = self.tenures.get(name) == Some(&Tenure::Own);
            if arrival.until.is_none() && !(is_own && self.says_it_let_go(snapshot, name)) {
                over.push(name.clone());
            }
        }
        self.arrivals = arrivals;
        for name in over {
            self.arrivals.remove(&name);
            // Until now its former owner may have been writing, whatever it had said.
            let tokens = let_go_to_us(snapshot, &name).map(|let_go| (let_go.token.clone(), now));
            self.heard.extend(tokens);
            let arrived = !snapshot.await_namespace(&name, false).is_empty();
            passed.observe |= arrived;
            self.arrived |= arrived;
            // It was left as it was, whoever it belongs to by now.
            passed.by_edit.insert(Key::namespace(&name));
        }
    }

    /// The controller was read, beginning at that moment. Answers the namespaces whose new
    /// owner had taken them over by then: what is still ours there is superfluous.
    pub(crate) fn observed(&mut self, started: Moment) -> BTreeSet<Key> {
        let is_over = |departure: &Departure| departure.taken_over.is_some_and(|at| at <= started);
        let over: Vec<_> = self.departures.iter().filter(|(_, departure)| is_over(departure)).collect();
        let over: Vec<_> = over.into_iter().map(|(name, _)| name.clone()).collect();
        for name in &over {
            self.departures.remove(name);
            self.had.remove(name);
            self.taken_over.insert(name.clone());
        }
        over.iter().map(Key::namespace).collect()
    }

    /// Whether another instance is to take a namespace over from us, and has not.
    pub(crate) fn is_leaving(&self, name: &str) -> bool {
        self.had.contains(name) && self.departures.contains_key(name)
    }

    /// Whether the owner of a namespace has taken it over from us.
    pub(crate) fn was_taken_over(&self, name: &str) -> bool {
        self.taken_over.contains(name)
    }

    /// What is to be said. `is_answered` tells whether a write is not under way any more,
    /// `is_in_place` whether all of a namespace is there that is wanted, by a reading
    /// of after a moment; `token` makes a token that nothing else bears.
    pub(crate) fn word(
        &mut self,
        snapshot: &Snapshot,
        said: &Word,
        is_answered: &dyn Fn(&ObjectKey) -> bool,
        is_in_place: &dyn Fn(&Arc<str>, Moment) -> bool,
        token: &mut dyn FnMut() -> Arc<str>,
    ) -> Word {
        let mut word = Word::default();
        let mut new = Vec::new();
        for (name, departure) in &mut self.departures {
            departure.under_way.retain(|key| !is_answered(key));
            let hears = snapshot.installation(&departure.to).is_some_and(|installation| installation.is_ours);
            if departure.taken_over.is_some() || !hears || !departure.under_way.is_empty() {
                continue;
            }
            // A word that stands goes on standing: nothing was written since.
            let standing = own_word(snapshot).and_then(|own| own.lets_go(name, &departure.to));
            match standing.or_else(|| said.lets_go(name, &departure.to)) {
                Some(standing) => _ = word.let_go.insert(name.clone(), standing.clone()),
                None => new.push((name.clone(), departure.to.clone())),
            }
        }
        new.truncate(MOST.saturating_sub(word.let_go.len()));
        word.let_go.extend(new.into_iter().map(|(name, to)| (name, LetGo { to, token: token() })));
        for (name, let_go) in words(snapshot).flat_map(|word| &word.let_go) {
            let is_ours = Some(&let_go.to) == snapshot.me() && self.tenures.get(name) == Some(&Tenure::Own);
            if !is_ours || self.arrivals.contains_key(name) || word.taken_over.len() == MOST {
                continue;
            }
            let was_said = |word: &Word| word.taken_over.contains(&let_go.token);
            let Some(heard) = self.heard.get(&let_go.token) else { continue };
            if own_word(snapshot).is_some_and(was_said) || was_said(said) || is_in_place(name, *heard) {
                word.taken_over.insert(let_go.token.clone());
            }
        }
        word
    }

    /// What is known of a kind may be out of date, or is not any more.
    pub(crate) fn outdated(&mut self, kind: ResourceKind, outdated: bool, now: Moment) {
        if !TERRITORY.contains(&kind) {
            return;
        }
        if outdated {
            self.outdated.insert(kind)
        } else {
            self.outdated.remove(&kind)
        };
        self.known_since = self.known_since.map(|_| now);
    }

    /// Until when what bears another instance's name is left to it: whose its
    /// namespace was before this process looked is not known, so the former
    /// owner may have lost it just then; or it may not be ours any more.
    pub(crate) fn unsure_until(&self, margin: Duration, now: Moment) -> Option<Moment> {
        let since = if self.outdated.is_empty() { self.known_since? } else { now };
        Some(since + margin).filter(|until| *until > now)
    }

    /// When [`Territory::pass`] has something to do, whatever the others say.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        let arrivals = self.arrivals.values().filter_map(|arrival| arrival.until);
        arrivals.chain(self.departures.values().filter_map(|departure| departure.frozen_until)).min()
    }

    /// The namespaces in which everything stays as it is. With `deleteConfig` those are the
    /// ones that another instance is to take over, for as long as it has not: what serves
    /// them is not this instance's to end.
    pub(crate) fn frozen(&self, delete_config: bool) -> BTreeSet<Arc<str>> {
        let stays = |(name, tenure): (&Arc<str>, &Tenure)| {
            let stays = match tenure {
                Tenure::Own => !delete_config && self.arrivals.contains_key(name),
                Tenure::Contested(_) => !delete_config,
                Tenure::Foreign(_) => {
                    let departure = self.departures.get(name);
                    departure.is_some_and(|departure| delete_config || departure.frozen_until.is_some())
                }
            };
            stays.then(|| name.clone())
        };
        self.tenures.iter().filter_map(stays).collect()
    }

    /// The namespaces that are ours and are not served yet, as their former owner may
    /// still be writing.
    pub(crate) fn awaited(&self) -> impl Iterator<Item = &Arc<str>> {
        self.arrivals.keys().filter(|name| self.tenures.get(*name) == Some(&Tenure::Own))
    }

    /// The namespaces that another instance has and has not taken over from us, as far
    /// as is known, each with that instance.
    pub(crate) fn departures(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.departures.iter().map(|(name, departure)| (name, &departure.to))
    }

    /// Whether a namespace is ours, and what is in it is not asked for yet.
    pub(crate) fn takes_over(&self) -> bool {
        self.arrived || self.awaited().next().is_some()
    }

    /// All namespaces are translated; answers whether none is awaited any more, so that
    /// things may be taken away again.
    pub(crate) fn translated(&mut self) -> bool {
        self.arrived = false;
        let takes_over = self.takes_over();
        std::mem::replace(&mut self.took_over, takes_over) && !takes_over
    }

    /// Whether an earlier instance has something that this one asks for.
    pub(crate) fn is_contested(&self) -> bool {
        self.tenures.values().any(|tenure| matches!(tenure, Tenure::Contested(_)))
    }
}

fn tenure(snapshot: &Snapshot, name: &str) -> Tenure {
    let owner = || snapshot.owner_of(name).cloned();
    match (snapshot.is_own(name), snapshot.selects(name)) {
        (true, _) => Tenure::Own,
        (false, true) => Tenure::Contested(owner()),
        (false, false) => Tenure::Foreign(owner()),
    }
}

/// What this instance says, as far as the watch shows it.
fn own_word(snapshot: &Snapshot) -> Option<&Word> {
    snapshot.installation(snapshot.me()?).map(|installation| &installation.word)
}

/// What the other instances say.
fn words(snapshot: &Snapshot) -> impl Iterator<Item = &Word> {
    let others = snapshot.me().into_iter().flat_map(|me| snapshot.instances().others(me));
    let installations = others.filter_map(|claim| snapshot.installation(&claim.namespace));
    installations.filter(|installation| installation.is_ours).map(|installation| &installation.word)
}

/// What others say of a namespace that they let go to this instance.
fn let_go_to_us<'a>(snapshot: &'a Snapshot, name: &'a str) -> impl Iterator<Item = &'a LetGo> {
    let me = snapshot.me();
    words(snapshot).filter_map(move |word| word.lets_go(name, me?))
}

/// Whether an instance says that it let a namespace go to this one, and means now.
fn has_let_go(snapshot: &Snapshot, former: &str, name: &str, spent: &BTreeSet<Arc<str>>) -> bool {
    let word = snapshot.installation(former).filter(|former| former.is_ours).map(|former| &former.word);
    let let_go = word.and_then(|word| word.lets_go(name, snapshot.me()?));
    let_go.is_some_and(|let_go| !spent.contains(&let_go.token))
}

/// Whether the owner of a namespace says that it has taken over what we let go.
fn is_taken_over(snapshot: &Snapshot, name: &str, to: &str) -> bool {
    let said = own_word(snapshot).and_then(|word| word.lets_go(name, to));
    let answer = snapshot.installation(to).filter(|to| to.is_ours).map(|to| &to.word.taken_over);
    said.is_some_and(|said| answer.is_some_and(|tokens| tokens.contains(&said.token)))
}
