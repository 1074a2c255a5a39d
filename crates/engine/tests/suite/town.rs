//! Several instances with one cluster and one controller.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::{Change, Kind, ObjectKey, Operation};
use ako_core::handover::Word;
use ako_core::resource::Namespace;
use ako_core::{Claim, Config, Delta, Installation, NamespacedName, Resource, ResourceId, ResourceKind};
use ako_elect::Moment;
use ako_engine::{DryRun, Effect, Engine, Event, Leadership, Reading, dry_run};
use ako_translate::Translator;

use crate::cluster::translator;
use crate::fake::Fake;
use crate::world::{ALWAYS, cluster_events, sources};

/// How long a permit may last.
pub(crate) const MARGIN: Duration = Duration::from_secs(15);

/// One instance.
pub(crate) struct Instance {
    pub(crate) translator: Translator,
    pub(crate) engine: Engine,
    pub(crate) under_way: Vec<(Moment, Effect)>,
    /// Whether there is a process.
    runs: bool,
    /// After so many more writes it ends.
    ends_after: Option<usize>,
    /// What it sees of another instance's StatefulSet, whatever becomes of that.
    sees: Option<Installation>,
}

/// Instances with one cluster and one controller.
pub(crate) struct Town {
    pub(crate) instances: Vec<Instance>,
    pub(crate) fake: Fake,
    pub(crate) cluster: BTreeMap<ResourceId, Resource>,
    pub(crate) now: Moment,
    leaderships: u64,
    /// Who wrote what, in order.
    pub(crate) writes: Vec<(usize, String)>,
    /// An instance that does not read the controller.
    pub(crate) blind: Option<usize>,
    /// An object that an instance does not get to see.
    pub(crate) hidden: Option<(usize, ResourceId)>,
    /// The fewest pools that were served after any write.
    pub(crate) least_served: usize,
}

/// After so many steps, a run is taken to go on for ever.
const MOST_STEPS: usize = 50_000;

pub(crate) const LATENCY: Duration = Duration::from_millis(5);

impl Town {
    /// Instances with these configurations; the first is the oldest.
    pub(crate) fn new(configs: &[Config], objects: Vec<Resource>) -> Self {
        let mut cluster: BTreeMap<_, _> = objects.into_iter().map(|object| (object.id(), object)).collect();
        for (config, created) in configs.iter().zip(1..) {
            let claim = Resource::ConfigMap(Claim::of(config, created));
            let installation =
                Resource::StatefulSet(installation(&config.operator_namespace, Word::default()));
            cluster.extend([claim, installation].map(|object| (object.id(), object)));
        }
        let mut town = Self {
            instances: Vec::new(),
            fake: Fake::default(),
            cluster,
            now: Moment::from_millis(1),
            leaderships: 0,
            writes: Vec::new(),
            blind: None,
            hidden: None,
            least_served: usize::MAX,
        };
        for config in configs {
            let translator = translator(config.clone());
            let engine = Engine::new(translator.clone());
            town.instances.push(Instance {
                translator,
                engine,
                under_way: Vec::new(),
                runs: true,
                ends_after: None,
                sees: None,
            });
        }
        (0..configs.len()).for_each(|i| town.begin(i));
        town.run(Duration::from_secs(5));
        town
    }

    pub(crate) fn begin(&mut self, i: usize) {
        self.leaderships += 1;
        let leadership = Leadership { since: self.now, name: self.leaderships.to_string().into() };
        self.tell(i, Event::Leads(Some(leadership)));
        self.tell(i, Event::Writing(true));
        for kind in ResourceKind::ALL {
            let objects = self.cluster.values().filter(|o| o.id().kind == kind).cloned().collect();
            self.tell(i, Event::Cluster(Delta::Reset(kind, objects)));
        }
        for source in sources() {
            self.tell(i, Event::Proven(source, ALWAYS));
        }
        self.observe(i);
    }

    /// Another process of an instance.
    pub(crate) fn restart(&mut self, i: usize) {
        let translator = self.instances[i].translator.clone();
        self.instances[i].engine = Engine::new(translator);
        self.stop(i);
        self.instances[i].runs = true;
        self.instances[i].ends_after = None;
        self.begin(i);
    }

    /// The same with another configuration.
    pub(crate) fn restart_as(&mut self, i: usize, config: &Config) {
        self.instances[i].translator = translator(config.clone());
        let claim = Resource::ConfigMap(Claim::of(config, i64::try_from(i).unwrap_or_default() + 1));
        self.apply(claim);
        self.restart(i);
    }

    /// An instance ends; its calls under way are not answered.
    pub(crate) fn stop(&mut self, i: usize) {
        self.instances[i].runs = false;
        self.instances[i].under_way.clear();
    }

