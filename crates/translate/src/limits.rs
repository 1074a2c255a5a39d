//! What the controller takes at most: known here, so that one object too many costs that
//! object and not the shared one that it would be on.
//!
//! | what | at most | source |
//! | --- | --- | --- |
//! | names of a VsVip | 1,000 | the Avi REST API, §8.15 (`dns_info`) |
//! | BGP labels of a VsVip | 128 | the same; `bgpPeerLabels` is checked when it is read |
//! | bytes of a name, or of a label | 255 | the Avi REST API, §8; [`ako_core::name::fits`] |

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::contribution::Contribution;

/// The names of a VsVip.
const NAMES: usize = 1000;

/// Counts what units put on a front, in the order of their age.
#[derive(Debug)]
pub struct Room {
    names: BTreeSet<Arc<str>>,
    free: usize,
}

impl Room {
    /// The room on a front that has so many names of its own.
    pub(crate) fn new(own: usize) -> Self {
        Self { names: BTreeSet::new(), free: NAMES.saturating_sub(own) }
    }

    /// Takes the room for a contribution; answers whether there was any.
    pub fn take(&mut self, contribution: &Contribution) -> bool {
        let new: BTreeSet<_> =
            contribution.fqdns.iter().filter(|name| !self.names.contains(*name)).cloned().collect();
        let fits = self.names.len() + new.len() <= self.free;
        if fits {
            self.names.extend(new);
        }
        fits
    }

    /// Whether so many units fit, each of which has one name, as all have.
    pub fn fits(&self, units: usize) -> bool {
        units <= self.free
    }
}
