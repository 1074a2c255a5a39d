//! Runs an engine against a fake controller and a fake API server.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ako_avi_types::{ErrorClass, Kind, ObjectKey};
use ako_core::resource::Published;
use ako_core::{Config, Delta, Reason, Resource, ResourceId, ResourceKind};
use ako_elect::Moment;
use ako_engine::{
    Action, Desired, DryRun, Effect, Engine, Event, Flaw, Inventory, Leadership, Notice, Planned, Reading,
    Source, Unpublished, dry_run, lint,
};
use ako_translate::Translator;

use crate::cluster::translator;
use crate::fake::{Fake, Fault, failure};

/// After so many steps, a run is taken to go on for ever.
const MOST_STEPS: usize = 100_000;

/// A proof of then counts for as long as a test takes.
pub(crate) const ALWAYS: Moment = Moment::from_millis(u64::MAX / 2);

/// Everything that can be proven.
pub(crate) fn sources() -> impl Iterator<Item = Source> {
    ResourceKind::ALL.into_iter().map(Source::Kind).chain([Source::Configuration])
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) fake: Fake,
    pub(crate) now: Moment,
    pub(crate) notices: Vec<Notice>,
    /// How many statuses were written.
    pub(crate) published: usize,
    /// So many statuses cannot be written.
    pub(crate) unpublishable: usize,
    /// How they fail.
    pub(crate) unpublished: Unpublished,
    /// The process ends before the write after so many.
    pub(crate) writes_left: Option<usize>,
    /// How long every call takes.
    pub(crate) latency: Duration,
    /// Whether events of statuses that were written are withheld.
    pub(crate) blind: bool,
    /// Whether somebody else broke references on the controller.
    pub(crate) broken: bool,
    /// Until when each list proves its kind, if it is followed by a proof.
    lists_prove_until: Option<Moment>,
    pub(crate) translator: Translator,
    pub(crate) cluster: BTreeMap<ResourceId, Resource>,
    under_way: VecDeque<(Moment, Effect)>,
    crashed: bool,
}

impl World {
    /// A cluster with these objects, an empty controller, an operator that has
    /// not been started.
    pub(crate) fn new(config: Config, objects: Vec<Resource>) -> Self {
        let translator = translator(config);
        Self {
            engine: Engine::new(translator.clone()),
            fake: Fake::default(),
            now: Moment::from_millis(1_000),
            notices: Vec::new(),
            published: 0,
            unpublishable: 0,
            unpublished: Unpublished::Later,
            writes_left: None,
            latency: Duration::from_millis(5),
            blind: false,
            broken: false,
            lists_prove_until: None,
            translator,
            cluster: objects.into_iter().map(|object| (object.id(), object)).collect(),
            under_way: VecDeque::new(),
            crashed: false,
        }
    }

    /// The same, started and at rest.
    pub(crate) fn at_rest(config: Config, objects: Vec<Resource>) -> Self {
        let mut world = Self::new(config, objects);
        world.start();
        world.settle();
        world
    }

    /// Starts the operator.
    pub(crate) fn start(&mut self) {
        self.grant();
        for kind in ResourceKind::ALL {
            self.list(kind);
        }
        self.observe();
    }

    /// Lets the process lead and write, with everything proven for ever.
    pub(crate) fn grant(&mut self) {
        self.lead();
        self.lists_prove_until = Some(ALWAYS);
        for source in sources() {
            self.event(Event::Proven(source, ALWAYS));
        }
    }

    /// Lets the process lead, and write, without any proof.
    pub(crate) fn lead(&mut self) {
        self.event(Event::Leads(Some(leadership(self.now))));
        self.event(Event::Writing(true));
    }

    /// Everything is proven to be known as it is now.
    pub(crate) fn prove(&mut self) {
        for source in sources() {
            self.event(Event::Proven(source, self.now));
        }
    }

    /// Somebody releases what is held.
    pub(crate) fn release(&mut self) {
        let held = self.engine.held().unwrap();
        self.event(Event::ReleaseDeletions(held.digest));
    }

    /// Ends the process and starts another one.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// Ends the process and starts another one with another configuration.
    pub(crate) fn restart_as(&mut self, config: Config) {
        self.restart_with(translator(config));
    }

    /// The same, with another translator.
    pub(crate) fn restart_with(&mut self, translator: Translator) {
        self.translator = translator;
        self.restart();
    }

