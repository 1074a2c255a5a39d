//! The task that owns the engine: hands events in and carries effects out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ako_avi_io::{ClaimedBy, Clock, ClusterClaim};
use ako_avi_types::{ErrorClass, Failure, ObjectKey, Operation, Referred};
use ako_core::handover::Word;
use ako_core::resource::Published;
use ako_core::{Config, Diagnostic, ResourceId, ResourceKind, annotation};
use ako_elect::{Moment, WritePermit};
use ako_engine::{Counters, Effect, Engine, Event, Leadership, Notice, Source};
use ako_kube_io::{ClusterWriter, Demand, EventWriter, Handle, SourceEvent, Standing, WallClock};
use ako_translate::Translator;
use anyhow::bail;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tracing::{debug, error, info, warn};

use super::attempt::Attempt;
use super::cluster_name;
use super::conflicts::Conflicts;
use super::connection::Connection;
use super::explain;
use super::history::History;
use super::input::{Answer, Input};
use super::latency::Latencies;
use super::leading::{Fitness, Leading, Turn};
use super::publishing;
use super::removal::Removal;
use super::report::{self, Report};
use super::settings::Settings;
use super::state::Startup;
use super::statuses;
use crate::logging::LogControl;

/// The most messages taken in before effects are carried out.
const BATCH: usize = 512;
/// How long the driver sleeps at most.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);
/// How long it sleeps at least, if nothing comes in: a deadline that has passed and that
/// nobody takes back must not keep a core busy.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// What became of a request.
enum Done {
    /// The engine is told.
    Engine(Box<Event>),
    /// It was about the cluster's name: whether that is given up, if it was to be.
    ClusterName(Option<bool>),
    /// It told others which controller this is, or failed.
    Controller(bool),
    /// It noted how far the removal of everything is, or failed.
    Removal,
}

impl Done {
    fn engine(event: Event) -> Self {
        Self::Engine(Box::new(event))
    }
}

/// What the driver works with.
pub(crate) struct Parts {
    /// Writes to objects of the cluster.
    pub(crate) writer: ClusterWriter,
    pub(crate) connection: Arc<Connection>,
    pub(crate) events: EventWriter,
    pub(crate) candidate: Handle,
    pub(crate) clock: Clock,
    pub(crate) wall: WallClock,
    /// Asks for a reading of the controller.
    pub(crate) observe: Arc<Notify>,
    pub(crate) startup: Startup,
    pub(crate) log: LogControl,
    /// The kinds that are watched.
    pub(crate) kinds: watch::Sender<BTreeSet<ResourceKind>>,
    /// Whether what the watches and the configuration show has to be proven.
    pub(crate) demand: watch::Sender<Demand>,
}

/// Owns the engine.
pub(crate) struct Driver {
    parts: Parts,
    engine: Engine,
    /// The newest ones; the engine may still wait for what they need.
    config: Config,
    facts: ako_core::Facts,
    leading: Leading,
    /// Requests under way. Each ends with whom it is about.
    requests: JoinSet<Done>,
    /// Whom the cluster's name belongs to on the controller; `None` if it is not claimed.
    claimed: Option<watch::Receiver<Option<ClaimedBy>>>,
    /// Giving the cluster's name up, after everything was removed.
    giving_up: Attempt,
    /// Telling other instances which controller this is.
    telling: Attempt,
    /// Findings of the conversion, before translation.
    findings: BTreeMap<ResourceId, Vec<Diagnostic>>,
    conflicts: Conflicts,
    /// Kinds whose watch is in trouble, and why.
    troubles: BTreeMap<&'static str, String>,
    counters: Counters,
    latencies: Latencies,
    history: History,
    removal: Removal,
    was_settled: bool,
    was_ever_settled: bool,
    /// The writes when it was last said that all is well.
    settled_at: [u64; 3],
    was_held: bool,
}

