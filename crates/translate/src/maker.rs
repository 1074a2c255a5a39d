//! Whatever asks for objects.

use std::fmt;

use crate::front::FrontKey;
use crate::unit::UnitKey;

/// A unit or a front: what has an [`Output`](crate::Output).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Maker {
    /// What is translated by itself.
    Unit(UnitKey),
    /// What is assembled of what units contribute to it.
    Front(FrontKey),
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit(unit) => write!(f, "{unit}"),
            Self::Front(front) => write!(f, "shared virtual service {}", front.name),
        }
    }
}