    pub(crate) fn stop(&mut self) {
        self.lists_prove_until = None;
        self.under_way.clear();
        self.crashed = false;
        self.engine = Engine::new(self.translator.clone());
        self.fake.writes.clear();
    }

    /// Hands over all objects of a kind.
    pub(crate) fn list(&mut self, kind: ResourceKind) {
        let objects: Vec<_> = self.cluster.values().filter(|o| o.id().kind == kind).cloned().collect();
        self.event(Event::Cluster(Delta::Reset(kind, objects)));
    }

    pub(crate) fn observation(&self) -> Reading {
        Reading {
            started: self.now,
            objects: self.fake.observe(|owner| self.translator.config().is_owner(owner)),
        }
    }

    /// Reads the whole controller.
    pub(crate) fn observe(&mut self) {
        let observation = self.observation();
        self.now = self.now + self.latency;
        self.event(Event::Observed(observation));
    }

    pub(crate) fn apply(&mut self, object: Resource) {
        self.cluster.insert(object.id(), object.clone());
        self.event(Event::Cluster(Delta::Apply(object)));
    }

    pub(crate) fn delete(&mut self, id: &ResourceId) {
        self.cluster.remove(id).unwrap();
        self.event(Event::Cluster(Delta::Delete(id.clone())));
    }

    /// Changes the cluster.
    pub(crate) fn carry_out(
        &mut self,
        change: impl FnOnce(&mut BTreeMap<ResourceId, Resource>) -> Option<Delta>,
    ) {
        if let Some(delta) = change(&mut self.cluster) {
            self.event(Event::Cluster(delta));
        }
    }

    /// Changes the cluster while nobody looks.
    pub(crate) fn change_unseen(
        &mut self,
        change: impl FnOnce(&mut BTreeMap<ResourceId, Resource>) -> Option<Delta>,
    ) {
        change(&mut self.cluster);
    }

    /// Lets the next call go wrong in one of ten ways, or not.
    pub(crate) fn disturb(&mut self, how: u8) {
        let fault = match how {
            0 => Fault::AnswerLost,
            1 => Fault::CallLost,
            2 => Fault::Refused(ErrorClass::Rejected),
            3 => Fault::Refused(ErrorClass::Busy),
            4 => return self.observe(),
            _ => return,
        };
        self.fake.fail(1, fault, |_| true);
    }

    /// Changes the cluster without the operator being told.
    pub(crate) fn forget(&mut self, kind: ResourceKind) {
        self.cluster.retain(|id, _| id.kind != kind);
    }

    pub(crate) fn event(&mut self, event: Event) {
        let list = if let Event::Cluster(Delta::Reset(kind, _)) = &event { Some(*kind) } else { None };
        self.tell(event);
        if let (Some(kind), Some(until)) = (list, self.lists_prove_until) {
            self.tell(Event::Proven(Source::Kind(kind), until));
        }
    }

    fn tell(&mut self, event: Event) {
        for effect in self.engine.step(event, self.now) {
            match effect {
                Effect::Tell(notice) => self.notices.push(notice),
                effect => self.under_way.push_back((self.now + self.latency, effect)),
            }
        }
        assert_eq!(self.engine.inconsistencies(), Vec::<String>::new());
    }