    /// An instance ends when it has carried out so many more writes, to either side.
    pub(crate) fn stop_after(&mut self, i: usize, writes: usize) {
        self.instances[i].ends_after = Some(writes);
    }

    pub(crate) fn runs(&self, i: usize) -> bool {
        self.instances[i].runs
    }

    /// From now on an instance sees this of another one's StatefulSet.
    pub(crate) fn freeze_installation(&mut self, i: usize, installation: Installation) {
        self.instances[i].sees = Some(installation.clone());
        self.tell(i, Event::Cluster(Delta::Apply(Resource::StatefulSet(installation))));
    }

    /// The instance has no StatefulSet, so nobody hears it.
    pub(crate) fn silence(&mut self, i: usize) {
        let namespace = self.instances[i].translator.config().operator_namespace.clone();
        self.delete(&Resource::StatefulSet(installation(&namespace, Word::default())).id());
    }

    /// An object of the cluster is deleted.
    pub(crate) fn delete(&mut self, id: &ResourceId) {
        self.cluster.remove(id);
        (0..self.instances.len()).for_each(|i| self.tell(i, Event::Cluster(Delta::Delete(id.clone()))));
    }

    pub(crate) fn observe(&mut self, i: usize) {
        let observation = self.observation(i);
        self.tell(i, Event::Observed(observation));
    }

    /// What another process of an instance would write now.
    pub(crate) fn dry_run(&self, i: usize) -> DryRun {
        let translator = self.instances[i].translator.clone();
        let catalogue = self.instances[i].engine.snapshot().catalogue();
        dry_run(translator, cluster_events(&self.cluster), self.observation(i), catalogue)
    }

    /// What a reading that begins now shows.
    pub(crate) fn observation(&self, i: usize) -> Reading {
        let config = self.instances[i].translator.config();
        let mut objects = self.fake.observe(|owner| config.is_owner(owner));
        // What bears our owner's name and not our cluster's is another cluster's.
        let prefix = format!("{}--", config.cluster_name);
        objects.retain(|(key, _)| key.kind.is_borrowed() || key.name.starts_with(&prefix));
        Reading { started: self.now, objects }
    }

    pub(crate) fn tell(&mut self, i: usize, event: Event) {
        let instance = &mut self.instances[i];
        if !instance.runs {
            return;
        }
        for effect in instance.engine.step(event, self.now) {
            let is_lost = matches!(effect, Effect::Observe) && self.blind == Some(i);
            if !is_lost && !matches!(effect, Effect::Tell(_)) {
                instance.under_way.push((self.now + LATENCY, effect));
            }
        }
        // What takes longer is overtaken.
        instance.under_way.sort_by_key(|(at, _)| *at);
        assert_eq!(instance.engine.inconsistencies(), Vec::<String>::new());
    }

    #[allow(clippy::needless_pass_by_value, reason = "callers make it for this")]
    pub(crate) fn apply(&mut self, object: Resource) {
        self.cluster.insert(object.id(), object.clone());
        for i in 0..self.instances.len() {
            if self.hidden == Some((i, object.id())) {
                continue;
            }
            let seen = match (&object, &self.instances[i].sees) {
                (Resource::StatefulSet(one), Some(old)) if one.namespace == old.namespace => {
                    Resource::StatefulSet(old.clone())
                }
                _ => object.clone(),
            };
            self.tell(i, Event::Cluster(Delta::Apply(seen)));
        }
    }

    /// Gives a namespace the label `team`.
    pub(crate) fn label(&mut self, name: &str, team: &str) {
        self.apply(labelled(name, team));
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        for step in 0.. {
            assert!(
                step < MOST_STEPS,
                "it goes on for ever: {:?}",
                self.writes.iter().rev().take(9).collect::<Vec<_>>()
            );
            let due = |i: &Instance| {
                if !i.runs {
                    return None;
                }
                i.under_way.first().map(|(at, _)| *at).into_iter().chain(i.engine.deadline()).min()
            };
            let next = (0..self.instances.len()).filter_map(|i| Some((due(&self.instances[i])?, i))).min();
            let Some((at, i)) = next.filter(|(at, _)| *at <= end) else { break };
            self.now = self.now.max(at);
            match self.instances[i].under_way.first() {
                Some((first, _)) if *first <= at => {
                    let (_, effect) = self.instances[i].under_way.remove(0);
                    self.execute(i, effect);
                }
                _ => self.tell(i, Event::Tick),
            }
        }
        self.now = end;
    }

