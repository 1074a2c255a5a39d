//! What the kubelet knows of Pods for those who ask it: where their logs are, and which
//! processes they have.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::handlers::Target;

/// The newest Pod of each namespace and name.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory(Arc<Mutex<Pods>>);

/// By namespace and name.
type Pods = BTreeMap<(String, String), Arc<Runs>>;

/// The containers of one Pod.
#[derive(Debug)]
pub(super) struct Runs {
    /// The folder with a log for each container, over all its restarts.
    pub(super) logs: PathBuf,
    containers: Mutex<BTreeMap<String, Run>>,
}

/// A container since its last start.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// Where it began to write in its log, and where the run before that did.
    pub(super) from: u64,
    pub(super) previous: Option<u64>,
    /// None when it has ended.
    pub(super) target: Option<Target>,
}

impl Directory {
    /// Adds a Pod, instead of an older one of its name.
    pub(super) fn add(&self, namespace: &str, pod: &str, logs: &Path) -> Arc<Runs> {
        let runs = Arc::new(Runs { logs: logs.to_owned(), containers: Mutex::default() });
        self.lock().insert((namespace.to_owned(), pod.to_owned()), runs.clone());
        runs
    }

    pub(super) fn find(&self, namespace: &str, pod: &str) -> Option<Arc<Runs>> {
        self.lock().get(&(namespace.to_owned(), pod.to_owned())).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Pods> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runs {
    pub(super) fn log(&self, container: &str) -> PathBuf {
        self.logs.join(format!("{container}.log"))
    }

    /// How much a container has written until now: where its next run begins.
    pub(super) fn written(&self, container: &str) -> u64 {
        fs::metadata(self.log(container)).map_or(0, |log| log.len())
    }

    pub(super) fn started(&self, container: &str, from: u64, target: Target) {
        let mut containers = self.lock();
        let previous = containers.get(container).map(|run| run.from);
        containers.insert(container.to_owned(), Run { from, previous, target: Some(target) });
    }

    pub(super) fn ended(&self, container: &str) {
        if let Some(run) = self.lock().get_mut(container) {
            run.target = None;
        }
    }

    /// None until it has been started.
    pub(super) fn of(&self, container: &str) -> Option<Run> {
        self.lock().get(container).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Run>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
