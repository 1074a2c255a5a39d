//! How things are, as the driver tells it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_avi_io::Traffic;
use ako_core::instance::Ranked;
use ako_core::{Conflict, Diagnostic, Reason, ResourceId, ResourceKind, Snapshot};
use ako_elect::Moment;
use ako_engine::{
    Awaited, Counters, Engine, Held, Notice, Pending, Unproven, VirtualServiceReport, WhyLeftAlone,
};
use ako_kube_io::Standing;

use super::history::Write;
use super::latency::Latencies;

/// The most objects of each list that is told.
pub(crate) const SHOWN: usize = 200;

/// How things are.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) cluster: String,
    pub(crate) owner: String,
    /// The namespace of this instance.
    pub(crate) me: Arc<str>,
    /// The instances of the cluster in order of precedence.
    pub(crate) instances: Vec<Ranked>,
    /// Claims that do not count, by namespace, and why: the first [`SHOWN`] of them.
    pub(crate) disregarded: Vec<(Arc<str>, String)>,
    /// What they cannot both have.
    pub(crate) conflicts: Vec<Conflict>,
    /// The namespaces that this instance serves.
    pub(crate) served: Vec<Arc<str>>,
    /// Why nobody of ours leads beside pods of AKO 2.2.1, if some run.
    pub(crate) beside: Option<String>,
    /// Whether both sides are known.
    pub(crate) synced: bool,
    /// What is not known yet.
    pub(crate) missing: Vec<String>,
    pub(crate) settled: bool,
    pub(crate) wanted: usize,
    pub(crate) observed: usize,
    pub(crate) backlog: usize,
    pub(crate) refused: usize,
    pub(crate) unpublished: usize,
    pub(crate) pending: Vec<Pending>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) held: Option<Held>,
    /// What waits for proofs.
    pub(crate) unproven: Option<Unproven>,
    /// The namespaces that wait for another instance to take them over from this one,
    /// each with that instance.
    pub(crate) departures: Vec<(Arc<str>, Arc<str>)>,
    /// The namespaces that wait for their former owner.
    pub(crate) awaited: Vec<Arc<str>>,
    /// What is looked up on the controller for the first time, each with who waits for it.
    pub(crate) looked_up: Vec<Awaited>,
    /// The objects on the controller that stay as they are.
    pub(crate) left_alone: LeftAlone,
    pub(crate) counters: Counters,
    pub(crate) latencies: Latencies,
    pub(crate) traffic: Traffic,
    pub(crate) troubles: BTreeMap<&'static str, String>,
    pub(crate) virtual_services: Vec<VirtualServiceReport>,
    pub(crate) last_writes: Vec<Write>,
    pub(crate) resources: Vec<(ResourceKind, usize)>,
    /// The kinds that are read and that the API server does not have.
    pub(crate) unserved: Vec<ResourceKind>,
    pub(crate) now: Moment,
    /// Where this replica stands in the election.
    pub(crate) standing: Option<Standing>,
    /// Whether it leads and has read the controller since.
    pub(crate) writes: bool,
}

/// How many objects on the controller stay as they are, and why.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeftAlone {
    /// Those of kinds that are not read, by kind.
    pub(crate) not_read: BTreeMap<&'static str, usize>,
    /// Those of hosts whose AviInfraSetting or rule cannot be used.
    pub(crate) cannot_be_told: usize,
}

impl LeftAlone {
    fn of(engine: &Engine) -> Self {
        let mut counts = Self::default();
        for (_, why) in engine.inventory().left_alone() {
            match why {
                WhyLeftAlone::NotRead(kind) => *counts.not_read.entry(kind).or_default() += 1,
                WhyLeftAlone::CannotBeTold => counts.cannot_be_told += 1,
            }
        }
        counts
    }
}