    /// Runs for a time.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut steps = 0;
        while self.step(end) {
            steps += 1;
            assert!(steps < MOST_STEPS, "it goes on for ever: {:?}", self.engine.pending(3));
        }
        if !self.crashed {
            self.now = end;
        }
    }

    /// Runs until nothing is left to do. What is refused ten times in a row
    /// rests for some hours altogether.
    pub(crate) fn settle(&mut self) {
        let end = self.now + Duration::from_hours(12);
        let mut steps = 0;
        while !self.engine.is_settled() || !self.under_way.is_empty() {
            assert!(self.step(end), "not at rest after half a day: {:?}", self.engine.pending(5));
            steps += 1;
            assert!(steps < MOST_STEPS, "it goes on for ever: {:?}", self.engine.pending(3));
        }
        self.check_rest();
    }

    /// Runs until the process ends.
    pub(crate) fn crash_after(&mut self, writes: usize) {
        self.writes_left = Some(writes);
        self.run(Duration::from_mins(2));
        self.writes_left = None;
    }

    fn step(&mut self, end: Moment) -> bool {
        let deadline = self.engine.deadline();
        let due = self.under_way.front().map(|(at, _)| *at);
        let Some(next) = [deadline, due].into_iter().flatten().min().filter(|at| *at <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        match self.under_way.pop_front_if(|(at, _)| *at <= next) {
            Some((_, effect)) => self.execute(effect),
            None => self.event(Event::Tick),
        }
        !self.crashed
    }

    fn execute(&mut self, effect: Effect) {
        match effect {
            Effect::Send { operation, until } => {
                if until.is_some_and(|until| self.now >= until) {
                    let failure = failure(ErrorClass::NoPermit, "the proof is too old");
                    return self.event(Event::Sent(operation.key, Err(failure)));
                }
                if self.writes_left == Some(0) {
                    self.crashed = true;
                    return;
                }
                self.writes_left = self.writes_left.map(|left| left - 1);
                let answer = self.fake.send(&operation);
                if !self.broken {
                    assert_eq!(self.fake.dangling(), Vec::<String>::new());
                }
                self.event(Event::Sent(operation.key, answer));
            }
            Effect::Read(key) => {
                let answer = self.fake.read(&key);
                self.event(Event::Read(key, answer));
            }
            Effect::LookUp(names) => {
                let answers =
                    names.into_iter().map(|name| (name.clone(), self.fake.look_up(&name))).collect();
                self.event(Event::LookedUp(answers));
            }
            Effect::FindOwners { object, virtual_services, .. } => {
                let owners = self.fake.owners(&virtual_services);
                self.event(Event::OwnersFound(object, Ok(owners)));
            }
            Effect::Publish { object, wanted, .. } => self.publish(object, wanted),
            Effect::Observe => self.observe(),
            Effect::Say(_) => self.event(Event::Said(Ok(()))),
            Effect::Tell(_) => {}
        }
    }

    fn publish(&mut self, id: ResourceId, wanted: Published) {
        if self.unpublishable > 0 {
            self.unpublishable -= 1;
            self.event(Event::Published(id, Err(self.unpublished.clone())));
            return;
        }
        self.published += 1;
        self.event(Event::Published(id.clone(), Ok(())));
        let Some(object) = self.cluster.get_mut(&id) else { return };
        match object {
            Resource::Ingress(ingress) => ingress.published = wanted,
            Resource::Service(service) => service.published = wanted,
            Resource::AviInfraSetting(setting) => setting.published = wanted,
            Resource::L4Rule(rule) => rule.published = wanted,
            Resource::HostRule(rule) => rule.published = wanted,
            Resource::HTTPRule(rule) => rule.published = wanted,
            Resource::L7Rule(rule) => rule.published = wanted,
            Resource::SSORule(rule) => rule.published = wanted,
            Resource::HealthMonitor(monitor) => monitor.published = wanted,
            Resource::ApplicationProfile(profile) => profile.published = wanted,
            Resource::PKIProfile(profile) => profile.published = wanted,
            Resource::RouteBackendExtension(extension) => extension.published = wanted,
            other => panic!("{other:?} has no status"),
        }
        if is_let_go(object) {
            return self.delete(&id);
        }
        if !self.blind {
            let object = object.clone();
            self.event(Event::Cluster(Delta::Apply(object)));
        }
    }

    /// What stands on an object.
    pub(crate) fn status(&self, id: &ResourceId) -> Published {
        match self.cluster.get(id).unwrap() {
            Resource::Ingress(ingress) => ingress.published.clone(),
            Resource::Service(service) => service.published.clone(),
            Resource::AviInfraSetting(setting) => setting.published.clone(),
            Resource::HealthMonitor(monitor) => monitor.published.clone(),
            Resource::ApplicationProfile(profile) => profile.published.clone(),
            Resource::PKIProfile(profile) => profile.published.clone(),
            Resource::RouteBackendExtension(extension) => extension.published.clone(),
            other => panic!("{other:?} has no status"),
        }
    }

    pub(crate) fn desired(&self) -> &Desired {
        self.engine.desired()
    }

    /// At rest, the controller holds what is wanted and nothing else of ours.
    pub(crate) fn check_rest(&self) {
        let is_of_others =
            |flaw: &Flaw| matches!(flaw, Flaw::DanglingReference(to) if self.fake.is_there(to));
        let flaws: Vec<_> =
            lint(self.desired()).into_iter().filter(|found| !is_of_others(&found.flaw)).collect();
        assert_eq!(flaws, []);
        assert_eq!(unmet(self.desired(), self.engine.inventory()), Vec::<String>::new());
        self.check_another_process();
        let owner = self.translator.config().owner();
        let is_made = |key: &ObjectKey| !key.kind.is_borrowed();
        let ours = self.fake.observe(|by| by == owner).into_iter().map(|(key, _)| key);
        let wanted = self.desired().objects().map(|(key, _)| key.clone());
        assert_eq!(ours.filter(is_made).collect::<Vec<_>>(), wanted.filter(is_made).collect::<Vec<_>>());
        for (key, object) in self.desired().objects().filter(|(key, _)| self.fake.get(key).is_some()) {
            let differences = object.differences(self.fake.get(key).unwrap());
            assert!(differences.is_empty() || self.fake.meddle.is_some(), "{key}: {differences:?}");
        }
    }

    /// What another process would write now, as it reads the cluster and the controller.
    pub(crate) fn dry_run(&self) -> DryRun {
        let (translator, catalogue) =
            (self.desired().translator().clone(), self.engine.snapshot().catalogue());
        dry_run(translator, self.cluster_events(), self.observation(), catalogue)
    }

    /// What a process hears of the cluster when it starts.
    pub(crate) fn cluster_events(&self) -> Vec<Event> {
        cluster_events(&self.cluster)
    }

    /// At rest, another process has nothing to write, unless it tries again what was refused,
    /// or finds that the controller keeps something else than was written.
    fn check_another_process(&self) {
        let other = self.dry_run();
        assert!(other.is_complete);
        let was_refused = self.engine.findings().iter().any(|f| f.reason == Reason::ControllerRefused);
        if was_refused || self.fake.meddle.is_some() {
            return;
        }
        // A front that nobody is on any more stays until the next process.
        let is_front = |key: &ObjectKey| self.desired().is_shared(key);
        let writes = other.writes.iter().filter(|w| !(w.action == Action::Delete && is_front(&w.key)));
        let writes: Vec<_> = writes.map(ToString::to_string).collect();
        assert!(writes.is_empty(), "another process would write: {writes:#?}");
    }

    /// How many objects of a kind are wanted.
    pub(crate) fn desired_of(&self, kind: Kind) -> usize {
        self.desired().objects().filter(|(key, _)| key.kind == kind).count()
    }

    /// The writes since the last look.
    pub(crate) fn take_writes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.fake.writes)
    }

    pub(crate) fn has(&self, kind: Kind, part: &str) -> bool {
        self.fake.keys().iter().any(|key: &ObjectKey| key.kind == kind && key.name.contains(part))
    }
}

