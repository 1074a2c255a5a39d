//! What is wanted on the controller, kept up to date unit by unit.

mod left_off;
mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use ako_avi_types::{Kind, Object, ObjectKey, Referred};
use ako_core::{Diagnostic, Index, Key, Look, ResourceId, Snapshot};
use ako_translate::{
    Binding, Carried, Contribution, FrontKey, Keep, Made, Maker, Output, PlacedBy, Translator, UnitKey, What,
};

use self::standing::Standing;

/// An object and all that ask for it. They agree, as with a certificate that hosts
/// share: of units that do not, the younger ones go by other names ([`standing`]). While
/// such a unit has to stay as it is, the first one's version is taken.
#[derive(Clone, Debug, Default)]
struct Wanted {
    /// Sorted; nearly always just one.
    makers: Vec<(Maker, Arc<Object>)>,
}

impl Wanted {
    fn object(&self) -> Option<&Arc<Object>> {
        self.makers.first().map(|(_, object)| object)
    }
}

/// A front, and the units on it. One whose last unit went stays: clients may have its address
/// cached, and the next host must not get another one. It is cleaned up by the next process.
#[derive(Clone, Debug, Default)]
struct Front {
    /// The units that contribute to it.
    units: BTreeSet<UnitKey>,
    /// Those of them that it goes without, but for what it carries of them ([`left_off`]).
    left_off: BTreeMap<UnitKey, Arc<Carried>>,
    /// The setting that it is placed by: that of the oldest unit on it, or of the last one.
    placed_by: Option<PlacedBy>,
    output: Output,
}

/// What a change came to.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Objects that are wanted differently, no longer, or for the first time.
    pub objects: BTreeSet<ObjectKey>,
    /// Kubernetes objects of which something else is said.
    pub resources: BTreeSet<ResourceId>,
    /// What was not found before.
    pub found: BTreeSet<Diagnostic>,
    /// How many units were translated.
    pub translated: usize,
    /// How many fronts were.
    pub assembled: usize,
}

/// The wanted objects of one configuration, with everything that is needed to
/// update them.
#[derive(Clone, Debug)]
pub struct Desired {
    translator: Translator,
    units: BTreeMap<UnitKey, Output>,
    fronts: BTreeMap<FrontKey, Front>,
    readers: Index<Key, Maker>,
    wanted: BTreeMap<ObjectKey, Wanted>,
    /// Units that stay as they are.
    frozen: BTreeSet<UnitKey>,
    /// Units that do not get what they ask for as they ask for it.
    standing: BTreeMap<UnitKey, Standing>,
    /// What stays on the controller as it is, each with who says so.
    left_alone: Index<Arc<str>, Maker>,
    /// What is said of Kubernetes objects, each with who says so.
    statements: Index<ResourceId, (What, Maker)>,
    /// The inverse: what is published of each object of the controller.
    shown_by: Index<ObjectKey, ResourceId>,
}

impl Desired {
    /// Nothing is wanted yet.
    pub fn new(translator: Translator) -> Self {
        Self {
            translator,
            units: BTreeMap::new(),
            fronts: BTreeMap::new(),
            readers: Index::default(),
            wanted: BTreeMap::new(),
            frozen: BTreeSet::new(),
            standing: BTreeMap::new(),
            left_alone: Index::default(),
            statements: Index::default(),
            shown_by: Index::default(),
        }
    }

    /// Everything that a snapshot asks for.
    pub fn of(translator: Translator, snapshot: &Snapshot) -> Self {
        let mut desired = Self::new(translator);
        let units = desired.asked_for(snapshot);
        desired.translate(snapshot, units, BTreeSet::new());
        desired
    }

    /// The translator.
    pub fn translator(&self) -> &Translator {
        &self.translator
    }

    /// Takes over what changed in a snapshot.
    pub fn update(&mut self, snapshot: &Snapshot, touched: &BTreeSet<Key>) -> Changes {
        let mut units: BTreeSet<UnitKey> = touched.iter().filter_map(UnitKey::born_of).collect();
        let mut fronts = BTreeSet::new();
        for reader in touched.iter().flat_map(|key| self.readers.get(key)) {
            match reader {
                Maker::Unit(unit) => drop(units.insert(unit.clone())),
                Maker::Front(front) => drop(fronts.insert(front.clone())),
            }
        }
        self.translate(snapshot, units, fronts)
    }