impl Report {
    /// What the engine and the client tell; the rest is the driver's to fill in.
    pub(crate) fn of(
        engine: &Engine,
        traffic: Traffic,
        mut diagnostics: Vec<Diagnostic>,
        now: Moment,
    ) -> Self {
        let config = engine.desired().translator().config();
        let mut missing: Vec<String> = engine
            .snapshot()
            .incomplete_kinds()
            .into_iter()
            .map(|kind| format!("the list of {}", kind.as_str()))
            .collect();
        if !engine.inventory().is_complete() {
            missing.push("the objects on the controller".to_owned());
        }
        if !engine.is_synced() && !engine.awaited_names(1).is_empty() {
            missing.push("what objects of the cluster refer to on the controller".to_owned());
        }
        diagnostics.extend(engine.desired().diagnostics().cloned());
        diagnostics.extend(engine.findings());
        diagnostics.sort();
        diagnostics.dedup();
        diagnostics.truncate(SHOWN);
        let (backlog, refused) = engine.backlog();
        let snapshot = engine.snapshot();
        let known = snapshot.namespaces().map(|namespace| &namespace.name);
        Self {
            cluster: config.cluster_name.to_string(),
            owner: config.owner(),
            me: config.operator_namespace.clone(),
            instances: snapshot.instances().ranked().to_vec(),
            disregarded: disregarded(snapshot),
            // Of half a cluster nothing is said.
            conflicts: if snapshot.is_complete() { snapshot.conflicts() } else { Vec::new() },
            served: known.filter(|namespace| snapshot.serves(namespace)).cloned().collect(),
            beside: None,
            synced: engine.is_synced(),
            missing,
            settled: engine.is_settled(),
            wanted: engine.desired().len(),
            observed: engine.inventory().len(),
            backlog,
            refused,
            unpublished: engine.unpublished(),
            pending: engine.pending(SHOWN),
            diagnostics,
            held: engine.held(),
            unproven: engine.unproven(now),
            departures: engine.departures(),
            awaited: engine.awaited(),
            looked_up: engine.awaited_names(SHOWN),
            left_alone: LeftAlone::of(engine),
            virtual_services: engine.virtual_services(SHOWN),
            counters: Counters::default(),
            latencies: Latencies::default(),
            traffic,
            troubles: BTreeMap::new(),
            last_writes: Vec::new(),
            resources: ResourceKind::read_with(config)
                .into_iter()
                .map(|kind| (kind, snapshot.count(kind)))
                .collect(),
            unserved: engine.unserved(),
            now,
            standing: None,
            writes: false,
        }
    }
}

impl Report {
    /// The instance that leaves this one nothing, and why.
    pub(crate) fn barred(&self) -> Option<String> {
        let own = self.instances.iter().find(|ranked| ranked.claim.namespace == self.me)?;
        let (by, contest) = own.barred.as_ref()?;
        Some(format!("{} with the instance in {by}", contest.as_str()))
    }

    /// The page `/readyz` of an operator that is ready: one that is barred is,
    /// as a restart would not help it.
    pub(crate) fn ready(&self) -> String {
        let mut lines = vec!["ok".to_owned()];
        lines.extend(self.beside.clone());
        lines.extend(self.barred().map(|why| format!("this instance writes nothing: {why}")));
        let refused = self.conflicts.iter().filter(|conflict| conflict.refused);
        lines.extend(refused.take(SHOWN).map(ToString::to_string));
        lines.join("\n") + "\n"
    }
}

fn disregarded(snapshot: &Snapshot) -> Vec<(Arc<str>, String)> {
    let claims = snapshot.instances().disregarded().iter().take(SHOWN);
    claims.map(|(namespace, why)| (namespace.clone(), why.to_string())).collect()
}

/// The Event that tells about a finding.
pub(crate) fn notice(finding: &Diagnostic) -> Notice {
    Notice {
        object: finding.object.clone(),
        warning: true,
        reason: finding.reason.as_str(),
        message: finding.message.clone(),
    }
}

/// The finding about an object that does not have the form of its kind.
pub(crate) fn undecodable(object: &ResourceId, message: &str) -> Diagnostic {
    Diagnostic { object: object.clone(), reason: Reason::InvalidObject, message: message.into() }
}
