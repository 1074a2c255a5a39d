//! Which instances of the operator there are, and what each of them serves.

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
}

/// An instance of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Member {
    /// The namespace that it runs in.
    pub namespace: &'static str,
    /// The namespaces that it serves are labelled `team=` so; all, if `None`.
    pub team: Option<&'static str>,
    /// What its objects on the controller bear as `created_by`.
    pub owner: &'static str,
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

const ALONE: [Member; 1] = [Member { namespace: "avi-system", team: None, owner: "ako-c1" }];
const PAIR: [Member; 2] = [
    Member { namespace: "avi-system", team: Some("a"), owner: "ako-c1" },
    Member { namespace: "blue", team: Some("b"), owner: "ako-c1-blue" },
];

const TRIO: [Member; 3] = [
    Member { namespace: "avi-system", team: Some("a"), owner: "ako-c1" },
    Member { namespace: "blue", team: Some("b"), owner: "ako-c1-blue" },
    Member { namespace: "green", team: Some("c"), owner: "ako-c1-green" },
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

    /// Its instances, the primary first.
    pub fn members(self) -> &'static [Member] {
        match self {
            Self::One => &ALONE,
            Self::Two => &PAIR,
            Self::Three => &TRIO,
        }
    }

    /// The most replicas of an instance.
    pub fn replicas(self) -> usize {
        match self {
            Self::One => 3,
            Self::Two | Self::Three => 2,
        }
    }

    /// The namespaces of the applications, and whose they are in the beginning.
    pub fn namespaces(self) -> &'static [(&'static str, Option<&'static str>)] {
        match self {
            Self::One => &[(STILL, None), (LIVELY, None)],
            Self::Two => &[(STILL, Some("a")), (CALM, Some("b")), (LIVELY, Some("a")), (ROVING, Some("b"))],
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
            Self::One => &[STILL],
            Self::Two => &[STILL, CALM],
            Self::Three => &[STILL, CALM, DISTANT],
        }
    }

    /// The namespaces that change hands.
    pub fn moving(self) -> &'static [&'static str] {
        match self {
            Self::One => &[],
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
