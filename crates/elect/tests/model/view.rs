//! What a process has observed of the cluster, and what it deletes because of
//! it.
//!
//! A user changes the cluster. A process learns of it by watches, which deliver
//! one change after the other, at any time or never, and may start again with
//! an old list. To prove that its view is not stale, it asks for the cluster's
//! version past every cache. A deletion is decided on the view, waits, and is
//! sent later or never.
//!
//! Whether a deletion was right does not depend on the view or the deletions of
//! another process. So one process at a time has a view; the check starts once
//! with each.

use ako_elect::{Freshness, Moment, Mutant, WritePermit};

use crate::process::{NOW, TICK};
use crate::world::World;

/// How many units of time a proof counts.
const BOUND: u8 = 2;

/// What the cluster was, for the judgement of deletions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cluster {
    /// The process whose deletions are judged.
    pub(crate) judged: usize,
    /// For each source, how many units ago each former version ended, up to the
    /// bound. The present version comes after these.
    ended: Vec<Vec<u8>>,
    /// A deletion was sent that a stale view had asked for: L5 is broken.
    stale_deletion: bool,
}

impl Cluster {
    pub(crate) fn new(judged: usize, sources: usize) -> Self {
        Self { judged, ended: vec![Vec::new(); sources], stale_deletion: false }
    }

    pub(crate) fn sources(&self) -> usize {
        self.ended.len()
    }

    fn version(&self, source: usize) -> usize {
        self.ended[source].len()
    }

    /// A user changes something.
    pub(crate) fn change(&mut self, source: usize) {
        self.ended[source].push(0);
    }

    /// One unit of time goes by.
    pub(crate) fn pass(&mut self) {
        for ended in self.ended.iter_mut().flatten() {
            *ended = BOUND.min(*ended + 1);
        }
    }

    /// Whether the cluster was in each of these versions at some moment within
    /// the bound, and not before the grant.
    fn was_in(&self, versions: &[usize], since_grant: u8) -> bool {
        self.ended
            .iter()
            .zip(versions)
            .all(|(ended, version)| ended.get(*version).is_none_or(|ago| *ago < BOUND && *ago <= since_grant))
    }
}

/// A question for the cluster's version, past every cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Question {
    /// How many units ago it was asked; it times out at the bound.
    ago: u8,
    /// The version at the moment of asking. An answer of a later moment would
    /// prove more.
    version: usize,
}

/// A deletion that waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Deletion {
    /// The view that it was decided on.
    pub(crate) versions: Vec<usize>,
    permit: WritePermit,
}

/// What one process has observed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct View {
    freshness: Freshness<usize>,
    /// For each source, the version that its watch has delivered.
    observed: Vec<usize>,
    questions: Vec<Option<Question>>,
    deletion: Option<Deletion>,
    /// How many units ago the process was granted its leadership, up to the
    /// bound.
    since_grant: u8,
}

/// What may happen to a process that has a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// The watch of a source delivers the next change.
    Deliver(usize),
    /// The watch of a source starts again, with the oldest list.
    Relist(usize),
    /// The process asks for the version of a source.
    Ask(usize),
    /// It has the answer, and the watch has reached it.
    Prove(usize),
    /// It decides to delete something.
    Decide,
    /// It sends the deletion.
    Send,
}

impl View {
    pub(crate) fn new(sources: usize, mutant: Option<Mutant>) -> Self {
        Self {
            freshness: Freshness::new(TICK * u32::from(BOUND)).mutated(mutant),
            observed: vec![0; sources],
            questions: vec![None; sources],
            deletion: None,
            since_grant: 0,
        }
    }

    pub(crate) fn granted(&mut self) {
        self.freshness.lead(Some(NOW));
        self.since_grant = 0;
    }

    pub(crate) fn revoked(&mut self) {
        self.freshness.lead(None);
        self.since_grant = 0;
        self.deletion = None;
    }

    /// One unit of time goes by on the process's clock.
    pub(crate) fn pass(&mut self, leads: bool) {
        self.freshness.rebase(TICK, NOW);
        for question in &mut self.questions {
            if let Some(question) = question {
                question.ago += 1;
            }
            question.take_if(|question| question.ago == BOUND);
        }
        if let Some(deletion) = &mut self.deletion {
            deletion.permit = deletion.permit.rebased(TICK);
        }
        self.deletion.take_if(|deletion| deletion.permit.remaining(NOW).is_none());
        self.since_grant = if leads { BOUND.min(self.since_grant + 1) } else { 0 };
    }

