//! What the replicas of a program have in common in its namespace.

use ako_core::{Installation, Program};
use ako_elect::{LEASE_NAME, RECORD_NAME};

/// The names of what the replicas of a program have in common in its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The ConfigMap that says who leads.
    pub record: &'static str,
    /// The Lease that shows it.
    pub lease: &'static str,
    /// The StatefulSet that they are pods of.
    pub workload: &'static str,
    /// The ServiceAccount that the chart runs them as.
    pub account: &'static str,
}

impl Shared {
    /// Those of a program.
    pub const fn of(program: Program) -> Self {
        match program {
            Program::Operator => Self {
                record: RECORD_NAME,
                lease: LEASE_NAME,
                workload: Installation::STATEFUL_SET,
                account: "ako-sa",
            },
            Program::CrdOperator => Self {
                record: "ako-crd-operator-leadership",
                lease: "ako-crd-operator-lease-lock",
                workload: "ako-crd-operator",
                account: "ako-crd-operator",
            },
        }
    }

    /// The name of the first of the pods.
    pub fn first_pod(self) -> String {
        format!("{}-0", self.workload)
    }
}
