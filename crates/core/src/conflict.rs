//! What instances cannot both have, and what is said about it.
//! Source: leadership protocol and instance verdicts, §6; configuration, §5.2.
//!
//! Both sides of a conflict say the same of it: who has what, who leaves it,
//! and the way out.

use std::sync::Arc;

use crate::contest::{Conflict, Contest, NAMED};
use crate::instance::{Instances, Ranked, mix_service_types, share_owner};
use crate::kinds::claim::Claim;
use crate::kinds::installation::Installation;
use crate::kinds::namespace::Namespace;
use crate::service_mode::ServiceMode;

impl Instances {
    /// What an instance and the others cannot both have, sorted.
    pub fn conflicts<'a>(
        &self,
        me: &str,
        namespaces: impl IntoIterator<Item = &'a Namespace>,
    ) -> Vec<Conflict> {
        let Some(own) = self.find(me).filter(|_| self.ranked().len() > 1) else { return Vec::new() };
        let selects = |claim: &Claim, n: &Namespace| claim.scope.accepts(&n.name, Some(&n.labels));
        let asked: Vec<_> = namespaces.into_iter().filter(|n| selects(&own.claim, n)).collect();
        let mut conflicts = Vec::new();
        for other in self.ranked().iter().filter(|other| other.claim.namespace != own.claim.namespace) {
            let contested: Vec<_> =
                asked.iter().filter(|n| selects(&other.claim, n)).map(|n| &n.name).collect();
            let with = || other.claim.namespace.clone();
            let yields = self.yields(own, other);
            let pair = Pair::of(own, other, yields);
            conflicts.extend(pair.contests().into_iter().map(|(contest, message)| Conflict {
                contest,
                with: with(),
                refused: yields && !contest.is_note(),
                namespaces: Vec::new(),
                message: message.into(),
            }));
            if !contested.is_empty() {
                let refused = self.leaves_namespaces(own, other);
                conflicts.push(Conflict {
                    contest: Contest::Namespaces,
                    with: with(),
                    refused,
                    namespaces: contested.iter().take(NAMED).copied().cloned().collect(),
                    message: Pair::of(own, other, refused).namespaces(&contested).into(),
                });
            }
        }
        if let Some(restart) = self.restart(own) {
            // What a restart settles needs no other way out.
            conflicts.retain(|c| !c.refused || c.contest == Contest::Namespaces);
            conflicts.push(restart);
        }
        conflicts.sort();
        conflicts
    }

    /// Whether the first of two instances gives way: it is barred, or it comes
    /// later.
    fn yields(&self, me: &Ranked, other: &Ranked) -> bool {
        if me.barred.is_some() != other.barred.is_some() {
            return me.barred.is_some();
        }
        let place = |of: &Ranked| self.ranked().iter().position(|r| r.claim.namespace == of.claim.namespace);
        place(me) > place(other)
    }

    /// Whether the first of two instances leaves the namespaces that both select: the one
    /// whose selector cannot be read does.
    fn leaves_namespaces(&self, me: &Ranked, other: &Ranked) -> bool {
        let leaves = |one: &Ranked, another: &Ranked| {
            one.claim.scope.is_unreadable && another.is_readable_to_all() && another.barred.is_none()
        };
        if me.barred.is_none() && other.barred.is_none() && leaves(me, other) != leaves(other, me) {
            return leaves(me, other);
        }
        self.yields(me, other)
    }

    fn restart(&self, own: &Ranked) -> Option<Conflict> {
        let me = &own.claim.namespace;
        let (with, _) = own.barred.as_ref().filter(|_| self.needs_restart(me))?;
        let message = format!(
            "the instance in {me} acts by what ConfigMap {} said when it started, which the one in {with} has by \
             now, so it writes nothing: restart StatefulSet {}",
            config_map(&own.claim),
            stateful_set(&own.claim)
        );
        let (contest, with) = (Contest::Restart, with.clone());
        Some(Conflict { contest, with, refused: true, namespaces: Vec::new(), message: message.into() })
    }
}

/// Two instances, the second of which gives way.
struct Pair<'a> {
    first: &'a Ranked,
    second: &'a Ranked,
}

impl<'a> Pair<'a> {
    /// An instance and another one, and whether the former gives way.
    fn of(own: &'a Ranked, other: &'a Ranked, yields: bool) -> Self {
        let (first, second) = if yields { (other, own) } else { (own, other) };
        Self { first, second }
    }