/// What a process hears of a cluster with these objects when it starts.
pub(crate) fn cluster_events(objects: &BTreeMap<ResourceId, Resource>) -> Vec<Event> {
    let of = |kind| objects.values().filter(|object| object.id().kind == kind).cloned().collect();
    let lists = ResourceKind::ALL.into_iter().map(|kind| Event::Cluster(Delta::Reset(kind, of(kind))));
    lists.collect()
}

/// What is wanted, and not there or not so. What is borrowed is not ours to make, and what
/// stays as it is not ours to write.
pub(crate) fn unmet(desired: &Desired, inventory: &Inventory) -> Vec<String> {
    let mut unmet = Vec::new();
    for (key, object) in desired.objects().filter(|(key, _)| !desired.is_frozen(key)) {
        match inventory.get(key) {
            None if key.kind.is_borrowed() => {}
            None => unmet.push(format!("{key} is not there")),
            Some(_) => {
                let differences = inventory.differences(key, object);
                unmet.extend(differences.iter().map(|difference| format!("{key}: {difference}")));
            }
        }
    }
    unmet
}

/// What is done to what, as the fake controller notes it.
pub(crate) fn noted(planned: &Planned) -> String {
    let verb = match planned.action {
        Action::Create => "create",
        Action::Update(_) => "update",
        Action::Delete => "delete",
    };
    format!("{verb} {}", planned.key)
}

/// A leadership since that moment.
pub(crate) fn leadership(since: Moment) -> Leadership {
    Leadership { since, name: "term".into() }
}

/// Whether an object is to be deleted, and no finalizer holds it any more.
fn is_let_go(object: &Resource) -> bool {
    match object {
        Resource::HealthMonitor(monitor) if monitor.meta.is_deleting => {
            monitor.published.hold.as_ref().is_some_and(|hold| !hold.is_held && hold.others.is_empty())
        }
        _ => false,
    }
}
