//! What may claim a host: Ingresses, or Routes where the cluster has them.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_core::resource::{Ingress, IngressClass, Part, Route, Truth};
use ako_core::{CONTROLLER_NAME, NamespacedName, Reason, ResourceId};

use crate::output::Output;
use crate::statement::{State, Statement, What};
use crate::unit::{ingress_id, route_id};
use crate::view::View;

/// An object that claims a host.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Claimant<'a> {
    Ingress(&'a Arc<Ingress>),
    Route(&'a Arc<Route>),
}

/// The objects of ours that name a host, whoever serves their namespaces; oldest first. Where
/// the cluster has Routes, it makes them of Ingresses, so that only Routes count.
pub(crate) fn naming<'a>(view: &View<'a>, host: &Arc<str>) -> Vec<Claimant<'a>> {
    let mut all: Vec<_> = if view.has_routes() {
        view.routes_of(host).map(Claimant::Route).collect()
    } else {
        view.ingresses_of(host).filter(|i| is_ours(view, i)).map(Claimant::Ingress).collect()
    };
    all.sort_by(|a, b| a.age().cmp(&b.age()));
    all
}

impl<'a> Claimant<'a> {
    pub(crate) fn name(self) -> &'a NamespacedName {
        match self {
            Self::Ingress(ingress) => &ingress.id,
            Self::Route(route) => &route.id,
        }
    }

    pub(crate) fn id(self) -> ResourceId {
        match self {
            Self::Ingress(ingress) => ingress_id(&ingress.id),
            Self::Route(route) => route_id(&route.id),
        }
    }

    pub(crate) fn is_route(self) -> bool {
        matches!(self, Self::Route(_))
    }

    /// When it was created, in seconds since the epoch.
    pub(crate) fn created(self) -> i64 {
        match self {
            Self::Ingress(ingress) => ingress.meta.created,
            Self::Route(route) => route.meta.created,
        }
    }

    /// What orders claimants: the oldest one is first.
    pub(crate) fn age(self) -> (i64, &'a NamespacedName) {
        (self.created(), self.name())
    }

    /// All hosts that it names.
    pub(crate) fn hosts(self, view: &View<'_>) -> BTreeSet<Arc<str>> {
        match self {
            Self::Ingress(ingress) => hosts(view, ingress),
            Self::Route(route) => view.host_of_route(route).into_iter().collect(),
        }
    }

    /// Says that it is not served under a host, and why. A Route says so in its status, too.
    pub(crate) fn refuse(
        self,
        host: &Arc<str>,
        reason: Reason,
        message: impl Into<Arc<str>>,
        out: &mut Output,
    ) {
        let message = message.into();
        if self.is_route() {
            // What upstream writes where it refuses Routes, which programs may read.
            let (reason, message) = match reason {
                Reason::DuplicateBackend => ("MultipleBackendsWithSameServiceError", Arc::default()),
                Reason::HostAlreadyClaimed => ("Host already Claimed", message.clone()),
                reason => (reason.as_str(), message.clone()),
            };
            let state = State::Known(Truth::False, reason, message);
            let condition = What::Condition { part: Part::Whole, kind: "Admitted", state, generation: 0 };
            for what in [condition, What::Field("host", host.clone())] {
                let statement = Statement { object: self.id(), what };
                if !out.statements.contains(&statement) {
                    out.statements.push(statement);
                }
            }
        }
        out.tell(&self.id(), reason, message);
    }
}

/// Whether an Ingress belongs to a class of ours.
pub(crate) fn is_ours(view: &View<'_>, ingress: &Ingress) -> bool {
    class_of(view, ingress).is_some()
}

/// The class of ours that an Ingress belongs to: the one that it names, else the default one.
pub(crate) fn class_of<'a>(view: &View<'a>, ingress: &Ingress) -> Option<&'a Arc<IngressClass>> {
    let mut ours = view.all::<IngressClass>().filter(|class| &*class.controller == CONTROLLER_NAME);
    match &ingress.class {
        Some(name) => ours.find(|class| class.name == *name),
        None => ours.find(|class| class.is_default),
    }
}

/// The hosts of an Ingress, generated ones included.
pub(crate) fn hosts(view: &View<'_>, ingress: &Ingress) -> BTreeSet<Arc<str>> {
    ingress.rules.iter().filter_map(|rule| view.host_of(ingress, rule.host.as_ref())).collect()
}