    /// Takes over a translator that translates everything as the present one does.
    pub(crate) fn replace_translator(&mut self, translator: Translator) {
        self.translator = translator;
    }

    /// Translates everything anew, for another configuration or other facts.
    pub fn reconfigure(&mut self, translator: Translator, snapshot: &Snapshot) -> Changes {
        self.translator = translator;
        let mut units = self.asked_for(snapshot);
        units.extend(self.units.keys().cloned());
        self.translate(snapshot, units, self.fronts.keys().cloned().collect())
    }

    /// The units that ask for something.
    fn asked_for(&self, snapshot: &Snapshot) -> BTreeSet<UnitKey> {
        let units = self.translator.units(snapshot).into_iter();
        units.filter(|unit| !self.is_unit_removed(unit)).collect()
    }

    /// Whether everything of this instance is to be removed.
    fn is_removing(&self) -> bool {
        self.translator.config().delete_config
    }

    /// Whether a unit asks for nothing, as everything is to be removed. Those that are always
    /// there take this instance's part out of what is borrowed.
    fn is_unit_removed(&self, unit: &UnitKey) -> bool {
        self.is_removing() && !unit.is_standing()
    }

    /// Leaves the units that serve these namespaces as they are, and no others.
    /// Answers the objects of all units for which that is news, and those they are on.
    pub(crate) fn freeze(&mut self, namespaces: &BTreeSet<Arc<str>>) -> BTreeSet<ObjectKey> {
        let keys: Vec<_> = namespaces.iter().map(Key::namespace).collect();
        let frozen: BTreeSet<UnitKey> = keys.iter().flat_map(|key| self.readers_of(key)).cloned().collect();
        let news = self.frozen.symmetric_difference(&frozen);
        let fronts = |unit| self.fronts_of(unit).flat_map(|front| self.front_objects(front));
        let objects = news.flat_map(|unit| self.unit_objects(unit).iter().chain(fronts(unit)));
        let objects = objects.map(|object| object.key()).collect();
        self.frozen = frozen;
        objects
    }

    /// Whether a unit stays as it is.
    pub(crate) fn is_unit_frozen(&self, unit: &UnitKey) -> bool {
        self.frozen.contains(unit)
    }

    /// Whether an object stays as it is: all that ask for it do.
    pub fn is_frozen(&self, key: &ObjectKey) -> bool {
        let stays = |maker: &Maker| matches!(maker, Maker::Unit(unit) if self.frozen.contains(unit));
        !self.frozen.is_empty()
            && self.wanted.get(key).is_some_and(|wanted| wanted.makers.iter().all(|(maker, _)| stays(maker)))
    }

    /// What stays on the controller as it is, though nobody may ask for it.
    pub fn left_alone(&self) -> impl Iterator<Item = &Arc<str>> + Clone {
        self.left_alone.keys()
    }

    /// What of a wanted object stays as it is on the controller: the most that one of its makers says.
    pub(crate) fn kept(&self, key: &ObjectKey) -> Option<Keep> {
        let makers = self.wanted.get(key).into_iter().flat_map(|wanted| &wanted.makers);
        let kept = makers.filter_map(|(maker, _)| self.output(maker)).flat_map(|output| &output.kept);
        kept.filter(|(kept, _)| kept == key).map(|(_, keep)| *keep).max()
    }

    /// Whether an object is to be written though the controller shows no difference.
    pub(crate) fn is_outdated(&self, key: &ObjectKey) -> bool {
        let makers = self.wanted.get(key).into_iter().flat_map(|wanted| &wanted.makers);
        let said = makers.filter_map(|(maker, _)| self.output(maker)).flat_map(|output| &output.statements);
        let is_it = |what: &What| matches!(what, What::Made(made) if made.is_outdated && made.key == *key);
        key.kind.is_made_of_custom_resources() && said.map(|statement| &statement.what).any(is_it)
    }

