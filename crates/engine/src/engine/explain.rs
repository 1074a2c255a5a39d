//! What comes of an object of the cluster, for people.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::{Object, ObjectKey};
use ako_core::{Diagnostic, Key, ResourceId};
use ako_translate::{Maker, UnitKey, What};

use crate::engine::Engine;

/// The most parts of an explanation that are told.
const MOST_PARTS: usize = 50;
/// The most objects that are told of each.
const MOST_OBJECTS: usize = 200;
/// The most findings that are told beside those about the object itself.
const MOST_FINDINGS: usize = 200;

/// What an explanation is asked of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An object of the cluster.
    Resource(ResourceId),
    /// A host.
    Host(Arc<str>),
}

/// What comes of an object of the cluster, or of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What it is of.
    pub subject: Subject,
    /// Whether the cluster has it, as far as is known. Hosts are there if something names them.
    pub is_there: bool,
    /// What is said of it, if it is a rule or a setting.
    pub verdict: Option<RuleVerdict>,
    /// What depends on it: hosts, Services and shared virtual services, the first ones of them.
    pub parts: Vec<Explained>,
    /// How many more do.
    pub more: usize,
    /// What is wrong with it, and then with what else the hosts and Services that depend on it are
    /// made of.
    pub findings: Vec<Diagnostic>,
}

/// A host, a Service or a shared virtual service, with what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// What it is, for people: `host shop.com`.
    pub what: String,
    /// The objects of the cluster on which its addresses are published.
    pub published_on: BTreeSet<ResourceId>,
    /// The rules and settings that it is to go by.
    pub rules: Vec<RuleVerdict>,
    /// The virtual services that it shares with others, by name.
    pub shares: Vec<String>,
    /// Its objects on the controller, the first ones of them.
    pub objects: Vec<ExplainedObject>,
    /// How many more it has.
    pub more: usize,
}

/// A rule or a setting, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleVerdict {
    /// The rule.
    pub rule: ResourceId,
    /// `Accepted` or `Rejected`; `None` if the cluster does not have it, or if what it refers to
    /// cannot be looked up.
    pub status: Option<Arc<str>>,
    /// Why it is rejected; else empty.
    pub error: Arc<str>,
}

/// An object that is wanted on the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedObject {
    /// The object.
    pub key: ObjectKey,
    /// What it waits for; `None` if it is as it is wanted.
    pub waits: Option<String>,
    /// Why its last write failed, if it did.
    pub failure: Option<String>,
    /// Its uuid on the controller, if it is there.
    pub uuid: Option<Arc<str>>,
    /// The addresses that it has there, if it is a VsVip.
    pub addresses: Vec<Arc<str>>,
}

impl Explanation {
    /// Whether all of it is as it is wanted, and nothing is wrong.
    pub fn is_right(&self) -> bool {
        let objects = self.parts.iter().flat_map(|part| &part.objects);
        self.findings.is_empty() && objects.into_iter().all(|object| object.waits.is_none())
    }
}

impl Engine {
    /// Tells what comes of an object of the cluster, or of a host.
    pub fn explain(&self, subject: Subject) -> Explanation {
        let makers = self.depending_on(&subject);
        let something = || makers.iter().filter(|maker| self.desired.makes_something(maker));
        let parts = something().take(MOST_PARTS).map(|maker| self.explained(maker)).collect();
        let more = something().count().saturating_sub(MOST_PARTS);
        let findings = self.findings_about(&subject, &makers);
        let (is_there, verdict) = match &subject {
            Subject::Resource(id) => (self.snapshot.contains(id), self.rule_verdict(id)),
            Subject::Host(host) => (self.snapshot.namespaces_naming(host).next().is_some(), None),
        };
        Explanation { subject, is_there, verdict, parts, more, findings }
    }