    /// What they cannot both have, but for namespaces.
    fn contests(&self) -> Vec<(Contest, String)> {
        let (a, b) = (&self.first.claim, &self.second.claim);
        let mut contests = Vec::new();
        let same_owner = share_owner(self.first, self.second);
        if same_owner {
            contests.push((Contest::Owner, self.owner()));
        }
        if mix_service_types(a, b) {
            contests.push((Contest::ServiceType, self.service_type()));
        }
        // Two primary instances of one owner have more to settle than routes.
        if a.primary && b.primary && a.same_cloud(b) && !same_owner {
            contests.push((Contest::Primary, self.primary()));
        }
        if a.controller != b.controller {
            contests.push((Contest::Controller, self.differs("controllerIP", &a.controller, &b.controller)));
        } else if a.cloud != b.cloud {
            contests.push((Contest::Cloud, self.differs("cloudName", &a.cloud, &b.cloud)));
        }
        if a.cluster != b.cluster {
            contests.push((Contest::Cluster, self.differs("clusterName", &a.cluster, &b.cluster)));
        }
        contests
    }

    fn owner(&self) -> String {
        let (a, b) = (&self.first.claim, &self.second.claim);
        let way_out = if a.primary && b.primary { "primaryInstance=false" } else { "another clusterName" };
        let place = match (&a.controller_id, &b.controller_id) {
            _ if a.controller == b.controller => format!("controller {}", a.controller),
            (Some(_), Some(_)) => {
                format!("the controller that they call {} and {}", a.controller, b.controller)
            }
            _ => format!("{} and {}, which may be one controller", a.controller, b.controller),
        };
        format!(
            "the objects of the instances in {} and {} have the same owner {} on {place}, so the one in {} \
             writes nothing: set {way_out} in ConfigMap {} and restart StatefulSet {}",
            a.namespace,
            b.namespace,
            a.owner(),
            b.namespace,
            config_map(b),
            stateful_set(b)
        )
    }

    fn service_type(&self) -> String {
        let (a, b) = (&self.first.claim, &self.second.claim);
        let wanted = service_type(a.service_mode);
        format!(
            "the instance in {} has serviceType {wanted}, the one in {} {} on the same cloud, so the latter writes \
             nothing: set serviceType={wanted} in ConfigMap {}",
            a.namespace,
            b.namespace,
            service_type(b.service_mode),
            config_map(b)
        )
    }

    fn primary(&self) -> String {
        let (a, b) = (&self.first.claim, &self.second.claim);
        format!(
            "the instances in {} and {} are both primary on cloud {} of controller {}, so the one in {} leaves the \
             static routes to the other: set primaryInstance=false in ConfigMap {} and restart StatefulSet {}",
            a.namespace,
            b.namespace,
            a.cloud,
            a.controller,
            b.namespace,
            config_map(b),
            stateful_set(b)
        )
    }

    fn namespaces(&self, contested: &[&Arc<str>]) -> String {
        let (a, b) = (&self.first.claim, &self.second.claim);
        let named: Vec<_> = contested.iter().take(NAMED).map(|name| &***name).collect();
        let named = named.join(", ");
        let more = if contested.len() > NAMED { ", …" } else { "" };
        let (what, them) = match contested.len() {
            1 => (format!("namespace {named}"), "it"),
            count => (format!("{count} namespaces ({named}{more})"), "them"),
        };
        format!(
            "the instances in {} and {} both select {what}, so the one in {} leaves {them} to the other: change \
             nsSyncLabelKey/nsSyncLabelValue in ConfigMap {} or {}, or the label of the namespace",
            a.namespace,
            b.namespace,
            b.namespace,
            config_map(b),
            config_map(a)
        )
    }

    fn differs(&self, key: &str, first: &str, second: &str) -> String {
        let (a, b) = (&self.first.claim, &self.second.claim);
        format!(
            "{key} is {first} in ConfigMap {} and {second} in ConfigMap {}; instances of one cluster had better \
             have the same",
            config_map(a),
            config_map(b)
        )
    }
}

fn config_map(claim: &Claim) -> String {
    format!("{}/{}", claim.namespace, Claim::CONFIG_MAP)
}

fn stateful_set(claim: &Claim) -> String {
    format!("{}/{}", claim.namespace, Installation::STATEFUL_SET)
}

/// `serviceType` as the ConfigMap has it.
fn service_type(mode: ServiceMode) -> &'static str {
    match mode {
        ServiceMode::ClusterIp => "ClusterIP",
        ServiceMode::NodePort => "NodePort",
        ServiceMode::NodePortLocal => "NodePortLocal",
    }
}