    /// Every object of which something stays as it is on the controller, and what.
    pub fn all_kept(&self) -> impl Iterator<Item = (&ObjectKey, &Keep)> {
        let outputs = self.units.values().chain(self.fronts.values().map(|front| &front.output));
        outputs.flat_map(|output| &output.kept).map(|(key, keep)| (key, keep))
    }

    /// Whether a unit leaves something as it is on the controller, as it cannot be told how it is to be.
    pub(crate) fn keeps_something(&self, unit: &UnitKey) -> bool {
        let output = self.units.get(unit);
        output.is_some_and(|output| !(output.left_alone.is_empty() && output.kept.is_empty()))
    }

    /// Whether hosts whose names tell nothing of their place share an object: the oldest of them
    /// places it.
    pub(crate) fn is_placed_by_oldest(&self, key: &ObjectKey) -> bool {
        let is_of_all = |maker: &Maker| match maker {
            Maker::Front(front) => {
                let placed_by = self.fronts.get(front).and_then(|front| front.placed_by.as_ref());
                placed_by.is_none_or(|placed_by| !placed_by.is_named)
            }
            Maker::Unit(_) => false,
        };
        self.wanted.get(key).is_some_and(|wanted| wanted.makers.iter().any(|(maker, _)| is_of_all(maker)))
    }

    /// The object of a key.
    pub fn get(&self, key: &ObjectKey) -> Option<&Arc<Object>> {
        self.wanted.get(key).and_then(Wanted::object)
    }

    /// All objects, in order of creation.
    pub fn objects(&self) -> impl Iterator<Item = (&ObjectKey, &Arc<Object>)> {
        self.wanted.iter().filter_map(|(key, wanted)| Some((key, wanted.object()?)))
    }

    /// The VsVips that are to carry a DNS name.
    pub(crate) fn vsvips_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ObjectKey> {
        let first = ObjectKey::new(Kind::VsVip, "", "");
        let all = self.wanted.range(first..).take_while(|(key, _)| key.kind == Kind::VsVip);
        let carries = move |wanted: &Wanted| wanted.object().is_some_and(|object| object.has_dns_name(name));
        all.filter(move |(_, wanted)| carries(wanted)).map(|(key, _)| key)
    }

    /// What is wanted of borrowed objects.
    pub fn borrowed(&self) -> impl Iterator<Item = (&ObjectKey, &Arc<Object>)> {
        // Sorted keys: they come first.
        self.objects().take_while(|(key, _)| key.kind.is_borrowed())
    }

    /// The VRFs with the wanted routes, if they are this instance's to write.
    pub fn vrfs(&self) -> impl Iterator<Item = (&ObjectKey, &Arc<Object>)> {
        self.borrowed().filter(|(key, _)| key.kind == Kind::VrfContext)
    }