    /// The units and the fronts that something of the cluster decides on: those that read it, of a
    /// rule those that are to go by it, and the fronts that these units are on.
    fn depending_on(&self, subject: &Subject) -> BTreeSet<Maker> {
        let mut makers: BTreeSet<Maker> = match subject {
            Subject::Host(host) => [Maker::Unit(UnitKey::Host(host.clone()))].into(),
            Subject::Resource(id) => {
                let keys = self.snapshot.keys_of(id);
                let readers = keys.iter().flat_map(|key| self.desired.makers_reading(key));
                let decides = |maker: &&Maker| !is_rule(id) || self.desired.rules_of(maker).contains(id);
                readers.filter(decides).cloned().collect()
            }
        };
        let units = makers.iter().filter_map(|maker| match maker {
            Maker::Unit(unit) => Some(unit),
            Maker::Front(_) => None,
        });
        let fronts: Vec<_> = units.flat_map(|unit| self.desired.fronts_of(unit)).cloned().collect();
        makers.extend(fronts.into_iter().map(Maker::Front));
        makers
    }

    fn explained(&self, maker: &Maker) -> Explained {
        let shares = match maker {
            Maker::Unit(unit) => self.desired.fronts_of(unit).map(|front| front.name.to_string()).collect(),
            Maker::Front(_) => Vec::new(),
        };
        let rules = self.desired.rules_of(maker).iter();
        let rules = rules.map(|rule| {
            let nothing = || RuleVerdict { rule: rule.clone(), status: None, error: Arc::default() };
            self.rule_verdict(rule).unwrap_or_else(nothing)
        });
        let objects = self.desired.objects_of(maker);
        Explained {
            what: maker.to_string(),
            published_on: self.desired.published_on(maker),
            rules: rules.collect(),
            shares,
            objects: objects.iter().take(MOST_OBJECTS).map(|object| self.explained_object(object)).collect(),
            more: objects.len().saturating_sub(MOST_OBJECTS),
        }
    }

    fn explained_object(&self, object: &Object) -> ExplainedObject {
        let key = object.key();
        let observed = self.inventory.get(&key);
        let work = self.agenda.get(&key);
        let waits = match work {
            Some(work) if work.refused => Some("refused by the controller".to_owned()),
            Some(work) => Some(work.stage().to_string()),
            None if observed.is_none() => Some("not there".to_owned()),
            None => None,
        };
        let addresses = match observed.map(|observed| &*observed.body) {
            Some(Object::VsVip(vip)) => vip.published_addresses(),
            _ => Vec::new(),
        };
        ExplainedObject {
            waits,
            failure: work.and_then(|work| work.failure.as_ref()).map(ToString::to_string),
            uuid: observed.map(|observed| observed.meta.uuid.clone()),
            addresses,
            key,
        }
    }

    /// What is said of a rule or a setting; `None` if it is none, or nothing is said.
    fn rule_verdict(&self, id: &ResourceId) -> Option<RuleVerdict> {
        let said = |name: &str| {
            self.desired.statements(id).find_map(|what| match what {
                What::Field(field, text) if *field == name => Some(text.clone()),
                _ => None,
            })
        };
        let status = said("status").filter(|_| is_rule(id))?;
        Some(RuleVerdict { rule: id.clone(), status: Some(status), error: said("error").unwrap_or_default() })
    }

    /// What is wrong with the subject, and then what else its units found.
    fn findings_about(&self, subject: &Subject, makers: &BTreeSet<Maker>) -> Vec<Diagnostic> {
        let is_about =
            |finding: &Diagnostic| matches!(subject, Subject::Resource(id) if finding.object == *id);
        let all = self.desired.diagnostics().cloned().chain(self.findings());
        let own: BTreeSet<_> = all.filter(is_about).collect();
        let units = makers.iter().filter(|maker| matches!(maker, Maker::Unit(_)));
        let found = units.flat_map(|unit| self.desired.diagnostics_of(unit));
        let others: BTreeSet<_> = found.filter(|finding| !is_about(finding)).take(MOST_FINDINGS).collect();
        own.into_iter().chain(others.into_iter().cloned()).collect()
    }
}

/// Whether it is one of AKO's rules, which have a verdict.
fn is_rule(id: &ResourceId) -> bool {
    let key = Key::One(id.kind, id.name.clone());
    matches!(UnitKey::born_of(&key), Some(UnitKey::Rule(_)))
}