    pub(crate) fn execute(&mut self, i: usize, effect: Effect) {
        if matches!(effect, Effect::Send { .. } | Effect::Say(_)) && self.is_over(i) {
            return self.stop(i);
        }
        match effect {
            Effect::Send { operation, .. } => {
                self.check_owner(i, &operation);
                let answer = self.fake.send(&operation);
                if answer.is_ok() {
                    self.writes.push((i, operation.to_string()));
                    self.least_served = self.least_served.min(self.served());
                }
                self.tell(i, Event::Sent(operation.key, answer));
            }
            Effect::Read(key) => {
                let answer = self.fake.read(&key);
                self.tell(i, Event::Read(key, answer));
            }
            Effect::LookUp(names) => {
                let answers: Vec<_> =
                    names.into_iter().map(|name| (name.clone(), self.fake.look_up(&name))).collect();
                self.tell(i, Event::LookedUp(answers));
            }
            Effect::FindOwners { object, virtual_services, .. } => {
                let owners = self.fake.owners(&virtual_services);
                self.tell(i, Event::OwnersFound(object, Ok(owners)));
            }
            Effect::Publish { object, wanted, .. } => {
                self.tell(i, Event::Published(object.clone(), Ok(())));
                let Some(mut changed) = self.cluster.get(&object).cloned() else { return };
                match &mut changed {
                    Resource::Ingress(ingress) => ingress.published = wanted,
                    Resource::Service(service) => service.published = wanted,
                    Resource::HostRule(rule) => rule.published = wanted,
                    other => panic!("{other:?}"),
                }
                self.apply(changed);
            }
            Effect::Observe => self.observe(i),
            Effect::Say(word) => {
                self.tell(i, Event::Said(Ok(())));
                let namespace = &self.instances[i].translator.config().operator_namespace;
                let installation = Resource::StatefulSet(installation(namespace, word));
                // One that has no StatefulSet does not get one.
                if self.cluster.contains_key(&installation.id()) {
                    self.apply(installation);
                }
            }
            Effect::Tell(_) => {}
        }
    }

    /// Whether an instance ends before this write.
    fn is_over(&mut self, i: usize) -> bool {
        let Some(left) = &mut self.instances[i].ends_after else { return false };
        let is_over = *left == 0;
        *left = left.saturating_sub(1);
        is_over
    }

    /// Nobody deletes what is another's, or changes it, unless it takes it over.
    fn check_owner(&self, i: usize, operation: &Operation) {
        let config = self.instances[i].translator.config();
        let own = config.owner();
        let Some(owner) = self.owner_of(&operation.key).filter(|owner| !config.is_owner(owner)) else {
            return;
        };
        match &operation.change {
            Change::Create(_) => {}
            Change::Update(_, body) => {
                assert_eq!(body.created_by().map(|owner| &**owner), Some(&*own), "{operation} of {owner}");
            }
            // What was taken over meanwhile has another version, and stays.
            Change::Delete(meta) => {
                let version = self.fake.version(&operation.key);
                assert_ne!(meta.last_modified, version, "{operation} of {owner} by {own}");
            }
        }
    }

    /// Whether a conflict keeps something as it is.
    pub(crate) fn is_contested(&self) -> bool {
        self.instances.iter().any(|instance| instance.engine.is_contested())
    }

    /// How many pools are reached through a virtual service.
    pub(crate) fn served(&self) -> usize {
        self.fake.served_pools().len()
    }

    pub(crate) fn take_writes(&mut self) -> Vec<(usize, String)> {
        std::mem::take(&mut self.writes)
    }

    pub(crate) fn owner_of(&self, key: &ObjectKey) -> Option<String> {
        self.fake.get(key)?.created_by().map(ToString::to_string)
    }

    /// The pools, each with its owner.
    pub(crate) fn pools(&self) -> Vec<(String, String)> {
        let keys = self.fake.keys().into_iter().filter(|key| key.kind == Kind::Pool);
        keys.map(|key| (key.name.to_string(), self.owner_of(&key).unwrap_or_default())).collect()
    }

    pub(crate) fn published(&self, name: &str) -> usize {
        let id = ResourceId { kind: ResourceKind::Ingress, name: NamespacedName::new("red", name) };
        match &self.cluster[&id] {
            Resource::Ingress(ingress) => ingress.published.addresses.len(),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn installation(namespace: &Arc<str>, word: Word) -> Installation {
    Installation { word, ..Installation::new(namespace.clone()) }
}

pub(crate) fn labelled(name: &str, team: &str) -> Resource {
    let labels = BTreeMap::from([("team".into(), team.into())]);
    Resource::Namespace(Namespace { name: name.into(), labels, ..Namespace::default() })
}