    /// Whether the routes are this instance's to write, and it is known to which VRFs: in others there
    /// is to be none.
    pub(crate) fn knows_all_vrfs(&self) -> bool {
        let unit = self.units.get(&UnitKey::StaticRoutes);
        unit.is_some_and(|output| !output.is_partial) && self.vrfs().next().is_some()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Whether an object is shared by many units, so that many changes in a row
    /// lead to it.
    pub fn is_shared(&self, key: &ObjectKey) -> bool {
        self.wanted
            .get(key)
            .is_some_and(|w| w.makers.iter().any(|(maker, _)| matches!(maker, Maker::Front(_))))
    }

    /// What asks for an object, for people.
    pub fn reason(&self, key: &ObjectKey) -> Option<String> {
        let wanted = self.wanted.get(key)?;
        let texts: Vec<_> = wanted.makers.iter().take(3).map(|(maker, _)| maker.to_string()).collect();
        Some(texts.join(", "))
    }

    /// Where the addresses of a Kubernetes object come from.
    pub fn bindings(&self, resource: &ResourceId) -> impl Iterator<Item = &Binding> {
        self.bindings_with_makers(resource).map(|(binding, _)| binding)
    }

    /// The same, each with who says so.
    pub(crate) fn bindings_with_makers(
        &self,
        resource: &ResourceId,
    ) -> impl Iterator<Item = (&Binding, &Maker)> {
        self.statements.get(resource).iter().filter_map(|(what, maker)| Some((what.binding()?, maker)))
    }

    /// What is said of the one object of the controller that is made of a custom resource.
    pub fn made(&self, resource: &ResourceId) -> Option<&Made> {
        self.statements(resource).find_map(|what| match what {
            What::Made(made) => Some(made),
            _ => None,
        })
    }

    /// Whether the custom resource that an object of the controller was made of is asked to be deleted:
    /// it says so itself, whoever has seen that.
    pub(crate) fn is_to_be_deleted(&self, key: &ObjectKey) -> bool {
        self.bound_to(key).filter_map(|resource| self.made(resource)).any(|made| made.is_deleting)
    }

    /// What is said of a Kubernetes object.
    pub fn statements(&self, resource: &ResourceId) -> impl Iterator<Item = &What> {
        self.statements.get(resource).iter().map(|(what, _)| what)
    }

    /// The Kubernetes objects that something is said of.
    pub fn subjects(&self) -> impl Iterator<Item = &ResourceId> {
        self.statements.keys()
    }

    /// Whether a Service's pods need node ports.
    pub fn needs_node_ports(&self, service: &ResourceId) -> bool {
        self.statements(service).any(|what| *what == What::NodePorts)
    }

    /// The Kubernetes objects that show addresses or uuids of an object of the
    /// controller.
    pub fn bound_to(&self, key: &ObjectKey) -> impl Iterator<Item = &ResourceId> {
        self.shown_by.get(key).iter()
    }

    /// The Kubernetes objects that an object of the controller is made for.
    pub fn resources_of(&self, key: &ObjectKey) -> BTreeSet<ResourceId> {
        let makers = self.wanted.get(key).into_iter().flat_map(|wanted| &wanted.makers);
        let outputs = makers.filter_map(|(maker, _)| self.output(maker));
        outputs.flat_map(Output::served).cloned().collect()
    }

    /// All findings, by unit, and then by front.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        let outputs = self.units.values().chain(self.fronts.values().map(|front| &front.output));
        outputs.flat_map(|output| &output.diagnostics)
    }

    /// The shared virtual services, each with the units that are on it.
    pub fn fronts(&self) -> impl Iterator<Item = (&FrontKey, &BTreeSet<UnitKey>)> {
        self.fronts.iter().map(|(key, front)| (key, &front.units))
    }

    /// The objects that a front consists of.
    pub fn front_objects(&self, front: &FrontKey) -> &[Arc<Object>] {
        self.fronts.get(front).map(|front| &*front.output.objects).unwrap_or_default()
    }

    /// The objects that a unit consists of, without what it adds to fronts.
    pub fn unit_objects(&self, unit: &UnitKey) -> &[Arc<Object>] {
        self.units.get(unit).map(|output| &*output.objects).unwrap_or_default()
    }

    /// The objects that a unit or a front consists of.
    pub(crate) fn objects_of(&self, maker: &Maker) -> &[Arc<Object>] {
        self.output(maker).map(|output| &*output.objects).unwrap_or_default()
    }

    /// The units and fronts that depend on something of the cluster.
    pub(crate) fn makers_reading(&self, key: &Key) -> &[Maker] {
        self.readers.get(key)
    }

    /// The rules and settings that a unit or a front is to go by.
    pub(crate) fn rules_of(&self, maker: &Maker) -> &[ResourceId] {
        self.output(maker).map(|output| &*output.rules).unwrap_or_default()
    }

    /// Whether a unit or a front is more than findings and statements.
    pub(crate) fn makes_something(&self, maker: &Maker) -> bool {
        self.output(maker).is_some_and(|output| {
            !(output.objects.is_empty() && output.contributions.is_empty() && output.rules.is_empty())
        })
    }

    /// What a unit or a front found wrong.
    pub(crate) fn diagnostics_of(&self, maker: &Maker) -> &[Diagnostic] {
        self.output(maker).map(|output| &*output.diagnostics).unwrap_or_default()
    }

    /// The Kubernetes objects on which the addresses of a unit are published.
    pub(crate) fn published_on(&self, maker: &Maker) -> BTreeSet<ResourceId> {
        self.output(maker).into_iter().flat_map(Output::served).cloned().collect()
    }