impl Driver {
    pub(crate) fn new(parts: Parts, translator: Translator) -> Self {
        parts.demand.send_modify(|demand| demand.period = proof_period(translator.config()));
        let claimed = parts.connection.claim.as_ref().map(ClusterClaim::at_home);
        Self {
            leading: Leading::new(&parts.candidate, translator.config().leader_election.lease_duration),
            parts,
            config: translator.config().clone(),
            facts: translator.facts().clone(),
            engine: Engine::new(translator),
            requests: JoinSet::new(),
            claimed,
            giving_up: Attempt::default(),
            telling: Attempt::default(),
            findings: BTreeMap::new(),
            conflicts: Conflicts::default(),
            troubles: BTreeMap::new(),
            counters: Counters::default(),
            latencies: Latencies::default(),
            history: History::default(),
            removal: Removal::default(),
            was_settled: false,
            was_ever_settled: false,
            settled_at: [0; 3],
            was_held: false,
        }
    }

    /// Runs until the inputs end, which they do with the process.
    pub(crate) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) -> anyhow::Result<()> {
        self.parts.startup.running();
        publishing::tell_own_pod(&self.parts.events, "AKOReady", "the operator runs");
        let mut standing = self.parts.candidate.standing.clone();
        standing.mark_changed();
        let mut batch = Vec::with_capacity(BATCH);
        let mut claimed = self.claimed.clone();
        let mut pods_of_ako = self.parts.candidate.beside.clone();
        pods_of_ako.mark_changed();
        let mut passed = None;
        loop {
            let deadlines = [
                self.engine.deadline(),
                self.leading.look_again(),
                self.removal.deadline(),
                self.giving_up.deadline(),
                self.telling.deadline(),
            ];
            let next = deadlines.into_iter().flatten().min();
            debug_assert!(passed.is_none() || passed != next, "a deadline has passed and still stands");
            passed = None;
            let sleep = next.map_or(LONGEST_SLEEP, |at| at.since(self.now()));
            let sleep = sleep.clamp(SHORTEST_SLEEP, LONGEST_SLEEP);
            tokio::select! {
                count = inputs.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return Ok(());
                    }
                }
                Ok(()) = standing.changed() => {
                    let standing = standing.borrow_and_update().clone();
                    self.turn(standing);
                }
                Some(done) = self.requests.join_next() => self.done(done)?,
                () = changed(&mut claimed) => self.judge_name(),
                Ok(()) = pods_of_ako.changed() => self.tell_beside(&pods_of_ako.borrow_and_update()),
                () = tokio::time::sleep(sleep) => {
                    passed = next.filter(|at| *at <= self.now());
                    self.step(Event::Tick);
                }
            }
            while let Some(done) = self.requests.try_join_next() {
                self.done(done)?;
            }
            batch.drain(..).for_each(|input| self.take(input));
            if self.leading.is_to_look_again(self.now()) {
                self.parts.observe.notify_one();
            }
            self.notice_changes();
            self.removal.wake(self.now());
            self.announce_removal();
            self.announce_controller();
            self.tell_elector();
        }
    }

    fn now(&self) -> Moment {
        (self.parts.clock)()
    }

    /// A request has its answer. One that has none, as its task failed, would
    /// be waited for for ever.
    fn done(&mut self, done: Result<Done, JoinError>) -> anyhow::Result<()> {
        let now = self.now();
        let event = match done {
            Ok(Done::Engine(event)) => *event,
            Ok(Done::ClusterName(given_up)) => {
                self.leading.answered(false, now);
                if let Some(well) = given_up {
                    self.giving_up.answered(well, now);
                }
                return Ok(());
            }
            Ok(Done::Controller(well)) => {
                self.leading.answered(false, now);
                self.telling.answered(well, now);
                return Ok(());
            }
            Ok(Done::Removal) => {
                self.leading.answered(false, now);
                self.removal.answered(now);
                return Ok(());
            }
            Err(error) => bail!("a request failed: {error}"),
        };
        match &event {
            Event::Sent(key, result) => {
                self.history.answered(key, result.as_ref().err(), now);
                self.leading.answered(result.is_ok(), now);
                if result.as_ref().is_err_and(|failure| failure.class == ErrorClass::Unknown) {
                    self.leading.is_in_doubt(now);
                }
            }
            // No progress of the plan: that is about the controller.
            Event::Said(_) | Event::Published(..) => self.leading.answered(false, now),
            _ => {}
        }
        self.note_failure(&event);
        self.step(event);
        Ok(())
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Engine(event) => {
                self.note_failure(&event);
                let observed = if let Event::Observed(seen) = &event { Some(seen.started) } else { None };
                self.step(event);
                if observed.is_some_and(|started| self.leading.may_write_after(started)) {
                    self.begin_to_write();
                }
            }
            Input::Facts(facts) => {
                self.facts = facts;
                self.configure();
            }
            Input::Source(event) => self.source(event),
            Input::Settings(settings) => self.settings(*settings),
            // Whoever asked may have gone.
            Input::Alive(answer) => drop(answer.send(())),
            Input::Report(answer) => {
                let _ = answer.send(self.report());
            }
            Input::Explain(question, answer) => {
                let findings = self.findings.values().flatten();
                let _ = answer.send(explain::answer(&self.engine, findings, &question));
            }
            Input::Release(digest, answer) => {
                let _ = answer.send(self.release(&digest));
            }
            Input::Yield(answer) => {
                let _ = answer.send(self.leading.hand_over(&self.parts.candidate));
            }
            Input::TakeClusterName(from, answer) => self.take_name(from, answer),
        }
    }

    /// Lets the held deletions pass. A standby's would be held anew by the
    /// leader, who reads the controller for itself.
    fn release(&mut self, digest: &str) -> Answer {
        self.leading.must_lead()?;
        let Some(held) = self.engine.held() else { return Ok("no deletions are held".to_owned()) };
        if self.engine.is_contested() {
            return Err(
                "another instance claims what this one asks for, so what seems to be superfluous may be \
                        its: resolve the conflicts that `ako status` shows; nothing is released before"
                    .to_owned(),
            );
        }
        if held.digest != digest {
            return Err(format!(
                "what is held is not what {digest:?} names: {} deletions are held now, digest {}; look at them \
                 with `ako status` and release that",
                held.count, held.digest
            ));
        }
        warn!(held.count, held.digest, "held deletions are released");
        self.step(Event::ReleaseDeletions(held.digest));
        Ok(format!("{} deletions are released", held.count))
    }

    /// The election went on.
    fn turn(&mut self, standing: Standing) {
        match self.leading.turn(standing, self.now()) {
            Turn::Same => {}
            Turn::Granted { epoch } => {
                info!(epoch, "this replica leads; the controller is read before anything is written");
                publishing::tell_own_pod(&self.parts.events, "LeaderElection", "AKO became a leader");
                self.step(Event::Writing(false));
                let name = format!("{}-{epoch}", self.leading.standing().me.nonce()).into();
                self.step(Event::Leads(Some(Leadership { since: self.now(), name })));
                self.demand_proofs();
                self.parts.observe.notify_one();
            }
            Turn::Ended { leader } => {
                info!(leader, "this replica does not lead any more");
                publishing::tell_own_pod(&self.parts.events, "LeaderElection", "AKO became a follower");
                self.step(Event::Writing(false));
                self.step(Event::Leads(None));
                self.parts.demand.send_modify(|demand| demand.leads = false);
            }
        }
    }

    /// What is known was known before this process led: it has to be proven.
    fn demand_proofs(&mut self) {
        self.parts.demand.send_modify(|demand| {
            demand.grants += 1;
            demand.leads = true;
        });
    }

    /// What was found while nobody was told is told now.
    fn begin_to_write(&mut self) {
        let of_cluster = self.findings.values().flatten().chain(self.engine.desired().diagnostics());
        let of_controller = self.engine.findings();
        for finding in of_cluster.chain(&of_controller) {
            self.tell(report::notice(finding));
        }
        self.conflicts.refused().flat_map(publishing::contested).for_each(|notice| self.tell(notice));
        self.judge_name();
    }

    /// Whether another cluster has this one's name on the controller: nothing of this one
    /// could be told from what is that one's.
    fn has_lost_its_name(&self) -> bool {
        self.claimed.as_ref().is_some_and(cluster_name::is_anothers)
    }

    /// Writing begins, or ends, with the cluster's name.
    fn judge_name(&mut self) {
        if self.leading.writes() {
            self.step(Event::Writing(!self.has_lost_its_name()));
        }
    }

    /// Pods of AKO 2.2.1 begin to run beside this one, or are gone.
    fn tell_beside(&self, pods: &[String]) {
        if let Some(why) = beside(pods) {
            warn!("{why}");
            publishing::warn_of(&self.parts.events, "BesideAKO", &why);
        }
    }

    /// Takes the name from a cluster that is gone.
    fn take_name(&mut self, from: String, answer: oneshot::Sender<Answer>) {
        let claim = self.parts.connection.claim.clone();
        let may = self.leading.must_lead().and_then(|()| {
            claim.ok_or_else(|| {
                "the uid of namespace kube-system is not known: see the missing permissions".into()
            })
        });
        let (claim, permit) = match (may, self.leading.standing().permit) {
            (Ok(claim), Some(permit)) => (claim, permit),
            (Err(why), _) => return drop(answer.send(Err(why))),
            (_, None) => {
                return drop(answer.send(Err("this replica is about to lead; try again".to_owned())));
            }
        };
        self.leading.starts_write();
        let writer = self.parts.connection.writer.clone();
        self.requests.spawn(async move {
            let name = &claim.cluster().name;
            let taken = writer.take_cluster_name(&permit, &from).await;
            let told = match taken {
                Ok(()) => {
                    warn!(from, "the cluster's name on the controller is taken over");
                    Ok(format!("the name {name} on this controller belongs to this cluster now"))
                }
                Err(failure) => Err(failure.to_string()),
            };
            // Whoever asked may have gone.
            let _ = answer.send(told);
            Done::ClusterName(None)
        });
    }

    /// Gives the cluster's name up when everything else is removed, unless another instance
    /// needs it. Answers whether that is done.
    fn give_name_up(&mut self, removed: bool) -> bool {
        let is_needed = self.engine.snapshot().may_share_controller();
        if self.claimed.is_none() || is_needed || !removed {
            self.giving_up.is_not_wanted();
            return removed;
        }
        if self.giving_up.begins(true, self.now()) {
            let permit = self.leading.starts_write();
            let writer = self.parts.connection.writer.clone();
            self.requests.spawn(async move {
                let Some(permit) = permit else { return Done::ClusterName(Some(false)) };
                let given_up = writer.give_cluster_name_up(&permit).await;
                if let Err(failure) = &given_up {
                    warn!(%failure, "the cluster's name on the controller could not be given up; trying again");
                }
                Done::ClusterName(Some(given_up.is_ok()))
            });
        }
        self.giving_up == Attempt::Done
    }

    /// An Event on an object. Standbys find the same; one Event is enough.
    fn tell(&self, notice: Notice) {
        if self.leading.writes() {
            let meta = self.engine.snapshot().meta_of(&notice.object);
            let uid = meta.map(|meta| meta.uid.clone()).filter(|uid| !uid.is_empty());
            publishing::tell(&self.parts.events, notice, uid);
        }
    }

    /// What decides who had better lead.
    fn tell_elector(&mut self) {
        let fitness = Fitness {
            // What a watch in trouble shows may be old.
            warm: self.engine.is_synced() && self.troubles.is_empty(),
            reachable: self.parts.startup.is_connected(),
            // No replica makes progress while another cluster has the name.
            idle: !self.engine.has_open_work() || self.has_lost_its_name(),
        };
        let now = self.now();
        self.leading.tell(&self.parts.candidate, fitness, now);
    }

    fn step(&mut self, event: Event) {
        let effects = self.engine.step(event, self.now());
        self.carry_out(effects);
    }

    fn source(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Delta(delta) => {
                self.conflicts.notice(&delta);
                self.step(Event::Cluster(delta));
            }
            SourceEvent::Diagnostics(object, findings) => {
                for finding in &findings {
                    warn!(object = %finding.object, reason = finding.reason.as_str(), "{}", finding.message);
                    self.tell(report::notice(finding));
                }
                if findings.is_empty() {
                    self.findings.remove(&object)
                } else {
                    self.findings.insert(object, findings)
                };
            }
            SourceEvent::Undecodable { kind, name, message } => {
                error!(kind = kind.as_str(), %name, message, "an object cannot be understood and is not served");
                let object = ResourceId { kind, name };
                let finding = report::undecodable(&object, &message);
                self.tell(report::notice(&finding));
                self.findings.insert(object.clone(), vec![finding]);
                self.step(Event::Unreadable(object));
            }
            SourceEvent::Trouble { kind, message } => {
                warn!(kind = kind.as_str(), message, "the watch is in trouble");
                self.troubles.insert(kind.as_str(), message);
                self.step(Event::Outdated(kind, true));
            }
            SourceEvent::Recovered { kind } => {
                info!(kind = kind.as_str(), "the watch works again");
                self.troubles.remove(kind.as_str());
                self.step(Event::Outdated(kind, false));
            }
            SourceEvent::Served { kind, served } => {
                let (kind_name, resource) = (kind.as_str(), kind.spec().full_name());
                if served {
                    info!(kind = kind_name, resource, "the API server has this kind");
                } else {
                    // Where that matters, there is a finding as well.
                    info!(
                        kind = kind_name,
                        resource, "the API server does not have this kind, or is about to lose it"
                    );
                }
                self.step(Event::Served(kind, served));
            }
            SourceEvent::Proven { kind, at } => self.step(Event::Proven(Source::Kind(kind), at)),
        }
    }

    fn settings(&mut self, settings: Settings) {
        self.parts.log.set(settings.config.log_level);
        self.parts.events.set_normal_events(settings.config.events);
        self.parts.connection.renew(&settings.credentials, &self.parts.startup);
        if self.config != settings.config {
            self.parts.kinds.send_replace(ResourceKind::read_with(&settings.config));
            self.parts.demand.send_modify(|demand| demand.period = proof_period(&settings.config));
            self.conflicts.reconfigured();
            self.config = settings.config;
            self.configure();
        }
    }

    fn configure(&mut self) {
        let translator = Translator::new(self.config.clone(), self.facts.clone());
        self.step(Event::Configured(Box::new(translator)));
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { operation, until } => self.send(operation, until),
                Effect::Read(key) => self.read(key),
                Effect::Observe => self.parts.observe.notify_one(),
                Effect::Publish { object, wanted, current, until } => {
                    self.publish(object, wanted, current, until);
                }
                Effect::FindOwners { object, tenant, virtual_services } => {
                    self.find_owners(object, tenant, virtual_services);
                }
                Effect::LookUp(names) => self.look_up(names),
                Effect::Say(word) => self.say(&word),
                Effect::Tell(notice) => {
                    if notice.warning {
                        warn!(object = %notice.object, reason = notice.reason, "{}", notice.message);
                    }
                    self.tell(notice);
                }
            }
        }
    }

    /// The permit for a write that may leave until then.
    fn permit(&mut self, until: Option<Moment>) -> Option<WritePermit> {
        let permit = self.leading.starts_write()?;
        Some(until.map_or(permit, |until| permit.capped(until)))
    }

    fn send(&mut self, operation: Operation, until: Option<Moment>) {
        let reason = self.engine.desired().reason(&operation.key);
        self.history.sent(&operation, reason, (self.parts.wall)(), self.now());
        let permit = self.permit(until);
        let writer = self.parts.connection.writer.clone();
        self.requests.spawn(async move {
            debug!(%operation, "writing");
            let result = match permit {
                Some(permit) => writer.send(&permit, &operation).await.map(|written| written.observed),
                None => Err(not_leading(&operation.key)),
            };
            Done::engine(Event::Sent(operation.key, result))
        });
    }

    fn read(&mut self, key: ObjectKey) {
        let connection = self.parts.connection.clone();
        let cloud = self.engine.desired().translator().config().cloud_name.clone();
        self.requests.spawn(async move {
            let result = connection.read(&key, &cloud).await;
            Done::engine(Event::Read(key, result))
        });
    }

    fn find_owners(&mut self, object: ResourceId, tenant: Arc<str>, uuids: BTreeSet<Arc<str>>) {
        let connection = self.parts.connection.clone();
        self.requests.spawn(async move {
            let owners = connection.owners(&tenant, &uuids).await;
            Done::engine(Event::OwnersFound(object, owners))
        });
    }

    fn look_up(&mut self, names: BTreeSet<Referred>) {
        let connection = self.parts.connection.clone();
        let cloud = self.engine.desired().translator().config().cloud_name.clone();
        self.requests.spawn(async move {
            Done::engine(Event::LookedUp(connection.client.look_up(names, &cloud).await))
        });
    }

    fn publish(&mut self, object: ResourceId, wanted: Published, current: Published, until: Option<Moment>) {
        let permit = self.permit(until);
        let writer = self.parts.writer.clone();
        self.requests.spawn(async move {
            let result = statuses::publish(&writer, permit, &object, &wanted, &current).await;
            Done::engine(Event::Published(object, result))
        });
    }

    /// Says how far the removal of everything is, if it is asked for.
    fn announce_removal(&mut self) {
        let config = self.engine.desired().translator().config();
        let (namespace, wanted) = (config.operator_namespace.clone(), config.delete_config);
        let may_tell = self.leading.writes() && self.engine.is_synced();
        if !may_tell {
            self.removal.pause();
        }
        if !may_tell || !wanted {
            self.giving_up.is_not_wanted();
        }
        if !may_tell {
            return;
        }
        let removed = wanted && self.engine.has_removed_everything() && !self.has_lost_its_name();
        let removed = wanted && self.give_name_up(removed);
        let set = self.engine.snapshot().installation(&namespace);
        let is_shown = set.is_some();
        let now = self.now();
        let Some(news) = self.removal.announce(wanted, removed, set, now) else { return };
        let (reason, message) = news.event;
        info!(reason, message);
        publishing::tell_own_pod(&self.parts.events, reason, message);
        if !is_shown {
            return;
        }
        let value = news.progress.map(|progress| progress.as_str().to_owned());
        let noted = self.note(annotation::REMOVAL, value);
        self.requests.spawn(async move {
            // One that failed is tried again: the watch does not show it.
            let _ = noted.await;
            Done::Removal
        });
    }

    /// Says which controller this is, if another instance calls it something else or has
    /// another one.
    fn announce_controller(&mut self) {
        let id = self.engine.snapshot().unsaid_controller().filter(|_| self.leading.writes()).cloned();
        if self.telling.begins(id.is_some(), self.now()) {
            let noted = self.note(annotation::CONTROLLER, id.map(|id| id.to_string()));
            self.requests.spawn(async move { Done::Controller(noted.await.is_ok()) });
        }
    }

    /// Says something to the other instances.
    fn say(&mut self, word: &Word) {
        let noted = self.note(annotation::HANDOVER, word.to_text());
        self.requests.spawn(async move { Done::engine(Event::Said(noted.await)) });
    }

    /// Notes something on the own StatefulSet.
    fn note(
        &mut self,
        annotation: &'static str,
        value: Option<String>,
    ) -> impl Future<Output = Result<(), String>> + use<> {
        let namespace = self.engine.desired().translator().config().operator_namespace.clone();
        let permit = self.leading.starts_write();
        let writer = self.parts.writer.clone();
        async move {
            let Some(permit) = permit else { return Err("this replica does not lead".to_owned()) };
            let noted = writer.note(&permit, &namespace, annotation, value.as_deref()).await;
            noted.map_err(|error| {
                warn!(%error, "an annotation could not be written; trying again");
                error.to_string()
            })
        }
    }

    fn note_failure(&self, event: &Event) {
        let outcome: Option<(&ObjectKey, &Failure)> = match event {
            Event::Sent(key, Err(failure)) | Event::Read(key, Err(failure)) => Some((key, failure)),
            Event::Sent(_, Ok(_)) | Event::Read(_, Ok(_)) | Event::Observed(_) => {
                self.parts.startup.controller_answered();
                None
            }
            _ => None,
        };
        // What was not sent says nothing about the controller.
        let outcome = outcome.filter(|(_, failure)| failure.class != ErrorClass::NoPermit);
        if let Some((key, failure)) = outcome {
            warn!(object = %key, class = failure.class.as_str(), %failure, "a call to the controller failed");
            self.parts.startup.controller_failed(failure);
        }
    }

    /// One log line for each change of state, none for each object.
    fn notice_changes(&mut self) {
        let counters = self.engine.take_counters();
        self.latencies.extend(&counters.latencies_ms);
        let settled = self.engine.is_settled();
        let wrote = counters.written != self.settled_at;
        if settled && !self.was_settled && (wrote || !self.was_ever_settled) {
            self.was_ever_settled = true;
            self.settled_at = counters.written;
            let [created, updated, deleted] = counters.written;
            info!(
                objects = self.engine.desired().len(),
                created, updated, deleted, "everything is as it is wanted"
            );
        }
        self.was_settled = settled;
        let held = self.engine.held();
        if let (Some(held), false) = (&held, self.was_held) {
            let way_out = if self.engine.is_contested() {
                "another instance claims what this one asks for: resolve the conflicts that `ako status` shows"
            } else {
                "see `ako status`, and `ako release-deletions` if they are right"
            };
            error!(
                count = held.count,
                of = held.of,
                "deletions that no edit explains are held back; {way_out}"
            );
        }
        self.was_held = held.is_some();
        self.counters = counters;
        self.notice_conflicts();
    }

    /// Says what this instance refuses because of another one, once each.
    fn notice_conflicts(&mut self) {
        let news = self.conflicts.renew(self.engine.snapshot());
        for conflict in &news.settled {
            info!(with = &*conflict.with, reason = conflict.contest.as_str(), "not contested any more");
        }
        for conflict in &news.refused {
            warn!(with = &*conflict.with, reason = conflict.contest.as_str(), "{}", conflict.message);
            publishing::warn_own_pod(&self.parts.events, conflict);
            publishing::contested(conflict).for_each(|notice| self.tell(notice));
        }
    }

    fn report(&self) -> Report {
        let traffic = self.parts.connection.client.traffic();
        let findings = self.findings.values().flatten().cloned().collect();
        let mut report = Report::of(&self.engine, traffic, findings, self.now());
        report.counters = self.counters.clone();
        report.latencies = self.latencies.clone();
        report.troubles = self.troubles.clone();
        report.standing = Some(self.leading.standing().clone());
        report.writes = self.leading.writes();
        report.beside = beside(&self.parts.candidate.beside.borrow());
        report.last_writes = self.history.newest().cloned().collect();
        report
    }
}

