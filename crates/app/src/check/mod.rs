//! `ako check`: whether everything is there that an operator needs, from the kubeconfig to the
//! leader, and what to do about what is not.
//!
//! Each check asks what the operator itself asks when it starts, by the same functions. One that
//! fails does not keep those after it from being made, unless they need what it asked for.

mod cluster;
mod controller;
mod operator;
mod report;
mod role;

#[cfg(test)]
pub(crate) use self::report::About;
pub(crate) use self::report::{Outcome, Report};

use std::time::Duration;

use ako_core::Program;

use crate::cluster::Cluster;

/// How long a name, a connection or an answer may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Where the operator is, or will be.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Which program it is.
    pub(crate) program: Program,
    /// Its cluster and namespace.
    pub(crate) cluster: Cluster,
    /// Its ServiceAccount; without one, whoever asks is the operator.
    pub(crate) account: Option<String>,
    /// Its pod that is asked how it does.
    pub(crate) pod: String,
    /// The port of its status page.
    pub(crate) port: u16,
    /// Whether it runs on this machine, so that no port-forward is needed.
    pub(crate) is_here: bool,
}

/// Makes the checks that can be made before a release of AKO is taken over: all but those of a running
/// operator.
pub(crate) async fn check_before(place: &Place) -> Report {
    let mut report = Report::default();
    let Some(client) = cluster::client(place, &mut report).await else { return report };
    let settings = cluster::settings(place, &client, &mut report).await;
    cluster::permissions_to_come(place, &client, settings.as_ref(), &mut report).await;
    if let Some(settings) = &settings {
        controller::check(&client, settings, &mut report).await;
    }
    operator::predecessor(place, &client, &mut report).await;
    report
}

/// Makes all checks once.
pub(crate) async fn check(place: &Place) -> Report {
    let mut report = Report::default();
    let Some(client) = cluster::client(place, &mut report).await else { return report };
    let settings = cluster::settings(place, &client, &mut report).await;
    cluster::permissions(place, &client, settings.as_ref(), &mut report).await;
    if let Some(settings) = &settings {
        controller::check(&client, settings, &mut report).await;
    }
    operator::check(place, &client, &mut report).await;
    report
}