    /// The units that depend on something of the cluster.
    pub(crate) fn readers_of(&self, key: &Key) -> impl Iterator<Item = &UnitKey> {
        self.readers.get(key).iter().filter_map(|reader| match reader {
            Maker::Unit(unit) => Some(unit),
            Maker::Front(_) => None,
        })
    }

    /// What is referred to on the controller, sorted from the end.
    pub(crate) fn referred(&self) -> impl Iterator<Item = &Referred> {
        self.readers.keys_from_the_end().map_while(Key::as_referred)
    }

    /// Who depends on an object on the controller.
    pub(crate) fn readers_of_name(&self, name: &Referred) -> impl Iterator<Item = &Maker> {
        self.readers.get(&Key::Controller(name.clone())).iter()
    }

    /// Answers for the controller until nothing is asked any more.
    pub fn answering(&mut self, snapshot: &mut Snapshot, answer: &dyn Fn(&Referred) -> Look) {
        loop {
            let unknown = self.referred().filter(|name| *snapshot.look(name) == Look::NotAsked);
            let answers: Vec<_> = unknown.map(|name| (name.clone(), answer(name))).collect();
            let touched: BTreeSet<_> =
                answers.into_iter().filter_map(|(name, look)| snapshot.learn(&name, look)).collect();
            if touched.is_empty() {
                return;
            }
            self.update(snapshot, &touched);
        }
    }

    /// Whether a unit stays as it was translated last.
    fn stays(&self, snapshot: &Snapshot, unit: &UnitKey) -> bool {
        self.frozen.contains(unit) || self.units.get(unit).is_some_and(|output| waits(snapshot, output))
    }

    /// What came out of a unit or a front.
    fn output(&self, maker: &Maker) -> Option<&Output> {
        match maker {
            Maker::Unit(unit) => self.units.get(unit),
            Maker::Front(front) => self.fronts.get(front).map(|front| &front.output),
        }
    }

    /// The shared virtual services that a unit is on.
    pub(crate) fn fronts_of(&self, unit: &UnitKey) -> impl Iterator<Item = &FrontKey> {
        let output = self.units.get(unit).into_iter();
        output.flat_map(|output| output.contributions.iter().map(|(front, _)| front))
    }

    /// The units that there are.
    pub fn units(&self) -> impl Iterator<Item = &UnitKey> {
        self.units.keys()
    }

    /// Translates units, and the fronts that have to be: those given, and those for which
    /// something else is contributed.
    fn translate(
        &mut self,
        snapshot: &Snapshot,
        units: BTreeSet<UnitKey>,
        fronts: BTreeSet<FrontKey>,
    ) -> Changes {
        let mut work = Work { fronts, ..Work::default() };
        for key in self.affected(units) {
            let output = if self.is_unit_removed(&key) {
                Output::default()
            } else {
                self.translator.unit(snapshot, &key)
            };
            if !waits(snapshot, &output) {
                self.standing.remove(&key);
            }
            work.changes.translated += 1;
            self.take_over(snapshot, &Maker::Unit(key), output, &mut work);
        }
        self.sort_out(snapshot, &mut work);
        self.assemble(snapshot, work)
    }

    fn assemble(&mut self, snapshot: &Snapshot, mut work: Work) -> Changes {
        for front in mem::take(&mut work.fronts) {
            self.forget_left_off(&front);
            let placed_by = self.place(&front);
            let parts = self.parts(&front);
            // One that nothing is on any more stays, unless everything is to be removed.
            let output = if self.is_removing() && parts.is_empty() {
                Output::default()
            } else {
                let parts = parts.iter().map(|part| &**part);
                self.translator.front(snapshot, &front, placed_by.as_ref(), parts)
            };
            work.changes.assembled += 1;
            // Names of fronts have capitals, so that nobody else asks for them.
            self.take_over(snapshot, &Maker::Front(front), output, &mut work);
        }
        let Work { mut changes, told, .. } = work;
        for (maker, before) in told {
            let now = self.output(&maker).map(|output| &*output.diagnostics).unwrap_or_default();
            // They are sorted.
            let is_new = |finding: &&Diagnostic| before.binary_search(finding).is_err();
            changes.found.extend(now.iter().filter(is_new).cloned());
        }
        changes
    }

