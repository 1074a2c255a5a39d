//! Proofs on paused time.

use std::sync::{Arc, LazyLock};

use ako_elect::Moment;
use ako_kube_io::{Demand, Pace};
use tokio::sync::watch;
use tokio::time::Instant;

thread_local! {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
}

/// The time, on the clock of [`pace`].
pub(crate) fn now() -> Moment {
    Moment::default() + START.with(|start| start.elapsed())
}

pub(crate) fn pace(demand: &watch::Sender<Demand>) -> Pace {
    Pace { demand: demand.subscribe(), clock: Arc::new(now) }
}