/// Why nobody of ours leads beside pods of AKO 2.2.1, if some run.
fn beside(pods: &[String]) -> Option<String> {
    let first = pods.first()?;
    let more = if pods.len() > 1 { format!(" and {} more", pods.len() - 1) } else { String::new() };
    Some(format!(
        "no replica leads, as pod {first}{more} of the same StatefulSet runs AKO 2.2.1, which may write without the \
         Lease: when it is gone, a replica leads at once; a rolling update replaces it"
    ))
}

/// Waits until something else is known; for ever, if nothing is followed.
async fn changed<T>(followed: &mut Option<watch::Receiver<T>>) {
    let is_news = match followed {
        Some(followed) => followed.changed().await.is_ok(),
        None => false,
    };
    if !is_news {
        std::future::pending::<()>().await;
    }
}

/// How often a leader proves what it believes: often enough that the next proof
/// comes before the last one is too old.
fn proof_period(config: &Config) -> Duration {
    ako_engine::bound(config) * 2 / 3
}

/// A write that was decided before the leadership ended, and not started.
fn not_leading(key: &ObjectKey) -> Failure {
    let message = format!("{key} was not written: this replica does not lead");
    Failure { class: ErrorClass::NoPermit, status: None, message, retry_after_ms: None }
}

#[cfg(test)]
mod tests;