    /// The setting that a front is placed by: that of the oldest unit on it. One whose last unit
    /// went stays where it is.
    fn place(&mut self, front: &FrontKey) -> Option<PlacedBy> {
        let units = self.fronts.get(front).into_iter().flat_map(|front| &front.units);
        let parts = units.flat_map(|unit| self.contributions(front, unit).map(move |part| (unit, part)));
        let by: Vec<_> = parts.map(|(unit, part)| (unit, part.placed_by.as_ref())).collect();
        let agree = by.windows(2).all(|two| two[0].1 == two[1].1);
        let first = if agree { by.first() } else { by.iter().min_by_key(|(unit, _)| self.age(unit)) };
        let placed_by = first.map(|(_, placed_by)| placed_by.cloned());
        let front = self.fronts.entry(front.clone()).or_default();
        if let Some(placed_by) = placed_by {
            front.placed_by = placed_by;
        }
        front.placed_by.clone()
    }

    /// Takes over what came out of a unit or a front. While an answer of the controller is on its
    /// way, that is nothing but what it looked at: it stays as it was translated last.
    fn take_over(&mut self, snapshot: &Snapshot, maker: &Maker, output: Output, work: &mut Work) {
        if !waits(snapshot, &output) {
            return self.replace(maker, output, work);
        }
        let mut kept = self.output(maker).cloned().unwrap_or_default();
        kept.reads.extend(output.reads);
        kept.reads.sort();
        kept.reads.dedup();
        self.replace(maker, kept, work);
    }

    /// Replaces what came out of a unit or a front.
    fn replace(&mut self, maker: &Maker, output: Output, work: &mut Work) {
        let old = self.take(maker);
        self.index_reads(maker, &old.reads, &output.reads);
        if !(old.diagnostics.is_empty() && output.diagnostics.is_empty()) {
            work.told.entry(maker.clone()).or_insert_with(|| old.diagnostics.clone());
        }
        if old.statements != output.statements {
            self.restate(maker, &old, &output, &mut work.changes);
        }
        for part in old.left_alone.iter().filter(|part| !output.left_alone.contains(part)) {
            self.left_alone.remove(part, maker);
        }
        for part in output.left_alone.iter().filter(|part| !old.left_alone.contains(part)) {
            self.left_alone.insert(part.clone(), maker.clone());
        }
        if old.kept != output.kept {
            work.changes.objects.extend(old.kept.iter().map(|(key, _)| key.clone()));
        }
        // The oldest unit on a front places it.
        if old.age.is_some() && old.age != output.age {
            work.fronts.extend(output.contributions.iter().map(|(front, _)| front.clone()));
        }
        if let Maker::Unit(unit) = maker
            && old.contributions != output.contributions
        {
            self.contribute(unit, &old.contributions, &output.contributions, &mut work.fronts);
        }
        let contested = self.remake(maker, &old.objects, &output.objects, &mut work.changes);
        work.contested.extend(contested);
        self.put(maker, output);
    }

    /// Takes out what came out of a unit or a front.
    fn take(&mut self, maker: &Maker) -> Output {
        match maker {
            Maker::Unit(unit) => self.units.remove(unit).unwrap_or_default(),
            Maker::Front(front) => {
                self.fronts.get_mut(front).map(|front| mem::take(&mut front.output)).unwrap_or_default()
            }
        }
    }

    fn put(&mut self, maker: &Maker, output: Output) {
        match maker {
            // One that asks for nothing and depends on nothing but its own key comes back by
            // that key.
            Maker::Unit(_) if is_inert(&output) => self.index_reads(maker, &output.reads, &[]),
            Maker::Unit(unit) => drop(self.units.insert(unit.clone(), output)),
            Maker::Front(front) => self.fronts.entry(front.clone()).or_default().output = output,
        }
    }

