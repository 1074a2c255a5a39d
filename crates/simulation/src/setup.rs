//! Which instances of the operator there are, what each of them serves, and whether the CRD
//! operator runs beside.

use ako_core::Program;
use ako_kube_io::Shared;

/// The instances of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// One, which serves every namespace.
    One,
    /// Two on the same controller, a primary and a secondary, each for the
    /// namespaces of its team.
    Two,
    /// Three of them.
    Three,
    /// One, and the CRD operator beside it.
    WithCrdOperator,
}

/// An instance of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Member {
    /// Which program it is.
    pub program: Program,
    /// The namespace that it runs in.
    pub namespace: &'static str,
    /// The namespaces that it serves are labelled `team=` so; all, if `None`.
    pub team: Option<&'static str>,
    /// What its objects on the controller bear as `created_by`.
    pub owner: &'static str,
}

impl Member {
    /// The names of what its replicas have in common in its namespace.
    pub fn shared(&self) -> Shared {
        Shared::of(self.program)
    }

    /// The name of one of its pods.
    pub fn pod(&self, number: usize) -> String {
        format!("{}-{number}", self.shared().workload)
    }
}

/// The namespace whose objects never change.
pub const STILL: &str = "still";
/// The namespace whose objects come, change and go.
pub const LIVELY: &str = "lively";
/// The same for the second of two instances, where [`LIVELY`] and this one may
/// change hands.
const CALM: &str = "calm";
const ROVING: &str = "roving";
/// The same for the third of three.
const DISTANT: &str = "distant";

/// The namespace of custom resources whose tenant on the controller changes.
pub const RENTED: &str = "rented";

const fn operator(namespace: &'static str, team: Option<&'static str>, owner: &'static str) -> Member {
    Member { program: Program::Operator, namespace, team, owner }
}

const ALONE: [Member; 1] = [operator("avi-system", None, "ako-c1")];
const PAIR: [Member; 2] =
    [operator("avi-system", Some("a"), "ako-c1"), operator("blue", Some("b"), "ako-c1-blue")];
const TRIO: [Member; 3] = [
    operator("avi-system", Some("a"), "ako-c1"),
    operator("blue", Some("b"), "ako-c1-blue"),
    operator("green", Some("c"), "ako-c1-green"),
];
const BESIDE: [Member; 2] = [
    operator("avi-system", None, "ako-c1"),
    Member {
        program: Program::CrdOperator,
        namespace: "avi-system",
        team: None,
        owner: "ako-crd-operator-c1",
    },
];

impl Setup {
    /// That with so many instances.
    pub fn of(instances: u8) -> Self {
        match instances {
            ..=1 => Self::One,
            2 => Self::Two,
            _ => Self::Three,
        }
    }

    /// What the simulation is told to have it.
    pub fn argument(self) -> &'static str {
        match self {
            Self::One => "--instances 1",
            Self::Two => "--instances 2",
            Self::Three => "--instances 3",
            Self::WithCrdOperator => "--crd-operator",
        }
    }

    /// What the sums of its runs are kept under.
    pub fn key(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
            Self::Three => "3",
            Self::WithCrdOperator => "crd-operator",
        }
    }

    /// Its instances, the primary first, and the CRD operator last.
    pub fn members(self) -> &'static [Member] {
        match self {
            Self::One => &ALONE,
            Self::Two => &PAIR,
            Self::Three => &TRIO,
            Self::WithCrdOperator => &BESIDE,
        }
    }

    /// Those of the operator.
    pub fn operators(self) -> impl Iterator<Item = &'static Member> {
        self.members().iter().filter(|member| member.program == Program::Operator)
    }

    /// The CRD operator, if it is there.
    pub fn crd_operator(self) -> Option<&'static Member> {
        self.members().iter().find(|member| member.program == Program::CrdOperator)
    }

    /// Whether one instance of the operator serves every namespace.
    pub fn is_one(self) -> bool {
        self.operators().nth(1).is_none()
    }

    /// The most replicas of an instance.
    pub fn replicas(self) -> usize {
        match self {
            Self::One => 3,
            Self::Two | Self::Three | Self::WithCrdOperator => 2,
        }
    }

    /// The namespaces of the applications, and whose they are in the beginning.
    pub fn namespaces(self) -> &'static [(&'static str, Option<&'static str>)] {
        match self {
            Self::One => &[(STILL, None), (LIVELY, None)],
            Self::Two => &[(STILL, Some("a")), (CALM, Some("b")), (LIVELY, Some("a")), (ROVING, Some("b"))],
            Self::WithCrdOperator => &[(STILL, None), (LIVELY, None), (RENTED, None)],
            Self::Three => &[
                (STILL, Some("a")),
                (CALM, Some("b")),
                (DISTANT, Some("c")),
                (LIVELY, Some("a")),
                (ROVING, Some("b")),
            ],
        }
    }

    /// The namespaces whose objects never change.
    pub fn still(self) -> &'static [&'static str] {
        match self {
            Self::One | Self::WithCrdOperator => &[STILL],
            Self::Two => &[STILL, CALM],
            Self::Three => &[STILL, CALM, DISTANT],
        }
    }

    /// The namespaces that change hands.
    pub fn moving(self) -> &'static [&'static str] {
        match self {
            Self::One | Self::WithCrdOperator => &[],
            Self::Two | Self::Three => &[LIVELY, ROVING],
        }
    }

    /// The namespace of a lively Ingress of that number.
    pub fn lively(self, number: usize) -> &'static str {
        match self {
            Self::Two | Self::Three if number % 2 == 1 => ROVING,
            _ => LIVELY,
        }
    }
}
