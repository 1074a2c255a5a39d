//! What must not be, and was.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// What went wrong in a run, with the time. Clones share it.
#[derive(Clone, Debug)]
pub struct Complaints {
    wrong: Arc<Mutex<Vec<String>>>,
    started: Instant,
}

impl Complaints {
    /// None yet; times count from now.
    pub fn new() -> Self {
        Self { wrong: Arc::default(), started: Instant::now() }
    }

    /// When the run began.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Notes one.
    pub fn add(&self, what: &str) {
        let at = self.started.elapsed().as_secs_f64();
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{at:.3}: {what}"));
    }

    /// All of them.
    pub fn all(&self) -> Vec<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Default for Complaints {
    fn default() -> Self {
        Self::new()
    }
}
