//! Cluster snapshot to desired Avi objects and statuses.
//!
//! The work is cut in two. A *unit* is what can be translated by itself: one
//! host with everything that serves it, one LoadBalancer Service, or the static
//! routes to the pods. A *front* is a virtual service that many units share; it
//! is a unit that is made of what others contribute to it, too. Both look at the
//! cluster through a view, and say what they have to say in the same [`Output`].
//! A changed Kubernetes object makes the units and fronts that read it translate
//! again, and a changed contribution the fronts that it is for.
//!
//! Invariants of this crate:
//! - It is total: bad input costs one object a [`Diagnostic`](ako_core::Diagnostic),
//!   never another object, and never a panic.
//! - It is a function: equal input gives equal output, whatever the order in
//!   which the cluster came to be what it is.
//! - Everything that a unit or a front looked at, absent objects included, is in
//!   its read-set.

mod claimant;
mod context;
mod contribution;
mod endpoints;
mod front;
mod http;
mod layer4;
mod limits;
mod maker;
mod output;
mod placement;
mod pool;
mod profiles;
mod rules;
mod se_group;
mod statement;
mod static_routes;
mod translator;
mod unit;
mod view;
mod virtual_service;
mod vsvip;

pub use contribution::{Carried, Contribution, PlacedBy};
pub use front::{FrontKey, FrontKind};
pub use limits::Room;
pub use maker::Maker;
pub use output::{Keep, Output};
pub use statement::{Binding, Made, Problem, State, Statement, What};
pub use translator::Translator;
pub use unit::UnitKey;