    /// Takes over what a unit contributes to fronts, and notes those for which that is news.
    fn contribute(
        &mut self,
        unit: &UnitKey,
        old: &[(FrontKey, Contribution)],
        new: &[(FrontKey, Contribution)],
        fronts: &mut BTreeSet<FrontKey>,
    ) {
        for (front, _) in old {
            if let Some(front) = self.fronts.get_mut(front) {
                front.units.remove(unit);
            }
        }
        for (front, _) in new {
            self.fronts.entry(front.clone()).or_default().units.insert(unit.clone());
        }
        let gone = old.iter().filter(|part| !new.contains(part));
        let come = new.iter().filter(|part| !old.contains(part));
        fronts.extend(gone.chain(come).map(|(front, _)| front.clone()));
    }

    fn index_reads(&mut self, maker: &Maker, old: &[Key], new: &[Key]) {
        for read in old.iter().filter(|read| new.binary_search(read).is_err()) {
            self.readers.remove(read, maker);
        }
        for read in new.iter().filter(|read| old.binary_search(read).is_err()) {
            self.readers.insert(read.clone(), maker.clone());
        }
    }

    fn restate(&mut self, maker: &Maker, old: &Output, new: &Output, changes: &mut Changes) {
        for statement in &old.statements {
            let object = &statement.object;
            self.statements.remove(object, &(statement.what.clone(), maker.clone()));
            changes.resources.insert(object.clone());
            for key in statement.what.objects() {
                if !self.statements(object).any(|what| what.objects().any(|other| other == key)) {
                    self.shown_by.remove(key, object);
                }
            }
        }
        for statement in &new.statements {
            let object = &statement.object;
            self.statements.insert(object.clone(), (statement.what.clone(), maker.clone()));
            changes.resources.insert(object.clone());
            for key in statement.what.objects() {
                self.shown_by.insert(key.clone(), object.clone());
            }
        }
    }

    /// Takes over what a maker asks for now. Answers the objects that others ask for
    /// differently.
    fn remake(
        &mut self,
        maker: &Maker,
        old: &[Arc<Object>],
        new: &[Arc<Object>],
        changes: &mut Changes,
    ) -> Vec<ObjectKey> {
        let new_keys: BTreeSet<_> = new.iter().map(|object| object.key()).collect();
        for key in old.iter().map(|object| object.key()).filter(|key| !new_keys.contains(key)) {
            if let Some(wanted) = self.wanted.get_mut(&key) {
                wanted.makers.retain(|(other, _)| other != maker);
                if wanted.makers.is_empty() {
                    self.wanted.remove(&key);
                }
            }
            changes.objects.insert(key);
        }
        let mut contested = Vec::new();
        for object in new {
            let key = object.key();
            let makers = &mut self.wanted.entry(key.clone()).or_default().makers;
            // An equal object keeps its place in memory: that is how it is seen
            // later, without comparing, to be what was sent.
            let place = makers.binary_search_by(|(other, _)| other.cmp(maker));
            if place.is_ok_and(|at| makers[at].1 == *object) {
                continue;
            }
            match place {
                Ok(at) => makers[at].1 = object.clone(),
                Err(at) => {
                    makers.reserve_exact(1);
                    makers.insert(at, (maker.clone(), object.clone()));
                }
            }
            if makers.len() > 1 && makers.iter().any(|(other, body)| other != maker && body != object) {
                contested.push(key.clone());
            }
            changes.objects.insert(key);
        }
        contested
    }
}

/// What a translation has come to so far.
#[derive(Debug, Default)]
struct Work {
    changes: Changes,
    /// Fronts that have to be assembled.
    fronts: BTreeSet<FrontKey>,
    /// Objects that several units ask for differently.
    contested: BTreeSet<ObjectKey>,
    /// The findings of what was translated, as they were before.
    told: BTreeMap<Maker, Vec<Diagnostic>>,
}

/// Whether a unit or a front looked at something on the controller that is not known yet.
fn waits(snapshot: &Snapshot, output: &Output) -> bool {
    // They are sorted.
    let mut names = output.reads.iter().rev().map_while(Key::as_referred);
    names.any(|name| *snapshot.look(name) == Look::NotAsked)
}

/// Whether a unit asks for nothing, and looked at nothing but what it is born of.
fn is_inert(output: &Output) -> bool {
    output.reads.len() <= 1
        && output.objects.is_empty()
        && output.contributions.is_empty()
        && output.statements.is_empty()
        && output.diagnostics.is_empty()
        && output.left_alone.is_empty()
}