    /// Until when something may be deleted, if it may be now.
    fn until(&self) -> Option<Moment> {
        let sources: Vec<usize> = (0..self.observed.len()).collect();
        self.freshness.until(&sources, NOW)
    }

    fn prove(&mut self, source: usize, mutant: Option<Mutant>) {
        let Some(question) = self.questions[source].take() else { return };
        let ago = if mutant == Some(Mutant::ProofFromAfterTheAnswer) { 0 } else { question.ago };
        let before = u64::try_from((TICK * u32::from(ago)).as_millis()).unwrap_or(u64::MAX);
        self.freshness.prove(source, Moment::from_millis(NOW.as_millis() - before));
    }

    fn relist(&mut self, source: usize, mutant: Option<Mutant>) {
        self.observed[source] = 0;
        if mutant != Some(Mutant::RelistStaysProven) {
            self.freshness.doubt(&source);
        }
    }

    /// The deletion is permitted as long as what is proven now counts. What is
    /// proven later is not what it was decided on.
    fn decide(&mut self, permit: WritePermit, mutant: Option<Mutant>) {
        let Some(until) = self.until() else { return };
        let is_capped = !matches!(mutant, Some(Mutant::DoorDoesNotAsk | Mutant::LaterProofForOlderDecision));
        let permit = if is_capped { permit.capped(until) } else { permit };
        self.deletion = Some(Deletion { versions: self.observed.clone(), permit });
    }

    /// What may happen in a cluster, to a process that may start a write or not.
    fn steps(&self, cluster: &Cluster, may_write: bool, mutant: Option<Mutant>) -> Vec<Step> {
        let mut out = Vec::new();
        let is_idle_proof = mutant == Some(Mutant::IdleWatchIsProof);
        for source in 0..cluster.sources() {
            let observed = self.observed[source];
            out.extend((observed < cluster.version(source)).then_some(Step::Deliver(source)));
            out.extend((observed > 0).then_some(Step::Relist(source)));
            out.push(Step::Ask(source));
            let is_proof = |question: Question| observed >= question.version || is_idle_proof;
            out.extend(self.questions[source].is_some_and(is_proof).then_some(Step::Prove(source)));
        }
        let is_proven = self.until().is_some();
        let asks_again = mutant == Some(Mutant::LaterProofForOlderDecision);
        match self.deletion {
            Some(_) if is_proven || !asks_again => out.push(Step::Send),
            None if is_proven && may_write => out.push(Step::Decide),
            _ => {}
        }
        out
    }
}

impl World {
    /// Whether a deletion was sent that a stale view had asked for.
    pub(crate) fn has_stale_deletion(&self) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| cluster.stale_deletion)
    }

    /// The deletion that waits to be sent.
    pub(crate) fn deletion(&self) -> Option<&Deletion> {
        let process = self.processes[self.cluster.as_ref()?.judged].as_ref()?;
        process.view.as_ref()?.deletion.as_ref()
    }

    /// What may happen to the process that has a view.
    pub(crate) fn steps(&self, mutant: Option<Mutant>) -> Vec<Step> {
        let Some(cluster) = &self.cluster else { return Vec::new() };
        let judged = self.processes[cluster.judged].as_ref().filter(|process| !process.paused);
        let Some((process, view)) = judged.and_then(|process| Some((process, process.view.as_ref()?))) else {
            return Vec::new();
        };
        view.steps(cluster, process.permitted().is_some() && !process.draining, mutant)
    }

    pub(crate) fn step(&mut self, step: Step, mutant: Option<Mutant>) {
        let Some(cluster) = &mut self.cluster else { return };
        let Some(process) = &mut self.processes[cluster.judged] else { return };
        let (permit, Some(view)) = (process.permit, &mut process.view) else { return };
        match step {
            Step::Deliver(source) => view.observed[source] += 1,
            Step::Relist(source) => view.relist(source, mutant),
            Step::Ask(source) => {
                view.questions[source] = Some(Question { ago: 0, version: cluster.version(source) });
            }
            Step::Prove(source) => view.prove(source, mutant),
            Step::Decide => permit.into_iter().for_each(|permit| view.decide(permit, mutant)),
            Step::Send => {
                if let Some(deletion) = view.deletion.take() {
                    cluster.stale_deletion |= !cluster.was_in(&deletion.versions, view.since_grant);
                }
            }
        }
    }
}
